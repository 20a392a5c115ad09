/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CGROUP_H
#define BRINK_CGROUP_H

#include <stddef.h>

/*
 * The directory of a cgroup v2 path such as /system.slice/nginx.service, wherever the hierarchy is
 * mounted. It need not exist. -ENOENT: no cgroup v2 here, or the path is its root; -EINVAL: '..' in
 * it; -ENAMETOOLONG.
 */
int cgroup2_path(const char *cgroup, char *ret, size_t size);

#endif
