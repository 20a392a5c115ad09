/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROC_STATE_H
#define BRINK_PROC_STATE_H

#include "inject/change/change.h"

/* comm of every holder: who stops a process by ptrace is told by it after a crash. */
#define HOLDER_COMM "brink-holder"

/* What the threads of one process are doing, as /proc tells it. Threads that have ended are not
 * counted. */
struct proc_threads {
	unsigned n;
	int32_t one;           /* the first of them */
	unsigned stopped;      /* in a group stop that no tracer hides (T) */
	unsigned trapped;      /* in a tracing stop (t), whoever traces */
	unsigned held;         /* traced by a holder of brink, in whatever state */
	unsigned held_trapped; /* and in a tracing stop */
	int32_t tracer;        /* somebody else who traces a thread; 0 = nobody */
};

/*
 * Reads all threads of exactly this process. -ESRCH: it is gone, or the number is another's now
 * (and only then). Allocates nothing.
 */
int proc_threads_read(const struct change_proc *p, struct proc_threads *ret);
/* One thread below an open /proc/PID/task: its state letter and tracer. -ESRCH when it is gone. */
int proc_thread_read(int task_dir, int32_t tid, char *ret_state, int32_t *ret_tracer);
/*
 * Has it been sent a SIGSTOP that it has not taken yet? 1, 0, -ESRCH: gone, or -errno. One in
 * uninterruptible sleep, or without CPU time, takes it later: ShdPnd of proc_pid_status(5).
 */
int proc_stop_pending(int32_t pid);
/* Is this a holder, by its name? 1, 0 (also: gone), or -errno. */
int proc_is_holder(int32_t pid);
/* Is this one of brink's own processes, by its name? Whatever a run started after its shield was
 * found. */
bool proc_is_brink(int32_t pid);
/* A pidfd of exactly this process; -ESRCH when it is gone. */
int change_proc_open(const struct change_proc *p, struct err *e);
/*
 * May this process be paused by ptrace? 0; -EPERM: not allowed; -EBUSY: somebody traces it
 * (*ret_tracer; 0 = a holder); -ESRCH: gone. In pause.c. Does nothing to the process.
 */
int pause_allowed(const struct change_proc *p, int32_t *ret_tracer);
/* "proc-PID-START" */
void change_proc_key(const struct change_proc *p, struct text *ret);

/* s as one word of a shell command, in single quotes. */
void shell_quote(struct text *t, const char *s);

/* A pause between two looks at something that takes a moment. */
void short_nap(void);

#endif
