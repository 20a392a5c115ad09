/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/tc_msg.h"

#include <limits.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inject/change/netem_spec.h"

#define DIST_POINTS 4096u
#define DIST_SCALE  8192.0

static void copy_string(char *to, size_t size, const struct nlattr *a)
{
	to[0] = '\0';
	if (a)
		snprintf(to, size, "%.*s", (int)nlattr_len(a), (const char *)nlattr_data(a));
}

static int read_link(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct ifinfomsg *i = NLMSG_DATA(h);
	const struct nlattr *info = nlattr_of(h, sizeof(*i), IFLA_LINKINFO);
	const struct nlattr *mtu = nlattr_of(h, sizeof(*i), IFLA_MTU);
	const struct nlattr *mac = nlattr_of(h, sizeof(*i), IFLA_ADDRESS);
	struct link_info *ret = arg;

	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*i)))
		return err_set(e, EBADMSG, "a broken answer about a device");
	*ret = (struct link_info){ .ifindex = i->ifi_index, .up = i->ifi_flags & IFF_UP };
	copy_string(ret->name, sizeof(ret->name), nlattr_of(h, sizeof(*i), IFLA_IFNAME));
	if (info)
		copy_string(ret->kind, sizeof(ret->kind),
			    nlattr_find(nlattr_data(info), nlattr_len(info), IFLA_INFO_KIND));
	if (mac && nlattr_len(mac) == sizeof(ret->mac))
		memcpy(ret->mac, nlattr_data(mac), sizeof(ret->mac));
	if (mtu && nlattr_len(mtu) == sizeof(ret->mtu))
		memcpy(&ret->mtu, nlattr_data(mtu), sizeof(ret->mtu));
	return 0;
}

int link_find(struct nlsock *s, const char *name, struct link_info *ret, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { 0 };
	struct link_info found = { 0 };
	int rc;

	nlbuf_msg(&b, RTM_GETLINK, NLM_F_ACK, &i, sizeof(i), "cannot read the device");
	nlbuf_str(&b, IFLA_IFNAME, name);
	rc = nlsock_ask(s, &b, read_link, NULL, &found, e);
	if (rc < 0)
		return err_ctx(e, "'%s'", name);
	if (!found.ifindex)
		return err_set(e, EBADMSG, "no answer about the device '%s'", name);
	*ret = found;
	return 0;
}

int link_named(struct nlsock *s, const char *name, struct link_info *ret, struct err *e)
{
	struct link_info found = { 0 };
	int rc = link_find(s, name, &found, e);

	if (rc == 0 && strcmp(found.name, name) != 0)
		return err_set(e, ENODEV, "there is no device '%s': '%s' has that as another name",
			       name, found.name);
	if (rc == 0)
		*ret = found;
	return rc;
}

struct ifb_search {
	uint8_t mac[6];
	const char *not_named;
	struct link_info found;
};

static int is_that_ifb(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct ifb_search *x = arg;
	struct link_info l;
	int rc = read_link(h, &l, e);

	if (rc == 0 && strcmp(l.kind, "ifb") == 0 && memcmp(l.mac, x->mac, sizeof(l.mac)) == 0 &&
	    strncmp(l.name, x->not_named, strlen(x->not_named)) != 0)
		x->found = l;
	return rc;
}

int link_find_ifb(struct nlsock *s, const uint8_t mac[6], const char *not_named,
		  struct link_info *ret, struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { 0 };
	struct ifb_search x = { .not_named = not_named };
	int rc;

	memcpy(x.mac, mac, sizeof(x.mac));
	nlbuf_msg(&b, RTM_GETLINK, NLM_F_DUMP, &i, sizeof(i), "cannot list the devices");
	rc = nlsock_ask(s, &b, is_that_ifb, NULL, &x, e);
	if (rc == 0 && !x.found.ifindex)
		return err_set(e, ENODEV, "there is no ifb with that address");
	if (rc == 0)
		*ret = x.found;
	return rc;
}

int link_add_ifb(struct nlsock *s, const char *name, const uint8_t mac[6], struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	size_t info;

	nlbuf_msg(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &i, sizeof(i),
		  "cannot create an ifb device");
	nlbuf_str(&b, IFLA_IFNAME, name);
	nlbuf_attr(&b, IFLA_ADDRESS, mac, 6);
	info = nlbuf_nest(&b, IFLA_LINKINFO);
	nlbuf_str(&b, IFLA_INFO_KIND, "ifb");
	nlbuf_end(&b, info);
	return nlsock_talk(s, &b, e);
}

int link_del(struct nlsock *s, int ifindex, struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { .ifi_index = ifindex };

	nlbuf_msg(&b, RTM_DELLINK, NLM_F_ACK, &i, sizeof(i), "cannot delete the device");
	return nlsock_talk(s, &b, e);
}

void link_add_name(struct text *t, const char *name, int ifindex)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-";

	/* The kernel allows all but '/', ':' and space (dev_valid_name() in net/core/dev.c), and
	 * whoever is root in a container may give such a name. ip(8) takes a number too:
	 * ll_idx_a2n() in iproute2's ll_map.c. */
	if (name[0] == '-' || name[strspn(name, plain)])
		text_add(t, "if%d", ifindex);
	else
		text_add(t, "%s", name);
}

/*
 * Quantiles of the standard normal distribution at (i + 0.5) / n, by adding up the density in small
 * steps. The ratio of two neighbouring densities is itself a geometric series, so no exp() is
 * needed: libm would cost the keeper, whose memory is locked, more than all of its own.
 */
static void normal_quantiles(double *ret, unsigned n)
{
	const double h = 0.0005, start = -5, density_at_start = 1.4867195147342977e-06;
	const double y = -start * h - h * h / 2;
	double ratio = 1 + y + y * y / 2 + y * y * y / 6;    /* exp(y), y is tiny */
	const double shrink = 1 - h * h + h * h * h * h / 2; /* exp(-h^2) */
	double density = density_at_start, sum = 2.866515718791939e-07 /* below start */, x = start;
	unsigned i = 0;

	while (i < n) {
		double next = density * ratio;

		sum += (density + next) / 2 * h;
		x += h;
		while (i < n && sum >= (i + 0.5) / n)
			ret[i++] = x;
		if (x > -start)
			sum = 1;
		density = next;
		ratio *= shrink;
	}
}

static double cube_root(double v)
{
	double r = v;

	for (int i = 0; i < 100; i++) /* Newton; v is between 1 and 10,000 here */
		r -= (r * r * r - v) / (3 * r * r);
	return r;
}

/* Pareto with shape 3, moved to mean 0 and scaled to standard deviation 1. */
static double pareto_quantile(double p)
{
	const double mean = 1.5, deviation = 0.8660254037844386; /* sqrt(3) / 2 */

	return (cube_root(1 / (1 - p)) - mean) / deviation;
}

static int16_t scaled(double v)
{
	v = v * DIST_SCALE + (v < 0 ? -0.5 : 0.5);
	v = v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v;
	return (int16_t)v;
}

int netem_table(enum netem_dist dist, int16_t *ret, unsigned n)
{
	AUTO(auto_free) double *normal = calloc(n, sizeof(*normal));

	if (!normal)
		return -ENOMEM;
	normal_quantiles(normal, n);
	for (unsigned i = 0; i < n; i++) {
		double v = normal[i], heavy = pareto_quantile((i + 0.5) / n);

		if (dist == DIST_PARETO)
			v = heavy;
		else if (dist == DIST_PARETONORMAL) /* tc-netem(8): a quarter normal, three quarters
						       pareto */
			v = 0.25 * v + 0.75 * heavy;
		ret[i] = scaled(v);
	}
	return 0;
}

static int add_table(struct nlbuf *b, uint16_t type, uint32_t dist, struct err *e)
{
	int16_t table[DIST_POINTS];

	if (dist == DIST_UNIFORM) /* netem's own, without a table */
		return 0;
	if (netem_table((enum netem_dist)dist, table, DIST_POINTS) < 0)
		return err_set(e, ENOMEM, "no memory for a netem table");
	nlbuf_attr(b, type, table, sizeof(table));
	return 0;
}

static void add_corr(struct nlbuf *b, const struct netem_side_spec *s)
{
	const struct tc_netem_corr corr = { .delay_corr = netem_share(s->delay_corr_ppm),
					    .loss_corr = netem_share(s->loss_corr_ppm),
					    .dup_corr = netem_share(s->duplicate_corr_ppm) };

	if (corr.delay_corr || corr.loss_corr || corr.dup_corr)
		nlbuf_attr(b, TCA_NETEM_CORR, &corr, sizeof(corr));
}

/* tc-netem(8) takes 1-h; the kernel h, the share of the bad state that survives: loss_gilb_ell().
 */
static void add_loss_model(struct nlbuf *b, const struct netem_side_spec *s)
{
	const struct tc_netem_gemodel ge = { .p = netem_share(s->good_to_bad_ppm),
					     .r = netem_share(s->bad_to_good_ppm),
					     .h = netem_share(1000000 - s->loss_in_bad_ppm),
					     .k1 = netem_share(s->loss_in_good_ppm) };
	const struct tc_netem_gimodel gi = { .p13 = netem_share(s->p13_ppm),
					     .p31 = netem_share(s->p31_ppm),
					     .p32 = netem_share(s->p32_ppm),
					     .p14 = netem_share(s->p14_ppm),
					     .p23 = netem_share(s->p23_ppm) };
	size_t nest;

	if (s->loss_model == LOSS_RANDOM)
		return;
	nest = nlbuf_nest(b, TCA_NETEM_LOSS);
	if (s->loss_model == LOSS_GILBERT_ELLIOTT)
		nlbuf_attr(b, NETEM_LOSS_GE, &ge, sizeof(ge));
	else
		nlbuf_attr(b, NETEM_LOSS_GI, &gi, sizeof(gi));
	nlbuf_end(b, nest);
}

/* The older attribute has 32 bits for the rate; where they do not do, netem takes the larger one.
 */
static void add_rate(struct nlbuf *b, const struct netem_side_spec *s)
{
	const struct tc_netem_rate rate = {
		.rate = s->rate > UINT32_MAX ? UINT32_MAX : (uint32_t)s->rate,
		.packet_overhead = (int32_t)s->packet_overhead,
		.cell_size = (uint32_t)s->cell_size,
		.cell_overhead = (int32_t)s->cell_overhead,
	};

	if (!s->rate)
		return;
	if (s->rate > UINT32_MAX)
		nlbuf_attr(b, TCA_NETEM_RATE64, &s->rate, sizeof(s->rate));
	nlbuf_attr(b, TCA_NETEM_RATE, &rate, sizeof(rate));
}

/* With a distribution netem uses its table and the middle; without one the two ends. */
static int add_slot(struct nlbuf *b, const struct netem_side_spec *s, struct err *e)
{
	struct tc_netem_slot slot = { .min_delay = s->slot_min_ns,
				      .max_delay = s->slot_max_ns,
				      .max_packets = (int32_t)s->slot_packets,
				      .max_bytes = (int32_t)s->slot_bytes };

	if (!s->slot_max_ns)
		return 0;
	if (s->slot_dist != DIST_UNIFORM) {
		slot.dist_delay = (s->slot_min_ns + s->slot_max_ns) / 2;
		slot.dist_jitter = (s->slot_max_ns - s->slot_min_ns) / 2;
	}
	nlbuf_attr(b, TCA_NETEM_SLOT, &slot, sizeof(slot));
	return add_table(b, TCA_NETEM_SLOT_DIST, s->slot_dist, e);
}

static int add_netem(struct nlbuf *b, const struct netem_side_spec *s, struct err *e)
{
	const struct tc_netem_qopt q = { .limit = s->limit,
					 .loss = netem_share(s->loss_ppm),
					 .duplicate = netem_share(s->duplicate_ppm),
					 .gap = s->reorder_ppm ? (uint32_t)s->reorder_gap : 0 };
	const struct tc_netem_reorder reorder = { netem_share(s->reorder_ppm),
						  netem_share(s->reorder_corr_ppm) };
	const struct tc_netem_corrupt corrupt = { netem_share(s->corrupt_ppm),
						  netem_share(s->corrupt_corr_ppm) };
	int rc;

	nlbuf_raw(b, &q, sizeof(q));
	nlbuf_attr(b, TCA_NETEM_LATENCY64, &s->delay_ns, sizeof(s->delay_ns));
	nlbuf_attr(b, TCA_NETEM_JITTER64, &s->jitter_ns, sizeof(s->jitter_ns));
	add_corr(b, s);
	add_loss_model(b, s);
	if (s->reorder_ppm)
		nlbuf_attr(b, TCA_NETEM_REORDER, &reorder, sizeof(reorder));
	if (s->corrupt_ppm)
		nlbuf_attr(b, TCA_NETEM_CORRUPT, &corrupt, sizeof(corrupt));
	add_rate(b, s);
	rc = add_table(b, TCA_NETEM_DELAY_DIST, s->dist, e);
	return rc < 0 ? rc : add_slot(b, s, e);
}

int netem_set(struct nlsock *s, int ifindex, const struct netem_side_spec *spec, struct err *e)
{
	_Alignas(16) char bytes[(size_t)2 * DIST_POINTS * sizeof(int16_t) + 1024];
	struct tcmsg t = { .tcm_ifindex = ifindex,
			   .tcm_parent = TC_H_ROOT,
			   .tcm_handle = NETEM_HANDLE };
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	size_t options;
	int rc;

	nlbuf_msg(&b, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &t, sizeof(t),
		  "cannot add netem");
	nlbuf_str(&b, TCA_KIND, "netem");
	/* the struct, then attributes, inside one TCA_OPTIONS */
	options = nlbuf_nest(&b, TCA_OPTIONS);
	rc = add_netem(&b, spec, e);
	if (rc < 0)
		return rc;
	nlbuf_end(&b, options);
	return nlsock_talk(s, &b, e);
}

struct root_search {
	int ifindex;
	bool found;
	struct qdisc_info q;
};

static int read_qdisc(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct tcmsg *t = NLMSG_DATA(h);
	struct root_search *r = arg;
	const struct nlattr *stats;
	struct tc_stats old;

	(void)e;
	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*t)) || t->tcm_ifindex != r->ifindex ||
	    t->tcm_parent != TC_H_ROOT)
		return 0;
	r->found = true;
	r->q.handle = t->tcm_handle;
	copy_string(r->q.kind, sizeof(r->q.kind), nlattr_of(h, sizeof(*t), TCA_KIND));
	stats = nlattr_of(h, sizeof(*t), TCA_STATS);
	if (stats && nlattr_len(stats) >= sizeof(old)) {
		memcpy(&old, nlattr_data(stats), sizeof(old));
		r->q.qlen = old.qlen;
		r->q.drops = old.drops;
	}
	return 0;
}

static void restart_search(void *arg)
{
	((struct root_search *)arg)->found = false;
}

int qdisc_root(struct nlsock *s, int ifindex, struct qdisc_info *ret, struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct tcmsg t = { .tcm_ifindex = ifindex };
	struct root_search r = { .ifindex = ifindex };
	int rc;

	nlbuf_msg(&b, RTM_GETQDISC, NLM_F_DUMP, &t, sizeof(t), "cannot read the qdiscs");
	rc = nlsock_ask(s, &b, read_qdisc, restart_search, &r, e);
	if (rc < 0)
		return rc;
	if (!r.found)
		return err_set(e, ENOENT, "device %d has no root qdisc", ifindex);
	*ret = r.q;
	return 0;
}
