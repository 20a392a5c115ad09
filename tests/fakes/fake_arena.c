/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/arena.h with an allocation of its own for each piece, so that AddressSanitizer sees an
 * access behind its end. Linked by name in place of base/arena.c.
 */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

struct arena_block {
	struct arena_block *next;
	void *piece;
};

void *arena_zalloc(struct arena *a, size_t n)
{
	struct arena_block *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	b->piece = calloc(1, n ? n : 1);
	if (!b->piece) {
		free(b);
		return NULL;
	}
	b->next = a->head;
	a->head = b;
	a->used += n;
	return b->piece;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = n + 1 > n ? arena_zalloc(a, n + 1) : NULL;

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

void arena_done(struct arena *a)
{
	while (a->head) {
		struct arena_block *b = a->head;

		a->head = b->next;
		free(b->piece);
		free(b);
	}
	a->used = 0;
}
