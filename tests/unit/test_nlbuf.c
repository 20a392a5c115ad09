/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/nlbuf.h"

#include <string.h>

#include "tests/support/test.h"

static void messages_and_attributes_are_laid_out_as_netlink_wants_them(void **state)
{
	static const unsigned char want[] = {
		52,   0,    0, 0,    16,  0, 5, 0,
		0,    0,    0, 0,    0,   0, 0, 0, /* header: length, type, flags, seq, port */
		0xaa, 0xbb, 0, 0,                  /* fixed part, padded */
		6,    0,    1, 0,    'x', 0, 0, 0, /* a string with its end */
		24,   0,    2, 0x80,               /* nested */
		8,    0,    3, 0,    0,   0, 1, 2, /* big-endian */
		5,    0,    4, 0,    7,   0, 0, 0, /* one byte */
		4,    0,    5, 0,                  /* nothing in it */
	};
	_Alignas(16) char bytes[64];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	size_t nest;

	(void)state;
	memset(bytes, 0x55, sizeof(bytes));
	nlbuf_msg(&b, 16, NLM_F_ACK, "\xaa\xbb", 2, "test");
	nlbuf_str(&b, 1, "x");
	nest = nlbuf_nest(&b, 2);
	nlbuf_be32(&b, 3, 0x0102);
	nlbuf_u8(&b, 4, 7);
	nlbuf_attr(&b, 5, NULL, 0);
	nlbuf_end(&b, nest);
	assert_false(b.full);
	assert_int_equal(b.len, 52);
	assert_memory_equal(bytes, want, sizeof(want) < b.len ? sizeof(want) : b.len);
}

static void a_second_message_leaves_the_first_as_it_is(void **state)
{
	_Alignas(16) char bytes[64];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));

	(void)state;
	nlbuf_msg(&b, 1, 0, NULL, 0, "one");
	nlbuf_u8(&b, 1, 1);
	nlbuf_msg(&b, 2, 0, NULL, 0, "two");
	nlbuf_u32(&b, 1, 1);
	assert_int_equal(((struct nlmsghdr *)(void *)bytes)->nlmsg_len, 24);
	assert_int_equal(b.msg->nlmsg_len, 24);
	assert_int_equal(b.n, 2);
	assert_string_equal(b.what[1], "two");
}

/* Whatever does not fit: nothing is written behind the end, and it shows. */
static void what_does_not_fit_shows(void **state)
{
	_Alignas(16) char bytes[200];

	(void)state;
	for (size_t size = 0; size < 88; size++) {
		struct nlbuf b = nlbuf_on(bytes, size);
		size_t nest;

		memset(bytes, 0x55, sizeof(bytes));
		nlbuf_msg(&b, 16, 0, "abcd", 4, "test");
		nest = nlbuf_nest(&b, 1);
		nlbuf_str(&b, 2, "a string of some length, more than the others");
		nlbuf_end(&b, nest);
		nlbuf_be64(&b, 3, 1);
		assert_true(b.full);
		assert_true(b.len <= size);
		for (size_t i = size; i < sizeof(bytes); i++)
			assert_int_equal(bytes[i], 0x55);
	}
	{
		struct nlbuf b = nlbuf_on(bytes, 88);

		nlbuf_msg(&b, 16, 0, "abcd", 4, "test");
		nlbuf_end(&b, nlbuf_nest(&b, 1));
		nlbuf_str(&b, 2, "a string of some length, more than the others");
		nlbuf_be64(&b, 3, 1);
		assert_false(b.full);
		assert_int_equal(b.len, 88);
	}
}

static void sizes_beyond_16_bits_and_too_many_messages_show(void **state)
{
	static _Alignas(16) char bytes[200000];
	static char big[70000];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	size_t nest;

	(void)state;
	nlbuf_msg(&b, 1, 0, NULL, 0, "one");
	nlbuf_attr(&b, 1, big, UINT16_MAX - 4);
	assert_false(b.full);
	nlbuf_attr(&b, 1, big, UINT16_MAX - 3);
	assert_true(b.full);
	b = nlbuf_on(bytes, sizeof(bytes));
	nlbuf_msg(&b, 1, 0, NULL, 0, "one");
	nest = nlbuf_nest(&b, 1);
	nlbuf_attr(&b, 1, big, 40000);
	nlbuf_attr(&b, 1, big, 40000);
	assert_false(b.full);
	nlbuf_end(&b, nest);
	assert_true(b.full);
	b = nlbuf_on(bytes, sizeof(bytes));
	for (int i = 0; i < NLBUF_MESSAGES; i++)
		nlbuf_msg(&b, 1, 0, NULL, 0, "one");
	assert_false(b.full);
	nlbuf_msg(&b, 1, 0, NULL, 0, "one too many");
	assert_true(b.full);
	assert_int_equal(b.n, NLBUF_MESSAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_and_attributes_are_laid_out_as_netlink_wants_them),
		cmocka_unit_test(a_second_message_leaves_the_first_as_it_is),
		cmocka_unit_test(what_does_not_fit_shows),
		cmocka_unit_test(sizes_beyond_16_bits_and_too_many_messages_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
