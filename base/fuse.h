/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_FUSE_H
#define BRINK_FUSE_H

#include <stdint.h>
#include <time.h>

#include "base/err.h"

/*
 * A timer of the kernel that kills this process (SIGKILL) unless it is set again in time. It burns
 * while the process is stopped or spins, too, so nobody else needs the right to end it. Not
 * inherited by fork, gone at exec.
 */
int fuse_new(timer_t *ret, struct err *e);
/* From now on. One system call (timer_settime), fit for a seccomp filter. */
void fuse_set(timer_t fuse, int64_t ns);

#endif
