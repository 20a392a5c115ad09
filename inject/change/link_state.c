/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/link_state.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inject/change/netns.h"

#define WAYS             128
#define IPV6_MIN_MTU     1280 /* RFC 8200 section 5 */
#define KEEP_ADDR_OF_ALL "/proc/sys/net/ipv6/conf/all/keep_addr_on_down"
#define IPV6_PRIO        256 /* IP6_RT_PRIO_ADDRCONF in net/ip6_route.h */

/* Who made an address: since 5.18, and not in every linux/if_addr.h. These the kernel makes again.
 */
#define ATTR_PROTO 11 /* IFA_PROTO */
#define BY_LO      1  /* IFAPROT_KERNEL_LO */
#define BY_LL      3  /* IFAPROT_KERNEL_LL */

/* NDA_FLAGS_EXT: since 5.16, and not in every linux/neighbour.h. */
#define ATTR_FLAGS_EXT 15

/* What one of another kind forgets when it goes down is not known here. */
static const char *const known_kinds[] = { "",    "veth", "dummy",   "bridge",
					   "tun", "vlan", "macvlan", "ipvlan" };

/* Of a dump; again: it begins anew. */
struct reader {
	nlsock_each *each;
	void *arg;
	void (*again)(void *arg);
};

/* header: the fixed part of what is asked for. */
static int dump(struct nlsock *s, uint16_t type, const void *header, size_t n,
		const struct reader *r, struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));

	nlbuf_msg(&b, type, NLM_F_DUMP, header, n, "cannot read what a device has");
	return nlsock_ask(s, &b, r->each, r->again, r->arg, e);
}

/* ---- the device ---- */

struct looking {
	const char *dev; /* NULL: the one of this index */
	int ifindex;
	struct link_state *l;
};

static uint32_t conf_of(const struct nlattr *conf, unsigned n)
{
	uint32_t v = 0;

	if (conf && nlattr_len(conf) >= (n + 1) * sizeof(v))
		memcpy(&v, (const char *)nlattr_data(conf) + n * sizeof(v), sizeof(v));
	return v;
}

static struct link_address hardware_address(const struct nlattr *a)
{
	struct link_address r = { 0 };

	if (a && nlattr_len(a) <= sizeof(r.at)) {
		r.n = (uint8_t)nlattr_len(a);
		memcpy(r.at, nlattr_data(a), r.n);
	}
	return r;
}

static void read_link(const struct nlmsghdr *h, const struct ifinfomsg *m, struct link_state *ret)
{
	size_t n = sizeof(*m);
	const struct nlattr *kind = nlattr_in(nlattr_of(h, n, IFLA_LINKINFO), IFLA_INFO_KIND),
			    *name = nlattr_of(h, n, IFLA_IFNAME),
			    *inet6 = nlattr_in(nlattr_of(h, n, IFLA_AF_SPEC), AF_INET6),
			    *conf = nlattr_in(inet6, IFLA_INET6_CONF);

	*ret = (struct link_state){ .ifindex = m->ifi_index,
				    .flags = m->ifi_flags,
				    .address = hardware_address(nlattr_of(h, n, IFLA_ADDRESS)),
				    .broadcast = hardware_address(nlattr_of(h, n, IFLA_BROADCAST)),
				    .mtu = nlattr_u32(nlattr_of(h, n, IFLA_MTU)),
				    .has_master = nlattr_of(h, n, IFLA_MASTER) != NULL };
	if (name && nlattr_len(name) <= sizeof(ret->name))
		memcpy(ret->name, nlattr_data(name), nlattr_len(name));
	ret->name[sizeof(ret->name) - 1] = '\0';
	if (kind && nlattr_len(kind) <= sizeof(ret->kind))
		memcpy(ret->kind, nlattr_data(kind), nlattr_len(kind));
	ret->kind[sizeof(ret->kind) - 1] = '\0';
	ret->mtu6 = conf_of(conf, DEVCONF_MTU6);
	ret->keep_addr = (int32_t)conf_of(conf, DEVCONF_KEEP_ADDR_ON_DOWN);
}

static int find_link(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct looking *k = arg;
	const struct ifinfomsg *m = NLMSG_DATA(h);

	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return err_set(e, EBADMSG, "a broken answer about a device");
	if (k->dev ? nlattr_is(nlattr_of(h, sizeof(*m), IFLA_IFNAME), k->dev) :
		     m->ifi_index == k->ifindex)
		read_link(h, m, k->l);
	return 0;
}

/* The other end of a veth is no device on top; and a device on one of another namespace is told by
 * that one's number. */
static int find_upper(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct link_state *l = arg;
	const struct ifinfomsg *m = NLMSG_DATA(h);
	size_t n = sizeof(*m);
	const struct nlattr *kind;

	(void)e;
	if (h->nlmsg_len < NLMSG_LENGTH(n) || m->ifi_index == l->ifindex)
		return 0;
	kind = nlattr_in(nlattr_of(h, n, IFLA_LINKINFO), IFLA_INFO_KIND);
	if ((int)nlattr_u32(nlattr_of(h, n, IFLA_LINK)) == l->ifindex &&
	    !nlattr_of(h, n, IFLA_LINK_NETNSID) && !nlattr_is(kind, "veth"))
		l->carries = true;
	if ((int)nlattr_u32(nlattr_of(h, n, IFLA_MASTER)) == l->ifindex)
		l->carries = true;
	return 0;
}

int link_state_read(struct nlsock *s, const char *dev, int ifindex, struct link_state *ret,
		    struct err *e)
{
	const struct ifinfomsg all = { 0 };
	struct looking k = { dev, ifindex, ret };
	int rc;

	*ret = (struct link_state){ 0 };
	rc = dump(s, RTM_GETLINK, &all, sizeof(all), &(struct reader){ find_link, &k, NULL }, e);
	if (rc == 0 && !ret->ifindex)
		return err_set(e, ENODEV, "there is no device '%s'", dev ? dev : "of that index");
	return rc < 0 ? rc :
			dump(s, RTM_GETLINK, &all, sizeof(all),
			     &(struct reader){ find_upper, ret, NULL }, e);
}

/* ---- what would be lost ---- */

/* What makes two routes equal: the first one in the list is used. */
struct way {
	uint8_t family, len, tos, pad;
	uint8_t dst[16];
	uint32_t table, metric;
};

/* A dump is read to its end, whatever is found on the way: the socket is used again. The first
 * finding counts. */
struct losses {
	const struct link_state *l;
	struct err *e;
	int rc;
	bool keeps_addresses; /* permanent ones of IPv6 */
	unsigned n_made; /* the routes that the kernel makes of its addresses when it comes up */
	struct way made[WAYS];
	unsigned n_ways; /* its routes that come back, behind equal ones of other devices */
	struct way way[WAYS];
};

static int lost(struct losses *x, const char *fmt, ...) PRINTF_FMT(2, 3);

static int lost(struct losses *x, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (x->rc)
		return 0;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	x->rc = err_set(x->e, EBUSY, "%s", text);
	return 0;
}

static const char *address_of(uint8_t family, const struct nlattr *a, char buf[INET6_ADDRSTRLEN])
{
	size_t n = family == AF_INET ? 4 : 16;

	if (!a)
		return "default";
	if (nlattr_len(a) != n || !inet_ntop(family, nlattr_data(a), buf, INET6_ADDRSTRLEN))
		return "?";
	return buf;
}

/* Of one device, by itself or as one of several ways. */
static bool goes_by(const struct nlmsghdr *h, int ifindex)
{
	size_t n = sizeof(struct rtmsg);
	const struct nlattr *ways = nlattr_of(h, n, RTA_MULTIPATH);

	if ((int)nlattr_u32(nlattr_of(h, n, RTA_OIF)) == ifindex)
		return true;
	for (size_t at = 0; ways && at + sizeof(struct rtnexthop) <= nlattr_len(ways);) {
		struct rtnexthop w;

		memcpy(&w, (const char *)nlattr_data(ways) + at, sizeof(w));
		if (w.rtnh_ifindex == ifindex)
			return true;
		if (w.rtnh_len < sizeof(w))
			break;
		at += RTNH_ALIGN(w.rtnh_len);
	}
	return false;
}

static int route_lost(struct losses *x, const struct nlmsghdr *h, const char *why)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	char to[INET6_ADDRSTRLEN];

	return lost(x, "the route %s/%u %s",
		    address_of(m->rtm_family, nlattr_of(h, sizeof(*m), RTA_DST), to),
		    m->rtm_dst_len, why);
}

static struct way way_of(const struct nlmsghdr *h)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	const struct nlattr *dst = nlattr_of(h, sizeof(*m), RTA_DST);
	struct way w = { .family = m->rtm_family, .len = m->rtm_dst_len, .tos = m->rtm_tos };

	if (dst && nlattr_len(dst) <= sizeof(w.dst))
		memcpy(w.dst, nlattr_data(dst), nlattr_len(dst));
	w.table = nlattr_u32(nlattr_of(h, sizeof(*m), RTA_TABLE));
	w.metric = nlattr_u32(nlattr_of(h, sizeof(*m), RTA_PRIORITY));
	return w;
}

/* Where only the device that is said decides: fe80::/10, ff00::/8. */
static bool is_of_link(const struct way *w)
{
	return w->family == AF_INET6 &&
	       (w->dst[0] == 0xff || (w->dst[0] == 0xfe && (w->dst[1] & 0xc0) == 0x80));
}

/* It would stand behind this one of another device afterwards, and no longer be the one in use. */
static int route_has_no_equal(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct losses *x = arg;
	struct way w;

	(void)e;
	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtmsg)) ||
	    goes_by(h, x->l->ifindex))
		return 0;
	w = way_of(h);
	for (unsigned i = 0; i < x->n_ways; i++) {
		if (memcmp(&x->way[i], &w, sizeof(w)) == 0)
			return route_lost(
				x, h,
				"is one of another device too, and would change places with it");
	}
	return 0;
}

static void put_made(struct losses *x, struct way w, const struct nlattr *to)
{
	unsigned bits = w.len;

	if (!to || nlattr_len(to) > sizeof(w.dst))
		return;
	memcpy(w.dst, nlattr_data(to), nlattr_len(to));
	for (unsigned i = 0; i < sizeof(w.dst); i++) {
		unsigned keep = bits < 8 ? bits : 8;

		w.dst[i] = (uint8_t)(w.dst[i] & (0xff00u >> keep));
		bits -= keep;
	}
	if (x->n_made < WAYS)
		x->made[x->n_made++] = w;
	else
		lost(x, "it has more than %d addresses", WAYS);
}

/*
 * fib_add_ifaddr() in net/ipv4/fib_frontend.c, addrconf_prefix_route() in net/ipv6/addrconf.c.
 * Whoever adds an address with IFA_F_NOPREFIXROUTE makes the route himself, and calls it the
 * kernel's (NetworkManager, systemd-networkd): it looks alike and does not come back.
 */
static int address_makes_routes(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct losses *x = arg;
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	const struct nlattr *address, *local;
	uint32_t flags;
	struct way w;

	(void)e;
	if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
	    (int)m->ifa_index != x->l->ifindex)
		return 0;
	address = nlattr_of(h, sizeof(*m), IFA_ADDRESS);
	local = nlattr_of(h, sizeof(*m), IFA_LOCAL);
	flags = nlattr_u32(nlattr_of(h, sizeof(*m), IFA_FLAGS)) | m->ifa_flags;
	w = (struct way){ .family = m->ifa_family,
			  .len = m->ifa_prefixlen,
			  .table = RT_TABLE_MAIN,
			  .metric = nlattr_u32(nlattr_of(h, sizeof(*m), IFA_RT_PRIORITY)) };
	if (w.family == AF_INET) {
		if (!(flags & (IFA_F_NOPREFIXROUTE | IFA_F_SECONDARY)))
			put_made(x, w, address);
		return 0;
	}
	if (!w.metric)
		w.metric = IPV6_PRIO;
	if (!(flags & IFA_F_NOPREFIXROUTE))
		put_made(x, w, local ? local : address);
	if (local) { /* the other end, whatever the flag says */
		w.len = 128;
		put_made(x, w, address);
	}
	return 0;
}

/* What is not a way to others stands in the kernel's own table. */
static bool kernel_makes(const struct losses *x, const struct rtmsg *m, const struct way *w)
{
	if (m->rtm_protocol != RTPROT_KERNEL)
		return false;
	if (w->table == RT_TABLE_LOCAL)
		return true;
	for (unsigned i = 0; m->rtm_type == RTN_UNICAST && i < x->n_made; i++) {
		if (memcmp(&x->made[i], w, sizeof(*w)) == 0)
			return true;
	}
	return false;
}

/* Those that the kernel made of addresses come back with them, any other one does not. */
static int route_is_kernels(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct losses *x = arg;
	const struct link_state *l = x->l;
	const struct rtmsg *m = NLMSG_DATA(h);
	struct way w;

	(void)e;
	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
	    !goes_by(h, l->ifindex) || m->rtm_flags & RTM_F_CLONED)
		return 0;
	w = way_of(h);
	if (kernel_makes(x, m, &w) && !nlattr_of(h, sizeof(*m), RTA_MULTIPATH)) {
		if (!is_of_link(&w) && x->n_ways < WAYS)
			x->way[x->n_ways++] = w;
		return x->n_ways < WAYS ? 0 : lost(x, "it has more than %d routes", WAYS);
	}
	return route_lost(x, h, "would be lost when the device goes down");
}

/* rt6_mtu_change_route() in net/ipv6/route.c writes there. */
static int route_has_no_mtu(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct losses *x = arg;
	const struct link_state *l = x->l;
	size_t n = sizeof(struct rtmsg);

	(void)e;
	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(n) ||
	    !goes_by(h, l->ifindex) || !nlattr_in(nlattr_of(h, n, RTA_METRICS), RTAX_MTU))
		return 0;
	return route_lost(x, h, "has an MTU of its own, which would follow the device's");
}

/* addrconf_ifdown() in net/ipv6/addrconf.c: the setting of all devices comes first. What cannot be
 * read keeps nothing. */
static bool keeps_addresses(const struct netns_ref *netns, const struct link_state *l)
{
	char text[16];
	struct err ignored;
	int all;

	if (netns_read(netns, KEEP_ADDR_OF_ALL, text, sizeof(text), &ignored) <= 0)
		return false;
	all = atoi(text);
	return (all ? all : l->keep_addr) > 0;
}

/* IPv4 addresses stay; of IPv6 those that the kernel makes again. */
static int address_stays(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct losses *x = arg;
	const struct link_state *l = x->l;
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	const struct nlattr *proto = nlattr_of(h, sizeof(*m), ATTR_PROTO);
	char text[INET6_ADDRSTRLEN];
	uint8_t by = 0;

	(void)e;
	if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
	    (int)m->ifa_index != l->ifindex || m->ifa_family != AF_INET6)
		return 0;
	if (proto && nlattr_len(proto) == sizeof(by))
		memcpy(&by, nlattr_data(proto), sizeof(by));
	if (by == BY_LO || by == BY_LL)
		return 0;
	if (x->keeps_addresses && m->ifa_flags & IFA_F_PERMANENT && m->ifa_scope != RT_SCOPE_LINK)
		return 0;
	return lost(x,
		    "the IPv6 address %s would be lost when the device goes down "
		    "(keep_addr_on_down of conf/all, or where that is 0 of the device, is not 1): "
		    "net.drop loses none",
		    address_of(AF_INET6, nlattr_of(h, sizeof(*m), IFA_ADDRESS), text));
}

/* inet_addr_type() in net/ipv4/fib_frontend.c: what the kernel's own table of this device says, and
 * what is one everywhere. */
static bool is_broadcast(const struct losses *x, const struct way *w)
{
	if (w->family != AF_INET)
		return false;
	if (!w->dst[0] || memcmp(w->dst, "\xff\xff\xff\xff", 4) == 0)
		return true;
	for (unsigned i = 0; i < x->n_ways; i++) {
		if (memcmp(&x->way[i], w, sizeof(*w)) == 0)
			return true;
	}
	return false;
}

/*
 * An entry that nobody resolves: does the kernel make it again, the same, when it is needed?
 * arp_constructor() in net/ipv4/arp.c, ndisc_constructor() in net/ipv6/ndisc.c.
 */
static bool kernel_maps(const struct losses *x, const struct nlmsghdr *h)
{
	const struct link_state *l = x->l;
	const struct ndmsg *m = NLMSG_DATA(h);
	const struct nlattr *dst = nlattr_of(h, sizeof(*m), NDA_DST);
	bool by_own = l->flags & (IFF_NOARP | IFF_LOOPBACK);
	const struct link_address *own = by_own ? &l->address : &l->broadcast;
	struct link_address to = hardware_address(nlattr_of(h, sizeof(*m), NDA_LLADDR));
	struct way w = { .family = m->ndm_family, .table = RT_TABLE_LOCAL };

	if (!dst || nlattr_len(dst) > sizeof(w.dst))
		return false;
	memcpy(w.dst, nlattr_data(dst), nlattr_len(dst));
	w.len = (uint8_t)(nlattr_len(dst) * 8);
	if (w.family == AF_INET ? (w.dst[0] & 0xf0) == 0xe0 : w.dst[0] == 0xff)
		return true; /* multicast */
	if (to.n != own->n || memcmp(to.at, own->at, to.n) != 0)
		return false;
	return by_own || l->flags & IFF_POINTOPOINT || is_broadcast(x, &w);
}

/* neigh_ifdown() in net/core/neighbour.c takes all of them; what the device learns by asking comes
 * again. Flags beyond eight (managed) are only on those that somebody has put there. */
static bool neighbour_stays_away(const struct losses *x, const struct nlmsghdr *h)
{
	const struct ndmsg *m = NLMSG_DATA(h);

	if (m->ndm_state & NUD_PERMANENT || m->ndm_flags & (NTF_PROXY | NTF_EXT_LEARNED) ||
	    nlattr_u32(nlattr_of(h, sizeof(*m), ATTR_FLAGS_EXT)))
		return true;
	return m->ndm_state & NUD_NOARP && !kernel_maps(x, h);
}

static int neighbour_is_learnt(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct losses *x = arg;
	const struct link_state *l = x->l;
	const struct ndmsg *m = NLMSG_DATA(h);
	char text[INET6_ADDRSTRLEN];

	(void)e;
	if (h->nlmsg_type != RTM_NEWNEIGH || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
	    m->ndm_ifindex != l->ifindex || !neighbour_stays_away(x, h))
		return 0;
	return lost(x, "the neighbour entry %s would be lost when the device goes down",
		    address_of(m->ndm_family, nlattr_of(h, sizeof(*m), NDA_DST), text));
}

/* nexthop_flush_dev() in net/ipv4/nexthop.c: with or without a route. */
static int nexthop_is_elsewhere(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct losses *x = arg;
	const struct link_state *l = x->l;
	size_t n = sizeof(struct nhmsg);

	(void)e;
	if (h->nlmsg_type != RTM_NEWNEXTHOP ||
	    (int)nlattr_u32(nlattr_of(h, n, NHA_OIF)) != l->ifindex)
		return 0;
	return lost(x, "the nexthop %u would be lost when the device goes down",
		    nlattr_u32(nlattr_of(h, n, NHA_ID)));
}

static int stands_alone(const struct link_state *l, struct err *e)
{
	if (l->has_master)
		return err_set(e, EBUSY,
			       "the device is a port of another one, which would change too");
	if (l->carries)
		return err_set(e, EBUSY,
			       "other devices stand on it (VLANs, ports): they would change too");
	return 0;
}

static int is_known(const struct link_state *l, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(known_kinds); i++) {
		if (strcmp(l->kind, known_kinds[i]) == 0)
			return 0;
	}
	return err_set(e, EBUSY, "what a device of kind '%s' would lose is not known", l->kind);
}

static int look_for(struct nlsock *s, uint16_t type, const void *header, size_t n,
		    nlsock_each *each, struct losses *x)
{
	int rc = x->rc ? 0 : dump(s, type, header, n, &(struct reader){ each, x, NULL }, x->e);

	return rc < 0 ? rc : x->rc;
}

static int link_down_loses(struct nlsock *s, const struct netns_ref *netns,
			   const struct link_state *l, struct err *e)
{
	const struct ndmsg neighbours = { 0 }, proxies = { .ndm_flags = NTF_PROXY };
	const struct ifaddrmsg addresses = { 0 };
	const struct nhmsg nexthops = { 0 };
	const struct rtmsg routes = { 0 };
	struct losses x = { .l = l, .e = e, .keeps_addresses = keeps_addresses(netns, l) };
	int rc = stands_alone(l, e);

	if (rc == 0)
		rc = is_known(l, e);
	if (rc == 0)
		rc = look_for(s, RTM_GETADDR, &addresses, sizeof(addresses), address_makes_routes,
			      &x);
	if (rc == 0)
		rc = look_for(s, RTM_GETROUTE, &routes, sizeof(routes), route_is_kernels, &x);
	if (rc == 0)
		rc = look_for(s, RTM_GETROUTE, &routes, sizeof(routes), route_has_no_equal, &x);
	if (rc == 0)
		rc = look_for(s, RTM_GETADDR, &addresses, sizeof(addresses), address_stays, &x);
	if (rc == 0)
		rc = look_for(s, RTM_GETNEXTHOP, &nexthops, sizeof(nexthops), nexthop_is_elsewhere,
			      &x);
	if (rc == 0)
		rc = look_for(s, RTM_GETNEIGH, &neighbours, sizeof(neighbours), neighbour_is_learnt,
			      &x);
	if (rc == 0)
		rc = look_for(s, RTM_GETNEIGH, &proxies, sizeof(proxies), neighbour_is_learnt, &x);
	return rc;
}

static int link_mtu_loses(struct nlsock *s, const struct link_state *l, uint32_t mtu, struct err *e)
{
	const struct rtmsg routes = { .rtm_family = AF_INET6 };
	struct losses x = { .l = l, .e = e };
	int rc = stands_alone(l, e);

	if (rc < 0)
		return rc;
	if (strcmp(l->kind, "bridge") == 0) /* BROPT_MTU_SET_BY_USER: net/bridge/br_device.c */
		return err_set(e, EBUSY,
			       "a bridge whose MTU was set does not follow its ports any more");
	if (l->mtu6 && mtu < IPV6_MIN_MTU) /* addrconf_notify() in net/ipv6/addrconf.c */
		return err_set(e, EBUSY,
			       "below %d a device loses its IPv6 addresses, routes and settings",
			       IPV6_MIN_MTU);
	if (l->mtu6 && l->mtu6 != l->mtu)
		return err_set(e, EBUSY,
			       "its IPv6 MTU is %u, not %u as the device's: it would be lost",
			       l->mtu6, l->mtu);
	return look_for(s, RTM_GETROUTE, &routes, sizeof(routes), route_has_no_mtu, &x);
}

int link_check(struct nlsock *sock, const struct link_spec *s, struct link_state *ret,
	       struct err *e)
{
	int rc = link_state_read(sock, s->dev, 0, ret, e);

	if (rc < 0)
		return rc;
	if (!s->mtu && !(ret->flags & IFF_UP))
		return err_set(e, EALREADY, "the device '%s' is down already", s->dev);
	if (s->mtu && s->mtu >= ret->mtu)
		return err_set(e, EINVAL, "the MTU of '%s' is %u: choose a lower one than that",
			       s->dev, ret->mtu);
	rc = s->mtu ? link_mtu_loses(sock, ret, s->mtu, e) :
		      link_down_loses(sock, &s->netns, ret, e);
	return rc < 0 ? err_ctx(e, "device '%s'", s->dev) : 0;
}

struct counting {
	int ifindex;
	unsigned n;
};

/* A dump that was cut short begins anew. */
static void count_again(void *arg)
{
	((struct counting *)arg)->n = 0;
}

static int count_route(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct counting *c = arg;
	const struct rtmsg *m = NLMSG_DATA(h);

	(void)e;
	c->n += h->nlmsg_type == RTM_NEWROUTE && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)) &&
		goes_by(h, c->ifindex) && !(m->rtm_flags & RTM_F_CLONED);
	return 0;
}

static int count_address(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct counting *c = arg;
	const struct ifaddrmsg *m = NLMSG_DATA(h);

	(void)e;
	c->n += h->nlmsg_type == RTM_NEWADDR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)) &&
		(int)m->ifa_index == c->ifindex && !(m->ifa_flags & IFA_F_TENTATIVE);
	return 0;
}

int link_count(struct nlsock *s, int ifindex, unsigned *ret, struct err *e)
{
	const struct ifaddrmsg addresses = { 0 };
	const struct rtmsg routes = { 0 };
	struct counting r = { .ifindex = ifindex }, a = r;
	int rc = dump(s, RTM_GETROUTE, &routes, sizeof(routes),
		      &(struct reader){ count_route, &r, count_again }, e);

	if (rc == 0)
		rc = dump(s, RTM_GETADDR, &addresses, sizeof(addresses),
			  &(struct reader){ count_address, &a, count_again }, e);
	*ret = r.n + a.n;
	return rc;
}

/* ---- to write ---- */

static int set_link(struct nlsock *s, const struct ifinfomsg *m, uint32_t mtu, const char *what,
		    struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	int rc;

	nlbuf_msg(&b, RTM_NEWLINK, NLM_F_ACK, m, sizeof(*m), what);
	if (mtu)
		nlbuf_u32(&b, IFLA_MTU, mtu);
	rc = nlsock_talk(s, &b, e);
	if (rc == -EPERM)
		return err_set(e, EACCES,
			       "%s (needs CAP_NET_ADMIN in its network namespace: root, or start "
			       "brink inside it)",
			       what);
	return rc;
}

int link_set_up(struct nlsock *s, int ifindex, bool up, struct err *e)
{
	const struct ifinfomsg m = { .ifi_index = ifindex,
				     .ifi_flags = up ? IFF_UP : 0,
				     .ifi_change = IFF_UP };

	return set_link(s, &m, 0, up ? "cannot set a device up" : "cannot set a device down", e);
}

int link_set_mtu(struct nlsock *s, int ifindex, uint32_t mtu, struct err *e)
{
	const struct ifinfomsg m = { .ifi_index = ifindex };

	return set_link(s, &m, mtu, "cannot set the MTU of a device", e);
}
