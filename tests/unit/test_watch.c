/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "safety/watch.h"

/* Two checks, 10 to come back, 2 passes in a row, 5 of patience; the clock starts at 100. */
static struct watch_check checks[2];

static struct watch begin(void)
{
	struct watch w = { .within_ns = 10, .checks = checks, .nchecks = 2 };

	memset(checks, 0, sizeof(checks));
	for (unsigned i = 0; i < 2; i++)
		checks[i] = (struct watch_check){ .check = i, .stable = 2, .patience_ns = 5 };
	watch_start(&w, 100, 101);
	return w;
}

static void put(struct watch *w, unsigned check, enum ctl_status status, int64_t now)
{
	watch_sample(w, check, status, now - 1, now);
}

static void the_time_to_recover_is_that_of_the_slowest_check(void **state)
{
	(void)state;
	for (unsigned slow = 0; slow < 2; slow++) {
		struct watch w = begin();

		put(&w, !slow, CTL_PASS, 103);
		put(&w, !slow, CTL_PASS, 104);
		put(&w, slow, CTL_PASS, 107);
		assert_int_equal(w.view.state, CTL_WATCH_ON);
		put(&w, slow, CTL_PASS, 108);
		assert_int_equal(w.view.state, CTL_WATCH_OK);
		assert_int_equal(w.view.mttr_ns, 7);
		assert_int_equal(w.view.check, slow);
		assert_int_equal(watch_next(&w), INT64_MAX);
	}
}

static void a_first_pass_after_the_limit_is_late(void **state)
{
	struct watch w = begin();

	(void)state;
	put(&w, 0, CTL_PASS, 103);
	put(&w, 0, CTL_PASS, 104);
	put(&w, 1, CTL_PASS, 111);
	assert_int_equal(w.view.state, CTL_WATCH_LATE);
	assert_int_equal(w.view.check, 1);
}

static void a_first_pass_at_the_limit_is_in_time(void **state)
{
	struct watch w = begin();

	(void)state;
	put(&w, 0, CTL_PASS, 110);
	put(&w, 1, CTL_PASS, 110);
	watch_tick(&w, 111);
	put(&w, 0, CTL_PASS, 112);
	put(&w, 1, CTL_PASS, 112);
	assert_int_equal(w.view.state, CTL_WATCH_OK);
	assert_int_equal(w.view.mttr_ns, 10);
}

static void a_streak_that_breaks_after_the_limit_is_late(void **state)
{
	struct watch w = begin();

	(void)state;
	put(&w, 0, CTL_PASS, 103);
	put(&w, 0, CTL_PASS, 104);
	put(&w, 1, CTL_PASS, 109);
	put(&w, 1, CTL_FAIL, 112);
	assert_int_equal(w.view.state, CTL_WATCH_LATE);
}

static void without_any_answer_it_is_unknown_in_bounded_time(void **state)
{
	struct watch w = begin();

	(void)state;
	put(&w, 0, CTL_NO_DATA, 105);
	assert_int_equal(watch_next(&w), 115);
	watch_tick(&w, 114);
	assert_int_equal(w.view.state, CTL_WATCH_ON);
	watch_tick(&w, 115);
	assert_int_equal(w.view.state, CTL_WATCH_UNKNOWN);
}

static void late_outweighs_unknown(void **state)
{
	struct watch w = begin();

	(void)state;
	put(&w, 1, CTL_FAIL, 105);
	watch_tick(&w, 115);
	assert_int_equal(w.view.state, CTL_WATCH_LATE);
}

static void a_probe_that_began_too_early_does_not_count(void **state)
{
	struct watch w = begin();

	(void)state;
	watch_sample(&w, 0, CTL_PASS, 101, 103);
	watch_sample(&w, 1, CTL_FAIL, 101, 103);
	assert_false(checks[0].counted || checks[1].counted);
}

static void a_clock_starts_only_once(void **state)
{
	struct watch w = begin();

	(void)state;
	watch_start(&w, 500, 500);
	assert_int_equal(w.view.clock_ns, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_time_to_recover_is_that_of_the_slowest_check),
		cmocka_unit_test(a_first_pass_after_the_limit_is_late),
		cmocka_unit_test(a_first_pass_at_the_limit_is_in_time),
		cmocka_unit_test(a_streak_that_breaks_after_the_limit_is_late),
		cmocka_unit_test(without_any_answer_it_is_unknown_in_bounded_time),
		cmocka_unit_test(late_outweighs_unknown),
		cmocka_unit_test(a_probe_that_began_too_early_does_not_count),
		cmocka_unit_test(a_clock_starts_only_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
