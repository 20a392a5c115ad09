/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "safety/fingerprint_parts.h"

#define ADDRESS_BYTES 48

/* Flags of net/if.h and linux/if.h that follow the carrier and the other end, not a configuration.
 */
#define LINK_VOLATILE (IFF_RUNNING | 0x10000U /* LOWER_UP */ | 0x20000U /* DORMANT */)

/* One dump on a socket of its own. A kernel without the feature has none of its objects. */
static int dump_route(struct fp_take *t, uint16_t type, const void *header, size_t n,
		      int (*fn)(struct fp_take *t, const struct nlmsghdr *nh, void *arg))
{
	AUTO(auto_close) int fd = fp_open(t, NETLINK_ROUTE);
	struct fp_request q = fp_request(type, header, n);
	int r;

	if (fd < 0)
		return fd;
	r = fp_dump(t, fd, &q, fn, NULL);
	return r == -EOPNOTSUPP ? 0 : r;
}

static int add_link(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t kept = FP_BIT(IFLA_ADDRESS) | FP_BIT(IFLA_BROADCAST) | FP_BIT(IFLA_IFNAME) |
			      FP_BIT(IFLA_MTU) | FP_BIT(IFLA_LINK) | FP_BIT(IFLA_MASTER) |
			      FP_BIT(IFLA_TXQLEN) | FP_BIT(IFLA_GROUP) |
			      FP_BIT(IFLA_NUM_TX_QUEUES) | FP_BIT(IFLA_GSO_MAX_SIZE);
	const struct ifinfomsg *m = NLMSG_DATA(nh);
	struct fp_attrs attrs = fp_attrs_of(nh, sizeof(*m));
	struct fp_link *link = &t->link[t->n_links];
	const struct nlattr *kind;
	uint64_t key, value;
	char name[256];

	(void)arg;
	if (nh->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (t->n_links == FP_LINKS)
		return err_set(t->e, E2BIG, "there are more than %d links", FP_LINKS);
	fp_attr_text(attrs, IFLA_IFNAME, name);
	link->ifindex = m->ifi_index;
	snprintf(link->name, sizeof(link->name), "%.15s", name);
	t->n_links++;
	key = fp_hash(fp_hash(FP_SEED, "link", 4), name, strlen(name));
	value = fp_hash_u32(FP_SEED, (uint32_t)m->ifi_index);
	value = fp_hash_u32(value, m->ifi_flags & ~LINK_VOLATILE);
	value = fp_hash_some(value, attrs, kept);
	kind = fp_attr_find(fp_attrs_in(fp_attr_find(attrs, IFLA_LINKINFO)), IFLA_INFO_KIND);
	if (kind)
		value = fp_hash_attr(value, kind);
	return fp_add(t, key, value, "link %s", name);
}

int fp_links(struct fp_take *t)
{
	struct {
		struct ifinfomsg m;
	} header = { .m = { .ifi_family = AF_UNSPEC } };

	t->n_links = 0;
	return dump_route(t, RTM_GETLINK, &header, sizeof(header), add_link);
}

/* An address in an attribute of a message of this family: "10.0.0.1", or what stands for none. */
static const char *address_text(uint8_t family, const struct nlattr *a, const char *none,
				char buf[static ADDRESS_BYTES])
{
	size_t need = family == AF_INET6 ? 16 : 4;

	if (!a)
		return none;
	if (fp_attr_len(a) != need || !inet_ntop(family, fp_attr_data(a), buf, ADDRESS_BYTES))
		return "?";
	return buf;
}

static int add_address(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t kept = FP_BIT(IFA_ADDRESS) | FP_BIT(IFA_LOCAL) | FP_BIT(IFA_LABEL) |
			      FP_BIT(IFA_BROADCAST) | FP_BIT(IFA_ANYCAST) | FP_BIT(IFA_RT_PRIORITY);
	/* the others come and go with duplicate detection and lifetimes */
	const uint32_t flags = IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE | IFA_F_SECONDARY |
			       IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR;
	const struct ifaddrmsg *m = NLMSG_DATA(nh);
	struct fp_attrs attrs = fp_attrs_of(nh, sizeof(*m));
	const struct nlattr *local = fp_attr_find(attrs, IFA_LOCAL);
	const struct nlattr *address = fp_attr_find(attrs, IFA_ADDRESS);
	char dev[IFNAMSIZ], text[ADDRESS_BYTES];
	uint64_t key = fp_hash(FP_SEED, "addr", 4), value;

	(void)arg;
	if (nh->nlmsg_type != RTM_NEWADDR)
		return 0;
	local = local ? local : address;
	key = fp_hash_u32(key, m->ifa_index);
	key = fp_hash_u32(key, (uint32_t)m->ifa_family << 8 | m->ifa_prefixlen);
	key = fp_hash_some(key, attrs, FP_BIT(IFA_ADDRESS) | FP_BIT(IFA_LOCAL));
	value = fp_hash_u32(FP_SEED, m->ifa_scope);
	value = fp_hash_u32(value, fp_attr_u32(fp_attr_find(attrs, IFA_FLAGS)) & flags);
	value = fp_hash_some(value, attrs, kept);
	return fp_add(t, key, value, "address %s/%u dev %s",
		      address_text(m->ifa_family, local, "?", text), (unsigned)m->ifa_prefixlen,
		      fp_link_name(t, (int32_t)m->ifa_index, dev));
}

int fp_addresses(struct fp_take *t)
{
	struct ifaddrmsg m = { .ifa_family = AF_UNSPEC };

	return dump_route(t, RTM_GETADDR, &m, sizeof(m), add_address);
}

/* The hops of a route, without the flags that follow the carrier. */
static uint64_t hash_hops(uint64_t h, const struct nlattr *multipath)
{
	const unsigned char *at = fp_attr_data(multipath);
	size_t left = fp_attr_len(multipath);

	while (left >= sizeof(struct rtnexthop)) {
		struct rtnexthop hop;
		size_t step;

		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			break;
		hop.rtnh_flags &= RTNH_F_ONLINK;
		h = fp_hash(h, &hop, sizeof(hop));
		h = fp_hash(h, at + sizeof(hop), hop.rtnh_len - sizeof(hop));
		step = RTNH_ALIGN((size_t)hop.rtnh_len);
		step = step < left ? step : left;
		at += step;
		left -= step;
	}
	return h;
}

static int add_route(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t dropped = FP_BIT(RTA_CACHEINFO) | FP_BIT(RTA_MFC_STATS) |
				 FP_BIT(RTA_EXPIRES) | FP_BIT(RTA_MULTIPATH);
	struct rtmsg m;
	struct fp_attrs attrs = fp_attrs_of(nh, sizeof(m));
	const struct nlattr *table = fp_attr_find(attrs, RTA_TABLE);
	const struct nlattr *hops = fp_attr_find(attrs, RTA_MULTIPATH);
	const struct nlattr *oif = fp_attr_find(attrs, RTA_OIF);
	char dev[IFNAMSIZ], text[ADDRESS_BYTES];
	uint64_t key = fp_hash(FP_SEED, "route", 5), value;

	(void)arg;
	memcpy(&m, NLMSG_DATA(nh), sizeof(m));
	if (nh->nlmsg_type != RTM_NEWROUTE || (m.rtm_flags & RTM_F_CLONED))
		return 0;
	if (m.rtm_family != AF_INET && m.rtm_family != AF_INET6)
		return 0;
	m.rtm_flags &= RTNH_F_ONLINK;
	key = fp_hash_u32(key,
			  (uint32_t)m.rtm_family << 16 | (uint32_t)m.rtm_tos << 8 | m.rtm_dst_len);
	key = fp_hash_some(key, attrs,
			   FP_BIT(RTA_DST) | FP_BIT(RTA_TABLE) | FP_BIT(RTA_PRIORITY) |
				   FP_BIT(RTA_SRC));
	value = fp_hash(FP_SEED, &m, sizeof(m));
	value = fp_hash_some(value, attrs, ~dropped);
	if (hops)
		value = hash_hops(value, hops);
	return fp_add(t, key, value, "route %s/%u dev %s table %u",
		      address_text(m.rtm_family, fp_attr_find(attrs, RTA_DST),
				   m.rtm_family == AF_INET ? "0.0.0.0" : "::", text),
		      (unsigned)m.rtm_dst_len,
		      oif ? fp_link_name(t, (int32_t)fp_attr_u32(oif), dev) : "-",
		      table ? fp_attr_u32(table) : m.rtm_table);
}

int fp_routes(struct fp_take *t)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct rtmsg m = { .rtm_family = families[i] };
		int r = dump_route(t, RTM_GETROUTE, &m, sizeof(m), add_route);

		if (r)
			return r;
	}
	return 0;
}

static int add_rule(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const struct fib_rule_hdr *m = NLMSG_DATA(nh);
	struct fp_attrs attrs = fp_attrs_of(nh, sizeof(*m));
	uint32_t priority = fp_attr_u32(fp_attr_find(attrs, FRA_PRIORITY));
	uint64_t key = fp_hash(FP_SEED, "rule", 4), value;

	(void)arg;
	if (nh->nlmsg_type != RTM_NEWRULE)
		return 0;
	key = fp_hash_u32(fp_hash_u32(key, m->family), priority);
	value = fp_hash(FP_SEED, m, sizeof(*m));
	value = fp_hash_some(value, attrs, ~FP_BIT(FRA_PAD));
	return fp_add(t, key, value, "rule %u family %u", priority, (unsigned)m->family);
}

int fp_rules(struct fp_take *t)
{
	struct fib_rule_hdr m = { .family = AF_UNSPEC };

	return dump_route(t, RTM_GETRULE, &m, sizeof(m), add_rule);
}

static int add_neighbour(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t kept = FP_BIT(NDA_DST) | FP_BIT(NDA_LLADDR) | FP_BIT(NDA_VLAN) |
			      FP_BIT(NDA_PORT) | FP_BIT(NDA_VNI) | FP_BIT(NDA_IFINDEX);
	const struct ndmsg *m = NLMSG_DATA(nh);
	struct fp_attrs attrs = fp_attrs_of(nh, sizeof(*m));
	char dev[IFNAMSIZ], text[ADDRESS_BYTES];
	uint64_t key = fp_hash(FP_SEED, "neigh", 5), value;

	(void)arg;
	if (nh->nlmsg_type != RTM_NEWNEIGH || !(m->ndm_state & NUD_PERMANENT))
		return 0;
	key = fp_hash_u32(fp_hash_u32(key, (uint32_t)m->ndm_ifindex), m->ndm_family);
	key = fp_hash_some(key, attrs, FP_BIT(NDA_DST));
	value = fp_hash_u32(FP_SEED, (uint32_t)m->ndm_flags << 8 | m->ndm_type);
	value = fp_hash_some(value, attrs, kept);
	return fp_add(t, key, value, "neighbour %s dev %s",
		      address_text(m->ndm_family, fp_attr_find(attrs, NDA_DST), "-", text),
		      fp_link_name(t, m->ndm_ifindex, dev));
}

int fp_neighbours(struct fp_take *t)
{
	struct ndmsg m = { .ndm_family = AF_UNSPEC };

	return dump_route(t, RTM_GETNEIGH, &m, sizeof(m), add_neighbour);
}
