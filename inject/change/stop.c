/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "inject/change/kinds.h"
#include "inject/change/proc_state.h"

/*
 * SIGSTOP, for a process that ptrace may not hold. Nothing in the kernel ends it: guarded. Only a
 * process that ran before is continued afterwards.
 */
#define STOP_NS (2 * NS_PER_S)
#define STEP_NS (20 * NS_PER_MS)
/* longer than a tracer needs for a look, also when we or it are kept from the CPU for a while */
#define TRAP_NS     (20 * NS_PER_MS)
#define TRAP_LOOKS  20
#define TRAP_MAX_NS (100 * NS_PER_MS) /* a look at many threads takes its time */

/* A trap without a break, as far as was seen. */
struct trap {
	int64_t since_ns;
	unsigned looks;
};

struct stop_live {
	int pidfd;
	bool sent; /* and not taken back */
	bool firing, stopped;
	int64_t deadline_ns;
	struct trap trap;
};

static const struct pause_spec *spec_of(const struct change *c)
{
	return &c->spec->u.pause;
}

static int read_threads(const struct change_proc *p, struct proc_threads *ret, struct err *e)
{
	int rc = proc_threads_read(p, ret);

	if (rc == -ESRCH)
		return err_set(e, ESRCH, "process %d is gone", p->pid);
	return rc < 0 ? err_set(e, -rc, "cannot read process %d: %s", p->pid, strerror(-rc)) : 0;
}

/* A tracer shows a group stop as a tracing stop, and for a moment every call and signal that it
 * looks at as well (ptrace(2)): only a trap that lasts is a stop. */
enum look { RUNS, TRAPPED, STOPPED };

/* One look at all threads: what the whole process does, or -errno. */
static int look(const struct change_proc *p, struct proc_threads *ret, struct err *e)
{
	int rc = read_threads(p, ret, e);

	if (rc < 0)
		return rc;
	if (ret->n && ret->stopped == ret->n)
		return STOPPED;
	return ret->tracer && ret->stopped + ret->trapped == ret->n ? TRAPPED : RUNS;
}

/* After one look more at it. */
static bool lasts(struct trap *t)
{
	int64_t now = clock_mono_ns();

	if (!t->looks++)
		t->since_ns = now;
	return (t->looks >= TRAP_LOOKS && now - t->since_ns >= TRAP_NS) ||
	       (t->looks > 1 && now - t->since_ns >= TRAP_MAX_NS);
}

/* 1 = every thread of it, 0, or -errno. */
static int is_stopped(const struct change_proc *p, struct proc_threads *ret, struct err *e)
{
	struct trap trap = { 0 };

	for (;;) {
		int rc = look(p, ret, e);

		if (rc != TRAPPED)
			return rc < 0 ? rc : rc == STOPPED;
		if (lasts(&trap))
			return 1;
		short_nap();
	}
}

static int stop_prepare(struct change *c, struct undo *ret, struct err *e)
{
	const struct pause_spec *s = spec_of(c);
	struct text by_hand = text_on(ret->by_hand, sizeof(ret->by_hand));
	struct proc_threads t;
	int rc = is_stopped(&s->proc, &t, e);

	if (rc < 0)
		return rc;
	ret->u.pause.proc = s->proc;
	memcpy(ret->u.pause.name, s->name, sizeof(ret->u.pause.name));
	ret->u.pause.was_stopped = rc > 0;
	if (!ret->u.pause.was_stopped)
		text_add(&by_hand, "kill -CONT %d", s->proc.pid);
	return 0;
}

static int stop_arm(struct change *c, struct err *e)
{
	struct stop_live *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(e, ENOMEM, "no memory for a pause");
	c->live = l;
	l->pidfd = change_proc_open(&spec_of(c)->proc, e);
	if (l->pidfd < 0)
		return l->pidfd;
	if (pidfd_send_signal(l->pidfd, 0, NULL, 0) < 0)
		return err_right(e, "CAP_KILL: root, or the user whose process it is",
				 "process %d (%s) may not be signalled", spec_of(c)->proc.pid,
				 spec_of(c)->name);
	return 0;
}

/* Once: SIGSTOP, unless it is stopped already: then the stop is not ours. */
static int send_stop(struct change *c, struct err *e)
{
	struct stop_live *l = c->live;
	const struct pause_spec *s = spec_of(c);
	struct proc_threads t;
	int rc = is_stopped(&s->proc, &t, e);

	if (rc < 0)
		return rc;
	if (rc)
		return err_set(e, EALREADY, "process %d (%s) was stopped by somebody else",
			       s->proc.pid, s->name);
	if (pidfd_send_signal(l->pidfd, SIGSTOP, NULL, 0) < 0)
		return err_sys(e, "cannot stop process %d (%s)", s->proc.pid, s->name);
	l->sent = c->touched = true;
	l->stopped = true;
	return 0;
}

static int stop_fire(struct change *c, struct err *e)
{
	struct stop_live *l = c->live;
	const struct pause_spec *s = spec_of(c);
	int64_t now = clock_mono_ns(), step_end = now + STEP_NS;
	struct proc_threads t;
	int rc = 0;

	if (c->undo->u.pause.was_stopped)
		return 0;
	if (!l->firing) {
		l->firing = true;
		l->deadline_ns = now + STOP_NS;
		rc = send_stop(c, e);
	}
	while (rc == 0) {
		rc = look(&s->proc, &t, e);
		if (rc < 0 || rc == STOPPED || (rc == TRAPPED && lasts(&l->trap)))
			break;
		if (rc == RUNS)
			l->trap.looks = 0;
		rc = 0;
		now = clock_mono_ns();
		if (now > l->deadline_ns)
			return err_set(e, ETIMEDOUT, "process %d (%s) does not stop", s->proc.pid,
				       s->name);
		if (now > step_end)
			return -EINPROGRESS;
		short_nap();
	}
	return rc == -ESRCH || rc > 0 ? 0 : rc; /* gone: whether anything landed is read back */
}

static int stop_refresh(struct change *c, struct err *e)
{
	struct stop_live *l = c->live;
	struct proc_threads t;
	int rc;

	if (!l->sent)
		return 0;
	rc = read_threads(&spec_of(c)->proc, &t, e);
	if (rc == -ESRCH)
		return 0;
	if (rc == 0 && !t.stopped && !t.trapped)
		return err_set(e, ENOENT, "process %d (%s) was continued by somebody else",
			       spec_of(c)->proc.pid, spec_of(c)->name);
	return rc;
}

static int stop_quiet(struct change *c, struct err *e)
{
	struct stop_live *l = c->live;

	if (!l || !l->sent)
		return 0;
	if (pidfd_send_signal(l->pidfd, SIGCONT, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, "cannot continue process %d (%s)", spec_of(c)->proc.pid,
			       spec_of(c)->name);
	l->sent = false;
	return 0;
}

static int stop_effect(struct change *c, struct effect *ret, struct err *e)
{
	const struct stop_live *l = c->live;

	(void)e;
	*ret = (struct effect){ .hits = l && l->stopped };
	return 0;
}

/* Stopped or about to be, by us as far as the record can tell: 1; gone, or not ours: 0. */
static int still_stopped(const struct undo *u, struct err *e)
{
	struct proc_threads t;
	int rc;

	if (u->u.pause.was_stopped)
		return 0;
	rc = is_stopped(&u->u.pause.proc, &t, e);
	if (rc < 0)
		return rc == -ESRCH ? 0 : rc;
	if (rc || t.stopped)
		return 1;
	rc = proc_stop_pending(u->u.pause.proc.pid);
	if (rc == -ESRCH)
		return 0;
	return rc < 0 ? err_set(e, -rc, "cannot read process %d: %s", u->u.pause.proc.pid,
				strerror(-rc)) :
			rc;
}

/*
 * Not only where a stop is seen: one that a tracer has in its hands, or left behind when it went,
 * is seen nowhere until the process gets the CPU. SIGCONT takes that back, too (signal(7));
 * who runs already has only its handler called, if it has one.
 */
static int stop_undo(const struct undo *u, struct err *e)
{
	AUTO(auto_close) int pidfd = -1;

	if (u->u.pause.was_stopped)
		return 0;
	pidfd = change_proc_open(&u->u.pause.proc, e);
	if (pidfd == -ESRCH)
		return 0;
	if (pidfd < 0)
		return pidfd;
	if (pidfd_send_signal(pidfd, SIGCONT, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, "cannot continue process %d (%s)", u->u.pause.proc.pid,
			       u->u.pause.name);
	return 0;
}

static int stop_ended(const struct undo *u, struct text *ret_left, struct err *e)
{
	int rc = still_stopped(u, e);

	if (rc > 0)
		text_add(ret_left, "process %d (%s) is stopped", u->u.pause.proc.pid,
			 u->u.pause.name);
	return rc;
}

static int stop_resource(const struct change_spec *s, struct text *ret_key)
{
	change_proc_key(&s->u.pause.proc, ret_key);
	return 0;
}

static int stop_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	text_add(ret_do, "kill -STOP %d (%s)", cs->u.pause.proc.pid, cs->u.pause.name);
	text_add(ret_undo, "kill -CONT %d, if it is stopped", cs->u.pause.proc.pid);
	return 0;
}

/* SYS_PTRACE: without it a process that /proc hides (hidepid=) would read as gone. */
static const struct call_rule holder_calls[] = { CALLS_PIDFD, CALLS_OPEN_READ, CALLS_LOOK, { 0 } };
static const struct call_rule undoer_calls[] = { CALLS_PIDFD, { 0 } };

const struct change_ops stop_ops = {
	.kind = "stop",
	.class = CLASS_GUARDED,
	.holder = { CAP_BIT(KILL) | CAP_BIT(SYS_PTRACE), holder_calls },
	.undoer = { CAP_BIT(KILL) | CAP_BIT(SYS_PTRACE), undoer_calls },
	.prepare = stop_prepare,
	.arm = stop_arm,
	.fire = stop_fire,
	.refresh = stop_refresh,
	.quiet = stop_quiet,
	.unit = { "process", "processes" },
	.effect = stop_effect,
	.undo = stop_undo,
	.ended = stop_ended,
	.gone = stop_ended,
	.resource = stop_resource,
	.print = stop_print,
};
