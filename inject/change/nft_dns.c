/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/nft_dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define GIVEN_CHAIN "given" /* the address stands in the message already */
#define EMPTY_CHAIN "empty" /* a record of the other family was asked for */
#define CHAIN_NAME  24

/* RFC 1035 section 4.1: bytes of the message. */
#define FLAGS_AT     2
#define COUNTS_AT    6 /* of answers, authorities and additional records */
#define QUESTION_AT  12
#define TYPE_CLASS   4 /* bytes behind the name */
#define TYPE_A       1
#define TYPE_AAAA    28 /* RFC 3596 */
#define CLASS_IN     1
#define UDP_HEADER   8
#define UDP_CHECKSUM 6

#define LOAD_BYTES 16 /* what one cmp compares: struct nft_data */
/* One end takes no more room than this in a batch. */
#define END_MESSAGES (4 + DNS_NAMES)
#define END_BYTES    ((size_t)24 * 1024)

static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP };

/* RFC 1035 section 4.2.2: in TCP a length stands before the message. */
static uint32_t message_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 2 : 0;
}

const char *dns_chain(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

/* Where the address for a question that ends there is written. */
static void answer_chain(char ret[CHAIN_NAME], unsigned end)
{
	snprintf(ret, CHAIN_NAME, "answer%u", end);
}

static void load(struct nlbuf *b, uint8_t proto, uint32_t at, uint32_t len)
{
	nft_payload(b, NFT_PAYLOAD_INNER_HEADER, message_at(proto) + at, len, 0);
}

void dns_match_message(struct nlbuf *b, bool response, uint8_t proto)
{
	/* QR and OPCODE; QDCOUNT */
	static const uint8_t mask[4] = { 0xf8, 0, 0xff, 0xff };
	const uint8_t want[4] = { response ? 0x80 : 0, 0, 0, 1 };

	load(b, proto, FLAGS_AT, sizeof(mask));
	nft_mask(b, 0, mask, sizeof(mask));
	nft_cmp(b, 0, NFT_CMP_EQ, want, sizeof(want));
}

static bool is_letter(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

/* RFC 1035 section 2.3.3: letters are equal in either case, and nothing else is: the bit that tells
 * them apart tells '-' from the length 13 too. */
static void match_bytes(struct nlbuf *b, uint8_t proto, uint32_t at, const uint8_t *want,
			uint32_t len)
{
	uint8_t mask[LOAD_BYTES], folded[LOAD_BYTES];
	bool letters = false;

	for (uint32_t i = 0; i < len; i++) {
		mask[i] = is_letter(want[i]) ? 0xdf : 0xff;
		folded[i] = want[i] & mask[i];
		letters |= is_letter(want[i]);
	}
	load(b, proto, at, len);
	if (letters)
		nft_mask(b, 0, mask, len);
	nft_cmp(b, 0, NFT_CMP_EQ, folded, len);
}

/* Can a question of that length be about it? Above it there is at least a label of one byte. */
static bool fits(const struct dns_name *n, unsigned end)
{
	return n->below ? end >= n->len + 2u : end == n->len;
}

static bool any_fits(const struct dns_select *d, unsigned end)
{
	for (unsigned i = 0; i < d->n; i++) {
		if (fits(&d->name[i], end))
			return true;
	}
	return false;
}

/* The first zero byte is the end of the name: no label is empty, and no host's name has one in it.
 * NULL: whatever ends there and is none of the chosen ones passes. */
static void end_rule(struct nlbuf *b, const struct dns_load *l, const struct dns_name *n,
		     const char *to)
{
	uint8_t zero = 0, proto = protos[l->tcp];
	struct nft_rule open = nft_rule_open(b, gate_family(l->s), l->s->table, dns_chain(proto));

	load(b, proto, QUESTION_AT + l->end - 1, 1);
	nft_cmp(b, 0, NFT_CMP_EQ, &zero, 1);
	for (uint32_t at = 0; n && at < n->len; at += LOAD_BYTES) {
		uint32_t len = n->len - at < LOAD_BYTES ? n->len - at : LOAD_BYTES;

		match_bytes(b, proto, QUESTION_AT + l->end - n->len + at, n->wire + at, len);
	}
	if (n)
		nft_goto(b, to);
	else
		nft_verdict(b, NF_ACCEPT);
	nft_rule_close(b, open);
}

/* RFC 768: zero in place of a checksum means that there is none, and then there must be none after
 * it. A load leaves the rule where the packet is shorter. */
static void match_room(struct nlbuf *b, uint32_t bytes, bool checksum)
{
	uint16_t zero = 0;

	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, bytes - 1, 1, 0);
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, UDP_CHECKSUM, 2, 0);
	nft_cmp(b, 0, checksum ? NFT_CMP_NEQ : NFT_CMP_EQ, &zero, sizeof(zero));
}

/* No longer truncated, no longer authenticated (RFC 4035), of that RCODE. What stands behind the
 * records that are counted is nobody's, as any reader has it. */
static void header_rule(struct nlbuf *b, const struct nft_gate_spec *s, const char *chain,
			uint8_t rcode, uint16_t answers, bool checksum)
{
	const uint8_t keep[2] = { 0xfd, 0xd0 }, put[2] = { 0, rcode };
	const uint16_t counts[3] = { htons(answers), 0, 0 };
	struct nft_rule open = nft_rule_open(b, gate_family(s), s->table, chain);

	match_room(b, UDP_HEADER + QUESTION_AT, checksum);
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, UDP_HEADER + FLAGS_AT, 2, 0);
	nft_bits(b, 0, keep, put, sizeof(put));
	nft_udp_set(b, UDP_HEADER + FLAGS_AT, sizeof(put), 0, checksum);
	nft_imm_bytes(b, 0, counts, sizeof(counts));
	nft_udp_set(b, UDP_HEADER + COUNTS_AT, sizeof(counts), 0, checksum);
	nft_counter(b);
	nft_verdict(b, NF_ACCEPT);
	nft_rule_close(b, open);
}

static void header_chain(struct nlbuf *b, const struct nft_gate_spec *s, const char *chain,
			 uint8_t rcode, uint16_t answers)
{
	nft_plain_chain(b, gate_family(s), s->table, chain);
	header_rule(b, s, chain, rcode, answers, true);
	header_rule(b, s, chain, rcode, answers, false);
}

static void match_type(struct nlbuf *b, unsigned end, uint8_t type)
{
	const uint8_t want[TYPE_CLASS] = { 0, type, 0, CLASS_IN };

	match_bytes(b, IPPROTO_UDP, QUESTION_AT + end, want, sizeof(want));
}

/*
 * One record behind the question: its name (a pointer to the question's, RFC 1035 section 4.1.4),
 * type, class, a TTL of zero, so that no cache keeps it when the fault is over, and the address.
 * Checksums are sums of 16 bits: where the question ends at an odd byte its last byte is written
 * again.
 */
static void address_rule(struct nlbuf *b, const struct nft_gate_spec *s, const char *chain,
			 unsigned end, bool checksum)
{
	const struct dns_select *d = &s->dns;
	uint8_t type = d->family == 4 ? TYPE_A : TYPE_AAAA, size = d->family == 4 ? 4 : 16;
	uint8_t record[2 * LOAD_BYTES] = { CLASS_IN, 0xc0, QUESTION_AT, 0, type, 0,   CLASS_IN,
					   0,        0,    0,           0, 0,    size };
	uint32_t at = UDP_HEADER + QUESTION_AT + end + TYPE_CLASS, odd = at % 2, len = 12u + size;
	const uint8_t *from = odd ? record : record + 1;
	struct nft_rule open = nft_rule_open(b, gate_family(s), s->table, chain);

	memcpy(record + 13, d->addr, size);
	match_type(b, end, type);
	match_room(b, at + len, checksum);
	at -= odd;
	len += odd;
	nft_imm_bytes(b, 0, from, len < LOAD_BYTES ? len : LOAD_BYTES);
	if (len > LOAD_BYTES)
		nft_imm_bytes(b, LOAD_BYTES / 4, from + LOAD_BYTES, len - LOAD_BYTES);
	nft_udp_set(b, at, len, 0, checksum);
	nft_goto(b, GIVEN_CHAIN);
	nft_rule_close(b, open);
}

/* Records of other types are left alone. */
static void address_chain(struct nlbuf *b, const struct nft_gate_spec *s, const char *chain,
			  unsigned end)
{
	struct nft_rule open;

	nft_plain_chain(b, gate_family(s), s->table, chain);
	address_rule(b, s, chain, end, true);
	address_rule(b, s, chain, end, false);
	open = nft_rule_open(b, gate_family(s), s->table, chain);
	match_type(b, end, s->dns.family == 4 ? TYPE_AAAA : TYPE_A);
	nft_goto(b, EMPTY_CHAIN);
	nft_rule_close(b, open);
}

static void write_end(struct nlbuf *b, const struct dns_load *l)
{
	const struct nft_gate_spec *s = l->s;
	char to[CHAIN_NAME] = DNS_HIT_CHAIN;

	if (s->action == GATE_ANSWER && s->dns.family && any_fits(&s->dns, l->end)) {
		answer_chain(to, l->end);
		address_chain(b, s, to, l->end);
	}
	for (unsigned i = 0; i < s->dns.n; i++) {
		if (fits(&s->dns.name[i], l->end))
			end_rule(b, l, &s->dns.name[i], to);
	}
	end_rule(b, l, NULL, NULL);
}

static void write_first(struct nlbuf *b, const struct dns_load *l)
{
	const struct nft_gate_spec *s = l->s;

	if (l->with_table)
		nft_table(b, gate_family(s), s->table, NFT_TABLE_F_OWNER);
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		nft_plain_chain(b, gate_family(s), s->table, dns_chain(protos[i]));
	if (s->action != GATE_ANSWER) {
		nft_plain_chain(b, gate_family(s), s->table, DNS_HIT_CHAIN);
	} else if (s->dns.family) {
		header_chain(b, s, GIVEN_CHAIN, 0, 1);
		header_chain(b, s, EMPTY_CHAIN, 0, 0);
	} else {
		header_chain(b, s, DNS_HIT_CHAIN, s->dns.rcode, 0);
	}
}

struct dns_load dns_load_of(const struct nft_gate_spec *s, bool with_table)
{
	struct dns_load l = { .s = s, .with_table = with_table };

	for (unsigned end = 1; end <= DNS_WIRE_MAX; end++) {
		if (any_fits(&s->dns, end))
			l.last = end;
	}
	return l;
}

/* Answers that come over TCP are not rewritten: where its header ends is not known to a rule that
 * has to keep the checksum right. */
static bool has_more(const struct dns_load *l)
{
	return l->s->dns.n && (l->end <= l->last || (!l->tcp && l->s->action != GATE_ANSWER));
}

bool dns_load_next(struct nlbuf *b, struct dns_load *l)
{
	if (!has_more(l))
		return false;
	nft_begin(b);
	if (l->end == 0 && !l->tcp) {
		write_first(b, l);
		l->end = 1;
	}
	while (has_more(l) && b->n + END_MESSAGES + 1 < NLBUF_MESSAGES &&
	       b->len + END_BYTES < b->size && !b->full) {
		if (l->end > l->last) {
			l->tcp = true;
			l->end = 1;
		}
		write_end(b, l);
		l->end++;
	}
	nft_commit(b);
	return true;
}

static bool wire_ok(const struct dns_name *n)
{
	unsigned at = 0;

	while (at < n->len && n->len <= DNS_WIRE_MAX && n->wire[at] && n->wire[at] < 64)
		at += 1u + n->wire[at];
	return at + 1 == n->len && n->len <= DNS_WIRE_MAX && n->wire[at] == 0 && n->below <= 1;
}

static bool matches_ok(const struct nft_gate_spec *s)
{
	for (unsigned i = 0; i < s->n_matches; i++) {
		const struct net_match *m = &s->match[i];
		bool udp = m->proto == IPPROTO_UDP;

		if (m->exempt)
			continue;
		if (s->action == GATE_ANSWER ? !udp || m->hook != GATE_INGRESS :
					       !udp && m->proto != IPPROTO_TCP &&
						       (m->proto || !(m->dport_hi || m->sport_hi)))
			return false;
	}
	return true;
}

bool dns_gate_ok(const struct nft_gate_spec *s)
{
	const struct dns_select *d = &s->dns;
	bool answers = s->action == GATE_ANSWER;

	if (d->n == 0)
		return !answers;
	if (d->n > DNS_NAMES || s->every || s->tag || s->of_flows || d->rcode > 15 ||
	    (d->family && d->family != 4 && d->family != 6) ||
	    (answers ? !d->rcode == !d->family : d->rcode || d->family) ||
	    (!answers && s->action != GATE_DROP && s->action != GATE_FWD))
		return false;
	for (unsigned i = 0; i < d->n; i++) {
		if (!wire_ok(&d->name[i]))
			return false;
	}
	return matches_ok(s);
}

/* Is the name, or every name below it, among the names below the other one? */
static bool is_below(const struct dns_name *n, const struct dns_name *top)
{
	unsigned at = 0;

	if (!top->below)
		return false;
	while (n->len - at > top->len)
		at += 1u + n->wire[at];
	return n->len - at == top->len && (at || n->below) &&
	       memcmp(n->wire + at, top->wire, top->len) == 0;
}

static bool names_meet(const struct dns_name *a, const struct dns_name *b)
{
	return is_below(a, b) || is_below(b, a) ||
	       (a->below == b->below && a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0);
}

bool dns_selects_meet(const struct dns_select *a, const struct dns_select *b)
{
	for (unsigned i = 0; i < a->n; i++) {
		for (unsigned k = 0; k < b->n; k++) {
			if (names_meet(&a->name[i], &b->name[k]))
				return true;
		}
	}
	return !a->n || !b->n;
}

void dns_add_name(struct text *t, const struct dns_name *name)
{
	const char *dot = name->below ? "*." : "";

	if (name->len == 1)
		dot = "*";
	for (unsigned at = 0; at < name->len && name->wire[at]; at += 1u + name->wire[at]) {
		text_add(t, "%s%.*s", dot, name->wire[at], (const char *)name->wire + at + 1);
		dot = ".";
	}
	if (name->len == 1)
		text_add(t, "%s", dot);
}

void dns_add_reply(struct text *t, const struct dns_select *d)
{
	static const char *const words[16] = {
		[2] = "SERVFAIL", [3] = "NXDOMAIN", [5] = "REFUSED"
	};
	char name[INET6_ADDRSTRLEN] = "?";

	if (d->family)
		text_add(t, "%s",
			 inet_ntop(d->family == 4 ? AF_INET : AF_INET6, d->addr, name,
				   sizeof(name)));
	else if (words[d->rcode & 15])
		text_add(t, "%s", words[d->rcode & 15]);
	else
		text_add(t, "RCODE %u", d->rcode);
}

void dns_add_select(struct text *t, const struct dns_select *d)
{
	for (unsigned i = 0; i < d->n; i++) {
		text_add(t, "%s", i ? ", " : " asking for ");
		dns_add_name(t, &d->name[i]);
	}
	if (d->n && (d->rcode || d->family)) {
		text_add(t, ": ");
		dns_add_reply(t, d);
	}
}
