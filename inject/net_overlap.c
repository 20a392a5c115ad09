/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_overlap.h"

#include <netinet/in.h>
#include <string.h>

#include "inject/endpoint.h"

static bool ranges_meet(unsigned a_lo, unsigned a_hi, unsigned b_lo, unsigned b_hi)
{
	return a_lo <= b_hi && b_lo <= a_hi;
}

/* 0, 0 is any port. */
static bool ports_meet(unsigned a_lo, unsigned a_hi, unsigned b_lo, unsigned b_hi)
{
	return !a_hi || !b_hi || ranges_meet(a_lo, a_hi, b_lo, b_hi);
}

static bool lists_meet(const struct net_prefix *a, unsigned n_a, const struct net_prefix *b,
		       unsigned n_b)
{
	for (unsigned i = 0; i < n_a; i++) {
		for (unsigned k = 0; k < n_b; k++) {
			if (net_prefix_overlap(&a[i], &b[k]))
				return true;
		}
	}
	return !n_a || !n_b;
}

/* ICMP stands for ICMPv6 too. */
static bool protos_meet(uint8_t a, uint8_t b)
{
	return !a || !b || a == b || (a == IPPROTO_ICMP && b == IPPROTO_ICMPV6) ||
	       (a == IPPROTO_ICMPV6 && b == IPPROTO_ICMP);
}

static bool goes_out(const struct net_match *m)
{
	return m->hook == GATE_EGRESS || m->hook == GATE_OUTPUT;
}

static bool matches_meet(const struct nft_gate_spec *a, const struct net_match *m,
			 const struct nft_gate_spec *b, const struct net_match *n)
{
	return !m->exempt && !n->exempt && goes_out(m) == goes_out(n) &&
	       protos_meet(m->proto, n->proto) &&
	       ports_meet(m->dport_lo, m->dport_hi, n->dport_lo, n->dport_hi) &&
	       ports_meet(m->sport_lo, m->sport_hi, n->sport_lo, n->sport_hi) &&
	       lists_meet(&a->prefix[m->dst_first], m->dst_n, &b->prefix[n->dst_first], n->dst_n) &&
	       lists_meet(&a->prefix[m->src_first], m->src_n, &b->prefix[n->src_first], n->src_n);
}

static bool conditions_meet(const struct gate_conditions *a, const struct gate_conditions *b)
{
	uint32_t both = a->given & b->given;

	return !((both & GATE_MARK) && ((a->mark ^ b->mark) & a->mark_mask & b->mark_mask)) &&
	       !((both & GATE_DSCP) && a->dscp != b->dscp) &&
	       !((both & GATE_USER) && a->uid != b->uid) &&
	       !((both & GATE_FLAGS) &&
		 ((a->tcp_flags ^ b->tcp_flags) & a->tcp_mask & b->tcp_mask)) &&
	       !((both & GATE_LENGTH) &&
		 !ranges_meet(a->length_lo, a->length_hi, b->length_lo, b->length_hi));
}

bool gates_overlap(const struct change_spec *a, const struct change_spec *b)
{
	const struct nft_gate_spec *g = &a->u.gate, *h = &b->u.gate;

	if (a->kind != CHANGE_NFT_GATE || b->kind != CHANGE_NFT_GATE ||
	    g->netns.cookie != h->netns.cookie || strcmp(g->dev, h->dev) != 0 ||
	    !conditions_meet(&g->only, &h->only))
		return false;
	for (unsigned i = 0; i < g->n_matches; i++) {
		for (unsigned k = 0; k < h->n_matches; k++) {
			if (matches_meet(g, &g->match[i], h, &h->match[k]))
				return true;
		}
	}
	return false;
}
