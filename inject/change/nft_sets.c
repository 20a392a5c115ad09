/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/nft_sets.h"

#include <stdio.h>
#include <string.h>

#define TYPE_IPV4  7u /* nft(8) data types, for listings only */
#define TYPE_IPV6  8u
#define TYPE_PROTO 12u
#define TYPE_PORT  13u
#define TYPE_MARK  19u
#define TYPE_BITS  6 /* of each part of a key that has several */

/* An attribute, and so the elements of one message, ends below 64 KiB: netlink(7). */
#define ELEMS_BYTES 60000
/* Of one batch: with one more message it is below GATE_BATCH_BYTES. */
#define BATCH_FULL ((size_t)2 * ELEMS_BYTES)

void gate_set_name(char ret[GATE_SET_NAME], uint32_t first, unsigned family)
{
	snprintf(ret, GATE_SET_NAME, "a%u_v%u", first, family);
}

uint32_t gate_set_id(uint32_t first, unsigned family)
{
	return 2 + first * 2 + (family == 6);
}

const char *flows_set_name(unsigned family)
{
	return family == 4 ? "flows_v4" : "flows_v6";
}

uint32_t flows_set_id(unsigned family)
{
	return UINT32_MAX - family; /* those of the lists are below, whatever their number */
}

static bool is_pooled(uint32_t first)
{
	return first >= GATE_PREFIXES;
}

struct gate_list gate_list_of(const struct nft_gate_spec *s, const struct address_pool *pool,
			      uint32_t first, uint32_t n)
{
	return (struct gate_list){ .first = first,
				   .n = n,
				   .at = is_pooled(first) ? pool->at + (first - GATE_PREFIXES) :
							    s->prefix + first };
}

static bool is_single(const struct net_prefix *p)
{
	return p->len == (p->family == 4 ? 32 : 128);
}

static uint32_t count_family(const struct gate_list *l, unsigned family)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++)
		n += l->at[i].family == family;
	return n;
}

bool gate_list_has(const struct gate_list *l, unsigned family)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->at[i].family == family)
			return true;
	}
	return false;
}

static bool has_interval(const struct gate_list *l, unsigned family)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->at[i].family == family && !is_single(&l->at[i]))
			return true;
	}
	return false;
}

/* First address after a prefix; false when the prefix reaches to the end of the address space. */
static bool after_prefix(const struct net_prefix *p, uint8_t next[16])
{
	int at = p->len / 8, bytes = p->family == 4 ? 4 : 16;
	unsigned carry = p->len % 8 ? 1u << (8 - p->len % 8) : 0;

	memcpy(next, p->addr, 16);
	if (!carry) { /* a whole number of bytes: one up in the last byte of the prefix */
		at--;
		carry = 1;
	}
	for (; at >= 0 && at < bytes && carry; at--) {
		carry += next[at];
		next[at] = (uint8_t)carry;
		carry >>= 8;
	}
	return !carry;
}

/* The set alone. The kernel takes a hash of a fixed size, the quickest it has, where it knows how
 * many there will be: nft_set_hash.c. Ends of intervals count too, but not in every kernel. */
static void define_set(struct nlbuf *b, const struct nft_gate_spec *s, const struct gate_list *l,
		       unsigned family)
{
	bool interval = has_interval(l, family);
	uint32_t flags = l->grows ? 0 : NFT_SET_CONSTANT, more = l->grows ? GATE_JOINS : 0;
	char name[GATE_SET_NAME];

	gate_set_name(name, l->first, family);
	nft_set(b, gate_family(s), s->table,
		&(struct nft_set_def){ .name = name,
				       .flags = flags | (interval ? NFT_SET_INTERVAL : 0),
				       .key_type = family == 4 ? TYPE_IPV4 : TYPE_IPV6,
				       .key_len = family == 4 ? 4 : 16,
				       .size = interval ? 0 : count_family(l, family) + more,
				       .id = gate_set_id(l->first, family) });
}

/* One element, and the end of its range, also where the next one begins there: two beginnings in a
 * row are refused (nft_set_rbtree.c). */
static void element(struct nlbuf *b, const struct net_prefix *p, bool interval)
{
	uint32_t len = p->family == 4 ? 4 : 16;
	uint8_t next[16];

	nft_elem(b, p->addr, len, 0, 0);
	if (interval && after_prefix(p, next))
		nft_elem(b, next, len, NFT_SET_ELEM_INTERVAL_END, 0);
}

/* One message of elements from *at on; *at moves behind the last one that found room. */
static void elements(struct nlbuf *b, const struct nft_gate_spec *s, const struct gate_list *l,
		     unsigned family, bool interval, uint32_t *at)
{
	size_t began = b->len;
	struct nft_elems list;
	char name[GATE_SET_NAME];

	gate_set_name(name, l->first, family);
	list = nft_elems_open(b, NFT_MSG_NEWSETELEM, gate_family(s), s->table, name,
			      "cannot fill an nft set");
	for (; *at < l->n && b->len - began < ELEMS_BYTES && !b->full; (*at)++) {
		if (l->at[*at].family == family)
			element(b, &l->at[*at], interval);
	}
	nft_elems_close(b, list);
}

/* Each list once, whatever number of matches share it: calls each() for lists that stand in the
 * pool, or for those that do not. */
static void each_list(const struct nft_gate_spec *s, const struct address_pool *pool, bool pooled,
		      void (*each)(void *arg, const struct gate_list *l), void *arg)
{
	uint32_t seen[2 * GATE_MATCHES];
	unsigned n_seen = 0;

	for (unsigned i = 0; i < 2u * s->n_matches; i++) {
		const struct net_match *m = &s->match[i / 2];
		uint32_t first = i % 2 ? m->src_first : m->dst_first;
		uint32_t n = i % 2 ? m->src_n : m->dst_n;
		uint8_t grows = i % 2 ? GROWS_SRC : GROWS_DST;
		unsigned k = 0;

		if (!n || is_pooled(first) != pooled)
			continue;
		while (k < n_seen && seen[k] != first)
			k++;
		if (k == n_seen) {
			struct gate_list l = gate_list_of(s, pool, first, n);

			seen[n_seen++] = first;
			l.grows = m->grows & grows;
			each(arg, &l);
		}
	}
}

struct writing {
	struct nlbuf *b;
	const struct nft_gate_spec *s;
};

static void write_small_set(void *arg, const struct gate_list *l)
{
	const struct writing *w = arg;

	for (unsigned family = 4; family <= 6; family += 2) {
		uint32_t at = 0;

		if (!gate_list_has(l, family))
			continue;
		define_set(w->b, w->s, l, family);
		elements(w->b, w->s, l, family, has_interval(l, family), &at);
	}
}

static void define_flows(struct nlbuf *b, const struct nft_gate_spec *s, unsigned family)
{
	const uint32_t address = family == 4 ? TYPE_IPV4 : TYPE_IPV6;
	const uint32_t parts[] = { address, address, TYPE_PROTO, TYPE_PORT, TYPE_PORT };
	uint32_t type = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		type = type << TYPE_BITS | parts[i];
	nft_set(b, gate_family(s), s->table,
		&(struct nft_set_def){ .name = flows_set_name(family),
				       .flags = NFT_SET_TIMEOUT | NFT_SET_EVAL,
				       .key_type = type,
				       .key_len = 2 * (family == 4 ? 4 : 16) + 3 * 4,
				       .size = FLOWS_MAX,
				       .id = flows_set_id(family) });
}

void gate_sets(struct nlbuf *b, const struct nft_gate_spec *s)
{
	struct writing w = { b, s };

	nft_set(b, gate_family(s), s->table,
		&(struct nft_set_def){ .name = GATE_LEASE_SET,
				       .flags = NFT_SET_TIMEOUT,
				       .key_type = TYPE_MARK,
				       .key_len = 4,
				       .id = GATE_LEASE_ID });
	for (unsigned family = 4; s->learn && family <= 6; family += 2)
		define_flows(b, s, family);
	each_list(s, NULL, false, write_small_set, &w);
}

static void define_pooled_set(void *arg, const struct gate_list *l)
{
	const struct writing *w = arg;

	for (unsigned family = 4; family <= 6; family += 2) {
		if (l->grows || gate_list_has(l, family))
			define_set(w->b, w->s, l, family);
	}
}

struct joining {
	struct nlbuf *b;
	const struct nft_gate_spec *s;
	const struct gate_join *j;
	bool found;
};

static void join_list(void *arg, const struct gate_list *l)
{
	struct joining *w = arg;
	struct nft_elems list;
	char name[GATE_SET_NAME];

	if (l->first != w->j->list || !l->grows)
		return;
	w->found = true;
	gate_set_name(name, l->first, w->j->at.family);
	list = nft_elems_open(w->b, NFT_MSG_NEWSETELEM, gate_family(w->s), w->s->table, name,
			      "cannot add an address to an nft set");
	element(w->b, &w->j->at, has_interval(l, w->j->at.family));
	nft_elems_close(w->b, list);
}

bool gate_join_write(struct nlbuf *b, const struct nft_gate_spec *s,
		     const struct address_pool *pool, const struct gate_join *j)
{
	struct joining w = { b, s, j, false };

	nft_begin(b);
	each_list(s, pool, true, join_list, &w);
	nft_commit(b);
	return w.found;
}

static void note_list(void *arg, const struct gate_list *l)
{
	struct gate_load *load = arg;

	load->list_first[load->n_lists] = l->first;
	load->list_n[load->n_lists++] = l->n;
}

struct gate_load gate_load_of(const struct nft_gate_spec *s, const struct address_pool *pool)
{
	struct gate_load load = { .s = s, .pool = pool, .family = 4 };

	each_list(s, pool, true, note_list, &load);
	return load;
}

/* A list is read once for each family. */
static bool next_part(struct gate_load *l, struct gate_list *ret)
{
	for (; l->list < l->n_lists; l->list++, l->family = 4) {
		*ret = gate_list_of(l->s, l->pool, l->list_first[l->list], l->list_n[l->list]);
		for (; l->family <= 6; l->family += 2, l->at = 0) {
			if (l->at == 0) /* once: a list may be long */
				l->interval = has_interval(ret, l->family);
			while (l->at < ret->n && ret->at[l->at].family != l->family)
				l->at++;
			if (l->at < ret->n)
				return true;
		}
	}
	return false;
}

bool gate_load_next(struct nlbuf *b, struct gate_load *l)
{
	struct writing w = { b, l->s };
	struct gate_list part;

	if (!next_part(l, &part))
		return false;
	nft_begin(b);
	if (!l->begun) {
		nft_table(b, gate_family(l->s), l->s->table, NFT_TABLE_F_OWNER);
		each_list(l->s, l->pool, true, define_pooled_set, &w);
		l->begun = true;
	}
	do
		elements(b, l->s, &part, l->family, l->interval, &l->at);
	while (b->len < BATCH_FULL && next_part(l, &part));
	nft_commit(b);
	return true;
}
