/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_TC_MSG_H
#define BRINK_CHANGE_TC_MSG_H

#include "inject/change/change.h"
#include "inject/change/nlsock.h"

/* rtnetlink(7) requests that libnl-route cannot say or whose error text it loses. s is a
 * NETLINK_ROUTE socket. */

struct link_info {
	int ifindex;
	char name[IFNAMSIZ], kind[16]; /* kind: "ifb", "veth", ""; IFLA_INFO_KIND */
	uint8_t mac[6];
	uint32_t mtu;
	bool up;
};

/* The link of that name. -ENODEV: there is none. */
int link_find(struct nlsock *s, const char *name, struct link_info *ret, struct err *e);
/* The same of what a user writes. -ENODEV also where that is another name of a device (altname of
 * ip-link(8)): packets, and the rules of a policy, know it by one. */
int link_named(struct nlsock *s, const char *name, struct link_info *ret, struct err *e);
/* The ifb with that address whose name does not begin so. -ENODEV: there is none. */
int link_find_ifb(struct nlsock *s, const uint8_t mac[6], const char *not_named,
		  struct link_info *ret, struct err *e);
/* A new ifb, up from the start, with that address. EEXIST when the name is taken. */
int link_add_ifb(struct nlsock *s, const char *name, const uint8_t mac[6], struct err *e);
int link_del(struct nlsock *s, int ifindex, struct err *e);
/* The device for a command of ip(8): its name, or "if5" where a shell would make something else of
 * that name. */
void link_add_name(struct text *t, const char *name, int ifindex);
#define NETEM_HANDLE 0x10000u
/* Puts netem at the root of a link that brink made. */
int netem_set(struct nlsock *s, int ifindex, const struct netem_side_spec *spec, struct err *e);

struct qdisc_info {
	char kind[16];
	uint32_t handle, qlen; /* qlen: packets it holds now */
	uint32_t drops;
};

/* The root qdisc. -ENOENT: none (or the link is gone). */
int qdisc_root(struct nlsock *s, int ifindex, struct qdisc_info *ret, struct err *e);

/*
 * The table that turns a random number into a normal, pareto or mixed one: n values scaled by 8192,
 * as netem wants them (NETEM_DIST_SCALE, sch_netem.c: tabledist). -ENOMEM.
 */
int netem_table(enum netem_dist dist, int16_t *ret, unsigned n);

#endif
