/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_match.h"

#include <netinet/in.h>
#include <string.h>

#include "inject/change/nft_rules.h"

/* Type and code of ICMPv6 stand where other protocols have the source port: RFC 4443. Neighbour
 * discovery (RFC 4861: 133 to 137) reaches nobody behind a switch that has not heard of its groups:
 * MLD is part of it (RFC 2710: 130 to 132, RFC 3810: 143). */
#define ND_FIRST (130u << 8)
#define ND_LAST  (143u << 8 | 0xffu)

#define EXEMPT_ADDRESSES 16 /* of one local port: with more of them it passes as a whole */

static int put_prefixes(struct nft_gate_spec *g, const struct net_group *ep, uint32_t *ret_first,
			uint32_t *ret_n, struct err *e)
{
	*ret_n = ep->n_prefixes;
	*ret_first = ep->pooled;
	if (ep->pooled)
		return 0;
	if (g->n_prefixes + ep->n_prefixes > GATE_PREFIXES)
		return err_set(e, E2BIG, "more than %d addresses in one message", GATE_PREFIXES);
	*ret_first = g->n_prefixes;
	if (ep->n_prefixes)
		memcpy(&g->prefix[g->n_prefixes], ep->prefix,
		       ep->n_prefixes * sizeof(ep->prefix[0]));
	g->n_prefixes = (uint16_t)(g->n_prefixes + ep->n_prefixes);
	return 0;
}

/* Without a pool of the run its addresses stay as they are. */
static uint8_t grows(const struct net_group *ep, enum net_grows which)
{
	return ep->n_names && ep->pooled ? (uint8_t)which : 0;
}

static struct net_match *put_match(struct nft_gate_spec *g, struct err *e)
{
	if (g->n_matches == GATE_MATCHES) {
		err_set(e, E2BIG,
			"more than %d combinations of ports and protocols, with what is exempted, "
			"in one fault: aim at less, or at ranges",
			GATE_MATCHES);
		return NULL;
	}
	return &g->match[g->n_matches++];
}

/* Paths that share a hook ask for the same exemptions. */
static int put_exempt(struct nft_gate_spec *g, struct net_match m, struct err *e)
{
	struct net_match *put;

	for (unsigned i = 0; i < g->n_matches; i++) {
		if (memcmp(&g->match[i], &m, sizeof(m)) == 0)
			return 0;
	}
	put = put_match(g, e);
	if (!put)
		return -e->code;
	*put = m;
	return 0;
}

static int put_pair(struct nft_gate_spec *g, const struct net_group *dst,
		    const struct net_group *src, uint8_t hook, struct err *e)
{
	struct net_match *m = put_match(g, e);
	int rc;

	if (!m)
		return -e->code;
	*m = (struct net_match){ .dport_lo = dst->port_lo,
				 .dport_hi = dst->port_hi,
				 .sport_lo = src->port_lo,
				 .sport_hi = src->port_hi,
				 .hook = hook,
				 .grows = grows(dst, GROWS_DST) | grows(src, GROWS_SRC) };
	if (!net_group_proto(dst, src, &m->proto))
		return err_set(e, EINVAL, NET_TWO_PROTOS);
	if ((g->only.given & GATE_FLAGS) || g->action == GATE_RESET) { /* both exist for TCP only */
		if (m->proto && m->proto != IPPROTO_TCP)
			return err_set(e, EINVAL,
				       "a reset, flags and connections work for TCP only");
		m->proto = IPPROTO_TCP;
	}
	rc = put_prefixes(g, dst, &m->dst_first, &m->dst_n, e);
	return rc < 0 ? rc : put_prefixes(g, src, &m->src_first, &m->src_n, e);
}

static int put_hook(struct nft_gate_spec *g, const struct net_groups *dst,
		    const struct net_groups *src, uint8_t hook, struct err *e)
{
	for (unsigned i = 0; i < dst->n; i++) {
		for (unsigned k = 0; k < src->n; k++) {
			int rc = put_pair(g, &dst->at[i], &src->at[k], hook, e);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* Could a match catch packets of that protocol and destination port? Addresses are not looked at:
 * better one too many. */
static bool may_catch(const struct net_groups *to, const struct net_groups *from, uint8_t proto,
		      unsigned port)
{
	for (unsigned i = 0; i < to->n; i++) {
		for (unsigned k = 0; k < from->n; k++) {
			const struct net_group *t = &to->at[i], *f = &from->at[k];
			bool ports = t->port_hi || f->port_hi;
			uint8_t p = t->proto ? t->proto : f->proto;

			if (p == IPPROTO_ICMP && proto == IPPROTO_ICMPV6)
				p = proto; /* in IPv6 */
			if ((p && p != proto) || (ports && proto == IPPROTO_ICMPV6))
				continue;
			if (!t->port_hi || (t->port_lo <= port && port <= t->port_hi))
				return true;
		}
	}
	return false;
}

static int exempt_port(struct nft_gate_spec *g, uint8_t hook, uint8_t proto,
		       const uint16_t sport[2], const uint16_t dport[2], struct err *e)
{
	const struct net_match m = { .hook = hook,
				     .proto = proto,
				     .exempt = EXEMPT_SHIELD,
				     .sport_lo = sport[0],
				     .sport_hi = sport[1],
				     .dport_lo = dport[0],
				     .dport_hi = dport[1] };

	return put_exempt(g, m, e);
}

/* What a host needs to stay on its network at all: IPv6 neighbour discovery and MLD, DHCP (RFC
 * 2131), DHCPv6 (RFC 8415). */
static int exempt_basics(struct nft_gate_spec *g, const struct net_groups *to,
			 const struct net_groups *from, uint8_t hook, struct err *e)
{
	static const uint16_t any[2] = { 0, 0 }, nd[2] = { ND_FIRST, ND_LAST },
			      dhcp[2] = { 67, 68 }, dhcp6[2] = { 546, 547 };
	int rc = 0;

	if (may_catch(to, from, IPPROTO_ICMPV6, 0))
		rc = exempt_port(g, hook, IPPROTO_ICMPV6, nd, any, e);
	if (rc == 0 &&
	    (may_catch(to, from, IPPROTO_UDP, 67) || may_catch(to, from, IPPROTO_UDP, 68)))
		rc = exempt_port(g, hook, IPPROTO_UDP, dhcp, dhcp, e);
	if (rc == 0 &&
	    (may_catch(to, from, IPPROTO_UDP, 546) || may_catch(to, from, IPPROTO_UDP, 547)))
		rc = exempt_port(g, hook, IPPROTO_UDP, dhcp6, dhcp6, e);
	return rc;
}

static bool end_has(const struct net_group *ep, unsigned family, const uint8_t *addr, unsigned port)
{
	struct net_prefix p = { .family = (uint8_t)family, .len = family == 4 ? 32 : 128 };

	memcpy(p.addr, addr, family == 4 ? 4 : 16);
	if (port && ep->port_hi && (port < ep->port_lo || port > ep->port_hi))
		return false;
	for (unsigned i = 0; i < ep->n_prefixes; i++) {
		if (net_prefix_covers(&ep->prefix[i], &p))
			return true;
	}
	return !ep->n_prefixes;
}

static bool groups_have(const struct net_groups *g, unsigned family, const uint8_t *addr,
			unsigned port)
{
	for (unsigned i = 0; i < g->n; i++) {
		bool tcp = !g->at[i].proto || g->at[i].proto == IPPROTO_TCP;

		if (tcp && end_has(&g->at[i], family, addr, port))
			return true;
	}
	return false;
}

/* Sessions that share a local port, and whose addresses stand in the pool once: a reconnect from
 * one of them passes too. */
struct session_port {
	uint16_t port;
	uint32_t first, n; /* n == 0: from any address */
};

/* Packets of one path: where they stand, and which end of the selector is their destination there.
 */
struct path {
	const struct net_groups *dst, *src;
	uint8_t hook;
};

/* Both ends on this machine: packets of either direction pass the same hooks of the loopback
 * device. */
static bool both_ends_here(const struct shield_flow *f)
{
	static const uint8_t v6_loopback[16] = { [15] = 1 };

	return memcmp(f->local, f->remote, f->family == 4 ? 4 : 16) == 0 ||
	       (f->family == 4 ? f->remote[0] == 127 : memcmp(f->remote, v6_loopback, 16) == 0);
}

/* Could the fault catch the packets of a flow that travel in this direction? */
static bool path_has(const struct path *p, const struct shield_flow *f, bool out)
{
	const uint8_t *to = out ? f->remote : f->local, *from = out ? f->local : f->remote;
	unsigned to_port = out ? 0 : f->local_port, from_port = out ? f->local_port : 0;

	return groups_have(p->dst, f->family, to, to_port) &&
	       groups_have(p->src, f->family, from, from_port);
}

static bool goes_out(const struct path *p)
{
	return p->hook == GATE_EGRESS || p->hook == GATE_OUTPUT;
}

static bool path_hits(const struct path *p, const struct shield_flow *f)
{
	bool out = goes_out(p);

	return path_has(p, f, out) || (both_ends_here(f) && path_has(p, f, !out));
}

/* The exemptions of the sessions that a fault could hit: chosen once, written for each path. */
struct exemptions {
	const struct shield_flows *flows;
	const struct path *path;
	unsigned n_paths, n_ports, n_sessions;
	bool whole; /* ports only: the pool is needed for the addresses of the fault */
	struct session_port port[GATE_MATCHES];
};

static bool any_path_hits(const struct exemptions *x, const struct shield_flow *f)
{
	for (unsigned i = 0; i < x->n_paths; i++) {
		if (path_hits(&x->path[i], f))
			return true;
	}
	return false;
}

static bool is_pooled(const struct net_prefix *p, const struct net_prefix *at, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (memcmp(&at[i], p, sizeof(*p)) == 0)
			return true;
	}
	return false;
}

/* Everybody's address, once, also of who is connected to several of this host's. Where there is no
 * room for all of them the port is open to any. */
static void pool_addresses(struct nft_gate_spec *g, const struct exemptions *x,
			   struct session_port *s)
{
	unsigned n = 0, at = g->n_prefixes;

	s->first = g->n_prefixes;
	for (unsigned i = 0; i < x->flows->n; i++) {
		const struct shield_flow *f = &x->flows->at[i];
		struct net_prefix p = { .family = f->family, .len = f->family == 4 ? 32 : 128 };

		if (f->local_port != s->port || !any_path_hits(x, f))
			continue;
		memcpy(p.addr, f->remote, sizeof(f->remote));
		if (is_pooled(&p, &g->prefix[at], n))
			continue;
		if (x->whole || n == EXEMPT_ADDRESSES || at + n == GATE_PREFIXES)
			return;
		g->prefix[at + n++] = p;
	}
	s->n = n;
	g->n_prefixes = (uint16_t)(at + n);
}

static int exempt_port_of(struct nft_gate_spec *g, const struct session_port *s, uint8_t hook,
			  bool out, struct err *e)
{
	struct net_match m = { .hook = hook, .proto = IPPROTO_TCP, .exempt = EXEMPT_SHIELD };

	if (out) {
		m.dst_first = s->first;
		m.dst_n = s->n;
		m.sport_lo = m.sport_hi = s->port;
	} else {
		m.src_first = s->first;
		m.src_n = s->n;
		m.dport_lo = m.dport_hi = s->port;
	}
	return put_exempt(g, m, e);
}

/* The sessions of one port, in the hook of one path, if the fault could catch any of them there. */
static int exempt_sessions(struct nft_gate_spec *g, const struct path *p,
			   const struct shield_flows *flows, const struct session_port *s,
			   struct err *e)
{
	bool out = goes_out(p), there = false, back = false;
	int rc = 0;

	for (unsigned i = 0; i < flows->n; i++) {
		const struct shield_flow *f = &flows->at[i];

		if (f->local_port != s->port)
			continue;
		there |= path_has(p, f, out);
		back |= both_ends_here(f) && path_has(p, f, !out);
	}
	if (there)
		rc = exempt_port_of(g, s, p->hook, out, e);
	if (rc == 0 && back)
		rc = exempt_port_of(g, s, p->hook, !out, e);
	return rc;
}

static int too_many_ports(struct err *e)
{
	return err_set(e, EPERM,
		       "the sessions of the shield use too many different ports to exempt them all "
		       "from one fault: choose its packets more narrowly");
}

static int find_exemptions(struct nft_gate_spec *g, struct exemptions *x, struct err *e)
{
	for (unsigned i = 0; x->flows && i < x->flows->n; i++) {
		const struct shield_flow *f = &x->flows->at[i];
		unsigned k = 0;

		if (!any_path_hits(x, f))
			continue;
		x->n_sessions++;
		while (k < x->n_ports && x->port[k].port != f->local_port)
			k++;
		if (k < x->n_ports)
			continue;
		if (k == GATE_MATCHES)
			return too_many_ports(e);
		x->port[x->n_ports++] = (struct session_port){ .port = f->local_port };
		pool_addresses(g, x, &x->port[k]);
	}
	return 0;
}

static int exempt_flows(struct nft_gate_spec *g, const struct path *p, const struct exemptions *x,
			struct err *e)
{
	for (unsigned i = 0; i < x->n_ports; i++) {
		struct err full = { 0 };

		if (exempt_sessions(g, p, x->flows, &x->port[i], &full) < 0)
			return too_many_ports(e);
	}
	return 0;
}

/* What `not` names, at either end of a packet: its addresses stand in the pool once. */
struct excluded {
	const struct net_groups * not ;
	uint32_t first[NET_GROUPS], n[NET_GROUPS];
};

static int pool_excluded(struct nft_gate_spec *g, struct excluded *x, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; x->not &&i < x->not ->n && rc == 0; i++)
		rc = put_prefixes(g, &x->not ->at[i], &x->first[i], &x->n[i], e);
	return rc;
}

static int exempt_excluded(struct nft_gate_spec *g, const struct excluded *x, uint8_t hook,
			   struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; x->not &&i < x->not ->n && rc == 0; i++) {
		const struct net_group *ep = &x->not ->at[i];

		rc = put_exempt(g,
				(struct net_match){ .hook = hook,
						    .proto = ep->proto,
						    .exempt = EXEMPT_CHOSEN,
						    .grows = grows(ep, GROWS_DST),
						    .dst_first = x->first[i],
						    .dst_n = x->n[i],
						    .dport_lo = ep->port_lo,
						    .dport_hi = ep->port_hi },
				e);
		if (rc == 0)
			rc = put_exempt(g,
					(struct net_match){ .hook = hook,
							    .proto = ep->proto,
							    .exempt = EXEMPT_CHOSEN,
							    .grows = grows(ep, GROWS_SRC),
							    .src_first = x->first[i],
							    .src_n = x->n[i],
							    .sport_lo = ep->port_lo,
							    .sport_hi = ep->port_hi },
					e);
	}
	return rc;
}

#define PATHS_MAX 4

/* What comes back has the ends the other way round. */
static unsigned find_paths(const struct nft_gate_spec *g, const struct net_select *sel,
			   struct path ret[PATHS_MAX])
{
	/* the other hooks know whose socket it is */
	bool netdev =
		(g->action == GATE_FWD || g->action == GATE_DROP || g->action == GATE_ANSWER) &&
		!(g->only.given & GATE_CGROUP);
	uint8_t out = netdev ? GATE_EGRESS : GATE_OUTPUT;
	uint8_t in = g->action == GATE_QUEUE ? GATE_PREROUTING : netdev ? GATE_INGRESS : GATE_INPUT;
	const struct net_groups *to = sel->to, *from = sel->from;
	unsigned n = 0;

	ret[n++] = (struct path){ to, from, sel->dir == NET_IN ? in : out };
	if (sel->between)
		ret[n++] = (struct path){ to, from, sel->dir == NET_IN ? out : in };
	if (sel->dir == NET_BOTH)
		ret[n++] = (struct path){ from, to, in };
	if (sel->dir == NET_BOTH && sel->between)
		ret[n++] = (struct path){ from, to, out };
	return n;
}

/* All exemptions, then all that acts: paths may share a hook. */
static int write_matches(struct nft_gate_spec *g, const struct net_select *sel,
			 struct exemptions *x, struct err *e)
{
	struct path path[PATHS_MAX];
	struct excluded excluded = { .not = sel->not };
	int rc;

	g->n_matches = g->n_prefixes = 0;
	x->n_paths = find_paths(g, sel, path);
	x->path = path;
	rc = pool_excluded(g, &excluded, e);
	if (rc == 0)
		rc = find_exemptions(g, x, e);
	for (unsigned i = 0; i < x->n_paths && rc == 0; i++) {
		rc = exempt_excluded(g, &excluded, path[i].hook, e);
		if (rc == 0)
			rc = exempt_basics(g, path[i].dst, path[i].src, path[i].hook, e);
		if (rc == 0)
			rc = exempt_flows(g, &path[i], x, e);
	}
	for (unsigned i = 0; i < x->n_paths && rc == 0; i++)
		rc = put_hook(g, path[i].dst, path[i].src, path[i].hook, e);
	x->path = NULL;
	return rc;
}

int net_matches(struct nft_gate_spec *g, const struct net_select *sel, unsigned *ret_exempted,
		struct err *e)
{
	struct exemptions x = { .flows = sel->flows };
	int rc = write_matches(g, sel, &x, e);

	if (rc == -E2BIG && x.n_ports) {
		x = (struct exemptions){ .flows = sel->flows, .whole = true };
		*e = (struct err){ 0 };
		rc = write_matches(g, sel, &x, e);
	}
	*ret_exempted = x.n_sessions;
	if (rc == -E2BIG && x.n_ports) {
		struct exemptions nobody = { 0 };
		struct err ignored;

		if (write_matches(g, sel, &nobody, &ignored) == 0)
			rc = too_many_ports(e);
	}
	return rc;
}
