/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_MATCH_H
#define BRINK_NET_MATCH_H

#include "inject/endpoint.h"
#include "inject/net.h"

/* A fault's selector after names were resolved: endpoints with equal ports and protocol stand
 * together. */
#define NET_GROUPS 6

struct net_groups {
	unsigned n;
	struct endpoint at[NET_GROUPS];
};

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

/* Parses a list of endpoints into groups. proto: of the fault, 0 = not said. Duplicates and covered
 * ranges go. */
int net_groups_parse(const struct strings *list, uint8_t proto, struct net_groups *ret,
		     struct err *e);
/* The same without looking up any name: see endpoint_syntax(). */
int net_groups_syntax(const struct strings *list, uint8_t proto, struct net_groups *ret,
		      struct err *e);
/* EINVAL when an end of one list and an end of the other name different protocols, or ports of one
 * that has none. */
int net_groups_agree(const struct net_groups *to, const struct net_groups *from, struct err *e);

/*
 * Fills matches and prefixes of a gate for a direction; hooks: { out, in } of the family in use.
 * Exemptions first: what `not` names at either end, IPv6 neighbour discovery and DHCP where a match
 * could catch them, and shielded flows. *ret_exempted: how many of these got one. Sessions of one
 * local port share an exemption; where their addresses find no room the port passes as a whole.
 * -EPERM: not all can be exempted.
 */
int net_matches(struct nft_gate_spec *g, const struct net_select *sel, unsigned *ret_exempted,
		struct err *e);

#endif
