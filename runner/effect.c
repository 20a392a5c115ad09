/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/effect.h"

#include <string.h>

#include "base/units.h"

#define EXACT_BELOW 10240 /* bytes: a person counts them up to there */

const struct change_ops *effect_counter(const struct planned_fault *f)
{
	for (unsigned i = 0; i < f->n_changes; i++) {
		const struct change_ops *ops = change_ops_of(f->change[i].kind);

		if (ops && ops->effect)
			return ops;
	}
	return NULL;
}

static bool counts_bytes(const struct change_ops *c)
{
	return strcmp(c->unit[1], "bytes") == 0;
}

static bool counts_packets(const struct change_ops *c)
{
	return strcmp(c->unit[1], "packets") == 0;
}

static void add_bytes(struct text *t, uint64_t bytes)
{
	if (bytes < EXACT_BELOW)
		text_add(t, "%llu byte%s", (unsigned long long)bytes, bytes == 1 ? "" : "s");
	else
		units_add_size(t, bytes);
}

void effect_add(struct text *t, const struct change_ops *counter, const struct effect *x)
{
	if (!x->hits)
		text_add(t, "nothing");
	else if (counts_bytes(counter))
		add_bytes(t, x->hits);
	else
		text_add(t, "%llu %s", (unsigned long long)x->hits, counter->unit[x->hits != 1]);
	if (x->hits && counts_packets(counter)) {
		text_add(t, ", ");
		add_bytes(t, x->bytes);
	}
}

void effect_add_keys(struct text *t, const struct change_ops *counter, const struct effect *x)
{
	text_add(t, "%s=%llu", counter->unit[1], (unsigned long long)x->hits);
	if (counts_packets(counter))
		text_add(t, " bytes=%llu", (unsigned long long)x->bytes);
}

void effect_set(json_t *o, const struct change_ops *counter, const struct effect *x)
{
	json_object_set_new(o, counter->unit[1], json_integer((json_int_t)x->hits));
	if (counts_packets(counter))
		json_object_set_new(o, "bytes", json_integer((json_int_t)x->bytes));
}
