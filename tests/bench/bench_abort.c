/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the decision to stop (the controller's own stamp: the signal or the sample that it acts on
 * has arrived) until the keeper has read back that the last of five faults is quiet, and until
 * everything is proved clean.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/exit.h"
#include "tests/bench/bench.h"
#include "tests/bench/held.h"

struct times {
	struct series quiet, clean;
};

/* A moment that fits no beat of the run: 0 to 100 ms. */
static void wait_a_bit(unsigned i)
{
	const struct timespec t = { 0, (long)(i * 7919 % 100) * NS_PER_MS };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static void one(unsigned i, bool by_check, struct times *t)
{
	struct held h;
	int64_t decided;
	int code;

	held_start(&h, HELD_FIVE, HELD_FAULTS);
	wait_a_bit(i);
	if (by_check) {
		auto_close(&h.listener);
		h.listener = -1;
	} else {
		kill(h.runner, SIGINT);
	}
	held_end(&h);
	code = WIFEXITED(h.status) ? WEXITSTATUS(h.status) : -1;
	if (code != (by_check ? EXIT_FAIL : EXIT_ABORTED) ||
	    held_count(&h, "fault.ended") != HELD_FAULTS)
		bench_die("a run ended with %d: %s", code, h.seen);
	decided = held_stamp(&h, "run.end", "decided_ns");
	series_add(&t->quiet, held_stamp(&h, "fault.ended", "at_ns") - decided);
	series_add(&t->clean, held_stamp(&h, "run.end", "mono_ns") - decided);
	held_done(&h);
}

static void say(struct times *t, const char *cause, unsigned order)
{
	char what[80];
	struct row r = {
		.order = order, .what = what, .ours = &t->quiet, .aim = "p50 < 1 ms, p99 < 5 ms"
	};

	r.met = series_quantile(&t->quiet, 0.5) < NS_PER_MS &&
		series_quantile(&t->quiet, 0.99) < 5 * NS_PER_MS;
	snprintf(what, sizeof(what), "abort (%s): five faults quiet, read back", cause);
	row_print(&r);
	r = (struct row){
		.order = order + 1, .what = what, .ours = &t->clean, .aim = "-", .met = true
	};
	snprintf(what, sizeof(what), "abort (%s): proved clean", cause);
	row_print(&r);
	series_done(&t->quiet);
	series_done(&t->clean);
}

int main(void)
{
	unsigned n = bench_count("BENCH_RUNS", 60);
	struct times by_signal = { 0 }, by_check = { 0 };

	bench_world();
	for (unsigned i = 0; i < n; i++) {
		one(i, false, &by_signal);
		one(i, true, &by_check);
	}
	say(&by_signal, "SIGINT", 40);
	say(&by_check, "failed check", 42);
	return 0;
}
