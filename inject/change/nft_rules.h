/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_NFT_RULES_H
#define BRINK_CHANGE_NFT_RULES_H

#include "inject/change/change.h"
#include "inject/change/nft_msg.h"

#define GATE_LEASE_SET "lease"
#define GATE_LEASE_ID  1u
#define GATE_LEASE_KEY 1u

/* NFPROTO_NETDEV or NFPROTO_INET. */
uint8_t gate_family(const struct nft_gate_spec *s);
/*
 * Sets, chains and rules of a gate into an open batch, in this order. fwd_ifindex: where GATE_FWD
 * sends packets. Every acting rule ends in: is the lease element alive? count, act.
 */
void gate_sets(struct nlbuf *b, const struct nft_gate_spec *s);
void gate_chains(struct nlbuf *b, const struct nft_gate_spec *s);
void gate_rules(struct nlbuf *b, const struct nft_gate_spec *s, uint32_t fwd_ifindex);

/* "drop 30% of packets out tcp to 127.0.0.1:5432 on lo" for the plan. */
void gate_print_action(const struct nft_gate_spec *s, struct text *t);
/* Its part "out tcp to 127.0.0.1:5432 on lo". */
void gate_print_matches(const struct nft_gate_spec *s, struct text *t);

#endif
