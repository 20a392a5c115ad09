/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/nft_rules.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "inject/change/nft_dns.h"
#include "inject/change/nft_sets.h"

#define SHARE_ALL        1000000u
#define TCP_FLAGS_OFFSET 13
#define IPV6_HEADER      40
#define EVERY_CHAIN      "every"
#define PRIO_GATE                                                                              \
	(-99) /* behind DNAT (NF_IP_PRI_NAT_DST), as in the egress hook; before the host's own \
		 filters: they never see what the fault takes away */
#define PRIO_QUEUE                                                                    \
	(-150) /* NF_IP_PRI_MANGLE: behind defragmentation and conntrack, before DNAT \
		*/
#define PRIO_TAG                                                                         \
	10000 /* behind all of the host's own: they never see the tag, nor write over it \
	       */

uint8_t gate_family(const struct nft_gate_spec *s)
{
	bool netdev = s->n_matches && (s->match[0].hook & (GATE_EGRESS | GATE_INGRESS));

	return netdev ? NFPROTO_NETDEV : NFPROTO_INET;
}

struct hook_chain {
	uint8_t hook;
	const char *chain;
	uint32_t number;
	uint32_t iface; /* NFT_META_* that must be the device, for inet chains */
};

/* A reply needs a hook in which nf_tables can answer: output and forward for packets out, input and
 * forward for in. */
static const struct hook_chain hook_chains[] = {
	{ GATE_EGRESS, "egress", NF_NETDEV_EGRESS, 0 },
	{ GATE_INGRESS, "ingress", NF_NETDEV_INGRESS, 0 },
	{ GATE_OUTPUT, "output", NF_INET_LOCAL_OUT, NFT_META_OIFNAME },
	{ GATE_OUTPUT, "forward_out", NF_INET_FORWARD, NFT_META_OIFNAME },
	{ GATE_INPUT, "input", NF_INET_LOCAL_IN, NFT_META_IIFNAME },
	{ GATE_INPUT, "forward_in", NF_INET_FORWARD, NFT_META_IIFNAME },
	{ GATE_PREROUTING, "prerouting", NF_INET_PRE_ROUTING, NFT_META_IIFNAME },
};

/* The forward hook knows of no socket. */
static bool chain_used(const struct nft_gate_spec *s, const struct hook_chain *h)
{
	return !(s->only.given & GATE_CGROUP) || h->number != NF_INET_FORWARD || !h->iface;
}

static uint8_t hooks_used(const struct nft_gate_spec *s)
{
	uint8_t used = 0;

	for (unsigned i = 0; i < s->n_matches; i++)
		used |= s->match[i].hook;
	return used;
}

static int32_t priority(const struct nft_gate_spec *s)
{
	return s->action == GATE_TAG ? PRIO_TAG : s->action == GATE_QUEUE ? PRIO_QUEUE : PRIO_GATE;
}

static void gate_chains(struct nlbuf *b, const struct nft_gate_spec *s)
{
	uint8_t fam = gate_family(s), used = hooks_used(s);

	if (s->every)
		nft_plain_chain(b, fam, s->table, EVERY_CHAIN);
	for (size_t i = 0; i < ARRAY_LEN(hook_chains); i++) {
		const struct hook_chain *h = &hook_chains[i];

		if ((used & h->hook) && chain_used(s, h))
			nft_chain(b, fam, s->table,
				  &(struct nft_chain_def){ .name = h->chain,
							   .hook = h->number,
							   .prio = priority(s),
							   .dev = fam == NFPROTO_NETDEV ? s->dev :
											  NULL });
	}
}

/* One rule to write: a match in one chain, for one family and one protocol. */
struct rule {
	const struct nft_gate_spec *s;
	const struct address_pool *pool;
	const struct net_match *m;
	const struct hook_chain *h;
	unsigned family; /* 4 or 6 */
	uint8_t proto;   /* 0 = any */
	bool other;      /* protocols other than TCP and UDP, which have rules of their own */
	uint32_t fwd_ifindex;
};

static bool asks_for_tag(const struct nft_gate_spec *s)
{
	return s->tag && s->action != GATE_TAG;
}

static bool is_incoming(const struct rule *r)
{
	return r->h->hook & (GATE_INGRESS | GATE_INPUT);
}

bool gate_proto_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP || proto == IPPROTO_UDPLITE;
}

static void match_family(struct nlbuf *b, const struct rule *r)
{
	if (gate_family(r->s) == NFPROTO_NETDEV) {
		uint16_t proto = htons(r->family == 4 ? ETH_P_IP : ETH_P_IPV6);

		nft_meta(b, NFT_META_PROTOCOL, 0);
		nft_cmp(b, 0, NFT_CMP_EQ, &proto, sizeof(proto));
	} else {
		uint8_t proto = r->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

		nft_meta(b, NFT_META_NFPROTO, 0);
		nft_cmp(b, 0, NFT_CMP_EQ, &proto, sizeof(proto));
	}
}

static void match_device(struct nlbuf *b, const struct rule *r)
{
	char name[IFNAMSIZ] = { 0 };

	if (!r->h->iface || !r->s->dev[0])
		return;
	snprintf(name, sizeof(name), "%s", r->s->dev);
	nft_meta(b, r->h->iface, 0);
	nft_cmp(b, 0, NFT_CMP_EQ, name, sizeof(name));
}

/* RFC 791 and RFC 8200: where the addresses stand. */
static void load_address(struct nlbuf *b, unsigned family, bool dst, unsigned reg)
{
	uint32_t len = family == 4 ? 4 : 16;
	uint32_t src_at = family == 4 ? 12 : 8;

	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, src_at + (dst ? len : 0), len, reg);
}

static void match_addresses(struct nlbuf *b, const struct rule *r)
{
	const uint32_t lists[2][2] = { { r->m->src_first, r->m->src_n },
				       { r->m->dst_first, r->m->dst_n } };

	for (unsigned dst = 0; dst < 2; dst++) {
		char name[GATE_SET_NAME];

		if (!lists[dst][1])
			continue;
		gate_set_name(name, lists[dst][0], r->family);
		load_address(b, r->family, dst, 0);
		nft_lookup(b, name, gate_set_id(lists[dst][0], r->family), 0);
	}
}

static void match_port(struct nlbuf *b, uint32_t offset, uint16_t lo, uint16_t hi)
{
	uint16_t first = htons(lo), last = htons(hi);

	if (!lo && !hi)
		return;
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, offset, 2, 0);
	if (lo == hi) {
		nft_cmp(b, 0, NFT_CMP_EQ, &first, 2);
		return;
	}
	nft_cmp(b, 0, NFT_CMP_GTE, &first, 2);
	nft_cmp(b, 0, NFT_CMP_LTE, &last, 2);
}

/* meta and the mask of a mark are numbers of this machine's byte order; headers are not. */
static void match_mark(struct nlbuf *b, const struct gate_conditions *c)
{
	nft_meta(b, NFT_META_MARK, 0);
	nft_mask(b, 0, &c->mark_mask, sizeof(c->mark_mask));
	nft_cmp(b, 0, NFT_CMP_EQ, &c->mark, sizeof(c->mark));
}

static void match_tag(struct nlbuf *b, uint32_t tag)
{
	const uint32_t mask = GATE_TAG_MASK;

	nft_meta(b, NFT_META_MARK, 0);
	nft_mask(b, 0, &mask, sizeof(mask));
	nft_cmp(b, 0, NFT_CMP_EQ, &tag, sizeof(tag));
}

/* 0 takes it off. */
static void write_tag(struct nlbuf *b, uint32_t tag)
{
	const uint32_t rest = ~GATE_TAG_MASK;

	nft_meta(b, NFT_META_MARK, 0);
	nft_bits(b, 0, &rest, &tag, sizeof(tag));
	nft_meta_set(b, NFT_META_MARK, 0);
}

/* RFC 2474: the upper six bits of the TOS byte of IPv4, and of the traffic class of IPv6, which
 * begins in the middle of the first byte. */
static void match_dscp(struct nlbuf *b, const struct gate_conditions *c, unsigned family)
{
	uint16_t mask = htons(family == 4 ? 0x00fc : 0x0fc0);
	uint16_t want = htons((uint16_t)(c->dscp << (family == 4 ? 2 : 6)));

	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, 0, 2, 0);
	nft_mask(b, 0, &mask, sizeof(mask));
	nft_cmp(b, 0, NFT_CMP_EQ, &want, sizeof(want));
}

/* The length that the IP header says: meta length counts the Ethernet header on one hook and not on
 * the other. IPv6 says how much comes after its own header. */
static void match_length(struct nlbuf *b, const struct gate_conditions *c, unsigned family)
{
	unsigned before = family == 4 ? 0 : IPV6_HEADER;
	uint16_t lo = htons((uint16_t)(c->length_lo > before ? c->length_lo - before : 0));
	uint16_t hi = htons((uint16_t)(c->length_hi - before));

	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, family == 4 ? 2 : 4, 2, 0);
	nft_cmp(b, 0, NFT_CMP_GTE, &lo, sizeof(lo));
	if (c->length_hi < UINT16_MAX)
		nft_cmp(b, 0, NFT_CMP_LTE, &hi, sizeof(hi));
}

static bool comes_back(const struct rule *r)
{
	uint8_t used = hooks_used(r->s);

	return r->s->of_flows == FLOWS_BACK ||
	       ((used & (GATE_EGRESS | GATE_OUTPUT)) && is_incoming(r));
}

/* The ends of a flow from register 0 on, the other way round of what comes back, so that both ways
 * read the same. Returns the next register. */
static unsigned load_addresses(struct nlbuf *b, const struct rule *r)
{
	unsigned registers = r->family == 4 ? 1 : 4;
	bool back = comes_back(r);

	load_address(b, r->family, back, 0);
	load_address(b, r->family, !back, registers);
	return 2 * registers;
}

/* Each in a register of its own, zeroes behind it. Ports are in the same place in every protocol
 * that has them; of the others a flow is a pair of addresses. */
static unsigned load_ports(struct nlbuf *b, const struct rule *r, unsigned at)
{
	bool back = comes_back(r);

	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, back ? 2 : 0, 2, at);
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, back ? 0 : 2, 2, at + 1);
	return at + 2;
}

/* As the set of flows has it. */
static void load_flow(struct nlbuf *b, const struct rule *r)
{
	unsigned at = load_addresses(b, r);

	nft_meta(b, NFT_META_L4PROTO, at++);
	if (gate_proto_has_ports(r->proto)) {
		load_ports(b, r, at);
		return;
	}
	nft_imm(b, at, 0);
	nft_imm(b, at + 1, 0);
}

static void match_known_flow(struct nlbuf *b, const struct rule *r)
{
	load_flow(b, r);
	nft_lookup(b, flows_set_name(r->family), flows_set_id(r->family), 0);
}

static void match_conditions(struct nlbuf *b, const struct rule *r)
{
	const struct gate_conditions *c = &r->s->only;

	if (asks_for_tag(r->s) && !is_incoming(r))
		match_tag(b, r->s->tag);
	if (r->s->learn && is_incoming(r))
		match_known_flow(b, r);
	if (c->given & GATE_CGROUP) {
		nft_socket_cgroup(b, c->cgroup_level, 0);
		nft_cmp(b, 0, NFT_CMP_EQ, &c->cgroup, sizeof(c->cgroup));
	}
	if (c->given & GATE_MARK)
		match_mark(b, c);
	if (c->given & GATE_DSCP)
		match_dscp(b, c, r->family);
	if (c->given & GATE_LENGTH)
		match_length(b, c, r->family);
	if (c->given & GATE_USER) {
		nft_meta(b, NFT_META_SKUID, 0);
		nft_cmp(b, 0, NFT_CMP_EQ, &c->uid, sizeof(c->uid));
	}
	if (c->given & GATE_FLAGS) {
		nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, 0);
		nft_mask(b, 0, &c->tcp_mask, 1);
		nft_cmp(b, 0, NFT_CMP_EQ, &c->tcp_flags, 1);
	}
}

static bool hashes(const struct nft_gate_spec *s)
{
	return s->of_flows && s->share_ppm < SHARE_ALL;
}

/* Both ways of a flow come to the same number, which is left in the register that is returned. */
static unsigned match_flow(struct nlbuf *b, const struct rule *r)
{
	unsigned at = load_addresses(b, r);

	if (gate_proto_has_ports(r->proto))
		at = load_ports(b, r, at);
	nft_hash(b, 0, 4 * at, SHARE_ALL, r->s->seed ^ r->proto, at);
	return at;
}

/* A share of packets is a die per packet; a share of flows is a hash, so that whatever belongs to
 * one fares the same. */
static void match_share(struct nlbuf *b, const struct rule *r)
{
	uint32_t below = htonl(r->s->share_ppm);
	unsigned at = 0;

	if (r->s->share_ppm == SHARE_ALL)
		return;
	if (r->s->of_flows)
		at = match_flow(b, r);
	else
		nft_random(b, SHARE_ALL, 0);
	nft_cmp(b, at, NFT_CMP_LT, &below, sizeof(below));
}

static void match_lease(struct nlbuf *b)
{
	nft_imm(b, 0, htonl(GATE_LEASE_KEY));
	nft_lookup(b, GATE_LEASE_SET, GATE_LEASE_ID, 0);
}

/* tagged: the packets bear the tag that the gate asks for. */
static void act(struct nlbuf *b, const struct nft_gate_spec *s, bool tagged, uint32_t fwd_ifindex)
{
	match_lease(b);
	if (s->every) { /* behind the lease: the first one counts from where the fault begins */
		uint32_t last = htonl(s->every - 1);

		nft_count(b, s->every, 0);
		nft_cmp(b, 0, NFT_CMP_EQ, &last, sizeof(last));
	}
	if (s->action == GATE_TAG) { /* the gate that asks for the tag counts */
		write_tag(b, s->tag);
		return;
	}
	nft_counter(b);
	if (tagged)
		write_tag(b, 0);
	switch (s->action) {
	case GATE_FWD:
		nft_imm(b, 0, fwd_ifindex);
		nft_fwd(b, 0);
		break;
	case GATE_QUEUE:
		nft_queue(b, s->queue);
		break;
	case GATE_RESET:
		nft_reject(b, NFT_REJECT_TCP_RST, 0);
		break;
	case GATE_UNREACHABLE:
		nft_reject(b, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH);
		break;
	default:
		nft_verdict(b, NF_DROP);
	}
}

/* meta l4proto is the one behind IPv6's extension headers. */
static void match_proto(struct nlbuf *b, const struct rule *r)
{
	static const uint8_t have_own[] = { IPPROTO_TCP, IPPROTO_UDP };

	if (r->proto || r->other)
		nft_meta(b, NFT_META_L4PROTO, 0);
	if (r->proto)
		nft_cmp(b, 0, NFT_CMP_EQ, &r->proto, 1);
	for (size_t i = 0; r->other && i < ARRAY_LEN(have_own); i++)
		nft_cmp(b, 0, NFT_CMP_NEQ, &have_own[i], 1);
}

static struct nft_rule open_rule(struct nlbuf *b, const struct rule *r)
{
	struct nft_rule open = nft_rule_open(b, gate_family(r->s), r->s->table, r->h->chain);

	match_family(b, r);
	match_device(b, r);
	match_proto(b, r);
	match_addresses(b, r);
	match_port(b, 0, r->m->sport_lo, r->m->sport_hi);
	match_port(b, 2, r->m->dport_lo, r->m->dport_hi);
	return open;
}

/* Whatever else is asked for: another packet of the flow may have it. */
static void learn_rule(struct nlbuf *b, const struct rule *r)
{
	struct nft_rule open = open_rule(b, r);

	match_tag(b, r->s->tag);
	match_lease(b);
	load_flow(b, r);
	nft_learn(b, flows_set_name(r->family), flows_set_id(r->family), 0, FLOWS_TIMEOUT_MS);
	nft_rule_close(b, open);
}

static void write_rule(struct nlbuf *b, const struct rule *r)
{
	struct nft_rule open;

	if (r->s->learn && !r->m->exempt && !is_incoming(r)) {
		learn_rule(b, r);
		if (r->s->learn == LEARN_ONLY)
			return;
	}
	open = open_rule(b, r);
	if (r->m->exempt) {
		nft_verdict(b, NF_ACCEPT);
	} else {
		match_conditions(b, r);
		match_share(b, r);
		if (r->s->dns.n) {
			dns_match_message(b, r->h->hook == GATE_INGRESS, r->proto);
			match_lease(b); /* for all the chains behind it */
			nft_goto(b, dns_chain(r->proto));
		} else if (r->s->every)
			nft_goto(b, EVERY_CHAIN);
		else
			act(b, r->s, asks_for_tag(r->s) && !is_incoming(r), r->fwd_ifindex);
	}
	nft_rule_close(b, open);
}

static bool list_possible(const struct rule *r, uint32_t first, uint32_t n, bool grows)
{
	struct gate_list l = gate_list_of(r->s, r->pool, first, n);

	return !n || grows || gate_list_has(&l, r->family);
}

/* Is there anything to match in this family? An address list without members of it matches nothing
 * there; no IPv6 packet is shorter than its header. */
static bool family_possible(const struct rule *r)
{
	const struct net_match *m = r->m;
	const struct gate_conditions *c = &r->s->only;

	return list_possible(r, m->dst_first, m->dst_n, m->grows & GROWS_DST) &&
	       list_possible(r, m->src_first, m->src_n, m->grows & GROWS_SRC) &&
	       !(r->proto == IPPROTO_ICMPV6 && r->family == 4) &&
	       !(!m->exempt && (c->given & GATE_LENGTH) && r->family == 6 &&
		 c->length_hi < IPV6_HEADER);
}

/* For both families; ICMP is ICMPv6 in IPv6. */
static void rules_of_proto(struct nlbuf *b, struct rule r)
{
	for (r.family = 4; r.family <= 6; r.family += 2) {
		struct rule one = r;

		if (one.proto == IPPROTO_ICMP && one.family == 6)
			one.proto = IPPROTO_ICMPV6;
		if (family_possible(&one))
			write_rule(b, &one);
	}
}

/* A port without a protocol means TCP and UDP: the same bytes of other protocols are no ports. What
 * hashes or learns flows needs to know where there are some. */
static void rules_of_match(struct nlbuf *b, struct rule r)
{
	const struct net_match *m = r.m;
	bool ports = m->dport_hi || m->sport_hi;
	bool flows = !m->exempt && (hashes(r.s) || r.s->learn);

	if (m->proto || (!ports && !flows)) {
		r.proto = m->proto;
		rules_of_proto(b, r);
		return;
	}
	r.proto = IPPROTO_TCP;
	rules_of_proto(b, r);
	r.proto = IPPROTO_UDP;
	rules_of_proto(b, r);
	if (!ports) {
		r.proto = 0;
		r.other = true;
		rules_of_proto(b, r);
	}
}

/* Behind all others: whatever the fault leaves alone loses its tag too. */
static void untag_rule(struct nlbuf *b, const struct nft_gate_spec *s, const char *chain)
{
	struct nft_rule open = nft_rule_open(b, gate_family(s), s->table, chain);

	match_tag(b, s->tag);
	write_tag(b, 0);
	nft_rule_close(b, open);
}

/* What the chains of nft_dns.h lead to. The lease is alive: see write_rule(). */
static void dns_rule(struct nlbuf *b, const struct nft_gate_spec *s, uint32_t fwd_ifindex)
{
	struct nft_rule open = nft_rule_open(b, gate_family(s), s->table, DNS_HIT_CHAIN);

	act(b, s, false, fwd_ifindex);
	nft_rule_close(b, open);
}

/* The one rule behind all of them: one counter for every protocol, family and direction. */
static void every_rule(struct nlbuf *b, const struct nft_gate_spec *s, uint32_t fwd_ifindex)
{
	struct nft_rule open = nft_rule_open(b, gate_family(s), s->table, EVERY_CHAIN);

	act(b, s, asks_for_tag(s), fwd_ifindex);
	nft_rule_close(b, open);
	if (s->tag)
		untag_rule(b, s, EVERY_CHAIN);
}

static void gate_rules(struct nlbuf *b, const struct nft_gate_spec *s,
		       const struct address_pool *pool, uint32_t fwd_ifindex)
{
	for (size_t h = 0; h < ARRAY_LEN(hook_chains); h++) {
		for (unsigned i = 0; i < s->n_matches; i++) {
			if (s->match[i].hook == hook_chains[h].hook &&
			    chain_used(s, &hook_chains[h]))
				rules_of_match(b, (struct rule){ .s = s,
								 .pool = pool,
								 .m = &s->match[i],
								 .h = &hook_chains[h],
								 .fwd_ifindex = fwd_ifindex });
		}
		if (asks_for_tag(s) && (hooks_used(s) & hook_chains[h].hook & GATE_EGRESS))
			untag_rule(b, s, hook_chains[h].chain);
	}
	if (s->every)
		every_rule(b, s, fwd_ifindex);
	if (s->dns.n && s->action != GATE_ANSWER)
		dns_rule(b, s, fwd_ifindex);
}

void gate_write(struct nlbuf *b, const struct nft_gate_spec *s, const struct address_pool *pool,
		uint32_t fwd_ifindex)
{
	nft_begin(b);
	if (!s->dns.n && !gate_load_of(s, pool).n_lists)
		nft_table(b, gate_family(s), s->table, NFT_TABLE_F_OWNER);
	gate_sets(b, s);
	gate_chains(b, s);
	gate_rules(b, s, pool, fwd_ifindex);
	nft_commit(b);
}
