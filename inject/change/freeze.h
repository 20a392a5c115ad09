/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_FREEZE_H
#define BRINK_CHANGE_FREEZE_H

#include "inject/change/change.h"

/*
 * A directory of exactly this cgroup (v2), wherever it stands now in the hierarchy that its path
 * leads to. -ENOENT: it was removed. -ESTALE: its path leads to another file system from here, and
 * nobody can say what became of it.
 */
int freeze_open(const char *cgroup, uint64_t dev, uint64_t ino);
/* What is asked of the freezer and what is so. -ENOENT: the cgroup is gone, or is a root, which has
 * no freezer. -EBADMSG: neither yes nor no. */
int freeze_read(int dir, bool *ret_asked, bool *ret_frozen);

struct freeze_check {
	const struct shield *shield; /* borrowed */
	unsigned n_procs;            /* counted, in the whole tree */
};

/* Counts the processes of the cgroup and of those below it. -EPERM: one of them is shielded, or
 * brink's own. */
int freeze_check(struct freeze_check *k, int dir, struct err *e);

#endif
