/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SAFETY_CONTROLLER_H
#define BRINK_SAFETY_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "safety/controller_config.h"
#include "safety/controller_view.h"

/*
 * Decides everything of a run: (state, event, now) -> (state, actions). No I/O, no clock, no memory
 * after controller_new.
 *
 * The caller does the actions of a step at once, hands over every event that waits, and then a TICK
 * when controller_next has passed. What is judged by absence (no sample, no answer, not recovered
 * in time) is judged at a TICK only, so that a late caller does not blame others; everything else,
 * the end of a fault above all, happens at any event.
 */

#define CTL_NEVER INT64_MAX

enum ctl_event_kind {
	CTL_TICK,           /* time, nothing else */
	CTL_WOKE,           /* the same, but who was to speak may have had no time to */
	CTL_SAMPLE,         /* item = check, status, value, began_ns */
	CTL_ARMED,          /* everything armed */
	CTL_ARM_FAILED,     /* item = fault */
	CTL_LIVE,           /* item = fault: landed, read back */
	CTL_LIVE_FAILED,    /* item = fault: could not be put in place */
	CTL_LOST,           /* item = fault: lease lost */
	CTL_REVERTED,       /* item = fault: ended and gone, read back */
	CTL_NOT_REVERTED,   /* item = fault: its undo is not confirmed; a later REVERTED heals it */
	CTL_CLEAN,          /* answer to FINISH */
	CTL_NOT_CLEAN,      /* answer to FINISH */
	CTL_HALT,           /* by */
	CTL_COMMAND_EXITED, /* code, as the command's own exit code */
	CTL_DEADLINE,       /* someone else's clock says that the run's limit is reached */
	CTL_EVENTS
};

/* Events that do not fit the state, duplicates and unknown items change nothing. */
struct ctl_event {
	enum ctl_event_kind kind;
	unsigned item;
	enum ctl_status status;
	double value;     /* what rules compare; NaN = none */
	int64_t began_ns; /* when the probe began; not after the last sample's = duplicate */
	enum ctl_by by;
	int code;
};

/* What to do now, in this order. Lists are valid until the next step. */
struct ctl_actions {
	/* Quiet all gates, then undo whatever was armed or fired. At most once a run. */
	bool undo_all;
	/* The end of these faults; each is answered REVERTED or NOT_REVERTED. */
	const unsigned *undo;
	size_t nundo;
	/* Answered ARMED or ARM_FAILED. */
	bool arm_all;
	/* Open these gates in one go; each is answered LIVE or LIVE_FAILED. */
	const unsigned *fire;
	size_t nfire;
	/* The faults of the first instant are in place: the command of `try` may start. */
	bool start_command;
	/* Undo all that is left, fingerprint, journal; answered CLEAN or NOT_CLEAN. */
	bool finish;
	/* controller_result is final. Once a run, in its last step. */
	bool done;
};

/*
 * A controller for cfg, which must outlive it and stay as it is. All memory comes from a.
 * NULL with EINVAL (a config that makes no sense) or ENOMEM.
 */
struct controller *controller_new(const struct ctl_config *cfg, struct arena *a, struct err *e);

/* How long the gating checks may take to be good, before the arming and again after it. */
int64_t controller_before_ns(const struct controller *c);

/* One event. now_ns: CLOCK_MONOTONIC; never goes back (an earlier time counts as the last one). */
void controller_step(struct controller *c, const struct ctl_event *ev, int64_t now_ns,
		     struct ctl_actions *ret);
/* When the next TICK is needed at the latest. A time in the past = at once; CTL_NEVER = none. */
int64_t controller_next(const struct controller *c);

enum ctl_phase controller_phase(const struct controller *c);
/* When HOLD began; 0 = not yet. The zero of every `after`. */
int64_t controller_hold_ns(const struct controller *c);
void controller_result(const struct controller *c, struct ctl_result *ret);
void controller_fault(const struct controller *c, unsigned fault, struct ctl_fault_view *ret);
void controller_check(const struct controller *c, unsigned check, struct ctl_check_view *ret);
/* scope: a fault, or nfaults for the gates that no fault's recovers_within names. */
void controller_recovery(const struct controller *c, unsigned scope, struct ctl_recovery *ret);

#endif
