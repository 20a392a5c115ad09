/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "inject/net_groups.h"

#define ALL_JOINS 4096 /* of a run */

static void add_items(struct names *n, unsigned fault)
{
	const struct planned_fault *f = &n->plan->fault[fault];

	for (unsigned i = 0; i < f->n_names; i++)
		n->item[n->n++] = (struct name_item){ .fault = fault, .plan = &f->name[i] };
}

int names_new(const struct names_of *of, struct arena *mem, struct names *ret, struct err *e)
{
	const struct run_plan *plan = of->plan;
	struct names n = { .plan = plan, .flows = of->flows };
	unsigned items = 0;

	for (unsigned i = 0; i < plan->n_faults; i++)
		items += plan->fault[i].n_names;
	if (!items) {
		*ret = n;
		return 0;
	}
	n.joins_room = plan->n_faults * GATE_JOINS;
	if (n.joins_room > ALL_JOINS)
		n.joins_room = ALL_JOINS;
	n.item = arena_zalloc(mem, items * sizeof(*n.item));
	n.join = arena_zalloc(mem, n.joins_room * sizeof(*n.join));
	n.joined = arena_zalloc(mem, plan->n_faults * sizeof(*n.joined));
	n.full = arena_zalloc(mem, plan->n_faults * sizeof(*n.full));
	if (!n.item || !n.join || !n.joined || !n.full)
		return err_set(e, ENOMEM, "no memory for the names");
	for (unsigned i = 0; i < plan->n_faults; i++)
		add_items(&n, i);
	*ret = n;
	return policy_judge_make(of->policy, of->limits, &ret->judge, e);
}

void names_done(struct names *n)
{
	policy_judge_done(&n->judge);
	*n = (struct names){ 0 };
}

bool names_again(const struct names *n, unsigned item)
{
	for (unsigned i = 0; i < item; i++) {
		if (n->item[i].fault == n->item[item].fault &&
		    strcmp(n->item[i].plan->name, n->item[item].plan->name) == 0)
			return true;
	}
	return false;
}

void names_add_address(struct text *t, const struct net_prefix *p)
{
	char words[INET6_ADDRSTRLEN] = "?";

	inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, words, sizeof(words));
	text_add(t, "%s", words);
}

/* Which end of a match the list is: an enum net_grows, 0 = neither. */
static unsigned end_of(const struct net_match *m, uint32_t list)
{
	if ((m->grows & GROWS_DST) && m->dst_first == list)
		return GROWS_DST;
	return (m->grows & GROWS_SRC) && m->src_first == list ? GROWS_SRC : 0;
}

/* Is it in the list already, alone or in a range? */
static bool list_has(const struct names *n, const struct name_item *item,
		     const struct net_prefix *p)
{
	const struct planned_fault *f = &n->plan->fault[item->fault];
	const struct net_prefix *at = n->plan->pool.at + (item->plan->list - GATE_PREFIXES);
	uint32_t count = 0;

	for (unsigned c = 0; c < f->n_changes && !count; c++) {
		const struct nft_gate_spec *g = change_gate_of(&f->change[c]);

		for (unsigned i = 0; g && i < g->n_matches; i++) {
			unsigned end = end_of(&g->match[i], item->plan->list);

			if (end)
				count = end == GROWS_DST ? g->match[i].dst_n : g->match[i].src_n;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		if (net_prefix_covers(&at[i], p))
			return true;
	}
	return false;
}

static bool was_found(const struct names *n, const struct name_item *item,
		      const struct net_prefix *p)
{
	for (unsigned i = 0; i < n->n_joins; i++) {
		const struct name_item *of = &n->item[n->join[i].item];

		if (of->fault == item->fault && of->plan->list == item->plan->list &&
		    memcmp(&n->join[i].at, p, sizeof(*p)) == 0)
			return true;
	}
	return false;
}

/*
 * Exemptions stand before all that acts, and are made with the plan: for a session that the fault
 * could not hit then there is none.
 */
static int spare_sessions(const struct names *n, const struct net_prefix *p, struct err *e)
{
	size_t len = p->family == 4 ? 4 : 16;

	for (uint32_t i = 0; n->flows && i < n->flows->n; i++) {
		const struct shield_flow *f = &n->flows->at[i];

		if (f->family == p->family &&
		    (memcmp(f->remote, p->addr, len) == 0 || memcmp(f->local, p->addr, len) == 0))
			return err_set(e, EPERM, "a session of the shield has its end there");
	}
	return 0;
}

static int judge_gate(const struct names *n, const struct name_item *item,
		      const struct net_prefix *p, const struct change_spec *spec, struct err *e)
{
	const struct fault_item *x = n->plan->fault[item->fault].item;
	const struct nft_gate_spec *gate = change_gate_of(spec);
	struct change_spec one = *spec;
	struct nft_gate_spec *g =
		spec->kind == CHANGE_SOCK_RESET ? &one.u.reset.select : &one.u.gate;
	const struct policy_fault what = {
		x->ops->name, x->for_ns, &one, 1, { n->plan->pool.n, n->plan->pool.at }
	};
	struct policy_verdict ignored;

	g->n_matches = 0;
	g->n_prefixes = 1;
	g->prefix[0] = *p;
	for (unsigned i = 0; i < gate->n_matches; i++) {
		struct net_match m = gate->match[i];
		unsigned end = end_of(&m, item->plan->list);

		if (!end || m.exempt)
			continue;
		if (end == GROWS_DST) {
			m.dst_first = 0;
			m.dst_n = 1;
		} else {
			m.src_first = 0;
			m.src_n = 1;
		}
		m.grows = 0;
		g->match[g->n_matches++] = m;
	}
	if (!g->n_matches) /* it is left out there: nothing that could be forbidden */
		return 0;
	return policy_judge_fault(&n->judge, &what, &ignored, e);
}

/* As if the fault were planned for this address alone. */
static int judge(const struct names *n, const struct name_item *item, const struct probe_name *m,
		 struct err *e)
{
	const struct planned_fault *f = &n->plan->fault[item->fault];
	bool there = !item->plan->routed, acts = false;
	int rc = 0;

	for (unsigned c = 0; c < f->n_changes && rc == 0; c++) {
		const struct nft_gate_spec *g = change_gate_of(&f->change[c]);

		if (!g)
			continue;
		there |= strcmp(g->dev, m->dev) == 0;
		for (unsigned i = 0; i < g->n_matches; i++)
			acts |= !g->match[i].exempt && end_of(&g->match[i], item->plan->list);
		rc = judge_gate(n, item, &m->at, &f->change[c], e);
	}
	if (rc == 0 && acts)
		rc = spare_sessions(n, &m->at, e);
	if (rc == 0 && !there && !m->dev[0])
		rc = err_set(e, ENETUNREACH, "there is no route to it");
	if (rc == 0 && !there)
		rc = err_set(e, ENODEV, "it lies behind the device '%s', where the fault is not",
			     m->dev);
	return rc;
}

static bool is_address(const struct net_prefix *p)
{
	return net_prefix_ok(p) && p->len == (p->family == 4 ? 32 : 128);
}

int names_found(struct names *n, const struct probe_name *m, unsigned *ret, struct err *e)
{
	const struct name_item *item = m->name < n->n ? &n->item[m->name] : NULL;
	struct name_join *join;
	int rc;

	if (!item || !is_address(&m->at))
		return err_set(e, EBADMSG, "the resolver says what nobody asked for");
	if (list_has(n, item, &m->at) || was_found(n, item, &m->at) || n->full[item->fault])
		return 0;
	if (n->joined[item->fault] == GATE_JOINS || n->n_joins == n->joins_room) {
		n->full[item->fault] = true;
		return err_set(e, ENOSPC, "that makes more than %u new ones: no more of them do",
			       n->joined[item->fault]);
	}
	rc = judge(n, item, m, e);
	join = &n->join[n->n_joins];
	*join = (struct name_join){ m->name, m->at, rc < 0 ? NAME_SETTLED : NAME_WAITS };
	*ret = n->n_joins++;
	n->joined[item->fault] += rc >= 0;
	/* as when it is planned: no packet goes there */
	if (rc == -ENETUNREACH && m->at.family == 6)
		return 0;
	return rc < 0 ? rc : 1;
}
