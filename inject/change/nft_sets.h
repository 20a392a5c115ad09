/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_NFT_SETS_H
#define BRINK_CHANGE_NFT_SETS_H

#include "inject/change/nft_rules.h"

/* The sets of addresses of a gate: one for each list of a match and each family in it. */

/* One list of a match. Names and ids come from its first index, so that rules and sets agree
 * without a table. */
struct gate_list {
	uint32_t first, n;
	const struct net_prefix *at;
	bool grows;
};
struct gate_list gate_list_of(const struct nft_gate_spec *s, const struct address_pool *pool,
			      uint32_t first, uint32_t n);
#define GATE_SET_NAME 24
void gate_set_name(char ret[GATE_SET_NAME], uint32_t first, unsigned family);
/* For lookups inside the batch that creates the set; the lease set has 1. */
uint32_t gate_set_id(uint32_t first, unsigned family);
bool gate_list_has(const struct gate_list *l, unsigned family);

/* One more address for a list that grows: the batch that adds it. false: this gate has no such
 * list. */
bool gate_join_write(struct nlbuf *b, const struct nft_gate_spec *s,
		     const struct address_pool *pool, const struct gate_join *j);

/* Flows that are learnt: source, destination, protocol and ports of what went out, of one family.
 */
#define FLOWS_MAX        65536
#define FLOWS_TIMEOUT_MS 60000
const char *flows_set_name(unsigned family);
uint32_t flows_set_id(unsigned family);

/* The lease set, the one of flows if there is one, and those lists that stand in the gate's own
 * message. */
void gate_sets(struct nlbuf *b, const struct nft_gate_spec *s);

#endif
