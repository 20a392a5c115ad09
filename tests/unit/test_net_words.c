/* SPDX-License-Identifier: Apache-2.0 */
/* The words for what stands in a packet: every right form, and none that is almost right. */
#include "inject/net_words.h"

#include <string.h>

#include "tests/support/test.h"

typedef int reader(const char *text, struct gate_conditions *ret, struct err *e);

static struct gate_conditions good(reader *read, const char *text)
{
	struct gate_conditions c = { 0 };
	struct err e = { 0 };

	if (read(text, &c, &e) < 0)
		fail_msg("%s: %s", text, e.msg[0]);
	return c;
}

static void refuse_all(reader *read, const char *const *texts)
{
	for (; *texts; texts++) {
		struct gate_conditions c = { 0 };
		struct err e = { 0 };

		if (read(*texts, &c, &e) != -EINVAL)
			fail_msg("'%s' was taken", *texts);
		assert_int_equal(c.given, 0);
		assert_non_null(strstr(e.msg[0], *texts));
	}
}

static void marks_have_a_mask_or_all_bits(void **state)
{
	static const char *const bad[] = { "",    "x",       "-1",  "1/",    "/1",          "1/0",
					   "0x",  "0x10/1",  "1 ",  "1/1/1", "0x100000000", "3/2",
					   "1/x", "0x10/0x", "0/0", NULL };
	struct gate_conditions c = good(net_read_mark, "7");

	(void)state;
	assert_int_equal(c.given, GATE_MARK);
	assert_int_equal(c.mark, 7);
	assert_int_equal(c.mark_mask, UINT32_MAX);
	c = good(net_read_mark, "0x10/0xf0");
	assert_int_equal(c.mark, 0x10);
	assert_int_equal(c.mark_mask, 0xf0);
	c = good(net_read_mark, "0/1");
	assert_int_equal(c.mark, 0);
	assert_int_equal(good(net_read_mark, "0xffffffff").mark, UINT32_MAX);
	refuse_all(net_read_mark, bad);
}

static void dscp_has_the_names_of_the_standards(void **state)
{
	static const struct {
		const char *name;
		unsigned value;
	} names[] = { { "ef", 46 },   { "cs0", 0 },   { "cs1", 8 }, { "cs7", 56 },
		      { "af11", 10 }, { "af43", 38 }, { "le", 1 },  { "voice-admit", 44 },
		      { "0x2e", 46 }, { "63", 63 },   { "0", 0 },   { "be", 0 } };
	static const char *const bad[] = { "",      "64", "cs8", "af14", "af51", "af1",
					   "af111", "EF", "-1",  "ef ",  NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct gate_conditions c = good(net_read_dscp, names[i].name);

		assert_int_equal(c.given, GATE_DSCP);
		assert_int_equal(c.dscp, names[i].value);
	}
	refuse_all(net_read_dscp, bad);
}

static void lengths_are_ranges_with_open_ends(void **state)
{
	static const struct {
		const char *text;
		unsigned lo, hi;
	} texts[] = { { "100", 100, 100 },
		      { "100-", 100, UINT16_MAX },
		      { "-100", 0, 100 },
		      { "60-1500", 60, 1500 },
		      { "65535", UINT16_MAX, UINT16_MAX } };
	static const char *const bad[] = { "",     "-",    "x",  "5-4", "65536", "1-65536",
					   "1--2", "1-2-", " 1", "1-x", NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct gate_conditions c = good(net_read_length, texts[i].text);

		assert_int_equal(c.given, GATE_LENGTH);
		assert_int_equal(c.length_lo, texts[i].lo);
		assert_int_equal(c.length_hi, texts[i].hi);
	}
	refuse_all(net_read_length, bad);
}

static int flags(struct gate_conditions *ret, const char *a, const char *b, struct err *e)
{
	const char *at[] = { a, b };
	const struct strings list = { .n = b ? 2 : 1, .at = at };

	*ret = (struct gate_conditions){ 0 };
	return net_read_flags(&list, ret, e);
}

static void flags_are_set_not_set_or_alone(void **state)
{
	static const struct {
		const char *a, *b;
		uint8_t want, mask;
	} good_ones[] = { { "syn", NULL, 0x02, 0x02 },      { "no-syn", NULL, 0, 0x02 },
			  { "syn", "no-ack", 0x02, 0x12 },  { "ack-only", NULL, 0x10, 0x3f },
			  { "fin", "ack", 0x11, 0x11 },     { "ece", "cwr", 0xc0, 0xc0 },
			  { "ack-only", "ece", 0x50, 0x7f } };
	static const char *const bad[][2] = { { "SYN", NULL },         { "sy", NULL },
					      { "no-", NULL },         { "synack", NULL },
					      { "no-syn-only", NULL }, { "", NULL },
					      { "syn", "no-syn" },     { "no-syn", "syn" },
					      { "ack-only", "syn" },   { "syn", "ack-only" } };
	struct gate_conditions c;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good_ones); i++) {
		assert_int_equal(flags(&c, good_ones[i].a, good_ones[i].b, &e), 0);
		assert_int_equal(c.given, GATE_FLAGS);
		assert_int_equal(c.tcp_flags, good_ones[i].want);
		assert_int_equal(c.tcp_mask, good_ones[i].mask);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(flags(&c, bad[i][0], bad[i][1], &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_have_a_mask_or_all_bits),
		cmocka_unit_test(dscp_has_the_names_of_the_standards),
		cmocka_unit_test(lengths_are_ranges_with_open_ends),
		cmocka_unit_test(flags_are_set_not_set_or_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
