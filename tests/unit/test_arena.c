/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=malloc */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

void *__wrap_malloc(size_t n);
void *__real_malloc(size_t n);

static bool memory_is_out;

void *__wrap_malloc(size_t n)
{
	return memory_is_out ? NULL : __real_malloc(n);
}

static void what_it_gives_is_zeroed_aligned_and_apart(void **state)
{
	struct arena a = { 0 };
	unsigned char *last = NULL;

	(void)state;
	for (size_t n = 0; n < 3000; n += 7) {
		unsigned char *p = arena_zalloc(&a, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xa5, n);
		assert_true(!last || last[0] == 0xa5 || n <= 7);
		last = p;
	}
	assert_true(a.used >= 3000 / 7 * 1400);
	arena_done(&a);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_zalloc(&a, 100000)); /* larger than a block; usable again */
	arena_done(&a);
}

static void a_copy_ends_where_it_was_told_to(void **state)
{
	struct arena a = { 0 };

	(void)state;
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&a, "", 0), "");
	arena_done(&a);
}

static void impossible_sizes_give_nothing(void **state)
{
	struct arena a = { 0 };

	(void)state;
	assert_null(arena_zalloc(&a, SIZE_MAX));
	assert_null(arena_zalloc(&a, SIZE_MAX - 14));
	assert_null(arena_strndup(&a, "x", SIZE_MAX));
	memory_is_out = true;
	assert_null(arena_zalloc(&a, 10));
	assert_null(arena_strndup(&a, "x", 1));
	memory_is_out = false;
	assert_int_equal(a.used, 0);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_gives_is_zeroed_aligned_and_apart),
		cmocka_unit_test(a_copy_ends_where_it_was_told_to),
		cmocka_unit_test(impossible_sizes_give_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
