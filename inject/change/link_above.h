/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_LINK_ABOVE_H
#define BRINK_LINK_ABOVE_H

#include "inject/change/change.h"

/*
 * Does a device of another network namespace stand on this one, as a container's macvlan or VLAN
 * does? -EBUSY with its name: what this one loses for a while that one loses for ever. Its own
 * namespace shows such devices only to those who ask inside theirs (IFLA_LINK, IFLA_LINK_NETNSID),
 * so all that may be entered are asked.
 */
int link_above_check(const struct netns_ref *ns, const char *dev, int ifindex, struct err *e);

#endif
