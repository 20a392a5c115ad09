/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_KEEPER_H
#define BRINK_KEEPER_H

#include "safety/disarmer.h"
#include "safety/fingerprint.h"
#include "safety/holder.h"
#include "safety/journal.h"
#include "safety/proto.h"
#include "safety/rights.h"

#define KEEPER_LOCKS_STEP 16
#define KEEPER_NETNS      32
#define KEEPER_REST_NS    (60 * NS_PER_S) /* longest without a beat, when nothing is in force */

/* The way of one fault through a run. Only forward. */
enum fault_state {
	FAULT_PLANNED,  /* added, locked, later journalled */
	FAULT_ARMING,   /* holder forked, its answer awaited */
	FAULT_ARMED,    /* structure built, read back as without effect */
	FAULT_FIRING,   /* gate being opened */
	FAULT_LIVE,     /* landed, read back */
	FAULT_QUIETING, /* gate being closed */
	FAULT_ENDED, /* effect read back as ended; waits for the gates of others when all are lifted
		      */
	FAULT_DRAINING, /* what is in flight leaves */
	FAULT_EXITING,  /* holder told to go */
	FAULT_UNDOING,  /* changes taken back from the record, last one first */
	FAULT_RESTORED,
	FAULT_DIRTY, /* not confirmed */
};

struct keeper_fault {
	struct kmsg_fault info;
	enum fault_state state;
	unsigned first, n; /* changes, and journal slots from GUARD on */
	pid_t pid;         /* holder; 0 = none, or already reaped */
	int pidfd, sock;
	int64_t since_ns;         /* of this state (CLOCK_MONOTONIC) */
	int64_t retry_ns;         /* when to look again */
	int64_t lift_ns;          /* when lifting began */
	int64_t deadline_boot_ns; /* live: lifted at the latest then */
	int64_t killed_ns;        /* exiting: when its holder was killed for being late */
	int64_t drain_ns;         /* longest time that packets can be in flight */
	bool heard_quiet;         /* its holder obeyed: it can fire no more */
	int arm_code;             /* of arming, 0 = armed and without effect */
	struct err arm_err;
	unsigned joined; /* addresses, at most GATE_JOINS */
};

struct keeper_lock {
	int fd;
	char key[96];
};

/* How far the set-up is. */
enum keeper_stage {
	STAGE_NEW,
	STAGE_BEGUN,   /* locks and run directory are there; faults and changes are added */
	STAGE_GUARDED, /* undo records are durable, PID 1's timer is armed */
	STAGE_ARMING,  /* holders are awaited; the runner is not listened to */
	STAGE_ARMED,
	STAGE_FAILED, /* nothing but taking back */
};

struct keeper {
	enum keeper_stage stage;
	int sock; /* to the runner; -1 when it is gone */
	int runner_pidfd;
	struct change_proc runner;
	int state_dir, run_dir; /* descriptors of /run/brink and /run/brink/RUN */
	int lock_file;          /* JOURNAL_LOCK */
	int control;            /* listening socket, -1 = none */
	gid_t control_gid; /* who may halt beside root and the starter; CONTROL_NOBODY = no such
			      group */
	char brink[PROTO_DIR];
	struct kmsg_begin begin;
	struct pulse *pulse;
	struct pulse_watch runner_watch, spare_watch;
	struct journal journal;
	struct shield shield;
	unsigned n_faults, n_changes;
	struct keeper_fault *fault; /* begin.max_faults */
	struct change_spec **spec;  /* JOURNAL_SLOTS, each allocated when it is added */
	struct keeper_lock *lock;   /* grows in steps, before the first change */
	unsigned n_locks;
	struct netns_ref netns[KEEPER_NETNS]; /* touched, for the fingerprint */
	unsigned n_netns;
	int pool_fd;              /* addresses for the holders; -1 = none */
	uint32_t pooled;          /* how many */
	struct rights_sum rights; /* of keeper and spare from the first fire on */
	struct rights_sum holders;
	struct disarmer disarmer; /* where a timer stands in PID 1 */
	pid_t spare;
	int spare_pidfd, self_pidfd;
	int64_t deadline_boot_ns;
	int64_t last_death_ns; /* of a holder */
	bool runner_deaf;      /* did not read the last answer in time */
	unsigned unheard;      /* how often in a row its socket could not be read */
	bool guarded, lifting_all, finishing, ended;
	int outcome;                /* 0 = clean */
	struct fingerprint *before; /* cut to what it holds: all memory here is locked */
	struct fingerprint *after;  /* empty, made while memory may still fail; a little larger */
};

#define KEEPER_NONE                                                                              \
	{                                                                                        \
		.sock = -1, .runner_pidfd = -1, .state_dir = -1, .run_dir = -1, .lock_file = -1, \
		.control = -1, .spare_pidfd = -1, .self_pidfd = -1, .pool_fd = -1,               \
		.rights = RIGHTS_KEEPER, .disarmer = DISARMER_NONE, .journal = {                 \
			.fd = -1                                                                 \
		}                                                                                \
	}

/* keeper.c */
void keeper_send(struct keeper *k, struct kmsg *m);
/* One line for the user: a note, a halt reason, a foreign change. */
void keeper_say(struct keeper *k, enum kmsg_type type, const char *fmt, ...) PRINTF_FMT(3, 4);
/* One wait until deadline_ns: holders, runner, control; hands on what came. */
void keeper_listen(struct keeper *k, int64_t deadline_ns);
/* So long the keeper itself did not look: nobody else is late for it. */
void keeper_forgive(struct keeper *k, int64_t ns);
/* Somebody is at the control socket: heard, and the run ended if that was a halt. */
void keeper_serve_caller(struct keeper *k);
/* Serves the runner and everything else until the run is over. Returns the process's exit code. */
int keeper_live(struct keeper *k);
/* The keeper's life: serves the runner on sock until the run is over. pool_fd: of pool_seal(), -1 =
 * none. Returns the process's exit code. */
int keeper_run(int sock, int pulse_fd, int pool_fd, pid_t runner);

/* keeper_setup.c: everything before the first fire. Each answers the request of that name: 0 or
 * -errno. */
int keeper_begin(struct keeper *k, const struct kmsg_begin *b, struct err *e);
int keeper_fault(struct keeper *k, const struct kmsg_fault *f, struct err *e);
int keeper_add(struct keeper *k, const struct change_spec *s, struct err *e);
int keeper_guard(struct keeper *k, struct err *e);
int keeper_arm(struct keeper *k, struct err *e);

/* keeper_lift.c: firing and taking back. */
int keeper_fire(struct keeper *k, const struct kmsg_list *list, struct err *e);
int keeper_lift(struct keeper *k, const struct kmsg_list *list, struct err *e);
void keeper_lift_all(struct keeper *k);
int keeper_join(struct keeper *k, const struct kmsg *m, struct err *e);
/* A holder's answer or death; then the next step of every fault that waits for something. */
void keeper_heard(struct keeper *k, struct keeper_fault *f, const struct hmsg *m);
void keeper_holder_died(struct keeper *k, struct keeper_fault *f);
void keeper_advance(struct keeper *k);
/* When keeper_advance() must be called again at the latest (CLOCK_MONOTONIC). */
int64_t keeper_next(const struct keeper *k);
bool keeper_all_settled(const struct keeper *k);

/* keeper_end.c: the timer in PID 1, the fingerprint before and after, the end of journal and locks.
 */
int keeper_deadman(struct keeper *k, struct err *e);
int keeper_baseline(struct keeper *k, struct err *e);
/* Sets k->outcome and k->ended. */
void keeper_finish(struct keeper *k);

/* spare.c: in the forked child; sleeps on the keeper's death, then recovers. Never returns. */
void spare_main(struct keeper *k, int keeper_pidfd) __attribute__((noreturn));

#endif
