/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/plan_rights.h"

#include <string.h>

#include "safety/rights.h"
#include "safety/sandbox.h"

#define NAMED 3 /* faults with the same rights that a line names */

static uint64_t keeper_caps(const struct run_plan *p)
{
	struct rights_sum s = RIGHTS_KEEPER;

	for (unsigned i = 0; i < p->n_faults; i++) {
		for (unsigned k = 0; k < p->fault[i].n_changes; k++)
			rights_add_keeper(&s, &p->fault[i].change[k]);
	}
	return s.caps | rights_memory();
}

static uint64_t holder_caps(const struct planned_fault *f)
{
	struct rights_sum s = { 0 };

	for (unsigned k = 0; k < f->n_changes; k++)
		rights_add_holder(&s, &f->change[k]);
	return s.caps;
}

/* Only shown: what cannot be read is shown as not held. */
static uint64_t held_here(void)
{
	struct err ignored;
	uint64_t caps = 0;

	sandbox_permitted(&caps, &ignored);
	return caps;
}

static void print_line(const char *label, const char *who, uint64_t caps, FILE *out)
{
	uint64_t mine = held_here();
	char has[300], lacks[300];
	struct text h = text_on(has, sizeof(has)), l = text_on(lacks, sizeof(lacks));

	rights_print(caps & mine, &h);
	rights_print(caps & ~mine, &l);
	fprintf(out, "  %-9s %s: %s%s%s\n", label, who, has,
		caps & ~mine ? "; not held here: " : "", caps & ~mine ? lacks : "");
}

/* One line for all faults whose holders hold the same as the one of fault i; nothing when an
 * earlier line has it. */
static void print_holders(const struct run_plan *p, unsigned i, FILE *out)
{
	uint64_t caps = holder_caps(&p->fault[i]);
	unsigned n = 0;
	char who[300];
	struct text t = text_on(who, sizeof(who));

	for (unsigned k = 0; k < i; k++) {
		if (holder_caps(&p->fault[k]) == caps)
			return;
	}
	text_add(&t, "holder of ");
	for (unsigned k = i; k < p->n_faults; k++) {
		if (holder_caps(&p->fault[k]) == caps && n++ < NAMED)
			text_add(&t, "%s%.60s", n > 1 ? ", " : "", p->fault[k].item->id);
	}
	if (n > NAMED)
		text_add(&t, " and %u more", n - NAMED);
	print_line("", who, caps, out);
}

void plan_rights_print(const struct run_plan *p, FILE *out)
{
	print_line("Rights", "keeper and spare", keeper_caps(p), out);
	for (unsigned i = 0; i < p->n_faults; i++)
		print_holders(p, i, out);
	print_line("", "runner, prober and commands", 0, out);
}

static json_t *names(uint64_t caps)
{
	json_t *list = json_array();

	for (unsigned n = 0; n < 64; n++) {
		char word[40];
		struct text t = text_on(word, sizeof(word));

		if (!(caps >> n & 1))
			continue;
		rights_print(UINT64_C(1) << n, &t);
		json_array_append_new(list, json_string(word));
	}
	return list;
}

json_t *plan_rights_json(const struct run_plan *p)
{
	uint64_t mine = held_here(), all = keeper_caps(p);
	json_t *holders = json_object();

	for (unsigned i = 0; i < p->n_faults; i++) {
		uint64_t caps = holder_caps(&p->fault[i]);

		all |= caps;
		json_object_set_new(holders, p->fault[i].item->id, names(caps & mine));
	}
	return json_pack("{s:o, s:o, s:o}", "keeper", names(keeper_caps(p) & mine), "holders",
			 holders, "not_held", names(all & ~mine));
}
