/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "inject/change/kinds.h"
#include "inject/change/link_watch.h"
#include "inject/change/netns.h"
#include "inject/change/nft_dns.h"
#include "inject/change/nft_rules.h"
#include "inject/change/nft_sets.h"
#include "inject/change/tc_msg.h"

#define GATE_BYTES          512
#define REFRESHES_PER_LEASE 6

/* What a holder needs to open, renew and close the gate: its own socket, which owns the table, and
 * ready messages. */
struct gate_live {
	struct nlsock sock;
	struct nlbuf fire, refresh, quiet;
	int64_t refreshed_ns;
	int ifindex; /* of the device whose packets it treats; 0 = any device */
	bool open;
	_Alignas(16) char bytes[3][GATE_BYTES];
};

static const struct nft_gate_spec *spec_of(const struct change *c)
{
	return &c->spec->u.gate;
}

static int seen(const struct nlmsghdr *h, void *arg, struct err *e)
{
	(void)e;
	*(bool *)arg |= h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE);
	return 0;
}

/* 1 = the table exists, 0 = it does not, -errno = cannot tell. A namespace that is gone took the
 * table with it. */
static int table_exists(const struct undo *u, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct nlsock *sock = NULL;
	bool found = false;
	int rc = netns_sock(&u->netns, NETLINK_NETFILTER, &sock, e);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	nft_request(&b, NFT_MSG_GETTABLE, u->u.gate.family, NLM_F_ACK, "cannot read an nft table");
	nlbuf_str(&b, NFTA_TABLE_NAME, u->u.gate.table);
	rc = nlsock_ask(sock, &b, seen, NULL, &found, e);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0 && !found) /* only a refusal says that it is not there */
		return err_set(e, EBADMSG, "no answer about the nft table '%s'", u->u.gate.table);
	return rc < 0 ? rc : 1;
}

static int gate_ready(const struct undo *u, struct err *e)
{
	struct nlsock *sock;
	int rc = netns_sock(&u->netns, NETLINK_NETFILTER, &sock, e);

	return rc == -ENOENT ? 0 : rc;
}

static int gate_prepare(struct change *c, struct undo *ret, struct err *e)
{
	const struct nft_gate_spec *s = spec_of(c);
	struct nlsock *sock = NULL;
	int rc = netns_sock(&s->netns, NETLINK_NETFILTER, &sock, e); /* for undo and read-back */

	if (rc < 0)
		return rc;
	ret->netns = s->netns;
	snprintf(ret->u.gate.table, sizeof(ret->u.gate.table), "%s", s->table);
	ret->u.gate.family = gate_family(s);
	snprintf(ret->by_hand, sizeof(ret->by_hand), "nft delete table %s %s",
		 ret->u.gate.family == NFPROTO_NETDEV ? "netdev" : "inet", s->table);
	rc = table_exists(ret, e);
	if (rc == -EPERM) /* even reading needs the right; what else the fault changes needs the
			     same one */
		return err_set(
			e, EACCES,
			"nf_tables may not be used here: needs CAP_NET_ADMIN (root, or a user "
			"namespace of your own: unshare -Urn)");
	if (rc > 0)
		return err_set(e, EEXIST, "an nft table '%s' exists already", s->table);
	return rc;
}

/* DEL and ADD of the lease element in one transaction is the only renewal that renews (KERNEL 6.1
 * and 6.18). */
static void lease_message(struct nlbuf *b, const struct change *c, bool del, bool add)
{
	const struct nft_gate_spec *s = spec_of(c);
	uint32_t key = htonl(GATE_LEASE_KEY);
	struct nft_elems list;

	nft_begin(b);
	if (del) {
		list = nft_elems_open(b, NFT_MSG_DELSETELEM, gate_family(s), s->table,
				      GATE_LEASE_SET, "cannot end the lease");
		nft_elem(b, &key, sizeof(key), 0, 0);
		nft_elems_close(b, list);
	}
	if (add) {
		list = nft_elems_open(b, NFT_MSG_NEWSETELEM, gate_family(s), s->table,
				      GATE_LEASE_SET, "cannot begin the lease");
		nft_elem(b, &key, sizeof(key), 0, c->spec->lease_ms);
		nft_elems_close(b, list);
	}
	nft_commit(b);
}

/* By netlink: if_nametoindex(3) would want a socket of another family. */
static int index_of(const char *dev, int *ret, struct err *e)
{
	struct nlsock sock = { 0 };
	struct link_info found = { 0 };
	int rc = nlsock_open(NETLINK_ROUTE, &sock, e);

	if (rc < 0)
		return rc;
	rc = link_named(&sock, dev, &found, e);
	nlsock_close(&sock);
	if (rc < 0)
		return err_ctx(e, "cannot find the device '%s'", dev);
	*ret = found.ifindex;
	return 0;
}

/* What the rules ask for, and has no effect without them: any number of batches. */
static int load(struct gate_live *g, const struct change *c, char *bytes, struct err *e)
{
	struct gate_load lists = gate_load_of(spec_of(c), c->pool);
	struct dns_load names = dns_load_of(spec_of(c), !lists.n_lists);
	struct nlbuf b = nlbuf_on(bytes, GATE_BATCH_BYTES);

	while (gate_load_next(&b, &lists) || dns_load_next(&b, &names)) {
		int rc = nlsock_talk(&g->sock, &b, e);

		if (rc < 0)
			return rc;
		b = nlbuf_on(bytes, GATE_BATCH_BYTES);
	}
	return 0;
}

static int build(struct gate_live *g, const struct change *c, struct err *e)
{
	const struct nft_gate_spec *s = spec_of(c);
	AUTO(auto_free) char *bytes = aligned_alloc(16, GATE_BATCH_BYTES);
	struct nlbuf b;
	int fwd = 0, rc = 0;

	if (!bytes)
		return err_set(e, ENOMEM, "no memory for an nft table");
	if (s->action == GATE_FWD)
		rc = index_of(s->fwd_dev, &fwd, e);
	if (rc == 0 && s->dev[0])
		rc = index_of(s->dev, &g->ifindex, e);
	if (rc == 0)
		rc = load(g, c, bytes, e);
	if (rc < 0)
		return rc;
	b = nlbuf_on(bytes, GATE_BATCH_BYTES);
	gate_write(&b, s, c->pool, (uint32_t)fwd);
	return nlsock_talk(&g->sock, &b, e);
}

/* Runs in the holder, which stands in the right namespace already. */
static int gate_arm(struct change *c, struct err *e)
{
	struct gate_live *g = aligned_alloc(16, sizeof(*g));
	int rc;

	if (!g)
		return err_set(e, ENOMEM, "no memory for an nft table");
	memset(g, 0, sizeof(*g));
	c->live = g;
	g->fire = nlbuf_on(g->bytes[0], GATE_BYTES);
	g->refresh = nlbuf_on(g->bytes[1], GATE_BYTES);
	g->quiet = nlbuf_on(g->bytes[2], GATE_BYTES);
	lease_message(&g->fire, c, false, true);
	lease_message(&g->refresh, c, true, true);
	lease_message(&g->quiet, c, true, false);
	rc = nlsock_open(NETLINK_NETFILTER, &g->sock, e);
	return rc < 0 ? rc : build(g, c, e);
}

static int gate_fire(struct change *c, struct err *e)
{
	struct gate_live *g = c->live;
	int rc = nlsock_talk(&g->sock, &g->fire, e);

	g->open = rc == 0;
	g->refreshed_ns = clock_mono_ns();
	return rc;
}

static int gate_refresh(struct change *c, struct err *e)
{
	struct gate_live *g = c->live;
	int64_t now = clock_mono_ns();
	int rc;

	if (!g->open)
		return 0;
	/* a device that leaves takes its hooks along: the table lives on and treats nothing */
	rc = g->ifindex ? link_same(g->sock.fd, spec_of(c)->dev, g->ifindex, e) : 0;
	if (rc < 0)
		return rc;
	if (now - g->refreshed_ns < c->spec->lease_ms * NS_PER_MS / REFRESHES_PER_LEASE)
		return 0;
	rc = nlsock_talk(&g->sock, &g->refresh, e);
	if (rc < 0) {
		g->open = false;
		return err_ctx(e, "the lease of table '%s' is lost", spec_of(c)->table);
	}
	g->refreshed_ns = now;
	return 0;
}

/* Its rules ask for the sets already. */
static int gate_join(struct change *c, const struct gate_join *j, struct err *e)
{
	struct gate_live *g = c->live;
	_Alignas(16) char bytes[GATE_BYTES];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	int rc;

	if (!gate_join_write(&b, spec_of(c), c->pool, j))
		return 0; /* another gate of the fault has the list */
	rc = nlsock_talk(&g->sock, &b, e);
	return rc == -EEXIST ? 0 : rc;
}

static int gate_quiet(struct change *c, struct err *e)
{
	struct gate_live *g = c->live;
	int rc;

	if (!g || !g->sock.sk)
		return 0; /* never armed */
	rc = nlsock_talk(&g->sock, &g->quiet, e);
	if (rc == -ENOENT) /* the lease was over already, or never began */
		rc = 0;
	if (rc == 0)
		g->open = false;
	return rc;
}

static void add_number(const struct nlattr *counter, uint16_t type, uint64_t *sum)
{
	const struct nlattr *a = nlattr_find(nlattr_data(counter), nlattr_len(counter), type);
	uint64_t v = 0;

	if (!a || nlattr_len(a) != sizeof(v))
		return;
	memcpy(&v, nlattr_data(a), sizeof(v));
	*sum += be64toh(v);
}

/* Sums the counters of all rules of the table. */
static int count_rule(const struct nlmsghdr *h, void *arg, struct err *e)
{
	size_t fixed = NLMSG_LENGTH(sizeof(struct nfgenmsg));
	const struct nlattr *list, *elem;
	struct effect *sum = arg;
	size_t left;

	(void)e;
	if (h->nlmsg_len < fixed)
		return 0;
	list = nlattr_find((const char *)h + fixed, h->nlmsg_len - fixed, NFTA_RULE_EXPRESSIONS);
	left = list ? nlattr_len(list) : 0;
	elem = list ? nlattr_data(list) : NULL;
	while (left >= NLA_HDRLEN && elem->nla_len >= NLA_HDRLEN && elem->nla_len <= left) {
		const struct nlattr *name =
			nlattr_find(nlattr_data(elem), nlattr_len(elem), NFTA_EXPR_NAME);
		const struct nlattr *data =
			nlattr_find(nlattr_data(elem), nlattr_len(elem), NFTA_EXPR_DATA);
		size_t step = NLA_ALIGN(elem->nla_len);

		if (data && nlattr_is(name, "counter")) {
			add_number(data, NFTA_COUNTER_PACKETS, &sum->hits);
			add_number(data, NFTA_COUNTER_BYTES, &sum->bytes);
		}
		if (step >= left)
			break;
		left -= step;
		elem = (const struct nlattr *)(const void *)((const char *)elem + step);
	}
	return 0;
}

static void restart_sum(void *arg)
{
	*(struct effect *)arg = (struct effect){ 0 };
}

static int read_counters(struct nlsock *sock, uint8_t family, const char *table, struct effect *ret,
			 struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));

	*ret = (struct effect){ 0 };
	nft_request(&b, NFT_MSG_GETRULE, family, NLM_F_DUMP, "cannot read nft counters");
	nlbuf_str(&b, NFTA_RULE_TABLE, table);
	return nlsock_ask(sock, &b, count_rule, restart_sum, ret, e);
}

static int gate_effect(struct change *c, struct effect *ret, struct err *e)
{
	struct gate_live *g = c->live;

	*ret = (struct effect){ 0 };
	if (!g || !g->sock.sk) /* arming failed */
		return 0;
	return read_counters(&g->sock, gate_family(spec_of(c)), spec_of(c)->table, ret, e);
}

/* A table that is gone has taken its counters along. */
static int gate_seen(const struct undo *u, struct effect *ret, struct err *e)
{
	struct nlsock *sock = NULL;
	int rc = table_exists(u, e);

	if (rc == 0)
		return err_set(e, ENOENT, "the nft table '%s' is gone", u->u.gate.table);
	if (rc > 0)
		rc = netns_sock(&u->netns, NETLINK_NETFILTER, &sock, e);
	return rc < 0 ? rc : read_counters(sock, u->u.gate.family, u->u.gate.table, ret, e);
}

static int gate_undo(const struct undo *u, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct nlsock *sock = NULL;
	int rc = table_exists(u, e);

	/* It went with its holder, as a rule. Deleting nothing waits for every table that the
	 * kernel is freeing. */
	if (rc == 0)
		return 0;
	rc = netns_sock(&u->netns, NETLINK_NETFILTER, &sock, e);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	nft_begin(&b);
	nft_request(&b, NFT_MSG_DELTABLE, u->u.gate.family, NLM_F_ACK,
		    "cannot delete the nft table");
	nlbuf_str(&b, NFTA_TABLE_NAME, u->u.gate.table);
	nft_commit(&b);
	rc = nlsock_talk(sock, &b, e);
	return rc == -ENOENT ? 0 : rc;
}

static int see_element(const struct nlmsghdr *h, void *arg, struct err *e)
{
	size_t fixed = NLMSG_LENGTH(sizeof(struct nfgenmsg));
	const struct nlattr *list =
		h->nlmsg_len < fixed ? NULL :
				       nlattr_find((const char *)h + fixed, h->nlmsg_len - fixed,
						   NFTA_SET_ELEM_LIST_ELEMENTS);

	(void)e;
	*(bool *)arg |=
		list && nlattr_len(list) >= NLA_HDRLEN; /* the dump leaves out expired ones */
	return 0;
}

static int gate_ended(const struct undo *u, struct text *ret_left, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct nlsock *sock = NULL;
	bool alive = false;
	int rc = netns_sock(&u->netns, NETLINK_NETFILTER, &sock, e);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	nft_request(&b, NFT_MSG_GETSETELEM, u->u.gate.family, NLM_F_DUMP, "cannot read the lease");
	nlbuf_str(&b, NFTA_SET_ELEM_LIST_TABLE, u->u.gate.table);
	nlbuf_str(&b, NFTA_SET_ELEM_LIST_SET, GATE_LEASE_SET);
	rc = nlsock_ask(sock, &b, see_element, NULL, &alive, e);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	if (alive)
		text_add(ret_left, "the lease in nft table '%s' is alive", u->u.gate.table);
	return alive;
}

static int gate_gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	int rc = table_exists(u, e);

	if (rc > 0)
		text_add(ret_left, "nft table '%s' is still there", u->u.gate.table);
	return rc;
}

static int gate_resource(const struct change_spec *s, struct text *ret_key)
{
	text_add(ret_key, "net-%llx-%s", (unsigned long long)s->u.gate.netns.cookie,
		 s->u.gate.dev[0] ? s->u.gate.dev : "any");
	return 0;
}

static int gate_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	const struct nft_gate_spec *s = &cs->u.gate;
	const char *family = gate_family(s) == NFPROTO_NETDEV ? "netdev" : "inet";

	text_add(ret_do, "nft  table %s %s (owned by a holder process, lease ", family, s->table);
	units_add_duration(ret_do, cs->lease_ms * NS_PER_MS);
	text_add(ret_do, "): ");
	gate_print_action(s, ret_do);
	text_add(ret_undo, "nft  table %s disappears with its holder", s->table);
	return 0;
}

/* A holder stands in the namespace already and speaks to the kernel about nothing else. Who takes
 * it back compares the whole namespace anyway: its own rights are enough. */
static const struct call_rule holder_calls[] = { CALLS_NETLINK, CALLS_LINK_SAME, { 0 } };

const struct change_ops nft_gate_ops = {
	.kind = "nft_gate",
	.class = CLASS_SELF_ENDING,
	.by_holder = true,
	.holder = { CAP_BIT(NET_ADMIN), holder_calls },
	.undoer = { CAP_BIT(NET_ADMIN), NULL },
	.prepare = gate_prepare,
	.arm = gate_arm,
	.fire = gate_fire,
	.refresh = gate_refresh,
	.join = gate_join,
	.quiet = gate_quiet,
	.unit = { "packet", "packets" },
	.effect = gate_effect,
	.seen = gate_seen,
	.ready = gate_ready,
	.undo = gate_undo,
	.ended = gate_ended,
	.gone = gate_gone,
	.resource = gate_resource,
	.print = gate_print,
};
