/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a gate, read back: sets without overlap, rules in order, nothing that acts
 * without the lease. */
#include "inject/change/nft_rules.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inject/change/nft_sets.h"
#include "inject/change/nlsock.h"
#include "tests/support/test.h"

static _Alignas(16) char bytes[GATE_BATCH_BYTES];
static struct nlbuf batch;

static const struct nlmsghdr *next(const struct nlmsghdr *h)
{
	return (const struct nlmsghdr *)(const void *)((const char *)h + NLMSG_ALIGN(h->nlmsg_len));
}

static const struct nlattr *attr(const struct nlmsghdr *h, uint16_t type)
{
	size_t head = NLMSG_LENGTH(sizeof(struct nfgenmsg));

	if (!h)
		abort(); /* a message that must be there is not */
	return nlattr_find((const char *)h + head, h->nlmsg_len - head, type);
}

static const struct nlattr *inner(const struct nlattr *a, uint16_t type)
{
	return a ? nlattr_find(nlattr_data(a), nlattr_len(a), type) : NULL;
}

static const struct nlattr *sure(const struct nlattr *a)
{
	if (!a)
		abort();
	return a;
}

static uint32_t number(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a)
		memcpy(&v, nlattr_data(a), sizeof(v));
	return ntohl(v);
}

/* Message i of a kind, or NULL. */
static const struct nlmsghdr *message(uint16_t cmd, unsigned i)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)bytes;

	for (unsigned k = 0; k < batch.n; k++, h = next(h)) {
		if ((h->nlmsg_type & 0xff) == cmd && h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
		    i-- == 0)
			return h;
	}
	return NULL;
}

static unsigned messages(uint16_t cmd)
{
	unsigned n = 0;

	while (message(cmd, n))
		n++;
	return n;
}

static void write_gate(const struct nft_gate_spec *s)
{
	batch = nlbuf_on(bytes, sizeof(bytes));
	gate_write(&batch, s, NULL, 7);
	assert_false(batch.full);
}

/* A rule as words: "meta cmp lookup:lease counter drop". */
static const char *words(const struct nlmsghdr *h)
{
	static char buf[1000];
	struct text t = text_on(buf, sizeof(buf));
	const struct nlattr *list = sure(attr(h, NFTA_RULE_EXPRESSIONS));
	const char *p = nlattr_data(list), *end = p + nlattr_len(list);

	while (p < end) {
		const struct nlattr *a = (const struct nlattr *)(const void *)p;
		const struct nlattr *name = sure(inner(a, NFTA_EXPR_NAME)),
				    *data = inner(a, NFTA_EXPR_DATA);
		const struct nlattr *verdict =
			inner(inner(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);

		text_add(&t, "%s", t.len ? " " : "");
		if (nlattr_is(name, "lookup"))
			text_add(&t, "@%s",
				 (const char *)nlattr_data(sure(inner(data, NFTA_LOOKUP_SET))));
		else if (inner(verdict, NFTA_VERDICT_CHAIN))
			text_add(&t, "goto:%s",
				 (const char *)nlattr_data(
					 sure(inner(verdict, NFTA_VERDICT_CHAIN))));
		else if (nlattr_is(name, "immediate") && verdict)
			text_add(&t, "%s",
				 number(inner(verdict, NFTA_VERDICT_CODE)) == NF_DROP ? "drop" :
											"accept");
		else
			text_add(&t, "%s", (const char *)nlattr_data(name));
		p += NLA_ALIGN(a->nla_len);
	}
	return buf;
}

static struct nft_gate_spec gate(enum gate_action action, uint8_t hook)
{
	struct nft_gate_spec s = { .table = "brink_t",
				   .dev = "eth0",
				   .action = (uint8_t)action,
				   .share_ppm = 1000000,
				   .n_matches = 1 };

	s.match[0] = (struct net_match){
		.hook = hook, .dport_lo = 80, .dport_hi = 80, .proto = IPPROTO_TCP
	};
	return s;
}

static void add_prefix(struct nft_gate_spec *s, const char *address, unsigned len)
{
	struct net_prefix *p = &s->prefix[s->n_prefixes++];

	p->family = strchr(address, ':') ? 6 : 4;
	p->len = (uint8_t)len;
	inet_pton(p->family == 6 ? AF_INET6 : AF_INET, address, p->addr);
	s->match[0].dst_n++;
}

static void every_action_asks_for_the_lease_counts_and_then_acts(void **state)
{
	static const struct {
		enum gate_action action;
		uint8_t hook;
		const char *want;
	} cases[] = {
		{ GATE_DROP, GATE_EGRESS,
		  "meta cmp meta cmp payload cmp immediate @lease counter drop" },
		{ GATE_FWD, GATE_INGRESS,
		  "meta cmp meta cmp payload cmp immediate @lease counter immediate fwd" },
		{ GATE_RESET, GATE_OUTPUT,
		  "meta cmp meta cmp meta cmp payload cmp immediate @lease counter reject" },
		{ GATE_UNREACHABLE, GATE_INPUT,
		  "meta cmp meta cmp meta cmp payload cmp immediate @lease counter reject" },
		{ GATE_QUEUE, GATE_PREROUTING,
		  "meta cmp meta cmp meta cmp payload cmp immediate @lease counter queue" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct nft_gate_spec s = gate(cases[i].action, cases[i].hook);
		bool inet = cases[i].hook >= GATE_OUTPUT, twice = inet && i < 4;

		write_gate(&s);
		assert_int_equal(gate_family(&s), inet ? NFPROTO_INET : NFPROTO_NETDEV);
		assert_int_equal(messages(NFT_MSG_NEWTABLE), 1);
		assert_int_equal(number(attr(message(NFT_MSG_NEWTABLE, 0), NFTA_TABLE_FLAGS)),
				 NFT_TABLE_F_OWNER);
		assert_int_equal(messages(NFT_MSG_NEWCHAIN),
				 twice ? 2 : 1); /* and forwarded packets: prerouting has both */
		assert_int_equal(messages(NFT_MSG_NEWRULE),
				 twice ? 4 : 2); /* a rule for each family */
		for (unsigned r = 0; r < messages(NFT_MSG_NEWRULE); r++)
			assert_string_equal(words(message(NFT_MSG_NEWRULE, r)), cases[i].want);
	}
}

static const struct nlattr *expression(const struct nlmsghdr *rule, const char *name)
{
	const struct nlattr *list = sure(attr(rule, NFTA_RULE_EXPRESSIONS));
	const char *p = nlattr_data(list), *end = p + nlattr_len(list);

	for (; p < end; p += NLA_ALIGN(((const struct nlattr *)(const void *)p)->nla_len)) {
		const struct nlattr *a = (const struct nlattr *)(const void *)p;

		if (nlattr_is(inner(a, NFTA_EXPR_NAME), name))
			return inner(a, NFTA_EXPR_DATA);
	}
	return NULL;
}

static void a_queue_without_a_reader_is_passed_by(void **state)
{
	static const unsigned char want[] = { 6, 0, 1, 0, 0x12, 0x34, 0, 0, 6, 0, 2, 0,
					      0, 1, 0, 0, 6,    0,    3, 0, 0, 1, 0, 0 };
	struct nft_gate_spec s = gate(GATE_QUEUE, GATE_PREROUTING);
	const struct nlattr *queue, *hook;

	(void)state;
	s.queue = 0x1234;
	write_gate(&s);
	queue = sure(expression(message(NFT_MSG_NEWRULE, 0), "queue"));
	assert_int_equal(nlattr_len(queue), sizeof(want));
	assert_memory_equal(nlattr_data(queue), want, sizeof(want));
	hook = sure(attr(message(NFT_MSG_NEWCHAIN, 0), NFTA_CHAIN_HOOK));
	assert_int_equal(number(inner(hook, NFTA_HOOK_HOOKNUM)), NF_INET_PRE_ROUTING);
	assert_int_equal((int)number(inner(hook, NFTA_HOOK_PRIORITY)), -150); /* mangle */
}

static void the_lease_set_is_empty_until_the_gate_is_fired(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

	(void)state;
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWSET), 1);
	assert_int_equal(messages(NFT_MSG_NEWSETELEM), 0);
	assert_true(nlattr_is(attr(message(NFT_MSG_NEWSET, 0), NFTA_SET_NAME), "lease"));
	assert_int_equal(number(attr(message(NFT_MSG_NEWSET, 0), NFTA_SET_FLAGS)), NFT_SET_TIMEOUT);
}

static void an_exemption_accepts_and_asks_nobody(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

	(void)state;
	s.match[0].exempt = 1;
	write_gate(&s);
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 0)),
			    "meta cmp meta cmp payload cmp accept");
}

static void a_port_without_a_protocol_is_tcp_and_udp(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

	(void)state;
	s.match[0].proto = 0;
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 4);
	s.match[0].dport_lo = s.match[0].dport_hi = 0;
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 2);
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 0)),
			    "meta cmp immediate @lease counter drop");
	s.match[0].proto = IPPROTO_ICMPV6; /* of one family only */
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 1);
}

static void shares_are_a_die_or_a_hash_before_the_lease(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

	(void)state;
	s.share_ppm = 300000;
	write_gate(&s);
	assert_string_equal(
		words(message(NFT_MSG_NEWRULE, 0)),
		"meta cmp meta cmp payload cmp numgen byteorder cmp immediate @lease counter drop");
	s.of_flows = 1;
	s.only = (struct gate_conditions){ .given = GATE_FLAGS, .tcp_mask = 0x12, .tcp_flags = 2 };
	write_gate(&s);
	assert_string_equal(
		words(message(NFT_MSG_NEWRULE, 0)),
		"meta cmp meta cmp payload cmp payload bitwise cmp payload payload payload payload "
		"hash byteorder cmp immediate @lease counter drop");
	s.share_ppm = 1000000; /* all new ones: still only the first packet of each */
	write_gate(&s);
	assert_string_equal(
		words(message(NFT_MSG_NEWRULE, 0)),
		"meta cmp meta cmp payload cmp payload bitwise cmp immediate @lease counter drop");
}

static void flows_of_every_protocol_are_hashed_each_in_its_own_way(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

	(void)state;
	s.share_ppm = 300000;
	s.of_flows = 1;
	s.match[0] = (struct net_match){ .hook = GATE_EGRESS };
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 6); /* TCP, UDP and the others, twice */
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 2)),
			    "meta cmp meta cmp payload payload payload payload hash byteorder cmp "
			    "immediate @lease counter drop");
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 4)),
			    "meta cmp meta cmp cmp payload payload hash byteorder cmp "
			    "immediate @lease counter drop");
	s.match[0].exempt = EXEMPT_CHOSEN; /* asks no hash */
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 2);
}

/* The offsets of the payload expressions of a rule, in their order. */
static const char *offsets(const struct nlmsghdr *h)
{
	static char buf[200];
	struct text t = text_on(buf, sizeof(buf));
	const struct nlattr *list = sure(attr(h, NFTA_RULE_EXPRESSIONS));
	const char *p = nlattr_data(list), *end = p + nlattr_len(list);

	for (; p < end; p += NLA_ALIGN(((const struct nlattr *)(const void *)p)->nla_len)) {
		const struct nlattr *a = (const struct nlattr *)(const void *)p;

		if (nlattr_is(sure(inner(a, NFTA_EXPR_NAME)), "payload"))
			text_add(&t, "%s%u", t.len ? " " : "",
				 number(inner(inner(a, NFTA_EXPR_DATA), NFTA_PAYLOAD_OFFSET)));
	}
	return buf;
}

static void what_comes_back_on_a_flow_is_hashed_the_other_way_round(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

	(void)state;
	s.share_ppm = 300000;
	s.of_flows = 1;
	s.n_matches = 2;
	s.match[1] = s.match[0];
	s.match[1].hook = GATE_INGRESS;
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 4);
	assert_string_equal(offsets(message(NFT_MSG_NEWRULE, 0)), "2 12 16 0 2");
	assert_string_equal(offsets(message(NFT_MSG_NEWRULE, 1)), "2 8 24 0 2");
	assert_string_equal(offsets(message(NFT_MSG_NEWRULE, 2)), "2 16 12 2 0");
	assert_string_equal(offsets(message(NFT_MSG_NEWRULE, 3)), "2 24 8 2 0");
	s.n_matches = 1; /* incoming alone stays as it is */
	s.match[0].hook = GATE_INGRESS;
	write_gate(&s);
	assert_string_equal(offsets(message(NFT_MSG_NEWRULE, 0)), "2 12 16 0 2");
}

static void conditions_bind_what_acts_and_no_exemption(void **state)
{
	static const struct {
		uint32_t given;
		const char *want;
	} cases[] = {
		{ GATE_MARK, "meta cmp meta cmp payload cmp meta bitwise cmp" },
		{ GATE_DSCP, "meta cmp meta cmp payload cmp payload bitwise cmp" },
		{ GATE_USER, "meta cmp meta cmp payload cmp meta cmp" },
		{ GATE_FLAGS, "meta cmp meta cmp payload cmp payload bitwise cmp" },
		{ GATE_LENGTH, "meta cmp meta cmp payload cmp payload cmp cmp" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);
		char want[200];

		s.only = (struct gate_conditions){ .given = cases[i].given, .length_hi = 100 };
		snprintf(want, sizeof(want), "%s immediate @lease counter drop", cases[i].want);
		write_gate(&s);
		assert_int_equal(messages(NFT_MSG_NEWRULE), 2);
		assert_string_equal(words(message(NFT_MSG_NEWRULE, 0)), want);
		assert_string_equal(words(message(NFT_MSG_NEWRULE, 1)), want);
		s.match[0].exempt = EXEMPT_CHOSEN;
		write_gate(&s);
		assert_string_equal(words(message(NFT_MSG_NEWRULE, 0)),
				    "meta cmp meta cmp payload cmp accept");
	}
	{ /* no IPv6 packet is that short */
		struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

		s.only = (struct gate_conditions){ .given = GATE_LENGTH, .length_hi = 39 };
		write_gate(&s);
		assert_int_equal(messages(NFT_MSG_NEWRULE), 1);
	}
}

static void every_nth_packet_is_counted_in_one_place(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

	(void)state;
	s.every = 3;
	s.match[0].proto = 0; /* two protocols, two families */
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWCHAIN), 2);
	assert_null(attr(message(NFT_MSG_NEWCHAIN, 0), NFTA_CHAIN_HOOK));
	assert_int_equal(messages(NFT_MSG_NEWRULE), 5);
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(words(message(NFT_MSG_NEWRULE, i)),
				    "meta cmp meta cmp payload cmp goto:every");
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 4)),
			    "immediate @lease numgen byteorder cmp counter drop");
}

static void icmp_is_icmpv6_in_ipv6(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

	(void)state;
	s.match[0] = (struct net_match){ .hook = GATE_EGRESS, .proto = IPPROTO_ICMP };
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 2);
	s.match[0].proto = IPPROTO_ICMPV6;
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 1);
}

static void both_ends_are_asked_in_one_rule(void **state)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

	(void)state;
	add_prefix(&s, "10.0.0.1", 32);
	add_prefix(&s, "10.0.0.2", 32);
	s.match[0].dst_n = 1;
	s.match[0].src_first = 1;
	s.match[0].src_n = 1;
	s.match[0].sport_lo = 5;
	s.match[0].sport_hi = 9;
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 1); /* IPv6 cannot match */
	assert_string_equal(
		words(message(NFT_MSG_NEWRULE, 0)),
		"meta cmp meta cmp payload @a1_v4 payload @a0_v4 payload cmp cmp payload cmp "
		"immediate @lease counter drop");
}

/* The elements of the first address set: "10.0.0.0 11.0.0.0E", E = end of an interval. */
static const char *elements(void)
{
	static char buf[1000];
	struct text t = text_on(buf, sizeof(buf));
	const struct nlattr *list =
		sure(attr(message(NFT_MSG_NEWSETELEM, 0), NFTA_SET_ELEM_LIST_ELEMENTS));
	const char *p = nlattr_data(list), *end = p + nlattr_len(list);

	while (p < end) {
		const struct nlattr *a = (const struct nlattr *)(const void *)p;
		const struct nlattr *key =
			sure(inner(inner(a, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE));
		char name[INET6_ADDRSTRLEN] = "";

		inet_ntop(nlattr_len(key) == 4 ? AF_INET : AF_INET6, nlattr_data(key), name,
			  sizeof(name));
		text_add(&t, "%s%s%s", t.len ? " " : "", name,
			 number(inner(a, NFTA_SET_ELEM_FLAGS)) == NFT_SET_ELEM_INTERVAL_END ? "E" :
											      "");
		p += NLA_ALIGN(a->nla_len);
	}
	return buf;
}

static void ranges_end_where_the_next_address_begins(void **state)
{
	static const struct {
		const char *address;
		unsigned len;
		const char *want;
	} cases[] = {
		{ "10.0.0.0", 8, "10.0.0.0 11.0.0.0E" },
		{ "10.0.0.4", 30, "10.0.0.4 10.0.0.8E" },
		{ "10.255.0.0", 16, "10.255.0.0 11.0.0.0E" },
		{ "10.0.0.128", 25, "10.0.0.128 10.0.1.0E" },
		{ "0.0.0.0", 1, "0.0.0.0 128.0.0.0E" },
		{ "128.0.0.0", 1, "128.0.0.0" }, /* to the end of all addresses */
		{ "255.255.255.0", 24, "255.255.255.0" },
		{ "0.0.0.0", 0, "0.0.0.0" },
		{ "2001:db8::", 32, "2001:db8:: 2001:db9::E" },
		{ "fd00::", 9, "fd00:: fd80::E" },
		{ "ffff::", 16, "ffff::" },
		{ "::", 0, "::" },
		{ "fd00::fffe", 127, "fd00::fffe fd00::1:0E" },
		{ "10.0.0.1", 32, "10.0.0.1" }, /* no interval at all */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

		add_prefix(&s, cases[i].address, cases[i].len);
		write_gate(&s);
		assert_string_equal(elements(), cases[i].want);
	}
	{ /* an address among ranges is a range of one; the last one of all has no end */
		struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);

		add_prefix(&s, "10.0.0.0", 8);
		add_prefix(&s, "192.0.2.255", 32);
		add_prefix(&s, "255.255.255.255", 32);
		write_gate(&s);
		assert_string_equal(elements(),
				    "10.0.0.0 11.0.0.0E 192.0.2.255 192.0.3.0E 255.255.255.255");
	}
}

/* A gate on a list of the pool that grows; the sets are in the batch afterwards. */
static struct nft_gate_spec growing(const struct address_pool *pool)
{
	struct nft_gate_spec s = gate(GATE_DROP, GATE_EGRESS);
	struct gate_load load;

	s.match[0].dst_first = GATE_PREFIXES;
	s.match[0].dst_n = pool->n;
	s.match[0].grows = GROWS_DST;
	load = gate_load_of(&s, pool);
	load.s = &s;
	batch = nlbuf_on(bytes, sizeof(bytes));
	assert_true(gate_load_next(&batch, &load));
	return s;
}

static void join(const struct nft_gate_spec *s, const struct address_pool *pool,
		 const char *address, bool want)
{
	struct gate_join j = { .list = GATE_PREFIXES };

	j.at.family = strchr(address, ':') ? 6 : 4;
	j.at.len = j.at.family == 6 ? 128 : 32;
	inet_pton(j.at.family == 6 ? AF_INET6 : AF_INET, address, j.at.addr);
	batch = nlbuf_on(bytes, sizeof(bytes));
	assert_true(gate_join_write(&batch, s, pool, &j) == want);
	assert_false(batch.full);
}

static void a_list_that_grows_has_room_in_both_families(void **state)
{
	static const struct net_prefix one[] = { { 4, 32, { 10, 0, 0, 1 } } };
	static const struct net_prefix two[] = { { 4, 32, { 10, 0, 0, 1 } },
						 { 4, 24, { 10, 0, 1, 0 } } };
	const struct address_pool alone = { 1, one }, ranges = { 2, two };
	struct nft_gate_spec s;

	(void)state;
	s = growing(&alone);
	assert_int_equal(messages(NFT_MSG_NEWSET), 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct nlmsghdr *set = message(NFT_MSG_NEWSET, i);

		assert_true(nlattr_is(attr(set, NFTA_SET_NAME), i ? "a96_v6" : "a96_v4"));
		assert_int_equal(number(attr(set, NFTA_SET_FLAGS)), 0); /* not constant */
		assert_int_equal(number(inner(attr(set, NFTA_SET_DESC), NFTA_SET_DESC_SIZE)),
				 GATE_JOINS + (i ? 0 : 1));
	}
	batch = nlbuf_on(bytes, sizeof(bytes));
	gate_write(&batch, &s, &alone, 7);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 2); /* and one for what is not there yet */
	assert_non_null(strstr(words(message(NFT_MSG_NEWRULE, 1)), "@a96_v6"));

	join(&s, &alone, "10.0.0.7", true);
	assert_int_equal(messages(NFT_MSG_NEWSETELEM), 1);
	assert_true(
		nlattr_is(attr(message(NFT_MSG_NEWSETELEM, 0), NFTA_SET_ELEM_LIST_SET), "a96_v4"));
	assert_string_equal(elements(), "10.0.0.7");
	join(&s, &alone, "fd00::7", true);
	assert_true(
		nlattr_is(attr(message(NFT_MSG_NEWSETELEM, 0), NFTA_SET_ELEM_LIST_SET), "a96_v6"));
	assert_string_equal(elements(), "fd00::7");

	s = growing(&ranges); /* there an address is a range of one */
	assert_int_equal(number(attr(message(NFT_MSG_NEWSET, 0), NFTA_SET_FLAGS)),
			 NFT_SET_INTERVAL);
	join(&s, &ranges, "10.0.0.255", true);
	assert_string_equal(elements(), "10.0.0.255 10.0.1.0E");
	join(&s, &ranges, "fd00::7", true);
	assert_string_equal(elements(), "fd00::7");

	s.match[0].grows = 0;
	join(&s, &ranges, "10.0.0.255", false);
	assert_int_equal(messages(NFT_MSG_NEWSETELEM), 0);
}

static void the_largest_gate_fits(void **state)
{
	static struct nft_gate_spec s;

	(void)state;
	s = gate(GATE_DROP, GATE_EGRESS);
	s.share_ppm = 1;
	s.of_flows = 1;
	for (unsigned i = 0; i < GATE_PREFIXES; i++)
		add_prefix(&s, i % 2 ? "fd00::" : "10.0.0.0", 16);
	s.n_matches = GATE_MATCHES;
	for (unsigned i = 0; i < GATE_MATCHES; i++)
		s.match[i] = (struct net_match){ .hook = GATE_EGRESS,
						 .dst_first = (uint16_t)i,
						 .dst_n = 2,
						 .src_first = (uint16_t)(32 + 2 * i),
						 .src_n = 2,
						 .dport_lo = 1,
						 .dport_hi = 2,
						 .sport_lo = 1,
						 .sport_hi = 2 };
	batch = nlbuf_on(bytes, sizeof(bytes));
	gate_write(&batch, &s, NULL, 7);
	/* it may be too large: then it says so, and nothing is sent */
	assert_true(batch.full || batch.n <= NLBUF_MESSAGES);
	assert_true(batch.len <= sizeof(bytes));
}

/* What bears the tag is learnt before it is treated; what comes in is treated when its flow, read
 * the other way round, is known. */
static void a_gate_that_learns_treats_what_comes_back(void **state)
{
	static const char there[] = "meta cmp meta cmp payload cmp meta bitwise cmp immediate "
				    "@lease payload payload meta payload payload dynset";
	static const char out[] = "meta cmp meta cmp payload cmp meta bitwise cmp immediate @lease "
				  "counter meta bitwise meta immediate fwd";
	static const char in[] = "meta cmp meta cmp payload cmp payload payload meta payload "
				 "payload @flows_v4 immediate @lease counter immediate fwd";
	struct nft_gate_spec s = gate(GATE_FWD, GATE_EGRESS);
	const struct nlmsghdr *set;

	(void)state;
	s.tag = 1u << GATE_TAG_SHIFT;
	s.learn = LEARN_TOO;
	s.match[s.n_matches++] = (struct net_match){
		.hook = GATE_INGRESS, .sport_lo = 80, .sport_hi = 80, .proto = IPPROTO_TCP
	};
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWSET), 3); /* the lease, and flows of two families */
	set = message(NFT_MSG_NEWSET, 1);
	assert_true(nlattr_is(attr(set, NFTA_SET_NAME), "flows_v4"));
	assert_int_equal(number(attr(set, NFTA_SET_FLAGS)), NFT_SET_TIMEOUT | NFT_SET_EVAL);
	assert_int_equal(number(attr(set, NFTA_SET_KEY_LEN)), 20);
	assert_int_equal(number(inner(attr(set, NFTA_SET_DESC), NFTA_SET_DESC_SIZE)), 65536);
	set = message(NFT_MSG_NEWSET, 2);
	assert_int_equal(number(attr(set, NFTA_SET_KEY_LEN)), 44);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 7); /* 3 a family, and the tag taken off */
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 0)), there);
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 1)), out);
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 4)),
			    "meta bitwise cmp meta bitwise meta");
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 5)), in);
	s.learn = LEARN_ONLY; /* what goes out is left alone */
	write_gate(&s);
	assert_int_equal(messages(NFT_MSG_NEWRULE), 5);
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 0)), there);
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 2)),
			    "meta bitwise cmp meta bitwise meta");
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 3)), in);
	/* a flow without ports is a pair of addresses; exemptions learn nothing */
	s.match[0].proto = s.match[1].proto = IPPROTO_ICMP;
	s.match[0].dport_lo = s.match[0].dport_hi = 0;
	s.match[1].sport_lo = s.match[1].sport_hi = 0;
	write_gate(&s);
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 0)),
			    "meta cmp meta cmp meta bitwise cmp immediate @lease payload payload "
			    "meta immediate immediate dynset");
	s.match[0].exempt = EXEMPT_CHOSEN;
	write_gate(&s);
	assert_string_equal(words(message(NFT_MSG_NEWRULE, 0)), "meta cmp meta cmp accept");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_action_asks_for_the_lease_counts_and_then_acts),
		cmocka_unit_test(a_queue_without_a_reader_is_passed_by),
		cmocka_unit_test(the_lease_set_is_empty_until_the_gate_is_fired),
		cmocka_unit_test(an_exemption_accepts_and_asks_nobody),
		cmocka_unit_test(a_port_without_a_protocol_is_tcp_and_udp),
		cmocka_unit_test(shares_are_a_die_or_a_hash_before_the_lease),
		cmocka_unit_test(flows_of_every_protocol_are_hashed_each_in_its_own_way),
		cmocka_unit_test(what_comes_back_on_a_flow_is_hashed_the_other_way_round),
		cmocka_unit_test(conditions_bind_what_acts_and_no_exemption),
		cmocka_unit_test(every_nth_packet_is_counted_in_one_place),
		cmocka_unit_test(icmp_is_icmpv6_in_ipv6),
		cmocka_unit_test(a_gate_that_learns_treats_what_comes_back),
		cmocka_unit_test(both_ends_are_asked_in_one_rule),
		cmocka_unit_test(ranges_end_where_the_next_address_begins),
		cmocka_unit_test(a_list_that_grows_has_room_in_both_families),
		cmocka_unit_test(the_largest_gate_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
