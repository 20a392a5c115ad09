/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SAFETY_CONTROLLER_CONFIG_H
#define BRINK_SAFETY_CONTROLLER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/units.h"

#define CTL_MAX_ITEMS     65536U
#define CTL_STABLE_CHECKS 3U

/* What a run shall be: plain data. 0 in a time or count with a default means the default. */

struct ctl_check {
	bool gate;           /* false = role: observe */
	bool unknown_ok;     /* no_data: unknown */
	unsigned fail_after; /* 3: failures in a row that break it */
	unsigned pass_after; /* 1: passes in a row that make it good before the start */
	int64_t every_ns;    /* > 0 */
	int64_t timeout_ns;  /* no sample for timeout + 2 * every counts as a failing one */
};

struct ctl_recover {
	bool given;
	int64_t within_ns;      /* > 0 where given */
	unsigned stable_checks; /* passes in a row; 3 where stable_ns is 0, else 1 */
	int64_t stable_ns;      /* and good for so long */
	const unsigned *checks; /* NULL = every gate */
	size_t nchecks;
};

struct ctl_fault {
	int64_t after_ns; /* from the start of HOLD */
	int64_t for_ns;   /* from its firing; > 0 unless one_shot */
	int64_t land_ns;  /* its firing takes so long by itself, on top of live_ns */
	int64_t drain_ns; /* what it holds has this time to leave, on top of undo_ns */
	bool one_shot;    /* nothing to revert */
	struct ctl_recover recover;
};

/* abort.when: true without a break for for_ns stops the run. No data leaves a comparison as is. */
struct ctl_rule {
	unsigned check;    /* any role */
	struct compare is; /* is.failing: the check's own state */
	int64_t for_ns;
};

struct ctl_config {
	const struct ctl_check *checks;
	size_t nchecks;
	const struct ctl_fault *faults;
	size_t nfaults;
	const struct ctl_rule *rules;
	size_t nrules;
	bool hold_command; /* `try ... -- CMD`: HOLD lasts until COMMAND_EXITED */
	int64_t limit_ns;  /* limits.duration, from the start of HOLD; a command needs one */
	int64_t before_ns; /* until every gate is good; default from the checks */
	int64_t arm_ns;    /* 60 s until ARMED */
	int64_t live_ns;   /* 10 s until LIVE */
	int64_t undo_ns;   /* 30 s until REVERTED; abort.revert_within */
	int64_t finish_ns; /* 60 s until CLEAN */
	int64_t watch_ns;  /* 15 s: the recovery of gates that no recovers_within names */
};

/*
 * For the controller: fill in defaults; -EINVAL where the values make no sense. The config first
 * (all but before_ns), then its checks, then the rest.
 */
int ctl_config_fill(struct ctl_config *cfg, struct err *e);
int ctl_check_fill(struct ctl_check *k, struct err *e);
int ctl_fault_check(const struct ctl_config *cfg, const struct ctl_fault *f, struct err *e);
int ctl_rule_check(const struct ctl_config *cfg, const struct ctl_rule *r, struct err *e);
/* The longest time between two samples before the check counts as silent. */
int64_t ctl_check_gap_ns(const struct ctl_check *k);
/* Until every gate is good: enough for a few bad samples before the good ones. */
int64_t ctl_before_default(const struct ctl_config *cfg);
/* n (> 0) times ns, at most the longest time there is. */
int64_t ctl_times(int64_t n, int64_t ns);

#endif
