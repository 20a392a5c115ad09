/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/names.h"

#include <stdint.h>
#include <string.h>

struct name_slot {
	const char *name; /* NULL = free */
	const void *value;
};

/* FNV-1a. A file made to collide costs at most DOC_NODES probes a name, within 1 MiB. */
static uint64_t hash(const char *s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return h ^ h >> 32;
}

/* Where the name is, or the free slot where it belongs. */
static struct name_slot *find(const struct names *s, const char *name)
{
	size_t i = hash(name) & (s->size - 1);

	while (s->slot[i].name && strcmp(s->slot[i].name, name) != 0)
		i = (i + 1) & (s->size - 1);
	return &s->slot[i];
}

static int grow(struct names *s, struct arena *a)
{
	struct names bigger = { .n = s->n, .size = s->size ? s->size * 2 : 32 };

	bigger.slot = arena_zalloc(a, bigger.size * sizeof(*bigger.slot));
	if (!bigger.slot)
		return -1;
	for (size_t i = 0; i < s->size; i++) {
		if (s->slot[i].name)
			*find(&bigger, s->slot[i].name) = s->slot[i];
	}
	*s = bigger;
	return 0;
}

const void **names_put(struct names *s, struct arena *a, const char *name)
{
	struct name_slot *slot;

	if (s->n * 2 >= s->size && grow(s, a) < 0)
		return NULL;
	slot = find(s, name);
	if (!slot->name) {
		slot->name = name;
		s->n++;
	}
	return &slot->value;
}

const void *names_get(const struct names *s, const char *name)
{
	return s->size ? find(s, name)->value : NULL;
}
