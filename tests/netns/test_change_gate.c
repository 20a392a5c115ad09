/* SPDX-License-Identifier: Apache-2.0 */
/* One nft_gate in a network namespace of its own: what it does to packets, and what nft(8) sees of
 * it. */
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

#define PORT      7001
#define LEASE_MS  600
#define ARRIVE_MS 200
#define BEAT_NS   (100 * NS_PER_MS)
#define TABLE     "brink_gate_test"

struct fixture {
	struct rig r;
	int from, to;
};

static int port_open(bool receive)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(receive ? bind(fd, (struct sockaddr *)&a, sizeof(a)) :
				   connect(fd, (struct sockaddr *)&a, sizeof(a)),
			 0);
	return fd;
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
	snprintf(s->table, sizeof(s->table), TABLE);
	s->action = GATE_DROP;
	s->share_ppm = 1000000;
	s->n_matches = 1;
	s->match[0] = (struct net_match){
		.dport_lo = PORT, .dport_hi = PORT, .proto = IPPROTO_UDP, .hook = GATE_INPUT
	};
	f->to = port_open(true);
	f->from = port_open(false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_kill(&f->r);
	close(f->from);
	close(f->to);
	system("nft delete table inet " TABLE " 2>/dev/null");
	free(f);
	return 0;
}

/* Does a packet arrive? */
static bool passes(void *arg)
{
	struct fixture *f = arg;
	char byte = 'x';

	assert_int_equal(send(f->from, &byte, 1, 0), 1);
	return io_wait(f->to, POLLIN, clock_mono_ns() + ARRIVE_MS * NS_PER_MS) > 0 &&
	       recv(f->to, &byte, 1, MSG_DONTWAIT) == 1;
}

static bool table_there(void)
{
	return system("nft list table inet " TABLE " >/dev/null 2>&1") == 0;
}

static void open_gate(struct fixture *f)
{
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	assert_true(table_there());
	assert_int_equal(rig_ended(&f->r), 0);
	assert_true(passes(f));
	rig_must(&f->r, RIG_FIRE);
	assert_false(passes(f));
	assert_int_equal(rig_ended(&f->r), 1);
}

static void quiet_lets_packets_pass_while_the_table_and_its_holder_stay(void **state)
{
	struct fixture *f = *state;

	open_gate(f);
	rig_must(&f->r, RIG_QUIET);
	assert_true(passes(f));
	assert_int_equal(rig_ended(&f->r), 0);
	assert_true(table_there());
	assert_int_equal(rig_gone(&f->r), 1);
	rig_must(&f->r, RIG_QUIET);
	rig_must(&f->r, RIG_EFFECT);
	assert_true(f->r.value >= 1);
}

static void quiet_before_fire_is_harmless(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_QUIET);
	rig_must(&f->r, RIG_EFFECT); /* as a holder does when another change could not be armed */
	assert_int_equal(f->r.value, 0);
	rig_must(&f->r, RIG_ARM);
	rig_must(&f->r, RIG_QUIET);
	assert_true(passes(f));
}

static void beats_keep_the_gate_open_beyond_its_lease(void **state)
{
	struct fixture *f = *state;
	int64_t until;

	open_gate(f);
	until = clock_mono_ns() + 3 * LEASE_MS * NS_PER_MS;
	while (clock_mono_ns() < until) {
		rig_must(&f->r, RIG_REFRESH);
		io_wait(f->to, POLLIN, clock_mono_ns() + BEAT_NS);
	}
	assert_int_equal(rig_ended(&f->r), 1);
	assert_false(passes(f));
}

static void a_lease_without_beats_ends_and_is_never_taken_again(void **state)
{
	struct fixture *f = *state;

	open_gate(f);
	assert_true(rig_await(passes, f));
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_do(&f->r, RIG_REFRESH), -ENOENT);
	assert_true(rig_says(&f->r, "lost"));
	rig_must(&f->r, RIG_REFRESH); /* nothing any more */
	assert_true(passes(f));
	rig_must(&f->r, RIG_QUIET);
}

static bool table_gone(void *arg)
{
	(void)arg;
	return !table_there();
}

static void the_table_goes_with_its_holder(void **state)
{
	struct fixture *f = *state;

	open_gate(f);
	rig_kill(&f->r);
	assert_true(rig_await(table_gone, NULL));
	assert_true(passes(f));
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_int_equal(rig_undo(&f->r), 0);
}

/* As after a kernel that did not remove it: the record alone is enough. */
static void undo_deletes_the_table_of_the_record_and_no_other(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_start(&f->r), 0);
	assert_int_equal(system("nft 'add table inet " TABLE "; add table inet " TABLE "2'"), 0);
	assert_int_equal(rig_gone(&f->r), 1);
	assert_non_null(strstr(f->r.left, TABLE));
	assert_int_equal(rig_undo(&f->r), 0);
	assert_false(table_there());
	assert_int_equal(rig_gone(&f->r), 0);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(system("nft delete table inet " TABLE "2"), 0);
}

static void undo_does_not_take_it_from_a_living_holder(void **state)
{
	struct fixture *f = *state;

	open_gate(f);
	assert_true(rig_undo(&f->r) < 0);
	assert_true(table_there());
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(quiet_lets_packets_pass_while_the_table_and_its_holder_stay),
		TEST(quiet_before_fire_is_harmless),
		TEST(beats_keep_the_gate_open_beyond_its_lease),
		TEST(a_lease_without_beats_ends_and_is_never_taken_again),
		TEST(the_table_goes_with_its_holder),
		TEST(undo_deletes_the_table_of_the_record_and_no_other),
		TEST(undo_does_not_take_it_from_a_living_holder),
	};

	return cmocka_run_group_tests(tests, rig_own_netns, NULL) != 0;
}
