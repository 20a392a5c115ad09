/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firing and quieting armed changes, by the very calls that a holder makes, beside one process of
 * nft or tc that does as much. Where the kernel has no netem, the gate of a net.delay leads to a
 * veth and tc adds a tbf.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "inject/change/change.h"
#include "inject/change/kinds.h"
#include "inject/change/netns.h"
#include "tests/bench/bench.h"

#define PORT 7001

static struct change_spec gate_spec, side_spec;

static void must(int rc, const struct err *e)
{
	char text[ERR_DEPTH * ERR_LINE];

	if (rc < 0)
		bench_die("%s", err_format(e, text, sizeof(text)));
}

static struct change gate_of(const char *table, uint8_t action, uint8_t hook)
{
	struct nft_gate_spec *s = &gate_spec.u.gate;
	struct err e = { 0 };

	memset(&gate_spec, 0, sizeof(gate_spec));
	gate_spec.kind = CHANGE_NFT_GATE;
	gate_spec.lease_ms = 3000;
	must(netns_identify("", &s->netns, &e), &e);
	snprintf(s->table, sizeof(s->table), "%s", table);
	s->action = action;
	s->share_ppm = 1000000;
	s->n_matches = 1;
	s->match[0] = (struct net_match){
		.dport_lo = PORT, .dport_hi = PORT, .proto = IPPROTO_UDP, .hook = hook
	};
	if (action == GATE_FWD) {
		snprintf(s->dev, sizeof(s->dev), "b0");
		snprintf(s->fwd_dev, sizeof(s->fwd_dev), "bifb");
	}
	return (struct change){ .ops = &nft_gate_ops, .spec = &gate_spec };
}

struct pair {
	const char *fault, *peer_name;
	const char *const *add, *const *del; /* the other program's commands */
	double aim;
	unsigned order;
};

static int64_t timed(int (*op)(struct change *c, struct err *e), struct change *c)
{
	struct err e = { 0 };
	int64_t began = clock_mono_ns(), took;
	int rc = op(c, &e);

	took = clock_mono_ns() - began;
	must(rc, &e);
	return took;
}

static void say(const struct pair *p, bool fire, struct series *peer, struct series *ours)
{
	char what[80], aim[32];
	struct row r = { .order = p->order + !fire,
			 .what = what,
			 .peer_name = p->peer_name,
			 .peer = peer,
			 .ours = ours,
			 .aim = aim };

	snprintf(what, sizeof(what), "%s, armed: %s", p->fault, fire ? "fire" : "quiet");
	snprintf(aim, sizeof(aim), "%.0fx faster", p->aim);
	r.ratio = (double)series_quantile(peer, 0.5) / (double)series_quantile(ours, 0.5);
	r.met = r.ratio >= p->aim;
	row_print(&r);
}

static void measure(const struct pair *p, struct change *c)
{
	unsigned n = bench_count("BENCH_GATES", getenv("BRINK_VM") ? 60 : 300);
	AUTO(series_done) struct series add = { 0 };
	AUTO(series_done) struct series del = { 0 };
	AUTO(series_done) struct series fire = { 0 };
	AUTO(series_done) struct series quiet = { 0 };

	timed(c->ops->arm, c);
	for (unsigned i = 0; i < n; i++) {
		series_add(&add, bench_spawn(p->add));
		series_add(&fire, timed(c->ops->fire, c));
		series_add(&del, bench_spawn(p->del));
		series_add(&quiet, timed(c->ops->quiet, c));
	}
	say(p, true, &add, &fire);
	say(p, false, &del, &quiet);
}

static void drop(void)
{
	static const char *const add[] = { "nft",  "add", "element",  "inet",
					   "peer", "s",   "{ 7001 }", NULL };
	static const char *const del[] = { "nft",  "delete", "element",  "inet",
					   "peer", "s",      "{ 7001 }", NULL };
	const struct pair p = { "net.drop", "nft element", add, del, 200, 20 };
	struct change c = gate_of("brink_bench_1", GATE_DROP, GATE_INPUT);

	bench_shell("nft 'table inet peer { set s { type inet_service; }; "
		    "chain c { type filter hook input priority 0; udp dport @s drop; }; }'");
	measure(&p, &c);
}

/* Returns whether this kernel has netem; then the gate leads to it. */
static bool make_side(void)
{
	struct netem_side_spec *s = &side_spec.u.netem;
	struct change c = { .ops = &netem_side_ops, .spec = &side_spec };
	struct err e = { 0 };

	side_spec.kind = CHANGE_NETEM_SIDE;
	must(netns_identify("", &s->netns, &e), &e);
	snprintf(s->ifb, sizeof(s->ifb), "bifb");
	snprintf(s->dev, sizeof(s->dev), "b0");
	s->delay_ns = 100 * NS_PER_MS;
	s->limit = 10000;
	return c.ops->arm(&c, &e) == 0;
}

static void delay(void)
{
	static const char *const netem[] = { "tc",   "qdisc", "add",   "dev",   "b2",
					     "root", "netem", "delay", "100ms", NULL };
	static const char *const tbf[] = { "tc",   "qdisc",   "add",   "dev",   "b2",
					   "root", "tbf",     "rate",  "1mbit", "burst",
					   "32k",  "latency", "100ms", NULL };
	static const char *const del[] = { "tc", "qdisc", "del", "dev", "b2", "root", NULL };
	struct pair p = { "net.delay", "tc netem", netem, del, 100, 30 };
	struct change c;

	bench_shell(
		"ip link add b0 type veth peer name b1 && ip link set b0 up && ip link set b1 up && "
		"ip link add b2 type veth peer name b3 && ip link set b2 up && ip link set b3 up");
	if (!make_side()) {
		p = (struct pair){
			"net.delay's gate (no netem here)", "tc tbf", tbf, del, 100, 30
		};
		bench_shell(
			"ip link show bifb >/dev/null 2>&1 || ip link add bifb type veth peer name bifb2; "
			"ip link set bifb up");
	}
	c = gate_of("brink_bench_2", GATE_FWD, GATE_EGRESS);
	measure(&p, &c);
}

int main(void)
{
	bench_world();
	drop();
	delay();
	return 0;
}
