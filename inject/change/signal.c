/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/units.h"
#include "inject/change/kinds.h"
#include "inject/change/proc_state.h"
#include "inject/target.h"

/*
 * A signal to chosen processes, once or at a period, through pidfds of exactly them. Cannot be
 * undone; what can be stopped is the next signal: the second one after the grace, the next round.
 */
#define DEATH_NS (1 * NS_PER_S)
#define STEP_NS  (20 * NS_PER_MS)

struct victim {
	struct proc_id id;
	int pidfd;
};

struct signal_live {
	struct victim victim[SIGNAL_PROCS]; /* of this round, still to be watched */
	unsigned n;
	bool firing, quiet;
	uint64_t rounds, sent;
	int64_t round_ns; /* when this round began */
	bool grace;       /* SIGTERM was sent; the signal proper is due */
	struct proc_id found[SIGNAL_PROCS];
	char user[16];
};

static const struct signal_spec *spec_of(const struct change *c)
{
	return &c->spec->u.signal;
}

static int signal_prepare(struct change *c, struct undo *ret, struct err *e)
{
	(void)e;
	ret->u.signal.signal = spec_of(c)->signal;
	ret->u.signal.n_procs = spec_of(c)->n_procs;
	return 0; /* no command takes it back: by_hand stays empty */
}

static int signal_arm(struct change *c, struct err *e)
{
	struct signal_live *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(e, ENOMEM, "no memory for a signal");
	c->live = l;
	return 0;
}

static void forget(struct signal_live *l)
{
	while (l->n)
		auto_close(&l->victim[--l->n].pidfd);
}

/* Opened, then compared with its identity, then with the shield: never a process that only has the
 * number. */
static int add_victim(struct change *c, const struct proc_id *id, struct err *e)
{
	struct signal_live *l = c->live;
	const char *why = "brink itself";
	int fd = proc_open(id, e);

	if (fd == -ESRCH)
		return 0;
	if (fd < 0)
		return fd;
	if (proc_is_brink(id->pid) || shield_has_proc(c->shield, id->pid, id->start_ticks, &why)) {
		close(fd);
		return err_set(e, EPERM, "process %d is shielded: it is %s", id->pid, why);
	}
	l->victim[l->n++] = (struct victim){ .id = *id, .pidfd = fd };
	return 0;
}

/* What the selector finds now. -ENOENT: nothing. */
static int find_again(struct change *c, struct err *e)
{
	const struct signal_spec *s = spec_of(c);
	struct signal_live *l = c->live;
	struct proc_select sel = { .exe = s->exe[0] ? s->exe : NULL,
				   .name = s->name[0] ? s->name : NULL,
				   .pid_file = s->pid_file[0] ? s->pid_file : NULL,
				   .cgroup = s->cgroup[0] ? s->cgroup : NULL };
	const struct pick pick = { .count = s->pick_count, .percent_ppm = s->pick_ppm };
	const struct targets t = { .shield = c->shield,
				   .seed = s->seed + l->rounds,
				   .max_processes = s->max_procs };

	snprintf(l->user, sizeof(l->user), "%lld", (long long)s->uid);
	sel.user = s->uid >= 0 ? l->user : NULL;
	return proc_resolve(&sel, pick.count || pick.percent_ppm ? &pick : NULL, &t, l->found,
			    SIGNAL_PROCS, e);
}

/* Chooses the victims of a round. -ENOENT: there is none. */
static int choose(struct change *c, struct err *e)
{
	const struct signal_spec *s = spec_of(c);
	struct signal_live *l = c->live;
	int n = (int)s->n_procs, rc = 0;

	forget(l);
	if (l->rounds && !s->by_pid) {
		n = find_again(c, e);
	} else {
		for (unsigned i = 0; i < s->n_procs; i++)
			l->found[i] = (struct proc_id){ .pid = s->proc[i].pid,
							.start_ticks = s->proc[i].start_ticks };
	}
	for (int i = 0; i < n && rc == 0; i++)
		rc = add_victim(c, &l->found[i], e);
	if (n < 0 || rc < 0)
		return n < 0 ? n : rc;
	return l->n ? 0 : err_set(e, ENOENT, "no process is left to signal");
}

static bool is_dead(const struct victim *v)
{
	return io_wait(v->pidfd, POLLIN, 0) > 0;
}

/* To all victims that live. Those that are gone meanwhile do not count. */
static int send_all(struct signal_live *l, int sig, struct err *e)
{
	uint64_t before = l->sent;

	for (unsigned i = 0; i < l->n; i++) {
		if (is_dead(&l->victim[i]))
			continue;
		if (pidfd_send_signal(l->victim[i].pidfd, sig, NULL, 0) == 0)
			l->sent++;
		else if (errno != ESRCH)
			return err_right(e, "CAP_KILL: root, or the user whose process it is",
					 "cannot send %s to process %d", units_signal_name(sig),
					 l->victim[i].id.pid);
	}
	return l->sent > before ? 0 : err_set(e, ENOENT, "no process is left to signal");
}

static int begin_round(struct change *c, struct err *e)
{
	const struct signal_spec *s = spec_of(c);
	struct signal_live *l = c->live;
	int rc = choose(c, e);

	l->round_ns = clock_mono_ns();
	l->grace = false;
	l->rounds++;
	if (rc == 0)
		rc = send_all(l, s->grace_ns ? SIGTERM : s->signal, e);
	l->grace = rc == 0 && s->grace_ns;
	return rc;
}

/* Drops the dead ones from the list; false: some still live. */
static bool all_dead(struct signal_live *l)
{
	for (unsigned i = 0; i < l->n;) {
		if (is_dead(&l->victim[i])) {
			close(l->victim[i].pidfd);
			l->victim[i] = l->victim[--l->n];
		} else {
			i++;
		}
	}
	return l->n == 0;
}

/* The second signal of this round, to those that live. */
static int end_grace(struct change *c, struct err *e)
{
	struct signal_live *l = c->live;
	int rc = all_dead(l) ? 0 : send_all(l, spec_of(c)->signal, e);

	l->grace = false;
	return rc == -ENOENT ? 0 : rc;
}

static bool grace_is_over(struct signal_live *l, const struct signal_spec *s, int64_t now)
{
	return all_dead(l) || now >= l->round_ns + s->grace_ns;
}

/* Delivered is enough; that SIGKILL has killed is waited for, but not for one in uninterruptible
 * sleep. */
static int await_deaths(struct signal_live *l, const struct signal_spec *s, int64_t step_end)
{
	while (s->signal == SIGKILL && !all_dead(l)) {
		int64_t now = clock_mono_ns();

		if (now > l->round_ns + s->grace_ns + DEATH_NS)
			break;
		if (now > step_end)
			return -EINPROGRESS;
		short_nap();
	}
	return 0;
}

/* A single shot has been fired when all of it has: the run does not end before. A repeated one goes
 * on in refresh. */
static int signal_fire(struct change *c, struct err *e)
{
	const struct signal_spec *s = spec_of(c);
	struct signal_live *l = c->live;
	int64_t step_end = clock_mono_ns() + STEP_NS;
	int rc = 0;

	if (l->quiet)
		return err_set(e, ECANCELED, "the signal was called off");
	if (!l->firing) {
		rc = begin_round(c, e);
		if (rc < 0)
			return rc == -ENOENT ? err_set(e, ESRCH, "no process is left to signal") :
					       rc;
		l->firing = true;
	}
	if (s->every_ns && s->grace_ns)
		return 0;
	while (l->grace && !grace_is_over(l, s, clock_mono_ns())) {
		if (clock_mono_ns() > step_end)
			return -EINPROGRESS;
		short_nap();
	}
	if (l->grace)
		rc = end_grace(c, e);
	return rc < 0 ? rc : await_deaths(l, s, step_end);
}

static int signal_refresh(struct change *c, struct err *e)
{
	const struct signal_spec *s = spec_of(c);
	struct signal_live *l = c->live;
	int64_t now = clock_mono_ns();
	int rc = 0;

	if (l->quiet)
		return 0;
	if (l->grace && grace_is_over(l, s, now))
		rc = end_grace(c, e);
	if (rc == 0 && s->every_ns && now >= l->round_ns + s->every_ns)
		rc = begin_round(c, e);
	return rc == -ENOENT ? 0 : rc; /* nobody there this time */
}

static int signal_quiet(struct change *c, struct err *e)
{
	struct signal_live *l = c->live;

	(void)e;
	if (!l)
		return 0;
	l->quiet = true;
	l->grace = false;
	forget(l);
	return 0;
}

static int signal_effect(struct change *c, struct effect *ret, struct err *e)
{
	const struct signal_live *l = c->live;

	(void)e;
	*ret = (struct effect){ .hits = l ? l->sent : 0 };
	return 0;
}

static int signal_undo(const struct undo *u, struct err *e)
{
	(void)u;
	(void)e;
	return 0;
}

static int signal_nothing(const struct undo *u, struct text *ret_left, struct err *e)
{
	(void)u;
	(void)ret_left;
	(void)e;
	return 0;
}

/* One process is a resource; a moving set of them is none. */
static int signal_resource(const struct change_spec *s, struct text *ret_key)
{
	if (s->u.signal.n_procs == 1 && !s->u.signal.every_ns)
		change_proc_key(&s->u.signal.proc[0], ret_key);
	return 0;
}

static int signal_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	const struct signal_spec *s = &cs->u.signal;
	const char *name = units_signal_name(s->signal);

	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	if (s->grace_ns) {
		text_add(ret_do, "kill -TERM, after ");
		units_add_duration(ret_do, s->grace_ns);
		text_add(ret_do, " ");
	}
	if (strchr(name, ' ')) /* "signal 77" */
		text_add(ret_do, "kill -%d", s->signal);
	else
		text_add(ret_do, "kill -%s", name);
	for (unsigned i = 0; i < s->n_procs; i++)
		text_add(ret_do, " %d", s->proc[i].pid);
	if (s->every_ns) {
		text_add(ret_do, ", again every ");
		units_add_duration(ret_do, s->every_ns);
	}
	text_add(ret_undo, "cannot be undone");
	return 0;
}

static const struct call_rule holder_calls[] = { CALLS_PIDFD, CALLS_OPEN_READ, CALLS_LOOK, { 0 } };

const struct change_ops signal_ops = {
	.kind = "signal",
	.class = CLASS_ONE_SHOT,
	.holder = { CAP_BIT(KILL) | CAP_BIT(SYS_PTRACE), holder_calls },
	.undoer = { 0, NULL }, /* nothing can be taken back */
	.prepare = signal_prepare,
	.arm = signal_arm,
	.fire = signal_fire,
	.refresh = signal_refresh,
	.quiet = signal_quiet,
	.unit = { "signal", "signals" },
	.effect = signal_effect,
	.undo = signal_undo,
	.ended = signal_nothing,
	.gone = signal_nothing,
	.resource = signal_resource,
	.print = signal_print,
};
