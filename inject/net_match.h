/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_MATCH_H
#define BRINK_NET_MATCH_H

#include "inject/net.h"
#include "inject/net_groups.h"

/* What is chosen, and what of it is not to be touched (flows and not may be NULL). */
struct net_select {
	const struct net_groups *to, *from;
	enum net_direction dir;
	const struct shield_flows *flows;
	const struct net_groups * not ;
	/* the host stands between the two ends, or is one of them: packets of either way are looked
	 * for where they come in and where they go out */
	bool between;
};

/*
 * Fills matches and prefixes of a gate for a direction; hooks: { out, in } of the family in use.
 * Exemptions first: what `not` names at either end, IPv6 neighbour discovery and DHCP where a match
 * could catch them, and shielded flows. *ret_exempted: how many of these got one. Sessions of one
 * local port share an exemption; where their addresses find no room the port passes as a whole.
 * -EPERM: not all can be exempted.
 */
int net_matches(struct nft_gate_spec *g, const struct net_select *sel, unsigned *ret_exempted,
		struct err *e);

/* The flow that the fault's own keys describe. */
struct flow_select net_own_flow(const struct net_spec *spec);
/* Both ends of a flow. */
int net_read_groups(const struct flow_select *flow, groups_reader *parse, struct arena *mem,
		    struct net_groups *ret_to, struct net_groups *ret_from, struct err *e);

#endif
