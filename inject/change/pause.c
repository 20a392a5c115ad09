/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/change/kinds.h"
#include "inject/change/proc_state.h"
#include "inject/proc_fs.h"

/*
 * Every thread of one process in a ptrace stop, held by this process: when it ends in whatever way,
 * the kernel lets the threads go. There is no inert part. A thread in such a stop leaves it for
 * SIGKILL only; signals that come meanwhile wait, and one that was just being delivered goes on its
 * way at the end. Never PTRACE_O_EXITKILL.
 */
#define SEIZE_NS      (2 * NS_PER_S)   /* for threads in uninterruptible sleep */
#define STEP_NS       (20 * NS_PER_MS) /* of one call of fire */
#define RELEASE_NS    (50 * NS_PER_MS)
#define THREADS_FIRST 256
#define ALLOWED_TRIES 8
#define CLEAN_SCANS   2 /* a thread that ends while the list is read may hide its neighbour once */

struct pause_thread {
	pid_t tid;
	int signal; /* it was about to be delivered */
	bool stopped, dead;
};

struct pause_live {
	int task; /* /proc/PID/task of exactly this process */
	struct pause_thread *thread;
	size_t n, size;
	size_t hint; /* the kernel lists threads in one order: the next one is mostly behind the
			last found */
	unsigned added, clean;
	int64_t deadline_ns, step_end_ns;
	bool firing, paused;
	struct err *e;
};

static const struct pause_spec *spec_of(const struct change *c)
{
	return &c->spec->u.pause;
}

static int proc_lost(const struct pause_spec *s, int rc, struct err *e)
{
	if (rc == -ESRCH)
		return err_set(e, ESRCH, "process %d (%s) is gone", s->proc.pid, s->name);
	return err_set(e, -rc, "cannot read process %d (%s): %s", s->proc.pid, s->name,
		       strerror(-rc));
}

static int pause_prepare(struct change *c, struct undo *ret, struct err *e)
{
	const struct pause_spec *s = spec_of(c);
	struct text by_hand = text_on(ret->by_hand, sizeof(ret->by_hand));
	struct proc_threads t;
	int rc = proc_threads_read(&s->proc, &t);

	if (rc < 0)
		return proc_lost(s, rc, e);
	ret->u.pause.proc = s->proc;
	memcpy(ret->u.pause.name, s->name, sizeof(ret->u.pause.name));
	ret->u.pause.was_stopped = t.stopped == t.n;
	text_add(&by_hand,
		 "for t in $(awk '/^TracerPid:/ && $2 { print $2 }' /proc/%d/task/*/status | "
		 "sort -u); do grep -qx " HOLDER_COMM " /proc/$t/comm && kill -KILL $t; done",
		 s->proc.pid);
	return 0;
}

static int refuse_tracer(const struct pause_spec *s, int32_t tracer, struct err *e)
{
	char path[32], comm[64] = "?";
	struct proc_stat stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", tracer);
	if (proc_stat_read(AT_FDCWD, path, &stat) == 0) {
		struct text t = text_on(comm, sizeof(comm));

		text_add_foreign(&t, stat.comm, strlen(stat.comm));
	}
	return err_set(e, EPERM, "process %d (%s) is traced by %d (%s): end that first",
		       s->proc.pid, s->name, tracer, comm);
}

/* Opening mem asks the kernel the same question as PTRACE_SEIZE, without doing anything: proc(5).
 */
static int try_mem(int32_t pid, int32_t tid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/mem", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return -EPERM;
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	close(fd);
	return 0;
}

int pause_allowed(const struct change_proc *p, int32_t *ret_tracer)
{
	struct proc_threads t;
	int rc = -ESRCH;

	/* asked of a thread that lives: the first one may have ended, and the next ones end while
	 * we ask */
	for (unsigned i = 0; i < ALLOWED_TRIES && rc == -ESRCH; i++) {
		rc = proc_threads_read(p, &t);
		if (rc < 0)
			return rc;
		*ret_tracer = t.tracer;
		if (t.tracer || t.held)
			return -EBUSY;
		rc = try_mem(p->pid, t.one);
	}
	return rc;
}

static int refuse_ptrace(const struct pause_spec *s, struct err *e)
{
	return err_set(e, EPERM,
		       "process %d (%s) may not be traced (needs CAP_SYS_PTRACE; see "
		       "kernel.yama.ptrace_scope)",
		       s->proc.pid, s->name);
}

static int pause_arm(struct change *c, struct err *e)
{
	const struct pause_spec *s = spec_of(c);
	struct pause_live *l;
	int32_t tracer = 0;
	int rc = pause_allowed(&s->proc, &tracer);
	char path[32];

	if (rc == -EBUSY)
		return refuse_tracer(s, tracer, e);
	if (rc == -EPERM)
		return refuse_ptrace(s, e);
	if (rc < 0)
		return proc_lost(s, rc, e);
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(e, ENOMEM, "no memory for a pause");
	c->live = l;
	l->task = -1;
	l->size = THREADS_FIRST;
	l->thread = calloc(l->size, sizeof(*l->thread));
	if (!l->thread)
		return err_set(e, ENOMEM, "no memory for %zu threads", l->size);
	snprintf(path, sizeof(path), "/proc/%d/task", s->proc.pid);
	l->task = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->task < 0)
		return proc_lost(s, errno == ENOENT ? -ESRCH : -errno, e);
	/* the number may have changed hands between the two looks */
	rc = pause_allowed(&s->proc, &tracer);
	return rc < 0 ? proc_lost(s, rc, e) : 0;
}

static struct pause_thread *find_thread(struct pause_live *l, pid_t tid)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t at = (l->hint + i) % l->n;

		if (l->thread[at].tid == tid) {
			l->hint = at + 1;
			return &l->thread[at];
		}
	}
	return NULL;
}

static int add_thread(struct pause_live *l, const struct pause_thread *t)
{
	if (l->n == l->size) {
		struct pause_thread *more =
			reallocarray(l->thread, 2 * l->size, sizeof(*l->thread));

		if (!more)
			return err_set(l->e, ENOMEM, "no memory for %zu threads", 2 * l->size);
		l->thread = more;
		l->size *= 2;
	}
	l->thread[l->n++] = *t;
	l->added++;
	return 0;
}

/* PTRACE_SEIZE said EPERM: an ended thread, another tracer, or really not allowed. */
static int not_seized(struct pause_live *l, pid_t tid)
{
	struct pause_thread ended = { .tid = tid, .dead = true };
	int32_t tracer = 0;
	char state = 'X';
	int rc = proc_thread_read(l->task, tid, &state, &tracer);

	if (rc == -ESRCH)
		return 0;
	if (rc == 0 && (state == 'Z' || state == 'X' || state == 'x'))
		return add_thread(l, &ended); /* stays listed until the whole process has ended */
	if (tracer)
		return err_set(l->e, EPERM, "thread %d is traced by process %d: end that first",
			       tid, tracer);
	return err_set(l->e, EPERM,
		       "thread %d may not be traced (needs CAP_SYS_PTRACE; see "
		       "kernel.yama.ptrace_scope)",
		       tid);
}

static int seize(void *arg, int32_t tid)
{
	struct pause_live *l = arg;
	struct pause_thread t = { .tid = tid };

	if (find_thread(l, tid))
		return 0;
	if (clock_mono_ns() > l->step_end_ns) /* a list may grow as fast as it is read */
		return -EAGAIN;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0) {
		if (errno == ESRCH)
			return 0;
		if (errno == EPERM)
			return not_seized(l, tid);
		return err_sys(l->e, "cannot seize thread %d", tid);
	}
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL); /* ESRCH: it is ending, as waitpid will tell */
	return add_thread(l, &t);
}

/* What became of one thread since the last look. False: it is no tracee of ours any more. */
static bool look_at(struct pause_live *l, struct pause_thread *t)
{
	unsigned times = 0;
	int status;
	pid_t r;

	do
		r = waitpid(t->tid, &status, WNOHANG | __WALL);
	while (r < 0 && io_again(&times));
	if (r < 0)
		return false;
	if (r > 0 && WIFSTOPPED(status)) {
		t->stopped = true;
		t->signal = status >> 16 ? 0 : WSTOPSIG(status);
	} else if (r > 0) {
		t->dead = true;
	} else if (!t->stopped) {
		int32_t tracer = 0;
		char state = 'X';

		/* a first thread that ends before the others is not reported before them: ptrace(2)
		 */
		t->dead = proc_thread_read(l->task, t->tid, &state, &tracer) == 0 && state == 'Z';
	}
	return true;
}

/* Number of threads whose stop is still awaited. */
static size_t collect(struct pause_live *l)
{
	size_t waiting = 0;

	for (size_t i = 0; i < l->n;) {
		struct pause_thread *t = &l->thread[i];

		if (!t->stopped && !t->dead && !look_at(l, t)) {
			*t = l->thread[--l->n]; /* exec gave it another number: found by the next
						   scan */
			l->added++;
			continue;
		}
		waiting += !t->stopped && !t->dead;
		i++;
	}
	return waiting;
}

/* One scan of the thread list. -ESRCH: the process is gone; -EAGAIN: the step's time is over. */
static int scan(struct pause_live *l, struct err *e)
{
	int rc;

	l->e = e;
	l->added = 0;
	l->hint = 0;
	e->code = 0;
	rc = proc_each(l->task, seize, l);
	if (rc == -ENOENT || rc == -ESRCH || (rc == -EAGAIN && !e->code))
		return rc == -EAGAIN ? rc : -ESRCH;
	if (rc < 0 && !e->code)
		return err_set(e, -rc, "cannot read the list of threads: %s", strerror(-rc));
	return rc;
}

static int too_slow(const struct change *c, size_t waiting, struct err *e)
{
	return err_set(e, ETIMEDOUT,
		       "%zu threads of process %d (%s) do not stop: uninterruptible sleep, or ever "
		       "new threads",
		       waiting, spec_of(c)->proc.pid, spec_of(c)->name);
}

static int pause_fire(struct change *c, struct err *e)
{
	struct pause_live *l = c->live;
	int64_t now = clock_mono_ns();
	size_t waiting;

	l->step_end_ns = now + STEP_NS;
	if (!l->firing)
		l->deadline_ns = now + SEIZE_NS;
	l->firing = true;
	for (;;) {
		size_t before = collect(l);
		int rc = scan(l, e);

		if (rc == -ESRCH)
			return 0; /* gone: whether anything landed is read back */
		if (rc < 0 && rc != -EAGAIN)
			return rc;
		waiting = collect(l);
		l->clean = rc < 0 || before || waiting || l->added ? 0 : l->clean + 1;
		if (l->clean >= CLEAN_SCANS) {
			l->paused = l->n > 0;
			return 0;
		}
		now = clock_mono_ns();
		if (now > l->deadline_ns)
			return too_slow(c, waiting, e);
		if (now > l->step_end_ns)
			return -EINPROGRESS;
		if (waiting)
			short_nap();
	}
}

/* Reaps what SIGKILL took: the process goes for its parent only when its tracer has seen it. */
static int pause_refresh(struct change *c, struct err *e)
{
	struct pause_live *l = c->live;
	siginfo_t any = { 0 };

	(void)e;
	if (!l || waitid(P_ALL, 0, &any, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) < 0 ||
	    !any.si_pid)
		return 0;
	for (size_t i = 0; i < l->n;) {
		struct pause_thread *t = &l->thread[i];

		if (!look_at(l, t))
			*t = l->thread[--l->n];
		else
			i++;
	}
	return 0;
}

/* Lets go of every thread that has stopped; 0 = no other is left. */
static size_t release(struct pause_live *l)
{
	size_t left = 0;

	for (size_t i = 0; i < l->n;) {
		struct pause_thread *t = &l->thread[i];

		if (t->stopped && !t->dead &&
		    ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(intptr_t)t->signal) == 0) {
			*t = l->thread[--l->n];
			continue;
		}
		if (!look_at(l, t)) { /* killed, or not ours any more */
			*t = l->thread[--l->n];
			continue;
		}
		left += !t->stopped && !t->dead;
		i++;
	}
	return left;
}

static int pause_quiet(struct change *c, struct err *e)
{
	struct pause_live *l = c->live;
	int64_t deadline = clock_mono_ns() + RELEASE_NS;
	size_t left = 0;

	if (!l)
		return 0;
	while ((left = release(l)) && clock_mono_ns() < deadline)
		short_nap();
	if (left) /* the end of this process lets go of them */
		return err_set(e, EBUSY, "%zu threads of process %d (%s) cannot be let go yet",
			       left, spec_of(c)->proc.pid, spec_of(c)->name);
	return 0;
}

/* So far: it stays said when the pause is over. */
static int pause_effect(struct change *c, struct effect *ret, struct err *e)
{
	const struct pause_live *l = c->live;

	(void)e;
	*ret = (struct effect){ .hits = l && l->paused };
	return 0;
}

static int read_threads(const struct undo *u, struct proc_threads *ret, struct err *e)
{
	int rc = proc_threads_read(&u->u.pause.proc, ret);

	if (rc == -ESRCH) {
		*ret = (struct proc_threads){ 0 };
		return 0;
	}
	return rc < 0 ? err_set(e, -rc, "cannot read process %d (%s): %s", u->u.pause.proc.pid,
				u->u.pause.name, strerror(-rc)) :
			0;
}

/* The kernel undoes it when the holder ends; that the holder ends is the business of whoever
 * recovers. */
static int pause_undo(const struct undo *u, struct err *e)
{
	(void)u;
	(void)e;
	return 0;
}

static int pause_ended(const struct undo *u, struct text *ret_left, struct err *e)
{
	struct proc_threads t;
	int rc = read_threads(u, &t, e);

	if (rc < 0 || !t.held_trapped)
		return rc;
	text_add(ret_left, "%u threads of process %d (%s) are held", t.held_trapped,
		 u->u.pause.proc.pid, u->u.pause.name);
	return 1;
}

static int pause_gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	struct proc_threads t;
	int rc = read_threads(u, &t, e);

	if (rc < 0 || !t.held)
		return rc;
	text_add(ret_left, "%u threads of process %d (%s) are traced by a holder", t.held,
		 u->u.pause.proc.pid, u->u.pause.name);
	return 1;
}

static int pause_resource(const struct change_spec *s, struct text *ret_key)
{
	change_proc_key(&s->u.pause.proc, ret_key);
	return 0;
}

static int pause_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	const struct pause_spec *s = &cs->u.pause;

	text_add(ret_do, "ptrace  every thread of %d (%s) held by a holder process", s->proc.pid,
		 s->name);
	text_add(ret_undo, "ptrace  detach from %d; the kernel does it when the holder ends",
		 s->proc.pid);
	return 0;
}

/* Three requests of ptrace: none of them reads or writes the memory or the registers of a target.
 */
static const struct call_rule holder_calls[] = {
	{ "ptrace", 0, WHOLE_WORD, PTRACE_SEIZE },
	{ "ptrace", 0, WHOLE_WORD, PTRACE_INTERRUPT },
	{ "ptrace", 0, WHOLE_WORD, PTRACE_DETACH },
	{ "wait4", ANY_ARG },
	{ "waitid", ANY_ARG },
	CALLS_OPEN_READ,
	CALLS_LOOK,
	{ 0 },
};

const struct change_ops pause_ops = {
	.kind = "pause",
	.class = CLASS_SELF_ENDING,
	.by_holder = true,
	.holder = { CAP_BIT(SYS_PTRACE), holder_calls },
	.undoer = { CAP_BIT(SYS_PTRACE), NULL }, /* else what /proc hides would read as gone */
	.prepare = pause_prepare,
	.arm = pause_arm,
	.fire = pause_fire,
	.refresh = pause_refresh,
	.quiet = pause_quiet,
	.unit = { "process", "processes" },
	.effect = pause_effect,
	.undo = pause_undo,
	.ended = pause_ended,
	.gone = pause_gone,
	.resource = pause_resource,
	.print = pause_print,
};
