/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_OWN_SCOPE_H
#define BRINK_OWN_SCOPE_H

#include "safety/systemd.h"

#define OWN_SCOPE_UNIT 64

/*
 * Puts the calling process into a scope of its own, a transient unit of systemd: neither "systemctl
 * kill" nor cgroup.kill nor the memory limit of the unit in which it was started reaches it any
 * more. Its children go with it. The scope ends with the last of them. 0: read back from
 * /proc/self/cgroup. -ENOSYS: no systemd here that would do it; -EIO: it said no.
 */
int own_scope_enter(const struct systemd_host *h, const char *run_id, struct err *e);

/* "brink-keeper-01jd3w9k7q....scope". -EINVAL when run_id is no plain word. */
int own_scope_unit(const char *run_id, char buf[static OWN_SCOPE_UNIT], struct err *e);

#endif
