/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>

#include "base/units.h"
#include "inject/change/nft_rules.h"

static void add_prefixes(struct text *t, const struct nft_gate_spec *s, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		const struct net_prefix *p = &s->prefix[i];
		char name[INET6_ADDRSTRLEN] = "?";

		inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, name, sizeof(name));
		text_add(t, "%s%s", i > first ? "," : "", name);
		if (p->len != (p->family == 4 ? 32 : 128))
			text_add(t, "/%u", p->len);
	}
}

static void add_end(struct text *t, const struct nft_gate_spec *s, const char *word,
		    const unsigned list[2], const uint16_t ports[2])
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
	const unsigned src[2] = { m->src_first, m->src_n }, dst[2] = { m->dst_first, m->dst_n };
	const uint16_t sport[2] = { m->sport_lo, m->sport_hi },
		       dport[2] = { m->dport_lo, m->dport_hi };
	bool in = m->hook & (GATE_INGRESS | GATE_INPUT);

	text_add(t, "%s%s", in ? "in" : "out", proto_name(m->proto));
	add_end(t, s, "from", src, sport);
	add_end(t, s, "to", dst, dport);
}

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
	if (s->dev[0])
		text_add(t, " on %s", s->dev);
}

void gate_print_action(const struct nft_gate_spec *s, struct text *t)
{
	static const char *const words[] = { [GATE_FWD] = "forward",
					     [GATE_DROP] = "drop",
					     [GATE_RESET] = "answer with a reset",
					     [GATE_UNREACHABLE] = "answer unreachable" };

	text_add(t, "%s ", words[s->action]);
	if (s->share_ppm < 1000000) {
		units_add_percent(t, s->share_ppm);
		text_add(t, " of ");
	}
	text_add(t, "%s ", s->of_connections ? "new TCP connections" : "packets");
	gate_print_matches(s, t);
	if (s->action == GATE_FWD)
		text_add(t, " to %s", s->fwd_dev);
}
