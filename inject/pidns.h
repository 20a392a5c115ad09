/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PIDNS_H
#define BRINK_PIDNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Which PID namespace: pid_namespaces(7). A process number says who is meant in one of them only.
 *
 * The kernel gives the inode number of a namespace that is gone to the next one, within a boot.
 * That does no harm to who looks for a recorded process: a namespace goes after the last process
 * that has a number in it, so that in the next one with its inode the recorded process is rightly
 * found gone: by its number, and by its start, which nobody born later can have.
 */
struct pidns_ref {
	uint64_t dev, ino; /* of /proc/self/ns/pid; 0, 0: a kernel without PID namespaces */
};

/* That of this process. -EXDEV: /proc is another one's: then no number of its own is found in it.
 */
int pidns_own(struct pidns_ref *ret, struct err *e);
/* Do numbers of that namespace mean the same to this process? No also when nobody can tell. */
bool pidns_is_own(const struct pidns_ref *p);

#endif
