/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>

#include "base/units.h"
#include "inject/change/nft_dns.h"
#include "inject/change/nft_rules.h"

static void add_prefixes(struct text *t, const struct nft_gate_spec *s, uint32_t first, uint32_t n)
{
	if (first >= GATE_PREFIXES) {
		text_add(t, "%u addresses", n);
		return;
	}
	for (uint32_t i = first; i < first + n; i++) {
		const struct net_prefix *p = &s->prefix[i];
		char name[INET6_ADDRSTRLEN] = "?";

		inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, name, sizeof(name));
		text_add(t, "%s%s", i > first ? "," : "", name);
		if (p->len != (p->family == 4 ? 32 : 128))
			text_add(t, "/%u", p->len);
	}
}

static void add_end(struct text *t, const struct nft_gate_spec *s, const char *word,
		    const uint32_t list[2], const uint16_t ports[2])
{
	if (!list[1] && !ports[1])
		return;
	text_add(t, " %s ", word);
	if (list[1])
		add_prefixes(t, s, list[0], list[1]);
	else
		text_add(t, "*");
	if (ports[1])
		text_add(t, ":%u", ports[0]);
	if (ports[1] != ports[0])
		text_add(t, "-%u", ports[1]);
}

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return " tcp";
	case IPPROTO_UDP:
		return " udp";
	case IPPROTO_ICMP:
		return " icmp";
	case IPPROTO_ICMPV6:
		return " icmpv6";
	default:
		return "";
	}
}

static void add_match(struct text *t, const struct nft_gate_spec *s, const struct net_match *m)
{
	const uint32_t src[2] = { m->src_first, m->src_n }, dst[2] = { m->dst_first, m->dst_n };
	const uint16_t sport[2] = { m->sport_lo, m->sport_hi },
		       dport[2] = { m->dport_lo, m->dport_hi };
	bool in = m->hook & (GATE_INGRESS | GATE_INPUT | GATE_PREROUTING);

	text_add(t, "%s%s", in ? "in" : "out", proto_name(m->proto));
	add_end(t, s, "from", src, sport);
	add_end(t, s, "to", dst, dport);
}

/* What the user has excluded; it stands there once for each end and hook. */
static void add_excluded(struct text *t, const struct nft_gate_spec *s)
{
	for (unsigned i = 0; i < s->n_matches; i++) {
		const struct net_match *m = &s->match[i];
		const uint32_t dst[2] = { m->dst_first, m->dst_n };
		const uint16_t dport[2] = { m->dport_lo, m->dport_hi };

		if (m->exempt != EXEMPT_CHOSEN || m->hook != s->match[0].hook || m->src_n ||
		    m->sport_hi)
			continue;
		text_add(t, " except%s", proto_name(m->proto));
		add_end(t, s, "of", dst, dport);
	}
}

static void add_conditions(struct text *t, const struct gate_conditions *c)
{
	if (c->given & GATE_MARK)
		text_add(t, " mark 0x%x/0x%x", c->mark, c->mark_mask);
	if (c->given & GATE_DSCP)
		text_add(t, " dscp %u", c->dscp);
	if (c->given & GATE_LENGTH)
		text_add(t, " length %u-%u", c->length_lo, c->length_hi);
	if (c->given & GATE_USER)
		text_add(t, " of uid %u", c->uid);
	if (c->given & GATE_CGROUP)
		text_add(t, " of sockets of cgroup %llu", (unsigned long long)c->cgroup);
	if (c->given & GATE_FLAGS)
		text_add(t, " tcp flags 0x%02x/0x%02x", c->tcp_flags, c->tcp_mask);
}

static const char *const learn_words[] = {
	[LEARN_NOTHING] = "",
	[LEARN_TOO] = "; in: of flows that went out with it",
	[LEARN_ONLY] = "; out: only learnt; in: of flows that went out with it"
};

void gate_print_matches(const struct nft_gate_spec *s, struct text *t)
{
	bool more = false;

	for (unsigned i = 0; i < s->n_matches; i++) {
		if (s->match[i].exempt)
			continue;
		text_add(t, "%s", more ? "; " : "");
		add_match(t, s, &s->match[i]);
		more = true;
	}
	add_conditions(t, &s->only);
	dns_add_select(t, &s->dns);
	if (s->tag)
		text_add(t, " (tag 0x%x in the mark%s)", s->tag, learn_words[s->learn]);
	add_excluded(t, s);
	if (s->pool_crc) /* tells one list from another of the same length */
		text_add(t, " (crc32c of the addresses %08x)", s->pool_crc);
	if (s->dev[0])
		text_add(t, " on %s", s->dev);
}

void gate_print_action(const struct nft_gate_spec *s, struct text *t)
{
	static const char *const words[] = { [GATE_FWD] = "forward",
					     [GATE_DROP] = "drop",
					     [GATE_RESET] = "answer with a reset",
					     [GATE_UNREACHABLE] = "answer unreachable",
					     [GATE_TAG] = "tag",
					     [GATE_ANSWER] = "rewrite",

					     [GATE_QUEUE] = "queue" };

	text_add(t, "%s ", words[s->action]);
	if (s->share_ppm < 1000000) {
		units_add_percent(t, s->share_ppm);
		text_add(t, " of ");
	}
	if (s->every)
		text_add(t, "one in %u of ", s->every);
	text_add(t, "%s ", s->of_flows ? "flows" : "packets");
	gate_print_matches(s, t);
	if (s->action == GATE_FWD)
		text_add(t, " to %s", s->fwd_dev);
	if (s->action == GATE_QUEUE)
		text_add(t, " to number %u", s->queue);
}
