/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SYSTEMD_H
#define BRINK_SYSTEMD_H

#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/*
 * Asking systemd for something, by its own programs: for the time before the first change and after
 * the last one, never for the undo path.
 */

/* Where systemd is found. NULL in the calls that take one: this machine's. */
struct systemd_host {
	const char *marker; /* a directory that exists only when systemd is PID 1: sd_booted(3) */
	const char *path;   /* where its programs are, separated by colons */
	int64_t limit_ns;   /* for each program; it is killed when it takes longer */
};

/* Replaces NULL by this machine. -ENOSYS: no systemd here that would listen to us; *e says why. */
int systemd_find(const struct systemd_host **h, struct err *e);
/*
 * Starts a program, waits for it within the limit; what it says goes to ret_out. Its exit code or
 * -errno; -ENOSYS: it is not installed. One that is there and cannot be started has exit code 126.
 */
int systemd_call(const struct systemd_host *h, const char *const argv[], struct text *ret_out,
		 struct err *e);
/* -EIO; *e has the first line of what the program said, safe to print. */
int systemd_failed(const char *tool, const struct text *out, int code, struct err *e);

#endif
