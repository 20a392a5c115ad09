/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/route.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "inject/change/netns.h"
#include "inject/change/route_msg.h"
#include "inject/change/tc_msg.h"

static int read_name(const struct nlmsghdr *h, void *arg, struct err *e)
{
	size_t head = NLMSG_LENGTH(sizeof(struct ifinfomsg));
	const struct nlattr *name =
		h->nlmsg_len < head ?
			NULL :
			nlattr_find((const char *)h + head, h->nlmsg_len - head, IFLA_IFNAME);

	if (!name || nlattr_len(name) > IFNAMSIZ)
		return err_set(e, EBADMSG, "a broken answer about a device");
	memcpy(arg, nlattr_data(name), nlattr_len(name));
	return 0;
}

static int device_name(struct nlsock *s, int ifindex, char *ret, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { .ifi_index = ifindex };

	nlbuf_msg(&b, RTM_GETLINK, NLM_F_ACK, &i, sizeof(i), "cannot read the device of a route");
	return nlsock_ask(s, &b, read_name, NULL, ret, e);
}

int route_device(const struct netns_ref *ns, const struct net_prefix *to, char ret_dev[IFNAMSIZ],
		 struct err *e)
{
	char name[INET6_ADDRSTRLEN] = "?", dev[IFNAMSIZ] = { 0 };
	struct nlsock *s = NULL;
	int oif = 0;
	int rc = netns_sock(ns, NETLINK_ROUTE, &s, e);

	if (rc < 0)
		return rc;
	inet_ntop(to->family == 4 ? AF_INET : AF_INET6, to->addr, name, sizeof(name));
	rc = route_oif(s, to->family, to->addr, NULL, &oif, e);
	if (rc == 0)
		rc = device_name(s, oif, dev, e);
	if (rc < 0)
		return err_ctx(e, "no way to '%s' (say 'dev:' to choose the device)", name);
	memcpy(ret_dev, dev, IFNAMSIZ);
	return 0;
}

int route_check_device(const struct netns_ref *ns, const char *dev, char ret_qdisc[16],
		       struct err *e)
{
	struct link_info link = { 0 };
	struct qdisc_info q = { 0 };
	struct nlsock *s = NULL;
	int rc = netns_sock(ns, NETLINK_ROUTE, &s, e);

	if (rc == 0)
		rc = link_named(s, dev, &link, e);
	if (rc < 0)
		return rc;
	rc = qdisc_root(s, link.ifindex, &q, e);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	memcpy(ret_qdisc, q.kind, sizeof(q.kind));
	return 0;
}
