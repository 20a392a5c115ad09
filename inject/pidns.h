/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PIDNS_H
#define BRINK_PIDNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Where a process number and a start are read: who is meant by a number depends on the PID
 * namespace (pid_namespaces(7)), what a start reads as on the time namespace (time_namespaces(7)).
 *
 * The kernel gives the inode number of a namespace that is gone to the next one, within a boot.
 * That does no harm to who looks for a recorded process: a PID namespace goes after the last
 * process that has a number in it, so that in the next one with its inode the recorded process is
 * rightly found gone: by its number, and by its start, which nobody born later can have.
 */
struct pidns_ref {
	uint64_t dev, ino; /* of /proc/self/ns/pid; 0, 0: a kernel without PID namespaces */
	uint64_t time;     /* inode of /proc/self/ns/time; 0: a kernel without them */
};

/* That of this process. -EXDEV: /proc is another one's: then no number of its own is found in it.
 */
int pidns_own(struct pidns_ref *ret, struct err *e);
/* Do numbers and starts that were read there mean the same to this process? No also when nobody can
 * tell. */
bool pidns_is_own(const struct pidns_ref *p);
/*
 * Has a process ended that had that number there, or in whatever PID namespace? 1: yes; 0: one
 * lives that may be it; else -errno: nobody can tell from here. -EXDEV: not from this namespace.
 *
 * All of them are seen from the initial one, each with all its numbers, and its start is the same
 * everywhere: what is not found there is not alive. Who was not born yet when the search began
 * cannot be a process that is on record.
 */
int pidns_has_ended(const struct pidns_ref *there, int32_t pid, uint64_t start_ticks);

#endif
