/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_ENDPOINT_H
#define BRINK_ENDPOINT_H

#include "inject/change/change.h"

#define ENDPOINT_PREFIXES 32
#define ENDPOINT_NAME     254 /* RFC 1035, with the zero */

/*
 * One `to` or `from`: ADDRESS[/LEN][:PORT[-PORT]][/tcp|/udp|/icmp|...], a host name in place of the
 * address, "*" or nothing for any address, IPv6 in brackets when a port follows: "10.0.0.0/8:5432",
 * "db.local:80-90/tcp", "*:53/udp",
 * "[2001:db8::1]:443", "fe80::1".
 */
struct endpoint {
	unsigned n_prefixes; /* 0 = any address */
	struct net_prefix prefix[ENDPOINT_PREFIXES];
	uint16_t port_lo, port_hi; /* host order; 0, 0 = any */
	uint8_t proto;             /* 0 = not said */
	/* the host name that was looked up; "" = an address, or a name that never means another
	 * one */
	char name[ENDPOINT_NAME];
};

/* The form alone, nothing is looked up: a host name becomes one prefix of family 0. EINVAL with a
 * right form. */
int endpoint_syntax(const char *text, struct endpoint *ret, struct err *e);
/* The same, and resolves host names (getaddrinfo; all addresses). ENOENT: no such name. */
int endpoint_parse(const char *text, struct endpoint *ret, struct err *e);
/* All addresses of a host name into the prefixes; takes as long as the name services do. ENOENT: no
 * such name, E2BIG: more than ENDPOINT_PREFIXES. */
int endpoint_look_up(const char *name, struct endpoint *ret, struct err *e);
/* "tcp", "udp", "icmp", "icmpv6", "sctp" or a number 1-255 to IPPROTO_*. */
int endpoint_proto(const char *text, uint8_t *ret, struct err *e);
/* Have the two an address in common? Then one of them contains the other. */
bool net_prefix_overlap(const struct net_prefix *a, const struct net_prefix *b);
/* "127.0.0.1:5432/tcp" */
void endpoint_add(struct text *t, const struct endpoint *ep);

#endif
