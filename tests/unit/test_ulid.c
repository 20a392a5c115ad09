/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=clock_wall_ns,--wrap=getrandom */
#include "base/ulid.h"

#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include "base/clock.h"
#include "tests/support/test.h"

int64_t __wrap_clock_wall_ns(void);
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags);
ssize_t __real_getrandom(void *buf, size_t n, unsigned flags);

static int64_t wall_ns;
static int random_errno;

int64_t __wrap_clock_wall_ns(void)
{
	return wall_ns;
}

ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags)
{
	errno = random_errno;
	return random_errno ? -1 : __real_getrandom(buf, n, flags);
}

static void the_time_comes_first_and_sorts(void **state)
{
	char a[ULID_LEN + 1], b[ULID_LEN + 1];
	struct err e;

	(void)state;
	random_errno = 0;
	wall_ns = INT64_C(1469918176385) * NS_PER_MS; /* the example of the ULID specification */
	assert_int_equal(ulid_new(a, &e), 0);
	assert_int_equal(strlen(a), ULID_LEN);
	assert_memory_equal(a, "01ARYZ6S41", 10);
	wall_ns += NS_PER_MS;
	assert_int_equal(ulid_new(b, &e), 0);
	assert_true(strcmp(a, b) < 0);
}

static void two_of_the_same_moment_differ(void **state)
{
	char a[ULID_LEN + 1], b[ULID_LEN + 1];
	struct err e;

	(void)state;
	random_errno = 0;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(ulid_new(a, &e), 0);
		assert_int_equal(ulid_new(b, &e), 0);
		assert_memory_equal(a, b, 10);
		assert_string_not_equal(a, b);
		assert_string_not_equal(ulid_short(a), ulid_short(b));
		assert_true(ulid_is_suffix(ulid_short(a)));
		assert_true(ulid_is_suffix(a) && ulid_is_suffix(a + 10) && ulid_is_suffix(a + 22));
	}
}

static void without_random_numbers_there_is_none(void **state)
{
	char a[ULID_LEN + 1] = "";
	struct err e;

	(void)state;
	random_errno = ENOSYS;
	assert_int_equal(ulid_new(a, &e), -ENOSYS);
}

static void only_what_could_be_the_end_of_one_is_taken(void **state)
{
	(void)state;
	assert_true(ulid_is_suffix("0000"));
	assert_true(ulid_is_suffix("zzzzabcdef"));
	assert_false(ulid_is_suffix(""));
	assert_false(ulid_is_suffix("000"));
	assert_false(ulid_is_suffix("000000000000000000000000000")); /* 27 */
	assert_false(ulid_is_suffix("00I0")); /* not in Crockford's alphabet: I L O U */
	assert_false(ulid_is_suffix("../0"));
	assert_false(ulid_is_suffix("00 0"));
	assert_false(ulid_is_suffix("00\xff\xff"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_time_comes_first_and_sorts),
		cmocka_unit_test(two_of_the_same_moment_differ),
		cmocka_unit_test(without_random_numbers_there_is_none),
		cmocka_unit_test(only_what_could_be_the_end_of_one_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
