/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_LINK_CARRY_H
#define BRINK_LINK_CARRY_H

#include "inject/change/change.h"
#include "inject/shield.h"

/*
 * Does this device carry what is shielded, by itself or beneath one that does: a session, or in the
 * operator's own namespace (own) the default route? Reads the kernel's routes, addresses and
 * devices of that namespace. -EPERM with *e: it does.
 */
int link_carry_check(const struct netns_ref *ns, const char *dev, bool own,
		     const struct shield_flows *flows, struct err *e);

#endif
