/* SPDX-License-Identifier: Apache-2.0 */
/* brink check as a whole process beside tc -V, which does nothing; an experiment of 1,000 faults.
 */
#include <stdio.h>
#include <unistd.h>

#include "scenarios/experiment.h"
#include "tests/bench/bench.h"

#define EXAMPLE "examples/web-slow-db.brink.yaml"
#define FAULTS  1000

static void example(const char *brink)
{
	const char *const peer[] = { "tc", "-V", NULL }, *const ours[] = { brink, "check", EXAMPLE,
									   NULL };
	unsigned n = bench_count("BENCH_PROCESSES", 300);
	AUTO(series_done) struct series tc = { 0 };
	AUTO(series_done) struct series check = { 0 };
	struct row r = { .order = 10,
			 .what = "brink check, 8 lines (process)",
			 .peer_name = "tc -V",
			 .peer = &tc,
			 .ours = &check,
			 .aim = "1.2x or less" };

	for (unsigned i = 0; i < n; i++) {
		series_add(&tc, bench_spawn(peer));
		series_add(&check, bench_spawn(ours));
	}
	r.ratio = (double)series_quantile(&check, 0.5) / (double)series_quantile(&tc, 0.5);
	r.met = r.ratio <= 1.2;
	row_print(&r);
}

static void write_many(FILE *f)
{
	fputs("brink: 1\nname: many\nsteady_state:\n  - tcp: \"127.0.0.1:7999\"\nfaults:\n", f);
	for (unsigned i = 0; i < FAULTS; i++)
		fprintf(f, "  - net.drop: {to: \"127.0.0.1:%u\", proto: tcp}\n    for: 30s\n",
			10000 + i);
	if (fflush(f) != 0)
		bench_die("cannot write the experiment");
}

static int64_t load(const char *path)
{
	struct experiment x;
	struct diags d = { 0 };
	struct err e = { 0 };
	int64_t began = clock_mono_ns(), took;
	int rc = experiment_load(path, &(struct load_options){ 0 }, &x, &d, &e);

	took = clock_mono_ns() - began;
	if (rc != 0 || x.n_faults != FAULTS)
		bench_die("the experiment of %d faults is not accepted", FAULTS);
	experiment_done(&x);
	diags_done(&d);
	return took;
}

static void many(const char *brink, const char *path)
{
	const char *const ours[] = { brink, "check", path, NULL };
	unsigned n = bench_count("BENCH_PROCESSES", 300) / 2;
	AUTO(series_done) struct series whole = { 0 };
	AUTO(series_done) struct series loads = { 0 };
	struct row r = { .order = 90,
			 .what = "brink check, 1,000 faults (process)",
			 .ours = &whole,
			 .aim = "p50 < 10 ms" };

	for (unsigned i = 0; i < n; i++) {
		series_add(&whole, bench_spawn(ours));
		series_add(&loads, load(path));
	}
	r.met = series_quantile(&whole, 0.5) < 10 * NS_PER_MS;
	row_print(&r);
	r = (struct row){ .order = 91,
			  .what = "the same, experiment_load() alone",
			  .ours = &loads,
			  .aim = "p50 < 10 ms",
			  .met = series_quantile(&loads, 0.5) < 10 * NS_PER_MS };
	row_print(&r);
}

int main(void)
{
	char brink[400], path[] = "/tmp/brink-bench-XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		bench_die("cannot make a file in /tmp");
	if (geteuid() == 0)
		bench_world(); /* every command looks at the runs under way: here are none */
	write_many(f);
	bench_program("brink", brink, sizeof(brink));
	example(brink);
	many(brink, path);
	fclose(f);
	unlink(path);
	return 0;
}
