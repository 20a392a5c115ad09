/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_DEADMAN_H
#define BRINK_DEADMAN_H

#include "safety/systemd.h"

#define DEADMAN_UNIT 64

/*
 * The timer in PID 1 that runs "brink revert RUN" when all of brink is dead: a transient unit of
 * systemd. Starts other programs, so it is for the time before the first change and after the last
 * one, never for the undo path. -ENOSYS from any of these: there is no systemd here that would take
 * the timer; *e says why, the plan should too.
 */

/* Does PID 1 of this machine take a timer from this process? */
int deadman_here(struct err *e);
/* Arms the timer: brink (an absolute path) is run with "revert RUN" after so many seconds. */
int deadman_arm(const struct systemd_host *h, const char *run_id, unsigned seconds,
		const char *brink, struct err *e);
/* Reads it back: 0 when it is waiting, -ENOENT when it is not. */
int deadman_check(const struct systemd_host *h, const char *run_id, struct err *e);
/* Stops it and reads that back. Not there any more = 0. */
int deadman_disarm(const struct systemd_host *h, const char *run_id, struct err *e);

/* "brink-dm-01jd3w9k7q....timer". -EINVAL when run_id is no plain word. */
int deadman_unit(const char *run_id, char buf[static DEADMAN_UNIT], struct err *e);

#endif
