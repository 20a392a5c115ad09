/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "safety/probe/sched.h"
#include "tests/support/test.h"

#define T0 (1000 * NS_PER_S)

static void a_check_starts_each_period_and_only_then(void **state)
{
	struct sched_item item = { .every_ns = NS_PER_S, .timeout_ns = NS_PER_S / 2 };
	struct sched s = { .at = &item, .n = 1 };
	uint32_t i = 9;

	(void)state;
	assert_int_equal(sched_take(&s, T0, &i), SCHED_NOTHING);
	assert_true(sched_wake_ns(&s) == INT64_MAX);
	sched_start(&s, T0);
	for (int64_t k = 0; k < 5; k++) {
		assert_true(sched_wake_ns(&s) == T0 + k * NS_PER_S);
		assert_int_equal(sched_take(&s, T0 + k * NS_PER_S - 1, &i), SCHED_NOTHING);
		assert_int_equal(sched_take(&s, T0 + k * NS_PER_S, &i), SCHED_START);
		assert_int_equal(i, 0);
		assert_int_equal(sched_take(&s, T0 + k * NS_PER_S, &i), SCHED_NOTHING);
		sched_done(&s, 0);
	}
	sched_stop(&s);
	assert_int_equal(sched_take(&s, T0 + 100 * NS_PER_S, &i), SCHED_NOTHING);
}

static void a_probe_is_cut_at_its_timeout_before_the_next_one_starts(void **state)
{
	struct sched_item item = { .every_ns = NS_PER_S, .timeout_ns = NS_PER_S };
	struct sched s = { .at = &item, .n = 1 };
	uint32_t i;

	(void)state;
	sched_start(&s, T0);
	assert_int_equal(sched_take(&s, T0, &i), SCHED_START);
	assert_int_equal(sched_take(&s, T0 + NS_PER_S - 1, &i), SCHED_NOTHING);
	assert_int_equal(sched_take(&s, T0 + NS_PER_S, &i), SCHED_CUT);
	assert_int_equal(sched_take(&s, T0 + NS_PER_S, &i), SCHED_START);
	assert_int_equal(sched_take(&s, T0 + NS_PER_S, &i), SCHED_NOTHING);
}

static void missed_periods_are_skipped_and_the_phase_stays(void **state)
{
	struct sched_item item = { .every_ns = NS_PER_S, .timeout_ns = NS_PER_S };
	struct sched s = { .at = &item, .n = 1 };
	uint32_t i;

	(void)state;
	sched_start(&s, T0);
	assert_int_equal(sched_take(&s, T0 + 7 * NS_PER_S + 5, &i), SCHED_START);
	sched_done(&s, i);
	assert_int_equal(sched_take(&s, T0 + 7 * NS_PER_S + 5, &i), SCHED_NOTHING);
	assert_true(sched_wake_ns(&s) == T0 + 8 * NS_PER_S);
}

static void a_late_probe_has_its_whole_timeout(void **state)
{
	struct sched_item item = { .every_ns = NS_PER_S, .timeout_ns = NS_PER_S };
	struct sched s = { .at = &item, .n = 1 };
	int64_t late = T0 + NS_PER_S / 4;
	uint32_t i;

	(void)state;
	sched_start(&s, T0);
	assert_int_equal(sched_take(&s, late, &i), SCHED_START);
	assert_int_equal(sched_take(&s, late + NS_PER_S - 1, &i), SCHED_NOTHING);
	assert_int_equal(sched_take(&s, late + NS_PER_S, &i), SCHED_CUT);
}

static void a_hundred_checks_of_one_period_never_start_at_one_instant(void **state)
{
	struct sched_item items[100];
	struct sched s = { .at = items, .n = ARRAY_LEN(items) };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(items); k++)
		items[k] = (struct sched_item){ .every_ns = 10 * NS_PER_S, .timeout_ns = NS_PER_S };
	sched_start(&s, T0);
	for (size_t a = 0; a < ARRAY_LEN(items); a++) {
		assert_true(items[a].next_ns >= T0 && items[a].next_ns < T0 + NS_PER_S);
		for (size_t b = 0; b < a; b++)
			assert_true(llabs(items[a].next_ns - items[b].next_ns) > NS_PER_MS);
	}
}

/* Random lengths of probes: each check keeps its rate, one probe of a check at a time, none beyond
 * its timeout. */
static void random_probes_keep_rate_and_timeout(void **state)
{
	struct sched_item items[7];
	int64_t ends[7] = { 0 }, starts[7] = { 0 };
	struct sched s = { .at = items, .n = ARRAY_LEN(items) };
	unsigned seed = 42, cuts = 0;

	(void)state;
	for (uint32_t k = 0; k < s.n; k++)
		items[k] = (struct sched_item){ .every_ns = (k + 1) * 100 * NS_PER_MS,
						.timeout_ns = (k + 1) * 50 * NS_PER_MS };
	sched_start(&s, T0);
	for (int64_t now = T0; now < T0 + 60 * NS_PER_S; now += NS_PER_MS) {
		enum sched_what what;
		uint32_t i;

		for (uint32_t k = 0; k < s.n; k++) {
			if (items[k].running && now >= ends[k])
				sched_done(&s, k);
		}
		while ((what = sched_take(&s, now, &i)) != SCHED_NOTHING) {
			cuts += what == SCHED_CUT;
			if (what == SCHED_CUT)
				assert_true(now - items[i].started_ns >= items[i].timeout_ns);
			if (what != SCHED_START)
				continue;
			starts[i]++;
			ends[i] = now + rand_r(&seed) % (2 * items[i].timeout_ns);
		}
		for (uint32_t k = 0; k < s.n; k++)
			assert_true(!items[k].running ||
				    now - items[k].started_ns < items[k].timeout_ns);
	}
	assert_true(cuts > 100);
	for (uint32_t k = 0; k < s.n; k++)
		assert_in_range(starts[k], 60 * NS_PER_S / items[k].every_ns - 1,
				60 * NS_PER_S / items[k].every_ns + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_check_starts_each_period_and_only_then),
		cmocka_unit_test(a_probe_is_cut_at_its_timeout_before_the_next_one_starts),
		cmocka_unit_test(missed_periods_are_skipped_and_the_phase_stays),
		cmocka_unit_test(a_late_probe_has_its_whole_timeout),
		cmocka_unit_test(a_hundred_checks_of_one_period_never_start_at_one_instant),
		cmocka_unit_test(random_probes_keep_rate_and_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
