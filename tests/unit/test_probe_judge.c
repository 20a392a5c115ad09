/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "safety/probe/judge.h"
#include "tests/support/test.h"

static struct compare compare(const char *text)
{
	struct compare c = { 0 };
	struct err e = { 0 };

	assert_int_equal(units_compare(text, &c, &e), 0);
	return c;
}

/* Asserts that `text` holds this number for a comparison in these units. */
static void number_is(const char *text, const char *is, double want)
{
	struct compare c = { 0 };
	double got = -1;

	if (is)
		c = compare(is);
	if (!judge_number(text, strlen(text), &c, &got))
		fail_msg("no number in '%s'", text);
	if (got < want - 1e-9 || got > want + 1e-9)
		fail_msg("'%s' is %g, not %g", text, got, want);
}

static void a_number_that_is_the_first_word_is_read(void **state)
{
	(void)state;
	number_is("42\n", NULL, 42);
	number_is(" \t\n -17 of 20\n", NULL, -17);
	number_is("1.5e3", NULL, 1500);
	number_is(".5", NULL, 0.5);
	number_is("320ms", "< 500ms", 0.32);
	number_is("5MiB free", "> 1MiB", 5 * 1048576.0);
	number_is("12", "< 500ms", 12);
	number_is("12 ms", "< 500ms", 12);
	number_is("320ms", "< 500", 320);
}

static void what_is_no_number_is_none(void **state)
{
	static const char *const bad[] = { "",     "none\n",   "nan",  "inf",   "-",
					   "a1",   ".",        "+.e5", "1e999", "\033[31mRED",
					   "-- 5", "queue: 5", "0x10", "1.2.3", "7.",
					   "1e",   "5xx",      "v2 5", "5,7" };
	struct compare none = { 0 };
	double got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (judge_number(bad[i], strlen(bad[i]), &none, &got))
			fail_msg("'%s' was read as %g", bad[i], got);
	}
}

static void latency_beyond_the_limit_fails_with_both_figures(void **state)
{
	struct probe_spec spec = { .is = compare("< 500ms") };
	struct probe_sample s = { .took_ns = 620 * NS_PER_MS };

	(void)state;
	judge_latency(&spec, &s);
	assert_int_equal(s.verdict, PROBE_FAIL);
	assert_string_equal(s.text, "took 620 ms, limit < 500ms");
	assert_true(s.has_value && s.value > 0.619 && s.value < 0.621);

	s = (struct probe_sample){ .took_ns = 499 * NS_PER_MS };
	judge_latency(&spec, &s);
	assert_int_equal(s.verdict, PROBE_OK);

	s = (struct probe_sample){ .took_ns = 620 * NS_PER_MS, .verdict = PROBE_FAIL };
	judge_latency(&spec, &s);
	assert_string_equal(s.text, "");
}

static void a_status_out_of_its_ranges_fails_and_says_what_was_expected(void **state)
{
	struct probe_http h = { .n_ranges = 2, .range = { { 200, 299 }, { 404, 404 } } };
	struct probe_sample s = { 0 };

	(void)state;
	assert_true(judge_status(&h, 200, &s));
	assert_true(judge_status(&h, 299, &s));
	assert_true(judge_status(&h, 404, &s));
	assert_false(judge_status(&h, 300, &s));
	assert_int_equal(s.verdict, PROBE_FAIL);
	assert_string_equal(s.text, "status 300, expected 2xx, 404");
}

static void a_banner_may_come_in_pieces(void **state)
{
	struct probe_tcp t = { .banner = "220 mail" };
	struct probe_sample s = { 0 };

	(void)state;
	assert_false(judge_banner(&t, "220", 3, &s));
	assert_true(judge_banner(&t, "220 mail ready", 14, &s));
	assert_int_equal(s.verdict, PROBE_OK);
	assert_true(judge_banner(&t, "5\x1b[31m", 6, &s));
	assert_int_equal(s.verdict, PROBE_FAIL);
	assert_string_equal(s.text, "banner is '5\\x1b[31m', expected '220 mail'");
}

static struct probe_sample judged(const char *is, struct command_result r)
{
	struct probe_spec spec = { .source = CHECK_COMMAND };
	struct probe_sample s = { 0 };

	strcpy(spec.command.argv, "depth");
	spec.command.argc = 1;
	if (is)
		spec.is = compare(is);
	judge_command(&spec, &r, &s);
	return s;
}

static void a_command_is_judged_by_code_and_number(void **state)
{
	struct command_result ok = { .out = "42 deep\n", .out_len = 8 };
	struct probe_sample s = judged(NULL, ok);

	(void)state;
	assert_int_equal(s.verdict, PROBE_OK);
	assert_true(s.has_value && s.value > 41.9 && s.value < 42.1);
	s = judged("< 40", ok);
	assert_int_equal(s.verdict, PROBE_FAIL);
	assert_string_equal(s.text, "printed 42, limit < 40");
	s = judged("< 43", ok);
	assert_int_equal(s.verdict, PROBE_OK);
	ok.out = "deep";
	ok.out_len = 4;
	s = judged("< 43", ok);
	assert_int_equal(s.verdict, PROBE_NO_DATA);
	s = judged(NULL, ok);
	assert_int_equal(s.verdict, PROBE_OK);
	assert_false(s.has_value);
}

static void a_failed_command_shows_its_last_words(void **state)
{
	static const char err[] = "starting\nno \x1b[1mqueue\n\n";
	struct command_result bad = { .code = 3, .err = err, .err_len = sizeof(err) - 1 };
	struct probe_sample s = judged(NULL, bad);

	(void)state;
	assert_int_equal(s.verdict, PROBE_FAIL);
	assert_int_equal(s.status, 3);
	assert_string_equal(s.text, "exit code 3, expected 0: no \\x1b[1mqueue");
	s = judged(NULL, (struct command_result){ .signal = SIGSEGV });
	assert_int_equal(s.verdict, PROBE_FAIL);
	assert_string_equal(s.text, "killed by SIGSEGV");
}

static void a_command_that_cannot_run_is_no_data(void **state)
{
	static const char err[] = "env: 'x': No such file";
	struct probe_sample s = judged(NULL, (struct command_result){ .exec_error = ENOENT });

	(void)state;
	assert_int_equal(s.verdict, PROBE_NO_DATA);
	assert_string_equal(s.text, "cannot run 'depth': No such file or directory");
	s = judged(NULL,
		   (struct command_result){ .code = 127, .err = err, .err_len = sizeof(err) - 1 });
	assert_int_equal(s.verdict, PROBE_NO_DATA);
	assert_string_equal(s.text, "cannot run 'depth': exit code 127: env: 'x': No such file");
}

static void a_long_foreign_text_is_cut_between_characters(void **state)
{
	struct probe_sample s = { 0 };

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		struct text t = say_begin(&s, PROBE_FAIL);

		text_add(&t, "%.*s", (int)shift, "xxxx");
		for (int i = 0; i < 100; i++)
			text_add_foreign(&t, "\xe2\x82\xac", 3);
		say_end(&t);
		assert_true(strlen(s.text) < PROBE_TEXT);
		assert_string_equal(s.text + strlen(s.text) - 3, "...");
		assert_int_equal((strlen(s.text) - 3 - shift) % 3, 0);
	}
}

/* All texts of up to 6 bytes over {a, b}, in pieces of each size, against strstr. */
static void a_text_is_found_across_pieces_as_strstr_finds_it(void **state)
{
	static const char *const wants[] = { "a", "ab", "aab", "abab", "aaab", "bbbb", "" };
	struct match m;

	(void)state;
	for (unsigned bits = 0; bits < 1u << 10; bits++) {
		char hay[11];

		for (int i = 0; i < 10; i++)
			hay[i] = bits >> i & 1 ? 'b' : 'a';
		hay[10] = '\0';
		for (size_t w = 0; w < ARRAY_LEN(wants); w++) {
			match_init(&m, wants[w]);
			for (size_t step = 1; step < 5; step++) {
				match_restart(&m);
				for (size_t at = 0; at < 10; at += step)
					match_feed(&m, hay + at, at + step <= 10 ? step : 10 - at);
				assert_int_equal(m.found, strstr(hay, wants[w]) != NULL);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_that_is_the_first_word_is_read),
		cmocka_unit_test(what_is_no_number_is_none),
		cmocka_unit_test(latency_beyond_the_limit_fails_with_both_figures),
		cmocka_unit_test(a_status_out_of_its_ranges_fails_and_says_what_was_expected),
		cmocka_unit_test(a_banner_may_come_in_pieces),
		cmocka_unit_test(a_command_is_judged_by_code_and_number),
		cmocka_unit_test(a_failed_command_shows_its_last_words),
		cmocka_unit_test(a_command_that_cannot_run_is_no_data),
		cmocka_unit_test(a_long_foreign_text_is_cut_between_characters),
		cmocka_unit_test(a_text_is_found_across_pieces_as_strstr_finds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
