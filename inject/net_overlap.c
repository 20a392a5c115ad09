/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_overlap.h"

#include <netinet/in.h>
#include <string.h>

#include "inject/change/nft_dns.h"
#include "inject/change/nft_sets.h"
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

/* Both are sorted, and none of their ranges overlaps another one of the same list: see net_group.
 */
static bool lists_meet(const struct gate_list *a, const struct gate_list *b)
{
	for (uint32_t i = 0, k = 0; i < a->n && k < b->n;) {
		const struct net_prefix *p = &a->at[i], *q = &b->at[k];
		int order = p->family - q->family;

		if (net_prefix_overlap(p, q))
			return true;
		if (!order)
			order = memcmp(p->addr, q->addr, sizeof(p->addr));
		if (order < 0)
			i++;
		else
			k++;
	}
	return !a->n || !b->n;
}

bool net_protos_meet(uint8_t a, uint8_t b)
{
	return !a || !b || a == b || (a == IPPROTO_ICMP && b == IPPROTO_ICMPV6) ||
	       (a == IPPROTO_ICMPV6 && b == IPPROTO_ICMP);
}

static bool goes_out(const struct net_match *m)
{
	return m->hook == GATE_EGRESS || m->hook == GATE_OUTPUT;
}

static bool only_learns(const struct nft_gate_spec *g, const struct net_match *m)
{
	return g->learn == LEARN_ONLY && goes_out(m);
}

static bool matches_meet(const struct nft_gate_spec *a, const struct net_match *m,
			 const struct nft_gate_spec *b, const struct net_match *n,
			 const struct address_pool *pool)
{
	const struct gate_list a_dst = gate_list_of(a, pool, m->dst_first, m->dst_n),
			       b_dst = gate_list_of(b, pool, n->dst_first, n->dst_n),
			       a_src = gate_list_of(a, pool, m->src_first, m->src_n),
			       b_src = gate_list_of(b, pool, n->src_first, n->src_n);

	return !m->exempt && !n->exempt && !only_learns(a, m) && !only_learns(b, n) &&
	       goes_out(m) == goes_out(n) && net_protos_meet(m->proto, n->proto) &&
	       ports_meet(m->dport_lo, m->dport_hi, n->dport_lo, n->dport_hi) &&
	       ports_meet(m->sport_lo, m->sport_hi, n->sport_lo, n->sport_hi) &&
	       lists_meet(&a_dst, &b_dst) && lists_meet(&a_src, &b_src);
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

/* Of two gates that ask for different tags those that put them on decide: the last tag stays. A
 * cgroup of another depth may be within the other one. */
static bool owners_meet(const struct nft_gate_spec *g, const struct nft_gate_spec *h)
{
	if (g->action != GATE_TAG && h->action != GATE_TAG)
		return !g->tag || !h->tag || g->tag == h->tag;
	return g->action == h->action &&
	       (g->only.cgroup == h->only.cgroup || g->only.cgroup_level != h->only.cgroup_level);
}

/* What waited in a queue goes on to whatever stands behind it, another queue too. */
static bool both_treat(const struct nft_gate_spec *g, const struct nft_gate_spec *h)
{
	return (g->action == GATE_QUEUE && gate_family(h) == NFPROTO_INET) ||
	       (h->action == GATE_QUEUE && gate_family(g) == NFPROTO_INET);
}

bool gates_overlap(const struct change_spec *a, const struct change_spec *b,
		   const struct address_pool *pool)
{
	const struct nft_gate_spec *g = &a->u.gate, *h = &b->u.gate;

	if (a->kind != CHANGE_NFT_GATE || b->kind != CHANGE_NFT_GATE || !owners_meet(g, h) ||
	    both_treat(g, h) || g->netns.cookie != h->netns.cookie || strcmp(g->dev, h->dev) != 0 ||
	    !conditions_meet(&g->only, &h->only) || !dns_selects_meet(&g->dns, &h->dns))
		return false;
	for (unsigned i = 0; i < g->n_matches; i++) {
		for (unsigned k = 0; k < h->n_matches; k++) {
			if (matches_meet(g, &g->match[i], h, &h->match[k], pool))
				return true;
		}
	}
	return false;
}
