/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_filters.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "inject/change/netns.h"
#include "inject/change/tc_msg.h"

/* Where filters hang. Those of inner classes are reached through one of the root's: one that is
 * there stands for all. A root qdisc without classes has none. */
static const struct place {
	uint32_t parent;
	const char *name;
	bool out;
} places[] = {
	{ 0, "root",
	  true }, /* cls_api.c, tc_dump_tfilter(): of the root qdisc, whatever its handle */
	{ TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), "egress", true },
	{ TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), "ingress", false },
};

struct filter_list {
	const struct place *at;
	struct text t;
	size_t start; /* of what this place has said, for a dump that begins anew */
	bool out;     /* one stands on the way out */
};

static int read_filter(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const size_t head = NLMSG_LENGTH(sizeof(struct tcmsg));
	const struct tcmsg *t = NLMSG_DATA(h);
	struct filter_list *l = arg;
	const struct nlattr *kind;

	if (h->nlmsg_type != RTM_NEWTFILTER || h->nlmsg_len < head)
		return err_set(e, EBADMSG, "a broken answer about a filter");
	/* one message for all filters of a preference, then one for each of them */
	if (t->tcm_handle)
		return 0;
	kind = nlattr_find((const char *)h + head, h->nlmsg_len - head, TCA_KIND);
	text_add(&l->t, "%s%s ", l->t.len ? ", " : "", l->at->name);
	if (kind)
		text_add_foreign(&l->t, nlattr_data(kind),
				 strnlen(nlattr_data(kind), nlattr_len(kind)));
	text_add(&l->t, " pref %u", TC_H_MAJ(t->tcm_info) >> 16);
	l->out |= l->at->out;
	return 0;
}

static void read_anew(void *arg)
{
	struct filter_list *l = arg;

	l->t.len = l->start;
	l->t.buf[l->start] = '\0';
}

static int read_place(struct nlsock *s, int ifindex, struct filter_list *l, struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct tcmsg t = { .tcm_ifindex = ifindex, .tcm_parent = l->at->parent };
	int rc;

	l->start = l->t.len;
	nlbuf_msg(&b, RTM_GETTFILTER, NLM_F_DUMP, &t, sizeof(t), "cannot read the tc filters");
	rc = nlsock_ask(s, &b, read_filter, read_anew, l, e);
	return rc == -EOPNOTSUPP ? 0 : rc; /* a kernel without filters has none */
}

/*
 * A packet from an ifb has tc_skip_classify set (drivers/net/ifb.c, ifb_ri_tasklet()). The first
 * list of actions that it meets is skipped for it (net/sched/act_api.c, tcf_action_exec()): filters
 * still choose its class. Where it has met none on the way out of a veth or of lo, it is the
 * ingress of the other end that skips tc and netdev hooks (net/core/dev.c,
 * __netif_receive_skb_core()).
 */
static void note_skipped(const struct link_info *link, bool filters_out, struct plan *ret)
{
	if (filters_out)
		plan_note(ret,
			  "delayed packets skip the actions of tc filters on the way out of %s; "
			  "their class is chosen as before",
			  link->name);
	if (strcmp(link->kind, "veth") == 0 || strcmp(link->name, "lo") == 0)
		plan_note(ret,
			  "delayed packets skip tc and netdev ingress at the other end of %s "
			  "(unless an action of tc saw them on the way out)",
			  link->name);
}

int net_note_filters(const struct netns_ref *ns, const char *dev, enum net_direction dir,
		     enum gate_action action, struct plan *ret, struct err *e)
{
	char said[110] = "";
	struct filter_list l = { .t = text_on(said, sizeof(said)) };
	struct link_info link = { 0 };
	struct nlsock *s = NULL;
	int rc = netns_sock(ns, NETLINK_ROUTE, &s, e);

	if (rc == 0)
		rc = link_named(s, dev, &link, e);
	for (unsigned i = 0; i < ARRAY_LEN(places) && rc == 0; i++) {
		l.at = &places[i];
		rc = read_place(s, link.ifindex, &l, e);
	}
	if (rc < 0)
		return rc;
	if (l.t.len)
		plan_note(ret, "tc filters of %s stay: %s%s", link.name, said,
			  l.t.cut ? " ..." : "");
	if (action == GATE_FWD && dir != NET_IN)
		note_skipped(&link, l.out, ret);
	return 0;
}
