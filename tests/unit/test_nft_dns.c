/* SPDX-License-Identifier: Apache-2.0 */
/* The chains that look for names, carried out here on the bytes of a message. */
#include "inject/change/nft_dns.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inject/change/nlsock.h"
#include "inject/dns_name.h"
#include "tests/support/test.h"

#define BATCHES 40
#define HEAD    NLMSG_LENGTH(sizeof(struct nfgenmsg))

static _Alignas(16) char bytes[BATCHES][GATE_BATCH_BYTES];
static struct nlbuf batch[BATCHES];
static unsigned n_batches;

static const struct nlattr *attr(const struct nlmsghdr *h, uint16_t type)
{
	return nlattr_find((const char *)h + HEAD, h->nlmsg_len - HEAD, type);
}

static const struct nlattr *inner(const struct nlattr *a, uint16_t type)
{
	return a ? nlattr_find(nlattr_data(a), nlattr_len(a), type) : NULL;
}

static uint32_t number(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a)
		memcpy(&v, nlattr_data(a), sizeof(v));
	return ntohl(v);
}

static const uint8_t *value(const struct nlattr *a)
{
	const struct nlattr *v = inner(a, NFTA_DATA_VALUE);

	if (!v)
		abort();
	return nlattr_data(v);
}

static struct nft_gate_spec gate(enum gate_action action)
{
	struct nft_gate_spec s = {
		.table = "brink_t", .dev = "eth0", .action = (uint8_t)action, .n_matches = 1
	};

	s.share_ppm = 1000000;
	s.match[0] = (struct net_match){
		.hook = GATE_INGRESS, .sport_lo = 53, .sport_hi = 53, .proto = IPPROTO_UDP
	};
	return s;
}

static void add_name(struct nft_gate_spec *s, const char *text)
{
	struct err e;

	assert_int_equal(dns_name_read(text, &s->dns.name[s->dns.n++], &e), 0);
}

static void write_chains(const struct nft_gate_spec *s)
{
	struct dns_load l = dns_load_of(s, true);

	for (n_batches = 0;; n_batches++) {
		assert_true(n_batches < BATCHES);
		batch[n_batches] = nlbuf_on(bytes[n_batches], GATE_BATCH_BYTES);
		if (!dns_load_next(&batch[n_batches], &l))
			break;
		assert_false(batch[n_batches].full);
	}
}

/* Calls each message of a kind; stops at the first that says so. */
static bool any_message(uint16_t cmd, bool (*each)(const struct nlmsghdr *h, void *arg), void *arg)
{
	for (unsigned b = 0; b < n_batches; b++) {
		const char *at = bytes[b];

		for (unsigned i = 0; i < batch[b].n; i++) {
			const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)at;

			if (h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | cmd) && each(h, arg))
				return true;
			at += NLMSG_ALIGN(h->nlmsg_len);
		}
	}
	return false;
}

/* A message on its way through the chains. */
struct walk {
	const uint8_t *at;
	size_t len;
	char chain[32];
	bool over; /* accepted as it is */
	uint8_t reg[16];
};

/* One expression; false: the rule is left. */
static bool carry_out(struct walk *w, const struct nlattr *expr)
{
	const struct nlattr *name = inner(expr, NFTA_EXPR_NAME), *d = inner(expr, NFTA_EXPR_DATA);
	const struct nlattr *verdict = inner(inner(d, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);

	if (nlattr_is(name, "payload")) {
		uint32_t at = number(inner(d, NFTA_PAYLOAD_OFFSET)),
			 len = number(inner(d, NFTA_PAYLOAD_LEN));

		assert_int_equal(number(inner(d, NFTA_PAYLOAD_BASE)), NFT_PAYLOAD_INNER_HEADER);
		assert_true(at + len <= 255 && len <= sizeof(w->reg));
		if (at + len > w->len)
			return false;
		memcpy(w->reg, w->at + at, len);
	} else if (nlattr_is(name, "bitwise")) {
		uint32_t len = number(inner(d, NFTA_BITWISE_LEN));

		for (uint32_t i = 0; i < len; i++)
			w->reg[i] &= value(inner(d, NFTA_BITWISE_MASK))[i];
	} else if (nlattr_is(name, "cmp")) {
		const struct nlattr *v = inner(inner(d, NFTA_CMP_DATA), NFTA_DATA_VALUE);

		return v && memcmp(w->reg, nlattr_data(v), nlattr_len(v)) == 0;
	} else if (inner(verdict, NFTA_VERDICT_CHAIN)) {
		snprintf(w->chain, sizeof(w->chain), "%s",
			 (const char *)nlattr_data(inner(verdict, NFTA_VERDICT_CHAIN)));
	} else if (verdict) {
		w->over = true;
	} else {
		fail_msg("what is a %s?", (const char *)nlattr_data(name));
	}
	return true;
}

static bool rule(const struct nlmsghdr *h, void *arg)
{
	struct walk *w = arg;
	const struct nlattr *list = attr(h, NFTA_RULE_EXPRESSIONS);
	const char *p, *end;

	if (!list || !nlattr_is(attr(h, NFTA_RULE_CHAIN), w->chain))
		return false;
	p = nlattr_data(list);
	for (end = p + nlattr_len(list); p < end;
	     p += NLA_ALIGN(((const struct nlattr *)(const void *)p)->nla_len)) {
		if (!carry_out(w, (const struct nlattr *)(const void *)p))
			return false;
	}
	return true;
}

/* The chain in which a message ends; "" = it passes. */
static const char *end_of(const char *chain, const void *message, size_t len)
{
	static struct walk w;

	w = (struct walk){ .at = message, .len = len };
	snprintf(w.chain, sizeof(w.chain), "%s", chain);
	while (strcmp(w.chain, "hit") != 0 && strncmp(w.chain, "answer", 6) != 0) {
		if (!any_message(NFT_MSG_NEWRULE, rule, &w) || w.over)
			return "";
	}
	return w.chain;
}

/* A question in wire form, and what stands behind it. */
static const char *asked(const char *chain, const char *question, size_t len)
{
	uint8_t message[300] = { 0 };
	size_t before = strcmp(chain, "tcp") == 0 ? 14 : 12;

	memcpy(message + before, question, len);
	return end_of(chain, message, before + len);
}
#define ASKED(chain, question) asked(chain, question, sizeof(question) - 1)

static void only_the_name_itself_is_hit(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP);

	(void)state;
	add_name(&s, "db.example.com");
	add_name(&s, "a-name-of-more-than-two-loads.example.com");
	write_chains(&s);
	assert_string_equal(ASKED("udp", "\2db\7example\3com\0\0\1\0\1"), "hit");
	assert_string_equal(ASKED("udp", "\2DB\7eXample\3coM\0\0\1\0\1"), "hit");
	assert_string_equal(ASKED("tcp", "\2db\7example\3com\0\0\1\0\1"), "hit");
	assert_string_equal(ASKED("udp",
				  "\35a-name-of-more-than-two-loads\7example\3com\0\0\1\0\1"),
			    "hit");
	assert_string_equal(ASKED("udp",
				  "\35a-name-of-more-than-two-loadz\7example\3com\0\0\1\0\1"),
			    "");
	assert_string_equal(ASKED("udp", "\2db\7example\4comm\0\0\1\0\1"), "");
	assert_string_equal(ASKED("udp", "\3xdb\7example\3com\0\0\1\0\1"), "");
	assert_string_equal(ASKED("udp", "\1x\2db\7example\3com\0\0\1\0\1"), "");
	assert_string_equal(ASKED("udp", "\2db\7example\3com\4test\0\0\1\0\1"), "");
	assert_string_equal(ASKED("udp", "\0\0\1\0\1"), "");
	assert_string_equal(ASKED("udp", "\2db\7example\3com"), ""); /* cut off */
}

static void all_below_a_domain_are_hit_and_nothing_else(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP);
	char question[200];

	(void)state;
	add_name(&s, "*.example.org");
	add_name(&s, "*.thirteenchars.test");
	write_chains(&s);
	assert_string_equal(ASKED("udp", "\3www\7example\3org\0\0\1\0\1"), "hit");
	assert_string_equal(ASKED("udp", "\1a\1b\7EXAMPLE\3org\0\0\1\0\1"), "hit");
	assert_string_equal(ASKED("udp", "\7example\3org\0\0\1\0\1"), "");
	assert_string_equal(ASKED("udp", "\12notexample\3org\0\0\1\0\1"), "");
	assert_string_equal(ASKED("udp", "\3www\7example\3org\1x\0\0\1\0\1"), "");
	assert_string_equal(ASKED("udp", "\1x\15thirteenchars\4test\0\0\1\0\1"), "hit");
	/* '-' differs from the length 13 only in the bit that tells letters apart */
	assert_string_equal(ASKED("udp", "\20my-thirteenchars\4test\0\0\1\0\1"), "");
	/* behind another question: the name of a record, or within its data */
	assert_string_equal(
		ASKED("udp", "\1x\0\0\1\0\1\xc0\x0c\0\5\0\1\0\0\0\0\0\21\3www\7example\3org\0"),
		"");
	for (unsigned label = 1; label <= 63; label++) {
		question[0] = (char)label;
		memset(question + 1, 'x', label);
		memcpy(question + 1 + label, "\7example\3org\0\0\1\0\1", 17);
		assert_string_equal(asked("udp", question, label + 18), "hit");
		assert_string_equal(asked("tcp", question, label + 18), "hit");
	}
}

static void an_address_has_its_place_behind_each_question(void **state)
{
	struct nft_gate_spec s = gate(GATE_ANSWER);

	(void)state;
	s.dns.family = 4;
	add_name(&s, "*.example.org");
	write_chains(&s);
	assert_string_equal(ASKED("udp", "\1a\7example\3org\0\0\1\0\1"), "answer15");
	assert_string_equal(ASKED("udp", "\3www\7example\3org\0\0\1\0\1"), "answer17");
	assert_string_equal(ASKED("tcp", "\3www\7example\3org\0\0\1\0\1"), "");
}

static bool writes(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *list = attr(h, NFTA_RULE_EXPRESSIONS);
	const char *p = nlattr_data(list), *end = p + nlattr_len(list);
	bool *checked = arg, looked = false;

	for (; p < end; p += NLA_ALIGN(((const struct nlattr *)(const void *)p)->nla_len)) {
		const struct nlattr *expr = (const struct nlattr *)(const void *)p;
		const struct nlattr *d = inner(expr, NFTA_EXPR_DATA);
		uint32_t last =
			number(inner(d, NFTA_PAYLOAD_OFFSET)) + number(inner(d, NFTA_PAYLOAD_LEN));

		if (!nlattr_is(inner(expr, NFTA_EXPR_NAME), "payload"))
			continue;
		/* nft_payload.c: skb_checksum() may be asked only for what is there, and sums of
		 * 16 bits begin at even bytes */
		if (inner(d, NFTA_PAYLOAD_DREG) &&
		    number(inner(d, NFTA_PAYLOAD_BASE)) == NFT_PAYLOAD_TRANSPORT_HEADER)
			looked = true;
		if (!inner(d, NFTA_PAYLOAD_SREG))
			continue;
		*checked = true;
		assert_true(looked && last <= 255);
		if (inner(d, NFTA_PAYLOAD_CSUM_TYPE)) {
			assert_int_equal(number(inner(d, NFTA_PAYLOAD_CSUM_OFFSET)), 6);
			assert_int_equal(number(inner(d, NFTA_PAYLOAD_OFFSET)) % 2, 0);
		}
	}
	return false;
}

static void what_is_written_is_there_and_begins_at_even_bytes(void **state)
{
	static const uint8_t families[] = { 0, 4, 6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct nft_gate_spec s = gate(GATE_ANSWER);
		bool checked = false;

		s.dns.family = families[i];
		s.dns.rcode = families[i] ? 0 : 3;
		add_name(&s, "*");
		write_chains(&s);
		any_message(NFT_MSG_NEWRULE, writes, &checked);
		assert_true(checked);
	}
}

static void the_most_names_fit_in_batches(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP);

	(void)state;
	for (unsigned i = 0; i < DNS_NAMES; i++)
		add_name(&s, "*.a.name-of-some-length.in-a-domain-of-some-length.example.org");
	write_chains(&s);
	for (unsigned i = 0; i < n_batches; i++)
		assert_true(batch[i].n <= NLBUF_MESSAGES);
	assert_true(n_batches > 2 && n_batches < 20);
}

#define REFUSED(...)                           \
	do {                                   \
		s = good;                      \
		assert_true(dns_gate_ok(&s));  \
		__VA_ARGS__;                   \
		assert_false(dns_gate_ok(&s)); \
	} while (0)

static void a_message_with_a_wrong_name_is_refused(void **state)
{
	struct nft_gate_spec good = gate(GATE_ANSWER), s;

	(void)state;
	good.dns.rcode = 3;
	add_name(&good, "db.example.com");
	REFUSED(s.dns.n = 0);
	REFUSED(s.dns.n = DNS_NAMES + 1);
	REFUSED(s.dns.n = 2); /* the second one is empty */
	REFUSED(s.dns.name[0].len = 0);
	REFUSED(s.dns.name[0].len = 255);
	REFUSED(s.dns.name[0].len--);
	REFUSED(s.dns.name[0].wire[0] = 3);
	REFUSED(s.dns.name[0].wire[0] = 255);
	REFUSED(s.dns.name[0].below = 2);
	REFUSED(s.dns.rcode = 16);
	REFUSED(s.dns.rcode = 0);
	REFUSED(s.dns.family = 4);
	REFUSED(s.dns.rcode = 0, s.dns.family = 5);
	REFUSED(s.action = GATE_DROP);
	REFUSED(s.action = GATE_RESET, s.dns.rcode = 0);
	REFUSED(s.every = 2);
	REFUSED(s.tag = GATE_TAG_MASK);
	REFUSED(s.of_flows = 1);
	REFUSED(s.match[0].proto = IPPROTO_TCP);
	REFUSED(s.match[0].hook = GATE_EGRESS);
	good.action = GATE_DROP;
	good.dns.rcode = 0;
	REFUSED(s.match[0].proto = IPPROTO_ICMP);
	REFUSED(s.match[0].proto = 0, s.match[0].sport_hi = 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_name_itself_is_hit),
		cmocka_unit_test(all_below_a_domain_are_hit_and_nothing_else),
		cmocka_unit_test(an_address_has_its_place_behind_each_question),
		cmocka_unit_test(what_is_written_is_there_and_begins_at_even_bytes),
		cmocka_unit_test(the_most_names_fit_in_batches),
		cmocka_unit_test(a_message_with_a_wrong_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
