/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROBE_SCHED_H
#define BRINK_PROBE_SCHED_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When which check is probed and when a probe is cut. Pure: no clock of its own. Times are
 * CLOCK_MONOTONIC ns. Phases are staggered, because probes that all begin at one instant measure
 * each other.
 */
struct sched_item {
	int64_t every_ns, timeout_ns; /* timeout_ns <= every_ns */
	int64_t next_ns, started_ns;
	bool running;
};

struct sched {
	struct sched_item *at; /* the caller's */
	uint32_t n;
	bool on;
};

enum sched_what { SCHED_NOTHING, SCHED_START, SCHED_CUT };

/* Begins: check 0 at now, the others within min(every, 1 s), no two at the same instant. */
void sched_start(struct sched *s, int64_t now);
/* Nothing runs and nothing is due any more. */
void sched_stop(struct sched *s);
/*
 * What is due: the longest overdue first, a cut before a start. It is taken as done: after START
 * the item runs, after CUT it does not. Periods that were missed are skipped, never made up for.
 * Call until SCHED_NOTHING.
 */
enum sched_what sched_take(struct sched *s, int64_t now, uint32_t *ret_i);
/* The probe of item i is over before its timeout. */
void sched_done(struct sched *s, uint32_t i);
/* When sched_take has something next; INT64_MAX = never. */
int64_t sched_wake_ns(const struct sched *s);

#endif
