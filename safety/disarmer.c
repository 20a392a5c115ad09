/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/disarmer.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "safety/deadman.h"
#include "safety/journal.h"
#include "safety/proto.h"
#include "safety/sandbox.h"

#define ASK_NS (25 * NS_PER_S) /* two programs, each with the limit of deadman.c */
#define END_NS (2 * NS_PER_S)

struct question {
	char run_id[28];
};

struct reply {
	char run_id[28]; /* the question's: an answer may come when nobody waits for it any more */
	int32_t code;
	struct err err;
};

/* lock: -1 = there is none to be kept. */
static void leave_all_but(int sock, int lock)
{
	int first = lock >= 0 && lock < sock ? lock : sock, last = lock > sock ? lock : sock;

	if (first > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)first - 1, 0);
	if (last > first + 1)
		close_range((unsigned)first + 1, (unsigned)last - 1, 0);
	close_range((unsigned)last + 1, UINT_MAX, 0);
}

/* Not even a process that may stop timers does anything else. */
static int confine(struct err *e)
{
	const struct sched_param normal = { 0 };
	int rc = sandbox_keep_caps(0, e);

	sched_setscheduler(0, SCHED_OTHER, &normal); /* not the keeper's */
	return rc < 0 ? rc : sandbox_deny_command(e);
}

static void serve(int sock, int run_dir) __attribute__((noreturn));

/* By the lock's file, which it opens anew and never locks, openers_end_stopped() finds it. */
static void serve(int sock, int run_dir)
{
	int lock = run_dir < 0 ? -1 : openat(run_dir, JOURNAL_LOCK, O_RDONLY | O_CLOEXEC);
	struct err trouble = { 0 };
	int confined;

	prctl(PR_SET_NAME, "brink-disarmer");
	leave_all_but(sock, lock);
	confined = confine(&trouble);
	for (;;) {
		struct reply r = { .code = confined, .err = trouble };
		struct question q;

		if (proto_await(sock, &q, sizeof(q), INT64_MAX) < 0)
			_exit(0);
		q.run_id[sizeof(q.run_id) - 1] = '\0';
		memcpy(r.run_id, q.run_id, sizeof(r.run_id));
		if (confined == 0)
			r.code = deadman_disarm(NULL, q.run_id, &r.err);
		r.err.pos.file = NULL;
		proto_send(sock, &r, sizeof(r), false);
	}
}

int disarmer_start(int run_dir, struct disarmer *ret, struct err *e)
{
	struct disarmer d = DISARMER_NONE;
	int pair[2], rc = proto_pair(pair, e);

	if (rc < 0)
		return rc;
	d.pid = fork();
	if (d.pid == 0) {
		close(pair[0]);
		serve(pair[1], run_dir);
	}
	close(pair[1]);
	d.sock = pair[0];
	d.pidfd = d.pid < 0 ? -1 : pidfd_open(d.pid, 0);
	if (d.pidfd < 0) {
		err_sys(e, "cannot start who stops the dead-man timer");
		close(d.sock);
		return -e->code;
	}
	*ret = d;
	return 0;
}

int disarmer_ask(const struct disarmer *d, const char *run_id, struct err *e)
{
	int64_t deadline = clock_mono_ns() + ASK_NS;
	struct question q = { 0 };
	struct reply r = { 0 };
	int rc;

	snprintf(q.run_id, sizeof(q.run_id), "%s", run_id);
	rc = proto_send(d->sock, &q, sizeof(q), false);
	if (rc == 0) {
		do
			rc = proto_await(d->sock, &r, sizeof(r), deadline);
		while (rc > 0 && memcmp(r.run_id, q.run_id, sizeof(q.run_id)) != 0);
	}
	if (rc <= 0) /* without an answer nothing is known to have stopped */
		return err_set(e, rc ? -rc : ETIMEDOUT, "who stops it does not answer");
	if (r.code < 0)
		*e = r.err;
	return r.code;
}

void disarmer_end(struct disarmer *d)
{
	if (d->sock < 0)
		return;
	auto_close(&d->sock);
	if (io_wait(d->pidfd, POLLIN, clock_mono_ns() + END_NS) <= 0)
		pidfd_send_signal(d->pidfd, SIGKILL, NULL, 0);
	waitpid(d->pid, NULL, WNOHANG); /* the keeper's child, never its spare's */
	auto_close(&d->pidfd);
	*d = (struct disarmer)DISARMER_NONE;
}
