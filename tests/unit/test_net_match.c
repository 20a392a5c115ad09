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

static struct net_groups groups(struct strings list, uint8_t proto)
{
	struct net_groups g;
	struct err e;

	if (net_groups_parse(&list, proto, &g, &e) < 0)
		fail_msg("%s", e.msg[0]);
	return g;
}

static const char *shown(const struct net_groups *g)
{
	static char buf[1000];
	struct text t = text_on(buf, sizeof(buf));

	for (unsigned i = 0; i < g->n; i++) {
		text_add(&t, "%s", i ? " | " : "");
		endpoint_add(&t, &g->at[i]);
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
	static char text[ENDPOINT_PREFIXES + 1][32];
	const char *at[ENDPOINT_PREFIXES + 1];
	struct strings list = { .n = ENDPOINT_PREFIXES + 1, .at = at };
	struct net_groups g;
	struct err e;

	(void)state;
	for (unsigned i = 0; i <= ENDPOINT_PREFIXES; i++) {
		snprintf(text[i], sizeof(text[i]), "10.0.%u.1:80", i);
		at[i] = text[i];
	}
	assert_int_equal(net_groups_parse(&list, 0, &g, &e), -E2BIG);
	list.n--;
	assert_int_equal(net_groups_parse(&list, 0, &g, &e), 0);
	list = LIST(":1", ":2", ":3", ":4", ":5", ":6", ":7");
	assert_int_equal(net_groups_parse(&list, 0, &g, &e), -E2BIG);
	list = LIST(":80/udp");
	assert_int_equal(net_groups_parse(&list, 6, &g, &e), -EINVAL);
}

static int match(struct nft_gate_spec *g, struct strings to, struct strings from,
		 enum net_direction dir, const struct shield *shield, unsigned *ret_exempted,
		 struct err *e)
{
	struct net_groups t = groups(to, 0), f = groups(from, 0);

	return net_matches(g, &(struct net_select){ &t, &f, dir, shield }, ret_exempted, e);
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
			 { GATE_UNREACHABLE, GATE_OUTPUT, GATE_INPUT } };
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

static void a_reset_and_a_share_of_connections_are_tcp(void **state)
{
	struct nft_gate_spec g = { .action = GATE_RESET };
	unsigned exempted;
	struct err e;

	(void)state;
	assert_int_equal(match(&g, LIST("10.0.0.1:80"), none, NET_OUT, NULL, &exempted, &e), 0);
	assert_int_equal(g.match[g.n_matches - 1].proto, IPPROTO_TCP);
	g = (struct nft_gate_spec){ .action = GATE_DROP, .of_connections = 1 };
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
		assert_true(exempts(&g, GATE_EGRESS, IPPROTO_ICMPV6, 133 << 8, 0) == (i < 2));
		assert_true(exempts(&g, GATE_INGRESS, IPPROTO_ICMPV6, 133 << 8, 0) == (i < 2));
	}
	{ /* a rule that cannot catch them needs none */
		struct nft_gate_spec g = { .action = GATE_DROP };

		assert_int_equal(match(&g, LIST("10.0.0.1:80", "10.0.0.1/tcp"), none, NET_OUT, NULL,
				       &exempted, &e),
				 0);
		assert_int_equal(acting(&g, GATE_EGRESS), g.n_matches);
	}
}

static struct shield session(const char *remote, uint16_t port)
{
	struct shield s = { .n_flows = 1 };

	s.flow[0].family = strchr(remote, ':') ? 6 : 4;
	s.flow[0].local_port = port;
	inet_pton(s.flow[0].family == 6 ? AF_INET6 : AF_INET, remote, s.flow[0].remote);
	inet_pton(s.flow[0].family == 6 ? AF_INET6 : AF_INET,
		  s.flow[0].family == 6 ? "fd00::1" : "10.0.0.1", s.flow[0].local);
	return s;
}

static unsigned exempted_by(const char *to, const char *from, enum net_direction dir,
			    const struct shield *s)
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

static void the_operators_session_passes_where_it_could_be_hit(void **state)
{
	struct shield s = session("192.0.2.7", 22), v6 = session("2001:db8::7", 22);

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
	struct shield s = session("192.0.2.7", 22);
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
	m = &g.match[2];
	assert_int_equal(m->exempt, 1);
	assert_int_equal(m->hook, GATE_INGRESS);
	assert_int_equal(m->dport_lo, 22);
	assert_int_equal(m->src_n, 1);
	assert_int_equal(m->sport_hi, 0);
}

static void a_session_that_finds_no_room_is_an_error_and_not_a_hit(void **state)
{
	static struct shield s;
	struct nft_gate_spec g = { .action = GATE_DROP };
	unsigned exempted;
	struct err e;

	(void)state;
	s = session("192.0.2.7", 22);
	s.n_flows = SHIELD_FLOWS;
	for (unsigned i = 1; i < SHIELD_FLOWS; i++)
		s.flow[i] = s.flow[0];
	assert_int_equal(match(&g, LIST("*"), none, NET_OUT, &s, &exempted, &e), 0);
	assert_int_equal(exempted, SHIELD_FLOWS);
	g = (struct nft_gate_spec){ .action = GATE_DROP };
	assert_int_equal(match(&g, LIST("*"), none, NET_BOTH, &s, &exempted, &e), -E2BIG);
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
		struct shield shield = session("10.0.0.7", 22);
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
		assert_int_equal(change_spec_check(&s, &e), 0);
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
		cmocka_unit_test(a_reset_and_a_share_of_connections_are_tcp),
		cmocka_unit_test(what_a_host_needs_to_stay_on_its_network_passes),
		cmocka_unit_test(the_operators_session_passes_where_it_could_be_hit),
		cmocka_unit_test(the_exemption_is_exactly_the_session),
		cmocka_unit_test(a_session_that_finds_no_room_is_an_error_and_not_a_hit),
		cmocka_unit_test(what_is_planned_passes_the_keepers_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
