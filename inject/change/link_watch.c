/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/link_watch.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/io.h"

#define MESSAGE_BYTES 8192

int link_same(int sock, const char *name, int ifindex, struct err *e)
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(sock, SIOCGIFINDEX, &r) < 0 && errno != ENODEV)
		return err_sys(e, "cannot look for the device '%s'", name);
	if (r.ifr_ifindex != ifindex) /* 0 when there is none */
		return err_set(e, ENODEV, "somebody has deleted, moved or renamed the device '%s'",
			       name);
	return 0;
}

int qdisc_watch_open(struct err *e)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_TC };
	AUTO(auto_close)
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(e, "cannot watch the qdiscs");
	return take_fd(&fd);
}

static bool is_about(const struct nlmsghdr *h, int ifindex)
{
	const struct tcmsg *t = NLMSG_DATA(h);

	return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*t)) &&
	       (h->nlmsg_type == RTM_NEWQDISC || h->nlmsg_type == RTM_DELQDISC) &&
	       t->tcm_ifindex == ifindex;
}

bool qdisc_watch_heard(int watch, int ifindex)
{
	_Alignas(struct nlmsghdr) char bytes[MESSAGE_BYTES];
	bool heard = false;

	for (unsigned times = 0;;) {
		ssize_t n = recv(watch, bytes, sizeof(bytes), 0);

		if (n < 0 && io_again(&times))
			continue;
		if (n < 0 &&
		    errno == ENOBUFS) /* more than it could hold: anything may be among it */
			return true;
		if (n <= 0)
			return heard;
		for (const struct nlmsghdr *h = (const void *)bytes; NLMSG_OK(h, (size_t)n);
		     h = NLMSG_NEXT(h, n))
			heard |= is_about(h, ifindex);
	}
}
