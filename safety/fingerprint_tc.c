/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "safety/fingerprint_parts.h"

/* Attributes of a tc object that say what it is; the others count. linux/rtnetlink.h: TCA_* */
#define OBJECT_ATTRS                                                                           \
	(FP_BIT(TCA_KIND) | FP_BIT(TCA_STAB) | FP_BIT(TCA_CHAIN) | FP_BIT(TCA_INGRESS_BLOCK) | \
	 FP_BIT(TCA_EGRESS_BLOCK))

/* Handles that the kernel gives by itself are 8000: and up (linux/pkt_sched.h), one more each time.
 */
static uint32_t stable_handle(uint32_t handle)
{
	if (handle >= 0x80000000U && handle < TC_H_MAKE(0xffff0000U, 0))
		return 0x80000000U | TC_H_MIN(handle);
	return handle;
}

static const char *parent_text(uint32_t parent, char buf[static 24])
{
	if (parent == TC_H_ROOT)
		return "root";
	if (parent == TC_H_INGRESS)
		return "ingress";
	if (parent == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS))
		return "ingress";
	if (parent == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS))
		return "egress";
	parent = stable_handle(parent);
	snprintf(buf, 24, "%x:%x", TC_H_MAJ(parent) >> 16, TC_H_MIN(parent));
	return buf;
}

static int add_node(struct fp_take *t, int32_t ifindex, uint32_t parent)
{
	if (t->n_nodes == FP_NODES)
		return err_set(t->e, E2BIG, "there are more than %d qdiscs and classes", FP_NODES);
	t->node[t->n_nodes++] = (struct fp_node){ ifindex, parent };
	return 0;
}

/* Where filters of this qdisc can hang. */
static int add_nodes(struct fp_take *t, const struct tcmsg *m, const char *kind)
{
	int r;

	if (!strcmp(kind, "ingress") || !strcmp(kind, "clsact")) {
		r = add_node(t, m->tcm_ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS));
		if (r || kind[0] == 'i')
			return r;
		return add_node(t, m->tcm_ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
	}
	return m->tcm_handle ? add_node(t, m->tcm_ifindex, m->tcm_handle) : 0;
}

/* The first n bytes of an attribute and, for nested options, only those types that are
 * configuration. */
struct qdisc_trait {
	const char *kind;
	unsigned attr; /* in which the counter hides; 0: the options themselves are a struct */
	size_t kept;   /* so many bytes of it are configuration */
};

static uint64_t hash_options(uint64_t h, const char *kind, const struct nlattr *options)
{
	static const struct qdisc_trait traits[] = {
		/* tc_htb_glob ends with direct_pkts, a counter */
		{ "htb", TCA_HTB_INIT, offsetof(struct tc_htb_glob, direct_pkts) },
		/* adaptive red moves its own probability */
		{ "red", TCA_RED_MAX_P, 0 },
		{ "gred", TCA_GRED_PARMS, 0 },
		{ "gred", TCA_GRED_VQ_LIST, 0 },
		{ "gred", TCA_GRED_MAX_P, 0 },
		{ "choke", TCA_CHOKE_MAX_P, 0 },
	};
	struct fp_attrs i = fp_attrs_in(options);
	const struct nlattr *a;

	if (!strcmp(kind, "sfq")) { /* a struct, with counters at its end */
		size_t n = offsetof(struct tc_sfq_qopt_v1, stats);

		return fp_hash(h, fp_attr_data(options),
			       fp_attr_len(options) < n ? fp_attr_len(options) : n);
	}
	if (strcmp(kind, "htb") != 0 && strcmp(kind, "red") != 0 && strcmp(kind, "gred") != 0 &&
	    strcmp(kind, "choke") != 0)
		return fp_hash_attr(h, options);
	while ((a = fp_attr_next(&i))) {
		const struct qdisc_trait *trait = NULL;

		for (size_t k = 0; k < ARRAY_LEN(traits); k++)
			if (!strcmp(traits[k].kind, kind) && traits[k].attr == fp_attr_type(a))
				trait = &traits[k];
		if (!trait)
			h = fp_hash_attr(h, a);
		else if (trait->kept && trait->kept <= fp_attr_len(a))
			h = fp_hash(h, fp_attr_data(a), trait->kept);
	}
	return h;
}

static int add_qdisc(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const struct tcmsg *m = NLMSG_DATA(nh);
	struct fp_attrs attrs = fp_attrs_of(nh, sizeof(*m));
	const struct nlattr *options = fp_attr_find(attrs, TCA_OPTIONS);
	uint64_t key = fp_hash(FP_SEED, "qdisc", 5), value;
	char dev[IFNAMSIZ], kind[256], parent[24];
	int r;

	(void)arg;
	if (nh->nlmsg_type != RTM_NEWQDISC)
		return 0;
	fp_attr_text(attrs, TCA_KIND, kind);
	key = fp_hash_u32(key, (uint32_t)m->tcm_ifindex);
	key = fp_hash_u32(key, stable_handle(m->tcm_parent));
	key = fp_hash(key, kind, strlen(kind));
	value = fp_hash_u32(FP_SEED, stable_handle(m->tcm_handle));
	value = fp_hash_some(value, attrs, OBJECT_ATTRS);
	if (options)
		value = hash_options(value, kind, options);
	r = add_nodes(t, m, kind);
	if (r)
		return r;
	return fp_add(t, key, value, "qdisc %s dev %s %s", kind,
		      fp_link_name(t, m->tcm_ifindex, dev), parent_text(m->tcm_parent, parent));
}

/* These show a class for each flow that has packets waiting. */
static bool classes_are_flows(const char *kind)
{
	static const char *const kinds[] = { "sfq", "fq_codel", "cake", "choke", "sfb", "fq_pie" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i], kind))
			return true;
	return false;
}

static int add_class(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const struct tcmsg *m = NLMSG_DATA(nh);
	struct fp_attrs attrs = fp_attrs_of(nh, sizeof(*m));
	uint64_t key = fp_hash(FP_SEED, "class", 5), value;
	char dev[IFNAMSIZ], kind[256], class[24];
	int r;

	(void)arg;
	fp_attr_text(attrs, TCA_KIND, kind);
	if (nh->nlmsg_type != RTM_NEWTCLASS || classes_are_flows(kind))
		return 0;
	key = fp_hash_u32(key, (uint32_t)m->tcm_ifindex);
	key = fp_hash_u32(key, stable_handle(m->tcm_handle));
	value = fp_hash_u32(FP_SEED, stable_handle(m->tcm_parent));
	value = fp_hash_u32(value, stable_handle(m->tcm_info)); /* the qdisc below */
	value = fp_hash_some(value, attrs, OBJECT_ATTRS | FP_BIT(TCA_OPTIONS));
	r = TC_H_MAJ(m->tcm_handle) ? add_node(t, m->tcm_ifindex, m->tcm_handle) : 0;
	if (r)
		return r;
	return fp_add(t, key, value, "class %s dev %s %s", kind,
		      fp_link_name(t, m->tcm_ifindex, dev), parent_text(m->tcm_handle, class));
}

/* One action: what it does, without its index, its users and its times. linux/pkt_cls.h: tc_gen,
 * tcf_t, tc_police */
static uint64_t hash_action_options(uint64_t h, const char *kind, struct fp_attrs i)
{
	const size_t gen = sizeof(struct { tc_gen; });
	const struct nlattr *a;

	while ((a = fp_attr_next(&i))) {
		const unsigned char *p = fp_attr_data(a);
		size_t n = fp_attr_len(a);

		if (n == sizeof(struct tcf_t)) /* no action has parameters of this size */
			continue;
		h = fp_hash_u32(h, fp_attr_type(a));
		if (!strcmp(kind, "police") && n == sizeof(struct tc_police)) {
			size_t from = offsetof(struct tc_police, action);

			h = fp_hash(h, p + from, offsetof(struct tc_police, refcnt) - from);
		} else if (n >= gen && fp_attr_type(a) <= 2) {
			h = fp_hash(h, p + 2 * sizeof(uint32_t), sizeof(uint32_t));
			h = fp_hash(h, p + gen, n - gen);
		} else {
			h = fp_hash(h, p, n);
		}
	}
	return h;
}

static uint64_t hash_actions(uint64_t h, struct fp_attrs i)
{
	const struct nlattr *a;

	while ((a = fp_attr_next(&i))) {
		struct fp_attrs action = fp_attrs_in(a);
		char kind[256];

		h = fp_hash_u32(h, fp_attr_type(a));
		h = fp_hash_some(h, action,
				 FP_BIT(TCA_ACT_KIND) | FP_BIT(TCA_ACT_COOKIE) |
					 FP_BIT(TCA_ACT_FLAGS));
		fp_attr_text(action, TCA_ACT_KIND, kind);
		h = hash_action_options(h, kind,
					fp_attrs_in(fp_attr_find(action, TCA_ACT_OPTIONS)));
	}
	return h;
}

struct filter_trait {
	const char *kind;
	unsigned actions; /* attribute that holds the actions */
	uint64_t dropped; /* attributes that count */
};

static uint64_t hash_filter(uint64_t h, const char *kind, const struct nlattr *options)
{
	static const struct filter_trait traits[] = {
		{ "u32", TCA_U32_ACT, FP_BIT(TCA_U32_PCNT) },
		{ "flower", TCA_FLOWER_ACT, 0 },
		{ "matchall", TCA_MATCHALL_ACT, FP_BIT(TCA_MATCHALL_PCNT) },
		{ "bpf", TCA_BPF_ACT, 0 },
		{ "basic", TCA_BASIC_ACT, FP_BIT(TCA_BASIC_PCNT) },
		{ "fw", TCA_FW_ACT, 0 },
		{ "flow", TCA_FLOW_ACT, 0 },
		{ "cgroup", TCA_CGROUP_ACT, 0 },
		{ "route", TCA_ROUTE4_ACT, 0 },
	};
	const struct filter_trait *trait = NULL;
	struct fp_attrs i = fp_attrs_in(options);
	const struct nlattr *a;

	for (size_t k = 0; k < ARRAY_LEN(traits); k++)
		if (!strcmp(traits[k].kind, kind))
			trait = &traits[k];
	if (!trait)
		return fp_hash_attr(h, options);
	while ((a = fp_attr_next(&i))) {
		unsigned type = fp_attr_type(a);

		if (type == trait->actions)
			h = hash_actions(h, fp_attrs_in(a));
		else if (!strcmp(kind, "u32") && type == TCA_U32_MARK) /* its third word counts */
			h = fp_hash(h, fp_attr_data(a), offsetof(struct tc_u32_mark, success));
		else if (type >= 64 || !(trait->dropped & FP_BIT(type)))
			h = fp_hash_attr(h, a);
	}
	return h;
}

static int add_filter(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const struct fp_node *node = arg;
	const struct tcmsg *m = NLMSG_DATA(nh);
	struct fp_attrs attrs = fp_attrs_of(nh, sizeof(*m));
	const struct nlattr *options = fp_attr_find(attrs, TCA_OPTIONS);
	uint64_t key = fp_hash(FP_SEED, "filter", 6), value;
	char dev[IFNAMSIZ], kind[256], parent[24];

	if (nh->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	fp_attr_text(attrs, TCA_KIND, kind);
	key = fp_hash_u32(key, (uint32_t)node->ifindex);
	key = fp_hash_u32(key, stable_handle(node->parent));
	key = fp_hash_u32(key, m->tcm_info); /* preference and protocol */
	key = fp_hash_u32(key, m->tcm_handle);
	value = fp_hash_some(FP_SEED, attrs, OBJECT_ATTRS);
	if (options)
		value = hash_filter(value, kind, options);
	return fp_add(t, key, value, "filter %s dev %s %s pref %u", kind,
		      fp_link_name(t, node->ifindex, dev), parent_text(node->parent, parent),
		      TC_H_MAJ(m->tcm_info) >> 16);
}

static int dump_tc(struct fp_take *t, int fd, uint16_t type, struct fp_node at,
		   int (*fn)(struct fp_take *t, const struct nlmsghdr *nh, void *arg))
{
	struct tcmsg m = { .tcm_ifindex = at.ifindex, .tcm_parent = at.parent };
	struct fp_request q = fp_request(type, &m, sizeof(m));
	int r = fp_dump(t, fd, &q, fn, &at);

	return r == -EOPNOTSUPP ? 0 : r; /* a kernel without it has none */
}

int fp_tc(struct fp_take *t)
{
	AUTO(auto_close) int fd = fp_open(t, NETLINK_ROUTE);
	int r;

	if (fd < 0)
		return fd;
	t->n_nodes = 0;
	r = dump_tc(t, fd, RTM_GETQDISC, (struct fp_node){ 0 }, add_qdisc);
	for (uint32_t i = 0; !r && i < t->n_links; i++)
		r = dump_tc(t, fd, RTM_GETTCLASS, (struct fp_node){ t->link[i].ifindex, 0 },
			    add_class);
	for (uint32_t i = 0; !r && i < t->n_nodes; i++)
		r = dump_tc(t, fd, RTM_GETTFILTER, t->node[i], add_filter);
	return r;
}
