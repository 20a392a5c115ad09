/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PLANNER_H
#define BRINK_PLANNER_H

#include "base/ulid.h"
#include "scenarios/experiment.h"
#include "scenarios/policy.h"

/* One fault of an experiment with everything that it is going to do. */
struct planned_fault {
	const struct fault_item *item;
	unsigned n_changes, n_notes;
	struct change_spec *change; /* in the plan's arena, as what follows */
	unsigned n_names;
	struct plan_name *name;
	char (*note)[160];
	char summary[160];
	enum change_class class;      /* the weakest of its changes */
	struct policy_verdict policy; /* filled by prepare_plan() */
};

struct run_plan {
	struct arena arena;
	char run_id[ULID_LEN + 1];
	uint64_t seed;
	unsigned n_faults, n_changes;
	struct planned_fault *fault;
	struct plan_pool pool;
	unsigned devices, processes, files; /* touched */
	int64_t hold_ns;                    /* until the last fault ends */
	int64_t longest_ns;                 /* with the longest recovery */
};

#define PLAN_LEASE_MS 3000

/*
 * Resolves every target and lists every change. Reads the system, writes nothing. *ret_fault: the
 * fault that could not be planned, UINT32_MAX when it was no single one. To be freed with
 * planner_done() after 0.
 */
int planner_plan(const struct experiment *x, const char *run_id, const struct targets *targets,
		 struct run_plan *ret, unsigned *ret_fault, struct err *e);
void planner_done(struct run_plan *p);

/* "self-ending: gone within 3s if brink dies or hangs" */
void planner_add_class(enum change_class class, uint32_t lease_ms, struct text *t);

#endif
