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

static _Alignas(16) char sent[16384];

int __wrap_nlsock_talk(struct nlsock *s, struct nlbuf *b, struct err *e)
{
	(void)s;
	(void)e;
	assert_false(b->full);
	assert_int_equal(b->n, 1);
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
		cmocka_unit_test(an_ifb_is_made_new_and_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
