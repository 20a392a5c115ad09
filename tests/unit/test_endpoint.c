/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=getaddrinfo,--wrap=freeaddrinfo */
#include "inject/endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret);
void __wrap_freeaddrinfo(struct addrinfo *list);

static struct addrinfo *handed_out;
static const char *asked;

/* "db" has two IPv4 addresses, one of them twice, and one of IPv6; "many" has 40; all other names
 * do not exist. */
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret)
{
	static struct sockaddr_in v4[40];
	static struct sockaddr_in6 v6;
	static struct addrinfo list[40];
	unsigned n = strcmp(node, "db") == 0 || strstr(node, "LocalHost") ? 4 :
		     strcmp(node, "many") == 0                            ? 40 :
									    0;

	(void)service;
	(void)hints;
	asked = node;
	for (unsigned i = 0; i < n; i++) {
		v4[i].sin_family = AF_INET;
		v4[i].sin_addr.s_addr = htonl(0x0a000001 + (n == 4 ? i % 2 : i));
		list[i] = (struct addrinfo){ .ai_family = AF_INET,
					     .ai_addr = (struct sockaddr *)&v4[i],
					     .ai_next = i + 1 < n ? &list[i + 1] : NULL };
	}
	if (n == 4) {
		inet_pton(AF_INET6, "2001:db8::5", &v6.sin6_addr);
		list[3].ai_family = AF_INET6;
		list[3].ai_addr = (struct sockaddr *)&v6;
	}
	*ret = handed_out = n ? list : NULL;
	return n ? 0 : EAI_NONAME;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
	assert_ptr_equal(list, handed_out);
	handed_out = NULL;
}

static const char *form_of(const char *text)
{
	static char buf[2000];
	struct text t = text_on(buf, sizeof(buf));
	struct endpoint ep;
	struct err e;

	if (endpoint_parse(text, &ep, &e) < 0)
		fail_msg("'%s': %s", text, e.msg[0]);
	endpoint_add(&t, &ep);
	assert_null(handed_out);
	return buf;
}

static void every_form_means_what_it_says(void **state)
{
	static const char *const forms[][2] = {
		{ "10.0.0.1", "10.0.0.1" },
		{ "10.0.0.1:5432", "10.0.0.1:5432" },
		{ "10.0.0.1:80-90", "10.0.0.1:80-90" },
		{ "10.0.0.1:80-80", "10.0.0.1:80" },
		{ "10.0.0.1:1-65535/udp", "10.0.0.1:1-65535/udp" },
		{ "10.1.2.3/8", "10.0.0.0/8" },
		{ "10.1.2.3/9:53/udp", "10.0.0.0/9:53/udp" },
		{ "10.255.255.255/31", "10.255.255.254/31" },
		{ "10.0.0.1/32", "10.0.0.1" },
		{ "1.2.3.4/0", "0.0.0.0/0" },
		{ "10.0.0.1/tcp", "10.0.0.1/tcp" },
		{ "10.0.0.0/8/icmp", "10.0.0.0/8/icmp" },
		{ "*", "*" },
		{ "*:53/udp", "*:53/udp" },
		{ ":8080", "*:8080" },
		{ "/sctp", "*/sctp" },
		{ "::1", "::1" },
		{ "fe80::1", "fe80::1" },
		{ "2001:db8::/32", "2001:db8::/32" },
		{ "2001:db8:ffff::1/33", "2001:db8:8000::/33" },
		{ "::/0", "::/0" },
		{ "[::1]", "::1" },
		{ "[::1]:443", "[::1]:443" },
		{ "[2001:db8::1]:443-445/tcp", "[2001:db8::1]:443-445/tcp" },
		{ "[2001:db8::/64]:53", "[2001:db8::/64]:53" },
		{ "::ffff:10.0.0.1", "10.0.0.1" }, /* as on the wire */
		{ "[::ffff:10.0.0.0/104]:53", "10.0.0.0/8:53" },
		{ "::/95", "::/95" },
		{ "db", "10.0.0.1,10.0.0.2,2001:db8::5" },
		{ "db:80/tcp", "10.0.0.1,10.0.0.2,[2001:db8::5]:80/tcp" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		char again[300];

		assert_string_equal(form_of(forms[i][0]), forms[i][1]);
		snprintf(again, sizeof(again), "%s", forms[i][1]);
		if (!strchr(again, ',')) /* what is shown can be written */
			assert_string_equal(form_of(again), forms[i][1]);
	}
}

static void what_is_no_endpoint_is_refused_and_nothing_is_written(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		":0",
		":65536",
		":x",
		"10.0.0.1:",
		"10.0.0.1:-5",
		"10.0.0.1:5-",
		"10.0.0.1:9-5",
		"10.0.0.1:5-6-7",
		"10.0.0.1: 5",
		"10.0.0.1:+5",
		"10.0.0.1:80/quic",
		"10.0.0.1/",
		"10.0.0.1/33",
		"10.0.0.1/-1",
		"10.0.0.1/8x",
		"::1/129",
		"[::1",
		"[::1]x",
		"[::1]443",
		"db/24",
		"10.0.0.1:99999999999999999999",
		"10.0.0.1/0x8",
		"10.0.0.1:99999",
		":5-2",
		"300.1.1.1:5",
		"10.0.0.256",
		"10.0.0",
		"10.0.0.256/24",
		"1234",
		"1:2:3",
		"[db.example:5]:1",
		"fe80::1%eth0",
		"[fe80::1%eth0]:443/tcp",
		"two words",
	};
	struct endpoint ep = { .n_prefixes = 77 };
	char longer[400];
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (endpoint_parse(bad[i], &ep, &e) != -EINVAL)
			fail_msg("'%s' was taken, or refused with %d", bad[i], e.code);
		assert_int_equal(endpoint_syntax(bad[i], &ep, &e), -EINVAL);
		assert_int_equal(ep.n_prefixes, 77);
	}
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(endpoint_parse(longer, &ep, &e), -EINVAL);
}

static void a_name_that_does_not_exist_is_told_apart(void **state)
{
	struct endpoint ep;
	struct err e;

	(void)state;
	assert_int_equal(endpoint_parse("nobody:80", &ep, &e), -ENOENT);
	assert_non_null(strstr(e.msg[0], "'nobody'"));
	assert_int_equal(endpoint_parse("many", &ep, &e), -E2BIG);
	assert_null(handed_out);
	assert_int_equal(endpoint_parse("[db.example]:1", &ep, &e), -ENOENT);
}

static void names_that_may_come_to_mean_more_are_kept(void **state)
{
	static const struct {
		const char *text, *name;
	} cases[] = { { "db:80/tcp", "db" },
		      { "10.0.0.1:80", "" },
		      { "LocalHost:80", "" }, /* RFC 6761 */
		      { "a.LocalHost.", "" },
		      { "aLocalHost", "aLocalHost" } };
	struct endpoint ep;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(endpoint_parse(cases[i].text, &ep, &e), 0);
		assert_string_equal(ep.name, cases[i].name);
	}
	assert_int_equal(endpoint_look_up("db", &ep, &e), 0); /* anew, whatever stood there */
	assert_int_equal(ep.n_prefixes, 3);
	assert_int_equal(endpoint_look_up("db", &ep, &e), 0);
	assert_int_equal(ep.n_prefixes, 3);
}

static void the_form_alone_looks_nothing_up(void **state)
{
	struct endpoint ep;
	struct err e;

	(void)state;
	asked = NULL;
	assert_int_equal(endpoint_syntax("db:80/tcp", &ep, &e), 0);
	assert_null(asked);
	assert_int_equal(ep.n_prefixes, 1);
	assert_int_equal(ep.prefix[0].family, 0);
	assert_int_equal(ep.port_lo, 80);
	assert_int_equal(endpoint_syntax("fe80::1%eth0", &ep, &e), -EINVAL);
	assert_non_null(strstr(e.msg[0], "say dev: instead of a zone"));
	assert_int_equal(endpoint_syntax("300.1.1.1:5", &ep, &e), -EINVAL);
	assert_non_null(strstr(e.msg[0], "'300.1.1.1' is no address"));
}

static void protocols_have_names_and_numbers(void **state)
{
	uint8_t p = 0;
	struct err e;

	(void)state;
	assert_int_equal(endpoint_proto("tcp", &p, &e), 0);
	assert_int_equal(p, 6);
	assert_int_equal(endpoint_proto("icmpv6", &p, &e), 0);
	assert_int_equal(p, 58);
	assert_int_equal(endpoint_proto("255", &p, &e), 0);
	assert_int_equal(p, 255);
	assert_int_equal(endpoint_proto("256", &p, &e), -EINVAL);
	assert_int_equal(endpoint_proto("0", &p, &e), -EINVAL);
	assert_int_equal(endpoint_proto("TCP", &p, &e), -EINVAL);
	assert_int_equal(endpoint_proto("", &p, &e), -EINVAL);
	assert_int_equal(endpoint_proto(" 6", &p, &e), -EINVAL);
	assert_int_equal(endpoint_proto("-1", &p, &e), -EINVAL);
	assert_int_equal(p, 255);
}

/* Anything that is taken has bounds that the kernel's sets can have. */
static void random_text_is_taken_rightly_or_refused(void **state)
{
	static const char letters[] = "0123456789.:/[]-*abcdeftcpudp ";
	unsigned taken = 0;

	(void)state;
	srand(5);
	for (int i = 0; i < 100000; i++) {
		struct endpoint ep;
		char s[24];
		size_t n = 1 + (size_t)rand() % (sizeof(s) - 1);
		struct err e;

		for (size_t k = 0; k < n; k++)
			s[k] = letters[(size_t)rand() % (k < 8 ? 12 : sizeof(letters) - 1)];
		s[n] = '\0';
		if (endpoint_parse(s, &ep, &e) < 0)
			continue;
		taken++;
		assert_true(ep.port_lo <= ep.port_hi && (ep.port_lo || !ep.port_hi));
		for (unsigned k = 0; k < ep.n_prefixes; k++)
			assert_true(ep.prefix[k].len <= (ep.prefix[k].family == 4 ? 32 : 128));
	}
	assert_true(taken > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_means_what_it_says),
		cmocka_unit_test(what_is_no_endpoint_is_refused_and_nothing_is_written),
		cmocka_unit_test(a_name_that_does_not_exist_is_told_apart),
		cmocka_unit_test(names_that_may_come_to_mean_more_are_kept),
		cmocka_unit_test(the_form_alone_looks_nothing_up),
		cmocka_unit_test(protocols_have_names_and_numbers),
		cmocka_unit_test(random_text_is_taken_rightly_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
