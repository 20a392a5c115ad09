/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/units.h"
#include "inject/change/kinds.h"
#include "inject/change/netns.h"
#include "inject/change/nft_sets.h"
#include "inject/change/route_msg.h"
#include "inject/change/sock_diag.h"
#include "inject/change/tc_msg.h"
#include "inject/proc_fs.h"

/*
 * Ends chosen TCP connections of one network namespace, once or at a period: SOCK_DESTROY of
 * sock_diag(7). Cannot be undone; what can be stopped is the next round. Listening sockets stay,
 * and so do those that no process holds any more: older kernels never free such a one again when it
 * is ended so (fixed in 6.11 by "tcp: fix forever orphan socket caused by tcp_abort").
 */
#define STEP_NS (20 * NS_PER_MS)
#define FOUND   65536 /* connections of one round */
#define STATES  (SOCK_ESTABLISHED | SOCK_CLOSE_WAIT | SOCK_FIN_WAIT1 | SOCK_FIN_WAIT2)

struct reset_live {
	struct nlsock diag, route;
	int ifindex; /* of the chosen device; 0 = any */
	bool firing, quiet;
	int64_t round_ns; /* when this round began */
	uint64_t reset;
	struct sock_seen *found; /* of this round; those before `at` are done */
	size_t n, size, at;
	uint64_t *spared; /* inodes of the shield's sockets, sorted */
	size_t n_spared, spared_size;
	bool no_memory;
	struct gate_join joined[GATE_JOINS];
	unsigned n_joined;
};

static const struct sock_reset_spec *spec_of(const struct change *c)
{
	return &c->spec->u.reset;
}

static int reset_prepare(struct change *c, struct undo *ret, struct err *e)
{
	(void)e;
	ret->netns = spec_of(c)->select.netns;
	return 0; /* no command takes it back: by_hand stays empty */
}

/*
 * sock_diag asks for the right only once it has found the connection: sock_diag_destroy() in
 * net/core/sock_diag.c. rtnetlink asks for the same one before it looks for the device, and there
 * is none of this number.
 */
static int may_reset(struct nlsock *route, struct err *e)
{
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg nowhere = { .ifi_index = INT32_MAX };
	int rc;

	nlbuf_msg(&b, RTM_SETLINK, NLM_F_ACK, &nowhere, sizeof(nowhere), "cannot ask for rights");
	rc = nlsock_talk(route, &b, e);
	if (rc == -EPERM)
		return err_set(e, EACCES,
			       "cannot reset connections (needs CAP_NET_ADMIN in their network "
			       "namespace: root, or start brink inside it)");
	return rc == -ENODEV ? 0 : rc;
}

static int reset_arm(struct change *c, struct err *e)
{
	struct reset_live *l = calloc(1, sizeof(*l));
	const char *dev = spec_of(c)->select.dev;
	struct link_info link = { 0 };
	int rc;

	if (!l)
		return err_set(e, ENOMEM, "no memory to reset connections");
	c->live = l;
	rc = nlsock_open(NETLINK_SOCK_DIAG, &l->diag, e);
	if (rc == 0)
		rc = nlsock_open(NETLINK_ROUTE, &l->route, e);
	if (rc == 0)
		rc = sock_destroy_try(&l->diag, e);
	if (rc == 0)
		rc = may_reset(&l->route, e);
	if (rc == 0 && dev[0])
		rc = link_named(&l->route, dev, &link, e);
	l->ifindex = link.ifindex;
	return rc;
}

static bool prefix_has(const struct net_prefix *p, unsigned family, const uint8_t addr[16])
{
	unsigned whole = p->len / 8, rest = p->len % 8;

	if (p->family != family || memcmp(p->addr, addr, whole) != 0)
		return false;
	return !rest || (p->addr[whole] ^ addr[whole]) >> (8 - rest) == 0;
}

/* One end of what is chosen, as a match has it. */
struct end {
	uint32_t first, n;
	const uint16_t ports[2];
	bool grows;
};

static bool has_joined(const struct reset_live *l, uint32_t list, unsigned family,
		       const uint8_t addr[16])
{
	for (unsigned i = 0; i < l->n_joined; i++) {
		if (l->joined[i].list == list && prefix_has(&l->joined[i].at, family, addr))
			return true;
	}
	return false;
}

/* Is it in the list, and in the range of ports? */
static bool end_is(const struct change *c, const struct end *end, const struct sock_seen *s,
		   const uint8_t addr[16], uint16_t port)
{
	struct gate_list list = gate_list_of(&spec_of(c)->select, c->pool, end->first, end->n);
	bool any = end->n == 0;

	for (uint32_t i = 0; i < list.n && !any; i++)
		any = prefix_has(&list.at[i], s->family, addr);
	any = any || (end->grows && has_joined(c->live, end->first, s->family, addr));
	return any && (!end->ports[1] || (end->ports[0] <= port && port <= end->ports[1]));
}

static bool match_has(const struct change *c, const struct net_match *m, const struct sock_seen *s)
{
	bool in = m->hook == GATE_INPUT;
	const struct end dst = { m->dst_first,
				 m->dst_n,
				 { m->dport_lo, m->dport_hi },
				 m->grows & GROWS_DST },
			 src = { m->src_first,
				 m->src_n,
				 { m->sport_lo, m->sport_hi },
				 m->grows & GROWS_SRC };

	if (m->proto && m->proto != IPPROTO_TCP)
		return false;
	/* what comes in has the local end as its destination */
	return end_is(c, &dst, s, in ? s->local : s->remote, in ? s->local_port : s->remote_port) &&
	       end_is(c, &src, s, in ? s->remote : s->local, in ? s->remote_port : s->local_port);
}

/* As a gate would judge its packets: one exemption is enough to be left alone. */
static bool is_chosen(const struct change *c, const struct sock_seen *s)
{
	const struct nft_gate_spec *g = &spec_of(c)->select;
	bool chosen = false;

	for (unsigned i = 0; i < g->n_matches; i++) {
		if (!match_has(c, &g->match[i], s))
			continue;
		if (g->match[i].exempt)
			return false;
		chosen = true;
	}
	return chosen;
}

static int collect(const struct sock_seen *s, void *arg, struct err *e)
{
	struct change *c = arg;
	struct reset_live *l = c->live;
	bool orphan = (SOCK_FIN_WAIT1 | SOCK_FIN_WAIT2) >> s->state & 1 && !s->inode;

	if (orphan || !is_chosen(c, s))
		return 0;
	if (l->n == l->size) {
		size_t size = l->size ? 2 * l->size : 256;
		struct sock_seen *more = reallocarray(l->found, size, sizeof(*more));

		if (l->n == FOUND || !more)
			return err_set(
				e, l->n == FOUND ? E2BIG : ENOMEM,
				"more than %zu connections at once: choose them more narrowly",
				l->n);
		l->found = more;
		l->size = size;
	}
	l->found[l->n++] = *s;
	return 0;
}

static int spare(void *arg, uint64_t inode)
{
	struct reset_live *l = arg;

	if (l->n_spared == l->spared_size) {
		size_t size = l->spared_size ? 2 * l->spared_size : 64;
		uint64_t *more = reallocarray(l->spared, size, sizeof(*more));

		l->no_memory |= !more;
		if (!more)
			return 1;
		l->spared = more;
		l->spared_size = size;
	}
	l->spared[l->n_spared++] = inode;
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* 0 also when it has gone, or may not be looked into. */
static int spare_sockets_of(struct reset_live *l, int proc_fd, const struct shield_proc *p)
{
	struct proc_stat stat;
	int rc = proc_stat_of(p->pid, &stat);

	if (rc == 0 && stat.start_ticks == p->start_ticks)
		rc = proc_sockets(proc_fd, p->pid, spare, l);
	return rc == -ESRCH || rc == -EACCES || rc == -EPERM ? 0 : rc;
}

/*
 * The sockets that brink's own processes and those of the operator's sessions hold now: read after
 * the list of connections, so that each of that list is among them. A process that may not be
 * looked into (without root: those above the user's own) has the plan's exemptions only.
 */
static int find_spared(struct change *c, struct err *e)
{
	struct reset_live *l = c->live;
	const struct shield *s = c->shield;
	AUTO(auto_close) int proc = s && s->n_procs ? proc_fs_open(e) : -1;
	int rc = 0;

	l->n_spared = 0;
	if (!s || !s->n_procs)
		return 0;
	if (proc < 0)
		return proc;
	for (uint32_t i = 0; i < s->n_procs && i < SHIELD_PROCS && rc == 0; i++)
		rc = spare_sockets_of(l, proc, &s->proc[i]);
	if (rc < 0)
		return err_set(e, -rc, "cannot read the sockets of the shield: %s", strerror(-rc));
	if (l->no_memory)
		return err_set(e, ENOMEM, "no memory for the sockets of the shield");
	if (l->n_spared)
		qsort(l->spared, l->n_spared, sizeof(*l->spared), by_inode);
	return 0;
}

static bool is_spared(const struct reset_live *l, const struct sock_seen *s)
{
	return s->inode && l->n_spared &&
	       bsearch(&s->inode, l->spared, l->n_spared, sizeof(*l->spared), by_inode);
}

static int begin_round(struct change *c, struct err *e)
{
	struct reset_live *l = c->live;
	int rc;

	l->n = l->at = 0;
	l->round_ns = clock_mono_ns();
	rc = sock_list(&l->diag, &(struct sock_query){ IPPROTO_TCP, STATES, 0 }, collect, c, e);
	return rc < 0 ? rc : find_spared(c, e);
}

/* 1 = its packets leave by the chosen device, 0 = they do not, or go nowhere, -errno. */
static int uses_device(struct reset_live *l, const struct sock_seen *s, struct err *e)
{
	int oif = (int)s->id.idiag_if; /* that it is bound to */
	int rc = 0;

	if (!oif)
		rc = route_oif(&l->route, s->family, s->remote, s->local, &oif, e);
	if (route_is_none(rc))
		return 0;
	return rc < 0 ? rc : oif == l->ifindex;
}

static int reset_one(struct reset_live *l, const struct sock_seen *s, struct err *e)
{
	int rc = l->ifindex ? uses_device(l, s, e) : 1;

	if (rc <= 0 || is_spared(l, s))
		return rc < 0 ? rc : 0;
	rc = sock_destroy(&l->diag, s, e);
	if (rc == -ENOENT) /* it ended by itself meanwhile */
		return 0;
	l->reset += rc == 0;
	return rc;
}

/* -EINPROGRESS: the time of this step is over and some are left. */
static int reset_some(struct reset_live *l, struct err *e)
{
	int64_t step_end = clock_mono_ns() + STEP_NS;

	while (l->at < l->n) {
		int rc = reset_one(l, &l->found[l->at++], e);

		if (rc < 0)
			return rc;
		if (clock_mono_ns() > step_end && l->at < l->n)
			return -EINPROGRESS;
	}
	return 0;
}

static int reset_fire(struct change *c, struct err *e)
{
	struct reset_live *l = c->live;
	int rc = 0;

	if (l->quiet)
		return err_set(e, ECANCELED, "the reset was called off");
	if (!l->firing)
		rc = begin_round(c, e);
	l->firing = true;
	return rc < 0 ? rc : reset_some(l, e);
}

static int reset_refresh(struct change *c, struct err *e)
{
	struct reset_live *l = c->live;
	int64_t every = spec_of(c)->every_ns;
	int rc = 0;

	if (l->quiet)
		return 0;
	if (every && l->at == l->n && clock_mono_ns() >= l->round_ns + every)
		rc = begin_round(c, e);
	if (rc == 0)
		rc = reset_some(l, e);
	return rc == -EINPROGRESS ? 0 : rc;
}

/* From the next round on. */
static int reset_join(struct change *c, const struct gate_join *j, struct err *e)
{
	struct reset_live *l = c->live;

	if (l->n_joined == GATE_JOINS)
		return err_set(e, E2BIG, "%d addresses have joined it already", GATE_JOINS);
	l->joined[l->n_joined++] = *j;
	return 0;
}

static int reset_quiet(struct change *c, struct err *e)
{
	struct reset_live *l = c->live;

	(void)e;
	if (!l)
		return 0;
	l->quiet = true;
	l->n = l->at = 0;
	return 0;
}

static int reset_effect(struct change *c, struct effect *ret, struct err *e)
{
	const struct reset_live *l = c->live;

	(void)e;
	*ret = (struct effect){ .hits = l ? l->reset : 0 };
	return 0;
}

static int reset_undo(const struct undo *u, struct err *e)
{
	(void)u;
	(void)e;
	return 0;
}

static int reset_nothing(const struct undo *u, struct text *ret_left, struct err *e)
{
	(void)ret_left;
	return reset_undo(u, e);
}

/* Nothing is held: two runs may both do it. */
static int reset_resource(const struct change_spec *s, struct text *ret_key)
{
	(void)s;
	(void)ret_key;
	return 0;
}

static int reset_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	const struct sock_reset_spec *s = &cs->u.reset;

	text_add(ret_do, "sock_diag  end TCP connections ");
	gate_print_matches(&s->select, ret_do);
	if (s->every_ns) {
		text_add(ret_do, ", again every ");
		units_add_duration(ret_do, s->every_ns);
	}
	text_add(ret_undo, "cannot be undone");
	return 0;
}

/* sock_diag and routes; /proc for the sockets of the shield, whoever's processes hold them: their
 * folder of descriptors is open to their user only. */
static const struct call_rule holder_calls[] = {
	CALLS_NETLINK, CALLS_OPEN_READ, CALLS_LOOK, { 0 }
};

const struct change_ops sock_reset_ops = {
	.kind = "sock_reset",
	.class = CLASS_ONE_SHOT,
	.holder = { CAP_BIT(NET_ADMIN) | CAP_BIT(SYS_PTRACE) | CAP_BIT(DAC_READ_SEARCH),
		    holder_calls },
	.undoer = { 0, NULL }, /* nothing can be taken back */
	.prepare = reset_prepare,
	.arm = reset_arm,
	.fire = reset_fire,
	.refresh = reset_refresh,
	.join = reset_join,
	.quiet = reset_quiet,
	.unit = { "connection", "connections" },
	.effect = reset_effect,
	.undo = reset_undo,
	.ended = reset_nothing,
	.gone = reset_nothing,
	.resource = reset_resource,
	.print = reset_print,
};
