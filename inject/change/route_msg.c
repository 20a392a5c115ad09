/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/route_msg.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static int read_oif(const struct nlmsghdr *h, void *arg, struct err *e)
{
	size_t head = NLMSG_LENGTH(sizeof(struct rtmsg));
	const struct nlattr *oif;

	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < head)
		return err_set(e, EBADMSG, "a broken answer about a route");
	oif = nlattr_find((const char *)h + head, h->nlmsg_len - head, RTA_OIF);
	if (oif && nlattr_len(oif) == sizeof(int))
		memcpy(arg, nlattr_data(oif), sizeof(int));
	return 0;
}

int route_oif(struct nlsock *s, unsigned family, const uint8_t *dst, const uint8_t *src, int *ret,
	      struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	size_t len = family == 4 ? 4 : 16;
	struct rtmsg r = { .rtm_family = family == 4 ? AF_INET : AF_INET6,
			   .rtm_dst_len = (uint8_t)(len * 8),
			   .rtm_src_len = src ? (uint8_t)(len * 8) : 0 };
	int rc;

	*ret = 0;
	nlbuf_msg(&b, RTM_GETROUTE, NLM_F_ACK, &r, sizeof(r), "cannot find the route");
	nlbuf_attr(&b, RTA_DST, dst, len);
	if (src)
		nlbuf_attr(&b, RTA_SRC, src, len);
	rc = nlsock_ask(s, &b, read_oif, NULL, ret, e);
	if (rc == 0 && !*ret)
		rc = err_set(e, ENETUNREACH, "the route has no device");
	return rc;
}

bool route_is_none(int rc)
{
	switch (-rc) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EINVAL:     /* a blackhole, or a source address that is not here */
	case EACCES:     /* prohibited */
	case EOPNOTSUPP: /* a kernel without IPv6 */
	case EAFNOSUPPORT:
		return true;
	default:
		return false;
	}
}
