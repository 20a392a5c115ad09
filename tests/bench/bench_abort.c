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
	struct series quiet, restored, clean;
};

static void wait_ms(unsigned ms)
{
	const struct timespec t = { 0, ms * NS_PER_MS };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* Three samples fail; then the service is there again, so that the run need not wait for its
 * recovery. */
static void fail_check(struct held *h)
{
	auto_close(&h->listener);
	wait_ms(450);
	h->listener = held_listen();
}

static void one(unsigned i, bool by_check, struct times *t)
{
	struct held h;
	int64_t decided;
	int code;

	held_start(&h, HELD_FIVE, HELD_FAULTS);
	wait_ms(i * 37 % 100); /* at no beat of the run */
	if (by_check)
		fail_check(&h);
	else
		kill(h.runner, SIGINT);
	held_end(&h);
	code = WIFEXITED(h.status) ? WEXITSTATUS(h.status) : -1;
	if (code != (by_check ? EXIT_FAIL : EXIT_ABORTED) ||
	    held_count(&h, "fault.ended") != HELD_FAULTS)
		bench_die("a run ended with %d: see %s.err", code, h.path);
	decided = held_stamp(&h, "run.end", "decided_ns");
	series_add(&t->quiet, held_stamp(&h, "fault.ended", "at_ns") - decided);
	series_add(&t->restored, held_stamp(&h, "fault.reverted", "at_ns") - decided);
	if (!by_check) /* after a failed check the run waits for the recovery */
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
	snprintf(what, sizeof(what), "abort (%s): all restored, read back", cause);
	r = (struct row){ .order = order + 1, .what = what, .ours = &t->restored, .aim = "-" };
	row_print(&r);
	if (t->clean.n) {
		r = (struct row){ .order = order + 2, .what = what, .ours = &t->clean, .aim = "-" };
		snprintf(what, sizeof(what), "abort (%s): proved clean, verdict said", cause);
		row_print(&r);
	}
	series_done(&t->quiet);
	series_done(&t->restored);
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
	say(&by_check, "failed check", 44);
	return 0;
}
