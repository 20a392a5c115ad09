/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inject/change/kinds.h"
#include "inject/change/link_state.h"
#include "inject/change/netns.h"
#include "inject/change/proc_state.h"
#include "inject/change/tc_msg.h"

/*
 * A device that is set down, or its MTU lower. The kernel keeps it so whoever dies: guarded. What
 * would not come back by itself is not begun: see link_state.h.
 */
struct link_live {
	struct nlsock sock;
	bool written; /* and not taken back */
	bool held;    /* it was, so far: that stays said */
	unsigned had; /* routes and addresses in use when it went down */
};

static const struct link_spec *spec_of(const struct change *c)
{
	return &c->spec->u.link;
}

static void add_command(struct text *t, const struct undo *u, const char *dev)
{
	text_add(t, "ip link set dev ");
	link_add_name(t, dev, u->u.link.ifindex);
	if (u->u.link.mtu_set)
		text_add(t, " mtu %u", u->u.link.mtu_before);
	else
		text_add(t, " up");
}

static int link_prepare(struct change *c, struct undo *ret, struct err *e)
{
	const struct link_spec *s = spec_of(c);
	struct nlsock *sock = NULL;
	struct link_state l = { 0 };
	struct text by_hand = text_on(ret->by_hand, sizeof(ret->by_hand));
	int rc = netns_sock(&s->netns, NETLINK_ROUTE, &sock, e);

	if (rc == 0)
		rc = link_check(sock, s, &l, e);
	if (rc < 0)
		return rc;
	ret->netns = s->netns;
	snprintf(ret->u.link.dev, IFNAMSIZ, "%s", s->dev);
	ret->u.link.ifindex = l.ifindex;
	ret->u.link.mtu_before = s->mtu ? l.mtu : 0;
	ret->u.link.mtu_set = s->mtu;
	memcpy(ret->u.link.type, l.kind, sizeof(ret->u.link.type));
	ret->u.link.address_n = l.address.n;
	memcpy(ret->u.link.address, l.address.at, sizeof(ret->u.link.address));
	add_command(&by_hand, ret, s->dev);
	return link_count(sock, l.ifindex, &ret->u.link.had, e);
}

/* Addresses come between the plan and the shot. */
static int link_recount(struct undo *u, struct err *e)
{
	struct nlsock *sock = NULL;
	int rc = netns_sock(&u->netns, NETLINK_ROUTE, &sock, e);

	return rc < 0 ? rc : link_count(sock, u->u.link.ifindex, &u->u.link.had, e);
}

static int link_arm(struct change *c, struct err *e)
{
	struct link_live *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(e, ENOMEM, "no memory for a device");
	c->live = l;
	return nlsock_open(NETLINK_ROUTE, &l->sock, e);
}

/* An index is given again: to a new device on request, and one that comes from another namespace
 * brings its own. Neither its name nor its address alone says that it is another. */
static bool is_another(const struct undo *u, const struct link_state *l)
{
	bool renamed = strcmp(l->name, u->u.link.dev) != 0;
	bool readdressed = l->address.n != u->u.link.address_n ||
			   memcmp(l->address.at, u->u.link.address, l->address.n) != 0;

	return strcmp(l->kind, u->u.link.type) != 0 || (renamed && readdressed);
}

/* The device of the record, whatever it is called now: 1, with what it is like; 0 = it is gone. */
static int same_link(struct nlsock *sock, const struct undo *u, struct link_state *ret,
		     struct err *e)
{
	int rc = link_state_read(sock, NULL, u->u.link.ifindex, ret, e);

	if (rc == -ENODEV || (rc == 0 && is_another(u, ret)))
		return 0;
	return rc < 0 ? rc : 1;
}

static bool is_ours(const struct undo *u, const struct link_state *l)
{
	return u->u.link.mtu_set ? l->mtu == u->u.link.mtu_set : !(l->flags & IFF_UP);
}

static bool is_as_before(const struct undo *u, const struct link_state *l)
{
	return u->u.link.mtu_set ? l->mtu == u->u.link.mtu_before : (l->flags & IFF_UP) != 0;
}

static int write_link(struct nlsock *sock, const struct undo *u, bool back, struct err *e)
{
	if (u->u.link.mtu_set)
		return link_set_mtu(sock, u->u.link.ifindex,
				    back ? u->u.link.mtu_before : u->u.link.mtu_set, e);
	return link_set_up(sock, u->u.link.ifindex, back, e);
}

/* Looked at again: addresses and routes come and go. */
static int link_fire(struct change *c, struct err *e)
{
	const struct link_spec *s = spec_of(c);
	const struct undo *u = c->undo;
	struct link_live *l = c->live;
	struct link_state now;
	int rc = link_check(&l->sock, s, &now, e);

	/* first: what link_check() refuses may be their doing too */
	if (now.ifindex && (now.ifindex != u->u.link.ifindex || !is_as_before(u, &now)))
		return err_set(e, EALREADY, "somebody has changed the device '%s' meanwhile",
			       s->dev);
	if (rc == 0)
		rc = link_count(&l->sock, now.ifindex, &l->had, e);
	if (rc < 0)
		return rc;
	l->written = c->touched = true;
	rc = write_link(&l->sock, u, false, e);
	l->held = rc == 0;
	return rc;
}

static int link_refresh(struct change *c, struct err *e)
{
	struct link_live *l = c->live;
	struct link_state now;
	int rc = l->written ? same_link(&l->sock, c->undo, &now, e) : 1;

	if (rc < 0 || !l->written)
		return rc < 0 ? rc : 0;
	if (rc == 0 || !is_ours(c->undo, &now))
		return err_set(e, ENOENT, "somebody has changed the device '%s'", spec_of(c)->dev);
	return 0;
}

/* Compare and restore: what somebody else has set meanwhile stays. */
static int take_back(struct nlsock *sock, const struct undo *u, struct err *e)
{
	struct link_state now;
	int rc = same_link(sock, u, &now, e);

	if (rc > 0 && is_ours(u, &now))
		rc = write_link(sock, u, true, e);
	if (rc == -ENODEV) /* it went between the two */
		return 0;
	return rc < 0 ? rc : 0;
}

static int link_quiet(struct change *c, struct err *e)
{
	struct link_live *l = c->live;
	int rc;

	if (!l || !l->written)
		return 0;
	rc = take_back(&l->sock, c->undo, e);
	l->written = rc < 0;
	return rc;
}

/* A device that is up again gets its routes and addresses back as it hears the other end. The
 * keeper waits for a while: without the other end they stay away, as they would have. */
static int link_drain(struct change *c, struct err *e)
{
	struct link_live *l = c->live;
	unsigned has = 0;
	int rc;

	if (!l || !l->held)
		return 0;
	rc = link_count(&l->sock, c->undo->u.link.ifindex, &has, e);
	if (rc < 0 || has >= l->had)
		return rc;
	short_nap();
	return -EINPROGRESS;
}

static int link_effect(struct change *c, struct effect *ret, struct err *e)
{
	const struct link_live *l = c->live;

	(void)e;
	*ret = (struct effect){ .hits = l && l->held };
	return 0;
}

static int link_ready(const struct undo *u, struct err *e)
{
	struct nlsock *sock;
	int rc = netns_sock(&u->netns, NETLINK_ROUTE, &sock, e);

	return rc == -ENOENT ? 0 : rc;
}

static int link_undo(const struct undo *u, struct err *e)
{
	struct nlsock *sock = NULL;
	int rc = netns_sock(&u->netns, NETLINK_ROUTE, &sock, e);

	if (rc == -ENOENT) /* the namespace took it along */
		return 0;
	return rc < 0 ? rc : take_back(sock, u, e);
}

/* 1 = it is there, 0 = it went, with its namespace or alone. */
static int look(const struct undo *u, struct link_state *ret, struct err *e)
{
	struct nlsock *sock = NULL;
	int rc = netns_sock(&u->netns, NETLINK_ROUTE, &sock, e);

	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : same_link(sock, u, ret, e);
}

static void add_state(struct text *t, const struct undo *u, const struct link_state *l)
{
	bool renamed = strcmp(l->name, u->u.link.dev) != 0;

	text_add(t, u->u.link.mtu_set ? "the MTU of '" : "the device '");
	text_add_foreign(t, l->name, strnlen(l->name, IFNAMSIZ));
	if (u->u.link.mtu_set)
		text_add(t, "' is %u", l->mtu);
	else
		text_add(t, "' is down");
	if (renamed)
		text_add(t, " (it was called '%s')", u->u.link.dev);
}

/* By its name of now: undo finds it by its index, ip(8) cannot. */
static int link_by_hand(const struct undo *u, struct text *ret, struct err *e)
{
	struct link_state now;
	int rc = look(u, &now, e);

	if (rc == 0)
		return err_set(e, ENOENT, "the device '%s' is gone", u->u.link.dev);
	if (rc > 0)
		add_command(ret, u, now.name);
	return rc < 0 ? rc : 0;
}

static int link_ended(const struct undo *u, struct text *ret_left, struct err *e)
{
	struct link_state now;
	int rc = look(u, &now, e);

	if (rc <= 0 || !is_ours(u, &now))
		return rc < 0 ? rc : 0;
	add_state(ret_left, u, &now);
	return 1;
}

/* A device that is up again is as before when its routes and addresses are back, which takes the
 * kernel a moment; without the other end they stay away, as they would have. */
static int all_back(const struct undo *u, const struct link_state *l, struct text *ret_left,
		    struct err *e)
{
	struct nlsock *sock = NULL;
	unsigned has = 0;
	int rc;

	if (u->u.link.mtu_set || !(l->flags & LINK_LOWER_UP))
		return 0;
	rc = netns_sock(&u->netns, NETLINK_ROUTE, &sock, e);
	if (rc == 0)
		rc = link_count(sock, u->u.link.ifindex, &has, e);
	if (rc < 0 || has >= u->u.link.had)
		return rc;
	text_add(ret_left, "of '%s' %u of %u routes and addresses are not back", u->u.link.dev,
		 u->u.link.had - has, u->u.link.had);
	return err_set(e, ESTALE, "%s", ret_left->buf); /* or never: others may have removed some */
}

static int link_gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	struct link_state now;
	int rc = look(u, &now, e);

	if (rc <= 0)
		return rc;
	if (is_as_before(u, &now))
		return all_back(u, &now, ret_left, e);
	add_state(ret_left, u, &now);
	if (!is_ours(u, &now))
		return err_set(e, EEXIST, "%s, which brink has not set", ret_left->buf);
	return 1;
}

static int link_resource(const struct change_spec *s, struct text *ret_key)
{
	text_add(ret_key, "net-%llx-%s", (unsigned long long)s->u.link.netns.cookie, s->u.link.dev);
	return 0;
}

static int link_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	const struct link_spec *s = &cs->u.link;

	if (s->mtu) {
		text_add(ret_do, "ip link set dev %s mtu %u", s->dev, s->mtu);
		text_add(ret_undo, "ip link set dev %s mtu back, if it is %u", s->dev, s->mtu);
	} else {
		text_add(ret_do, "ip link set dev %s down", s->dev);
		text_add(ret_undo, "ip link set dev %s up, if it is down", s->dev);
	}
	return 0;
}

/* A setting that decides what would be lost stands in a file: link_check(). */
static const struct call_rule holder_calls[] = { CALLS_NETLINK, CALLS_OPEN_READ, { 0 } };

const struct change_ops link_ops = {
	.kind = "link",
	.class = CLASS_GUARDED,
	.holder = { CAP_BIT(NET_ADMIN), holder_calls },
	.undoer = { CAP_BIT(NET_ADMIN), NULL },
	.prepare = link_prepare,
	.recount = link_recount,
	.arm = link_arm,
	.fire = link_fire,
	.refresh = link_refresh,
	.quiet = link_quiet,
	.drain = link_drain,
	.unit = { "device", "devices" },
	.effect = link_effect,
	.ready = link_ready,
	.undo = link_undo,
	.ended = link_ended,
	.gone = link_gone,
	.by_hand = link_by_hand,
	.resource = link_resource,
	.print = link_print,
};
