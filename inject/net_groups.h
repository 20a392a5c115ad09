/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_GROUPS_H
#define BRINK_NET_GROUPS_H

#include "base/arena.h"
#include "base/fields.h"
#include "inject/endpoint.h"

/* Endpoints with equal ports and protocol: a `to` or `from` of one fault needs one set of addresses
 * for each. */
#define NET_GROUPS 6

struct net_group {
	uint16_t port_lo, port_hi; /* host order; 0, 0 = any */
	uint8_t proto;             /* 0 = not said */
	uint32_t n_prefixes;       /* 0 = any address */
	uint32_t room;             /* of prefix, for whoever adds */
	struct net_prefix *prefix; /* sorted, none within another; in the arena */
	uint32_t n_names, names_room;
	const char **name; /* of hosts that are among them, each once; in the arena */
	uint32_t pooled; /* > 0: they stand in the pool of the run from this index on, see change.h
			  */
};

struct net_groups {
	unsigned n;
	struct net_group at[NET_GROUPS];
};

/*
 * Parses a list of endpoints into groups; "@FILE" stands for the lines of a file, without empty
 * ones and what is behind a '#'. proto: of the fault, 0 = not said. Duplicates and covered ranges
 * go. Memory comes from mem and lives as long.
 */
int net_groups_parse(const struct strings *list, uint8_t proto, struct arena *mem,
		     struct net_groups *ret, struct err *e);
/* The same without looking up any name or reading any file: see endpoint_syntax(). */
int net_groups_syntax(const struct strings *list, uint8_t proto, struct arena *mem,
		      struct net_groups *ret, struct err *e);
/* One of these two. */
typedef int groups_reader(const struct strings *list, uint8_t proto, struct arena *mem,
			  struct net_groups *ret, struct err *e);
/* Addresses and ranges of all groups. */
uint32_t net_groups_count(const struct net_groups *g);
/* Does it say anything, an address or a port? */
bool net_groups_choose(const struct net_groups *g);
/* EINVAL when an end of one list and an end of the other name different protocols, or ports of one
 * that has none. */
int net_groups_agree(const struct net_groups *to, const struct net_groups *from, struct err *e);
#define NET_TWO_PROTOS "'to' and 'from' name different protocols"
/* The protocol that both ends agree on; false when they contradict each other. */
bool net_group_proto(const struct net_group *a, const struct net_group *b, uint8_t *ret);
/* Is every address of the narrow range in the wide one? */
bool net_prefix_covers(const struct net_prefix *wide, const struct net_prefix *narrow);
/* "127.0.0.1:5432/tcp"; of many addresses the first few and how many more there are. */
void net_group_add(struct text *t, const struct net_group *g);

#endif
