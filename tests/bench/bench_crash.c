/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From SIGKILL of a holder, or of the runner, until packets pass and the paused process runs. Found
 * by looking every 50 us, in real time so that others do not delay the look.
 */
#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/bench/bench.h"
#include "tests/bench/held.h"

#define GIVE_UP_NS (5 * NS_PER_S)

/* A UDP socket on HELD_PORT that sends to itself: over lo a packet has arrived when the call
 * returns. */
static int make_meter(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(HELD_PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		bench_die("no meter: %s", strerror(errno));
	return fd;
}

static bool passes(int fd)
{
	char c = 0;

	return send(fd, &c, 1, 0) == 1 && recv(fd, &c, 1, 0) == 1;
}

enum part { DROP = 1, PAUSE = 2 };

static bool in_force(const struct held *h, int meter, int part)
{
	return ((part & DROP) && !passes(meter)) || ((part & PAUSE) && held_is_paused(h->victim));
}

/* The holder of the pause is the tracer of its victim. */
static pid_t holder_of(const struct held *h, int part)
{
	pid_t tracer = (pid_t)held_status(h->victim, "TracerPid");

	for (unsigned i = 0; i < h->n_holders; i++) {
		if ((h->holder[i] == tracer) == (part == PAUSE))
			return h->holder[i];
	}
	bench_die("the fault has no holder");
}

/* Below brink's own; where it is not allowed, others delay the look. */
static void in_real_time(bool on)
{
	struct sched_param p = { .sched_priority = on };

	sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p);
}

static void one(int meter, bool runner, int part, struct series *s)
{
	const struct timespec look = { 0, 50 * NS_PER_US };
	struct held h;
	int64_t began;
	pid_t pid;

	held_start(&h, HELD_DROP HELD_PAUSE, 2);
	if (passes(meter) || !held_is_paused(h.victim))
		bench_die("the faults are held and do nothing");
	pid = runner ? h.runner : holder_of(&h, part);
	in_real_time(true);
	began = clock_mono_ns();
	kill(pid, SIGKILL);
	while (in_force(&h, meter, part)) {
		if (clock_mono_ns() - began > GIVE_UP_NS)
			bench_die("a fault does not end");
		clock_nanosleep(CLOCK_MONOTONIC, 0, &look, NULL); /* the dying need a CPU too */
	}
	series_add(s, clock_mono_ns() - began);
	in_real_time(false);
	held_end(&h);
	held_done(&h);
}

static void say(const char *what, unsigned order, int64_t aim_ms, struct series *s)
{
	char aim[32];
	struct row r = { .order = order, .what = what, .ours = s, .aim = aim };

	snprintf(aim, sizeof(aim), "p99 < %d ms", (int)aim_ms);
	r.met = series_quantile(s, 0.99) < aim_ms * NS_PER_MS;
	row_print(&r);
	series_done(s);
}

int main(void)
{
	unsigned n = bench_count("BENCH_CRASHES", 60);
	struct series drop = { 0 }, pause = { 0 }, runner = { 0 };
	int meter;

	bench_world();
	meter = make_meter();
	for (unsigned i = 0; i < n; i++) {
		one(meter, false, DROP, &drop);
		one(meter, false, PAUSE, &pause);
		one(meter, true, DROP | PAUSE, &runner);
	}
	say("SIGKILL of a net.drop's holder: packets pass", 50, 5, &drop);
	say("SIGKILL of a proc.pause's holder: it runs", 51, 5, &pause);
	say("SIGKILL of the runner: both faults ended", 60, 60, &runner);
	close(meter);
	return 0;
}
