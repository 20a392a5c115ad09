/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/change.h"

#include <netinet/in.h>
#include <string.h>

#include "inject/change/kinds.h"
#include "inject/change/netem_spec.h"
#include "inject/change/netns.h"
#include "inject/change/nft_dns.h"
#include "inject/change/port.h"
#include "inject/change/proc_state.h"
#include "inject/change/shaper.h"

#define LEASE_MIN_MS 200
#define LEASE_MAX_MS 60000
#define PPM          1000000u

static const struct change_ops *const kinds[CHANGE_KIND_COUNT] = {
	[CHANGE_NETEM_SIDE] = &netem_side_ops,
	[CHANGE_NFT_GATE] = &nft_gate_ops,
	[CHANGE_FILL] = &fill_ops,
	[CHANGE_PAUSE] = &pause_ops,
	[CHANGE_FREEZE] = &freeze_ops,
	[CHANGE_STOP] = &stop_ops,
	[CHANGE_SIGNAL] = &signal_ops,
	[CHANGE_SOCK_RESET] = &sock_reset_ops,
	[CHANGE_PORT] = &port_ops,
	[CHANGE_LINK] = &link_ops,
	[CHANGE_QUEUE] = &queue_ops,
};

const struct change_ops *change_ops_of(unsigned kind)
{
	return kind < CHANGE_KIND_COUNT ? kinds[kind] : NULL;
}

static void add_word(struct text *t, const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789/_.:@%+=,-";

	if (word[strspn(word, plain)])
		shell_quote(t, word);
	else
		text_add(t, "%s", word);
}

/* The words that make a command act in that namespace stand before it. */
static void add_inside(struct text *t, const char *path, const char *command)
{
	static const char named[] = "/run/netns/";

	if (strncmp(path, named, sizeof(named) - 1) == 0) {
		text_add(t, "ip netns exec ");
		add_word(t, path + sizeof(named) - 1);
		text_add(t, " ");
	} else if (path[0]) {
		text_add(t, "nsenter --net=");
		add_word(t, path);
		text_add(t, " -- ");
	}
	text_add(t, "%s", command);
}

int change_by_hand(const struct undo *u, struct text *ret, struct err *e)
{
	const struct change_ops *ops = change_ops_of(u->kind);
	char now[sizeof(u->by_hand)] = "", path[sizeof(u->netns.path)] = "";
	struct text t = text_on(now, sizeof(now)), where = text_on(path, sizeof(path));
	int rc = ops && ops->by_hand ? ops->by_hand(u, &t, e) : -EOPNOTSUPP;
	const char *command = rc == 0 ? now : u->by_hand;

	if (rc == -ENOENT)
		return rc;
	rc = u->netns.cookie ? netns_where(&u->netns, &where, e) : 0;
	if (command[0] && rc == 0)
		add_inside(ret, path, command);
	return rc;
}

int64_t change_drain_ns(const struct change_spec *s)
{
	switch (s->kind) {
	case CHANGE_NETEM_SIDE:
		return netem_spec_drain_ns(&s->u.netem);
	case CHANGE_QUEUE:
		return netem_spec_drain_ns(&s->u.queue.how);
	default:
		return 0;
	}
}

int64_t change_land_ns(const struct change_spec *s)
{
	return s->kind == CHANGE_SIGNAL && !s->u.signal.every_ns ? s->u.signal.grace_ns : 0;
}

const struct netns_ref *change_netns(const struct change_spec *s)
{
	switch (s->kind) {
	case CHANGE_NETEM_SIDE:
		return &s->u.netem.netns;
	case CHANGE_NFT_GATE:
		return &s->u.gate.netns;
	case CHANGE_SOCK_RESET:
		return &s->u.reset.select.netns;
	case CHANGE_PORT:
		return &s->u.port.netns;
	case CHANGE_LINK:
		return &s->u.link.netns;
	case CHANGE_QUEUE:
		return &s->u.queue.how.netns;
	default:
		return NULL;
	}
}

const struct change_proc *change_proc_of(const struct undo *u)
{
	return u->kind == CHANGE_PAUSE || u->kind == CHANGE_STOP ? &u->u.pause.proc : NULL;
}

const char *change_class_name(enum change_class c)
{
	static const char *const names[] = { [CLASS_SELF_ENDING] = "self-ending",
					     [CLASS_GUARDED] = "guarded",
					     [CLASS_PERSISTENT] = "persistent",
					     [CLASS_ONE_SHOT] = "one-shot" };

	return names[c];
}

static bool terminated(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static bool netns_ok(const struct netns_ref *n)
{
	return terminated(n->path, sizeof(n->path)) && n->cookie;
}

static bool own_name(const char *s, size_t size)
{
	return terminated(s, size) && strncmp(s, "brink", 5) == 0;
}

bool net_prefix_ok(const struct net_prefix *p)
{
	return (p->family == 4 && p->len <= 32) || (p->family == 6 && p->len <= 128);
}

static bool list_ok(const struct nft_gate_spec *s, uint32_t pooled, uint64_t first, uint64_t n)
{
	return first + n <= s->n_prefixes ||
	       (first >= GATE_PREFIXES && first - GATE_PREFIXES + n <= pooled);
}

static bool may_grow(uint32_t first, uint32_t n)
{
	return n && first >= GATE_PREFIXES;
}

static bool grows_ok(const struct net_match *m)
{
	return m->grows <= (GROWS_DST | GROWS_SRC) &&
	       (!(m->grows & GROWS_DST) || may_grow(m->dst_first, m->dst_n)) &&
	       (!(m->grows & GROWS_SRC) || may_grow(m->src_first, m->src_n));
}

static bool match_ok(const struct nft_gate_spec *s, uint32_t pooled, const struct net_match *m)
{
	bool netdev = m->hook == GATE_EGRESS || m->hook == GATE_INGRESS;
	bool inet = m->hook == GATE_OUTPUT || m->hook == GATE_INPUT || m->hook == GATE_PREROUTING;
	bool first_netdev = s->match[0].hook == GATE_EGRESS || s->match[0].hook == GATE_INGRESS;

	return (netdev || inet) && netdev == first_netdev &&
	       list_ok(s, pooled, m->dst_first, m->dst_n) &&
	       list_ok(s, pooled, m->src_first, m->src_n) && m->dport_lo <= m->dport_hi &&
	       m->sport_lo <= m->sport_hi && m->exempt <= EXEMPT_CHOSEN && grows_ok(m);
}

static bool conditions_ok(const struct gate_conditions *c)
{
	return !(c->given & ~(uint32_t)GATE_CONDITIONS) && !(c->mark & ~c->mark_mask) &&
	       c->dscp < 64 && !(c->tcp_flags & ~c->tcp_mask) && c->length_lo <= c->length_hi;
}

/* Whose packets. */
static bool select_ok(const struct nft_gate_spec *s, uint32_t pooled)
{
	if (!netns_ok(&s->netns) || !terminated(s->dev, sizeof(s->dev)) || s->n_matches == 0 ||
	    s->n_matches > GATE_MATCHES || s->n_prefixes > GATE_PREFIXES)
		return false;
	for (unsigned i = 0; i < s->n_prefixes; i++) {
		if (!net_prefix_ok(&s->prefix[i]))
			return false;
	}
	for (unsigned i = 0; i < s->n_matches; i++) {
		if (!match_ok(s, pooled, &s->match[i]))
			return false;
	}
	return true;
}

/* Flows are learnt by their tag in the egress hook. */
static bool learn_ok(const struct nft_gate_spec *s)
{
	return s->learn == LEARN_NOTHING ||
	       (s->learn <= LEARN_ONLY && s->action == GATE_FWD && s->tag && !s->every &&
		s->share_ppm == PPM && (s->match[0].hook & (GATE_EGRESS | GATE_INGRESS)));
}

/* Only there packets are held that are charged to no socket. */
static bool hooks_fit(const struct nft_gate_spec *s)
{
	for (unsigned i = 0; i < s->n_matches; i++) {
		if ((s->match[i].hook == GATE_PREROUTING) != (s->action == GATE_QUEUE))
			return false;
	}
	return (s->queue != 0) == (s->action == GATE_QUEUE);
}

static bool gate_ok(const struct nft_gate_spec *s, uint32_t pooled)
{
	if (!select_ok(s, pooled) || !own_name(s->table, sizeof(s->table)) ||
	    !terminated(s->fwd_dev, sizeof(s->fwd_dev)) || !hooks_fit(s) ||
	    s->action > GATE_QUEUE || (s->tag & ~GATE_TAG_MASK) ||
	    (s->action == GATE_TAG) != (s->tag && (s->only.given & GATE_CGROUP)) ||
	    s->share_ppm > PPM || s->of_flows > FLOWS_BACK || !learn_ok(s) ||
	    (s->every && s->share_ppm != PPM) || !conditions_ok(&s->only) || !dns_gate_ok(s))
		return false;
	return s->action != GATE_FWD || own_name(s->fwd_dev, sizeof(s->fwd_dev));
}

/* Sockets have no device's hooks. */
static bool reset_ok(const struct sock_reset_spec *s, uint32_t pooled)
{
	return select_ok(&s->select, pooled) && s->every_ns >= 0 &&
	       (s->select.match[0].hook == GATE_OUTPUT || s->select.match[0].hook == GATE_INPUT);
}

static bool impairment_ok(const struct netem_side_spec *s)
{
	struct err ignored;

	return netns_ok(&s->netns) && terminated(s->dev, sizeof(s->dev)) && s->limit > 0 &&
	       s->limit <= NETEM_QUEUE_MAX && netem_spec_check(s, &ignored) == 0;
}

static bool netem_ok(const struct netem_side_spec *s)
{
	return impairment_ok(s) && own_name(s->ifb, sizeof(s->ifb));
}

static bool queue_number_ok(uint32_t number)
{
	return number > 0 && number <= UINT16_MAX;
}

static bool queue_ok(const struct queue_spec *s)
{
	struct err ignored;

	return impairment_ok(&s->how) && shaper_check(&s->how, &ignored) == 0 &&
	       queue_number_ok(s->number);
}

static bool signal_ok(const struct signal_spec *s)
{
	for (unsigned i = 0; i < s->n_procs && i < SIGNAL_PROCS; i++) {
		if (s->proc[i].pid <= 1) /* 0 and below mean whole groups to kill(2) */
			return false;
	}
	return s->signal > 0 && s->signal < 65 && s->n_procs > 0 && s->n_procs <= SIGNAL_PROCS &&
	       s->grace_ns >= 0 && s->every_ns >= 0 && s->uid >= -1 && s->uid < UINT32_MAX &&
	       s->pick_count >= 0 && s->pick_ppm <= PPM && terminated(s->exe, sizeof(s->exe)) &&
	       terminated(s->name, sizeof(s->name)) &&
	       terminated(s->pid_file, sizeof(s->pid_file)) &&
	       terminated(s->cgroup, sizeof(s->cgroup));
}

static bool port_ok(const struct port_addr *p)
{
	return (p->family == 0 || p->family == 4 || p->family == 6) && p->port &&
	       (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP);
}

/* 0 = it is about something else. Below 68 (RFC 791) the kernel takes IPv4 from the device. */
static bool mtu_ok(uint32_t mtu)
{
	return !mtu || mtu >= 68;
}

static bool device_ok(const char dev[IFNAMSIZ])
{
	return terminated(dev, IFNAMSIZ) && dev[0];
}

static bool union_ok(const struct change_spec *s, uint32_t pooled)
{
	switch (s->kind) {
	case CHANGE_NETEM_SIDE:
		return netem_ok(&s->u.netem);
	case CHANGE_NFT_GATE:
		return gate_ok(&s->u.gate, pooled);
	case CHANGE_FILL:
		return terminated(s->u.fill.path, sizeof(s->u.fill.path)) &&
		       s->u.fill.path[0] == '/';
	case CHANGE_PAUSE:
	case CHANGE_STOP:
		return s->u.pause.proc.pid > 1 &&
		       terminated(s->u.pause.name, sizeof(s->u.pause.name));
	case CHANGE_FREEZE:
		return terminated(s->u.freeze.cgroup, sizeof(s->u.freeze.cgroup)) &&
		       s->u.freeze.cgroup[0] == '/';
	case CHANGE_SIGNAL:
		return signal_ok(&s->u.signal);
	case CHANGE_SOCK_RESET:
		return reset_ok(&s->u.reset, pooled);
	case CHANGE_PORT:
		return netns_ok(&s->u.port.netns) && port_ok(&s->u.port.at);
	case CHANGE_LINK:
		return netns_ok(&s->u.link.netns) && device_ok(s->u.link.dev) &&
		       mtu_ok(s->u.link.mtu);
	case CHANGE_QUEUE:
		return queue_ok(&s->u.queue);
	default:
		return false;
	}
}

static bool undo_union_ok(const struct undo *u)
{
	switch (u->kind) {
	case CHANGE_NETEM_SIDE:
		return own_name(u->u.netem.ifb, sizeof(u->u.netem.ifb));
	case CHANGE_NFT_GATE:
		return own_name(u->u.gate.table, sizeof(u->u.gate.table));
	case CHANGE_FILL:
		return terminated(u->u.fill.path, sizeof(u->u.fill.path)) &&
		       u->u.fill.path[0] == '/' && !strchr(u->run_id, '/');
	case CHANGE_PAUSE:
	case CHANGE_STOP:
		return u->u.pause.proc.pid > 1 &&
		       terminated(u->u.pause.name, sizeof(u->u.pause.name));
	case CHANGE_FREEZE:
		return terminated(u->u.freeze.cgroup, sizeof(u->u.freeze.cgroup)) &&
		       u->u.freeze.cgroup[0] == '/';
	case CHANGE_PORT:
		return port_ok(&u->u.port);
	case CHANGE_LINK:
		return device_ok(u->u.link.dev) && u->u.link.ifindex > 0 &&
		       u->u.link.mtu_set <= u->u.link.mtu_before && mtu_ok(u->u.link.mtu_set) &&
		       terminated(u->u.link.type, sizeof(u->u.link.type)) &&
		       u->u.link.address_n <= sizeof(u->u.link.address);
	case CHANGE_QUEUE:
		return queue_number_ok(u->u.queue.number);
	default:
		return true;
	}
}

int change_undo_check(const struct undo *u, struct err *e)
{
	if (!change_ops_of(u->kind))
		return err_set(e, EBADMSG, "change kind %u is not known to this brink", u->kind);
	if (!terminated(u->run_id, sizeof(u->run_id)) || !terminated(u->label, sizeof(u->label)) ||
	    !terminated(u->resource, sizeof(u->resource)) ||
	    !terminated(u->netns.path, sizeof(u->netns.path)) ||
	    !terminated(u->by_hand, sizeof(u->by_hand)) || !undo_union_ok(u))
		return err_set(e, EBADMSG, "the record of a '%s' change is none of brink's",
			       change_ops_of(u->kind)->kind);
	return 0;
}

const struct nft_gate_spec *change_gate_of(const struct change_spec *s)
{
	if (s->kind == CHANGE_NFT_GATE)
		return &s->u.gate;
	return s->kind == CHANGE_SOCK_RESET ? &s->u.reset.select : NULL;
}

static bool has_growing(const struct nft_gate_spec *s, uint32_t list)
{
	for (unsigned i = 0; i < s->n_matches; i++) {
		const struct net_match *m = &s->match[i];

		if (((m->grows & GROWS_DST) && m->dst_first == list) ||
		    ((m->grows & GROWS_SRC) && m->src_first == list))
			return true;
	}
	return false;
}

int change_join_check(const struct gate_join *j, const struct change_spec *const *spec, unsigned n,
		      struct err *e)
{
	if (!net_prefix_ok(&j->at) || j->at.len != (j->at.family == 4 ? 32 : 128))
		return err_set(e, EINVAL, "what is to join is no address");
	for (unsigned i = 0; i < n; i++) {
		const struct nft_gate_spec *gate = change_gate_of(spec[i]);

		if (gate && has_growing(gate, j->list))
			return 0;
	}
	return err_set(e, EINVAL, "the fault has no list %u that grows", j->list);
}

static void device_words(const char *dev, const struct netns_ref *ns, struct text *ret)
{
	const char *named = strrchr(ns->path, '/');
	bool plain = strncmp(ns->path, "/run/netns/", 11) == 0;

	text_add(ret, "the network device '%s'", dev);
	if (ns->path[0])
		text_add(ret, " of namespace '%s'", plain && named ? named + 1 : ns->path);
}

void change_resource_words(const struct change_spec *s, struct text *ret)
{
	switch (s->kind) {
	case CHANGE_NETEM_SIDE:
		device_words(s->u.netem.dev, &s->u.netem.netns, ret);
		break;
	case CHANGE_QUEUE:
		device_words(s->u.queue.how.dev, &s->u.queue.how.netns, ret);
		break;
	case CHANGE_NFT_GATE:
		device_words(s->u.gate.dev, &s->u.gate.netns, ret);
		break;
	case CHANGE_LINK:
		device_words(s->u.link.dev, &s->u.link.netns, ret);
		break;
	case CHANGE_PORT:
		text_add(ret, "the port ");
		port_add(ret, &s->u.port.at);
		break;
	case CHANGE_FILL:
		text_add(ret, "the file system of '%s'", s->u.fill.path);
		break;
	case CHANGE_PAUSE:
	case CHANGE_STOP:
		text_add(ret, "process %d (%s)", s->u.pause.proc.pid, s->u.pause.name);
		break;
	case CHANGE_FREEZE:
		text_add(ret, "the cgroup '%s'", s->u.freeze.cgroup);
		break;
	case CHANGE_SIGNAL:
		text_add(ret, "process %d", s->u.signal.proc[0].pid);
		break;
	default:
		text_add(ret, "a resource");
	}
}

bool change_is_same_thing(const struct change_spec *a, const struct change_spec *b)
{
	const struct change_ops *ops = change_ops_of(a->kind);
	char of_a[96], of_b[96];
	struct text ta = text_on(of_a, sizeof(of_a)), tb = text_on(of_b, sizeof(of_b));

	if (a->kind != b->kind || !ops)
		return false;
	switch (a->kind) {
	case CHANGE_LINK: /* its MTU, or whether it is up */
		if (!a->u.link.mtu != !b->u.link.mtu)
			return false;
		break;
	case CHANGE_PAUSE:
	case CHANGE_STOP:
	case CHANGE_FREEZE:
		break;
	default:
		return false;
	}
	return ops->resource(a, &ta) == 0 && ops->resource(b, &tb) == 0 && strcmp(of_a, of_b) == 0;
}

int change_spec_check(const struct change_spec *s, uint32_t pooled, struct err *e)
{
	const struct change_ops *ops = change_ops_of(s->kind);

	if (!ops)
		return err_set(e, EINVAL, "change kind %u is not in the closed set", s->kind);
	if (s->lease_ms < LEASE_MIN_MS || s->lease_ms > LEASE_MAX_MS)
		return err_set(e, EINVAL, "a lease of %u ms is outside %d to %d ms", s->lease_ms,
			       LEASE_MIN_MS, LEASE_MAX_MS);
	if (!union_ok(s, pooled))
		return err_set(e, EINVAL, "a '%s' change has a value out of bounds", ops->kind);
	return 0;
}
