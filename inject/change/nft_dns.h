/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_NFT_DNS_H
#define BRINK_CHANGE_NFT_DNS_H

#include "inject/change/nft_rules.h"

/*
 * DNS messages in nf_tables. A message with one question (RFC 1035 section 4.1) begins behind the
 * UDP header, or in TCP behind two bytes of length. The rules of a gate send it to a chain that
 * looks for the zero byte at which the name ends: one place after the other, and for each of them
 * every chosen name at the one place at which it then stands. So nothing is taken for a name that
 * is none: not what another answer holds, not a name that merely ends alike.
 */

/* Where a chosen message goes in the end, for all actions but GATE_ANSWER. Its rule is the gate's.
 */
#define DNS_HIT_CHAIN "hit"
/* To begin with. */
const char *dns_chain(uint8_t proto);
/* In the open rule: is it a query with one question, or the response to one? */
void dns_match_message(struct nlbuf *b, bool response, uint8_t proto);

/* The chains, batch by batch: no packet comes there as long as no rule leads to them. */
struct dns_load {
	const struct nft_gate_spec *s;
	bool with_table, tcp; /* the chains of TCP are being written */
	unsigned end, last;   /* length of the asked name: of the next chain, of the last one */
};
struct dns_load dns_load_of(const struct nft_gate_spec *s, bool with_table);
/* Writes the next batch on an empty buffer of GATE_BATCH_BYTES; false: there is none. */
bool dns_load_next(struct nlbuf *b, struct dns_load *l);

/* Is what came in a message within its bounds? True also where the gate has no names. */
bool dns_gate_ok(const struct nft_gate_spec *s);
/* Can one message be chosen by both? A gate without names chooses any. */
bool dns_selects_meet(const struct dns_select *a, const struct dns_select *b);
/* "*.example.org" */
void dns_add_name(struct text *t, const struct dns_name *name);
/* " for db.example.com, *.example.org: NXDOMAIN"; nothing without names. */
void dns_add_select(struct text *t, const struct dns_select *d);
/* "NXDOMAIN", "192.0.2.1" */
void dns_add_reply(struct text *t, const struct dns_select *d);

#endif
