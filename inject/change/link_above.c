/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/link_above.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/change/nlsock.h"

struct above {
	int fd; /* the namespace of the device */
	int ifindex;
	int32_t nsid; /* how the one that is looked at numbers it; -1: it does not */
	char name[IFNAMSIZ];
};

static int read_nsid(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct above *a = arg;
	const struct nlattr *id = nlattr_of(h, sizeof(struct rtgenmsg), NETNSA_NSID);

	(void)e;
	if (id)
		a->nsid = (int32_t)nlattr_u32(id);
	return 0;
}

/* Not the other end of a veth: it stands on nothing. */
static int find_above(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct above *a = arg;
	size_t n = sizeof(struct ifinfomsg);
	const struct nlattr *kind = nlattr_in(nlattr_of(h, n, IFLA_LINKINFO), IFLA_INFO_KIND),
			    *in = nlattr_of(h, n, IFLA_LINK_NETNSID),
			    *name = nlattr_of(h, n, IFLA_IFNAME);

	(void)e;
	if (h->nlmsg_type != RTM_NEWLINK || !in || (int32_t)nlattr_u32(in) != a->nsid ||
	    (int)nlattr_u32(nlattr_of(h, n, IFLA_LINK)) != a->ifindex || nlattr_is(kind, "veth"))
		return 0;
	if (name && nlattr_len(name) <= sizeof(a->name))
		memcpy(a->name, nlattr_data(name), nlattr_len(name));
	return 0;
}

static int ask(struct nlsock *s, struct above *a, struct err *e)
{
	static const char what[] = "cannot look for devices of other network namespaces";
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	const struct rtgenmsg any = { .rtgen_family = AF_UNSPEC };
	const struct ifinfomsg all = { 0 };
	int rc;

	a->nsid = NETNSA_NSID_NOT_ASSIGNED;
	nlbuf_msg(&b, RTM_GETNSID, NLM_F_ACK, &any, sizeof(any), what);
	nlbuf_u32(&b, NETNSA_FD, (uint32_t)a->fd);
	rc = nlsock_ask(s, &b, read_nsid, NULL, a, e);
	if (rc < 0 || a->nsid == NETNSA_NSID_NOT_ASSIGNED) /* then nothing there stands on it */
		return rc;
	b = nlbuf_on(bytes, sizeof(bytes));
	nlbuf_msg(&b, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all), what);
	return nlsock_ask(s, &b, find_above, NULL, a, e);
}

static int look_here(void *arg, struct err *e)
{
	struct above *a = arg;
	struct nlsock s;
	int rc = nlsock_open(NETLINK_ROUTE, &s, e);

	if (rc < 0)
		return rc;
	rc = ask(&s, a, e);
	nlsock_close(&s);
	return rc < 0 ? rc : a->name[0] != '\0';
}

int link_above_check(const struct netns_ref *ns, const char *dev, int ifindex, struct err *e)
{
	struct above a = { .fd = -1, .ifindex = ifindex };
	int rc = netns_open(ns, &a.fd, e);

	if (rc < 0)
		return rc;
	rc = netns_each(look_here, &a, e);
	close(a.fd);
	if (rc > 0)
		rc = err_set(
			e, EBUSY,
			"'%.15s' of another network namespace stands on it: it would change too",
			a.name);
	return rc < 0 ? err_ctx(e, "device '%s'", dev) : 0;
}
