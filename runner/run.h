/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_RUN_H
#define BRINK_RUN_H

#include "runner/paths.h"
#include "runner/planner.h"
#include "runner/talk.h"
#include "safety/probe/proto.h"
#include "safety/sandbox.h"

/* What `brink run`, `try` and `demo` ask for; all of it borrowed until run_experiment() returns. */
struct run_request {
	const struct experiment *x;
	const struct run_plan *plan;
	const struct shield *shield;
	const struct shield_flows *flows;
	const struct policy *policy;
	const struct paths *paths;
	struct talk *talk;
	const char *events; /* --events or report.events; NULL = none */
	bool json;          /* events on stdout */
	bool quiet;         /* results only */
	bool color;         /* on stderr */
	int64_t lock_timeout_ns;
	int64_t fault_max_ns; /* policy; 0 = none */
	int64_t run_max_ns;   /* policy; 0 = the built-in one */
	const char *again;    /* how to run it again: "brink run x.brink.yaml --seed 7"; NULL = it
				 cannot be, and its events are not kept */
	char *const *command; /* try ... -- CMD: the faults hold as long as it runs; NULL = none */
};

struct run_outcome {
	int code;         /* enum exit_code */
	int command_code; /* -1 = none, or its end was not awaited */
	bool command_ran; /* it was started */
};

/* One sample of every check, for a plan. ret[i] has seq UINT32_MAX where none came in time. Touches
 * nothing. */
int run_probe_once(const struct run_request *rq, struct probe_sample *ret, struct err *e);
/*
 * Checks the steady state, makes the faults, watches, takes them back, proves it, says the verdict.
 * Gives up every capability on the way: the caller must be done with what needs one. -errno with
 * *e: it never began, nothing was touched, and ret->code says as what that counts.
 */
int run_experiment(const struct run_request *rq, struct run_outcome *ret, struct err *e);

#endif
