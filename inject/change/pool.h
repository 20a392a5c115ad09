/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_POOL_H
#define BRINK_CHANGE_POOL_H

#include "inject/change/change.h"

/*
 * The addresses of all faults of a run that find no room in their own messages: one array in a
 * memfd, sealed before anybody else sees it (memfd_create(2), F_ADD_SEALS), so that what was
 * checked is what is used. The keeper inherits its descriptor from the runner, each holder from the
 * keeper.
 */
#define POOL_MAX 1000000u

/* A sealed copy. Returns its descriptor, CLOEXEC, or -errno. */
int pool_seal(const struct net_prefix *at, uint32_t n, struct err *e);
/* Maps what somebody sealed, read-only: for pool_close(). -EBADMSG: not sealed, of a wrong size, or
 * with a prefix that is none. */
int pool_open(int fd, struct address_pool *ret, struct err *e);
void pool_close(struct address_pool *p);

#endif
