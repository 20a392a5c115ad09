/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_HOLDER_H
#define BRINK_HOLDER_H

#include "inject/fault.h"
#include "safety/proto.h"
#include "safety/rights.h"

#define HOLDER_PRIORITY 89 /* SCHED_FIFO; the keeper has one more */

/*
 * A holder: the process that owns what the kernel frees when it dies, for one fault. Its own timer
 * (CLOCK_MONOTONIC, SIGKILL, re-armed while runner and keeper beat) ends it when it is stopped,
 * spins or is cut off: a POSIX timer fires in every state but uninterruptible sleep,
 * timer_create(2). It obeys the keeper over `sock` and quiets by itself when anyone is gone.
 */
struct holder_job {
	unsigned fault;
	struct rights_sum rights; /* all that it keeps */
	unsigned n;
	struct change change[PLAN_CHANGES];
	int netns_fd; /* to stand in, or -1 */
	int pool_fd;  /* addresses of the run, or -1 */
	struct address_pool pool;
	int sock;
	int runner_pidfd, keeper_pidfd;
	struct pulse *pulse;
	uint32_t lease_ms;
};

/* In the forked child. Never returns: exits 0 when the keeper closes the socket. */
void holder_main(struct holder_job *job) __attribute__((noreturn));

#endif
