/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_OWNER_H
#define BRINK_NET_OWNER_H

#include "inject/net.h"

/* Whose sockets: a cgroup v2, a systemd unit, a container or processes, each found as a cgroup. */

/* Does the fault ask for one? */
bool net_owner_given(const struct net_spec *spec);
/* What is wrong with it whatever runs here. EINVAL. */
int net_owner_check(const struct net_spec *spec, struct err *e);
/* Finds the cgroup and adds it to the conditions. ENOENT: there is none, or several that the word
 * means; EBUSY: the processes are in several, or share theirs with others; EPERM: one is shielded.
 */
int net_owner_find(const struct net_spec *spec, const struct targets *t,
		   struct gate_conditions *ret, struct err *e);

#endif
