/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/link_aim.h"

#include <stdio.h>
#include <string.h>

#include "inject/change/link_above.h"
#include "inject/change/link_state.h"
#include "inject/change/netns.h"
#include "inject/link_carry.h"

/* What is shielded comes first: it stays so whatever else speaks against it. Another namespace than
 * the one that brink stands in is somebody's world, not the operator's. */
static int check_device(const struct link_spec *s, const struct plan_context *ctx,
			struct link_state *ret, struct err *e)
{
	struct nlsock *sock = NULL;
	int own = netns_is_own(&s->netns, e), rc = own;

	if (rc >= 0)
		rc = netns_sock(&s->netns, NETLINK_ROUTE, &sock, e);
	if (rc == 0)
		rc = link_state_read(sock, s->dev, 0, ret, e);
	if (rc < 0)
		return rc;
	if (own && ret->flags & IFF_LOOPBACK)
		return err_set(e, EPERM,
			       "the device '%s' is shielded: it is the loopback of this machine",
			       s->dev);
	rc = link_carry_check(&s->netns, s->dev, own, ctx->targets->flows, e);
	if (rc == 0)
		rc = link_check(sock, s, ret, e);
	return rc < 0 ? rc : link_above_check(&s->netns, s->dev, ret->ifindex, e);
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
