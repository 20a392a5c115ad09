/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_CRASH_STEPPER_H
#define BRINK_TESTS_CRASH_STEPPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Runs brink under ptrace, follows all of its processes and knows the part of each. Every entry
 * into and every exit from a system call is a point; points are numbered for each part, from 1. At
 * one of them something happens.
 */
enum step_role {
	ROLE_RUNNER, /* the process that was started: brink run, or brink revert */
	ROLE_KEEPER,
	ROLE_SPARE,
	ROLE_HOLDER,
	ROLE_PROBER,
	ROLE_LAUNCHER,
	ROLE_WARDEN,   /* the launcher's guard of one command */
	ROLE_NEWBORN,  /* forked, and not yet one of the others */
	ROLE_RECOVERY, /* brink-keeper recover */
	ROLE_OTHERS,   /* not brink: let go at once */
	ROLES,
};

enum step_mode { STEP_COUNT, STEP_KILL, STEP_STOP, STEP_FAIL };

struct step_plan {
	enum step_mode mode;
	enum step_role role;
	uint64_t at;               /* number of the point; fail: of the call */
	int64_t after_ms;          /* instead of role and point: so long after the start; -1 = no */
	enum step_role first_role; /* at this point of it the keeper is killed, before all else */
	uint64_t first_at;         /* 0 = no */
	unsigned victims;          /* bit mask of roles, beside the one at its point */
	int errnum;
	bool forever; /* fail: this call, in this part, from then on */
	bool skim;    /* of calls in a row that only read files the first one counts */
	const char *report;
};

struct step_counts {
	uint64_t points[ROLES], calls[ROLES];
};

/* "keeper"; NULL behind the last one. */
extern const char *const step_role_names[ROLES + 1];

/*
 * Runs argv to its end. Returns its exit code, 128 + signal when it was killed. What happened is
 * appended to plan->report at once, one line for each: "struck ROLE POINT CALL entry|exit" or
 * "failed ROLE CALL-NUMBER CALL ERRNO", "crashed ROLE SIGNAL".
 */
int step_run(const struct step_plan *plan, char **argv, struct step_counts *ret);

/* calls.c: number -> name, "call-NUMBER" for one that is not in the table. */
const char *step_call_name(uint64_t nr, char buf[24]);
/* Can this call be made to fail? NULL: yes; else why it is left alone. */
const char *step_call_spared(uint64_t nr);
/* Does it only read a file? flags: of open */
bool step_call_reads(uint64_t nr, uint64_t flags);

#endif
