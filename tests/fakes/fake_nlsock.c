/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fakes/fake_nlsock.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/if_link.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "inject/change/link_watch.h"
#include "inject/change/netns.h"
#include "inject/change/nft_rules.h"
#include "inject/change/tc_msg.h"

int __wrap_nlsock_open(int protocol, struct nlsock *ret, struct err *e);
void __wrap_nlsock_close(struct nlsock *s);
int __wrap_nlsock_talk(struct nlsock *s, struct nlbuf *b, struct err *e);
int __wrap_nlsock_ask(struct nlsock *s, struct nlbuf *b, nlsock_each *each,
		      void (*on_restart)(void *arg), void *arg, struct err *e);
int __wrap_netns_sock(const struct netns_ref *ref, int protocol, struct nlsock **ret,
		      struct err *e);
int64_t __wrap_clock_mono_ns(void);
int __wrap_link_same(int sock, const char *name, int ifindex, struct err *e);
int __wrap_qdisc_watch_open(struct err *e);
bool __wrap_qdisc_watch_heard(int watch, int ifindex);

struct fake_kernel fake;
/* The keeper's, number 0; a socket's `seq` tells its protocol here: message types of the two
 * overlap. */
static struct nlsock keeper_sock[2];

int64_t __wrap_clock_mono_ns(void)
{
	return fake.now_ns;
}

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.now_ns = 1000 * NS_PER_S;
	fake.next_ifindex = 2;
	fake.next_sock = 1;
	fake.link[0] = (struct fake_link){ .ifindex = 1, .name = "lo", .qdisc = "noqueue" };
	keeper_sock[0] = (struct nlsock){ .sk = (void *)&fake, .seq = NETLINK_ROUTE };
	keeper_sock[1] = (struct nlsock){ .sk = (void *)&fake, .seq = NETLINK_NETFILTER };
}

static void close_owner(int owner)
{
	for (int i = 0; i < FAKE_TABLES; i++) {
		if (owner && fake.table[i].owner == owner)
			memset(&fake.table[i], 0, sizeof(fake.table[i]));
	}
}

void fake_holder_dies(void)
{
	for (int s = 1; s < fake.next_sock; s++)
		close_owner(s);
}

static bool lease_alive(const struct fake_table *t)
{
	return t->used && t->lease && fake.now_ns < t->expires_ns;
}

bool fake_gate_open(void)
{
	for (int i = 0; i < FAKE_TABLES; i++) {
		if (lease_alive(&fake.table[i]))
			return true;
	}
	return false;
}

bool fake_untouched(void)
{
	for (int i = 0; i < FAKE_TABLES; i++) {
		if (fake.table[i].used)
			return false;
	}
	for (int i = 1; i < FAKE_LINKS; i++) {
		if (fake.link[i].ifindex)
			return false;
	}
	return strcmp(fake.link[0].qdisc, "noqueue") == 0;
}

/* Is it this call's turn to fail? */
static bool turn(void)
{
	fake.calls++;
	if (!fake.fail_at ||
	    (fake.forever ? fake.calls < fake.fail_at : fake.calls != fake.fail_at))
		return false;
	fake.failed++;
	return true;
}

static int injected(struct err *e)
{
	return err_set(e, fake.fail_errno, "injected: %s", strerror(fake.fail_errno));
}

int __wrap_nlsock_open(int protocol, struct nlsock *ret, struct err *e)
{
	if (turn())
		return injected(e);
	*ret = (struct nlsock){ .sk = (void *)&fake,
				.fd = fake.next_sock++,
				.seq = (uint32_t)protocol };
	return 0;
}

void __wrap_nlsock_close(struct nlsock *s)
{
	close_owner(s->fd);
	*s = (struct nlsock){ .fd = -1 };
}

int __wrap_netns_sock(const struct netns_ref *ref, int protocol, struct nlsock **ret, struct err *e)
{
	(void)ref;
	if (turn())
		return injected(e);
	if (fake.netns_gone)
		return err_set(e, ENOENT, "the network namespace is gone");
	*ret = &keeper_sock[protocol == NETLINK_NETFILTER];
	return 0;
}

static struct fake_link *link_at(const struct fake_kernel *k, const char *name, int ifindex)
{
	for (int i = 0; i < FAKE_LINKS; i++) {
		const struct fake_link *l = &k->link[i];

		if (l->ifindex && (name ? strcmp(l->name, name) == 0 : l->ifindex == ifindex))
			return (struct fake_link *)(uintptr_t)l;
	}
	return NULL;
}

/* Not counted: each beat makes one, and all that can fail is a system call without a message. */
int __wrap_link_same(int sock, const char *name, int ifindex, struct err *e)
{
	const struct fake_link *l = link_at(&fake, name, 0);

	(void)sock;
	return l && l->ifindex == ifindex ? 0 : err_set(e, ENODEV, "'%s' is not there", name);
}

int __wrap_qdisc_watch_open(struct err *e)
{
	return turn() ? injected(e) : 1;
}

bool __wrap_qdisc_watch_heard(int watch, int ifindex)
{
	bool heard = fake.qdiscs_changed;

	(void)watch;
	(void)ifindex;
	fake.qdiscs_changed = false;
	return heard;
}

/* --- reading messages --- */

static const struct nlattr *attr(const struct nlmsghdr *h, size_t fixed, uint16_t type)
{
	size_t head = NLMSG_LENGTH(fixed);

	return nlattr_find((const char *)h + head, h->nlmsg_len - head, type);
}

static const char *string(const struct nlmsghdr *h, size_t fixed, uint16_t type)
{
	const struct nlattr *a = attr(h, fixed, type);

	return a ? nlattr_data(a) : "";
}

#define NFT_FIXED sizeof(struct nfgenmsg)

static struct fake_table *table_at(struct fake_kernel *k, const struct nlmsghdr *h, uint16_t type)
{
	const struct nfgenmsg *g = NLMSG_DATA(h);
	const char *name = string(h, NFT_FIXED, type);

	for (int i = 0; i < FAKE_TABLES; i++) {
		if (k->table[i].used && k->table[i].family == g->nfgen_family &&
		    strcmp(k->table[i].name, name) == 0)
			return &k->table[i];
	}
	return NULL;
}

static int new_table(struct fake_kernel *k, const struct nlmsghdr *h, int sock)
{
	const struct nfgenmsg *g = NLMSG_DATA(h);

	if (table_at(k, h, NFTA_TABLE_NAME))
		return EEXIST;
	for (int i = 0; i < FAKE_TABLES; i++) {
		struct fake_table *t = &k->table[i];

		if (t->used)
			continue;
		*t = (struct fake_table){ .used = true, .family = g->nfgen_family };
		snprintf(t->name, sizeof(t->name), "%s", string(h, NFT_FIXED, NFTA_TABLE_NAME));
		if (ntohl(*(const uint32_t *)nlattr_data(attr(h, NFT_FIXED, NFTA_TABLE_FLAGS))) &
		    NFT_TABLE_F_OWNER)
			t->owner = sock;
		return 0;
	}
	return ENOSPC;
}

static uint64_t timeout_ms(const struct nlmsghdr *h)
{
	const struct nlattr *list = attr(h, NFT_FIXED, NFTA_SET_ELEM_LIST_ELEMENTS);
	const struct nlattr *elem =
		nlattr_find(nlattr_data(list), nlattr_len(list), NFTA_LIST_ELEM);
	const struct nlattr *t =
		nlattr_find(nlattr_data(elem), nlattr_len(elem), NFTA_SET_ELEM_TIMEOUT);
	uint64_t v = 0;

	if (t)
		memcpy(&v, nlattr_data(t), sizeof(v));
	return be64toh(v);
}

/* Adding an element that lives succeeds and renews nothing, as in the kernels that brink runs on
 * (with NLM_F_EXCL: EEXIST). */
static int new_element(struct fake_table *t, const struct nlmsghdr *h)
{
	if (strcmp(string(h, NFT_FIXED, NFTA_SET_ELEM_LIST_SET), GATE_LEASE_SET) != 0)
		return 0;
	if (!t->has_lease_set)
		return ENOENT;
	if (lease_alive(t))
		return h->nlmsg_flags & NLM_F_EXCL ? EEXIST : 0;
	t->lease = true;
	t->expires_ns = fake.now_ns + (int64_t)timeout_ms(h) * NS_PER_MS;
	return 0;
}

static int del_element(struct fake_table *t)
{
	if (!lease_alive(t))
		return ENOENT;
	t->lease = false;
	return 0;
}

/* Does the rule accept, or ask for the lease before it does anything? */
static bool leased(const struct nlmsghdr *h)
{
	const struct nlattr *list = attr(h, NFT_FIXED, NFTA_RULE_EXPRESSIONS);
	const char *p = nlattr_data(list), *end = p + nlattr_len(list);
	bool asked = false, acts = false;

	while (p < end) {
		const struct nlattr *a = (const struct nlattr *)(const void *)p;
		const struct nlattr *name =
			nlattr_find(nlattr_data(a), nlattr_len(a), NFTA_EXPR_NAME);
		const struct nlattr *data =
			nlattr_find(nlattr_data(a), nlattr_len(a), NFTA_EXPR_DATA);

		if (nlattr_is(name, "lookup"))
			asked |= nlattr_is(nlattr_find(nlattr_data(data), nlattr_len(data),
						       NFTA_LOOKUP_SET),
					   GATE_LEASE_SET);
		acts |= nlattr_is(name, "counter") || nlattr_is(name, "fwd") ||
			nlattr_is(name, "reject");
		p += NLA_ALIGN(a->nla_len);
	}
	return asked || !acts;
}

/* Returns a positive errno. */
static int nft_change(struct fake_kernel *k, const struct nlmsghdr *h, int sock)
{
	uint16_t cmd = h->nlmsg_type & 0xff;
	struct fake_table *t;

	if (cmd == NFT_MSG_NEWTABLE)
		return new_table(k, h, sock);
	t = table_at(k, h, NFTA_TABLE_NAME); /* attribute 1 is the table's name in all of them */
	if (!t)
		return ENOENT;
	if (t->owner && t->owner != sock)
		return EPERM;
	switch (cmd) {
	case NFT_MSG_DELTABLE:
		memset(t, 0, sizeof(*t));
		return 0;
	case NFT_MSG_NEWSET:
		t->sets++;
		t->has_lease_set |=
			strcmp(string(h, NFT_FIXED, NFTA_SET_NAME), GATE_LEASE_SET) == 0;
		return 0;
	case NFT_MSG_NEWSETELEM:
		return new_element(t, h);
	case NFT_MSG_DELSETELEM:
		return del_element(t);
	case NFT_MSG_NEWCHAIN:
		t->chains++;
		return 0;
	case NFT_MSG_NEWRULE:
		t->rules++;
		t->unleased += !leased(h);
		return 0;
	default:
		return EOPNOTSUPP;
	}
}

static int new_link(struct fake_kernel *k, const struct nlmsghdr *h)
{
	const struct nlattr *info = attr(h, sizeof(struct ifinfomsg), IFLA_LINKINFO);
	const char *name = string(h, sizeof(struct ifinfomsg), IFLA_IFNAME);

	if (k->no_ifb)
		return EOPNOTSUPP;
	if (link_at(k, name, 0))
		return EEXIST;
	for (int i = 0; i < FAKE_LINKS; i++) {
		struct fake_link *l = &k->link[i];

		if (l->ifindex)
			continue;
		l->ifindex = k->next_ifindex++;
		snprintf(l->name, sizeof(l->name), "%s", name);
		snprintf(l->kind, sizeof(l->kind), "%s",
			 (const char *)nlattr_data(
				 nlattr_find(nlattr_data(info), nlattr_len(info), IFLA_INFO_KIND)));
		memcpy(l->mac, nlattr_data(attr(h, sizeof(struct ifinfomsg), IFLA_ADDRESS)),
		       sizeof(l->mac));
		return 0;
	}
	return ENOSPC;
}

static int route_change(struct fake_kernel *k, const struct nlmsghdr *h)
{
	const struct ifinfomsg *i = NLMSG_DATA(h);
	const struct tcmsg *t = NLMSG_DATA(h);
	struct fake_link *l = NULL;

	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
		return new_link(k, h);
	case RTM_DELLINK:
		l = link_at(k, NULL, i->ifi_index);
		if (!l)
			return ENODEV;
		memset(l, 0, sizeof(*l));
		return 0;
	case RTM_NEWQDISC:
		l = link_at(k, NULL, t->tcm_ifindex);
		if (!l)
			return ENODEV;
		if (k->no_netem)
			return ENOENT;
		if (l->qdisc[0])
			return EEXIST;
		snprintf(l->qdisc, sizeof(l->qdisc), "%s", string(h, sizeof(*t), TCA_KIND));
		return 0;
	default:
		return EOPNOTSUPP;
	}
}

static const struct nlmsghdr *next(const struct nlmsghdr *h)
{
	return (const struct nlmsghdr *)(const void *)((const char *)h + NLMSG_ALIGN(h->nlmsg_len));
}

/* A batch outside of BATCH_BEGIN and END "succeeds" and changes nothing, as in the real one: model
 * it as an error. */
static int apply(struct fake_kernel *k, const struct nlbuf *b, const struct nlsock *s,
		 unsigned *ret_at)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)b->data;
	bool open = false;

	for (unsigned i = 0; i < b->n; i++, h = next(h)) {
		int code = 0;

		*ret_at = i;
		if (s->seq == NETLINK_ROUTE)
			code = route_change(k, h);
		else if (h->nlmsg_type == NFNL_MSG_BATCH_BEGIN)
			open = true;
		else if (h->nlmsg_type == NFNL_MSG_BATCH_END)
			open = false;
		else
			code = open ? nft_change(k, h, s->fd) : EPROTO;
		if (code)
			return code;
	}
	return open ? EPROTO : 0;
}

int __wrap_nlsock_talk(struct nlsock *s, struct nlbuf *b, struct err *e)
{
	static struct fake_kernel trial;
	bool fails = turn();
	unsigned at = 0;
	int code;

	if (fails && !fake.after)
		return injected(e);
	if (!s->sk)
		return err_set(e, EBADF, "no socket");
	if (b->full || !b->n)
		return err_set(e, EMSGSIZE, "the message is too long");
	trial = fake;
	code = apply(&trial, b, s, &at);
	if (!code)
		fake = trial;
	if (fails)
		return injected(e);
	return code ? err_set(e, code, "%s: %s", b->what[at], strerror(code)) : 0;
}

/* --- answers --- */

static int answer_link(const struct fake_link *l, nlsock_each *each, void *arg, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { .ifi_index = l->ifindex };
	size_t info;

	nlbuf_msg(&b, RTM_NEWLINK, 0, &i, sizeof(i), "");
	nlbuf_str(&b, IFLA_IFNAME, l->name);
	nlbuf_u32(&b, IFLA_MTU, 1500);
	nlbuf_attr(&b, IFLA_ADDRESS, l->mac, sizeof(l->mac));
	info = nlbuf_nest(&b, IFLA_LINKINFO);
	nlbuf_str(&b, IFLA_INFO_KIND, l->kind);
	nlbuf_end(&b, info);
	return each((struct nlmsghdr *)(void *)bytes, arg, e);
}

static int answer_links(nlsock_each *each, void *arg, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < FAKE_LINKS && rc == 0; i++) {
		if (fake.link[i].ifindex)
			rc = answer_link(&fake.link[i], each, arg, e);
	}
	return rc;
}

static int answer_qdiscs(nlsock_each *each, void *arg, struct err *e)
{
	for (int i = 0; i < FAKE_LINKS; i++) {
		const struct fake_link *l = &fake.link[i];
		_Alignas(16) char bytes[256];
		struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
		struct tcmsg t = { .tcm_ifindex = l->ifindex,
				   .tcm_parent = TC_H_ROOT,
				   .tcm_handle = NETEM_HANDLE };
		struct tc_stats stats = { .qlen = l->qlen };
		int rc;

		if (!l->ifindex || !l->qdisc[0])
			continue;
		nlbuf_msg(&b, RTM_NEWQDISC, 0, &t, sizeof(t), "");
		nlbuf_str(&b, TCA_KIND, l->qdisc);
		nlbuf_attr(&b, TCA_STATS, &stats, sizeof(stats));
		rc = each((struct nlmsghdr *)(void *)bytes, arg, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int answer_lease(const struct fake_table *t, nlsock_each *each, void *arg, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct nfgenmsg g = { .nfgen_family = t->family };
	size_t list;

	nlbuf_msg(&b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM, 0, &g, sizeof(g), "");
	list = nlbuf_nest(&b, NFTA_SET_ELEM_LIST_ELEMENTS);
	if (lease_alive(t))
		nlbuf_end(&b, nlbuf_nest(&b, NFTA_LIST_ELEM));
	nlbuf_end(&b, list);
	return each((struct nlmsghdr *)(void *)bytes, arg, e);
}

/* A rule of its table: "counter" with these packets, and one without anything. */
static int answer_rule(const struct fake_table *t, nlsock_each *each, void *arg, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct nfgenmsg g = { .nfgen_family = t->family };
	size_t list, elem, data;

	nlbuf_msg(&b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, 0, &g, sizeof(g), "");
	list = nlbuf_nest(&b, NFTA_RULE_EXPRESSIONS);
	elem = nlbuf_nest(&b, NFTA_LIST_ELEM);
	nlbuf_str(&b, NFTA_EXPR_NAME, "counter");
	data = nlbuf_nest(&b, NFTA_EXPR_DATA);
	nlbuf_be64(&b, NFTA_COUNTER_BYTES, t->bytes);
	nlbuf_be64(&b, NFTA_COUNTER_PACKETS, t->packets);
	nlbuf_end(&b, data);
	nlbuf_end(&b, elem);
	nlbuf_end(&b, list);
	return each((struct nlmsghdr *)(void *)bytes, arg, e);
}

static int ask_nft(const struct nlmsghdr *h, nlsock_each *each, void *arg, struct err *e)
{
	const struct fake_table *t = table_at(&fake, h, NFTA_TABLE_NAME);
	const struct nlmsghdr there = { .nlmsg_len = NLMSG_HDRLEN,
					.nlmsg_type =
						NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE };

	if (!t)
		return err_set(e, ENOENT, "no such table");
	switch (h->nlmsg_type & 0xff) {
	case NFT_MSG_GETTABLE:
		return each(&there, arg, e);
	case NFT_MSG_GETSETELEM:
		return answer_lease(t, each, arg, e);
	case NFT_MSG_GETRULE:
		return answer_rule(t, each, arg, e);
	default:
		return err_set(e, EOPNOTSUPP, "not modelled");
	}
}

int __wrap_nlsock_ask(struct nlsock *s, struct nlbuf *b, nlsock_each *each,
		      void (*on_restart)(void *arg), void *arg, struct err *e)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)b->data;
	const struct fake_link *l;

	if (turn())
		return injected(e);
	if (!s->sk || b->full || b->n != 1)
		return err_set(e, EINVAL, "a broken question");
	if (on_restart)
		on_restart(arg);
	if (s->seq == NETLINK_NETFILTER)
		return ask_nft(h, each, arg, e);
	if (h->nlmsg_type == RTM_GETQDISC)
		return answer_qdiscs(each, arg, e);
	if ((h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
		return answer_links(each, arg, e);
	l = link_at(&fake, string(h, sizeof(struct ifinfomsg), IFLA_IFNAME), 0);
	return l ? answer_link(l, each, arg, e) : err_set(e, ENODEV, "no such device");
}
