/* SPDX-License-Identifier: Apache-2.0 */
/* What runner and keeper keep in memory while they hold five faults. */
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "tests/bench/bench.h"
#include "tests/bench/held.h"

#define AIM_KB 4096

static void say(pid_t pid, const char *what, unsigned order)
{
	long rss = held_status(pid, "VmRSS"), locked = held_status(pid, "VmLck");
	char ours[80];
	struct row r = { .order = order,
			 .what = what,
			 .ours_text = ours,
			 .aim = "< 4 MB",
			 .met = rss > 0 && rss < AIM_KB && locked < AIM_KB };

	snprintf(ours, sizeof(ours), "%ld kB, %ld kB of it locked", rss, locked);
	row_print(&r);
}

int main(void)
{
	const struct timespec second = { 1, 0 };
	struct held h;

	bench_world();
	held_start(&h, HELD_FIVE, HELD_FAULTS);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &second, NULL);
	say(h.runner, "resident memory of the runner, five faults", 80);
	say(h.keeper, "resident memory of the keeper, five faults", 81);
	kill(h.runner, SIGINT);
	held_end(&h);
	held_done(&h);
	return 0;
}
