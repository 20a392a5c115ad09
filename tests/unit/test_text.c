/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

static void what_does_not_fit_is_cut_and_remembered(void **state)
{
	char buf[8] = "garbage";
	struct text t = text_on(buf, sizeof(buf));

	(void)state;
	assert_string_equal(buf, "");
	text_add(&t, "%s-%d", "abc", 42);
	assert_string_equal(buf, "abc-42");
	assert_false(t.cut);
	text_add(&t, "%s", "1");
	assert_false(t.cut);
	text_add(&t, "%s", "2");
	assert_true(t.cut);
	assert_string_equal(buf, "abc-421");
	assert_int_equal(t.len, 7);
	text_add(&t, "more");
	assert_string_equal(buf, "abc-421");
	t = text_on(buf, 1);
	text_add(&t, "x");
	assert_string_equal(buf, "");
	assert_true(t.cut);
}

static const char *foreign(const char *s, size_t n)
{
	static char buf[200];
	struct text t = text_on(buf, sizeof(buf));

	text_add_foreign(&t, s, n);
	return buf;
}

static void foreign_text_cannot_steer_a_terminal(void **state)
{
	(void)state;
	assert_string_equal(foreign("a b~", 4), "a b~");
	assert_string_equal(foreign("\x1b[2J\x07", 5), "\\x1b[2J\\x07");
	assert_string_equal(foreign("\0\n\t\x7f", 4), "\\x00\\x0a\\x09\\x7f");
	assert_string_equal(foreign("%s%n", 4), "%s%n");
	assert_string_equal(foreign("\xc2\x9b", 2), "\\xc2\\x9b"); /* C1: CSI */
	assert_string_equal(foreign("\xe2\x80\xae", 3),
			    "\\xe2\\x80\\xae"); /* right-to-left override */
	assert_string_equal(foreign("\xe2\x81\xa6", 3), "\\xe2\\x81\\xa6"); /* isolate */
}

static void only_what_is_utf8_passes_as_such(void **state)
{
	(void)state;
	assert_string_equal(foreign("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9),
			    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_string_equal(foreign("\xc0\xaf", 2), "\\xc0\\xaf"); /* overlong */
	assert_string_equal(foreign("\xe0\x80\xaf", 3), "\\xe0\\x80\\xaf");
	assert_string_equal(foreign("\xed\xa0\x80", 3), "\\xed\\xa0\\x80"); /* surrogate */
	assert_string_equal(foreign("\xf4\x90\x80\x80", 4),
			    "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	assert_string_equal(foreign("\xe0\x82\xa0", 3), "\\xe0\\x82\\xa0");
	assert_string_equal(foreign("\xf0\x82\x82\xac", 4), "\\xf0\\x82\\x82\\xac");
	assert_string_equal(foreign("\xe2\x82\xac", 2),
			    "\\xe2\\x82");                         /* never looks behind its end */
	assert_string_equal(foreign("\xe2\x82", 2), "\\xe2\\x82"); /* cut off */
	assert_string_equal(foreign("\x80z\xff", 3), "\\x80z\\xff");
}

static void random_bytes_come_out_printable(void **state)
{
	char in[40], buf[200];

	(void)state;
	srand(3);
	for (int i = 0; i < 20000; i++) {
		struct text t = text_on(buf, (size_t)(1 + rand() % 200));
		size_t n = (size_t)rand() % sizeof(in);

		for (size_t k = 0; k < n; k++)
			in[k] = (char)rand();
		text_add_foreign(&t, in, n);
		assert_int_equal(strlen(buf), t.len);
		for (size_t k = 0; k < t.len; k++)
			assert_true((unsigned char)buf[k] >= 0x20 && buf[k] != 0x7f);
	}
}

static void a_cut_leaves_no_half_character(void **state)
{
	char buf[6];
	struct text t = text_on(buf, sizeof(buf));

	(void)state;
	text_add_foreign(&t, "abc\xe2\x82\xac", 6);
	assert_string_equal(buf, "abc");
	assert_true(t.cut && t.len == 3);
	text_add(&t, "d"); /* nothing behind the cut */
	assert_string_equal(buf, "abc");
	t = text_on(buf, sizeof(buf));
	text_add_foreign(&t, "abc\x1b", 4);
	assert_string_equal(buf, "abc");
	t = text_on(buf, sizeof(buf));
	text_add_foreign(&t, "ab\xe2\x82\xac", 5);
	assert_string_equal(buf, "ab\xe2\x82\xac");
	assert_false(t.cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_does_not_fit_is_cut_and_remembered),
		cmocka_unit_test(foreign_text_cannot_steer_a_terminal),
		cmocka_unit_test(only_what_is_utf8_passes_as_such),
		cmocka_unit_test(random_bytes_come_out_printable),
		cmocka_unit_test(a_cut_leaves_no_half_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
