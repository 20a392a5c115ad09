/* SPDX-License-Identifier: Apache-2.0 */
/* Two faults of which one takes packets from the other: said when it may be, not said when it
 * cannot. */
#include "inject/net_overlap.h"

#include <netinet/in.h>
#include <stdio.h>

#include "tests/support/test.h"

static struct change_spec gate(void)
{
	struct change_spec s = { .kind = CHANGE_NFT_GATE };

	s.u.gate = (struct nft_gate_spec){
		.netns = { .cookie = 1 }, .dev = "eth0", .n_matches = 2, .n_prefixes = 2
	};
	s.u.gate.match[0] = (struct net_match){ .hook = GATE_EGRESS, .exempt = EXEMPT_SHIELD };
	s.u.gate.match[1] = (struct net_match){ .hook = GATE_EGRESS,
						.proto = IPPROTO_TCP,
						.dst_n = 1,
						.src_first = 1,
						.src_n = 1,
						.dport_lo = 80,
						.dport_hi = 90 };
	s.u.gate.prefix[0] = (struct net_prefix){ .family = 4, .len = 8, .addr = { 10 } };
	s.u.gate.prefix[1] = (struct net_prefix){ .family = 4, .len = 16, .addr = { 11, 1 } };
	s.u.gate.only = (struct gate_conditions){ .given = GATE_CONDITIONS,
						  .mark = 1,
						  .mark_mask = 3,
						  .uid = 5,
						  .length_lo = 100,
						  .length_hi = 200,
						  .dscp = 46,
						  .tcp_flags = 2,
						  .tcp_mask = 0x12 };
	return s;
}

/* Changes the second of two that are the same. */
#define MEET(want, ...)                                               \
	do {                                                          \
		struct change_spec a = gate(), b = gate();            \
		struct nft_gate_spec *g = &b.u.gate;                  \
		struct net_match *m = &g->match[1];                   \
		__VA_ARGS__;                                          \
		(void)m;                                              \
		if (gates_overlap(&a, &b, NULL) != (want) ||          \
		    gates_overlap(&b, &a, NULL) != (want))            \
			fail_msg("line %d: not %s", __LINE__, #want); \
	} while (0)

static void what_may_meet_is_said(void **state)
{
	(void)state;
	MEET(true, (void)g);
	MEET(true, m->hook = GATE_OUTPUT); /* another family, and the same way */
	MEET(true, m->proto = 0);
	MEET(true, m->dport_lo = 90; m->dport_hi = 100);
	MEET(true, m->dport_lo = m->dport_hi = 0);
	MEET(true, m->sport_lo = m->sport_hi = 5);
	MEET(true, m->dst_n = 0);
	MEET(true, g->prefix[0].len = 32; g->prefix[0].addr[3] = 1);
	MEET(true, g->prefix[1].len = 4);
	MEET(true, g->only.given = 0);
	MEET(true, g->only.mark = 0x11; g->only.mark_mask = 0x11);
	MEET(true, g->only.tcp_flags = g->only.tcp_mask = 4);
	MEET(true, g->only.length_lo = 200; g->only.length_hi = 300);
	MEET(true, g->only.given &= ~(uint32_t)GATE_USER; g->only.uid = 6);
}

static void what_cannot_meet_is_not(void **state)
{
	(void)state;
	MEET(false, b.kind = CHANGE_FILL);
	MEET(false, g->netns.cookie = 2);
	MEET(false, snprintf(g->dev, sizeof(g->dev), "eth1"));
	MEET(false, m->hook = GATE_INGRESS);
	MEET(false, m->exempt = EXEMPT_CHOSEN);
	MEET(false, m->proto = IPPROTO_UDP);
	MEET(false, m->dport_lo = 91; m->dport_hi = 100);
	MEET(false, g->prefix[0].addr[0] = 12);
	MEET(false, g->prefix[0].family = 6);
	MEET(false, g->prefix[1].len = 32; g->prefix[1].addr[1] = 2);
	MEET(false, g->only.mark = 2);
	MEET(false, g->only.dscp = 0);
	MEET(false, g->only.uid = 6);
	MEET(false, g->only.tcp_flags = 0x12);
	MEET(false, g->only.length_lo = 201; g->only.length_hi = 300);
}

/* The gates that put tags on: two of one packet write over each other. */
static void of_one_cgroup_the_last_tag_stays(void **state)
{
	(void)state;
	/* a drop at ingress takes it away from a queue; what waited in one goes on to another */
	MEET(true, g->action = GATE_QUEUE; g->match[0].hook = GATE_PREROUTING);
	MEET(false, a.u.gate.action = g->action = GATE_QUEUE;
	     a.u.gate.match[0].hook = g->match[0].hook = GATE_PREROUTING);
	MEET(false, g->action = GATE_TAG); /* of a fault, and what that fault does */
	MEET(true, a.u.gate.action = g->action = GATE_TAG);
	MEET(true, a.u.gate.action = g->action = GATE_TAG; g->only.cgroup = 7;
	     g->only.cgroup_level = 2); /* it may be within the other one */
	MEET(false, a.u.gate.action = g->action = GATE_TAG; g->only.cgroup = 7);
	MEET(false, a.u.gate.tag = 1u << GATE_TAG_SHIFT; g->tag = 2u << GATE_TAG_SHIFT);
	MEET(true, a.u.gate.tag = 1u << GATE_TAG_SHIFT);
	MEET(true, g->learn = LEARN_TOO);
	MEET(false, g->learn = LEARN_ONLY); /* it takes nothing of what goes out */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_meet_is_said),
		cmocka_unit_test(what_cannot_meet_is_not),
		cmocka_unit_test(of_one_cgroup_the_last_tag_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
