/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SAFETY_WATCH_H
#define BRINK_SAFETY_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "safety/controller_view.h"

/*
 * One recovery expectation: a clock, a limit, and checks that must come back and stay good. A part
 * of the controller: pure, no memory of its own.
 */

struct watch_check {
	unsigned check, stable; /* passes in a row that count as good for good */
	int64_t patience_ns;    /* for a streak that began in time to become stable */
	enum ctl_watch state;
	unsigned streak;
	bool counted;     /* at least one sample that said something */
	int64_t first_ns; /* arrival of the first pass of the streak */
	int64_t hard_ns;  /* by then it is decided, whatever comes */
};

struct watch {
	struct ctl_recovery view;
	int64_t within_ns, stable_ns, deadline_ns;
	int64_t from_ns; /* probes that began later count */
	struct watch_check *checks;
	size_t nchecks;
};

/*
 * Starts the clock; samples count whose probe began after from_ns, when the end (or a one-shot's
 * landing) was known. Nothing if it runs already or there is nothing to watch.
 */
void watch_start(struct watch *w, int64_t clock_ns, int64_t from_ns);
/* A sample of any check. Old probes and other checks change nothing. */
void watch_sample(struct watch *w, unsigned check, enum ctl_status status, int64_t began_ns,
		  int64_t now_ns);
/* Judges what did not come in time. */
void watch_tick(struct watch *w, int64_t now_ns);
/* When watch_tick is needed; INT64_MAX = not. */
int64_t watch_next(const struct watch *w);

#endif
