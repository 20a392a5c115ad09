/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NAMES_H
#define BRINK_NAMES_H

#include "runner/planner.h"
#include "safety/probe/prober.h"

/*
 * Host names of network faults, looked up again while the faults are held: what is new is judged as
 * what was planned, here in the runner, which believes the resolver nothing but the address. Pure:
 * it sends nothing and prints nothing.
 */
struct name_item {
	unsigned fault;
	const struct plan_name *plan;
};

enum name_state {
	NAME_WAITS,   /* for its fault to be held */
	NAME_ASKED,   /* for, of the keeper */
	NAME_SETTLED, /* joined, or not to join */
};

struct name_join {
	unsigned item;
	struct net_prefix at;
	enum name_state state;
};

struct names {
	unsigned n, n_joins, joins_room;
	struct name_item *item; /* one for each name, fault and list */
	struct name_join *join;
	unsigned *joined; /* by fault; GATE_JOINS at most */
	bool *full;       /* by fault: said so */
	const struct run_plan *plan;
	const struct shield_flows *flows; /* NULL = none */
	struct policy_judge judge;
};

/* What is judged, and by what; all of it borrowed. */
struct names_of {
	const struct run_plan *plan;
	const struct shield_flows *flows; /* NULL = none */
	const struct policy *policy;
	const struct limits *limits;
};
/* n == 0: there is nothing to look up. -ENOMEM; -EINVAL for limits. */
int names_new(const struct names_of *of, struct arena *mem, struct names *ret, struct err *e);
void names_done(struct names *n);

/* An item with a smaller number is about the same name of the same fault: what is told of this one
 * has been told of that one. */
bool names_again(const struct names *n, unsigned item);

/*
 * What a resolver has found. 1: it is to join, and *ret its number among n->join. 0: there is
 * nothing to do. -errno: it does not join, *e says why (-ENOSPC: neither does any other one from
 * now on).
 */
int names_found(struct names *n, const struct probe_name *m, unsigned *ret, struct err *e);

/* "10.0.0.7" */
void names_add_address(struct text *t, const struct net_prefix *p);

#endif
