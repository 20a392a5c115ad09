/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORM \
	"write ADDRESS[/LEN][:PORT[-PORT]][/tcp|/udp], for example 10.0.0.0/8:5432 or [2001:db8::1]:443/tcp"

#define HOST_MAX (ENDPOINT_NAME - 1)

static const struct {
	const char *name;
	uint8_t number;
} protos[] = { { "tcp", IPPROTO_TCP },
	       { "udp", IPPROTO_UDP },
	       { "icmp", IPPROTO_ICMP },
	       { "icmpv6", IPPROTO_ICMPV6 },
	       { "sctp", IPPROTO_SCTP } };

int endpoint_proto(const char *text, uint8_t *ret, struct err *e)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		if (strcmp(text, protos[i].name) == 0) {
			*ret = protos[i].number;
			return 0;
		}
	}
	if (*text >= '1' && *text <= '9' && !*end && n < 256) {
		*ret = (uint8_t)n;
		return 0;
	}
	return err_set(e, EINVAL,
		       "'%s' is no protocol: write tcp, udp, icmp, icmpv6, sctp or 1-255", text);
}

/* Digits only, 1 to 65535. Moves *p behind the number. */
static int port_number(const char **p, uint16_t *ret)
{
	unsigned long n = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		n = n * 10 + (unsigned long)(*s - '0');
		if (n > UINT16_MAX)
			return -EINVAL;
	}
	*ret = (uint16_t)n;
	*p = s;
	return n ? 0 : -EINVAL;
}

static int parse_ports(const char *p, struct endpoint *ret, struct err *e)
{
	const char *all = p;
	uint16_t lo = 0, hi = 0;

	if (port_number(&p, &lo) < 0)
		return err_set(e, EINVAL, "':%s' is no port: %s", all, FORM);
	hi = lo;
	if (*p == '-') {
		p++;
		if (port_number(&p, &hi) < 0)
			return err_set(e, EINVAL, "':%s' is no port range: %s", all, FORM);
	}
	if (*p || hi < lo)
		return err_set(e, EINVAL, "':%s' is no port range: %s", all, FORM);
	ret->port_lo = lo;
	ret->port_hi = hi;
	return 0;
}

/* Clears the bits behind the prefix length, so that 10.1.2.3/8 means 10.0.0.0/8. */
static void clear_host_bits(struct net_prefix *p)
{
	for (unsigned bit = p->len; bit < (p->family == 4 ? 32u : 128u); bit++)
		p->addr[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
}

static int add_prefix(struct endpoint *ret, unsigned family, const void *addr, unsigned len,
		      struct err *e)
{
	struct net_prefix *p = &ret->prefix[ret->n_prefixes];

	if (ret->n_prefixes == ENDPOINT_PREFIXES)
		return err_set(e, E2BIG, "more than %d addresses behind one name",
			       ENDPOINT_PREFIXES);
	*p = (struct net_prefix){ .family = (uint8_t)family, .len = (uint8_t)len };
	memcpy(p->addr, addr, family == 4 ? 4 : 16);
	clear_host_bits(p);
	for (unsigned i = 0; i < ret->n_prefixes; i++) {
		if (memcmp(&ret->prefix[i], p, sizeof(*p)) == 0)
			return 0;
	}
	ret->n_prefixes++;
	return 0;
}

int endpoint_look_up(const char *host, struct endpoint *ret, struct err *e)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM },
			*list = NULL;
	int rc = getaddrinfo(host, NULL, &hints, &list);

	if (rc)
		return err_set(e, ENOENT, "cannot resolve '%s': %s", host, gai_strerror(rc));
	rc = 0;
	ret->n_prefixes = 0;
	for (struct addrinfo *a = list; a && rc == 0; a = a->ai_next) {
		if (a->ai_family == AF_INET)
			rc = add_prefix(ret, 4,
					&((struct sockaddr_in *)(void *)a->ai_addr)->sin_addr, 32,
					e);
		else if (a->ai_family == AF_INET6)
			rc = add_prefix(ret, 6,
					&((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr,
					128, e);
	}
	freeaddrinfo(list);
	return rc;
}

/* A name that may be looked up: "300.1.1.1" and "10.1" are mistyped addresses, whatever the
 * resolver makes of them. */
static int check_name(const char *host, struct err *e)
{
	if (strlen(host) > HOST_MAX)
		return err_set(e, EINVAL, "'%.40s...' is too long for a host name", host);
	if (!host[strspn(host, "0123456789.")] || strchr(host, ':'))
		return err_set(e, EINVAL, "'%s' is no address: %s", host, FORM);
	for (const char *c = host; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c) && !(*c & 0x80))
			return err_set(e, EINVAL, "'%s' is no host name: %s", host, FORM);
	}
	return 0;
}

static int parse_length(const char *text, unsigned *len, struct err *e)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > *len)
		return err_set(e, EINVAL, "'/%s' is no prefix length: %s", text, FORM);
	*len = (unsigned)n;
	return 0;
}

/* Takes the host apart in place: an address, "" and "*" go to ret; a name stays there and gets a
 * prefix of family 0. */
static int parse_host(char *host, struct endpoint *ret, struct err *e)
{
	char *slash = strchr(host, '/');
	_Alignas(struct in6_addr) unsigned char addr[16];
	unsigned family = 0, len;
	int rc = 0;

	if (!*host || strcmp(host, "*") == 0)
		return 0;
	if (strchr(host, '%'))
		return err_set(e, EINVAL, "'%s' has a zone: say dev: instead of a zone", host);
	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, host, addr) == 1)
		family = 4;
	else if (inet_pton(AF_INET6, host, addr) == 1)
		family = 6;
	len = family == 4 ? 32 : 128;
	if (slash && family)
		rc = parse_length(slash + 1, &len, e);
	if (family == 6 && len >= 96 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)addr)) {
		/* on the wire it is IPv4: RFC 4291 section 2.5.5.2 */
		memmove(addr, addr + 12, 4);
		family = 4;
		len -= 96;
	}
	if (family)
		return rc < 0 ? rc : add_prefix(ret, family, addr, len, e);
	rc = check_name(host, e);
	if (rc == 0 && slash)
		return err_set(e, EINVAL, "'%s/%s' is no address range: %s", host, slash + 1, FORM);
	ret->prefix[0] = (struct net_prefix){ 0 };
	ret->n_prefixes = 1;
	return rc;
}

/* RFC 6761: these never leave the host, whatever is asked. */
static bool is_localhost(const char *host)
{
	size_t n = strlen(host), cut = n && host[n - 1] == '.';

	n -= cut;
	return n >= 9 && strncasecmp(host + n - 9, "localhost", 9) == 0 &&
	       (n == 9 || host[n - 10] == '.');
}

/* Cuts "/tcp" off the end. A part behind a slash that begins with a digit is a prefix length. */
static int cut_proto(char *text, struct endpoint *ret, struct err *e)
{
	char *slash = strrchr(text, '/');

	if (!slash || (slash[1] >= '0' && slash[1] <= '9'))
		return 0;
	*slash = '\0';
	return endpoint_proto(slash + 1, &ret->proto, e);
}

/* Parses a writable copy of the text; *ret_host: the host in it, terminated. */
static int parse(char *copy, struct endpoint *ret, char **ret_host, struct err *e)
{
	char *host = copy, *port = NULL, *colon;
	int rc = cut_proto(copy, ret, e);

	if (rc < 0)
		return rc;
	colon = strrchr(copy, ':');
	if (*copy == '[') {
		char *close = strchr(copy, ']');

		if (!close || (close[1] && close[1] != ':'))
			return err_set(e, EINVAL, "'%s' has an open '[': %s", copy, FORM);
		host = copy + 1;
		if (close[1] == ':')
			port = close + 2;
		*close = '\0';
	} else if (colon &&
		   strchr(copy, ':') == colon) { /* one colon: a port; more: a bare IPv6 address */
		*colon = '\0';
		port = colon + 1;
	}
	if (port)
		rc = parse_ports(port, ret, e);
	*ret_host = host;
	return rc < 0 ? rc : parse_host(host, ret, e);
}

static int read_text(const char *text, bool look_up, struct endpoint *ret, struct err *e)
{
	struct endpoint ep = { 0 };
	char copy[300], *host = NULL;
	int rc;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy) || !*text)
		return err_set(e, EINVAL, "'%.40s' is no endpoint: %s", text, FORM);
	rc = parse(copy, &ep, &host, e);
	if (rc == 0 && look_up && ep.n_prefixes && !ep.prefix[0].family) {
		size_t len = strlen(host);

		if (len >= sizeof(ep.name))
			return err_set(
				e, EINVAL,
				"'%.40s...' is longer than a host name can be: %zu characters",
				host, sizeof(ep.name) - 1);
		rc = endpoint_look_up(host, &ep, e);
		if (!is_localhost(host))
			memcpy(ep.name, host, len + 1);
	}
	if (rc == 0)
		*ret = ep;
	return rc;
}

int endpoint_syntax(const char *text, struct endpoint *ret, struct err *e)
{
	return read_text(text, false, ret, e);
}

int endpoint_parse(const char *text, struct endpoint *ret, struct err *e)
{
	return read_text(text, true, ret, e);
}

bool net_prefix_overlap(const struct net_prefix *a, const struct net_prefix *b)
{
	unsigned len = a->len < b->len ? a->len : b->len, whole = len / 8, rest = len % 8;

	return a->family == b->family && memcmp(a->addr, b->addr, whole) == 0 &&
	       (!rest || (a->addr[whole] ^ b->addr[whole]) >> (8 - rest) == 0);
}

void endpoint_add(struct text *t, const struct endpoint *ep)
{
	for (unsigned i = 0; i < ep->n_prefixes; i++) {
		const struct net_prefix *p = &ep->prefix[i];
		char name[INET6_ADDRSTRLEN] = "?";
		bool bracket = p->family == 6 && ep->port_hi;

		inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, name, sizeof(name));
		text_add(t, "%s%s%s", i ? "," : "", bracket ? "[" : "", name);
		if (p->len != (p->family == 4 ? 32 : 128))
			text_add(t, "/%u", p->len);
		text_add(t, "%s", bracket ? "]" : "");
	}
	if (!ep->n_prefixes)
		text_add(t, "*");
	if (ep->port_hi)
		text_add(t, ":%u", ep->port_lo);
	if (ep->port_hi != ep->port_lo)
		text_add(t, "-%u", ep->port_hi);
	for (size_t i = 0; ep->proto && i < ARRAY_LEN(protos); i++) {
		if (protos[i].number == ep->proto)
			text_add(t, "/%s", protos[i].name);
	}
}
