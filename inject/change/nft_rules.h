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
/* Room for the batch of one gate: below the default send buffer, net.core.wmem_default. */
#define GATE_BATCH_BYTES ((size_t)192 * 1024)

/*
 * The whole table of a gate as one batch: sets, chains, rules. fwd_ifindex: where GATE_FWD sends
 * packets. Every acting rule ends in: is the lease element alive? count, act. A gate that is too
 * large for it leaves b->full. pool: of the run, NULL when the gate has nothing in it; the table
 * and what stands in the pool are there already, by gate_load_next(), and the chains of
 * nft_dns.h by dns_load_next().
 */
void gate_write(struct nlbuf *b, const struct nft_gate_spec *s, const struct address_pool *pool,
		uint32_t fwd_ifindex);

/* The table with the addresses that stand in the pool: any number of them, batch by batch, without
 * effect as long as no rule asks for them. */
struct gate_load {
	const struct nft_gate_spec *s;
	const struct address_pool *pool;
	unsigned n_lists, list, family;
	uint32_t list_first[2 * GATE_MATCHES], list_n[2 * GATE_MATCHES], at;
	bool begun, interval;
};
struct gate_load gate_load_of(const struct nft_gate_spec *s, const struct address_pool *pool);
/* Writes the next batch on an empty buffer of GATE_BATCH_BYTES; false: there is none. */
bool gate_load_next(struct nlbuf *b, struct gate_load *l);
/* Is there something at the place of TCP's ports that means the same? */
bool gate_proto_has_ports(uint8_t proto);

/* "drop 30% of packets out tcp to 127.0.0.1:5432 on lo" for the plan. */
void gate_print_action(const struct nft_gate_spec *s, struct text *t);
/* Its part "out tcp to 127.0.0.1:5432 on lo". */
void gate_print_matches(const struct nft_gate_spec *s, struct text *t);

#endif
