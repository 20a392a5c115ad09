/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "tests/support/lang.h"
#include "tests/support/test.h"

/* link: tests/fakes/fake_faults.c */
/* link: -Wl,--wrap=arena_zalloc -Wl,--wrap=arena_strndup -Wl,--wrap=calloc */
#include "tests/fakes/fake_faults.h"

static size_t calls, fail_at; /* fail_at 0: never */

static bool fails(void)
{
	return ++calls == fail_at;
}

void *__real_arena_zalloc(struct arena *a, size_t n);
void *__wrap_arena_zalloc(struct arena *a, size_t n);
char *__real_arena_strndup(struct arena *a, const char *s, size_t n);
char *__wrap_arena_strndup(struct arena *a, const char *s, size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_arena_zalloc(struct arena *a, size_t n)
{
	return fails() ? NULL : __real_arena_zalloc(a, n);
}

char *__wrap_arena_strndup(struct arena *a, const char *s, size_t n)
{
	return fails() ? NULL : __real_arena_strndup(a, s, n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

static const char text[] =
	"brink: 1\nname: a ${v}\nvars: {v: {default: b, one_of: [b]}}\n"
	"targets: {w: {process: {name: w}, pick: {count: 1}}, f: {flow: {to: [h, i]}}}\n"
	"steady_state:\n  - {id: c, http: {url: \"http://h/\", status: [2xx]}}\n"
	"  - command: [a, b]\n  - process_up: w\n"
	"faults:\n  - net.delay: {target: f, delay: 5ms}\n"
	"    recovers_within: {checks: [c], within: 3s}\n"
	"  - proc.kill: {target: w}\n  - proc.kill: {target: w}\n"
	"abort: {when: [{check: c, is: failing}]}\n";

static int setup(void **state)
{
	int r = lang_setup(state);

	((struct lang *)*state)->o.faults = fake_faults;
	return r;
}

static void running_out_of_memory_is_an_error_wherever_it_happens(void **state)
{
	static const char *const vars[] = { "v=b" };
	struct lang *l = *state;
	size_t n;

	l->o.vars = vars;
	l->o.n_vars = 1;
	fail_at = 0;
	calls = 0;
	assert_int_equal(lang_load(l, text), 0);
	n = calls;
	assert_true(n > 100);
	for (size_t i = 1; i <= n; i++) {
		calls = 0;
		fail_at = i;
		if (lang_load(l, text) != -ENOMEM || l->d.errors ||
		    !strstr(l->e.msg[0], "out of memory"))
			fail_msg("call %zu of %zu failed: %d %s", i, n, l->r, l->said);
	}
	calls = 0;
	fail_at = 0;
	assert_int_equal(lang_load(l, text), 0);
}

static void a_mistake_without_memory_to_keep_it_is_still_a_mistake(void **state)
{
	struct lang *l = *state;
	size_t n;

	fail_at = 0;
	calls = 0;
	lang_load(l, "brink: 1\nname: []\n");
	n = calls;
	for (size_t i = 1; i <= n; i++) {
		calls = 0;
		fail_at = i;
		assert_int_not_equal(lang_load(l, "brink: 1\nname: []\n"), 0);
	}
	fail_at = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			running_out_of_memory_is_an_error_wherever_it_happens, setup,
			lang_teardown),
		cmocka_unit_test_setup_teardown(
			a_mistake_without_memory_to_keep_it_is_still_a_mistake, setup,
			lang_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
