/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_LOCK_H
#define BRINK_LOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LOCK_NAME_BYTES 224
#define LOCK_STOPS      2

/*
 * One lock per resource that two runs must not share, such as "net:4026531840:eth0". Held by an
 * open descriptor: the kernel releases it when the last process that has it ends, however it ends.
 */

/*
 * Takes the lock of key in dir (made, mode 0700, when it is not there; its parent too). dir must
 * belong to the caller or root and be writable by nobody else. Waits until deadline_ns
 * (CLOCK_MONOTONIC; 0 = does not wait), or until one of stop_fd is readable (-ECANCELED; -1 =
 * none). Returns a descriptor, or -EBUSY with *e telling which run holds it since when and how to
 * end that (the caller knows a better name for what it is), or -errno.
 */
int lock_take(const char *dir, const char *key, const char *owner_run, int64_t deadline_ns,
	      const int stop_fd[LOCK_STOPS], struct err *e);
/* Gives the lock up. fd < 0 is none. Keeps errno. */
void lock_release(int fd);
/* The file name of a key: what is not plain is %XX; a long one is cut and ends with a hash. Returns
 * buf. */
char *lock_name(const char *key, char buf[static LOCK_NAME_BYTES]);

#endif
