/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/diag.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "tests/support/lang.h"
#include "tests/support/test.h"

/* link: tests/fakes/fake_faults.c */
#include "tests/fakes/fake_faults.h"

static int setup(void **state)
{
	int r = lang_setup(state);

	((struct lang *)*state)->o.faults = fake_faults;
	return r;
}

static void mistakes_are_printed_with_excerpt_caret_and_help(void **state)
{
	struct lang *l = *state;

	lang_load(l, "brink: 1\n"
		     "name: x\n"
		     "steady_state:\n"
		     "  - http: http://h/\n"
		     "targets:\n"
		     "  worker: {process: {name: w}}\n"
		     "\n"
		     "\n"
		     "faults:\n"
		     "  - id: kill-one\n"
		     "    proc.kill: {target: worker, singal: KILL}\n"
		     "    recovers_within: ten seconds\n");
	assert_string_equal(
		l->said,
		"t.yaml:11:33: error: unknown key 'singal' in proc.kill [B1042]\n"
		"   |\n"
		"11 |     proc.kill: {target: worker, singal: KILL}\n"
		"   |                                 ^^^^^^ did you mean 'signal'?\n"
		"   = help: keys of proc.kill are target, pid, exe, name, pid_file, cgroup, user, signal, grace, every."
		" See: brink explain proc.kill\n"
		"t.yaml:12:22: error: 'ten seconds' is not a duration [B1007]\n"
		"   |\n"
		"12 |     recovers_within: ten seconds\n"
		"   |                      ^^^^^^^^^^^ write a number with a unit: 500ms, 10s, 2m, 1h30m\n"
		"   = note: a bare 10 is refused too, because nobody can tell seconds from milliseconds\n"
		"2 errors, 0 warnings. Nothing was touched.\n");
}

static void a_good_file_says_nothing(void **state)
{
	struct lang *l = *state;

	lang_load(
		l,
		"brink: 1\nname: x\nsteady_state:\n  - http: http://h/\nfaults:\n  - proc.kill: {pid: 7}\n");
	assert_string_equal(l->said, "");
}

static void carets_stand_below_wide_characters(void **state)
{
	struct lang *l = *state;

	lang_load(l, "brink: 1\nx-\xe6\xbc\xa2\xe5\xad\x97: {a: @x}\n");
	assert_string_equal(l->said, "t.yaml:2:11: error: a value cannot begin with '@' [B1004]\n"
				     "  |\n"
				     "2 | x-\xe6\xbc\xa2\xe5\xad\x97: {a: @x}\n"
				     "  |             ^ put the text in double quotes\n"
				     "1 error, 0 warnings. Nothing was touched.\n");
}

static void tabs_and_escapes_keep_the_caret_in_place(void **state)
{
	struct lang *l = *state;

	lang_load(l, "brink:\t1\na: \"\tx\" @\n");
	assert_non_null(strstr(l->said, "\n2 | a: \" x\" @\n"));
	lang_load(l, "a: \x01\n");
	assert_string_equal(l->said, "t.yaml:1:4: error: a control character [B1003]\n"
				     "  |\n"
				     "1 | a: \\x01\n"
				     "  |    ^^^^ U+0001\n"
				     "1 error, 0 warnings. Nothing was touched.\n");
}

static void a_caret_behind_the_end_of_a_line_is_shown(void **state)
{
	struct lang *l = *state;

	lang_load(l, "brink: 1\nname: x\nx-a: [1, 2\n");
	assert_non_null(strstr(l->said, "t.yaml:3:6: error: '[' is never closed [B1006]\n"));
	assert_non_null(strstr(l->said,
			       "  = note: it was noticed at 4:1, where ',' or ']' was expected\n"));
}

static void long_lines_are_cut_around_the_caret(void **state)
{
	struct lang *l = *state;
	char text[900];

	snprintf(text, sizeof(text),
		 "x-a: \"%0300d\"\nx-b: {c: \"%0300d\", d: @x, e: \"%0200d\"}\n", 1, 2, 3);
	lang_load(l, text);
	assert_string_equal(
		l->said,
		"t.yaml:2:317: error: a value cannot begin with '@' [B1004]\n"
		"  |\n"
		"2 | ...000000000000000000000000000000000000000000000000000002\", d: @x, e: \"00000000000000000000000000000...\n"
		"  |                                                                ^ put the text in double quotes\n"
		"1 error, 0 warnings. Nothing was touched.\n");
}

static void fifty_are_shown_and_the_rest_is_counted(void **state)
{
	struct lang *l = *state;
	char text[4000];
	struct text t = text_on(text, sizeof(text));
	unsigned lines = 0;

	text_add(&t, "brink: 1\nname: x\nsteady_state:\n  - http: http://h/\nfaults:\n");
	for (int i = 0; i < 60; i++)
		text_add(&t, "  - proc.kill: {pid: x}\n");
	lang_load(l, text);
	assert_int_equal(l->d.errors, 60);
	for (const char *s = l->said; (s = strstr(s, ": error: ")); s++)
		lines++;
	assert_int_equal(lines, DIAG_MAX);
	assert_non_null(strstr(l->said,
			       "\n... and 10 more\n60 errors, 0 warnings. Nothing was touched.\n"));
}

static void mistakes_come_in_the_order_of_the_file(void **state)
{
	struct lang *l = *state;
	unsigned line = 0;

	lang_load(
		l,
		"faults:\n  - proc.kill: {pid: x}\nsteady_state:\n  - http: nope\nname: []\nbrink: 1\nbogus: 1\n");
	assert_int_equal(l->d.n, 4);
	for (unsigned i = 0; i < l->d.n; i++) {
		assert_true(l->d.at[i].at.line >= line);
		line = l->d.at[i].at.line;
	}
}

/* Everything printed is safe on a terminal: no control characters but the ends of lines, valid
 * UTF-8 or escaped. */
static void check_output(const struct lang *l)
{
	assert_true(l->r == 0 || l->r == -EBADMSG);
	assert_true((l->r == -EBADMSG) == (l->d.errors > 0));
	assert_true(strlen(l->said) < 200000);
	for (const char *s = l->said; *s; s++)
		assert_true(*s == '\n' || (unsigned char)*s >= 0x20);
}

static uint64_t next_random(uint64_t *r)
{
	*r = *r * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *r >> 33;
}

static void random_bytes_are_refused_and_shown_safely(void **state)
{
	struct lang *l = *state;
	uint64_t r = 42;
	char text[3000];

	for (int i = 0; i < 200; i++) {
		for (size_t k = 0; k < sizeof(text); k++)
			text[k] = (char)next_random(&r);
		lang_load_bytes(l, text, sizeof(text));
		check_output(l);
		assert_int_equal(l->r, -EBADMSG);
	}
}

static void damaged_files_never_crash_or_hang(void **state)
{
	static const char good[] =
		"brink: 1\nname: &n x\nvars: {a: {default: b, one_of: [b]}, t: 5s}\n"
		"targets:\n  w: {process: {name: w}, pick: {count: 1}}\n  f: {flow: {to: \"h:1-2\"}}\n"
		"steady_state:\n  - {id: c, http: {url: \"http://h/${a}\", status: [2xx, 301]}}\n"
		"  - tcp: \"h:5\"\n    every: ${t}\n    is: \"< 5ms\"\n  - command: [a, *n]\n  - process_up: w\n"
		"faults:\n  - net.delay: {target: f, delay: 5ms}\n    for: 3s\n"
		"    recovers_within: {checks: [c], within: 3s}\n"
		"  - proc.kill: {target: w, signal: TERM}\n    id: k\n"
		"abort:\n  when:\n    - {check: c, is: failing, for: 3s}\n"
		"limits: {duration: 1h, deny: {paths: [/]}}\n";
	static const char marks[] = "{}[]:,-&*!|>\"'%@ \n\t$#?x1~";
	struct lang *l = *state;
	char text[sizeof(good)];
	uint64_t r = 7;

	assert_int_equal(lang_load(l, good), 0);
	for (int i = 0; i < 3000; i++) {
		size_t n = sizeof(good) - 1;
		uint64_t times = 1 + next_random(&r) % 6;

		memcpy(text, good, sizeof(good));
		while (times--) {
			size_t at = next_random(&r) % n, cut = 1 + next_random(&r) % 8;

			if (next_random(&r) % 2 || at + cut >= n) {
				text[at] = marks[next_random(&r) % (sizeof(marks) - 1)];
			} else {
				memmove(text + at, text + at + cut, n - at - cut);
				n -= cut;
			}
		}
		lang_load_bytes(l, text, n);
		check_output(l);
	}
}

static void large_inputs_end_soon(void **state)
{
	static const struct {
		const char *head, *before, *after;
	} cases[] = {
		{ "", "k", ": 1\n" },
		{ "", "x-", ": 1\n" },
		{ "faults:\n", "  - {a: ", "}\n" },
		{ "faults:\n", "  - proc.kill: {pid: ", "}\n" },
	};
	struct lang *l = *state;
	size_t size = 1000 * 1024;
	char *text = malloc(size);

	assert_non_null(text);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t start = clock_mono_ns();
		struct text t = text_on(text, size);

		text_add(&t, "brink: 1\nname: x\n%s", cases[i].head);
		for (unsigned k = 1; t.len + 60 < size; k++)
			text_add(&t, "%s%u%s", cases[i].before, k, cases[i].after);
		lang_load_bytes(l, text, t.len);
		check_output(l);
		assert_int_equal(l->r, -EBADMSG);
		assert_true(clock_mono_ns() - start < 20 * NS_PER_S);
	}
	free(text);
}

static void a_huge_value_is_shown_cut(void **state)
{
	struct lang *l = *state;
	size_t n = 1000 * 1000;
	char *text = malloc(n);

	assert_non_null(text);
	memset(text, 'y', n);
	memcpy(text, "brink: ", 7);
	lang_load_bytes(l, text, n);
	free(text);
	check_output(l);
	assert_true(strlen(l->said) < 4000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, lang_teardown)
	const struct CMUnitTest tests[] = {
		T(mistakes_are_printed_with_excerpt_caret_and_help),
		T(a_good_file_says_nothing),
		T(carets_stand_below_wide_characters),
		T(tabs_and_escapes_keep_the_caret_in_place),
		T(a_caret_behind_the_end_of_a_line_is_shown),
		T(long_lines_are_cut_around_the_caret),
		T(fifty_are_shown_and_the_rest_is_counted),
		T(mistakes_come_in_the_order_of_the_file),
		T(random_bytes_are_refused_and_shown_safely),
		T(damaged_files_never_crash_or_hang),
		T(large_inputs_end_soon),
		T(a_huge_value_is_shown_cut),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
