/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=nlsock_talk */
#include "inject/change/tc_msg.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/test.h"

#define POINTS 4096
#define SCALE  8192.0

int __wrap_nlsock_talk(struct nlsock *s, struct nlbuf *b, struct err *e);

static _Alignas(16) char sent[65536]; /* two tables, each of 32 KiB at most */

int __wrap_nlsock_talk(struct nlsock *s, struct nlbuf *b, struct err *e)
{
	(void)s;
	(void)e;
	assert_false(b->full);
	assert_int_equal(b->n, 1);
	assert_true(b->len <= sizeof(sent));
	memcpy(sent, b->data, b->len);
	return 0;
}

static int16_t table[POINTS];

static double mean(void)
{
	double sum = 0;

	for (unsigned i = 0; i < POINTS; i++)
		sum += table[i] / SCALE;
	return sum / POINTS;
}

static double variance(void)
{
	double sum = 0, m = mean();

	for (unsigned i = 0; i < POINTS; i++)
		sum += (table[i] / SCALE - m) * (table[i] / SCALE - m);
	return sum / POINTS;
}

static void near(double v, double want, double within)
{
	if (v < want - within || v > want + within)
		fail_msg("%f is not within %f of %f", v, within, want);
}

static void quantiles(enum netem_dist dist, double p1, double p10, double median, double p90,
		      double p99)
{
	assert_int_equal(netem_table(dist, table, POINTS), 0);
	for (unsigned i = 1; i < POINTS; i++)
		assert_true(table[i] >= table[i - 1]);
	near(table[POINTS / 100] / SCALE, p1, 0.02);
	near(table[POINTS / 10] / SCALE, p10, 0.01);
	near(table[POINTS / 2] / SCALE, median, 0.01);
	near(table[POINTS * 9 / 10] / SCALE, p90, 0.01);
	near(table[POINTS * 99 / 100] / SCALE, p99, 0.05);
	near(mean(), 0, 0.04); /* the tails are cut at 4 sigma */
}

static void the_tables_have_the_shapes_of_their_names(void **state)
{
	(void)state;
	quantiles(DIST_NORMAL, -2.326, -1.2816, 0, 1.2816, 2.326);
	near(variance(), 1, 0.01);
	near(mean(), 0, 0.001);
	for (unsigned i = 0; i < POINTS; i++)
		assert_true(abs(table[i] + table[POINTS - 1 - i]) <=
			    40); /* the same to both sides */
	/* shape 3, moved to mean 0 and deviation 1 */
	quantiles(DIST_PARETO, -0.5735, -0.5362, -0.2772, 0.7557, 3.628);
	quantiles(DIST_PARETONORMAL, -1.0117, -0.7225, -0.2079, 0.8872, 3.303);
}

static const struct nlattr *option(uint16_t type)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)sent;
	size_t head = NLMSG_LENGTH(sizeof(struct tcmsg)), fixed = sizeof(struct tc_netem_qopt);
	const struct nlattr *o = nlattr_find(sent + head, h->nlmsg_len - head, TCA_OPTIONS);

	assert_non_null(o);
	return nlattr_find((const char *)nlattr_data(o) + fixed, nlattr_len(o) - fixed, type);
}

static const struct tc_netem_qopt *basics(void)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)sent;
	size_t head = NLMSG_LENGTH(sizeof(struct tcmsg));

	return nlattr_data(nlattr_find(sent + head, h->nlmsg_len - head, TCA_OPTIONS));
}

static int64_t number64(const struct nlattr *a)
{
	int64_t v = -1;

	if (a)
		memcpy(&v, nlattr_data(a), sizeof(v));
	return v;
}

static void netem_is_told_exactly_what_was_asked(void **state)
{
	struct netem_side_spec s = {
		.delay_ns = 5 * NS_PER_S, .jitter_ns = 123456789, .loss_ppm = 300000, .limit = 77
	};
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)sent;
	const struct tcmsg *t = NLMSG_DATA(h);
	struct tc_netem_corr corr;
	struct nlsock sock = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(netem_set(&sock, 42, &s, &e), 0);
	assert_int_equal(h->nlmsg_type, RTM_NEWQDISC);
	assert_int_equal(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE |
						 NLM_F_EXCL); /* never replaces */
	assert_int_equal(t->tcm_ifindex, 42);
	assert_int_equal(t->tcm_parent, TC_H_ROOT);
	assert_int_equal(basics()->limit, 77);
	assert_int_equal(basics()->latency, 0);
	near(basics()->loss / 4294967295.0, 0.3, 1e-6);
	assert_int_equal(number64(option(TCA_NETEM_LATENCY64)),
			 5 * NS_PER_S); /* more than 32 bits of ns */
	assert_int_equal(number64(option(TCA_NETEM_JITTER64)), 123456789);
	assert_null(option(TCA_NETEM_CORR));
	assert_null(option(TCA_NETEM_DELAY_DIST));

	s.delay_corr_ppm = 250000;
	s.loss_corr_ppm = 1000000;
	s.dist = DIST_PARETO;
	assert_int_equal(netem_set(&sock, 42, &s, &e), 0);
	assert_non_null(option(TCA_NETEM_CORR));
	memcpy(&corr, nlattr_data(option(TCA_NETEM_CORR)), sizeof(corr));
	near(corr.delay_corr / 4294967295.0, 0.25, 1e-6);
	assert_int_equal(corr.loss_corr, UINT32_MAX);
	assert_int_equal(nlattr_len(option(TCA_NETEM_DELAY_DIST)), POINTS * sizeof(int16_t));
	assert_int_equal(netem_table(DIST_PARETO, table, POINTS), 0);
	assert_memory_equal(nlattr_data(option(TCA_NETEM_DELAY_DIST)), table, sizeof(table));
	s.loss_ppm = 1000000;
	assert_int_equal(netem_set(&sock, 42, &s, &e), 0);
	assert_int_equal(basics()->loss, UINT32_MAX); /* all of them */
}

/* The attribute as a struct of just its size. */
static void attribute(uint16_t type, void *ret, size_t n)
{
	const struct nlattr *a = option(type);

	assert_non_null(a);
	assert_int_equal(nlattr_len(a), n);
	memcpy(ret, nlattr_data(a), n);
}

static void set(const struct netem_side_spec *s)
{
	struct nlsock sock = { 0 };
	struct err e;

	assert_int_equal(netem_set(&sock, 42, s, &e), 0);
}

static void share_is(uint32_t v, double want)
{
	near(v / 4294967295.0, want, 1e-6);
}

static void duplicates_corruption_and_reordering_each_have_their_attribute(void **state)
{
	struct netem_side_spec s = { .duplicate_ppm = 50000, .limit = 1 };
	struct tc_netem_corrupt corrupt;
	struct tc_netem_reorder reorder;
	struct tc_netem_corr corr;

	(void)state;
	set(&s);
	share_is(basics()->duplicate, 0.05);
	assert_int_equal(basics()->gap, 0);
	for (uint16_t type = TCA_NETEM_CORR; type < TCA_NETEM_LATENCY64; type++)
		assert_null(option(type));
	assert_null(option(TCA_NETEM_SLOT));
	assert_null(option(TCA_NETEM_SLOT_DIST));
	s.duplicate_corr_ppm = 250000;
	s.corrupt_ppm = 10000;
	s.corrupt_corr_ppm = 20000;
	set(&s);
	attribute(TCA_NETEM_CORR, &corr, sizeof(corr));
	share_is(corr.dup_corr, 0.25);
	assert_int_equal(corr.loss_corr, 0);
	attribute(TCA_NETEM_CORRUPT, &corrupt, sizeof(corrupt));
	share_is(corrupt.probability, 0.01);
	share_is(corrupt.correlation, 0.02);
	s = (struct netem_side_spec){ .delay_ns = NS_PER_MS,
				      .reorder_ppm = 300000,
				      .reorder_corr_ppm = 40000,
				      .reorder_gap = 5 };
	set(&s);
	assert_int_equal(basics()->gap, 5); /* 0 would mean: no reordering */
	attribute(TCA_NETEM_REORDER, &reorder, sizeof(reorder));
	share_is(reorder.probability, 0.3);
	share_is(reorder.correlation, 0.04);
}

static void a_rate_has_64_bits(void **state)
{
	struct netem_side_spec s = { .rate = 125000,
				     .packet_overhead = -14,
				     .cell_size = 48,
				     .cell_overhead = 5,
				     .limit = 1 };
	struct tc_netem_rate rate;
	uint64_t wide;

	(void)state;
	set(&s);
	attribute(TCA_NETEM_RATE, &rate, sizeof(rate));
	assert_int_equal(rate.rate, 125000);
	assert_int_equal(rate.packet_overhead, -14);
	assert_int_equal(rate.cell_size, 48);
	assert_int_equal(rate.cell_overhead, 5);
	assert_null(option(TCA_NETEM_RATE64));
	s.rate = 12500000000; /* 100 gbit/s */
	set(&s);
	attribute(TCA_NETEM_RATE, &rate, sizeof(rate));
	assert_int_equal(rate.rate, UINT32_MAX);
	attribute(TCA_NETEM_RATE64, &wide, sizeof(wide));
	assert_int_equal(wide, 12500000000);
}

static void slots_have_two_ends_or_a_table_around_their_middle(void **state)
{
	struct netem_side_spec s = { .slot_min_ns = 10 * NS_PER_MS,
				     .slot_max_ns = 30 * NS_PER_MS,
				     .slot_packets = 7,
				     .slot_bytes = 9000,
				     .limit = 1 };
	struct tc_netem_slot slot;

	(void)state;
	set(&s);
	attribute(TCA_NETEM_SLOT, &slot, sizeof(slot));
	assert_int_equal(slot.min_delay, 10 * NS_PER_MS);
	assert_int_equal(slot.max_delay, 30 * NS_PER_MS);
	assert_int_equal(slot.max_packets, 7);
	assert_int_equal(slot.max_bytes, 9000);
	assert_int_equal(slot.dist_jitter, 0);
	assert_null(option(TCA_NETEM_SLOT_DIST));
	s.slot_dist = DIST_NORMAL;
	s.dist = DIST_PARETO; /* both tables fit into one message */
	set(&s);
	attribute(TCA_NETEM_SLOT, &slot, sizeof(slot));
	assert_int_equal(slot.dist_delay, 20 * NS_PER_MS);
	assert_int_equal(slot.dist_jitter, 10 * NS_PER_MS);
	assert_int_equal(netem_table(DIST_NORMAL, table, POINTS), 0);
	assert_int_equal(nlattr_len(option(TCA_NETEM_SLOT_DIST)), sizeof(table));
	assert_memory_equal(nlattr_data(option(TCA_NETEM_SLOT_DIST)), table, sizeof(table));
}

static const void *loss_model(uint16_t type, size_t n)
{
	const struct nlattr *a = option(TCA_NETEM_LOSS);

	assert_non_null(a);
	a = nlattr_find(nlattr_data(a), nlattr_len(a), type);
	assert_non_null(a);
	assert_int_equal(nlattr_len(a), n);
	return nlattr_data(a);
}

static void a_loss_model_stands_in_a_nest_of_its_own(void **state)
{
	struct netem_side_spec s = { .loss_model = LOSS_GILBERT_ELLIOTT,
				     .good_to_bad_ppm = 10000,
				     .bad_to_good_ppm = 200000,
				     .loss_in_bad_ppm = 700000,
				     .loss_in_good_ppm = 3000,
				     .limit = 1 };
	struct tc_netem_gemodel ge;
	struct tc_netem_gimodel gi;

	(void)state;
	set(&s);
	memcpy(&ge, loss_model(NETEM_LOSS_GE, sizeof(ge)), sizeof(ge));
	share_is(ge.p, 0.01);
	share_is(ge.r, 0.2);
	share_is(ge.h, 0.3); /* the kernel's h is what survives, the user's is what is lost */
	share_is(ge.k1, 0.003);
	assert_int_equal(basics()->loss, 0);
	s = (struct netem_side_spec){ .loss_model = LOSS_MARKOV,
				      .p13_ppm = 10000,
				      .p31_ppm = 200000,
				      .p32_ppm = 300000,
				      .p23_ppm = 400000,
				      .p14_ppm = 50000,
				      .limit = 1 };
	set(&s);
	memcpy(&gi, loss_model(NETEM_LOSS_GI, sizeof(gi)), sizeof(gi));
	share_is(gi.p13, 0.01);
	share_is(gi.p31, 0.2);
	share_is(gi.p32, 0.3);
	share_is(gi.p23, 0.4);
	share_is(gi.p14, 0.05);
}

static void an_ifb_is_made_new_and_up(void **state)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)sent;
	const struct ifinfomsg *i = NLMSG_DATA(h);
	struct nlsock sock = { 0 };
	const uint8_t mac[6] = { 2, 1, 2, 3, 4, 5 };
	const struct nlattr *a;
	struct err e;

	(void)state;
	assert_int_equal(link_add_ifb(&sock, "brinkx", mac, &e), 0);
	assert_int_equal(h->nlmsg_type, RTM_NEWLINK);
	assert_int_equal(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	assert_true(i->ifi_flags & i->ifi_change & IFF_UP);
	a = nlattr_find(i + 1, h->nlmsg_len - NLMSG_LENGTH(sizeof(*i)), IFLA_ADDRESS);
	assert_non_null(a);
	assert_memory_equal(nlattr_data(a), mac, sizeof(mac));
	assert_int_equal(link_del(&sock, 7, &e), 0);
	assert_int_equal(h->nlmsg_type, RTM_DELLINK);
	assert_int_equal(i->ifi_index, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_have_the_shapes_of_their_names),
		cmocka_unit_test(netem_is_told_exactly_what_was_asked),
		cmocka_unit_test(duplicates_corruption_and_reordering_each_have_their_attribute),
		cmocka_unit_test(a_rate_has_64_bits),
		cmocka_unit_test(slots_have_two_ends_or_a_table_around_their_middle),
		cmocka_unit_test(a_loss_model_stands_in_a_nest_of_its_own),
		cmocka_unit_test(an_ifb_is_made_new_and_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
