/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An nft_gate that learns flows, on the loopback device of a network namespace of its own: what
 * comes back on a flow that went out with the tag is forwarded and counted, what others get is not,
 * nor what comes in before anything went out.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "inject/change/kinds.h"
#include "inject/change/netns.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define PORT     7001
#define LEASE_MS 60000 /* nobody beats here */
#define WAIT_MS  5000
#define TAG      (3u << GATE_TAG_SHIFT)
#define OWN_MARK 0x15u

static int own_namespace(void **state)
{
	return rig_own_netns(state) == 0 && system("ip link add brinkifb type ifb && "
						   "ip link set brinkifb up") == 0 ?
		       0 :
		       -1;
}

struct fixture {
	struct rig r;
};

static socklen_t loopback(int family, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;

	*ret = (struct sockaddr_storage){ .ss_family = (sa_family_t)family };
	if (family == AF_INET) {
		v4->sin_port = htons(port);
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(port);
	v6->sin6_addr = in6addr_loopback;
	return sizeof(*v6);
}

static int bound(int family, uint16_t port, uint32_t mark)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(family, port, &a);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

static void pass(int from, int to, int family, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(family, port, &a);
	char byte = 'x';

	assert_int_equal(sendto(from, &byte, 1, 0, (struct sockaddr *)&a, len), 1);
	assert_true(io_wait(to, POLLIN, clock_mono_ns() + WAIT_MS * NS_PER_MS) > 0);
	assert_int_equal(recv(to, &byte, 1, MSG_DONTWAIT), 1);
}

static uint64_t hits(struct fixture *f)
{
	rig_must(&f->r, RIG_EFFECT);
	return f->r.value;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct nft_gate_spec *s = &f->r.spec.u.gate;

	assert_non_null(f);
	f->r.spec.kind = CHANGE_NFT_GATE;
	f->r.spec.lease_ms = LEASE_MS;
	f->r.caps = UINT64_MAX;
	assert_int_equal(netns_identify("", &s->netns, &f->r.e), 0);
	snprintf(s->table, sizeof(s->table), "brink_learn_test");
	snprintf(s->dev, sizeof(s->dev), "lo");
	snprintf(s->fwd_dev, sizeof(s->fwd_dev), "brinkifb");
	s->action = GATE_FWD;
	s->tag = TAG;
	s->share_ppm = 1000000;
	s->n_matches = 2;
	s->match[0] = (struct net_match){ .dport_lo = PORT, .dport_hi = PORT, .hook = GATE_EGRESS };
	s->match[1] =
		(struct net_match){ .sport_lo = PORT, .sport_hi = PORT, .hook = GATE_INGRESS };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_kill(&f->r);
	free(f);
	return 0;
}

static void open_gate(struct fixture *f, enum gate_learn learn)
{
	f->r.spec.u.gate.learn = learn;
	assert_int_equal(change_spec_check(&f->r.spec, 0, &f->r.e), 0);
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
}

/* own: how many of those that go out are treated. */
static void each_flow_fares_as_it_was_learnt(struct fixture *f, int family, unsigned own)
{
	int server = bound(family, PORT, 0), mine = bound(family, 9001, TAG | OWN_MARK),
	    other = bound(family, 9002, OWN_MARK), late = bound(family, 9003, TAG);
	uint64_t before = hits(f);

	pass(other, server, family, PORT);
	pass(server, other, family, 9002);
	pass(server, mine, family, 9001); /* it has not sent anything yet */
	pass(server, late, family, 9003);
	assert_int_equal(hits(f) - before, 0);
	pass(mine, server, family, PORT);
	assert_int_equal(hits(f) - before, own);
	for (unsigned i = 1; i <= 3; i++) {
		pass(server, mine, family, 9001);
		assert_int_equal(hits(f) - before, own + i);
	}
	pass(server, other, family, 9002);
	pass(server, late, family, 9003); /* another flow of the same cgroup */
	assert_int_equal(hits(f) - before, own + 3);
	pass(late, server, family, PORT);
	pass(server, late, family, 9003);
	assert_int_equal(hits(f) - before, 2 * own + 4);
	close(server);
	close(mine);
	close(other);
	close(late);
}

static void what_comes_back_is_treated(void **state)
{
	struct fixture *f = *state;

	open_gate(f, LEARN_ONLY);
	rig_must(&f->r, RIG_FIRE);
	each_flow_fares_as_it_was_learnt(f, AF_INET, 0);
	each_flow_fares_as_it_was_learnt(f, AF_INET6, 0);
}

static void what_goes_out_is_treated_too(void **state)
{
	struct fixture *f = *state;

	open_gate(f, LEARN_TOO);
	rig_must(&f->r, RIG_FIRE);
	each_flow_fares_as_it_was_learnt(f, AF_INET, 1);
	each_flow_fares_as_it_was_learnt(f, AF_INET6, 1);
}

static void nothing_is_learnt_before_the_lease_or_after_it(void **state)
{
	struct fixture *f = *state;
	int server = bound(AF_INET, PORT, 0), mine = bound(AF_INET, 9001, TAG);

	open_gate(f, LEARN_ONLY);
	pass(mine, server, AF_INET, PORT);
	rig_must(&f->r, RIG_FIRE);
	pass(server, mine, AF_INET, 9001);
	assert_int_equal(hits(f), 0);
	pass(mine, server, AF_INET, PORT);
	pass(server, mine, AF_INET, 9001);
	assert_int_equal(hits(f), 1);
	rig_must(&f->r, RIG_QUIET);
	pass(server, mine, AF_INET, 9001);
	assert_int_equal(hits(f), 1);
	close(server);
	close(mine);
}

/* The host's own look behind brink's: the tag is gone, its own mark is there. */
static void no_tag_stays_on_a_packet(void **state)
{
	struct fixture *f = *state;
	int server = bound(AF_INET, PORT, 0), mine = bound(AF_INET, 9001, TAG | OWN_MARK);

	open_gate(f, LEARN_ONLY);
	rig_must(&f->r, RIG_FIRE);
	assert_int_equal(system("nft -f - <<'END'\n"
				"table netdev host {\n"
				"	chain c { type filter hook egress device lo priority 10;\n"
				"		meta mark & 0x7c000000 != 0 counter name tagged\n"
				"		meta mark 0x15 counter name own\n"
				"	}\n"
				"	counter tagged { }\n"
				"	counter own { }\n"
				"}\nEND"),
			 0);
	pass(mine, server, AF_INET, PORT);
	assert_int_equal(system("nft list counter netdev host tagged | grep -q 'packets 0 ' && "
				"nft list counter netdev host own | grep -q 'packets 1 '"),
			 0);
	assert_int_equal(system("nft delete table netdev host"), 0);
	close(server);
	close(mine);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_comes_back_is_treated),
		TEST(what_goes_out_is_treated_too),
		TEST(nothing_is_learnt_before_the_lease_or_after_it),
		TEST(no_tag_stays_on_a_packet),
	};

	return cmocka_run_group_tests(tests, own_namespace, NULL) != 0;
}
