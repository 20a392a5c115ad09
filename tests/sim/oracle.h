/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SIM_ORACLE_H
#define BRINK_SIM_ORACLE_H

/*
 * A second opinion on a run: it sees the config, the events and the actions, never the inside of
 * the controller, and says which invariant a step broke. Written apart from the controller on
 * purpose.
 */

#include "safety/controller.h"

#define ORACLE_CHECKS  3
#define ORACLE_FAULTS  5
#define ORACLE_RULES   2
#define ORACLE_SAMPLES 192

struct oracle_sample {
	int64_t began_ns, heard_ns;
	enum ctl_status status;
};

struct oracle_check {
	int64_t began_ns, heard_ns;
	unsigned fails, passes;
	unsigned hold_known, hold_unknown; /* samples while faults were on */
	bool fresh;                        /* passed with a probe that began after ARMED */
	struct oracle_sample log[ORACLE_SAMPLES];
	unsigned nlog;
};

struct oracle_fault {
	bool fired, landed, told, reverted, stuck;
	int64_t fired_ns, live_ns, told_ns, reverted_ns;
};

struct oracle {
	const struct ctl_config *cfg;
	struct oracle_check checks[ORACLE_CHECKS];
	struct oracle_fault faults[ORACLE_FAULTS];
	bool rule_on[ORACLE_RULES], rule_proven[ORACLE_RULES];
	int64_t rule_since[ORACLE_RULES];
	bool lost; /* this event: the lease of a fault that was on */
	bool arm_all, armed, undo_all, command, finish, done, clean, answered;
	bool hold; /* this event came in HOLD or LIFT */
	int64_t arm_ns, armed_ns, finish_ns;
	struct ctl_cause cause;
	const char *wrong; /* the first invariant that was broken; NULL = none */
	int code;
};

void oracle_init(struct oracle *o, const struct ctl_config *cfg);
/* Judges one step of c: ev went in at now_ns in phase before, acts came out. */
void oracle_step(struct oracle *o, const struct controller *c, const struct ctl_event *ev,
		 int64_t now_ns, enum ctl_phase before, const struct ctl_actions *acts);

#endif
