/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_NFT_MSG_H
#define BRINK_CHANGE_NFT_MSG_H

#include <netinet/in.h> /* before linux/netfilter.h, which would define the same names */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "inject/change/nlbuf.h"

/*
 * nf_tables messages (linux/netfilter/nf_tables.h; net/netfilter/nf_tables_api.c). A batch is one
 * transaction: all of it happens or nothing. Names are those of the open table; registers are the
 * 4-byte ones, counted from 0.
 */
void nft_begin(struct nlbuf *b);
void nft_commit(struct nlbuf *b);

/* Any single request of the subsystem, for reading (flags e.g. NLM_F_DUMP). */
void nft_request(struct nlbuf *b, uint16_t cmd, uint8_t family, uint16_t flags, const char *what);

void nft_table(struct nlbuf *b, uint8_t family, const char *table, uint32_t flags);
struct nft_set_def {
	const char *name;
	uint32_t flags;    /* NFT_SET_* */
	uint32_t key_type; /* for listings only: nft(8) data type number */
	uint32_t key_len, id;
	uint32_t size; /* how many elements there will be; 0 = not said */
};
void nft_set(struct nlbuf *b, uint8_t family, const char *table, const struct nft_set_def *set);

/* Opens an element message (NFT_MSG_NEWSETELEM, _DELSETELEM), add elements, close it. */
struct nft_elems {
	size_t list;
};
struct nft_elems nft_elems_open(struct nlbuf *b, uint16_t cmd, uint8_t family, const char *table,
				const char *set, const char *what);
void nft_elem(struct nlbuf *b, const void *key, size_t len, uint32_t flags, uint64_t timeout_ms);
void nft_elems_close(struct nlbuf *b, struct nft_elems list);

/* A base chain of type filter with policy accept. */
struct nft_chain_def {
	const char *name;
	uint32_t hook; /* NF_NETDEV_*, NF_INET_* */
	int32_t prio;
	const char *dev; /* netdev family; else NULL */
};
void nft_chain(struct nlbuf *b, uint8_t family, const char *table,
	       const struct nft_chain_def *chain);

/* A chain of no hook: rules come to it by nft_goto(). */
void nft_plain_chain(struct nlbuf *b, uint8_t family, const char *table, const char *chain);

struct nft_rule {
	size_t list;
};
struct nft_rule nft_rule_open(struct nlbuf *b, uint8_t family, const char *table,
			      const char *chain);
void nft_rule_close(struct nlbuf *b, struct nft_rule r);

/* Expressions of the open rule. */
void nft_meta(struct nlbuf *b, uint32_t key, unsigned reg);
void nft_payload(struct nlbuf *b, uint32_t base, uint32_t offset, uint32_t len, unsigned reg);
void nft_meta_set(struct nlbuf *b, uint32_t key, unsigned reg);
void nft_mask(struct nlbuf *b, unsigned reg, const void *mask, size_t len);
/* reg = (reg & mask) ^ flip */
void nft_bits(struct nlbuf *b, unsigned reg, const void *mask, const void *flip, size_t len);
/* reg, 8 bytes = id of the cgroup v2 that the packet's socket was made in, or of its ancestor at
 * that level: nft_socket.c, kernel 5.13. In the hooks input, output and prerouting only. */
void nft_socket_cgroup(struct nlbuf *b, uint32_t level, unsigned reg);
void nft_cmp(struct nlbuf *b, unsigned reg, uint32_t op, const void *v, size_t len);
void nft_imm(struct nlbuf *b, unsigned reg, uint32_t v);
/* Up to 16 bytes. */
void nft_imm_bytes(struct nlbuf *b, unsigned reg, const void *v, size_t len);
/* Writes len bytes from reg on into a UDP header or what is behind it. checksum: keeps the one of
 * the header right; offset is even then, and the packet at least as long as that: nft_payload.c
 * does not look in every kernel. */
void nft_udp_set(struct nlbuf *b, uint32_t offset, uint32_t len, unsigned reg, bool checksum);
void nft_lookup(struct nlbuf *b, const char *set, uint32_t id, unsigned reg);
/* Adds the key at reg on to the set, or renews its time there. A full set ends the rule. */
void nft_learn(struct nlbuf *b, const char *set, uint32_t id, unsigned reg, uint64_t timeout_ms);
/* reg = a random number below mod, the next of 0, 1, ... mod - 1, or a hash of len bytes at reg
 * `from` (seeded) below mod; big-endian, for nft_cmp. */
void nft_random(struct nlbuf *b, uint32_t mod, unsigned reg);
void nft_count(struct nlbuf *b, uint32_t mod, unsigned reg);
void nft_hash(struct nlbuf *b, unsigned from, uint32_t len, uint32_t mod, uint32_t seed,
	      unsigned reg);
void nft_counter(struct nlbuf *b);
void nft_fwd(struct nlbuf *b, unsigned reg);
/* To the process that has bound that queue; where nobody has, on to the next rule (bypass). */
void nft_queue(struct nlbuf *b, uint16_t number);
void nft_verdict(struct nlbuf *b, uint32_t verdict);
void nft_goto(struct nlbuf *b, const char *chain);
void nft_reject(struct nlbuf *b, uint32_t type, uint8_t code);

#endif
