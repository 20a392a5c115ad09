/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net.h"

#include <stdio.h>
#include <string.h>

#include "inject/change/netns.h"
#include "inject/net_filters.h"
#include "inject/net_gates.h"
#include "inject/net_match.h"
#include "inject/net_owner.h"
#include "inject/net_pool.h"
#include "inject/net_words.h"
#include "inject/route.h"

/* So many addresses find room in the message of a change, however often they stand there. */
#define SMALL_LISTS 8

const char *const net_direction_words[] = { "out", "in", "both", NULL };

struct flow_select net_own_flow(const struct net_spec *spec)
{
	return (struct flow_select){ .to = spec->to,
				     .from = spec->from,
				     .proto = spec->proto,
				     .dev = spec->dev,
				     .netns = spec->netns };
}

int net_read_groups(const struct flow_select *flow, groups_reader *parse, struct arena *mem,
		    struct net_groups *ret_to, struct net_groups *ret_from, struct err *e)
{
	uint8_t proto = 0;
	int rc = flow->proto ? endpoint_proto(flow->proto, &proto, e) : 0;

	if (rc == 0)
		rc = parse(&flow->to, proto, mem, ret_to, e);
	return rc < 0 ? rc : parse(&flow->from, proto, mem, ret_from, e);
}

static int no_address(enum net_direction dir, struct err *e)
{
	return err_set(e, EINVAL, "'%s' names no address: say 'dev' to choose the device",
		       dir == NET_IN ? "from" : "to");
}

static bool has_address(const struct net_groups *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		if (g->at[i].n_prefixes)
			return true;
	}
	return false;
}

int net_check_flow(const struct flow_select *flow, struct err *e)
{
	AUTO(arena_done) struct arena mem = { 0 };
	struct net_groups to, from;
	int rc = net_read_groups(flow, net_groups_syntax, &mem, &to, &from, e);

	return rc < 0 ? rc : net_groups_agree(&to, &from, e);
}

/* What the direction does not allow: what is not in the packet does not come over the wire. */
static int check_narrowing(const struct net_spec *spec, struct err *e)
{
	if (spec->user && spec->direction != NET_OUT)
		return err_set(e, EINVAL,
			       "'user' and 'direction: %s' contradict each other: what comes in "
			       "belongs to no socket yet; choose it by its port",
			       net_direction_words[spec->direction]);
	if (spec->mark && spec->direction == NET_BOTH)
		return err_set(e, EINVAL,
			       "'mark' and 'direction: both' contradict each other: a mark stays "
			       "on its host, what comes back has none; use out or in");
	return 0;
}

/* All of `narrowing` but the user, who may have to be looked up. */
static int read_conditions(const struct net_spec *spec, struct gate_conditions *ret, struct err *e)
{
	int rc = check_narrowing(spec, e);

	if (rc == 0 && spec->mark)
		rc = net_read_mark(spec->mark, ret, e);
	if (rc == 0 && spec->dscp)
		rc = net_read_dscp(spec->dscp, ret, e);
	return rc;
}

/* A port without an address is fine there; a protocol of the fault's own need not be repeated. */
static int read_excluded(const struct net_spec *spec, const char *word, groups_reader *parse,
			 struct arena *mem, struct net_groups *ret, struct err *e)
{
	static const struct strings nothing = { 0 };
	struct net_groups any;
	uint8_t proto = 0;
	int rc = word ? endpoint_proto(word, &proto, e) : 0;

	ret->n = 0;
	if (!spec->not .n || rc < 0)
		return rc;
	rc = parse(&spec->not, proto, mem, ret, e);
	if (rc == 0)
		rc = net_groups_syntax(&nothing, 0, mem, &any, e);
	if (rc == 0)
		rc = net_groups_agree(ret, &any, e);
	for (unsigned i = 0; i < ret->n && rc == 0; i++) {
		const struct net_group *ep = &ret->at[i];

		if (!ep->n_prefixes && !ep->port_hi)
			rc = err_set(e, EINVAL, "'not' leaves nothing: name an address or a port");
	}
	return rc;
}

int net_check(const struct net_spec *spec, struct err *e)
{
	AUTO(arena_done) struct arena mem = { 0 };
	struct gate_conditions ignored = { 0 };
	struct net_groups not ;
	const struct flow_select flow = net_own_flow(spec);
	enum net_direction dir = (enum net_direction)spec->direction;
	struct net_groups to, from;
	int rc;

	to.n = from.n = 0;
	if (spec->target && (spec->to.n || spec->from.n || spec->proto || spec->dev || spec->netns))
		return err_set(e, EINVAL,
			       "'target' and a selector of its own contradict each other");
	rc = net_owner_check(spec, e);
	if (rc == 0)
		rc = read_conditions(spec, &ignored, e);
	if (rc == 0)
		rc = read_excluded(spec, spec->proto, net_groups_syntax, &mem, &not, e);
	if (rc < 0 || spec->target)
		return rc;
	rc = net_read_groups(&flow, net_groups_syntax, &mem, &to, &from, e);
	if (rc == 0)
		rc = net_groups_agree(&to, &from, e);
	if (rc == 0 && !spec->dev && !has_address(dir == NET_IN ? &from : &to))
		return no_address(dir, e);
	return rc;
}

/* The flow: the fault's own keys, or those of the target that it names. */
static int find_flow(const struct net_spec *spec, const struct plan_context *ctx,
		     struct flow_select *ret, struct err *e)
{
	const struct target *t;
	int rc = net_check(spec, e);

	*ret = net_own_flow(spec);
	if (rc < 0 || !spec->target)
		return rc;
	t = targets_find(ctx->targets, spec->target);
	if (!t || t->kind != TARGET_FLOW)
		return err_set(e, ENOENT, "'%s' is no flow of targets:", spec->target);
	*ret = t->flow;
	return 0;
}

static int add_device(struct net_aim *aim, const char *dev, struct err *e)
{
	for (unsigned i = 0; i < aim->n_devices; i++) {
		if (strcmp(aim->device[i], dev) == 0)
			return 0;
	}
	if (aim->n_devices == NET_DEVICES)
		return err_set(e, E2BIG, "the addresses lie behind more than %d devices: say 'dev'",
			       NET_DEVICES);
	snprintf(aim->device[aim->n_devices++], IFNAMSIZ, "%s", dev);
	return 0;
}

/* The devices on the way to every address of the far end. */
static int devices_by_route(struct net_aim *aim, const struct net_groups *far, struct err *e)
{
	for (unsigned i = 0; i < far->n; i++) {
		for (unsigned k = 0; k < far->at[i].n_prefixes; k++) {
			char dev[IFNAMSIZ];
			int rc = route_device(&aim->netns, &far->at[i].prefix[k], dev, e);

			/* a name may have an IPv6 address on a host without IPv6 routes: no packet
			 * goes there */
			if (rc < 0 && far->at[i].n_prefixes > 1 && far->at[i].prefix[k].family == 6)
				continue;
			if (rc == 0)
				rc = add_device(aim, dev, e);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* Whoever stands between two hosts is sometimes one of them: no packet of the other one comes by
 * the loopback device, to which the route to an own address leads. */
static void leave_out_loopback(struct net_aim *aim)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < aim->n_devices; i++) {
		if (strcmp(aim->device[i], "lo") != 0)
			memmove(aim->device[kept++], aim->device[i], IFNAMSIZ);
	}
	if (kept)
		aim->n_devices = kept;
}

static int find_devices(struct net_aim *aim, const struct flow_select *flow, bool between,
			struct err *e)
{
	const struct net_groups *far = aim->dir == NET_IN ? &aim->from : &aim->to;
	int rc;

	aim->dev_given = flow->dev != NULL;
	if (flow->dev)
		return add_device(aim, flow->dev, e);
	rc = devices_by_route(aim, far, e);
	if (rc == 0 && between)
		rc = devices_by_route(aim, far == &aim->to ? &aim->from : &aim->to, e);
	if (rc == 0 && between)
		leave_out_loopback(aim);
	if (rc == 0 && !aim->n_devices)
		return no_address(aim->dir, e);
	return rc;
}

static void default_port(struct net_groups *far, uint16_t port)
{
	for (unsigned i = 0; i < far->n; i++) {
		if (!far->at[i].port_hi)
			far->at[i].port_lo = far->at[i].port_hi = port;
	}
}

static int find_aim(const struct net_spec *spec, const struct net_treatment *how,
		    const struct plan_context *ctx, struct arena *mem, struct net_aim *ret,
		    struct err *e)
{
	struct flow_select flow;
	int rc = find_flow(spec, ctx, &flow, e);

	*ret = (struct net_aim){ .dir = (enum net_direction)spec->direction };
	if (rc == 0)
		rc = netns_identify(flow.netns ? flow.netns : "", &ret->netns, e);
	if (rc == 0)
		rc = net_read_groups(&flow, net_groups_parse, mem, &ret->to, &ret->from, e);
	if (rc == 0)
		default_port(ret->dir == NET_IN ? &ret->from : &ret->to, how->port);
	if (rc == 0) /* files were not read for the check */
		rc = net_groups_agree(&ret->to, &ret->from, e);
	if (rc == 0)
		rc = read_excluded(spec, flow.proto, net_groups_parse, mem, &ret->not, e);
	if (rc == 0)
		rc = read_conditions(spec, &ret->only, e);
	if (rc == 0)
		rc = net_owner_find(spec, ctx->targets, &ret->only, e);
	if (rc == 0 && spec->user) {
		rc = user_find(spec->user, &ret->only.uid, e);
		ret->only.given |= GATE_USER;
	}
	return rc < 0 ? rc : find_devices(ret, &flow, how->between, e);
}

static void add_groups(struct text *t, const char *word, const struct net_groups *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		text_add(t, "%s", i ? "," : word);
		net_group_add(t, &g->at[i]);
	}
}

static void summarise(const struct net_aim *aim, struct plan *ret)
{
	static const char *const words[] = { "", "incoming ", "both ways " };
	bool from = net_groups_choose(&aim->from), to = net_groups_choose(&aim->to) || !from;
	struct text t = text_on(ret->summary, sizeof(ret->summary));

	text_add(&t, "%s", words[aim->dir]);
	if (to)
		add_groups(&t, "to ", &aim->to);
	if (from)
		add_groups(&t, to ? " from " : "from ", &aim->from);
	for (unsigned i = 0; i < aim->n_devices; i++)
		text_add(&t, "%s%s", i ? "," : " on ", aim->device[i]);
}

/* Long lists go beside the messages, once for all devices, and so do those that may become longer:
 * there a list has one number in all of them. */
static int pool_lists(struct net_aim *aim, const struct plan_context *ctx, struct err *e)
{
	int rc = 0;

	if (!ctx->pool || (net_groups_count(&aim->to) + net_groups_count(&aim->from) +
					   net_groups_count(&aim->not ) <=
				   SMALL_LISTS &&
			   !net_pool_has_names(&aim->to) && !net_pool_has_names(&aim->from) &&
			   !net_pool_has_names(&aim->not )))
		return 0;
	rc = net_pool_add(&aim->to, ctx->pool, &aim->pool_crc, e);
	if (rc == 0)
		rc = net_pool_add(&aim->from, ctx->pool, &aim->pool_crc, e);
	return rc < 0 ? rc : net_pool_add(&aim->not, ctx->pool, &aim->pool_crc, e);
}

static void note_names(const struct net_aim *aim, bool between, struct plan *ret)
{
	bool by_route = !aim->dev_given;

	net_pool_plan_names(&aim->to, by_route && (between || aim->dir != NET_IN), ret);
	net_pool_plan_names(&aim->from, by_route && (between || aim->dir == NET_IN), ret);
	net_pool_plan_names(&aim->not, false, ret);
	net_pool_note_names(ret);
}

int net_plan(const struct net_spec *spec, const struct net_treatment *how,
	     const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	AUTO(arena_done) struct arena mem = { 0 };
	struct net_aim aim;
	int rc = find_aim(spec, how, ctx, &mem, &aim, e);

	if (rc == 0)
		rc = pool_lists(&aim, ctx, e);

	for (unsigned i = 0; rc == 0 && i < aim.n_devices; i++) {
		char qdisc[16];

		rc = route_check_device(&aim.netns, aim.device[i], qdisc, e);
		if (rc == 0 && how->action == GATE_FWD)
			rc = net_add_netem(&aim, i, how->netem, ctx, ret, e);
		if (rc == 0 && how->action == GATE_QUEUE)
			rc = net_add_queue(&aim, i, how->netem, ctx, ret, e);
		if (rc == 0)
			rc = net_add_gate(&aim, i, how, ctx, ret, e);
		if (rc == 0)
			rc = net_note_filters(&aim.netns, aim.device[i], aim.dir, how->action, ret,
					      e);
	}
	if (rc < 0)
		return rc;
	if (spec->mark && spec->direction == NET_IN)
		plan_note(ret, "mark: a packet that comes in has one only where tc or the host's "
			       "own rules have set it before brink looks");
	note_names(&aim, how->between, ret);
	if (how->action == GATE_FWD && net_owner_given(spec) && spec->direction != NET_OUT)
		plan_note(ret, "in: packets of flows on which its sockets have sent one while the "
			       "fault is held; what opens a flow from outside passes");
	ret->devices = aim.n_devices;
	summarise(&aim, ret);
	return 0;
}
