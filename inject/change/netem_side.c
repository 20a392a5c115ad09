/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "inject/change/kinds.h"
#include "inject/change/link_watch.h"
#include "inject/change/netem_spec.h"
#include "inject/change/netns.h"
#include "inject/change/tc_msg.h"

/*
 * netem on an own ifb in the device's namespace: inert until an nft_gate forwards packets to it. It
 * is undone after that gate: an ifb that goes before its redirect swallows packets.
 */
struct side_live {
	struct nlsock sock;
	int ifindex;
	int watch; /* of its qdiscs, from firing on; 0 = none yet */
};

/* brink doctor names more of them. */
#define IN_PACKAGES ", in linux-image (Debian, not -cloud), linux-modules-extra (Ubuntu)"

static const struct netem_side_spec *spec_of(const struct change *c)
{
	return &c->spec->u.netem;
}

/* Known before the device is made and part of making it: whoever finds a device, by its name or
 * not, sees whether it is this run's. */
static void own_mac(const struct undo *u, uint8_t ret[6])
{
	uint32_t run = crc32c(u->run_id, strlen(u->run_id));
	uint32_t name = crc32c(u->u.netem.ifb, strlen(u->u.netem.ifb));

	ret[0] = 0x02; /* locally administered, one host */
	ret[1] = (uint8_t)name;
	memcpy(ret + 2, &run, sizeof(run));
}

static bool is_own(const struct undo *u, const struct link_info *l)
{
	uint8_t mac[6];

	own_mac(u, mac);
	return strcmp(l->kind, "ifb") == 0 && memcmp(l->mac, mac, sizeof(mac)) == 0;
}

static int side_prepare(struct change *c, struct undo *ret, struct err *e)
{
	const struct netem_side_spec *s = spec_of(c);
	struct nlsock *sock = NULL;
	struct link_info taken = { 0 };
	int rc = netns_sock(&s->netns, NETLINK_ROUTE, &sock, e);

	if (rc < 0)
		return rc;
	rc = link_find(sock, s->ifb, &taken, e);
	if (rc == 0)
		return err_set(e, EEXIST, "a device '%s' exists already", s->ifb);
	if (rc != -ENODEV)
		return rc;
	ret->netns = s->netns;
	snprintf(ret->u.netem.ifb, sizeof(ret->u.netem.ifb), "%s", s->ifb);
	snprintf(ret->by_hand, sizeof(ret->by_hand), "ip link delete %s", s->ifb);
	return 0;
}

static int side_arm(struct change *c, struct err *e)
{
	const struct netem_side_spec *s = spec_of(c);
	struct side_live *l = calloc(1, sizeof(*l));
	struct link_info made = { 0 };
	uint8_t mac[6];
	int rc;

	if (!l)
		return err_set(e, ENOMEM, "no memory for netem");
	c->live = l;
	own_mac(c->undo, mac);
	rc = nlsock_open(NETLINK_ROUTE, &l->sock, e);
	if (rc == 0)
		rc = link_add_ifb(&l->sock, s->ifb, mac, e);
	if (rc == -EOPNOTSUPP)
		return err_ctx(e, "this kernel has no ifb: module 'ifb'" IN_PACKAGES);
	if (rc == 0)
		rc = link_find(&l->sock, s->ifb, &made, e);
	if (rc < 0)
		return rc;
	l->ifindex = made.ifindex;
	rc = netem_set(&l->sock, made.ifindex, s, e);
	if (rc == -ENOENT)
		return err_ctx(e, "this kernel has no netem: module 'sch_netem'" IN_PACKAGES);
	return rc;
}

static int side_fire(struct change *c, struct err *e)
{
	struct side_live *l = c->live;
	int rc = qdisc_watch_open(e);

	if (rc < 0)
		return rc;
	l->watch = rc;
	return 0;
}

/* Packets that are forwarded to a device that is gone are lost: the gate must close at once. */
static int side_refresh(struct change *c, struct err *e)
{
	const struct netem_side_spec *s = spec_of(c);
	struct side_live *l = c->live;
	struct qdisc_info q = { 0 };
	int rc = link_same(l->sock.fd, s->ifb, l->ifindex, e);

	if (rc < 0 || !qdisc_watch_heard(l->watch, l->ifindex))
		return rc;
	rc = qdisc_root(&l->sock, l->ifindex, &q, e);
	if (rc == 0 && (strcmp(q.kind, "netem") != 0 || q.handle != NETEM_HANDLE))
		rc = -ENOENT;
	if (rc == -ENOENT)
		return err_set(e, ENOENT, "somebody has removed netem from '%s'", s->ifb);
	return rc;
}

/* The gates are closed: what netem still holds leaves by itself after its delay. */
static int side_drain(struct change *c, struct err *e)
{
	struct side_live *l = c->live;
	struct qdisc_info q = { 0 };
	int rc;

	if (!l || !l->ifindex)
		return 0;
	rc = qdisc_root(&l->sock, l->ifindex, &q, e);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	return q.qlen ? -EINPROGRESS : 0;
}

/* Whatever it is called now; else what has its name. 1 = there is one, 0 = there is none. One that
 * is called as brink calls its own is another fault's: 8 bits of the address tell those of a run
 * apart. */
static int find_renamed(const struct undo *u, struct nlsock *sock, bool name_taken,
			struct link_info *ret, struct err *e)
{
	uint8_t mac[6];
	int rc;

	own_mac(u, mac);
	rc = link_find_ifb(sock, mac, "brink", ret, e);
	if (rc == -ENODEV)
		return name_taken;
	return rc < 0 ? rc : 1;
}

/* 1 = the device is there, 0 = it is not, -errno = cannot tell. A namespace that is gone took it
 * along. Somebody may have renamed it: 6.18 does that while it is up. */
static int find_ifb(const struct undo *u, struct nlsock **ret_sock, struct link_info *ret,
		    struct err *e)
{
	int rc = netns_sock(&u->netns, NETLINK_ROUTE, ret_sock, e);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = link_find(*ret_sock, u->u.netem.ifb, ret, e);
	if (rc == -ENODEV || (rc == 0 && !is_own(u, ret)))
		return find_renamed(u, *ret_sock, rc == 0, ret, e);
	return rc < 0 ? rc : 1;
}

static int side_ready(const struct undo *u, struct err *e)
{
	struct nlsock *sock;
	int rc = netns_sock(&u->netns, NETLINK_ROUTE, &sock, e);

	return rc == -ENOENT ? 0 : rc;
}

static int side_undo(const struct undo *u, struct err *e)
{
	struct link_info found = { 0 };
	struct nlsock *sock = NULL;
	int rc = find_ifb(u, &sock, &found, e);

	if (rc <= 0)
		return rc;
	if (!is_own(u, &found))
		return err_set(e, EEXIST,
			       "the device '%s' is not the one that brink made: left alone",
			       u->u.netem.ifb);
	rc = link_del(sock, found.ifindex, e);
	return rc == -ENODEV ? 0 : rc;
}

static int side_gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	struct link_info found = { 0 };
	struct nlsock *sock = NULL;
	int rc = find_ifb(u, &sock, &found, e);

	if (rc <= 0)
		return rc;
	if (strcmp(found.kind, "ifb") != 0) {
		text_add(ret_left, "the device '%s' is no ifb: not brink's", u->u.netem.ifb);
		return err_set(e, EEXIST, "%s", ret_left->buf);
	}
	text_add(ret_left, "the device '");
	text_add_foreign(ret_left, found.name, strnlen(found.name, IFNAMSIZ));
	text_add(ret_left, "' is still there");
	if (strcmp(found.name, u->u.netem.ifb) != 0)
		text_add(ret_left, " (it was called '%s')", u->u.netem.ifb);
	return 1;
}

static int side_by_hand(const struct undo *u, struct text *ret, struct err *e)
{
	struct link_info found = { 0 };
	struct nlsock *sock = NULL;
	int rc = find_ifb(u, &sock, &found, e);

	if (rc < 0)
		return rc;
	if (rc == 0 || !is_own(u, &found))
		return err_set(e, ENOENT, "the device '%s' is gone", u->u.netem.ifb);
	text_add(ret, "ip link delete ");
	link_add_name(ret, found.name, found.ifindex);
	return 0;
}

static int side_resource(const struct change_spec *s, struct text *ret_key)
{
	text_add(ret_key, "net-%llx-%s", (unsigned long long)s->u.netem.netns.cookie,
		 s->u.netem.dev);
	return 0;
}

static int side_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	const struct netem_side_spec *s = &cs->u.netem;

	text_add(ret_do, "tc   new device %s (ifb) with ", s->ifb);
	netem_spec_add(ret_do, s);
	text_add(ret_do, " (root qdisc of %s untouched)", s->dev);
	text_add(ret_undo, "ip   %s is deleted once it holds no packet", s->ifb);
	return 0;
}

/* A holder stands in the namespace already and speaks to the kernel about nothing else. Who takes
 * it back compares the whole namespace anyway: its own rights are enough. */
static const struct call_rule holder_calls[] = { CALLS_NETLINK, CALLS_LINK_SAME, { 0 } };

const struct change_ops netem_side_ops = {
	.kind = "netem_side",
	.class = CLASS_SELF_ENDING,
	.holder = { CAP_BIT(NET_ADMIN), holder_calls },
	.undoer = { CAP_BIT(NET_ADMIN), NULL },
	.prepare = side_prepare,
	.arm = side_arm,
	.fire = side_fire,
	.refresh = side_refresh,
	.drain = side_drain,
	.ready = side_ready,
	.undo = side_undo, /* no ended: without the gate that leads to it it has no effect */
	.gone = side_gone,
	.by_hand = side_by_hand,
	.resource = side_resource,
	.print = side_print,
};
