/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/nft_msg.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>

#define UDP_CHECKSUM 6 /* where it stands in the header: RFC 768 */

static void message(struct nlbuf *b, uint16_t type, uint8_t family, uint16_t flags, uint16_t res_id,
		    const char *what)
{
	struct nfgenmsg g = { .nfgen_family = family,
			      .version = NFNETLINK_V0,
			      .res_id = htons(res_id) };

	nlbuf_msg(b, type, flags, &g, sizeof(g), what);
}

void nft_begin(struct nlbuf *b)
{
	message(b, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES, "nf_tables");
}

void nft_commit(struct nlbuf *b)
{
	message(b, NFNL_MSG_BATCH_END, AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES, "nf_tables commit");
}

void nft_request(struct nlbuf *b, uint16_t cmd, uint8_t family, uint16_t flags, const char *what)
{
	message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | cmd), family, flags, 0, what);
}

static void create(struct nlbuf *b, uint16_t cmd, uint8_t family, uint16_t flags, const char *what)
{
	nft_request(b, cmd, family, flags | NLM_F_CREATE | NLM_F_ACK, what);
}

void nft_table(struct nlbuf *b, uint8_t family, const char *table, uint32_t flags)
{
	create(b, NFT_MSG_NEWTABLE, family, NLM_F_EXCL, "cannot create an nft table");
	nlbuf_str(b, NFTA_TABLE_NAME, table);
	nlbuf_be32(b, NFTA_TABLE_FLAGS, flags);
}

void nft_set(struct nlbuf *b, uint8_t family, const char *table, const struct nft_set_def *set)
{
	create(b, NFT_MSG_NEWSET, family, NLM_F_EXCL, "cannot create an nft set");
	nlbuf_str(b, NFTA_SET_TABLE, table);
	nlbuf_str(b, NFTA_SET_NAME, set->name);
	nlbuf_be32(b, NFTA_SET_FLAGS, set->flags);
	nlbuf_be32(b, NFTA_SET_KEY_TYPE, set->key_type);
	nlbuf_be32(b, NFTA_SET_KEY_LEN, set->key_len);
	nlbuf_be32(b, NFTA_SET_ID, set->id);
	if (set->size) {
		size_t desc = nlbuf_nest(b, NFTA_SET_DESC);

		nlbuf_be32(b, NFTA_SET_DESC_SIZE, set->size);
		nlbuf_end(b, desc);
	}
}

struct nft_elems nft_elems_open(struct nlbuf *b, uint16_t cmd, uint8_t family, const char *table,
				const char *set, const char *what)
{
	nft_request(b, cmd, family,
		    NLM_F_ACK | (cmd == NFT_MSG_NEWSETELEM ? NLM_F_CREATE | NLM_F_EXCL : 0), what);
	nlbuf_str(b, NFTA_SET_ELEM_LIST_TABLE, table);
	nlbuf_str(b, NFTA_SET_ELEM_LIST_SET, set);
	return (struct nft_elems){ nlbuf_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS) };
}

static void data(struct nlbuf *b, uint16_t type, const void *v, size_t len)
{
	size_t nest = nlbuf_nest(b, type);

	nlbuf_attr(b, NFTA_DATA_VALUE, v, len);
	nlbuf_end(b, nest);
}

void nft_elem(struct nlbuf *b, const void *key, size_t len, uint32_t flags, uint64_t timeout_ms)
{
	size_t elem = nlbuf_nest(b, NFTA_LIST_ELEM);

	data(b, NFTA_SET_ELEM_KEY, key, len);
	if (flags)
		nlbuf_be32(b, NFTA_SET_ELEM_FLAGS, flags);
	if (timeout_ms)
		nlbuf_be64(b, NFTA_SET_ELEM_TIMEOUT, timeout_ms);
	nlbuf_end(b, elem);
}

void nft_elems_close(struct nlbuf *b, struct nft_elems list)
{
	nlbuf_end(b, list.list);
}

void nft_chain(struct nlbuf *b, uint8_t family, const char *table,
	       const struct nft_chain_def *chain)
{
	size_t nest;

	create(b, NFT_MSG_NEWCHAIN, family, NLM_F_EXCL, "cannot create an nft chain on the device");
	nlbuf_str(b, NFTA_CHAIN_TABLE, table);
	nlbuf_str(b, NFTA_CHAIN_NAME, chain->name);
	nlbuf_str(b, NFTA_CHAIN_TYPE, "filter");
	nest = nlbuf_nest(b, NFTA_CHAIN_HOOK);
	nlbuf_be32(b, NFTA_HOOK_HOOKNUM, chain->hook);
	nlbuf_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)chain->prio);
	if (chain->dev)
		nlbuf_str(b, NFTA_HOOK_DEV, chain->dev);
	nlbuf_end(b, nest);
	nlbuf_be32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
}

void nft_plain_chain(struct nlbuf *b, uint8_t family, const char *table, const char *chain)
{
	create(b, NFT_MSG_NEWCHAIN, family, NLM_F_EXCL, "cannot create an nft chain");
	nlbuf_str(b, NFTA_CHAIN_TABLE, table);
	nlbuf_str(b, NFTA_CHAIN_NAME, chain);
}

struct nft_rule nft_rule_open(struct nlbuf *b, uint8_t family, const char *table, const char *chain)
{
	create(b, NFT_MSG_NEWRULE, family, NLM_F_APPEND, "cannot add an nft rule");
	nlbuf_str(b, NFTA_RULE_TABLE, table);
	nlbuf_str(b, NFTA_RULE_CHAIN, chain);
	return (struct nft_rule){ nlbuf_nest(b, NFTA_RULE_EXPRESSIONS) };
}

void nft_rule_close(struct nlbuf *b, struct nft_rule r)
{
	nlbuf_end(b, r.list);
}

struct expr {
	size_t elem, data;
};

static struct expr expr_open(struct nlbuf *b, const char *name)
{
	struct expr x = { .elem = nlbuf_nest(b, NFTA_LIST_ELEM) };

	nlbuf_str(b, NFTA_EXPR_NAME, name);
	x.data = nlbuf_nest(b, NFTA_EXPR_DATA);
	return x;
}

static void expr_close(struct nlbuf *b, struct expr x)
{
	nlbuf_end(b, x.data);
	nlbuf_end(b, x.elem);
}

static void put_reg(struct nlbuf *b, uint16_t type, unsigned reg)
{
	nlbuf_be32(b, type, NFT_REG32_00 + reg);
}

void nft_meta(struct nlbuf *b, uint32_t key, unsigned reg)
{
	struct expr x = expr_open(b, "meta");

	put_reg(b, NFTA_META_DREG, reg);
	nlbuf_be32(b, NFTA_META_KEY, key);
	expr_close(b, x);
}

void nft_payload(struct nlbuf *b, uint32_t base, uint32_t offset, uint32_t len, unsigned reg)
{
	struct expr x = expr_open(b, "payload");

	put_reg(b, NFTA_PAYLOAD_DREG, reg);
	nlbuf_be32(b, NFTA_PAYLOAD_BASE, base);
	nlbuf_be32(b, NFTA_PAYLOAD_OFFSET, offset);
	nlbuf_be32(b, NFTA_PAYLOAD_LEN, len);
	expr_close(b, x);
}

void nft_meta_set(struct nlbuf *b, uint32_t key, unsigned reg)
{
	struct expr x = expr_open(b, "meta");

	put_reg(b, NFTA_META_SREG, reg);
	nlbuf_be32(b, NFTA_META_KEY, key);
	expr_close(b, x);
}

void nft_bits(struct nlbuf *b, unsigned reg, const void *mask, const void *flip, size_t len)
{
	struct expr x = expr_open(b, "bitwise");

	put_reg(b, NFTA_BITWISE_SREG, reg);
	put_reg(b, NFTA_BITWISE_DREG, reg);
	nlbuf_be32(b, NFTA_BITWISE_LEN, (uint32_t)len);
	data(b, NFTA_BITWISE_MASK, mask, len);
	data(b, NFTA_BITWISE_XOR, flip, len);
	expr_close(b, x);
}

void nft_mask(struct nlbuf *b, unsigned reg, const void *mask, size_t len)
{
	static const char zero[16];

	nft_bits(b, reg, mask, zero, len);
}

void nft_socket_cgroup(struct nlbuf *b, uint32_t level, unsigned reg)
{
	struct expr x = expr_open(b, "socket");

	nlbuf_be32(b, NFTA_SOCKET_KEY, NFT_SOCKET_CGROUPV2);
	put_reg(b, NFTA_SOCKET_DREG, reg);
	nlbuf_be32(b, NFTA_SOCKET_LEVEL, level);
	expr_close(b, x);
}

void nft_cmp(struct nlbuf *b, unsigned reg, uint32_t op, const void *v, size_t len)
{
	struct expr x = expr_open(b, "cmp");

	put_reg(b, NFTA_CMP_SREG, reg);
	nlbuf_be32(b, NFTA_CMP_OP, op);
	data(b, NFTA_CMP_DATA, v, len);
	expr_close(b, x);
}

void nft_imm_bytes(struct nlbuf *b, unsigned reg, const void *v, size_t len)
{
	struct expr x = expr_open(b, "immediate");

	put_reg(b, NFTA_IMMEDIATE_DREG, reg);
	data(b, NFTA_IMMEDIATE_DATA, v, len);
	expr_close(b, x);
}

void nft_imm(struct nlbuf *b, unsigned reg, uint32_t v)
{
	nft_imm_bytes(b, reg, &v, sizeof(v));
}

void nft_udp_set(struct nlbuf *b, uint32_t offset, uint32_t len, unsigned reg, bool checksum)
{
	struct expr x = expr_open(b, "payload");

	put_reg(b, NFTA_PAYLOAD_SREG, reg);
	nlbuf_be32(b, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nlbuf_be32(b, NFTA_PAYLOAD_OFFSET, offset);
	nlbuf_be32(b, NFTA_PAYLOAD_LEN, len);
	if (checksum) {
		nlbuf_be32(b, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
		nlbuf_be32(b, NFTA_PAYLOAD_CSUM_OFFSET, UDP_CHECKSUM);
	}
	expr_close(b, x);
}

void nft_lookup(struct nlbuf *b, const char *set, uint32_t id, unsigned reg)
{
	struct expr x = expr_open(b, "lookup");

	nlbuf_str(b, NFTA_LOOKUP_SET, set);
	nlbuf_be32(b, NFTA_LOOKUP_SET_ID, id);
	put_reg(b, NFTA_LOOKUP_SREG, reg);
	expr_close(b, x);
}

void nft_learn(struct nlbuf *b, const char *set, uint32_t id, unsigned reg, uint64_t timeout_ms)
{
	struct expr x = expr_open(b, "dynset");

	nlbuf_str(b, NFTA_DYNSET_SET_NAME, set);
	nlbuf_be32(b, NFTA_DYNSET_SET_ID, id);
	nlbuf_be32(b, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	put_reg(b, NFTA_DYNSET_SREG_KEY, reg);
	nlbuf_be64(b, NFTA_DYNSET_TIMEOUT, timeout_ms);
	expr_close(b, x);
}

/* numgen and hash leave a host-order number; cmp compares bytes: bring it into network order, as
 * nft(8) does. */
static void to_network_order(struct nlbuf *b, unsigned reg)
{
	struct expr x = expr_open(b, "byteorder");

	put_reg(b, NFTA_BYTEORDER_SREG, reg);
	put_reg(b, NFTA_BYTEORDER_DREG, reg);
	nlbuf_be32(b, NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	nlbuf_be32(b, NFTA_BYTEORDER_LEN, 4);
	nlbuf_be32(b, NFTA_BYTEORDER_SIZE, 4);
	expr_close(b, x);
}

static void number(struct nlbuf *b, uint32_t type, uint32_t mod, unsigned reg)
{
	struct expr x = expr_open(b, "numgen");

	put_reg(b, NFTA_NG_DREG, reg);
	nlbuf_be32(b, NFTA_NG_MODULUS, mod);
	nlbuf_be32(b, NFTA_NG_TYPE, type);
	expr_close(b, x);
	to_network_order(b, reg);
}

void nft_random(struct nlbuf *b, uint32_t mod, unsigned reg)
{
	number(b, NFT_NG_RANDOM, mod, reg);
}

void nft_count(struct nlbuf *b, uint32_t mod, unsigned reg)
{
	number(b, NFT_NG_INCREMENTAL, mod, reg);
}

void nft_hash(struct nlbuf *b, unsigned from, uint32_t len, uint32_t mod, uint32_t seed,
	      unsigned reg)
{
	struct expr x = expr_open(b, "hash");

	put_reg(b, NFTA_HASH_SREG, from);
	put_reg(b, NFTA_HASH_DREG, reg);
	nlbuf_be32(b, NFTA_HASH_LEN, len);
	nlbuf_be32(b, NFTA_HASH_MODULUS, mod);
	nlbuf_be32(b, NFTA_HASH_SEED, seed);
	nlbuf_be32(b, NFTA_HASH_TYPE, NFT_HASH_JENKINS);
	expr_close(b, x);
	to_network_order(b, reg);
}

void nft_counter(struct nlbuf *b)
{
	expr_close(b, expr_open(b, "counter"));
}

void nft_fwd(struct nlbuf *b, unsigned reg)
{
	struct expr x = expr_open(b, "fwd");

	put_reg(b, NFTA_FWD_SREG_DEV, reg);
	expr_close(b, x);
}

void nft_queue(struct nlbuf *b, uint16_t number)
{
	struct expr x = expr_open(b, "queue");

	nlbuf_u16(b, NFTA_QUEUE_NUM, htons(number));
	nlbuf_u16(b, NFTA_QUEUE_TOTAL, htons(1));
	nlbuf_u16(b, NFTA_QUEUE_FLAGS, htons(NFT_QUEUE_FLAG_BYPASS));
	expr_close(b, x);
}

static void put_verdict(struct nlbuf *b, uint32_t verdict, const char *chain)
{
	struct expr x = expr_open(b, "immediate");
	size_t outer, inner;

	nlbuf_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	outer = nlbuf_nest(b, NFTA_IMMEDIATE_DATA);
	inner = nlbuf_nest(b, NFTA_DATA_VERDICT);
	nlbuf_be32(b, NFTA_VERDICT_CODE, verdict);
	if (chain)
		nlbuf_str(b, NFTA_VERDICT_CHAIN, chain);
	nlbuf_end(b, inner);
	nlbuf_end(b, outer);
	expr_close(b, x);
}

void nft_verdict(struct nlbuf *b, uint32_t verdict)
{
	put_verdict(b, verdict, NULL);
}

void nft_goto(struct nlbuf *b, const char *chain)
{
	put_verdict(b, (uint32_t)NFT_GOTO, chain);
}

void nft_reject(struct nlbuf *b, uint32_t type, uint8_t code)
{
	struct expr x = expr_open(b, "reject");

	nlbuf_be32(b, NFTA_REJECT_TYPE, type);
	nlbuf_u8(b, NFTA_REJECT_ICMP_CODE, code);
	expr_close(b, x);
}
