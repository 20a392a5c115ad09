/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROC_FS_H
#define BRINK_PROC_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Small readers of /proc. None allocates; each returns 0 or a count, or -errno; -ESRCH means the
 * process is gone. */

/* The fields of /proc/PID/stat that brink uses: proc(5). */
struct proc_stat {
	int32_t pid, ppid;
	uint32_t flags; /* PF_*: include/linux/sched.h */
	uint32_t threads;
	uint64_t start_ticks;
	char state;
	char comm[64]; /* the kernel's workers have longer names than the 15 bytes of other
			  processes */
};

/* Parses the text of a stat file; comm may hold spaces and parentheses. -EBADMSG when it is none.
 */
int proc_stat_parse(const char *text, struct proc_stat *ret);
/* path: "stat" below a directory of proc_dir_open, or "PID/stat" below /proc. */
int proc_stat_read(int dirfd, const char *path, struct proc_stat *ret);
/* The same by PID, below /proc. */
int proc_stat_of(int32_t pid, struct proc_stat *ret);
bool proc_is_kernel(const struct proc_stat *s);
/* Ended and not yet reaped. A process whose first thread has ended but others live is alive. */
bool proc_is_dead(const struct proc_stat *s);

/* /proc itself, or -errno with *e. */
int proc_fs_open(struct err *e);
/* The directory of one process: what is read below it is of this process or fails, never of a later
 * one. */
int proc_dir_open(int proc_fd, int32_t pid);
/* Calls fn for every PID below an open /proc until it returns non-zero, which is then the result.
 */
int proc_each(int proc_fd, int (*fn)(void *arg, int32_t pid), void *arg);
/* Thread group and effective user, from "status" below a directory of proc_dir_open. */
int proc_ids(int proc_dir, int32_t *ret_tgid, uint32_t *ret_euid);
/*
 * Reads on to what stands behind key, up to the end of its line, in a file of any length; 0 and
 * that text. -ENOENT: it is not there; -EFBIG: the text does not fit.
 */
int proc_find_line(int fd, const char *key, char *ret, size_t size);
/* Calls fn with the inode of each socket among the descriptors of a process below an open /proc,
 * until it returns non-zero, which is then the result. -EACCES, -EPERM: they may not be looked at.
 */
int proc_sockets(int proc_fd, int32_t pid, int (*fn)(void *arg, uint64_t inode), void *arg);
/* Is a process with this text in its cgroup file in the cgroup path, in any hierarchy, or below it?
 */
bool proc_cgroup_within(const char *text, const char *path);

#endif
