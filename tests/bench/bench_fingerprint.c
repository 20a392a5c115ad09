/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the machine read as before and after every run. Reads only. */
#include <stdio.h>
#include <unistd.h>

#include "safety/fingerprint.h"
#include "tests/bench/bench.h"

static struct fingerprint fp;

int main(void)
{
	AUTO(series_done) struct series s = { 0 };
	struct row r = { .order = 70, .ours = &s, .aim = "p50 < 150 ms" };
	unsigned n = bench_count("BENCH_FINGERPRINTS", 100);
	char what[80];

	if (geteuid() != 0) {
		fputs("bench_fingerprint: not measured: needs root, to see all that a run sees\n",
		      stderr);
		return BENCH_SKIP;
	}
	for (unsigned i = 0; i < n; i++) {
		struct err e = { 0 };
		int64_t began = clock_mono_ns();

		fp.n = fp.unseen = 0;
		if (fingerprint_take(&fp, "", &e) < 0)
			bench_die("%s", e.msg[0]);
		series_add(&s, clock_mono_ns() - began);
	}
	snprintf(what, sizeof(what), "fingerprint of this host, %u objects", fp.n);
	r.what = what;
	r.met = series_quantile(&s, 0.5) < 150 * NS_PER_MS;
	row_print(&r);
	return 0;
}
