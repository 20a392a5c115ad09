/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_match.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#define LIST(...)                                                                         \
	(struct strings)                                                                  \
	{                                                                                 \
		.n = ARRAY_LEN(((const char *[]){ __VA_ARGS__ })), .at = (const char *[]) \
		{                                                                         \
			__VA_ARGS__                                                       \
		}                                                                         \
	}
static const struct strings none = { 0 };

static struct arena memory; /* of all groups, until the tests are over */

static struct net_groups groups(struct strings list, uint8_t proto)
{
	struct net_groups g;
	struct err e;

	if (net_groups_parse(&list, proto, &memory, &g, &e) < 0)
		fail_msg("%s", e.msg[0]);
	return g;
}

static const char *shown(const struct net_groups *g)
{
	static char buf[1000];
	struct text t = text_on(buf, sizeof(buf));

	for (unsigned i = 0; i < g->n; i++) {
		text_add(&t, "%s", i ? " | " : "");
		net_group_add(&t, &g->at[i]);
	}
	return buf;
}

#define SHOWS(proto, want, ...)                                                    \
	do {                                                                       \
		struct net_groups shown_groups = groups(LIST(__VA_ARGS__), proto); \
		assert_string_equal(shown(&shown_groups), want);                   \
	} while (0)

static void equal_ports_stand_together_and_covered_ranges_go(void **state)
{
	(void)state;
	SHOWS(0, "10.0.0.1,10.0.0.2:80", "10.0.0.1:80", "10.0.0.2:80");
	SHOWS(0, "10.0.0.1:80 | 10.0.0.1:81", "10.0.0.1:80", "10.0.0.1:81");
	SHOWS(0, "10.0.0.1:80/tcp | 10.0.0.1:80/udp", "10.0.0.1:80/tcp", "10.0.0.1:80/udp");
	SHOWS(0, "10.0.0.0/8:80", "10.0.0.0/8:80", "10.1.2.3:80", "10.0.0.0/8:80");
	SHOWS(0, "10.0.0.0/8:80", "10.1.2.3:80", "10.4.0.0/16:80", "10.0.0.0/8:80");
	SHOWS(0, "10.0.0.0/8,11.0.0.0/8", "10.0.0.0/8", "11.0.0.0/8");
	SHOWS(0, "0.0.0.0/0,::/0", "1.2.3.4", "0.0.0.0/0", "::1", "::/0");
	SHOWS(0, "10.0.0.0/25", "10.0.0.1", "10.0.0.0/25", "10.0.0.127");
	SHOWS(6, "10.0.0.1/tcp", "10.0.0.1");
	SHOWS(0, "*:80 | 10.0.0.1:80", "*:80", "10.0.0.1:80");
}

static void an_empty_list_is_anything(void **state)
{
	struct net_groups g = groups(none, 17);

	(void)state;
	assert_int_equal(g.n, 1);
	assert_int_equal(g.at[0].n_prefixes, 0);
	assert_int_equal(g.at[0].proto, 17);
}

static void too_many_and_contradictions_are_refused(void **state)
{
	struct strings list = LIST(":1", ":2", ":3", ":4", ":5", ":6", ":7");
	struct net_groups g;
	struct err e;

	(void)state;
	assert_int_equal(net_groups_parse(&list, 0, &memory, &g, &e), -E2BIG);
	list = LIST(":80/udp");
	assert_int_equal(net_groups_parse(&list, 6, &memory, &g, &e), -EINVAL);
}

static int match(struct nft_gate_spec *g, struct strings to, struct strings from,
		 enum net_direction dir, const struct shield_flows *flows, unsigned *ret_exempted,
		 struct err *e)
{
	struct net_groups t = groups(to, 0), f = groups(from, 0);

	return net_matches(g,
			   &(struct net_select){ .to = &t, .from = &f, .dir = dir, .flows = flows },
			   ret_exempted, e);
}

static unsigned acting(const struct nft_gate_spec *g, uint8_t hook)
{
	unsigned n = 0;

	for (unsigned i = 0; i < g->n_matches; i++)
		n += !g->match[i].exempt && g->match[i].hook == hook;
	return n;
}

static void every_direction_has_its_hook_and_both_turns_the_ends_round(void **state)
{
	static const struct {
		enum gate_action action;
		uint8_t out, in;
	} families[] = { { GATE_FWD, GATE_EGRESS, GATE_INGRESS },
			 { GATE_DROP, GATE_EGRESS, GATE_INGRESS },
			 { GATE_RESET, GATE_OUTPUT, GATE_INPUT },
			 { GATE_UNREACHABLE, GATE_OUTPUT, GATE_INPUT },
			 { GATE_QUEUE, GATE_OUTPUT, GATE_PREROUTING } };
	struct strings to = LIST("10.0.0.1:80/tcp"), from = LIST("10.0.0.2:90/tcp");
	unsigned exempted;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct nft_gate_spec g = { .action = (uint8_t)families[i].action };

		assert_int_equal(match(&g, to, from, NET_BOTH, NULL, &exempted, &e), 0);
		assert_int_equal(g.n_matches, 2);
		assert_int_equal(g.match[0].hook, families[i].out);
		assert_int_equal(g.match[0].dport_lo, 80);
		assert_int_equal(g.match[0].sport_hi, 90);
		assert_int_equal(g.prefix[g.match[0].dst_first].addr[3], 1);
		assert_int_equal(g.prefix[g.match[0].src_first].addr[3], 2);
		assert_int_equal(g.match[1].hook, families[i].in);
		assert_int_equal(g.match[1].dport_lo, 90);
		assert_int_equal(g.match[1].sport_hi, 80);
		assert_int_equal(g.prefix[g.match[1].dst_first].addr[3], 2);
		assert_int_equal(g.prefix[g.match[1].src_first].addr[3], 1);
		g = (struct nft_gate_spec){ .action = (uint8_t)families[i].action };
		assert_int_equal(match(&g, to, from, NET_IN, NULL, &exempted, &e), 0);
		assert_int_equal(g.n_matches, 1);
		assert_int_equal(g.match[0].hook, families[i].in);
		assert_int_equal(g.match[0].dport_lo,
				 80); /* `in` is a path: the ends stay as they were said */
	}
}

static void lists_are_multiplied_and_bounded(void **state)
{
	struct nft_gate_spec g = { .action = GATE_DROP };
	unsigned exempted;
	struct err e;

	(void)state;
	assert_int_equal(match(&g, LIST(":1/tcp", ":2/tcp", ":3/tcp"),
			       LIST("10.0.0.1:7/tcp", "10.0.0.2:8/tcp"), NET_OUT, NULL, &exempted,
			       &e),
			 0);
	assert_int_equal(acting(&g, GATE_EGRESS), 6);
	g = (struct nft_gate_spec){ .action = GATE_DROP };
	assert_int_equal(match(&g, LIST(":1/tcp", ":2/tcp", ":3/tcp", ":4/tcp", ":5/tcp", ":6/tcp"),
			       LIST(":1/tcp", ":2/tcp", ":3/tcp", ":4/tcp", ":5/tcp", ":6/tcp"),
			       NET_OUT, NULL, &exempted, &e),
			 -E2BIG);
	g = (struct nft_gate_spec){ .action = GATE_DROP };
	assert_int_equal(match(&g, LIST(":1/tcp"), LIST(":1/udp"), NET_OUT, NULL, &exempted, &e),
			 -EINVAL);
}

static void a_reset_and_flags_are_tcp(void **state)
{
	struct nft_gate_spec g = { .action = GATE_RESET };
	unsigned exempted;
	struct err e;

	(void)state;
	assert_int_equal(match(&g, LIST("10.0.0.1:80"), none, NET_OUT, NULL, &exempted, &e), 0);
	assert_int_equal(g.match[g.n_matches - 1].proto, IPPROTO_TCP);
	g = (struct nft_gate_spec){ .action = GATE_DROP, .only = { .given = GATE_FLAGS } };
	assert_int_equal(match(&g, LIST("10.0.0.1:80"), none, NET_OUT, NULL, &exempted, &e), 0);
	assert_int_equal(g.match[g.n_matches - 1].proto, IPPROTO_TCP);
	g = (struct nft_gate_spec){ .action = GATE_RESET };
	assert_int_equal(match(&g, LIST("10.0.0.1:80/udp"), none, NET_OUT, NULL, &exempted, &e),
			 -EINVAL);
}

static bool exempts(const struct nft_gate_spec *g, uint8_t hook, uint8_t proto, uint16_t sport_lo,
		    uint16_t dport_lo)
{
	bool seen_act = false, found = false;

	for (unsigned i = 0; i < g->n_matches; i++) {
		const struct net_match *m = &g->match[i];

		if (m->hook != hook)
			continue;
		seen_act |= !m->exempt;
		if (m->exempt && seen_act)
			fail_msg("an exemption stands behind a rule that acts");
		found |= m->exempt && m->proto == proto && m->sport_lo == sport_lo &&
			 m->dport_lo == dport_lo;
	}
	return found;
}

static void what_a_host_needs_to_stay_on_its_network_passes(void **state)
{
	static const char *const wide[] = { "*",        "10.0.0.0/8",  "*/udp",
					    ":1-65535", "*:60-67/udp", "*:68/udp" };
	unsigned exempted;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wide); i++) {
		struct nft_gate_spec g = { .action = GATE_DROP };

		assert_int_equal(match(&g, LIST(wide[i]), none, NET_BOTH, NULL, &exempted, &e), 0);
		assert_true(exempts(&g, GATE_EGRESS, IPPROTO_UDP, 67, 67));
		assert_true(exempts(&g, GATE_INGRESS, IPPROTO_UDP, 67, 67));
		assert_true(exempts(&g, GATE_EGRESS, IPPROTO_UDP, 546, 546) == (i < 4));
		assert_true(exempts(&g, GATE_EGRESS, IPPROTO_ICMPV6, 130 << 8, 0) == (i < 2));
		assert_true(exempts(&g, GATE_INGRESS, IPPROTO_ICMPV6, 130 << 8, 0) == (i < 2));
	}
	{ /* a rule that cannot catch them needs none */
		struct nft_gate_spec g = { .action = GATE_DROP };

		assert_int_equal(match(&g, LIST("10.0.0.1:80", "10.0.0.1/tcp"), none, NET_OUT, NULL,
				       &exempted, &e),
				 0);
		assert_int_equal(acting(&g, GATE_EGRESS), g.n_matches);
	}
}

/* Where session() puts them. */
static struct shield_flow room[64];

static struct shield_flows session(const char *remote, uint16_t port)
{
	static unsigned next;
	struct shield_flow *f = &room[next++ % ARRAY_LEN(room)];

	*f = (struct shield_flow){ .family = strchr(remote, ':') ? 6 : 4, .local_port = port };
	inet_pton(f->family == 6 ? AF_INET6 : AF_INET, remote, f->remote);
	inet_pton(f->family == 6 ? AF_INET6 : AF_INET, f->family == 6 ? "fd00::1" : "10.0.0.1",
		  f->local);
	return (struct shield_flows){ .n = 1, .at = f };
}

/* n sessions: each from an address of its own, to one port or to ports of their own. */
static struct shield_flows sessions(unsigned n, bool one_port)
{
	struct shield_flows s = { 0 };

	for (unsigned i = 0; i < n; i++) {
		struct shield_flow f = { .family = 4,
					 .local_port = (uint16_t)(one_port ? 22 : 22 + i),
					 .local = { 10, 0, 0, 1 },
					 .remote = { 192, 0, 2, (uint8_t)i } };

		assert_int_equal(shield_flows_add(&s, &f), 0);
		assert_int_equal(shield_flows_add(&s, &f), 0); /* the same one */
	}
	assert_int_equal(s.n, n);
	return s;
}

static unsigned exempted_by(const char *to, const char *from, enum net_direction dir,
			    const struct shield_flows *s)
{
	struct nft_gate_spec g = { .action = GATE_DROP };
	struct strings t = { .n = to ? 1 : 0, .at = &to }, f = { .n = from ? 1 : 0, .at = &from };
	unsigned exempted = 99;
	struct err e;

	if (match(&g, t, f, dir, s, &exempted, &e) < 0)
		fail_msg("%s", e.msg[0]);
	if (exempted)
		assert_true(g.match[0].exempt || g.match[1].exempt || g.match[2].exempt ||
			    g.match[3].exempt);
	return exempted;
}

/* From one client to two addresses of this host: two sessions, one exemption. */
static void a_client_of_two_addresses_is_exempted_once(void **state)
{
	struct shield_flows s = sessions(1, true);
	struct shield_flow f = s.at[0];
	struct nft_gate_spec g = { .action = GATE_DROP };
	const char *all = "*";
	const struct strings to = { .n = 1, .at = &all };
	unsigned exempted = 0;
	struct err e;

	(void)state;
	f.local[3] = 2;
	assert_int_equal(shield_flows_add(&s, &f), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(match(&g, to, (struct strings){ 0 }, NET_OUT, &s, &exempted, &e), 0);
	assert_int_equal(exempted, 2);
	assert_int_equal(g.n_prefixes, 1);
	shield_flows_done(&s);
}

static void the_operators_session_passes_where_it_could_be_hit(void **state)
{
	struct shield_flows s = session("192.0.2.7", 22), v6 = session("2001:db8::7", 22);

	(void)state;
	assert_int_equal(exempted_by("*", NULL, NET_OUT, &s), 1);
	assert_int_equal(exempted_by("192.0.2.0/24", NULL, NET_OUT, &s), 1);
	assert_int_equal(exempted_by("192.0.2.7:443", NULL, NET_OUT, &s),
			 1); /* its remote port may change */
	assert_int_equal(exempted_by("192.0.3.0/24", NULL, NET_OUT, &s), 0);
	assert_int_equal(exempted_by("*:22", NULL, NET_IN, &s), 1);
	assert_int_equal(exempted_by("*:23", NULL, NET_IN, &s), 0);
	assert_int_equal(exempted_by(NULL, "*:22", NET_OUT, &s), 1);
	assert_int_equal(exempted_by(NULL, "*:23", NET_OUT, &s), 0);
	assert_int_equal(exempted_by("*/udp", NULL, NET_OUT, &s), 0);
	assert_int_equal(exempted_by("*", NULL, NET_BOTH, &s), 1); /* one session, on both paths */
	assert_int_equal(exempted_by("2001:db8::/64", NULL, NET_OUT, &v6), 1);
	assert_int_equal(exempted_by("192.0.2.0/24", NULL, NET_OUT, &v6), 0);
	assert_int_equal(exempted_by("*", NULL, NET_OUT, NULL), 0);
}

static void the_exemption_is_exactly_the_session(void **state)
{
	struct shield_flows s = session("192.0.2.7", 22);
	struct nft_gate_spec g = { .action = GATE_DROP };
	const struct net_match *m;
	unsigned exempted;
	struct err e;

	(void)state;
	assert_int_equal(match(&g, LIST("192.0.2.0/24/tcp"), none, NET_BOTH, &s, &exempted, &e), 0);
	assert_int_equal(g.n_matches, 4);
	m = &g.match[0];
	assert_int_equal(m->exempt, 1);
	assert_int_equal(m->hook, GATE_EGRESS);
	assert_int_equal(m->proto, IPPROTO_TCP);
	assert_int_equal(m->dst_n, 1);
	assert_int_equal(g.prefix[m->dst_first].len, 32);
	assert_memory_equal(g.prefix[m->dst_first].addr, "\300\000\002\007", 4);
	assert_int_equal(m->sport_lo, 22);
	assert_int_equal(m->sport_hi, 22);
	assert_int_equal(m->dport_hi, 0);
	m = &g.match[1];
	assert_int_equal(m->exempt, 1);
	assert_int_equal(m->hook, GATE_INGRESS);
	assert_int_equal(m->dport_lo, 22);
	assert_int_equal(m->src_n, 1);
	assert_int_equal(m->sport_hi, 0);
}

static unsigned exemptions_from(const struct nft_gate_spec *g, bool any_address)
{
	unsigned n = 0;

	for (unsigned i = 0; i < g->n_matches; i++)
		n += g->match[i].exempt && g->match[i].proto == IPPROTO_TCP &&
		     (g->match[i].src_n + g->match[i].dst_n == 0) == any_address;
	return n;
}

static void many_sessions_of_one_port_share_an_exemption(void **state)
{
	struct nft_gate_spec g = { .action = GATE_DROP };
	struct shield_flows s = sessions(16, true);
	unsigned exempted;
	struct err e;

	(void)state;
	assert_int_equal(match(&g, LIST("*"), none, NET_BOTH, &s, &exempted, &e), 0);
	assert_int_equal(exempted, 16);
	assert_int_equal(exemptions_from(&g, false), 2); /* one for each path */
	assert_int_equal(exemptions_from(&g, true), 0);
	assert_int_equal(g.n_prefixes, 16); /* which share the addresses */
	shield_flows_done(&s);
}

static void more_sessions_than_addresses_find_room_let_the_whole_port_pass(void **state)
{
	struct nft_gate_spec g = { .action = GATE_DROP };
	struct shield_flows s = sessions(200, true);
	unsigned exempted;
	struct err e;

	(void)state;
	assert_int_equal(match(&g, LIST("*"), none, NET_BOTH, &s, &exempted, &e), 0);
	assert_int_equal(exempted, 200);
	assert_int_equal(exemptions_from(&g, false), 0);
	assert_int_equal(exemptions_from(&g, true), 2);
	/* of those that the fault can hit there are few */
	g = (struct nft_gate_spec){ .action = GATE_DROP };
	assert_int_equal(match(&g, LIST("192.0.2.0/29"), none, NET_BOTH, &s, &exempted, &e), 0);
	assert_int_equal(exempted, 8);
	assert_int_equal(exemptions_from(&g, false), 2);
	assert_int_equal(exemptions_from(&g, true), 0);
	shield_flows_done(&s);
}

/* The pool is for the fault's own addresses first: two lists, both ways, fill it. */
static void sessions_give_way_to_the_addresses_of_the_fault(void **state)
{
	struct shield_flows s = sessions(12, true);
	char text[48][24];
	const char *list[48];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(list); i++) {
		snprintf(text[i], sizeof(text[i]), "192.0.2.%u:%s", i / 2, i % 2 ? "443" : "80");
		list[i] = text[i];
	}
	for (unsigned n = 34; n <= ARRAY_LEN(list); n += 14) {
		struct nft_gate_spec g = { .action = GATE_DROP };
		unsigned exempted;
		struct err e;

		assert_int_equal(match(&g, (struct strings){ .n = n, .at = list }, none, NET_BOTH,
				       &s, &exempted, &e),
				 0);
		assert_int_equal(exempted, 12);
		assert_int_equal(g.n_prefixes, n == 34 ? 2 * n + 12 : 2 * n);
		assert_int_equal(exemptions_from(&g, true), n == 34 ? 0 : 2);
	}
	shield_flows_done(&s);
}

static void a_session_that_finds_no_room_is_refused_and_not_a_hit(void **state)
{
	struct shield_flows s = sessions(100, false);
	unsigned exempted;
	struct err e = { 0 };

	(void)state;
	for (unsigned n = 1; n <= s.n; n++) {
		struct nft_gate_spec g = { .action = GATE_DROP };
		struct shield_flows some = { .n = n, .at = s.at };
		int rc = match(&g, LIST("*"), none, NET_BOTH, &some, &exempted, &e);

		assert_true(rc == 0 || n > 10);
		assert_true(rc == -EPERM || n <= 12);
		if (rc == 0)
			assert_int_equal(exemptions_from(&g, false), 2 * n);
	}
	assert_non_null(strstr(e.msg[0], "more narrowly"));
	shield_flows_done(&s);
}

static void what_is_excluded_passes_at_either_end_in_every_hook(void **state)
{
	struct nft_gate_spec g = { .action = GATE_DROP };
	struct net_groups to = groups(LIST("10.0.0.0/8"), 0), from = groups(none, 0),
			  not = groups(LIST("10.0.0.1", "10.0.0.2", "*:22"), 0);
	struct net_select sel = { &to, &from, NET_BOTH, NULL, &not, false };
	unsigned exempted, seen = 0;
	bool acts = false;
	struct err e;

	(void)state;
	assert_int_equal(net_matches(&g, &sel, &exempted, &e), 0);
	assert_int_equal(exempted, 0);
	assert_int_equal(g.n_prefixes, 2 + 1 + 1); /* excluded ones stand in the pool once */
	for (unsigned i = 0; i < g.n_matches; i++) {
		const struct net_match *m = &g.match[i];

		acts |= !m->exempt;
		if (m->exempt != EXEMPT_CHOSEN)
			continue;
		assert_false(acts);
		seen++;
		if (m->dst_n || m->src_n)
			assert_int_equal(m->dst_n + m->src_n, 2);
		else
			assert_int_equal(m->dport_lo + m->sport_lo, 22);
	}
	assert_int_equal(seen, 2 * 2 * 2);
}

static void between_two_ends_both_ways_stand_in_both_hooks(void **state)
{
	struct net_groups a = groups(LIST("10.0.0.1"), 0), b = groups(LIST("10.0.0.2"), 0);

	(void)state;
	for (unsigned both = 0; both < 2; both++) {
		struct nft_gate_spec g = { .action = GATE_DROP };
		struct net_select sel = { &b, &a, both ? NET_BOTH : NET_OUT, NULL, NULL, true };
		unsigned exempted, there[2] = { 0 }, back[2] = { 0 }, exempts_nd = 0;
		struct err e;

		assert_int_equal(net_matches(&g, &sel, &exempted, &e), 0);
		for (unsigned i = 0; i < g.n_matches; i++) {
			const struct net_match *m = &g.match[i];
			unsigned in = m->hook == GATE_INGRESS;

			exempts_nd += m->exempt && m->proto == IPPROTO_ICMPV6;
			if (m->exempt)
				continue;
			if (g.prefix[m->dst_first].addr[3] == 2)
				there[in]++;
			else
				back[in]++;
		}
		assert_int_equal(there[0], 1);
		assert_int_equal(there[1], 1);
		assert_int_equal(back[0], both);
		assert_int_equal(back[1], both);
		assert_int_equal(exempts_nd, 2); /* once in a hook, however many paths it has */
	}
}

static void icmp_never_takes_neighbour_discovery(void **state)
{
	struct nft_gate_spec g = { .action = GATE_DROP };
	unsigned exempted;
	struct err e;

	(void)state;
	assert_int_equal(match(&g, LIST("*/icmp"), none, NET_BOTH, NULL, &exempted, &e), 0);
	assert_true(exempts(&g, GATE_EGRESS, IPPROTO_ICMPV6, 130 << 8, 0));
	assert_true(exempts(&g, GATE_INGRESS, IPPROTO_ICMPV6, 130 << 8, 0));
}

static void protocols_without_ports_take_none(void **state)
{
	struct net_groups any = groups(none, 0), icmp = groups(LIST("*/icmp"), 0),
			  port = groups(LIST("*:80"), 0), sctp = groups(LIST("*:80/sctp"), 0),
			  both = groups(LIST("10.0.0.1:80/icmp"), 0);
	struct err e;

	(void)state;
	assert_int_equal(net_groups_agree(&icmp, &any, &e), 0);
	assert_int_equal(net_groups_agree(&sctp, &any, &e), 0);
	assert_int_equal(net_groups_agree(&icmp, &port, &e), -EINVAL);
	assert_int_equal(net_groups_agree(&both, &any, &e), -EINVAL);
}

/* Whatever net_matches makes, the keeper's own check of the message takes. */
static void what_is_planned_passes_the_keepers_check(void **state)
{
	static const char *const ends[] = { "*",      "10.0.0.0/8:80", "[fd00::/64]:1-9/tcp",
					    "*/icmp", "*/icmpv6",      "::1",
					    ":53/udp" };
	unsigned good = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends) * ARRAY_LEN(ends) * 12; i++) {
		struct change_spec s = { .kind = CHANGE_NFT_GATE, .lease_ms = 3000 };
		const char *to = ends[i % ARRAY_LEN(ends)],
			   *from = ends[i / ARRAY_LEN(ends) % ARRAY_LEN(ends)];
		size_t rest = i / ARRAY_LEN(ends) / ARRAY_LEN(ends);
		struct shield_flows shield = session("10.0.0.7", 22);
		unsigned exempted;
		struct err e;

		s.u.gate = (struct nft_gate_spec){ .netns = { .cookie = 1 },
						   .table = "brink_t",
						   .fwd_dev = "brinkx",
						   .action = (uint8_t)(rest % 4),
						   .share_ppm = 1000000 };
		if (match(&s.u.gate, LIST(to), LIST(from), (enum net_direction)(rest / 4), &shield,
			  &exempted, &e) < 0)
			continue;
		good++;
		assert_int_equal(change_spec_check(&s, 0, &e), 0);
	}
	assert_true(good > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_ports_stand_together_and_covered_ranges_go),
		cmocka_unit_test(an_empty_list_is_anything),
		cmocka_unit_test(too_many_and_contradictions_are_refused),
		cmocka_unit_test(every_direction_has_its_hook_and_both_turns_the_ends_round),
		cmocka_unit_test(lists_are_multiplied_and_bounded),
		cmocka_unit_test(a_reset_and_flags_are_tcp),
		cmocka_unit_test(what_a_host_needs_to_stay_on_its_network_passes),
		cmocka_unit_test(a_client_of_two_addresses_is_exempted_once),
		cmocka_unit_test(the_operators_session_passes_where_it_could_be_hit),
		cmocka_unit_test(the_exemption_is_exactly_the_session),
		cmocka_unit_test(many_sessions_of_one_port_share_an_exemption),
		cmocka_unit_test(more_sessions_than_addresses_find_room_let_the_whole_port_pass),
		cmocka_unit_test(sessions_give_way_to_the_addresses_of_the_fault),
		cmocka_unit_test(a_session_that_finds_no_room_is_refused_and_not_a_hit),
		cmocka_unit_test(what_is_excluded_passes_at_either_end_in_every_hook),
		cmocka_unit_test(between_two_ends_both_ways_stand_in_both_hooks),
		cmocka_unit_test(icmp_never_takes_neighbour_discovery),
		cmocka_unit_test(protocols_without_ports_take_none),
		cmocka_unit_test(what_is_planned_passes_the_keepers_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
