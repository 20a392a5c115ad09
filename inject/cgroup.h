/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CGROUP_H
#define BRINK_CGROUP_H

#include <stddef.h>
#include <stdint.h>

/*
 * The directory of a cgroup v2 path such as /system.slice/nginx.service, wherever the hierarchy is
 * mounted. It need not exist. -ENOENT: no cgroup v2 here, or the path is its root; -EINVAL: '..' in
 * it; -ENAMETOOLONG.
 */
int cgroup2_path(const char *cgroup, char *ret, size_t size);

/*
 * Calls fn for every cgroup v2 below path ("" = all) with its path and inode, until it returns
 * non-zero, which is then the result; path itself is not among them. -ENOENT: no cgroup v2 here, or
 * no such path; -ELOOP: nested too deep; others as of opendir(3).
 */
int cgroup2_each(const char *path, int (*fn)(void *arg, const char *path, uint64_t ino), void *arg);
/* The path of the one with that inode. -ENOENT: it is gone. */
int cgroup2_find(uint64_t ino, char *ret, size_t size);

#endif
