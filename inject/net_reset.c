/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "inject/change/netns.h"
#include "inject/change/sock_diag.h"
#include "inject/faults.h"
#include "inject/net_match.h"
#include "inject/net_pool.h"
#include "inject/route.h"

struct net_reset {
	struct net_spec net;
	int64_t every_ns;
};

static const struct field rows[] = {
	{ .name = "every",
	  .type = FIELD_DURATION,
	  .min = 100 * NS_PER_MS,
	  .max = 86400 * NS_PER_S,
	  .offset = offsetof(struct net_reset, every_ns),
	  .doc = "again at this period, the connections there are then; the fault then has a 'for'" },
	NET_FLOW_FIELDS(struct net_reset),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.reset",
	.doc = "resets established TCP connections of this machine; cannot be undone",
	.size = sizeof(struct net_reset),
	.fields = rows,
};

static int only_tcp(struct net_groups *g, struct err *e)
{
	for (unsigned i = 0; i < g->n; i++) {
		if (g->at[i].proto && g->at[i].proto != IPPROTO_TCP)
			return err_set(e, EINVAL, "only TCP connections can be reset");
		g->at[i].proto = IPPROTO_TCP;
	}
	return 0;
}

static int read_groups(const struct flow_select *flow, groups_reader *parse, struct arena *mem,
		       struct net_groups *ret_to, struct net_groups *ret_from, struct err *e)
{
	int rc = net_read_groups(flow, parse, mem, ret_to, ret_from, e);

	if (rc == 0)
		rc = only_tcp(ret_to, e);
	return rc < 0 ? rc : only_tcp(ret_from, e);
}

static int some_only(const struct flow_select *flow, const struct net_groups *to,
		     const struct net_groups *from, struct err *e)
{
	if (!flow->dev && !net_groups_choose(to) && !net_groups_choose(from))
		return err_set(e, EINVAL,
			       "this would be every connection: say 'to', 'from' or 'dev'");
	return net_groups_agree(to, from, e);
}

static int check_flow(const struct flow_select *flow, struct err *e)
{
	AUTO(arena_done) struct arena mem = { 0 };
	struct net_groups to = { 0 }, from = { 0 };
	int rc = read_groups(flow, net_groups_syntax, &mem, &to, &from, e);

	return rc < 0 ? rc : some_only(flow, &to, &from, e);
}

static int check_reset(const void *spec, struct err *e)
{
	const struct net_spec *n = &((const struct net_reset *)spec)->net;
	const struct flow_select flow = net_own_flow(n);

	if (n->target && (n->to.n || n->from.n || n->proto || n->dev || n->netns))
		return err_set(e, EINVAL,
			       "'target' and a selector of its own contradict each other");
	return n->target ? 0 : check_flow(&flow, e);
}

static int find_flow(const struct net_spec *n, const struct plan_context *ctx,
		     struct flow_select *ret, struct err *e)
{
	const struct target *t = n->target ? targets_find(ctx->targets, n->target) : NULL;

	*ret = net_own_flow(n);
	if (!n->target)
		return 0;
	if (!t || t->kind != TARGET_FLOW)
		return err_set(e, ENOENT, "'%s' is no flow of targets:", n->target);
	*ret = t->flow;
	return check_flow(ret, e);
}

/* Names are looked up again for the rounds that come; of one round there is nothing to add to. More
 * addresses than a message holds are refused, pool or not: each connection is compared with all. */
static int pool_names(struct plan_pool *pool, struct net_groups *to, struct net_groups *from,
		      uint32_t *ret_crc, struct plan *ret, struct err *e)
{
	int rc;

	if (!pool || net_groups_count(to) + net_groups_count(from) > GATE_PREFIXES ||
	    (!net_pool_has_names(to) && !net_pool_has_names(from)))
		return 0;
	rc = net_pool_add(to, pool, ret_crc, e);
	if (rc == 0)
		rc = net_pool_add(from, pool, ret_crc, e);
	if (rc < 0)
		return rc;
	net_pool_plan_names(to, false, ret);
	net_pool_plan_names(from, false, ret);
	net_pool_note_names(ret);
	return 0;
}

/* Of the kernel: whoever makes the plan need not have the right to carry it out. */
static int can_reset(const struct netns_ref *ns, struct err *e)
{
	struct nlsock *s = NULL;
	int rc = netns_sock(ns, NETLINK_SOCK_DIAG, &s, e);

	return rc < 0 ? rc : sock_destroy_try(s, e);
}

static void add_groups(struct text *t, const char *word, const struct net_groups *g)
{
	for (unsigned i = 0; net_groups_choose(g) && i < g->n; i++) {
		text_add(t, "%s", i ? "," : word);
		net_group_add(t, &g->at[i]);
	}
}

static void summarise(const struct net_reset *r, const struct net_groups *to,
		      const struct net_groups *from, const char *dev, struct plan *ret)
{
	struct text t = text_on(ret->summary, sizeof(ret->summary));

	text_add(&t, "%sconnections", r->net.direction == NET_IN ? "incoming " : "");
	add_groups(&t, " to ", to);
	add_groups(&t, " from ", from);
	if (dev[0])
		text_add(&t, " on %s", dev);
	if (r->every_ns) {
		text_add(&t, ", every ");
		units_add_duration(&t, r->every_ns);
	}
}

static int set_select(struct nft_gate_spec *g, const struct net_reset *r,
		      const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	AUTO(arena_done) struct arena mem = { 0 };
	struct flow_select flow;
	struct net_groups to = { 0 }, from = { 0 };
	struct net_select sel = { .to = &to,
				  .from = &from,
				  .dir = (enum net_direction)r->net.direction,
				  .flows = ctx->targets->flows };
	unsigned exempted = 0;
	char qdisc[16];
	int rc = find_flow(&r->net, ctx, &flow, e);

	if (rc == 0)
		rc = netns_identify(flow.netns ? flow.netns : "", &g->netns, e);
	if (rc == 0)
		rc = can_reset(&g->netns, e);
	if (rc == 0)
		rc = read_groups(&flow, net_groups_parse, &mem, &to, &from, e);
	if (rc == 0) /* files were not read for the check */
		rc = some_only(&flow, &to, &from, e);
	if (rc == 0 && flow.dev)
		rc = route_check_device(&g->netns, flow.dev, qdisc, e);
	if (rc == 0 && r->every_ns)
		rc = pool_names(ctx->pool, &to, &from, &g->pool_crc, ret, e);
	g->action = GATE_RESET; /* in the hooks of sockets, TCP only */
	if (rc == 0)
		rc = net_matches(g, &sel, &exempted, e);
	if (rc < 0)
		return rc;
	snprintf(g->dev, sizeof(g->dev), "%s", flow.dev ? flow.dev : "");
	if (exempted)
		plan_note(ret, "shield: %u established session%s left alone", exempted,
			  exempted > 1 ? "s" : "");
	summarise(r, &to, &from, g->dev, ret);
	ret->devices = g->dev[0] != '\0';
	return 0;
}

static int plan_reset(const void *spec, const struct plan_context *ctx, struct plan *ret,
		      struct err *e)
{
	const struct net_reset *r = spec;
	struct change_spec *c;
	int rc = check_reset(spec, e);

	if (rc < 0)
		return rc;
	c = plan_add(ret, ctx, CHANGE_SOCK_RESET, e);
	if (!c)
		return -e->code;
	c->u.reset.every_ns = r->every_ns;
	rc = set_select(&c->u.reset.select, r, ctx, ret, e);
	if (rc < 0)
		return rc;
	ret->one_shot = r->every_ns == 0;
	plan_note(ret, "irreversible: who used a connection that was reset has to connect again");
	return 0;
}

static const char *const trials[] = { "to={addr}:{port} netns={netns}", NULL };

const struct fault_ops net_reset_fault = {
	.name = "net.reset",
	.summary = "established TCP connections are reset, once or again and again",
	.fields = &fields,
	.class_words = "one-shot",
	.undo_words =
		"nothing can be undone: a connection that was reset is gone; repeating it ends with the run",
	.example = "to=10.0.0.5:5432",
	.trials = trials,
	.one_shot = true,
	.check = check_reset,
	.plan = plan_reset,
};
