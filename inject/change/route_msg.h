/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_ROUTE_MSG_H
#define BRINK_ROUTE_MSG_H

#include <stdbool.h>

#include "inject/change/nlsock.h"

/*
 * The index of the device that the kernel would use for packets to dst, from src (NULL = not said),
 * now (RTM_GETROUTE, rtnetlink(7)). family: 4 or 6; s is a socket of NETLINK_ROUTE. ENETUNREACH and
 * the like when there is no route.
 */
int route_oif(struct nlsock *s, unsigned family, const uint8_t *dst, const uint8_t *src, int *ret,
	      struct err *e);

/* Does this error of route_oif() say that no device is used, not that nobody could be asked? */
bool route_is_none(int rc);

#endif
