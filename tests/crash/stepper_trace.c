/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/stepper.h"

#define TRACEES    256
#define CALLS_MAX  512
#define TICK_MS    2
#define EVENT_STOP 128 /* PTRACE_EVENT_STOP: linux/ptrace.h has it, some libcs do not */
#define STEP_OPTIONS                                                                              \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
	 PTRACE_O_TRACEEXEC)

const char *const step_role_names[ROLES + 1] = { "runner",   "keeper",   "spare",  "holder",
						 "prober",   "launcher", "warden", "newborn",
						 "recovery", "others",   NULL };

/* One thread. */
struct tracee {
	pid_t tid, tgid; /* tid 0 = free */
	enum step_role role;
	uint64_t nr;
	bool inside; /* a system call: the next stop of it is the exit */
	bool reading;
	int fail; /* at the exit of this call */
};

struct stepper {
	const struct step_plan *plan;
	struct step_counts *counts;
	struct tracee tracee[TRACEES];
	bool last_read[ROLES]; /* skim */
	bool fails[CALLS_MAX]; /* fail for ever: these calls */
	bool done;             /* it has happened: everybody is let go */
	int report;
	pid_t main;
	int64_t start_ms; /* when brink was executed; 0 = not yet */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void report(const struct stepper *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void report(const struct stepper *s, const char *fmt, ...)
{
	char line[160];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (s->report >= 0 && write(s->report, line, (size_t)n) != n)
		abort();
}

static struct tracee *find(struct stepper *s, pid_t tid)
{
	for (size_t i = 0; i < TRACEES; i++) {
		if (s->tracee[i].tid == tid)
			return &s->tracee[i];
	}
	return NULL;
}

static size_t read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[40];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, buf, size - 1);
	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/*
 * The part that its name tells; without one still what it was. A child of the keeper has the
 * keeper's name until it takes its own, so that one counts from an exec only.
 */
static enum step_role role_of(struct stepper *s, pid_t pid, enum step_role was, bool executed)
{
	char comm[32], args[64];

	if (pid == s->main)
		return ROLE_RUNNER;
	read_proc(pid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	if (strncmp(comm, "brink-", 6) != 0)
		return was;
	if (strcmp(comm, "brink-keeper") == 0) {
		size_t n = read_proc(pid, "cmdline", args, sizeof(args)), first = strlen(args) + 1;

		if (!executed)
			return was;
		return first < n && strcmp(args + first, "recover") == 0 ? ROLE_RECOVERY :
									   ROLE_KEEPER;
	}
	for (int i = 0; i < ROLES; i++) {
		if (strcmp(comm + 6, step_role_names[i]) == 0)
			return (enum step_role)i;
	}
	return was;
}

static struct tracee *adopt(struct stepper *s, pid_t tid)
{
	struct tracee *t = find(s, tid);
	char path[48];

	if (t)
		return t;
	t = find(s, 0);
	if (!t) {
		fprintf(stderr, "stepper: more than %d threads\n", TRACEES);
		exit(2);
	}
	*t = (struct tracee){ .tid = tid, .tgid = tid, .role = ROLE_NEWBORN };
	if (tid == s->main)
		t->role = ROLE_RUNNER;
	for (size_t i = 0; i < TRACEES; i++) { /* a thread of one that is known? */
		const struct tracee *o = &s->tracee[i];

		snprintf(path, sizeof(path), "/proc/%d/task/%d", o->tgid, tid);
		if (o->tid && o != t && o->tid == o->tgid && access(path, F_OK) == 0) {
			t->tgid = o->tgid;
			t->role = o->role;
		}
	}
	return t;
}

static void let_go(struct tracee *t, int sig)
{
	ptrace(PTRACE_DETACH, t->tid, 0, (long)sig);
	t->tid = 0;
}

/* Whose calls matter: each stop costs more than most calls. A newborn has still to say who it is.
 */
static bool is_watched(const struct stepper *s, const struct tracee *t)
{
	const struct step_plan *p = s->plan;

	return p->mode == STEP_COUNT || t->role == ROLE_NEWBORN ||
	       (p->after_ms < 0 && t->role == p->role) || (p->first_at && t->role == p->first_role);
}

static void resume(struct stepper *s, struct tracee *t, int sig)
{
	if (s->done || t->role == ROLE_OTHERS)
		let_go(t, sig);
	else
		ptrace(is_watched(s, t) ? PTRACE_SYSCALL : PTRACE_CONT, t->tid, 0, (long)sig);
}

static void kill_keeper(struct stepper *s)
{
	for (size_t i = 0; i < TRACEES; i++) {
		if (s->tracee[i].tid && s->tracee[i].role == ROLE_KEEPER)
			kill(s->tracee[i].tgid, SIGKILL);
	}
}

/* All victims at once; the one that has reached its point is in a stop, the others are anywhere. */
static void strike(struct stepper *s, struct tracee *at)
{
	int sig = s->plan->mode == STEP_KILL ? SIGKILL : SIGSTOP;

	s->done = true;
	for (size_t i = 0; i < TRACEES; i++) {
		const struct tracee *t = &s->tracee[i];

		if (t->tid && t->tid == t->tgid &&
		    (s->plan->victims & (1U << t->role) || (at && t->tgid == at->tgid))) {
			kill(t->tgid, sig);
			if (!at)
				report(s, "struck %s time\n", step_role_names[t->role]);
		}
	}
}

static bool is_there_yet(struct stepper *s, struct tracee *t, bool entry, uint64_t flags)
{
	struct step_counts *c = s->counts;

	if (entry) {
		bool reads = step_call_reads(t->nr, flags);

		t->reading = s->plan->skim && reads && s->last_read[t->role];
		s->last_read[t->role] = reads;
	}
	if (t->reading)
		return false;
	c->points[t->role]++;
	c->calls[t->role] += entry;
	if (s->plan->first_at && t->role == s->plan->first_role &&
	    c->points[t->role] == s->plan->first_at)
		kill_keeper(s);
	return t->role == s->plan->role && s->plan->after_ms < 0;
}

#ifdef __x86_64__
/* -1 would be refused by an allow-list; getpid is in every one. */
static void replace_call(struct tracee *t)
{
	ptrace(PTRACE_POKEUSER, t->tid, offsetof(struct user_regs_struct, orig_rax),
	       (long)SYS_getpid);
}

static void set_result(struct tracee *t, int errnum)
{
	ptrace(PTRACE_POKEUSER, t->tid, offsetof(struct user_regs_struct, rax), (long)-errnum);
}
#else
#error "the stepper knows the registers of x86-64 only"
#endif

static void fail_call(struct stepper *s, struct tracee *t, bool due)
{
	const struct step_plan *p = s->plan;
	char name[24];

	if (due && !step_call_spared(t->nr))
		s->fails[t->nr % CALLS_MAX] = true;
	if (t->role != p->role || !s->fails[t->nr % CALLS_MAX] || step_call_spared(t->nr))
		return;
	if (due)
		report(s, "failed %s %" PRIu64 " %s %d\n", step_role_names[t->role], p->at,
		       step_call_name(t->nr, name), p->errnum);
	if (!due && !p->forever)
		return;
	if (t->nr != SYS_close) /* the descriptor is gone whatever it answers: close(2) */
		replace_call(t);
	t->fail = p->errnum;
}

static void at_exit(struct stepper *s, struct tracee *t)
{
	if (t->fail) {
		set_result(t, t->fail);
		t->fail = 0;
		s->done = s->done || !s->plan->forever;
	} else if (t->nr == SYS_prctl) {
		t->role = role_of(s, t->tgid, t->role, false);
	}
}

static void at_point(struct stepper *s, struct tracee *t)
{
	struct __ptrace_syscall_info i;
	char name[24];
	bool entry, mine;

	memset(&i, 0, sizeof(i));
	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(i), &i) < 0)
		return;
	entry = i.op == PTRACE_SYSCALL_INFO_ENTRY;
	if (entry)
		t->nr = i.entry.nr;
	mine = is_there_yet(s, t, entry, entry ? i.entry.args[2] : 0);
	if (s->plan->mode == STEP_FAIL) {
		if (entry)
			fail_call(s, t, mine && s->counts->calls[t->role] == s->plan->at);
		else
			at_exit(s, t);
		return;
	}
	if (!entry)
		at_exit(s, t);
	if (s->plan->mode == STEP_COUNT || !mine || s->done ||
	    s->counts->points[t->role] != s->plan->at)
		return;
	strike(s, t);
	report(s, "struck %s %" PRIu64 " %s %s\n", step_role_names[t->role], s->plan->at,
	       step_call_name(t->nr, name), entry ? "entry" : "exit");
}

/* brink's own executables keep what they are until they say more; anybody else's are let go. */
static void at_exec(struct stepper *s, struct tracee *t)
{
	char comm[32];

	if (t->tgid == s->main)
		s->start_ms = now_ms();
	t->role = role_of(s, t->tgid, t->role, true);
	read_proc(t->tgid, "comm", comm, sizeof(comm));
	/* the prober is executed by descriptor: its first name is a number */
	if (t->role == ROLE_NEWBORN && strncmp(comm, "brink", 5) != 0 &&
	    strspn(comm, "0123456789\n") != strlen(comm))
		t->role = ROLE_OTHERS;
}

static void stopped(struct stepper *s, struct tracee *t, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		at_point(s, t);
		resume(s, t, 0);
	} else if (event == EVENT_STOP &&
		   (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)) {
		if (s->done)
			let_go(t, 0);
		else
			ptrace(PTRACE_LISTEN, t->tid, 0, 0);
	} else if (event) {
		if (event == PTRACE_EVENT_EXEC)
			at_exec(s, t);
		resume(s, t, 0);
	} else {
		resume(s, t, sig);
	}
}

static void tick(int sig)
{
	(void)sig; /* ends waitpid */
}

static void start_ticking(void)
{
	struct sigaction a = { .sa_handler = tick };
	struct itimerval t = { { 0, TICK_MS * 1000 }, { 0, TICK_MS * 1000 } };

	sigaction(SIGALRM, &a, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static void stop_ticking(void)
{
	struct itimerval t = { 0 };

	setitimer(ITIMER_REAL, &t, NULL);
}

static pid_t start(char **argv)
{
	int hold[2];
	pid_t pid;
	char c;

	if (pipe2(hold, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		if (read(hold[0], &c, 1) < 0)
			_exit(126);
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid > 0 && ptrace(PTRACE_SEIZE, pid, 0, STEP_OPTIONS) < 0) {
		perror("stepper: PTRACE_SEIZE");
		kill(pid, SIGKILL);
		pid = -1;
	}
	close(hold[0]);
	close(hold[1]);
	return pid;
}

/* Nobody has sent it that: it is a bug, or the answer to a call that never fails. */
static void crashed(const struct stepper *s, const struct tracee *t, int sig)
{
	if (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGABRT ||
	    sig == SIGSYS)
		report(s, "crashed %s %d\n", step_role_names[t->role], sig);
}

static int code_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int step_run(const struct step_plan *plan, char **argv, struct step_counts *ret)
{
	static struct stepper s;
	int status, code = -1;

	s = (struct stepper){ .plan = plan, .counts = ret, .report = -1 };
	if (plan->report)
		s.report = open(plan->report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	s.main = start(argv);
	if (s.main < 0)
		return 127;
	adopt(&s, s.main);
	if (plan->after_ms >= 0)
		start_ticking();
	for (;;) {
		/* what already waits is let go in order: a signal on its way must not be lost */
		pid_t tid = waitpid(-1, &status, code < 0 ? __WALL : __WALL | WNOHANG);

		if (plan->after_ms >= 0 && !s.done && s.start_ms &&
		    now_ms() - s.start_ms >= plan->after_ms) {
			strike(&s, NULL);
			stop_ticking();
		}
		if (tid < 0 && errno == EINTR)
			continue;
		if (tid <= 0)
			break;
		if (WIFSTOPPED(status)) {
			stopped(&s, adopt(&s, tid), status);
			continue;
		}
		if (tid == s.main)
			code = code_of(status);
		if (WIFSIGNALED(status))
			crashed(&s, adopt(&s, tid), WTERMSIG(status));
		adopt(&s, tid)->tid = 0;
	}
	if (s.report >= 0)
		close(s.report);
	return code;
}
