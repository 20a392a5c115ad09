/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_DISARMER_H
#define BRINK_DISARMER_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Stopping the timer in PID 1 takes a program (systemctl), and whoever takes faults back may not
 * start any: a process of its own, started before, without any capability, under the filter of
 * commands. It waits for one word and ends when nobody is left who could say it.
 */
struct disarmer {
	int sock, pidfd;
	pid_t pid;
};

#define DISARMER_NONE     \
	{                 \
		-1, -1, 0 \
	}

/* Only where deadman_here() says 0. run_dir: of the run whose process it is, whose lock's file it
 * then keeps open; -1 = of none. */
int disarmer_start(int run_dir, struct disarmer *ret, struct err *e);
/* As deadman_disarm(). -ETIMEDOUT, -EPIPE: it hangs or is gone. */
int disarmer_ask(const struct disarmer *d, const char *run_id, struct err *e);
/* Ends it, at most 2 s. Harmless without one. */
void disarmer_end(struct disarmer *d);

#endif
