/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/launcher.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/fuse.h"
#include "base/io.h"
#include "safety/probe/command.h"
#include "safety/probe/judge.h"
#include "safety/probe/sched.h"

#define END_NS  (2 * NS_PER_S)
#define FUSE_NS (10 * NS_PER_S) /* one that hangs or is stopped ends itself: see prober_main.c */

struct slot {
	uint32_t check, seq;
	struct probe_spec spec;
	struct command command;
	int64_t started_ns;
	bool awaited; /* a sample is due */
	bool pending; /* to be started as soon as what is left of the last run is gone */
};

struct launcher {
	char *const *argv;
	struct command run;
	struct sched sched;
	struct slot *at; /* sched.n of them */
	struct pollfd *polled;
	timer_t fuse;
};

static int send_sample(struct slot *s, struct probe_sample *sample)
{
	struct probe_msg m = { .type = PROBE_MSG_SAMPLE };
	int r;

	sample->check = s->check;
	sample->seq = s->seq++;
	m.sample = *sample;
	r = probe_msg_send(PROBE_FD, &m, false);
	return r == -EAGAIN ? 0 : r; /* seq shows what a stalled runner has missed */
}

static int add_check(struct launcher *l, const struct probe_msg *m, struct err *e)
{
	uint32_t n = l->sched.n;
	struct sched_item *items;
	struct pollfd *polled;
	struct slot *at;

	if (n >= PROBE_CHECKS_MAX || m->spec.source != CHECK_COMMAND || m->spec.every_ns <= 0 ||
	    m->spec.timeout_ns <= 0 || !m->spec.command.argc)
		return err_set(e, EINVAL, "check %u is not for the launcher", m->check);
	items = realloc(l->sched.at, (n + 1) * sizeof(*items));
	if (items)
		l->sched.at = items;
	at = realloc(l->at, (n + 1) * sizeof(*at));
	if (at)
		l->at = at;
	polled = realloc(l->polled, ((n + 2) * COMMAND_FDS + 1) * sizeof(*polled));
	if (polled)
		l->polled = polled;
	if (!items || !at || !polled)
		return err_set(e, ENOMEM, "no memory for one more check");
	items[n] = (struct sched_item){ .every_ns = m->spec.every_ns,
					.timeout_ns = m->spec.timeout_ns };
	at[n] = (struct slot){ .check = m->check, .spec = m->spec };
	l->sched.n = n + 1;
	return 0;
}

static void stop(struct launcher *l)
{
	sched_stop(&l->sched);
	for (uint32_t i = 0; i < l->sched.n; i++) {
		l->at[i].awaited = l->at[i].pending = false;
		command_kill(&l->at[i].command);
	}
}

/* Waits for the answer of the runner to be there: nothing else ends a `try`. */
static int send_exit(const struct probe_exit *x)
{
	struct probe_msg m = { .type = PROBE_MSG_EXITED, .exited = *x };

	return probe_msg_send(PROBE_FD, &m, true);
}

static void never_ran(struct probe_exit *x, const char *name, int error)
{
	struct text t = text_on(x->text, sizeof(x->text));

	x->code = error == ENOENT ? 127 : 126;
	text_add(&t, "cannot run '");
	text_add_foreign(&t, name, strlen(name));
	text_add(&t, "': %s", strerror(error));
	say_end(&t);
}

static int run(struct launcher *l)
{
	struct probe_exit x = { 0 };
	struct err e = { 0 };

	if (l->run.warden) /* once */
		return 0;
	if (l->argv && !command_start(&l->run, l->argv, true, &e))
		return 0;
	never_ran(&x, l->argv ? l->argv[0] : "", l->argv ? e.code : ENOENT);
	return send_exit(&x);
}

/* Returns 1 to go on, 0 at the end, or -errno with *e. */
static int take_messages(struct launcher *l, struct err *e)
{
	struct probe_msg m;
	int r;

	while ((r = probe_msg_recv(PROBE_FD, &m)) > 0) {
		if (m.type == PROBE_MSG_SPEC)
			r = add_check(l, &m, e);
		else if (m.type == PROBE_MSG_START || m.type == PROBE_MSG_STOP)
			stop(l);
		else if (m.type == PROBE_MSG_RUN)
			r = run(l);
		else if (m.type == PROBE_MSG_SIGNAL)
			command_signal(&l->run, m.signal);
		else
			r = err_set(e, EBADMSG, "the launcher does not know message %u", m.type);
		if (r < 0)
			return r;
		if (m.type == PROBE_MSG_START)
			sched_start(&l->sched, clock_mono_ns());
	}
	if (r == -EPIPE)
		return 0;
	return r ? err_set(e, -r, "cannot read from the runner") : 1;
}

/* Pointers into the packed strings of a spec. */
static int split_argv(const struct probe_command *c, char **ret, size_t max)
{
	const char *p = c->argv, *end = c->argv + sizeof(c->argv);
	size_t i;

	for (i = 0; i < c->argc && i + 1 < max; i++) {
		const char *nul = memchr(p, '\0', (size_t)(end - p));

		if (!nul)
			return -EINVAL;
		ret[i] = (char *)(uintptr_t)p; /* execve wants it so and does not write */
		p = nul + 1;
	}
	ret[i] = NULL;
	return i == c->argc && i ? 0 : -E2BIG;
}

static int start_command(struct launcher *l, uint32_t i)
{
	struct probe_sample sample = { .started_ns = clock_mono_ns() };
	struct slot *s = &l->at[i];
	char *argv[256];
	struct err e = { 0 };

	s->pending = false;
	s->started_ns = sample.started_ns;
	if (split_argv(&s->spec.command, argv, ARRAY_LEN(argv)))
		say(&sample, PROBE_NO_DATA, "the command has too many arguments");
	else if (command_start(&s->command, argv, false, &e))
		say(&sample, PROBE_NO_DATA, "%s", e.msg[0]);
	else
		s->awaited = true;
	if (s->awaited)
		return 0;
	sched_done(&l->sched, i);
	return send_sample(s, &sample);
}

static int begin(struct launcher *l, uint32_t i)
{
	struct slot *s = &l->at[i];

	if (command_gone(&s->command))
		return start_command(l, i);
	s->started_ns = clock_mono_ns();
	s->pending = true;
	return 0;
}

static int cut(struct launcher *l, uint32_t i)
{
	struct slot *s = &l->at[i];
	struct probe_sample sample = { .started_ns = s->started_ns };

	s->awaited = false;
	command_kill(&s->command);
	sample.took_ns = clock_mono_ns() - s->started_ns;
	if (s->pending)
		say(&sample, PROBE_NO_DATA, "the last run of the command does not end");
	else
		judge_timeout(&s->spec, &sample);
	s->pending = false;
	return send_sample(s, &sample);
}

static int run_due(struct launcher *l)
{
	enum sched_what what;
	uint32_t i;
	int r = 0;

	while (!r && (what = sched_take(&l->sched, clock_mono_ns(), &i)) != SCHED_NOTHING)
		r = what == SCHED_START ? begin(l, i) : cut(l, i);
	return r;
}

static int finish(struct launcher *l, uint32_t i)
{
	struct slot *s = &l->at[i];
	const struct command *c = &s->command;
	struct command_result result = { .exec_error = c->end.exec_error,
					 .code = c->end.code,
					 .signal = c->end.signal,
					 .out = c->out,
					 .out_len = c->out_len,
					 .err = c->err,
					 .err_len = c->err_len };
	struct probe_sample sample = { .started_ns = s->started_ns,
				       .took_ns = c->end.ended_ns - s->started_ns };

	s->awaited = false;
	sched_done(&l->sched, i);
	if (sample.took_ns > s->spec.timeout_ns)
		judge_timeout(&s->spec, &sample);
	else
		judge_command(&s->spec, &result, &sample);
	return send_sample(s, &sample);
}

static int finish_run(struct launcher *l)
{
	const struct command_end *end = &l->run.end;
	struct probe_exit x = { .ran = 1, .code = end->code, .signal = end->signal };

	if (end->exec_error == ECHILD) { /* its warden was killed, and it with it */
		x.signal = SIGKILL;
	} else if (end->exec_error) {
		x.ran = 0;
		never_ran(&x, l->argv[0], end->exec_error);
	}
	return send_exit(&x);
}

static int work(struct launcher *l)
{
	int r = 0;

	if (command_work(&l->run))
		r = finish_run(l);
	command_gone(&l->run);
	for (uint32_t i = 0; !r && i < l->sched.n; i++) {
		struct slot *s = &l->at[i];

		if (command_work(&s->command) && s->awaited)
			r = finish(l, i);
		if (command_gone(&s->command) && s->pending && !r)
			r = start_command(l, i);
	}
	return r;
}

/* Until a descriptor is ready, the schedule has something, or the deadline. */
static void wait_for(struct launcher *l, int64_t wake)
{
	unsigned n = 1;
	int64_t left = wake - clock_mono_ns();
	struct timespec t = { 0 };

	l->polled[0] = (struct pollfd){ .fd = PROBE_FD, .events = POLLIN };
	n += command_poll(&l->run, l->polled + n);
	for (uint32_t i = 0; i < l->sched.n; i++)
		n += command_poll(&l->at[i].command, l->polled + n);
	if (left > 0)
		t = (struct timespec){ left / NS_PER_S, left % NS_PER_S };
	io_poll(l->polled, n, &t);
}

static int loop(struct launcher *l, struct err *e)
{
	for (;;) {
		int64_t wake = clock_mono_ns() + FUSE_NS / 2;
		int r;

		fuse_set(l->fuse, FUSE_NS);
		r = take_messages(l, e);
		if (r <= 0)
			return r;
		r = work(l);
		if (!r)
			r = run_due(l);
		if (r == -EPIPE)
			return 0;
		if (r)
			return err_set(e, -r, "the launcher failed: %s", strerror(-r));
		if (sched_wake_ns(&l->sched) < wake)
			wake = sched_wake_ns(&l->sched);
		wait_for(l, wake);
	}
}

static bool all_gone(struct launcher *l)
{
	bool gone = command_gone(&l->run);

	for (uint32_t i = 0; i < l->sched.n; i++)
		gone = command_gone(&l->at[i].command) && gone;
	return gone;
}

/* The runner has gone or wants an end. What is not over in time is still in the hands of its
 * warden. */
static void end_all(struct launcher *l)
{
	int64_t deadline = clock_mono_ns() + END_NS;

	command_kill(&l->run);
	stop(l);
	while (!all_gone(l) && clock_mono_ns() < deadline)
		nanosleep(&(struct timespec){ 0, NS_PER_MS }, NULL);
}

/* Whatever the terminal or a stop of the whole group sends: the runner decides, by the socket. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGINT,  SIGQUIT, SIGTERM, SIGHUP,
				       SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE };
	struct sigaction ign = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		sigaction(ignored[i], &ign, NULL);
}

/* In the child that probe_child_start made. */
static int launcher_main(void *arg, struct err *e)
{
	struct probe_msg ready = { .type = PROBE_MSG_READY };
	struct launcher l = { .argv = arg };
	int r;

	prctl(PR_SET_NAME, "brink-launcher");
	prctl(PR_SET_DUMPABLE, 0);
	ignore_signals();
	command_block_signals();
	l.polled = calloc(COMMAND_FDS + 1, sizeof(*l.polled));
	if (!l.polled)
		return err_set(e, ENOMEM, "no memory");
	r = fuse_new(&l.fuse, e);
	if (!r)
		r = sandbox_deny_command(e);
	if (!r)
		r = probe_msg_send(PROBE_FD, &ready, true);
	if (!r)
		r = loop(&l, e);
	end_all(&l);
	return r;
}

int launcher_start(int netns_fd, const struct probe_user *u, char *const *argv, struct prober *ret,
		   struct err *e)
{
	struct probe_child c = { .name = "launcher",
				 .body = launcher_main,
				 .arg = (void *)(uintptr_t)argv,
				 .netns_fd = netns_fd,
				 .user = u,
				 .keep_fd = -1 };

	return probe_child_start(&c, ret, e);
}

int launcher_signal(struct prober *p, int sig, struct err *e)
{
	struct probe_msg m = { .type = PROBE_MSG_SIGNAL, .signal = sig };
	int r = probe_msg_send(p->fd, &m, true);

	return r ? err_set(e, -r, "cannot reach the launcher: %s", strerror(-r)) : 0;
}
