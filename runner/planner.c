/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "inject/net_overlap.h"

#define WATCH_NS \
	(15 * NS_PER_S) /* the controller's default for checks that no recovers_within names */

#define APART_NS NS_PER_S /* for the first one to be taken back */

static int keep(struct run_plan *p, struct planned_fault *f, const struct plan *plan, struct err *e)
{
	f->n_changes = plan->n_changes;
	f->change = arena_zalloc(&p->arena, plan->n_changes * sizeof(*f->change));
	f->n_notes = plan->n_notes;
	f->note = arena_zalloc(&p->arena, (plan->n_notes + 1) * sizeof(*f->note));
	f->n_names = plan->n_names;
	f->name = arena_zalloc(&p->arena, (plan->n_names + 1) * sizeof(*f->name));
	if (!f->change || !f->note || !f->name)
		return err_set(e, ENOMEM, "no memory for the plan");
	memcpy(f->change, plan->change, plan->n_changes * sizeof(*f->change));
	memcpy(f->note, plan->note, plan->n_notes * sizeof(*f->note));
	memcpy(f->name, plan->name, plan->n_names * sizeof(*f->name));
	memcpy(f->summary, plan->summary, sizeof(f->summary));
	f->class = plan->n_changes ? change_ops_of(plan->change[0].kind)->class : CLASS_ONE_SHOT;
	for (unsigned i = 1; i < plan->n_changes; i++) {
		enum change_class c = change_ops_of(plan->change[i].kind)->class;

		if (c > f->class)
			f->class = c;
	}
	p->n_changes += plan->n_changes;
	p->devices += plan->devices;
	p->processes += plan->processes;
	p->files += plan->files;
	return 0;
}

/* Closer than that long. */
static bool at_once(const struct fault_item *a, const struct fault_item *b, int64_t ns)
{
	return a->after_ns < b->after_ns + b->for_ns + ns &&
	       b->after_ns < a->after_ns + a->for_ns + ns;
}

static const struct change_spec *find_same_thing(const struct planned_fault *f,
						 const struct plan *plan)
{
	for (unsigned m = 0; m < f->n_changes; m++) {
		for (unsigned n = 0; n < plan->n_changes; n++) {
			if (change_is_same_thing(&f->change[m], &plan->change[n]))
				return &plan->change[n];
		}
	}
	return NULL;
}

/* The later one would find what it is to change changed, and end the run in its middle. */
static int refuse_twice(const struct run_plan *p, unsigned i, const struct fault_item *item,
			const struct plan *plan, struct err *e)
{
	for (unsigned k = 0; k < i; k++) {
		const struct planned_fault *f = &p->fault[k];
		const struct change_spec *twice =
			at_once(item, f->item, APART_NS) ? find_same_thing(f, plan) : NULL;
		char words[ERR_LINE];
		struct text what = text_on(words, sizeof(words));

		if (!twice)
			continue;
		change_resource_words(twice, &what);
		return err_set(e, EINVAL,
			       "fault '%.60s' does the same to %s at that time: let a second pass "
			       "between the two",
			       f->item->id, words);
	}
	return 0;
}

/* Both tables stand in one hook: what the first one takes away never comes to the second. */
static void note_overlaps(const struct run_plan *p, unsigned i, const struct fault_item *item,
			  struct plan *plan)
{
	const struct address_pool pool = { p->pool.n, p->pool.at };

	for (unsigned k = 0; k < i; k++) {
		const struct planned_fault *f = &p->fault[k];
		bool found = false;

		if (!at_once(item, f->item, 0))
			continue;
		for (unsigned m = 0; m < f->n_changes; m++) {
			for (unsigned n = 0; n < plan->n_changes; n++)
				found |= gates_overlap(&f->change[m], &plan->change[n], &pool);
		}
		if (found)
			plan_note(plan,
				  "may choose packets that '%.40s' chooses too: one of the two "
				  "treats such a packet, the other does not see it",
				  f->item->id);
	}
}

static int plan_one(const struct experiment *x, const struct targets *targets, unsigned i,
		    struct run_plan *p, struct plan *scratch, struct err *e)
{
	const struct fault_item *item = &x->faults[i];
	struct plan_context ctx = { .run_id = p->run_id,
				    .fault_index = i,
				    .targets = targets,
				    .for_ns = item->for_ns,
				    .lease_ms = PLAN_LEASE_MS,
				    .pool = &p->pool };
	int64_t end = item->after_ns + item->for_ns;
	int rc;

	memset(scratch, 0, sizeof(*scratch));
	rc = item->ops->plan(item->spec, &ctx, scratch, e);
	if (rc == 0)
		rc = refuse_twice(p, i, item, scratch, e);
	if (rc < 0)
		return rc;
	for (unsigned k = 0; k < scratch->n_changes && !item->for_ns; k++) {
		int64_t land = change_land_ns(&scratch->change[k]);

		if (item->after_ns + land > end)
			end = item->after_ns + land;
	}
	p->fault[i].item = item;
	note_overlaps(p, i, item, scratch);
	if (end > p->hold_ns)
		p->hold_ns = end;
	end += item->has_recovery ? item->recovers_within.within_ns : WATCH_NS;
	if (end > p->longest_ns)
		p->longest_ns = end;
	return keep(p, &p->fault[i], scratch, e);
}

int planner_plan(const struct experiment *x, const char *run_id, const struct targets *targets,
		 struct run_plan *ret, unsigned *ret_fault, struct err *e)
{
	struct run_plan p = { .seed = targets->seed, .n_faults = (unsigned)x->n_faults };
	struct plan *scratch = arena_zalloc(&p.arena, sizeof(*scratch));
	int rc = 0;

	*ret_fault = UINT32_MAX;
	snprintf(p.run_id, sizeof(p.run_id), "%s", run_id);
	p.fault = arena_zalloc(&p.arena, x->n_faults * sizeof(*p.fault));
	if (!scratch || !p.fault)
		rc = err_set(e, ENOMEM, "no memory for the plan");
	for (unsigned i = 0; i < x->n_faults && rc == 0; i++) {
		rc = plan_one(x, targets, i, &p, scratch, e);
		if (rc < 0)
			*ret_fault = i;
	}
	if (rc < 0) {
		planner_done(&p);
		return rc;
	}
	*ret = p;
	return 0;
}

void planner_done(struct run_plan *p)
{
	arena_done(&p->arena);
	free(p->pool.at);
	*p = (struct run_plan){ 0 };
}

void planner_add_class(enum change_class class, uint32_t lease_ms, struct text *t)
{
	text_add(t, "%s: ", change_class_name(class));
	switch (class) {
	case CLASS_SELF_ENDING:
		text_add(t, "gone within ");
		units_add_duration(t, lease_ms * NS_PER_MS);
		text_add(t, " if brink dies or hangs");
		break;
	case CLASS_GUARDED:
		text_add(t, "taken back by the keeper or its spare; 'brink revert' if both die");
		break;
	case CLASS_PERSISTENT:
		text_add(t, "survives a reboot; the boot unit takes it back");
		break;
	case CLASS_ONE_SHOT:
		text_add(t, "cannot be undone");
		break;
	}
}
