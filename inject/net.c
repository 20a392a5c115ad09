/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "inject/change/netns.h"
#include "inject/net_match.h"
#include "inject/route.h"

#define DEVICES_MAX 4
#define IFB_ID      6 /* characters of the run id in an ifb's name: it has 15 in all */

const char *const net_direction_words[] = { "out", "in", "both", NULL };

/* The resolved selector of one fault. */
struct net_aim {
	struct netns_ref netns;
	enum net_direction dir;
	struct net_groups to, from;
	unsigned n_devices;
	char device[DEVICES_MAX][IFNAMSIZ];
};

static struct flow_select own_flow(const struct net_spec *spec)
{
	return (struct flow_select){ .to = spec->to,
				     .from = spec->from,
				     .proto = spec->proto,
				     .dev = spec->dev,
				     .netns = spec->netns };
}

typedef int groups_reader(const struct strings *list, uint8_t proto, struct net_groups *ret,
			  struct err *e);

static int read_groups(const struct flow_select *flow, groups_reader *parse,
		       struct net_groups *ret_to, struct net_groups *ret_from, struct err *e)
{
	uint8_t proto = 0;
	int rc = flow->proto ? endpoint_proto(flow->proto, &proto, e) : 0;

	if (rc == 0)
		rc = parse(&flow->to, proto, ret_to, e);
	return rc < 0 ? rc : parse(&flow->from, proto, ret_from, e);
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
	struct net_groups to, from;
	int rc = read_groups(flow, net_groups_syntax, &to, &from, e);

	return rc < 0 ? rc : net_groups_agree(&to, &from, e);
}

int net_check(const struct net_spec *spec, struct err *e)
{
	const struct flow_select flow = own_flow(spec);
	enum net_direction dir = (enum net_direction)spec->direction;
	struct net_groups to, from;
	int rc;

	to.n = from.n = 0;
	if (spec->target && (spec->to.n || spec->from.n || spec->proto || spec->dev || spec->netns))
		return err_set(e, EINVAL,
			       "'target' and a selector of its own contradict each other");
	if (spec->target)
		return 0;
	rc = read_groups(&flow, net_groups_syntax, &to, &from, e);
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

	*ret = own_flow(spec);
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
	if (aim->n_devices == DEVICES_MAX)
		return err_set(e, E2BIG, "the addresses lie behind more than %d devices: say 'dev'",
			       DEVICES_MAX);
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

static int find_devices(struct net_aim *aim, const struct flow_select *flow, struct err *e)
{
	const struct net_groups *far = aim->dir == NET_IN ? &aim->from : &aim->to;
	int rc;

	if (flow->dev)
		return add_device(aim, flow->dev, e);
	rc = devices_by_route(aim, far, e);
	if (rc == 0 && !aim->n_devices)
		return no_address(aim->dir, e);
	return rc;
}

static int find_aim(const struct net_spec *spec, const struct plan_context *ctx,
		    struct net_aim *ret, struct err *e)
{
	struct flow_select flow;
	int rc = find_flow(spec, ctx, &flow, e);

	*ret = (struct net_aim){ .dir = (enum net_direction)spec->direction };
	if (rc == 0)
		rc = netns_identify(flow.netns ? flow.netns : "", &ret->netns, e);
	if (rc == 0)
		rc = read_groups(&flow, net_groups_parse, &ret->to, &ret->from, e);
	return rc < 0 ? rc : find_devices(ret, &flow, e);
}

/* The random end of a run id tells runs apart; its first half is a time. Lower case, as nft(8) and
 * ip(8) show names. */
static void own_name(char *ret, size_t size, const struct plan_context *ctx, unsigned device,
		     unsigned id_len)
{
	const char *mark = id_len > IFB_ID ? "_" : ""; /* an ifb's name has 15 characters at most */
	size_t len = strlen(ctx->run_id);
	const char *end = ctx->run_id + (len > id_len ? len - id_len : 0);
	size_t n;

	snprintf(ret, size, "brink%s%s%03x%c", mark, end, ctx->fault_index & 0xfff,
		 (char)('a' + device));
	n = strlen(ret);
	for (size_t i = 0; i < n; i++)
		ret[i] = (char)tolower((unsigned char)ret[i]);
}

static int add_netem(const struct net_aim *aim, unsigned device,
		     const struct netem_side_spec *netem, const struct plan_context *ctx,
		     struct plan *ret, struct err *e)
{
	struct change_spec *c = plan_add(ret, ctx, CHANGE_NETEM_SIDE, e);
	char qdisc[16] = "";
	int rc;

	if (!c)
		return -e->code;
	rc = route_check_device(&aim->netns, aim->device[device], qdisc, e);
	if (rc < 0)
		return rc;
	c->u.netem = *netem;
	c->u.netem.netns = aim->netns;
	snprintf(c->u.netem.dev, IFNAMSIZ, "%s", aim->device[device]);
	own_name(c->u.netem.ifb, IFNAMSIZ, ctx, device, IFB_ID);
	if (strcmp(qdisc, "fq") == 0)
		plan_note(ret, "root qdisc fq of %s paces delayed packets a second time",
			  aim->device[device]);
	return 0;
}

/* Of some ports every connection passes: a fault that does not bite there must say why. */
static void note_exempted(const struct nft_gate_spec *g, unsigned sessions, struct plan *ret)
{
	char ports[64] = "";
	struct text t = text_on(ports, sizeof(ports));
	uint8_t hook = g->match[0].hook;

	for (unsigned i = 0; i < g->n_matches; i++) {
		const struct net_match *m = &g->match[i];

		if (m->exempt && m->proto == IPPROTO_TCP && m->hook == hook && !m->src_n &&
		    !m->dst_n)
			text_add(&t, "%s%u", t.len ? ", " : "", m->sport_hi | m->dport_hi);
	}
	plan_note(ret, "shield: %u established session%s on %s left alone%s%s%s", sessions,
		  sessions > 1 ? "s" : "", g->dev, ports[0] ? " (all of TCP port " : "", ports,
		  ports[0] ? ")" : "");
}

static int add_gate(const struct net_aim *aim, unsigned device, const struct net_treatment *how,
		    const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	struct change_spec *c = plan_add(ret, ctx, CHANGE_NFT_GATE, e);
	const struct net_select sel = { &aim->to, &aim->from, aim->dir, ctx->targets->flows };
	struct nft_gate_spec *g;
	unsigned exempted = 0;
	int rc;

	if (!c)
		return -e->code;
	g = &c->u.gate;
	g->netns = aim->netns;
	g->action = (uint8_t)how->action;
	g->share_ppm = how->share_ppm;
	g->of_connections = how->of_connections;
	g->seed = (uint32_t)(ctx->targets->seed ^ ctx->fault_index);
	snprintf(g->dev, IFNAMSIZ, "%s", aim->device[device]);
	own_name(g->table, sizeof(g->table), ctx, device, 16);
	if (how->action == GATE_FWD)
		own_name(g->fwd_dev, IFNAMSIZ, ctx, device, IFB_ID);
	rc = net_matches(g, &sel, &exempted, e);
	if (rc == 0 && exempted)
		note_exempted(g, exempted, ret);
	return rc;
}

static bool chooses(const struct net_groups *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		if (g->at[i].n_prefixes || g->at[i].port_hi)
			return true;
	}
	return false;
}

static void add_groups(struct text *t, const char *word, const struct net_groups *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		text_add(t, "%s", i ? "," : word);
		endpoint_add(t, &g->at[i]);
	}
}

static void summarise(const struct net_aim *aim, struct plan *ret)
{
	static const char *const words[] = { "", "incoming ", "both ways " };
	bool from = chooses(&aim->from), to = chooses(&aim->to) || !from;
	struct text t = text_on(ret->summary, sizeof(ret->summary));

	text_add(&t, "%s", words[aim->dir]);
	if (to)
		add_groups(&t, "to ", &aim->to);
	if (from)
		add_groups(&t, to ? " from " : "from ", &aim->from);
	for (unsigned i = 0; i < aim->n_devices; i++)
		text_add(&t, "%s%s", i ? "," : " on ", aim->device[i]);
}

int net_plan(const struct net_spec *spec, const struct net_treatment *how,
	     const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	struct net_aim aim;
	int rc = find_aim(spec, ctx, &aim, e);

	for (unsigned i = 0; rc == 0 && i < aim.n_devices; i++) {
		char qdisc[16];

		rc = route_check_device(&aim.netns, aim.device[i], qdisc, e);
		if (rc == 0 && how->action == GATE_FWD)
			rc = add_netem(&aim, i, how->netem, ctx, ret, e);
		if (rc == 0)
			rc = add_gate(&aim, i, how, ctx, ret, e);
	}
	if (rc < 0)
		return rc;
	ret->devices = aim.n_devices;
	summarise(&aim, ret);
	return 0;
}
