/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include "inject/change/tc_msg.h"
#include "runner/demo.h"

static void add_end(struct nlbuf *b, const char *name, pid_t in)
{
	nlbuf_str(b, IFLA_IFNAME, name);
	nlbuf_u32(b, IFLA_NET_NS_PID, (uint32_t)in);
}

int demo_veth(struct nlsock *s, const char *name, const pid_t in[static 2], struct err *e)
{
	_Alignas(16) char bytes[512];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { 0 };
	size_t info, data, peer;

	nlbuf_msg(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &i, sizeof(i),
		  "cannot create a veth pair");
	add_end(&b, name, in[0]);
	info = nlbuf_nest(&b, IFLA_LINKINFO);
	nlbuf_str(&b, IFLA_INFO_KIND, "veth");
	data = nlbuf_nest(&b, IFLA_INFO_DATA);
	peer = nlbuf_nest(&b, VETH_INFO_PEER);
	nlbuf_raw(&b, &i, sizeof(i));
	add_end(&b, name, in[1]);
	nlbuf_end(&b, peer);
	nlbuf_end(&b, data);
	nlbuf_end(&b, info);
	return nlsock_talk(s, &b, e);
}

int demo_link_up(struct nlsock *s, const char *name, struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	nlbuf_msg(&b, RTM_NEWLINK, NLM_F_ACK, &i, sizeof(i), "cannot switch the device on");
	nlbuf_str(&b, IFLA_IFNAME, name);
	return nlsock_talk(s, &b, e) < 0 ? err_ctx(e, "'%s'", name) : 0;
}

int demo_link_quiet(struct nlsock *s, const char *name, struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { 0 };
	size_t families, inet6;
	int rc;

	nlbuf_msg(&b, RTM_NEWLINK, NLM_F_ACK, &i, sizeof(i),
		  "cannot set the device's address mode");
	nlbuf_str(&b, IFLA_IFNAME, name);
	families = nlbuf_nest(&b, IFLA_AF_SPEC);
	inet6 = nlbuf_nest(&b, AF_INET6);
	nlbuf_u8(&b, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	nlbuf_end(&b, inet6);
	nlbuf_end(&b, families);
	rc = nlsock_talk(s, &b, e);
	return rc == -EAFNOSUPPORT ? 0 : rc; /* a machine without IPv6 */
}

int demo_address_add(struct nlsock *s, const char *name, const char *address, unsigned prefix,
		     struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifaddrmsg a = { .ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)prefix };
	struct link_info link;
	struct in_addr in;
	int rc = link_find(s, name, &link, e);

	if (rc < 0)
		return rc;
	if (inet_pton(AF_INET, address, &in) != 1)
		return err_set(e, EINVAL, "'%s' is no IPv4 address", address);
	a.ifa_index = (unsigned)link.ifindex;
	nlbuf_msg(&b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &a, sizeof(a),
		  "cannot add the address");
	nlbuf_attr(&b, IFA_LOCAL, &in, sizeof(in));
	nlbuf_attr(&b, IFA_ADDRESS, &in, sizeof(in));
	return nlsock_talk(s, &b, e) < 0 ? err_ctx(e, "'%s'", address) : 0;
}
