/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_EXPLAIN_H
#define BRINK_EXPLAIN_H

#include "inject/fault.h"

/* The field tables as a manual: for brink explain, brink list and the man pages. */

/* The i-th table: those of the language, of the faults, of the policy; NULL behind the last. */
const struct field_table *explain_table(size_t i);
/* The fault whose parameters this table describes, or NULL. */
const struct fault_ops *explain_fault(const struct field_table *t);
/* "self-ending", "one-shot" */
const char *explain_class(const struct fault_ops *f);
/* "to=localhost:5432 delay=200ms" as an item of `faults:`. */
void explain_add_item(const char *fault, const char *params, struct text *t);
/* "duration from 1us to 1m; required", "text; default 200" */
void explain_add_form(const struct field *f, struct text *t);
/* The i-th rule about several keys: "exactly one of http and tcp". False: there is none. */
bool explain_add_rule(const struct field_table *t, unsigned i, struct text *ret);

#define EXPLAIN_PLACES 64

/* What a word names: whole tables have field == NULL. */
struct explain_place {
	const struct field_table *table;
	const struct field *field;
};

/*
 * "net.delay", "net.delay.jitter", "limits.deny.paths", "every": fills at most EXPLAIN_PLACES, a
 * bare key once for each table that has it. Returns their number.
 */
size_t explain_find(const char *word, struct explain_place ret[static EXPLAIN_PLACES]);
/* The nearest word that explain_find() knows, or NULL. */
const char *explain_nearest(const char *word);

#endif
