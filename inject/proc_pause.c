/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "inject/cgroup.h"
#include "inject/change/freeze.h"
#include "inject/change/proc_state.h"
#include "inject/faults.h"
#include "inject/proc.h"

struct proc_pause {
	struct proc_spec proc;
};

static const struct field rows[] = {
	PROC_FIELDS(struct proc_pause),
	{ 0 },
};

static const struct field_table fields = {
	.name = "proc.pause",
	.doc = "stops chosen processes for a while, by ptrace; a whole cgroup by its freezer",
	.size = sizeof(struct proc_pause),
	.fields = rows,
};

/* A cgroup and nothing else: all that is in it, whoever comes and goes. */
static bool is_whole_cgroup(const struct proc_aim *aim)
{
	const struct proc_select *s = aim->select;

	return s->cgroup && !s->pid && !s->exe && !s->name && !s->pid_file && !s->user &&
	       !aim->pick;
}

/* 1 = planned, 0 = there is no freezer for it, -errno. */
static int plan_freeze(const struct proc_aim *aim, const struct plan_context *ctx, struct plan *ret,
		       struct err *e)
{
	struct freeze_check k = { .shield = ctx->targets->shield };
	struct text t = text_on(ret->summary, sizeof(ret->summary));
	AUTO(auto_close) int dir = -1;
	bool asked = false, frozen = false;
	struct change_spec *c;
	char path[256];
	struct stat st;
	int rc = cgroup2_path(aim->select->cgroup, path, sizeof(path));

	if (rc < 0)
		return 0;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0 || freeze_read(dir, &asked, &frozen) < 0)
		return 0;
	rc = freeze_check(&k, dir, e);
	if (rc < 0)
		return err_ctx(e, "cgroup '%s'", aim->select->cgroup);
	if (!k.n_procs) /* on a host with both hierarchies the name may mean the other one */
		return 0;
	if (ctx->targets->max_processes > 0 && k.n_procs > (uint64_t)ctx->targets->max_processes)
		return err_set(e, E2BIG, "cgroup '%s' holds %u processes, %lld are allowed",
			       aim->select->cgroup, k.n_procs,
			       (long long)ctx->targets->max_processes);
	if (asked)
		return err_set(e, EALREADY, "cgroup '%s' is frozen already", aim->select->cgroup);
	c = plan_add(ret, ctx, CHANGE_FREEZE, e);
	if (!c)
		return -e->code;
	snprintf(c->u.freeze.cgroup, sizeof(c->u.freeze.cgroup), "%s", path);
	c->u.freeze.dev = st.st_dev;
	c->u.freeze.ino = st.st_ino;
	ret->processes = k.n_procs;
	text_add(&t, "cgroup %s, %u processes", aim->select->cgroup, k.n_procs);
	plan_note(
		ret,
		"guarded: a frozen cgroup stays so until the keeper (else a timer in PID 1) thaws it");
	return 1;
}

/* Why ptrace cannot hold it; NULL when it can. */
static const char *why_not_ptrace(const struct change_proc *p, char *buf, size_t size)
{
	int32_t tracer = 0;
	int rc = pause_allowed(p, &tracer);
	char name[80], scope[16];

	if (rc == -EBUSY && tracer) {
		snprintf(buf, size, "it is traced by %s(%d)", proc_name(tracer, name, sizeof(name)),
			 tracer);
		return buf;
	}
	if (rc != -EPERM)
		return NULL; /* what else is wrong will be said when it is armed */
	if (io_read_file(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope)) >
		    0 &&
	    scope[0] != '0')
		snprintf(buf, size, "ptrace is not allowed (kernel.yama.ptrace_scope=%s)", scope);
	else
		snprintf(buf, size, "ptrace is not allowed (no CAP_SYS_PTRACE)");
	return buf;
}

static bool stopped_already(const struct change_proc *p)
{
	struct proc_threads t;

	return proc_threads_read(p, &t) == 0 && t.n && t.stopped == t.n;
}

static int plan_process(const struct proc_id *id, const struct plan_context *ctx, struct plan *ret,
			struct err *e)
{
	const struct change_proc p = { .pid = id->pid, .start_ticks = id->start_ticks };
	char buf[120], name[sizeof(((struct pause_spec *)0)->name)];
	const char *why = why_not_ptrace(&p, buf, sizeof(buf));
	struct change_spec *c;

	proc_name(id->pid, name, sizeof(name));
	if (why && stopped_already(&p))
		return err_set(e, EALREADY, "process %d (%s) is stopped already", id->pid, name);
	c = plan_add(ret, ctx, why ? CHANGE_STOP : CHANGE_PAUSE, e);
	if (!c)
		return -e->code;
	c->u.pause.proc = p;
	snprintf(c->u.pause.name, sizeof(c->u.pause.name), "%s", name);
	if (why)
		plan_note(ret, "guarded: %s(%d) gets SIGSTOP, and SIGCONT from the keeper: %s",
			  name, id->pid, why);
	return 0;
}

static int check_pause(const void *spec, struct err *e)
{
	return proc_check(&((const struct proc_pause *)spec)->proc, e);
}

static int plan_pause(const void *spec, const struct plan_context *ctx, struct plan *ret,
		      struct err *e)
{
	const struct proc_pause *p = spec;
	struct proc_id id[PLAN_CHANGES];
	struct proc_aim aim = { 0 };
	struct text t;
	int n, rc = proc_aim(&p->proc, ctx, &aim, e);

	if (rc == 0 && is_whole_cgroup(&aim))
		rc = plan_freeze(&aim, ctx, ret, e);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	n = proc_find(&aim, ctx, id, PLAN_CHANGES, e);
	if (n == -E2BIG)
		err_ctx(e,
			"proc.pause holds at most %d processes one by one, more only as a whole cgroup",
			PLAN_CHANGES);
	for (int i = 0; i < n && rc == 0; i++)
		rc = plan_process(&id[i], ctx, ret, e);
	if (n < 0 || rc < 0)
		return n < 0 ? n : rc;
	ret->processes = (unsigned)n;
	t = text_on(ret->summary, sizeof(ret->summary));
	proc_summarise(&t, id, (unsigned)n);
	return 0;
}

static const char *const trials[] = { "pid={pid}", "cgroup={cgroup}", NULL };

const struct fault_ops proc_pause_fault = {
	.name = "proc.pause",
	.summary = "chosen processes stand still for a while",
	.fields = &fields,
	.class_words = "self-ending, or guarded",
	.undo_words =
		"the kernel resumes the process when the ptrace holder dies; a cgroup is thawed, and a process stopped by SIGSTOP continued, by the keeper (guarded)",
	.example = "pid=4242",
	.trials = trials,
	.check = check_pause,
	.plan = plan_pause,
};
