/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include "safety/fingerprint_parts.h"

#define NFT_TYPE(msg) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (msg)))

/* The rules of one chain come one after the other: their order counts. */
struct chain_order {
	uint64_t key, hash;
	bool open;
	char name[64];
};

static const char *family_text(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_ARP:
		return "arp";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_NETDEV:
		return "netdev";
	default:
		return "?";
	}
}

/* What every object has: its family and the names that stand in two of its attributes. */
struct named {
	uint8_t family;
	struct fp_attrs attrs;
	char table[256], name[256];
	uint64_t key;
};

static struct named read_names(const struct nlmsghdr *nh, const char *what, unsigned table,
			       unsigned name)
{
	const struct nfgenmsg *m = NLMSG_DATA(nh);
	struct named o = { .family = m->nfgen_family };

	o.attrs = fp_attrs_of(nh, sizeof(*m));
	fp_attr_text(o.attrs, table, o.table);
	if (name)
		fp_attr_text(o.attrs, name, o.name);
	o.key = fp_hash(FP_SEED, what, strlen(what));
	o.key = fp_hash_u32(o.key, o.family);
	o.key = fp_hash(o.key, o.table, strlen(o.table) + 1);
	o.key = fp_hash(o.key, o.name, strlen(o.name) + 1);
	return o;
}

static int add_table(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t kept = FP_BIT(NFTA_TABLE_FLAGS) | FP_BIT(NFTA_TABLE_USERDATA);
	struct named o = read_names(nh, "nft table", NFTA_TABLE_NAME, 0);

	(void)arg;
	return fp_add(t, o.key, fp_hash_some(FP_SEED, o.attrs, kept), "nft table %s %s",
		      family_text(o.family), o.table);
}

static int add_chain(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t kept = FP_BIT(NFTA_CHAIN_HOOK) | FP_BIT(NFTA_CHAIN_POLICY) |
			      FP_BIT(NFTA_CHAIN_TYPE) | FP_BIT(NFTA_CHAIN_FLAGS) |
			      FP_BIT(NFTA_CHAIN_USERDATA);
	struct named o = read_names(nh, "nft chain", NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME);

	(void)arg;
	return fp_add(t, o.key, fp_hash_some(FP_SEED, o.attrs, kept), "nft chain %s %s %s",
		      family_text(o.family), o.table, o.name);
}

/* The expressions of a rule without what they count. */
static uint64_t hash_expressions(uint64_t h, struct fp_attrs i)
{
	const struct nlattr *a;

	while ((a = fp_attr_next(&i))) {
		struct fp_attrs expr = fp_attrs_in(a);
		struct fp_attrs data = fp_attrs_in(fp_attr_find(expr, NFTA_EXPR_DATA));
		char name[256];

		fp_attr_text(expr, NFTA_EXPR_NAME, name);
		h = fp_hash(h, name, strlen(name) + 1);
		if (!strcmp(name, "counter") || !strcmp(name, "last"))
			continue;
		h = fp_hash_some(h, data,
				 strcmp(name, "quota") != 0 ? ~UINT64_C(0) :
							      ~FP_BIT(NFTA_QUOTA_CONSUMED));
	}
	return h;
}

static int close_chain(struct fp_take *t, struct chain_order *order)
{
	if (!order->open)
		return 0;
	order->open = false;
	return fp_add(t, order->key, order->hash, "nft order of rules %s", order->name);
}

static int add_rule(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	struct chain_order *order = arg;
	struct named o = read_names(nh, "nft rule", NFTA_RULE_TABLE, NFTA_RULE_CHAIN);
	uint64_t hash = fp_hash_some(FP_SEED, o.attrs,
				     FP_BIT(NFTA_RULE_USERDATA) | FP_BIT(NFTA_RULE_COMPAT));
	int r;

	hash = hash_expressions(hash, fp_attrs_in(fp_attr_find(o.attrs, NFTA_RULE_EXPRESSIONS)));
	if (order->open && order->key != o.key) {
		r = close_chain(t, order);
		if (r)
			return r;
	}
	if (!order->open) {
		*order = (struct chain_order){ .key = o.key, .hash = FP_SEED, .open = true };
		snprintf(order->name, sizeof(order->name), "%s %.24s %.24s", family_text(o.family),
			 o.table, o.name);
	}
	order->hash = fp_hash(order->hash, &hash, sizeof(hash));
	/* the content is the identity: handles and positions are numbered by the kernel */
	return fp_add(t, fp_hash(o.key, &hash, sizeof(hash)), hash, "nft rule %s %s %s",
		      family_text(o.family), o.table, o.name);
}

static int add_element(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t kept = FP_BIT(NFTA_SET_ELEM_KEY) | FP_BIT(NFTA_SET_ELEM_DATA) |
			      FP_BIT(NFTA_SET_ELEM_FLAGS) | FP_BIT(NFTA_SET_ELEM_USERDATA) |
			      FP_BIT(NFTA_SET_ELEM_OBJREF) | FP_BIT(NFTA_SET_ELEM_KEY_END);
	struct fp_attrs attrs = fp_attrs_of(nh, sizeof(struct nfgenmsg));
	struct fp_attrs i = fp_attrs_in(fp_attr_find(attrs, NFTA_SET_ELEM_LIST_ELEMENTS));
	const struct nlattr *a;
	uint64_t *sum = arg;

	(void)t;
	while ((a = fp_attr_next(&i))) /* a sum: the kernel lists a hash table in any order */
		*sum += fp_hash_some(FP_SEED, fp_attrs_in(a), kept);
	return 0;
}

static int add_elements(struct fp_take *t, int fd, const struct named *set)
{
	struct nfgenmsg m = { .nfgen_family = set->family, .version = NFNETLINK_V0 };
	struct fp_request q = fp_request(NFT_TYPE(NFT_MSG_GETSETELEM), &m, sizeof(m));
	uint64_t sum = 0;
	int r;

	fp_request_attr(&q, NFTA_SET_ELEM_LIST_TABLE, set->table, strlen(set->table) + 1);
	fp_request_attr(&q, NFTA_SET_ELEM_LIST_SET, set->name, strlen(set->name) + 1);
	r = fp_dump(t, fd, &q, add_element, &sum);
	if (r == -ENOENT) /* removed between the two dumps */
		return -EAGAIN;
	if (r)
		return r;
	return fp_add(t, ~set->key, sum, "nft elements %s %s %s", family_text(set->family),
		      set->table, set->name);
}

static int add_set(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t kept =
		FP_BIT(NFTA_SET_FLAGS) | FP_BIT(NFTA_SET_KEY_TYPE) | FP_BIT(NFTA_SET_KEY_LEN) |
		FP_BIT(NFTA_SET_DATA_TYPE) | FP_BIT(NFTA_SET_DATA_LEN) | FP_BIT(NFTA_SET_POLICY) |
		FP_BIT(NFTA_SET_DESC) | FP_BIT(NFTA_SET_TIMEOUT) | FP_BIT(NFTA_SET_GC_INTERVAL) |
		FP_BIT(NFTA_SET_USERDATA) | FP_BIT(NFTA_SET_OBJ_TYPE);
	const int *elements_fd = arg;
	struct named o = read_names(nh, "nft set", NFTA_SET_TABLE, NFTA_SET_NAME);
	uint32_t flags = ntohl(fp_attr_u32(fp_attr_find(o.attrs, NFTA_SET_FLAGS)));
	int r = fp_add(t, o.key, fp_hash_some(FP_SEED, o.attrs, kept), "nft set %s %s %s",
		       family_text(o.family), o.table, o.name);

	/* elements that end by themselves or that packets add are no configuration */
	if (r || (flags & (NFT_SET_TIMEOUT | NFT_SET_EVAL)))
		return r;
	return add_elements(t, *elements_fd, &o);
}

static int add_object(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t kept = FP_BIT(NFTA_OBJ_TYPE) | FP_BIT(NFTA_OBJ_USERDATA);
	struct named o = read_names(nh, "nft object", NFTA_OBJ_TABLE, NFTA_OBJ_NAME);

	(void)arg;
	return fp_add(t, o.key, fp_hash_some(FP_SEED, o.attrs, kept), "nft object %s %s %s",
		      family_text(o.family), o.table, o.name);
}

static int add_flowtable(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	const uint64_t kept = FP_BIT(NFTA_FLOWTABLE_HOOK) | FP_BIT(NFTA_FLOWTABLE_FLAGS);
	struct named o = read_names(nh, "nft flowtable", NFTA_FLOWTABLE_TABLE, NFTA_FLOWTABLE_NAME);

	(void)arg;
	return fp_add(t, o.key, fp_hash_some(FP_SEED, o.attrs, kept), "nft flowtable %s %s %s",
		      family_text(o.family), o.table, o.name);
}

static int dump_nft(struct fp_take *t, int fd, unsigned msg,
		    int (*fn)(struct fp_take *t, const struct nlmsghdr *nh, void *arg), void *arg)
{
	struct nfgenmsg m = { .nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0 };
	struct fp_request q = fp_request(NFT_TYPE(msg), &m, sizeof(m));

	return fp_dump(t, fd, &q, fn, arg);
}

/* Not readable is not empty: said once in the fingerprint itself, so that a change of it is a
 * difference. */
static int add_unseen(struct fp_take *t, enum fp_unseen unseen)
{
	t->fp->unseen |= unseen;
	return fp_add(t, unseen, unseen, "nft ruleset (%s)",
		      unseen == FP_NO_NFT_RIGHT ? "not permitted to read it" :
						  "none in this kernel");
}

int fp_nft(struct fp_take *t)
{
	AUTO(auto_close) int fd = fp_open(t, NETLINK_NETFILTER);
	AUTO(auto_close) int elements_fd = -1;
	struct chain_order order = { 0 };
	int r = fd;

	if (fd == -EPROTONOSUPPORT)
		return add_unseen(t, FP_NO_NFT_KERNEL);
	if (fd >= 0)
		r = elements_fd = fp_open(t, NETLINK_NETFILTER);
	if (r < 0)
		return r;
	r = dump_nft(t, fd, NFT_MSG_GETTABLE, add_table, NULL);
	if (r == -EPERM)
		return add_unseen(t, FP_NO_NFT_RIGHT);
	if (r == -EINVAL || r == -EOPNOTSUPP) /* nfnetlink knows no such subsystem */
		return add_unseen(t, FP_NO_NFT_KERNEL);
	if (!r)
		r = dump_nft(t, fd, NFT_MSG_GETCHAIN, add_chain, NULL);
	if (!r)
		r = dump_nft(t, fd, NFT_MSG_GETRULE, add_rule, &order);
	if (!r)
		r = close_chain(t, &order);
	if (!r)
		r = dump_nft(t, fd, NFT_MSG_GETSET, add_set, &elements_fd);
	if (!r)
		r = dump_nft(t, fd, NFT_MSG_GETOBJ, add_object, NULL);
	if (!r)
		r = dump_nft(t, fd, NFT_MSG_GETFLOWTABLE, add_flowtable, NULL);
	return r;
}
