/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/dns_name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inject/change/nft_dns.h"
#include "tests/support/test.h"

static struct dns_name name_of(const char *text)
{
	struct dns_name n = { 0 };
	struct err e;

	if (dns_name_read(text, &n, &e) < 0)
		fail_msg("%s: %s", text, e.msg[0]);
	return n;
}

static void a_name_has_its_wire_form_in_lower_case(void **state)
{
	static const uint8_t wire[] = "\2db\7example\3com";
	const struct dns_name n = name_of("Db.eXAMPLE.com"), dot = name_of("db.example.com.");

	(void)state;
	assert_int_equal(n.len, sizeof(wire));
	assert_memory_equal(n.wire, wire, sizeof(wire));
	assert_int_equal(n.below, 0);
	assert_memory_equal(&n, &dot, sizeof(n));
}

static void a_star_means_all_below(void **state)
{
	static const uint8_t wire[] = "\7example\3org";
	const struct dns_name n = name_of("*.example.org"), all = name_of("*");

	(void)state;
	assert_int_equal(n.below, 1);
	assert_int_equal(n.len, sizeof(wire));
	assert_memory_equal(n.wire, wire, sizeof(wire));
	assert_int_equal(all.below, 1);
	assert_int_equal(all.len, 1);
	assert_int_equal(all.wire[0], 0);
}

static void names_are_written_as_they_were_read(void **state)
{
	static const char *const texts[] = { "db.example.com", "*.example.org", "*", "a",
					     "x_y-1.z" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct dns_name n = name_of(texts[i]);
		char buf[200];
		struct text t = text_on(buf, sizeof(buf));

		dns_add_name(&t, &n);
		assert_string_equal(buf, texts[i]);
	}
}

static void what_is_no_name_is_refused_with_the_reason(void **state)
{
	static const char l63[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "1 to 63" },
		{ ".", "1 to 63" },
		{ "*.", "1 to 63" },
		{ "a..b", "1 to 63" },
		{ ".a", "1 to 63" },
		{ "*a.b", "no DNS name" },
		{ "a.*.b", "no DNS name" },
		{ "a b", "no DNS name" },
		{ "a:53", "no DNS name" },
		{ "b\xc3\xbc"
		  "cher.example",
		  "xn--" },
	};
	char text[200];
	struct dns_name n;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(dns_name_read(cases[i].text, &n, &e), -EINVAL);
		if (!strstr(e.msg[0], cases[i].says))
			fail_msg("'%s': %s", cases[i].text, e.msg[0]);
	}
	snprintf(text, sizeof(text), "%sa", l63);
	assert_int_equal(dns_name_read(text, &n, &e), -EINVAL);
	snprintf(text, sizeof(text), "%s.%.62s", l63, l63); /* 126 characters: 128 bytes */
	assert_int_equal(dns_name_read(text, &n, &e), 0);
	assert_int_equal(n.len, DNS_WIRE_MAX);
	snprintf(text, sizeof(text), "%s.%s", l63, l63);
	assert_int_equal(dns_name_read(text, &n, &e), -EINVAL);
	assert_non_null(strstr(e.msg[0], "too long"));
}

static bool meet(const char *a, const char *b)
{
	struct dns_select x = { .n = 1 }, y = { .n = 1 };

	x.name[0] = name_of(a);
	y.name[0] = name_of(b);
	assert_int_equal(dns_selects_meet(&x, &y), dns_selects_meet(&y, &x));
	return dns_selects_meet(&x, &y);
}

static void names_meet_where_one_message_can_be_about_both(void **state)
{
	const struct dns_select none = { 0 };
	struct dns_select some = { .n = 1 };

	(void)state;
	some.name[0] = name_of("a.b");
	assert_true(dns_selects_meet(&none, &some));
	assert_true(meet("a.b", "A.B"));
	assert_true(meet("*.b", "a.b"));
	assert_true(meet("*.b", "*.b"));
	assert_true(meet("*.b", "*.a.b"));
	assert_true(meet("*", "a.b"));
	assert_false(meet("a.b", "c.b"));
	assert_false(meet("*.b", "b"));
	assert_false(meet("*.ample.org", "www.example.org"));
	assert_false(meet("*.a.b", "*.c.b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_its_wire_form_in_lower_case),
		cmocka_unit_test(a_star_means_all_below),
		cmocka_unit_test(names_are_written_as_they_were_read),
		cmocka_unit_test(what_is_no_name_is_refused_with_the_reason),
		cmocka_unit_test(names_meet_where_one_message_can_be_about_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
