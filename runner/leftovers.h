/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_LEFTOVERS_H
#define BRINK_LEFTOVERS_H

#include "base/ulid.h"
#include "runner/options.h"
#include "runner/paths.h"
#include "runner/planner.h"
#include "safety/journal.h"

#define LEFT_ROOT "/run/brink"

/* What the runs of this machine left on record under paths.state and paths.other: those that go on,
 * and those that died. */
enum run_life {
	RUN_ALIVE, /* its keeper or its spare is at work */
	RUN_DONE,  /* dead; everything was restored and read back */
	RUN_LEFT,  /* dead and not clean */
	RUN_BLIND, /* its journal cannot be read; err says why */
};

struct left_run {
	char id[ULID_LEN + 1];
	char dir[PATHS_LEN]; /* where its record is; LEFT_ROOT for root's runs as a user sees them
			      */
	enum run_life life;
	bool foreign;           /* root's as a user sees it, or somebody else's among one's own */
	uid_t owner;            /* of its directory */
	bool ending;            /* RUN_ALIVE: what it changed is being taken back */
	bool by_spare;          /* RUN_ALIVE: by the spare; the keeper is dead or stopped */
	bool earlier_boot;      /* kernel state of it is gone */
	struct journal journal; /* read only; slot == NULL when life is RUN_BLIND */
	struct err err;
};

struct left_runs {
	size_t n;
	struct left_run *at; /* in order of their beginning */
};

/* Reads every record. foreign: a user sees the ids of root's runs too. No directory = no runs. */
int leftovers_find(const struct paths *p, bool foreign, struct left_runs *ret, struct err *e);
void leftovers_done(struct left_runs *l);

/* The run of this id or unique end of one; -ENOENT none, -EEXIST several, -EINVAL no id. */
int leftovers_pick(const struct left_runs *l, const char *id, const struct left_run **ret,
		   struct err *e);

/*
 * The same for a person who may mean one that is over: 0 with *ret, 1 = it has no record, and its
 * events say that nothing of it is left; -ENODATA = it has none, and they do not say that: *e says
 * where to look (*ret: its directory is there, else NULL). Else as leftovers_pick().
 */
int leftovers_choose(const struct paths *p, const struct left_runs *l, const char *id,
		     const struct left_run **ret, struct err *e);

/* Its directory is there and no record in it, and its events do not say that it was clean. */
bool leftovers_is_lost(const struct paths *p, const struct left_run *r);

/*
 * The runs of this boot that are neither on record nor over, as far as their events tell: a warning
 * on stderr for each. Their number; -errno = the history cannot be read, which is said too.
 */
int leftovers_say_lost(const struct paths *p);

/* "root", "alice", "4711" */
const char *leftovers_owner(const struct left_run *r, char *buf, size_t size);

/* RUN_ALIVE: the directory of the frozen cgroup that its keeper or its spare is in. False: in none.
 */
bool leftovers_frozen(const struct left_run *r, char *ret, size_t size);

/* "its runner died", from the journal; "" when nobody said why. Made safe to print. */
const char *leftovers_why(const struct left_run *r, char *buf, size_t size);

/*
 * Before every command that is not about old runs itself: one line on stderr for each run that died
 * without being clean; one line for each that died and was restored, whose record is then removed.
 */
void leftovers_warn(void);

/*
 * Does the plan touch something that an old run has not given back? -EBUSY with who and what (exit
 * code 4).
 */
int leftovers_check(const struct paths *p, const struct run_plan *plan, struct err *e);

#endif
