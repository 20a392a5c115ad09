/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_gates.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "inject/change/nft_rules.h"
#include "inject/net_match.h"
#include "inject/route.h"

#define IFB_ID      6 /* characters of the run id in an ifb's name: it has 15 in all */
#define PPM_ALL     1000000u
#define QUEUE_FIRST 1024u /* numbers of packet queues, of 16 bits */
#define QUEUES      (65536u - QUEUE_FIRST)

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

int net_add_netem(const struct net_aim *aim, unsigned device, const struct netem_side_spec *netem,
		  const struct plan_context *ctx, struct plan *ret, struct err *e)
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

/* Free as a rule: other programs number their queues from 0, and another run has other numbers. */
static uint16_t queue_number(const struct plan_context *ctx, unsigned device)
{
	uint32_t run = crc32c(ctx->run_id, strlen(ctx->run_id));

	return (uint16_t)(QUEUE_FIRST +
			  (run % QUEUES + ctx->fault_index * NET_DEVICES + device) % QUEUES);
}

int net_add_queue(const struct net_aim *aim, unsigned device, const struct netem_side_spec *how,
		  const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	struct change_spec *c = plan_add(ret, ctx, CHANGE_QUEUE, e);

	if (!c)
		return -e->code;
	c->u.queue = (struct queue_spec){ .how = *how,
					  .number = queue_number(ctx, device),
					  .seed = ctx->targets->seed ^ ctx->fault_index };
	c->u.queue.how.netns = aim->netns;
	snprintf(c->u.queue.how.dev, IFNAMSIZ, "%s", aim->device[device]);
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

		if (m->exempt == EXEMPT_SHIELD && m->proto == IPPROTO_TCP && m->hook == hook &&
		    !m->src_n && !m->dst_n)
			text_add(&t, "%s%u", t.len ? ", " : "", m->sport_hi | m->dport_hi);
	}
	plan_note(ret, "shield: %u established session%s on %s left alone%s%s%s", sessions,
		  sessions > 1 ? "s" : "", g->dev, ports[0] ? " (all of TCP port " : "", ports,
		  ports[0] ? ")" : "");
}

/* Those of the selector and those of the fault: they are about different things. */
static struct gate_conditions conditions(const struct gate_conditions *selector,
					 const struct gate_conditions *fault)
{
	struct gate_conditions ret = *fault;

	ret.given |= selector->given;
	ret.mark = selector->mark;
	ret.mark_mask = selector->mark_mask;
	ret.dscp = selector->dscp;
	ret.uid = selector->uid;
	ret.cgroup = selector->cgroup;
	ret.cgroup_level = selector->cgroup_level;
	return ret;
}

static struct address_pool planned_pool(const struct plan_context *ctx)
{
	return ctx->pool ? (struct address_pool){ ctx->pool->n, ctx->pool->at } :
			   (struct address_pool){ 0 };
}

/* nf_tables takes a gate as one message: whether it fits is known before anything is changed. */
static int check_size(const struct nft_gate_spec *g, const struct plan_context *ctx, struct err *e)
{
	AUTO(auto_free) char *bytes = aligned_alloc(16, GATE_BATCH_BYTES);
	const struct address_pool pool = planned_pool(ctx);
	struct nlbuf b;

	if (!bytes)
		return err_set(e, ENOMEM, "no memory for an nft table");
	b = nlbuf_on(bytes, GATE_BATCH_BYTES);
	gate_write(&b, g, &pool, 0);
	if (b.full)
		return err_set(e, E2BIG,
			       "more than the %d messages or %zu KiB that one nft table is made "
			       "of: aim at fewer ports, or say 'proto'",
			       NLBUF_MESSAGES, GATE_BATCH_BYTES / 1024);
	return 0;
}

/* The gate of a device that does what the fault is about. */
static struct nft_gate_spec main_gate(const struct net_aim *aim, unsigned device,
				      const struct net_treatment *how,
				      const struct plan_context *ctx)
{
	struct nft_gate_spec g = { .netns = aim->netns,
				   .action = (uint8_t)how->action,
				   .share_ppm = how->share_ppm,
				   .every = how->every,
				   .of_flows = how->of_flows,
				   .pool_crc = aim->pool_crc,
				   .only = conditions(&aim->only, &how->only),
				   .seed = (uint32_t)(ctx->targets->seed ^ ctx->fault_index) };

	if (how->dns)
		g.dns = *how->dns;
	snprintf(g.dev, IFNAMSIZ, "%s", aim->device[device]);
	own_name(g.table, sizeof(g.table), ctx, device, 16);
	if (how->action == GATE_FWD)
		own_name(g.fwd_dev, IFNAMSIZ, ctx, device, IFB_ID);
	if (how->action == GATE_QUEUE)
		g.queue = queue_number(ctx, device);
	return g;
}

/* The packets of a gate: those of the fault, or with the two ends the other way round. */
struct gate_way {
	const struct net_aim *aim;
	enum net_direction dir;
	bool turned, between;
};

static int put_gate(const struct nft_gate_spec *g, const struct gate_way *way,
		    const struct plan_context *ctx, struct plan *ret, unsigned *ret_exempted,
		    struct err *e)
{
	const struct net_aim *aim = way->aim;
	struct change_spec *c = plan_add(ret, ctx, CHANGE_NFT_GATE, e);
	const struct net_select sel = { way->turned ? &aim->from : &aim->to,
					way->turned ? &aim->to : &aim->from,
					way->dir,
					ctx->targets->flows,
					aim->not .n ? &aim->not : NULL,
					way->between };
	int rc;

	if (!c)
		return -e->code;
	c->u.gate = *g;
	rc = net_matches(&c->u.gate, &sel, ret_exempted, e);
	return rc < 0 ? rc : check_size(&c->u.gate, ctx, e);
}

/* One that treats packets, and says which it leaves alone. */
static int put_main_gate(const struct nft_gate_spec *g, const struct gate_way *way,
			 const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	unsigned exempted = 0;
	int rc = put_gate(g, way, ctx, ret, &exempted, e);

	if (rc == 0 && exempted)
		note_exempted(&ret->change[ret->n_changes - 1].u.gate, exempted, ret);
	return rc;
}

/* The gate in the output hook that puts the tag of *g on: what is asked of a packet besides, it
 * judges, unless the flow is to be learnt whatever this packet is like. */
static int put_tag_gate(const struct nft_gate_spec *g, unsigned device, const struct gate_way *way,
			const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	struct nft_gate_spec tag = *g;
	unsigned ignored;

	if (g->learn)
		tag.only.given = GATE_CGROUP;
	tag.action = GATE_TAG;
	tag.share_ppm = PPM_ALL;
	tag.every = 0;
	tag.of_flows = FLOWS_NOT;
	tag.learn = LEARN_NOTHING;
	tag.fwd_dev[0] = '\0';
	own_name(tag.table, sizeof(tag.table), ctx, device + NET_DEVICES, 16);
	return put_gate(&tag, way, ctx, ret, &ignored, e);
}

/* What comes in is known by its socket in the input hook, where nothing can be delayed. */
static int put_input_gate(const struct nft_gate_spec *g, const struct net_aim *aim, unsigned device,
			  const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	struct nft_gate_spec in = *g;
	unsigned same; /* as in the gate of what goes out, which has said it */

	if (in.of_flows)
		in.of_flows = FLOWS_BACK;
	own_name(in.table, sizeof(in.table), ctx, device + 2 * NET_DEVICES, 16);
	return put_gate(&in, &(struct gate_way){ .aim = aim, .dir = NET_IN, .turned = true }, ctx,
			ret, &same, e);
}

/*
 * The egress hook does not know the socket's cgroup: a gate before it tags the packets. Of what
 * comes in, netem's ingress hook does not know it either: it treats the flows that the egress hook
 * has learnt, whose two ends the aim `in` names the other way round.
 */
static int add_gates_of_owner(const struct net_aim *aim, unsigned device, struct nft_gate_spec g,
			      const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	const bool learns = g.action == GATE_FWD && aim->dir != NET_OUT;
	const bool turned = aim->dir == NET_IN;
	const struct gate_way out = { .aim = aim, .dir = NET_OUT, .turned = turned }, main = {
		.aim = aim, .dir = learns ? NET_BOTH : NET_OUT, .turned = turned
	};
	struct nft_gate_spec of_sockets = g;
	int rc;

	if (ctx->fault_index >= GATE_TAGS)
		return err_set(e, E2BIG,
			       "only the first %u faults of a run can be aimed at a cgroup, unit, "
			       "container or process: move it to the front",
			       GATE_TAGS);
	g.tag = (1 + ctx->fault_index) << GATE_TAG_SHIFT;
	if (learns)
		g.learn = aim->dir == NET_IN ? LEARN_ONLY : LEARN_TOO;
	rc = put_tag_gate(&g, device, &out, ctx, ret, e);
	/* the tag may stand where the mark is looked at: who puts it on has judged that */
	g.only.given &= ~(uint32_t)(GATE_CGROUP | GATE_MARK);
	if (rc == 0)
		rc = put_main_gate(&g, &main, ctx, ret, e);
	if (rc == 0 && aim->dir == NET_BOTH && !learns)
		rc = put_input_gate(&of_sockets, aim, device, ctx, ret, e);
	return rc;
}

int net_add_gate(const struct net_aim *aim, unsigned device, const struct net_treatment *how,
		 const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	struct nft_gate_spec g = main_gate(aim, device, how, ctx);
	const bool silent = g.action == GATE_DROP && aim->dir != NET_IN;

	if ((g.only.given & GATE_CGROUP) && (silent || g.action == GATE_FWD))
		return add_gates_of_owner(aim, device, g, ctx, ret, e);
	return put_main_gate(&g,
			     &(struct gate_way){
				     .aim = aim, .dir = aim->dir, .between = how->between },
			     ctx, ret, e);
}
