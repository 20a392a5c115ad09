/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "inject/faults.h"
#include "inject/net.h"
#include "inject/net_match.h"

struct net_partition {
	struct net_spec net; /* netns, dev, direction, not: the rest is not said by the user */
	struct strings between, and, from;
};

static const struct field rows[] = {
	{ .name = "from",
	  .type = FIELD_STRINGS,
	  .flags = FIELD_GROUP_1,
	  .offset = offsetof(struct net_partition, from),
	  .doc = "peers that this host is cut off from: addresses, CIDRs or host names" },
	{ .name = "between",
	  .type = FIELD_STRINGS,
	  .flags = FIELD_GROUP_1,
	  .offset = offsetof(struct net_partition, between),
	  .doc = "one side, in place of from: of packets that this host sends, gets or passes on" },
	{ .name = "and",
	  .type = FIELD_STRINGS,
	  .offset = offsetof(struct net_partition, and),
	  .doc = "the other side, with between" },
	{ .name = "direction",
	  .type = FIELD_ENUM,
	  .offset = offsetof(struct net_partition, net.direction),
	  .words = net_direction_words,
	  .dflt = "both",
	  .doc = "both; out: from this host, or from between to and; in: the other way alone" },
	{ .name = "not",
	  .type = FIELD_STRINGS,
	  .offset = offsetof(struct net_partition, net.not ),
	  .doc = "packets to or from these pass: addresses, CIDRs, ports, with /proto" },
	{ .name = "dev",
	  .type = FIELD_STRING,
	  .offset = offsetof(struct net_partition, net.dev),
	  .doc = "device; without it those that the routes to the addresses use" },
	{ .name = "netns",
	  .type = FIELD_STRING,
	  .offset = offsetof(struct net_partition, net.netns),
	  .doc = "network namespace: a name of ip-netns(8), a path, or pid:N" },
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.partition",
	.doc = "cuts hosts off from each other: all packets between two sides, by an own nf_tables table",
	.size = sizeof(struct net_partition),
	.fields = rows,
};

/* Hosts, not services: a half of what two hosts say to each other would be no partition. */
static int hosts_only(const struct strings *list, const char *key, bool look_up, struct err *e)
{
	AUTO(arena_done) struct arena mem = { 0 };
	struct net_groups g;
	int rc = look_up ? net_groups_parse(list, 0, &mem, &g, e) :
			   net_groups_syntax(list, 0, &mem, &g, e);

	for (unsigned i = 0; i < g.n && rc == 0; i++) {
		if (!g.at[i].n_prefixes)
			rc = err_set(e, EINVAL, "'%s' names no address", key);
		else if (g.at[i].port_hi || g.at[i].proto)
			rc = err_set(e, EINVAL,
				     "'%s' is about hosts: a port or protocol has no place there, "
				     "net.drop takes them",
				     key);
	}
	return rc;
}

/* As a selector: a packet that goes out has the other side as its destination. */
static int selector(const struct net_partition *p, bool look_up, struct net_spec *ret,
		    struct err *e)
{
	bool sides = p->between.n > 0;
	int rc;

	*ret = p->net;
	if (sides != (p->and.n > 0))
		return err_set(e, EINVAL, "'between' and 'and' name the two sides: give both");
	rc = sides ? hosts_only(&p->between, "between", look_up, e) :
		     hosts_only(&p->from, "from", look_up, e);
	if (rc == 0 && sides)
		rc = hosts_only(&p->and, "and", look_up, e);
	if (!sides && p->net.direction == NET_IN) {
		ret->from = p->from;
	} else if (!sides) {
		ret->to = p->from;
	} else if (p->net.direction == NET_IN) { /* the same, seen from the other side */
		ret->direction = NET_OUT;
		ret->to = p->between;
		ret->from = p->and;
	} else {
		ret->to = p->and;
		ret->from = p->between;
	}
	return rc;
}

static int check_partition(const void *spec, struct err *e)
{
	struct net_spec net;
	int rc = selector(spec, false, &net, e);

	return rc < 0 ? rc : net_check(&net, e);
}

static int plan_partition(const void *spec, const struct plan_context *ctx, struct plan *ret,
			  struct err *e)
{
	const struct net_partition *p = spec;
	const struct net_treatment how = { .action = GATE_DROP,
					   .share_ppm = 1000000,
					   .between = p->between.n > 0 };
	struct net_spec net;
	struct text t;
	int rc = selector(p, true, &net, e);

	if (rc == 0)
		rc = net_plan(&net, &how, ctx, ret, e);
	if (rc < 0)
		return rc;
	t = (struct text){ .buf = ret->summary,
			   .size = sizeof(ret->summary),
			   .len = strlen(ret->summary) };
	text_add(&t, " cut off");
	return 0;
}

static const char *const trials[] = { "from={addr} not={addr}/tcp netns={netns}", NULL };

const struct fault_ops net_partition_fault = {
	.name = "net.partition",
	.summary = "hosts are cut off from each other, one way or both",
	.fields = &fields,
	.class_words = "self-ending",
	.undo_words = "the nf_tables table goes with the process that holds it",
	.example = "from=10.0.0.7",
	.trials = trials,
	.check = check_partition,
	.plan = plan_partition,
};
