/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/link_carry.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "inject/change/netns.h"
#include "inject/change/route_msg.h"

#define A_SESSION     "a login session"
#define DEFAULT_ROUTE "the default route of this machine"

struct node {
	char name[IFNAMSIZ];
	int ifindex;
	int below;           /* what it stands on, or the other end of its pair; 0 = nothing here */
	int master;          /* whose port it is */
	const char *carries; /* static text */
	const struct node *by; /* the device that is used, and needs this one */
};

/* All devices of a namespace. */
struct map {
	struct node *at;
	unsigned n, size;
	const struct shield_flows *flows;
};

static void map_done(struct map *m)
{
	free(m->at);
}

static void map_again(void *arg)
{
	((struct map *)arg)->n = 0;
}

/* IFLA_LINK: the device under a VLAN, a macvlan, a tunnel; of a veth its other end, without which
 * it carries nothing either. The number of one in another namespace says nothing here. */
static int add_node(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct map *m = arg;
	const struct ifinfomsg *i = NLMSG_DATA(h);
	const struct nlattr *name = nlattr_of(h, sizeof(*i), IFLA_IFNAME);
	struct node *n;

	if (h->nlmsg_type != RTM_NEWLINK || !name || nlattr_len(name) > IFNAMSIZ)
		return err_set(e, EBADMSG, "a broken answer about a device");
	if (m->n == m->size) {
		unsigned size = m->size ? 2 * m->size : 16;
		struct node *at = reallocarray(m->at, size, sizeof(*at));

		if (!at)
			return err_set(e, ENOMEM, "no memory for the devices of a namespace");
		m->at = at;
		m->size = size;
	}
	n = &m->at[m->n++];
	*n = (struct node){ .ifindex = i->ifi_index,
			    .master = (int)nlattr_u32(nlattr_of(h, sizeof(*i), IFLA_MASTER)) };
	memcpy(n->name, nlattr_data(name), nlattr_len(name));
	if (!nlattr_of(h, sizeof(*i), IFLA_LINK_NETNSID))
		n->below = (int)nlattr_u32(nlattr_of(h, sizeof(*i), IFLA_LINK));
	return 0;
}

static void carries(struct map *m, int ifindex, const char *what)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct node *n = &m->at[i];

		if (n->ifindex == ifindex && !n->carries) {
			n->carries = what;
			n->by = n;
		}
	}
}

/* The device that holds the near end of a session: packets to it come in there, whatever way the
 * answers go. */
static int has_near_end(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct map *m = arg;
	const struct ifaddrmsg *a = NLMSG_DATA(h);
	const struct nlattr *local = nlattr_of(h, sizeof(*a), IFA_LOCAL);
	size_t len = a->ifa_family == AF_INET ? 4 : 16;

	(void)e;
	if (h->nlmsg_type != RTM_NEWADDR)
		return 0;
	if (!local)
		local = nlattr_of(h, sizeof(*a), IFA_ADDRESS);
	for (unsigned i = 0; local && nlattr_len(local) == len && i < m->flows->n; i++) {
		const struct shield_flow *f = &m->flows->at[i];

		if ((f->family == 4) == (len == 4) &&
		    memcmp(f->local, nlattr_data(local), len) == 0)
			carries(m, (int)a->ifa_index, A_SESSION);
	}
	return 0;
}

struct way_to {
	const char *what;
	unsigned family;
	const uint8_t *dst, *src; /* src: NULL = any */
};

/* No way there is none over a device. */
static int goes_by(struct map *m, struct nlsock *s, const struct way_to *w, struct err *e)
{
	int oif = 0;
	int rc = route_oif(s, w->family, w->dst, w->src, &oif, e);

	if (rc == 0)
		carries(m, oif, w->what);
	return route_is_none(rc) ? 0 : rc;
}

/* Each session of the shield, whatever namespace it is in: better one device too few. Rules by
 * source address may send its answers another way: ip-rule(8). */
static int find_sessions(struct map *m, struct nlsock *s, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < m->flows->n && rc == 0; i++) {
		const struct shield_flow *f = &m->flows->at[i];
		const struct way_to ways[] = {
			{ A_SESSION, f->family, f->remote, NULL },
			{ A_SESSION, f->family, f->remote, f->local },
			{ A_SESSION, f->family, f->local, NULL },
		};

		for (size_t n = 0; n < ARRAY_LEN(ways) && rc == 0; n++)
			rc = goes_by(m, s, &ways[n], e);
	}
	return rc;
}

/* The rest of the world lies behind it: nobody could come back to take anything back. */
static int find_default_route(struct map *m, struct nlsock *s, struct err *e)
{
	/* of the ranges for documentation (RFC 5737, RFC 3849): only a default route leads there */
	static const uint8_t far4[16] = { 192, 0, 2, 1 },
			     far6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	const struct way_to four = { DEFAULT_ROUTE, 4, far4, NULL },
			    six = { DEFAULT_ROUTE, 6, far6, NULL };
	int rc = goes_by(m, s, &four, e);

	return rc < 0 ? rc : goes_by(m, s, &six, e);
}

/* Downwards, until nothing is added. */
static bool spread(struct map *m)
{
	bool more = false;

	for (unsigned i = 0; i < m->n; i++) {
		const struct node *top = &m->at[i];

		for (unsigned k = 0; top->carries && k < m->n; k++) {
			struct node *n = &m->at[k];

			if (n->carries || (n->ifindex != top->below && n->master != top->ifindex))
				continue;
			n->carries = top->carries;
			n->by = top->by;
			more = true;
		}
	}
	return more;
}

/* Devices, or addresses. */
static int ask(struct nlsock *s, uint16_t type, const void *fixed, size_t n, struct map *m,
	       struct err *e)
{
	bool links = type == RTM_GETLINK;
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));

	nlbuf_msg(&b, type, NLM_F_DUMP, fixed, n, "cannot read what a device carries");
	return nlsock_ask(s, &b, links ? add_node : has_near_end, links ? map_again : NULL, m, e);
}

static int refuse(const struct map *m, const char *dev, struct err *e)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct node *n = &m->at[i];

		if (strcmp(n->name, dev) != 0 || !n->carries)
			continue;
		if (n->by == n)
			return err_set(e, EPERM, "the device '%s' is shielded: it carries %s", dev,
				       n->carries);
		return err_set(e, EPERM,
			       "the device '%s' is shielded: '%s' needs it, which carries %s", dev,
			       n->by->name, n->carries);
	}
	return 0;
}

int link_carry_check(const struct netns_ref *ns, const char *dev, bool own,
		     const struct shield_flows *flows, struct err *e)
{
	static const struct shield_flows none = { 0 };
	const struct ifinfomsg links = { 0 };
	const struct ifaddrmsg addresses = { 0 };
	AUTO(map_done) struct map m = { .flows = flows ? flows : &none };
	struct nlsock *s = NULL;
	int rc = netns_sock(ns, NETLINK_ROUTE, &s, e);

	if (rc == 0)
		rc = ask(s, RTM_GETLINK, &links, sizeof(links), &m, e);
	if (rc == 0)
		rc = ask(s, RTM_GETADDR, &addresses, sizeof(addresses), &m, e);
	if (rc == 0)
		rc = find_sessions(&m, s, e);
	if (rc == 0 && own)
		rc = find_default_route(&m, s, e);
	if (rc < 0)
		return rc;
	while (spread(&m))
		;
	return refuse(&m, dev, e);
}
