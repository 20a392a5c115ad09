/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_ROUTE_H
#define BRINK_ROUTE_H

#include "inject/change/change.h"

/*
 * The device that the kernel would use to reach an address now, in that namespace (RTM_GETROUTE,
 * rtnetlink(7)). ENETUNREACH and the like when there is no route.
 */
int route_device(const struct netns_ref *ns, const struct net_prefix *to, char ret_dev[IFNAMSIZ],
		 struct err *e);
/* Is there such a device, and what is its root qdisc ("noqueue", "fq", ...; "" = none)? ENODEV: no
 * such device. */
int route_check_device(const struct netns_ref *ns, const char *dev, char ret_qdisc[16],
		       struct err *e);

#endif
