/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking back 1, 10, 100 and 1000 changes that are in force together, from the decision to stop
 * until the last one is read back as restored: in all, and for each change. And how long after its
 * time a fault is read back as ended.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/bench/bench.h"
#include "tests/bench/held.h"

#define FAULT_BYTES 96
#define FOR_MS      300

static void one(unsigned n, struct series *quiet, struct series *restored)
{
	char *faults = malloc((size_t)n * FAULT_BYTES);
	struct text t = text_on(faults, (size_t)n * FAULT_BYTES);
	struct held h;
	int64_t decided;

	if (!faults)
		bench_die("no memory");
	for (unsigned i = 0; i < n; i++)
		text_add(&t, "  - {net.drop: {to: \"127.0.0.1:%u\"}, for: 60s}\n", 20000 + i);
	held_start(&h, faults, n);
	kill(h.runner, SIGINT);
	held_end(&h);
	if (held_count(&h, "fault.reverted") != n)
		bench_die("not everything was restored: see %s.err", h.path);
	decided = held_stamp(&h, "run.end", "decided_ns");
	series_add(quiet, held_stamp(&h, "fault.ended", "at_ns") - decided);
	series_add(restored, held_stamp(&h, "fault.reverted", "at_ns") - decided);
	held_done(&h);
	free(faults);
}

/* One row for the whole, one for each change. */
static void say(struct series *s, unsigned n, const char *until, unsigned order)
{
	char what[80], aim[40];
	struct row r = { .order = order, .what = what, .ours = s, .aim = "-" };

	snprintf(what, sizeof(what), "%u change%s: %s", n, n == 1 ? "" : "s", until);
	snprintf(aim, sizeof(aim), "-, p50 %.3g ms a change",
		 (double)series_quantile(s, 0.5) / (double)NS_PER_MS / n);
	r.aim = aim;
	row_print(&r);
	series_done(s);
}

static void overshoot(unsigned n)
{
	struct series late = { 0 };

	for (unsigned i = 0; i < n; i++) {
		struct held h;
		char fault[128];

		snprintf(fault, sizeof(fault),
			 "  - {net.drop: {to: \"127.0.0.1:7001\"}, for: %dms}\n", FOR_MS);
		held_start(&h, fault, 1);
		held_end(&h);
		series_add(&late, held_stamp(&h, "fault.ended", "at_ns") -
					  held_stamp(&h, "fault.held", "at_ns") -
					  FOR_MS * NS_PER_MS);
		held_done(&h);
	}
	row_print(&(struct row){ .order = 68,
				 .what = "a fault's time is over: read back as ended",
				 .ours = &late,
				 .aim = "-" });
	series_done(&late);
}

int main(void)
{
	static const unsigned sizes[] = { 1, 10, 100, 1000 };
	unsigned most = bench_count("BENCH_CHANGES", 1000), runs = bench_count("BENCH_UNDOS", 30);

	bench_world();
	overshoot(runs);
	for (unsigned i = 0; i < ARRAY_LEN(sizes) && sizes[i] <= most; i++) {
		unsigned times = runs / (sizes[i] / 10 + 1);
		struct series quiet = { 0 }, restored = { 0 };

		for (unsigned k = 0; k < (times > 3 ? times : 3); k++)
			one(sizes[i], &quiet, &restored);
		say(&quiet, sizes[i], "all quiet, read back", 71 + 2 * i);
		say(&restored, sizes[i], "all restored, read back", 72 + 2 * i);
	}
	return 0;
}
