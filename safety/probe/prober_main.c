/* SPDX-License-Identifier: Apache-2.0 */
/* brink-prober: http, tcp and process_up probes without any privilege. Only brink starts it. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/fuse.h"
#include "inject/proc_fs.h"
#include "safety/probe/http.h"
#include "safety/probe/judge.h"
#include "safety/probe/proc_up.h"
#include "safety/probe/sched.h"
#include "safety/sandbox.h"

/*
 * The runner has no right to end a process of another user, and PDEATHSIG is bound to the same
 * right: a prober that hangs or is stopped ends itself.
 */
#define FUSE_NS (10 * NS_PER_S)

struct probed {
	uint32_t check, seq;
	struct probe_spec spec;
};

struct state {
	struct http *http;
	int timer_fd, proc_fd;
	timer_t fuse;
	struct sched sched;
	struct probed *at; /* sched.n of them */
};

/* A full socket means that the runner stalls: probing goes on, and seq shows what it missed. */
static int send_sample(struct state *st, uint32_t i, struct probe_sample *s)
{
	struct probe_msg m = { .type = PROBE_MSG_SAMPLE };
	int r;

	s->check = st->at[i].check;
	s->seq = st->at[i].seq++;
	m.sample = *s;
	r = probe_msg_send(PROBE_FD, &m, false);
	return r == -EAGAIN ? 0 : r;
}

static int add_check(struct state *st, const struct probe_msg *m, struct err *e)
{
	uint32_t n = st->sched.n;
	struct sched_item *items = NULL;
	struct probed *at = NULL;

	if (n >= PROBE_CHECKS_MAX || m->spec.every_ns <= 0 || m->spec.timeout_ns <= 0)
		return err_set(e, EINVAL, "check %u cannot be scheduled", m->check);
	items = realloc(st->sched.at, (n + 1) * sizeof(*items));
	if (items)
		st->sched.at = items;
	at = realloc(st->at, (n + 1) * sizeof(*at));
	if (at)
		st->at = at;
	if (!items || !at)
		return err_set(e, ENOMEM, "no memory for one more check");
	items[n] = (struct sched_item){ .every_ns = m->spec.every_ns,
					.timeout_ns = m->spec.timeout_ns };
	at[n] = (struct probed){ .check = m->check, .spec = m->spec };
	st->sched.n = n + 1;
	if (m->spec.source == CHECK_PROCESS_UP)
		return 0;
	if (m->spec.source == CHECK_HTTP || m->spec.source == CHECK_TCP)
		return http_add(st->http, n, &m->spec, e);
	return err_set(e, EINVAL, "check %u is not for the prober", m->check);
}

static void stop(struct state *st)
{
	sched_stop(&st->sched);
	for (uint32_t i = 0; i < st->sched.n; i++)
		http_cut(st->http, i);
}

/* Returns 1 to go on, 0 at the end, or -errno with *e. */
static int take_messages(struct state *st, struct err *e)
{
	struct probe_msg m;
	int r;

	while ((r = probe_msg_recv(PROBE_FD, &m)) > 0) {
		if (m.type == PROBE_MSG_SPEC)
			r = add_check(st, &m, e);
		else if (m.type == PROBE_MSG_START || m.type == PROBE_MSG_STOP)
			stop(st);
		else
			r = err_set(e, EBADMSG, "the prober does not know message %u", m.type);
		if (r < 0)
			return r;
		if (m.type == PROBE_MSG_START)
			sched_start(&st->sched, clock_mono_ns());
	}
	if (r == -EPIPE)
		return 0;
	return r ? err_set(e, -r, "cannot read from the runner") : 1;
}

static int begin(struct state *st, uint32_t i)
{
	struct probe_sample s = { .started_ns = clock_mono_ns() };

	if (st->at[i].spec.source != CHECK_PROCESS_UP) {
		if (http_begin(st->http, i) == 0)
			return 0;
		say(&s, PROBE_NO_DATA, "the probe could not begin");
	} else {
		proc_up_probe(&st->at[i].spec.process, st->proc_fd, &s);
	}
	s.took_ns = clock_mono_ns() - s.started_ns;
	sched_done(&st->sched, i);
	return send_sample(st, i, &s);
}

static int cut(struct state *st, uint32_t i)
{
	struct probe_sample s = { .started_ns = st->sched.at[i].started_ns };

	http_cut(st->http, i);
	s.took_ns = clock_mono_ns() - s.started_ns;
	judge_timeout(&st->at[i].spec, &s);
	return send_sample(st, i, &s);
}

static int run_due(struct state *st)
{
	enum sched_what what;
	uint32_t i;
	int r = 0;

	while (!r && (what = sched_take(&st->sched, clock_mono_ns(), &i)) != SCHED_NOTHING)
		r = what == SCHED_START ? begin(st, i) : cut(st, i);
	return r;
}

/* Lets libcurl go on and sends what is over. */
static int work(struct state *st)
{
	int r = http_work(st->http);
	struct probe_sample s;
	uint32_t i;

	while (!r && http_take(st->http, &i, &s)) {
		sched_done(&st->sched, i);
		r = send_sample(st, i, &s);
	}
	return r;
}

/* One timer for all checks, because libcurl's own timeout counts milliseconds. */
static void arm_timer(struct state *st)
{
	int64_t wake = sched_wake_ns(&st->sched);
	struct itimerspec t = { 0 };

	if (wake != INT64_MAX)
		t.it_value = (struct timespec){ wake / NS_PER_S, wake % NS_PER_S };
	/* An absolute time sets it anew, which also takes back that it is readable. */
	timerfd_settime(st->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static int loop(struct state *st, struct err *e)
{
	const int fds[] = { PROBE_FD, st->timer_fd };
	int r;

	for (;;) {
		fuse_set(st->fuse, FUSE_NS);
		r = take_messages(st, e);
		if (r <= 0)
			return r;
		r = work(st); /* first: what is over in time is not cut */
		if (!r)
			r = run_due(st);
		if (!r)
			r = work(st); /* what has just begun is sent, and may be over, before
					 sleeping */
		arm_timer(st);
		if (!r)
			r = http_wait(st->http, fds, ARRAY_LEN(fds));
		if (r == -EPIPE)
			return 0;
		if (r)
			return err_set(e, -r, "probing failed: %s", strerror(-r));
	}
}

static int set_up(struct state *st, struct err *e)
{
	struct rlimit files;
	int r;

	prctl(PR_SET_NAME, "brink-prober");
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0);
	if (fcntl(PROBE_FD, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(e, "cannot use descriptor %d", PROBE_FD);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	r = sandbox_keep_caps(0, e); /* it has none; here that is proved */
	if (!r)
		r = http_init(e);
	if (!r)
		r = http_new(&st->http, e);
	if (r)
		return r;
	st->proc_fd = proc_fs_open(e);
	if (st->proc_fd < 0)
		return st->proc_fd;
	st->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (st->timer_fd < 0)
		return err_sys(e, "cannot make a timer");
	r = fuse_new(&st->fuse, e);
	return r ? r : sandbox_allow(SANDBOX_PROBER, NULL, 0, e);
}

int main(void)
{
	struct probe_msg ready = { .type = PROBE_MSG_READY };
	struct probe_msg m = { .type = PROBE_MSG_ERROR };
	struct state st = { 0 };
	int r, type;

	if (getsockopt(PROBE_FD, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){ sizeof(type) }) ||
	    type != SOCK_SEQPACKET) {
		fprintf(stderr, "brink-prober: only brink starts this program\n");
		return 2;
	}
	r = set_up(&st, &m.err);
	if (!r)
		r = probe_msg_send(PROBE_FD, &ready, true);
	if (!r)
		r = loop(&st, &m.err);
	if (r && m.err.code) /* the runner adds whose words they are */
		probe_msg_send(PROBE_FD, &m, false);
	/* Not exit: libcurl's destructors would wait for resolver threads. */
	_exit(r ? 1 : 0);
}
