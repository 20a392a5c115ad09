/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/link_aim.h"

#include <stdio.h>
#include <string.h>

#include "inject/change/link_state.h"
#include "inject/change/netns.h"
#include "inject/route.h"

/* Where packets for this address would go now; no way there is not this device. */
static bool goes_by(const struct netns_ref *ns, const char *dev, const struct net_prefix *to)
{
	char by[IFNAMSIZ] = "";
	struct err ignored;

	return route_device(ns, to, by, &ignored) == 0 && strcmp(by, dev) == 0;
}

/* Each session of the shield, whatever namespace it is in: better one device too few. */
static int refuse_sessions(const struct netns_ref *ns, const char *dev,
			   const struct shield_flows *flows, struct err *e)
{
	for (uint32_t i = 0; flows && i < flows->n; i++) {
		const struct shield_flow *f = &flows->at[i];
		struct net_prefix to = { .family = f->family, .len = f->family == 4 ? 32 : 128 };

		memcpy(to.addr, f->remote, sizeof(f->remote));
		if (goes_by(ns, dev, &to))
			return err_set(e, EPERM,
				       "the device '%s' is shielded: it carries a login session",
				       dev);
	}
	return 0;
}

/* The rest of the world lies behind it: nobody could come back to take anything back. */
static int refuse_default_route(const struct netns_ref *ns, const char *dev, struct err *e)
{
	/* of the ranges for documentation (RFC 5737, RFC 3849): only a default route leads there */
	static const struct net_prefix far[] = {
		{ .family = 4, .len = 32, .addr = { 192, 0, 2, 1 } },
		{ .family = 6, .len = 128, .addr = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
	};

	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		if (goes_by(ns, dev, &far[i]))
			return err_set(e, EPERM,
				       "the device '%s' is shielded: the default route of this "
				       "machine goes over it",
				       dev);
	}
	return 0;
}

/* In the namespace that brink stands in; another one is somebody's world, not the operator's. */
static int check_own(const struct netns_ref *ns, const char *dev, const struct link_state *l,
		     struct err *e)
{
	int own = netns_is_own(ns, e);

	if (own <= 0)
		return own;
	if (l->flags & IFF_LOOPBACK)
		return err_set(e, EPERM,
			       "the device '%s' is shielded: it is the loopback of this machine",
			       dev);
	return refuse_default_route(ns, dev, e);
}

static int check_device(const struct link_spec *s, const struct plan_context *ctx,
			struct link_state *ret, struct err *e)
{
	struct nlsock *sock = NULL;
	int rc = netns_sock(&s->netns, NETLINK_ROUTE, &sock, e);

	if (rc == 0)
		rc = link_check(sock, s, ret, e);
	if (rc == 0)
		rc = check_own(&s->netns, s->dev, ret, e);
	return rc < 0 ? rc : refuse_sessions(&s->netns, s->dev, ctx->targets->flows, e);
}

int link_plan(const char *dev, const char *netns, uint32_t mtu, const struct plan_context *ctx,
	      struct plan *ret, struct err *e)
{
	struct change_spec *c = plan_add(ret, ctx, CHANGE_LINK, e);
	struct text t = text_on(ret->summary, sizeof(ret->summary));
	struct link_state l = { 0 };
	int rc;

	if (!c)
		return -e->code;
	if (strlen(dev) >= IFNAMSIZ)
		return err_set(e, ENODEV, "there is no device '%.32s...'", dev);
	snprintf(c->u.link.dev, IFNAMSIZ, "%s", dev);
	c->u.link.mtu = mtu;
	rc = netns_identify(netns ? netns : "", &c->u.link.netns, e);
	if (rc == 0)
		rc = check_device(&c->u.link, ctx, &l, e);
	if (rc < 0)
		return rc;
	ret->devices = 1;
	if (mtu)
		text_add(&t, "%s %u, was %u", dev, mtu, l.mtu);
	else
		text_add(&t, "%s", dev);
	return 0;
}
