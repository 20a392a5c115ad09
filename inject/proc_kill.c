/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "inject/faults.h"
#include "inject/proc.h"

struct proc_kill {
	struct proc_spec proc;
	int signal;
	int64_t grace_ns, every_ns;
};

static const struct field rows[] = {
	PROC_FIELDS(struct proc_kill),
	{ .name = "signal",
	  .type = FIELD_SIGNAL,
	  .dflt = "KILL",
	  .offset = offsetof(struct proc_kill, signal),
	  .doc = "which one; not STOP, TSTP, TTIN, TTOU: see proc.pause" },
	{ .name = "grace",
	  .type = FIELD_DURATION,
	  .max = 300 * NS_PER_S,
	  .dflt = "0s",
	  .offset = offsetof(struct proc_kill, grace_ns),
	  .doc = "TERM first, and the signal after this time to those that still live" },
	{ .name = "every",
	  .type = FIELD_DURATION,
	  .min = 100 * NS_PER_MS,
	  .max = 86400 * NS_PER_S,
	  .offset = offsetof(struct proc_kill, every_ns),
	  .doc = "again at this period, to what the selector finds then; the fault then has a 'for'" },
	{ 0 },
};

static const struct field_table fields = {
	.name = "proc.kill",
	.doc = "sends a signal to chosen processes; cannot be undone",
	.size = sizeof(struct proc_kill),
	.fields = rows,
};

static int copy(char *to, size_t size, const char *key, const char *from, struct err *e)
{
	if (from && strlen(from) >= size)
		return err_set(e, EINVAL, "%s is too long: %zu bytes at most", key, size - 1);
	snprintf(to, size, "%s", from ? from : "");
	return 0;
}

/* proc_resolve has accepted it a moment ago. */
static int find_uid(const char *user, int64_t *ret, struct err *e)
{
	struct passwd p, *found = NULL;
	char buf[16384];
	struct err not_a_number;

	if (!user) {
		*ret = -1;
		return 0;
	}
	if (units_int(user, ret, &not_a_number) == 0)
		return 0;
	if (getpwnam_r(user, &p, buf, sizeof(buf), &found) || !found)
		return err_set(e, ENOENT, "there is no user '%s'", user);
	*ret = p.pw_uid;
	return 0;
}

/* What the holder needs to find them again. */
static int set_selector(struct signal_spec *s, const struct proc_aim *aim,
			const struct plan_context *ctx, struct err *e)
{
	const struct proc_select *sel = aim->select;
	char exe[PATH_MAX];
	/* the file that was judged: a link on the way may lead elsewhere later */
	const char *file = sel->exe && realpath(sel->exe, exe) ? exe : sel->exe;
	int rc = copy(s->exe, sizeof(s->exe), "exe", file, e);

	if (rc == 0)
		rc = copy(s->name, sizeof(s->name), "name", sel->name, e);
	if (rc == 0)
		rc = copy(s->pid_file, sizeof(s->pid_file), "pid_file", sel->pid_file, e);
	if (rc == 0)
		rc = copy(s->cgroup, sizeof(s->cgroup), "cgroup", sel->cgroup, e);
	if (rc == 0)
		rc = find_uid(sel->user, &s->uid, e);
	s->by_pid = sel->pid != 0;
	s->seed = ctx->targets->seed;
	if (ctx->targets->max_processes > 0)
		s->max_procs = (uint32_t)ctx->targets->max_processes;
	if (aim->pick) {
		s->pick_count = aim->pick->count;
		s->pick_ppm = aim->pick->percent_ppm;
		if (fields_given(&pick_fields, aim->pick, "seed"))
			s->seed = (uint64_t)aim->pick->seed;
	}
	return rc;
}

static void summarise(struct plan *p, const struct proc_kill *k, const struct proc_id *id,
		      unsigned n)
{
	struct text t = text_on(p->summary, sizeof(p->summary));

	if (k->grace_ns) {
		text_add(&t, "SIGTERM, after ");
		units_add_duration(&t, k->grace_ns);
		text_add(&t, " ");
	}
	text_add(&t, "%s to ", units_signal_name(k->signal));
	proc_summarise(&t, id, n);
	if (k->every_ns) {
		text_add(&t, ", every ");
		units_add_duration(&t, k->every_ns);
	}
}

static int check_kill(const void *spec, struct err *e)
{
	const struct proc_kill *k = spec;

	if (k->signal == SIGSTOP || k->signal == SIGTSTP || k->signal == SIGTTIN ||
	    k->signal == SIGTTOU)
		return err_set(
			e, EINVAL,
			"%s would leave the process stopped for ever: proc.pause takes it back",
			units_signal_name(k->signal));
	if (k->grace_ns && k->signal == SIGTERM)
		return err_set(e, EINVAL,
			       "'grace' sends TERM first: choose another signal for after it");
	if (k->every_ns && k->every_ns <= k->grace_ns)
		return err_set(e, EINVAL, "'every' must be longer than 'grace'");
	return proc_check(&k->proc, e);
}

static int plan_kill(const void *spec, const struct plan_context *ctx, struct plan *ret,
		     struct err *e)
{
	const struct proc_kill *k = spec;
	struct proc_id id[SIGNAL_PROCS];
	struct change_spec *c;
	struct proc_aim aim = { .select = &k->proc.select };
	int n, rc = check_kill(spec, e);

	if (rc == 0)
		rc = proc_aim(&k->proc, ctx, &aim, e);
	if (rc < 0)
		return rc;
	n = proc_find(&aim, ctx, id, SIGNAL_PROCS, e);
	if (n < 0)
		return n;
	c = plan_add(ret, ctx, CHANGE_SIGNAL, e);
	if (!c)
		return -e->code;
	c->u.signal.signal = k->signal;
	c->u.signal.grace_ns = k->grace_ns;
	c->u.signal.every_ns = k->every_ns;
	c->u.signal.n_procs = (uint32_t)n;
	for (int i = 0; i < n; i++)
		c->u.signal.proc[i] =
			(struct change_proc){ .pid = id[i].pid, .start_ticks = id[i].start_ticks };
	rc = set_selector(&c->u.signal, &aim, ctx, e);
	if (rc < 0)
		return rc;
	ret->one_shot = k->every_ns == 0;
	ret->processes = (unsigned)n;
	plan_note(ret, "irreversible: what the signal does to a process cannot be undone");
	if (k->every_ns && aim.select->pid)
		plan_note(
			ret,
			"every: always to process %d itself; another one in its place is left alone",
			(int)aim.select->pid);
	summarise(ret, k, id, (unsigned)n);
	return 0;
}

static const char *const trials[] = { "pid={pid}", NULL };

const struct fault_ops proc_kill_fault = {
	.name = "proc.kill",
	.summary = "chosen processes get a signal, once or again and again",
	.fields = &fields,
	.class_words = "one-shot",
	.undo_words =
		"nothing can be undone: what the signal does to a process stays; repeating it ends with the run",
	.example = "name=checkout-worker signal=KILL",
	.trials = trials,
	.one_shot = true,
	.check = check_kill,
	.plan = plan_kill,
};
