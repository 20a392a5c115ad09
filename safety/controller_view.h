/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SAFETY_CONTROLLER_VIEW_H
#define BRINK_SAFETY_CONTROLLER_VIEW_H

#include <stdbool.h>
#include <stdint.h>

/* What can be read of a controller: for progress, events and the report. */

enum ctl_phase {
	CTL_IDLE,    /* made; the first event starts it */
	CTL_BEFORE,  /* steady state before the start; nothing touched */
	CTL_ARM,     /* the structures are being built */
	CTL_GATE,    /* one more fresh sample of each gate: armed has no effect */
	CTL_HOLD,    /* faults fire and end */
	CTL_LIFT,    /* every fault is told to end; waiting for the proof */
	CTL_RECOVER, /* everything reverted; watching the checks come back */
	CTL_ENDING,  /* FINISH is out; waiting for CLEAN */
	CTL_DONE,
	CTL_PHASES
};

enum ctl_status { CTL_PASS, CTL_FAIL, CTL_NO_DATA };

/* Who stopped the run. CTL_BY_BUG ends as "internal", all others as "aborted". */
enum ctl_by {
	CTL_BY_SIGNAL,
	CTL_BY_HALT,
	CTL_BY_TERMINAL,
	CTL_BY_KEEPER,
	CTL_BY_HOLDER,
	CTL_BY_PROBER,
	CTL_BY_LAUNCHER,
	CTL_BY_BUG,
	CTL_BYS
};

enum ctl_cause_kind {
	CTL_CAUSE_NONE,
	CTL_CAUSE_UNFIT,        /* item = check: not good before the start */
	CTL_CAUSE_GATE,         /* item = check: fail_after failures in a row */
	CTL_CAUSE_RULE,         /* item = rule of abort.when */
	CTL_CAUSE_LIMIT,        /* limits.duration */
	CTL_CAUSE_HALT,         /* by */
	CTL_CAUSE_LOST,         /* item = fault: lease lost, or gone before it landed */
	CTL_CAUSE_ARM_FAILED,   /* item = fault or CTL_ALL */
	CTL_CAUSE_LIVE_FAILED,  /* item = fault; "unable" when nothing had landed, else "aborted" */
	CTL_CAUSE_NO_ANSWER,    /* item = fault or CTL_ALL: the keeper did not answer in time */
	CTL_CAUSE_NOT_REVERTED, /* item = fault: could not be taken back while others were on */
	CTL_CAUSES
};

#define CTL_ALL UINT32_MAX

/* Why the run did not go to its planned end; the first one stays. */
struct ctl_cause {
	enum ctl_cause_kind kind;
	unsigned item;
	enum ctl_by by;
	unsigned count;   /* failing samples in a row */
	bool silent;      /* the last of them was "no sample came" */
	int64_t since_ns; /* the first of them; of a rule: true since */
	int64_t at_ns;
};

enum ctl_watch { CTL_WATCH_OFF, CTL_WATCH_ON, CTL_WATCH_OK, CTL_WATCH_LATE, CTL_WATCH_UNKNOWN };

/* One recovery: of a fault's recovers_within, or (index nfaults) of the gates that none names. */
struct ctl_recovery {
	enum ctl_watch state;
	int64_t clock_ns; /* when the clock started */
	int64_t mttr_ns;  /* OK: until the slowest check was good for good */
	unsigned check;   /* the check that decided */
};

struct ctl_result {
	int code; /* enum exit_code; base/exit.h */
	struct ctl_cause cause;
	bool clean;       /* every undo and the end are confirmed */
	bool touched;     /* ARM_ALL was given */
	int command_code; /* -1 = the command never ended by itself */
};

enum ctl_fault_phase { CTL_WAITING, CTL_FIRED, CTL_ON, CTL_UNDOING, CTL_STUCK, CTL_OFF };

struct ctl_fault_view {
	enum ctl_fault_phase phase;
	bool fired, landed;
	int64_t fired_ns, live_ns, ends_ns, undo_ns, reverted_ns; /* 0 = not yet */
};

struct ctl_check_view {
	unsigned passes, fails; /* in a row, now */
	uint64_t total_pass, total_fail, total_unknown;
	enum ctl_status last; /* CTL_NO_DATA: none yet, or none that counts */
	bool silent;
	int64_t failing_since_ns, last_ns; /* 0 = not failing; arrival of the last sample */
};

#endif
