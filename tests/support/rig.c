/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "safety/sandbox.h"
#include "tests/support/test.h"

struct answer {
	int rc;
	uint64_t value;
	int64_t step_ns;
	bool touched;
	struct err e;
};

static int read_effect(struct change *c, struct answer *a)
{
	struct effect done = { 0 };
	int rc = c->ops->effect ? c->ops->effect(c, &done, &a->e) : 0;

	a->value = done.hits;
	return rc;
}

static int call(struct change *c, int order, struct answer *a)
{
	const struct change_ops *ops = c->ops;

	switch (order) {
	case RIG_ARM:
		return ops->arm ? ops->arm(c, &a->e) : 0;
	case RIG_FIRE:
		return ops->fire ? ops->fire(c, &a->e) : 0;
	case RIG_REFRESH:
		return ops->refresh ? ops->refresh(c, &a->e) : 0;
	case RIG_QUIET:
		return ops->quiet ? ops->quiet(c, &a->e) : 0;
	case RIG_DRAIN:
		return ops->drain ? ops->drain(c, &a->e) : 0;
	default:
		return read_effect(c, a);
	}
}

static void obey(struct change *c, int order, struct answer *a)
{
	do {
		int64_t began = clock_mono_ns(), took;

		a->rc = call(c, order, a);
		took = clock_mono_ns() - began;
		a->step_ns = took > a->step_ns ? took : a->step_ns;
	} while (a->rc == -EINPROGRESS);
	a->touched = c->touched;
}

static void holder(struct rig *r, int sock)
{
	struct change c = { .ops = change_ops_of(r->spec.kind),
			    .spec = &r->spec,
			    .undo = &r->undo,
			    .shield = &r->shield };
	struct err e = { 0 };
	sigset_t all;
	int order;

	prctl(PR_SET_NAME, "brink-holder");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (r->caps != UINT64_MAX && geteuid() == 0 && sandbox_keep_caps(r->caps, &e) < 0)
		_exit(3);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sandbox_allow(SANDBOX_HOLDER, &c.ops->holder.calls, 1, &e) < 0)
		_exit(4);
	while (read(sock, &order, sizeof(order)) == (ssize_t)sizeof(order)) {
		struct answer a = { 0 };

		obey(&c, order, &a);
		if (write(sock, &a, sizeof(a)) != (ssize_t)sizeof(a))
			break;
	}
	_exit(0);
}

int rig_start(struct rig *r)
{
	const struct change_ops *ops = change_ops_of(r->spec.kind);
	struct change c = { .ops = ops, .spec = &r->spec, .shield = &r->shield };
	int pair[2], rc;

	r->sock = -1;
	r->holder = 0;
	if (!r->spec.lease_ms)
		r->spec.lease_ms = 3000;
	memset(&r->e, 0, sizeof(r->e));
	memset(&r->undo, 0, sizeof(r->undo));
	assert_int_equal(change_spec_check(&r->spec, 0, &r->e), 0);
	r->undo.kind = r->spec.kind;
	r->undo.fault = r->spec.fault;
	snprintf(r->undo.run_id, sizeof(r->undo.run_id), "01JD3W9K7Q0000000000000000");
	rc = ops->prepare(&c, &r->undo, &r->e);
	if (rc < 0)
		return rc;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	r->holder = fork();
	assert_true(r->holder >= 0);
	if (r->holder == 0) {
		close(pair[0]);
		holder(r, pair[1]);
	}
	close(pair[1]);
	r->sock = pair[0];
	return 0;
}

int rig_do(struct rig *r, enum rig_order order)
{
	struct answer a = { 0 };
	int what = (int)order;

	if (order == RIG_FIRE && change_ops_of(r->spec.kind)->recount)
		assert_int_equal(change_ops_of(r->spec.kind)->recount(&r->undo, &r->e), 0);
	assert_int_equal(write(r->sock, &what, sizeof(what)), sizeof(what));
	assert_true(io_wait(r->sock, POLLIN, clock_mono_ns() + RIG_WAIT_NS) > 0);
	assert_int_equal(read(r->sock, &a, sizeof(a)), sizeof(a));
	r->e = a.e;
	r->value = a.value;
	r->step_ns = a.step_ns;
	r->touched = a.touched;
	return a.rc;
}

void rig_must(struct rig *r, enum rig_order order)
{
	char text[1024];
	int rc = rig_do(r, order);

	if (rc < 0)
		print_message("order %d: %s\n", (int)order, err_format(&r->e, text, sizeof(text)));
	assert_int_equal(rc, 0);
}

void rig_hold(struct rig *r)
{
	char text[1024];
	int rc = rig_start(r);

	if (rc < 0)
		print_message("%s\n", err_format(&r->e, text, sizeof(text)));
	assert_int_equal(rc, 0);
	rig_must(r, RIG_ARM);
	rig_must(r, RIG_FIRE);
}

int rig_undo(struct rig *r)
{
	memset(&r->e, 0, sizeof(r->e));
	return change_ops_of(r->spec.kind)->undo(&r->undo, &r->e);
}

int rig_ended(struct rig *r)
{
	struct text left = text_on(r->left, sizeof(r->left));

	memset(&r->e, 0, sizeof(r->e));
	return change_ops_of(r->spec.kind)->ended(&r->undo, &left, &r->e);
}

int rig_gone(struct rig *r)
{
	struct text left = text_on(r->left, sizeof(r->left));

	memset(&r->e, 0, sizeof(r->e));
	return change_ops_of(r->spec.kind)->gone(&r->undo, &left, &r->e);
}

void rig_kill(struct rig *r)
{
	if (!r->holder)
		return;
	kill(r->holder, SIGKILL);
	waitpid(r->holder, NULL, 0);
	r->holder = 0;
	auto_close(&r->sock);
	r->sock = -1;
}

void rig_done(struct rig *r)
{
	if (!r->holder)
		return;
	auto_close(&r->sock);
	r->sock = -1;
	waitpid(r->holder, NULL, 0);
	r->holder = 0;
}

bool rig_says(const struct rig *r, const char *part)
{
	char text[1024];

	err_format(&r->e, text, sizeof(text));
	if (!strstr(text, part))
		print_message("    \"%s\" is not in: %s\n", part, text);
	return strstr(text, part) != NULL;
}

bool rig_await(bool (*fn)(void *arg), void *arg)
{
	int64_t deadline = clock_mono_ns() + RIG_WAIT_NS;
	const struct timespec nap = { 0, NS_PER_MS };

	while (!fn(arg)) {
		if (clock_mono_ns() > deadline)
			return false;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	}
	return true;
}

/* Fields behind the name, which may hold anything. */
static bool stat_of(const char *path, char *ret_state, unsigned long long *ret_start)
{
	char buf[1024];
	const char *at;
	ssize_t n = io_read_file(AT_FDCWD, path, buf, sizeof(buf));

	if (n <= 0)
		return false;
	at = strrchr(buf, ')');
	return at &&
	       sscanf(at + 2,
		      "%c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
		      ret_state, ret_start) == 2;
}

uint64_t rig_start_ticks(pid_t pid)
{
	unsigned long long start = 0;
	char path[64], state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	assert_true(stat_of(path, &state, &start));
	return start;
}

const char *rig_states(pid_t pid, char *ret, size_t size)
{
	struct text t = text_on(ret, size);
	char path[300], state;
	unsigned long long start;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, e->d_name);
		if (stat_of(path, &state, &start))
			text_add(&t, "%c", state);
	}
	if (d)
		closedir(d);
	return ret;
}

int rig_own_netns(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0 ? 0 : -1;
}
