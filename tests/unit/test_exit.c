/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/exit.h"

static void codes_rise_and_stay_below_126(void **state)
{
	size_t n = 0;
	const struct exit_info *all = exit_list(&n);

	(void)state;
	assert_int_equal(n, 12);
	for (size_t i = 0; i < n; i++) {
		assert_true(all[i].code >= 0 && all[i].code < 126);
		assert_true(!i || all[i].code > all[i - 1].code);
		assert_true(all[i].name[0] && all[i].meaning[0] && all[i].machine[0]);
	}
}

static void the_documented_codes_have_their_names(void **state)
{
	(void)state;
	assert_string_equal(exit_name(EXIT_PASS), "pass");
	assert_string_equal(exit_name(1), "fail");
	assert_string_equal(exit_name(5), "unfit");
	assert_string_equal(exit_name(6), "aborted");
	assert_string_equal(exit_name(7), "unknown");
	assert_string_equal(exit_name(8), "unable");
	assert_string_equal(exit_name(20), "not clean");
	assert_string_equal(exit_name(77), "skipped");
}

static void a_code_that_brink_never_returns_has_no_row(void **state)
{
	(void)state;
	assert_null(exit_find(42));
	assert_string_equal(exit_name(42), "unknown code");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_rise_and_stay_below_126),
		cmocka_unit_test(the_documented_codes_have_their_names),
		cmocka_unit_test(a_code_that_brink_never_returns_has_no_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
