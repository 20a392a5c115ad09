/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From SIGKILL or SIGSTOP of a holder, the keeper, the runner until packets pass and the paused
 * process runs, and until keeper and spare have restored and proved everything and are gone. Found
 * by looking every 50 us, in real time so that others do not delay the look.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <time.h>

#include "base/io.h"
#include "tests/bench/bench.h"
#include "tests/bench/held.h"

#define GIVE_UP_NS (20 * NS_PER_S)

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

enum who { RUNNER, KEEPER, HOLDER };

struct attack {
	const char *what; /* for people */
	enum who who;
	int signal;
	int part;        /* of the faults, what is waited for */
	unsigned divide; /* of the number of runs: those that take seconds */
	int64_t aim_ms;  /* p99 until ended; 0 = none */
	struct series ended, restored;
};

static pid_t victim_of(const struct held *h, const struct attack *a)
{
	switch (a->who) {
	case RUNNER:
		return h->runner;
	case KEEPER:
		return h->keeper;
	default:
		return holder_of(h, a->part);
	}
}

/* Until nobody is at work any more: what was to be restored is restored and read back. */
static void await_end(const struct held *h, int spare)
{
	if (io_wait(h->keeper_pidfd, POLLIN, clock_mono_ns() + GIVE_UP_NS) <= 0 ||
	    io_wait(spare, POLLIN, clock_mono_ns() + GIVE_UP_NS) <= 0)
		bench_die("keeper or spare does not end");
}

static void one(int meter, struct attack *a)
{
	const struct timespec look = { 0, 50 * NS_PER_US };
	AUTO(auto_close) int spare = -1;
	struct held h;
	int64_t began;
	pid_t pid;

	held_start(&h, HELD_DROP HELD_PAUSE, 2);
	if (passes(meter) || !held_is_paused(h.victim))
		bench_die("the faults are held and do nothing");
	pid = victim_of(&h, a);
	spare = pidfd_open(h.spare, 0);
	in_real_time(true);
	began = clock_mono_ns();
	kill(pid, a->signal);
	while (in_force(&h, meter, a->part)) {
		if (clock_mono_ns() - began > GIVE_UP_NS)
			bench_die("a fault does not end");
		clock_nanosleep(CLOCK_MONOTONIC, 0, &look, NULL); /* the dying need a CPU too */
	}
	series_add(&a->ended, clock_mono_ns() - began);
	await_end(&h, spare);
	series_add(&a->restored, clock_mono_ns() - began);
	in_real_time(false);
	held_end(&h);
	held_done(&h);
}

static void say(struct attack *a, unsigned order)
{
	char what[100], aim[32] = "-";
	struct row r = { .order = order, .what = what, .ours = &a->ended, .aim = aim };

	snprintf(what, sizeof(what), "%s: %s", a->what,
		 a->part == DROP  ? "packets pass" :
		 a->part == PAUSE ? "it runs" :
				    "both faults ended");
	if (a->aim_ms)
		snprintf(aim, sizeof(aim), "p99 < %d ms", (int)a->aim_ms);
	r.met = series_quantile(&a->ended, 0.99) < a->aim_ms * NS_PER_MS;
	row_print(&r);
	snprintf(what, sizeof(what), "%s: all restored, proved", a->what);
	r = (struct row){ .order = order + 1, .what = what, .ours = &a->restored, .aim = "-" };
	row_print(&r);
	series_done(&a->ended);
	series_done(&a->restored);
}

int main(void)
{
	static struct attack attacks[] = {
		{ .what = "SIGKILL of a net.drop's holder",
		  .who = HOLDER,
		  .signal = SIGKILL,
		  .part = DROP,
		  .divide = 1,
		  .aim_ms = 5 },
		{ .what = "SIGKILL of a proc.pause's holder",
		  .who = HOLDER,
		  .signal = SIGKILL,
		  .part = PAUSE,
		  .divide = 1,
		  .aim_ms = 5 },
		{ .what = "SIGKILL of the keeper",
		  .who = KEEPER,
		  .signal = SIGKILL,
		  .part = DROP | PAUSE,
		  .divide = 1,
		  .aim_ms = 60 },
		{ .what = "SIGKILL of the runner",
		  .who = RUNNER,
		  .signal = SIGKILL,
		  .part = DROP | PAUSE,
		  .divide = 1,
		  .aim_ms = 60 },
		{ .what = "hung (SIGSTOP) runner",
		  .who = RUNNER,
		  .signal = SIGSTOP,
		  .part = DROP | PAUSE,
		  .divide = 4,
		  .aim_ms = 0 },
		{ .what = "hung (SIGSTOP) keeper",
		  .who = KEEPER,
		  .signal = SIGSTOP,
		  .part = DROP | PAUSE,
		  .divide = 4,
		  .aim_ms = 0 },
		{ .what = "hung (SIGSTOP) holder",
		  .who = HOLDER,
		  .signal = SIGSTOP,
		  .part = DROP,
		  .divide = 4,
		  .aim_ms = 0 },
	};
	unsigned n = bench_count("BENCH_CRASHES", 60);
	int meter;

	bench_world();
	meter = make_meter();
	for (unsigned i = 0; i < n; i++) {
		for (size_t k = 0; k < ARRAY_LEN(attacks); k++) {
			if (i % attacks[k].divide == 0)
				one(meter, &attacks[k]);
		}
	}
	for (size_t k = 0; k < ARRAY_LEN(attacks); k++)
		say(&attacks[k], 50 + 2 * (unsigned)k);
	close(meter);
	return 0;
}
