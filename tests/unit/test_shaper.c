/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/shaper.h"

#include <errno.h>

#include "base/clock.h"
#include "tests/support/test.h"

#define N 100000

static struct shaper h;

static void begin(const struct netem_side_spec *s)
{
	struct err e;

	assert_int_equal(shaper_init(&h, s, 42, &e), 0);
}

static void within(int64_t v, int64_t lo, int64_t hi)
{
	if (v < lo || v > hi)
		fail_msg("%lld is not within %lld and %lld", (long long)v, (long long)lo,
			 (long long)hi);
}

static unsigned count_lost(const struct netem_side_spec *s, unsigned *ret_bursts)
{
	unsigned lost = 0;
	bool before = false;

	begin(s);
	*ret_bursts = 0;
	for (unsigned i = 0; i < N; i++) {
		bool now = shaper_next(&h, i, 100).lost;

		lost += now;
		*ret_bursts += now && !before;
		before = now;
	}
	return lost;
}

static void a_delay_is_the_same_for_all(void **state)
{
	const struct netem_side_spec s = { .delay_ns = 50 * NS_PER_MS };

	(void)state;
	begin(&s);
	for (int64_t i = 0; i < 100; i++) {
		struct shaped p = shaper_next(&h, i * 1000, 1500);

		assert_false(p.lost);
		assert_false(p.corrupted);
		assert_int_equal(p.at_ns, i * 1000 + 50 * NS_PER_MS);
	}
}

/* Within three sigma of a binomial distribution. */
static void losses_are_as_many_as_asked(void **state)
{
	const struct netem_side_spec none = { 0 }, some = { .loss_ppm = 10000 },
				     many = { .loss_ppm = 300000 }, all = { .loss_ppm = 1000000 };
	unsigned bursts;

	(void)state;
	assert_int_equal(count_lost(&none, &bursts), 0);
	within(count_lost(&some, &bursts), 1000 - 95, 1000 + 95);
	within(count_lost(&many, &bursts), 30000 - 435, 30000 + 435);
	within(bursts, 20500, 21500); /* 0.3 * 0.7 of all */
	assert_int_equal(count_lost(&all, &bursts), N);
}

/* What netem's own formula gives: fewer, longer runs. */
static void correlation_makes_bursts(void **state)
{
	const struct netem_side_spec s = { .loss_ppm = 300000, .loss_corr_ppm = 900000 };
	unsigned bursts, lost = count_lost(&s, &bursts);

	(void)state;
	assert_true(lost > 0);
	assert_true(lost / bursts >= 2);
}

static void models_of_loss_have_their_shares_and_bursts(void **state)
{
	/* 1 % in, 10 % out: 1/11 of the time in the bad state, 10 packets at a time */
	const struct netem_side_spec ge = { .loss_model = LOSS_GILBERT_ELLIOTT,
					    .good_to_bad_ppm = 10000,
					    .bad_to_good_ppm = 100000,
					    .loss_in_bad_ppm = 1000000 };
	const struct netem_side_spec half = { .loss_model = LOSS_GILBERT_ELLIOTT,
					      .good_to_bad_ppm = 10000,
					      .bad_to_good_ppm = 100000,
					      .loss_in_bad_ppm = 500000 };
	const struct netem_side_spec markov = {
		.loss_model = LOSS_MARKOV, .p13_ppm = 10000, .p31_ppm = 100000, .p23_ppm = 1000000
	};
	const struct netem_side_spec single = {
		.loss_model = LOSS_MARKOV, .p13_ppm = 1, .p31_ppm = 1000000, .p14_ppm = 100000
	};
	unsigned bursts, lost;

	(void)state;
	lost = count_lost(&ge, &bursts);
	within(lost, 7500, 10700);
	within(lost / bursts, 8, 12);
	within(count_lost(&half, &bursts), 3700, 5400);
	lost = count_lost(&markov, &bursts);
	within(lost, 7500, 10700);
	within(lost / bursts, 8, 12);
	lost = count_lost(&single, &bursts);
	within(lost, 8600, 9600); /* one in eleven: after a loss one always passes */
	within(lost - bursts, 0, 5);
}

static void jitter_has_its_distribution(void **state)
{
	static const struct {
		enum netem_dist dist;
		int64_t lo, hi, mean_lo, mean_hi, within_one; /* ms; of 1000 */
	} rows[] = {
		{ DIST_UNIFORM, 150, 250, 199, 201, 1000 },
		{ DIST_NORMAL, 0, 400, 199, 201, 683 },
		{ DIST_PARETO, 150, 500, 197, 203, 880 },
		{ DIST_PARETONORMAL, 130, 500, 197, 203, 900 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct netem_side_spec s = { .delay_ns = 200 * NS_PER_MS,
						   .jitter_ns = 50 * NS_PER_MS,
						   .dist = rows[i].dist };
		int64_t sum = 0, near = 0;

		begin(&s);
		for (unsigned k = 0; k < N; k++) {
			int64_t at = shaper_next(&h, 0, 100).at_ns;

			within(at / NS_PER_MS, rows[i].lo, rows[i].hi);
			sum += at / 1000;
			near += at >= 150 * NS_PER_MS && at < 250 * NS_PER_MS;
		}
		within(sum / N, rows[i].mean_lo * 1000, rows[i].mean_hi * 1000);
		within(near * 1000 / N, rows[i].within_one - 60, rows[i].within_one + 60);
	}
}

static void correlated_delays_follow_each_other(void **state)
{
	struct netem_side_spec s = { .delay_ns = 100 * NS_PER_MS, .jitter_ns = 50 * NS_PER_MS };
	int64_t step[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		int64_t last = 100 * NS_PER_MS;

		s.delay_corr_ppm = i ? 900000 : 0;
		step[i] = 0;
		begin(&s);
		for (unsigned k = 0; k < N; k++) {
			int64_t at = shaper_next(&h, 0, 100).at_ns;

			step[i] += at > last ? at - last : last - at;
			last = at;
		}
	}
	assert_true(step[1] * 5 < step[0]);
}

static void some_skip_the_delay(void **state)
{
	struct netem_side_spec s = { .delay_ns = NS_PER_MS,
				     .reorder_ppm = 250000,
				     .reorder_gap = 1 };
	unsigned at_once = 0;

	(void)state;
	begin(&s);
	for (unsigned i = 0; i < N; i++)
		at_once += shaper_next(&h, 0, 100).at_ns == 0;
	within(at_once, 25000 - 420, 25000 + 420);
	s.reorder_ppm = 1000000;
	s.reorder_gap = 5;
	begin(&s);
	for (unsigned i = 1; i <= 100; i++)
		assert_int_equal(shaper_next(&h, 0, 100).at_ns, i % 5 ? NS_PER_MS : 0);
}

static void a_rate_sends_one_behind_the_other(void **state)
{
	struct netem_side_spec s = { .rate = 1000000 };

	(void)state;
	begin(&s);
	for (int64_t i = 1; i <= 100; i++)
		assert_int_equal(shaper_next(&h, 0, 1000).at_ns, i * NS_PER_MS);
	/* a link that was idle owes nothing */
	assert_int_equal(shaper_next(&h, NS_PER_S, 1000).at_ns, NS_PER_S + NS_PER_MS);
	/* waiting for those before counts as part of the delay */
	s.delay_ns = 10 * NS_PER_MS;
	begin(&s);
	assert_int_equal(shaper_next(&h, 0, 1000).at_ns, 11 * NS_PER_MS);
	assert_int_equal(shaper_next(&h, 0, 1000).at_ns, 12 * NS_PER_MS);
	s = (struct netem_side_spec){
		.rate = 1000000, .packet_overhead = 10, .cell_size = 48, .cell_overhead = 5
	};
	begin(&s);
	/* 100 + 10 bytes are three cells of 53 */
	assert_int_equal(shaper_next(&h, 0, 100).at_ns, 159 * 1000);
	s = (struct netem_side_spec){ .rate = 1000000, .packet_overhead = -20 };
	begin(&s);
	assert_int_equal(shaper_next(&h, 0, 10).at_ns, 0);
}

static void corrupted_ones_are_marked(void **state)
{
	const struct netem_side_spec s = { .corrupt_ppm = 100000 };
	unsigned marked = 0;

	(void)state;
	begin(&s);
	for (unsigned i = 0; i < N; i++)
		marked += shaper_next(&h, 0, 100).corrupted;
	within(marked, 10000 - 290, 10000 + 290);
}

static void what_user_space_cannot_do_is_refused(void **state)
{
	const struct netem_side_spec fine = { .delay_ns = 1, .loss_ppm = 1, .corrupt_ppm = 1 },
				     twice = { .duplicate_ppm = 1 }, slots = { .slot_max_ns = 1 };
	struct err e;

	(void)state;
	assert_int_equal(shaper_check(&fine, &e), 0);
	assert_int_equal(shaper_check(&twice, &e), -EOPNOTSUPP);
	assert_int_equal(shaper_check(&slots, &e), -EOPNOTSUPP);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delay_is_the_same_for_all),
		cmocka_unit_test(losses_are_as_many_as_asked),
		cmocka_unit_test(correlation_makes_bursts),
		cmocka_unit_test(models_of_loss_have_their_shares_and_bursts),
		cmocka_unit_test(jitter_has_its_distribution),
		cmocka_unit_test(correlated_delays_follow_each_other),
		cmocka_unit_test(some_skip_the_delay),
		cmocka_unit_test(a_rate_sends_one_behind_the_other),
		cmocka_unit_test(corrupted_ones_are_marked),
		cmocka_unit_test(what_user_space_cannot_do_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
