/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/change/change.h"
#include "inject/change/netns.h"
#include "inject/change/sock_diag.h"
#include "inject/kernel_has.h"

#define ALL_NS  (30 * NS_PER_S)
#define STEP_NS (5 * NS_PER_S)
#define LOOK_NS NS_PER_MS

static void set(struct scratch_result *r, enum scratch_state state, const char *fmt, ...)
	PRINTF_FMT(3, 4);

static void set(struct scratch_result *r, enum scratch_state state, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	r->state = state;
}

static void set_err(struct scratch_result *r, const struct err *e)
{
	char words[ERR_LINE * 2];

	set(r, SCRATCH_FAILED, "%.190s", err_format(e, words, sizeof(words)));
}

/* ---- modules ---- */

/* True: at least one of them would be loaded; said in r. */
static bool needs_module(struct scratch_result *r, const char *const *modules)
{
	struct text t = text_on(r->text, sizeof(r->text));

	for (; *modules; modules++) {
		if (module_would_load(*modules))
			text_add(&t, "%s%s", t.len ? ", " : "", *modules);
	}
	if (t.len)
		r->state = SCRATCH_WOULD_LOAD;
	return t.len > 0;
}

/* ---- changes in the scratch namespace ---- */

static void fill_gate(struct change_spec *s, const struct netns_ref *here, const char *table,
		      enum gate_hook hook)
{
	*s = (struct change_spec){ .kind = CHANGE_NFT_GATE, .lease_ms = 60000 };
	s->u.gate.netns = *here;
	s->u.gate.action = GATE_DROP;
	s->u.gate.share_ppm = 1000000;
	s->u.gate.n_matches = 1;
	s->u.gate.match[0].hook = (uint8_t)hook;
	snprintf(s->u.gate.table, sizeof(s->u.gate.table), "%s", table);
	if (hook == GATE_EGRESS)
		snprintf(s->u.gate.dev, sizeof(s->u.gate.dev), "lo");
}

/* In its own process: builds, opens, says so, and waits to be killed. */
static void own_it(struct change *c, struct scratch_result *r, int ready)
{
	struct err e = { 0 };
	int rc = c->ops->arm ? c->ops->arm(c, &e) : 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (rc == 0 && c->ops->fire)
		rc = c->ops->fire(c, &e);
	if (rc < 0)
		set_err(r, &e);
	if (write(ready, rc < 0 ? "-" : "+", 1) != 1 || rc < 0)
		_exit(1);
	for (;;)
		pause();
}

static void await_gone(const struct change_ops *ops, const struct undo *u, struct scratch_result *r)
{
	int64_t began = clock_mono_ns();
	struct timespec t = { 0, LOOK_NS };
	char words[200];
	struct err e = { 0 };
	int rc;

	do {
		struct text left = text_on(words, sizeof(words));

		rc = ops->gone(u, &left, &e);
		if (rc == 0) {
			r->took_ns = clock_mono_ns() - began;
			r->state = SCRATCH_OK;
			return;
		}
		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	} while (clock_mono_ns() - began < STEP_NS);
	if (rc < 0)
		set_err(r, &e);
	else
		set(r, SCRATCH_FAILED, "%.150s, though its owner was killed", words);
}

/* One change, owned by a process that is then killed. vanishes: it must go with its owner. */
static void try_change(const struct change_spec *s, bool vanishes, struct scratch_result *r)
{
	struct undo u = { .kind = s->kind };
	struct change c = { .ops = change_ops_of(s->kind), .spec = s };
	struct err e = { 0 };
	char answer = '-';
	int fds[2];
	pid_t pid;

	if (c.ops->prepare(&c, &u, &e) < 0) {
		set_err(r, &e);
		return;
	}
	c.undo = &u;
	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		set(r, SCRATCH_FAILED, "cannot start a process: %s", strerror(errno));
		return;
	}
	if (pid == 0)
		own_it(&c, r, fds[1]);
	close(fds[1]);
	if (io_wait(fds[0], POLLIN, clock_mono_ns() + STEP_NS) <= 0 ||
	    read(fds[0], &answer, 1) != 1)
		set(r, SCRATCH_FAILED, "it could not be made in time");
	kill(pid, SIGKILL); /* our child, not reaped yet: the number is its own */
	if (answer == '+' && vanishes)
		await_gone(c.ops, &u, r);
	else if (answer == '+')
		r->state = SCRATCH_OK;
	waitpid(pid, NULL, 0);
	close(fds[0]);
}

static void try_netem(const struct netns_ref *here, struct scratch_result *r)
{
	static const char *const modules[] = { "ifb", "sch_netem", "nft_fwd_netdev", NULL };
	struct change_spec s = { .kind = CHANGE_NETEM_SIDE, .lease_ms = 60000 };

	if (needs_module(r, modules))
		return;
	s.u.netem.netns = *here;
	s.u.netem.delay_ns = NS_PER_MS;
	s.u.netem.limit = 1000;
	snprintf(s.u.netem.ifb, sizeof(s.u.netem.ifb), "brinkscratch");
	snprintf(s.u.netem.dev, sizeof(s.u.netem.dev), "lo");
	try_change(&s, false, r);
}

static void try_reset(struct scratch_result *r)
{
	static const char *const modules[] = { "inet_diag", "tcp_diag", NULL };
	struct nlsock s;
	struct err e = { 0 };
	int rc;

	if (needs_module(r, modules))
		return;
	rc = nlsock_open(NETLINK_SOCK_DIAG, &s, &e);
	if (rc == 0) {
		rc = sock_destroy_try(&s, &e);
		nlsock_close(&s);
	}
	if (rc < 0)
		set_err(r, &e);
	else
		r->state = SCRATCH_OK;
}

static void try_network(struct scratch_result *r)
{
	static const char *const modules[] = { "nf_tables", NULL };
	struct netns_ref here = { 0 };
	struct change_spec s;
	struct err e = { 0 };
	int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);

	if (unshare(flags) < 0 && (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)) {
		set(&r[SCRATCH_NETNS], SCRATCH_FAILED, "%s", strerror(errno));
		return;
	}
	r[SCRATCH_NETNS].state = SCRATCH_OK;
	if (netns_identify("", &here, &e) < 0) {
		set_err(&r[SCRATCH_IDENTITY], &e);
		return;
	}
	r[SCRATCH_IDENTITY].state = SCRATCH_OK;
	if (!needs_module(&r[SCRATCH_OWNER], modules)) {
		fill_gate(&s, &here, "brink_scratch_o", GATE_OUTPUT);
		try_change(&s, true, &r[SCRATCH_OWNER]);
		fill_gate(&s, &here, "brink_scratch_e", GATE_EGRESS);
		try_change(&s, true, &r[SCRATCH_EGRESS]);
	} else {
		r[SCRATCH_EGRESS] = r[SCRATCH_OWNER];
	}
	try_netem(&here, &r[SCRATCH_NETEM]);
	try_reset(&r[SCRATCH_RESET]);
}

/* ---- ordinary system calls ---- */

/* Siblings: what yama forbids for processes that are not one's own children shows here. */
static void try_ptrace(struct scratch_result *r)
{
	pid_t target = fork(), tracer;

	if (target == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (target < 0) { /* and never to kill(2): -1 means everybody */
		set(r, SCRATCH_FAILED, "%s", strerror(errno));
		return;
	}
	tracer = fork();
	if (tracer == 0) {
		if (ptrace(PTRACE_SEIZE, target, NULL, NULL) < 0)
			set(r, SCRATCH_FAILED, "%s", strerror(errno));
		else
			r->state = SCRATCH_OK;
		_exit(0);
	}
	if (tracer < 0)
		set(r, SCRATCH_FAILED, "%s", strerror(errno));
	else
		waitpid(tracer, NULL, 0);
	kill(target, SIGKILL);
	waitpid(target, NULL, 0);
}

static void try_tmpfile(struct scratch_result *r)
{
	AUTO(auto_close) int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		set(r, SCRATCH_FAILED, "open with O_TMPFILE: %s", strerror(errno));
	else if (fallocate(fd, 0, 0, 4096) < 0)
		set(r, SCRATCH_FAILED, "fallocate: %s", strerror(errno));
	else
		r->state = SCRATCH_OK;
}

static void try_process(struct scratch_result *r)
{
	struct sched_param rt = { .sched_priority = 1 };

	try_ptrace(&r[SCRATCH_PTRACE]);
	try_tmpfile(&r[SCRATCH_TMPFILE]);
	if (mlockall(MCL_CURRENT) < 0)
		set(&r[SCRATCH_MEMLOCK], SCRATCH_FAILED, "%s", strerror(errno));
	else
		r[SCRATCH_MEMLOCK].state = SCRATCH_OK;
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &rt) < 0)
		set(&r[SCRATCH_REALTIME], SCRATCH_FAILED, "%s", strerror(errno));
	else
		r[SCRATCH_REALTIME].state = SCRATCH_OK;
}

static int in_child(void (*fn)(struct scratch_result *r), struct scratch_result *r, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, "cannot start a process");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(r);
		_exit(0);
	}
	fd = pidfd_open(pid, 0);
	if (fd < 0 || io_wait(fd, POLLIN, clock_mono_ns() + ALL_NS) <= 0)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}

int scratch_try(struct scratch_result ret[SCRATCH_COUNT], struct err *e)
{
	size_t size = SCRATCH_COUNT * sizeof(*ret);
	struct scratch_result *shared =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (shared == MAP_FAILED)
		return err_sys(e, "no memory for the trials");
	rc = in_child(try_network, shared, e);
	if (rc == 0)
		rc = in_child(try_process, shared, e);
	if (rc == 0)
		memcpy(ret, shared, size);
	munmap(shared, size);
	return rc;
}
