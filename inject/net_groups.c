/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_groups.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inject/change/nft_rules.h"
#include "inject/change/pool.h"

#define SHOWN 4 /* addresses of a group, in texts */

bool net_prefix_covers(const struct net_prefix *wide, const struct net_prefix *narrow)
{
	return wide->len <= narrow->len && net_prefix_overlap(wide, narrow);
}

static bool same_ports(const struct net_group *g, const struct endpoint *ep)
{
	return g->port_lo == ep->port_lo && g->port_hi == ep->port_hi && g->proto == ep->proto &&
	       !g->n_prefixes == !ep->n_prefixes;
}

static int find_group(struct net_groups *g, const struct endpoint *ep, struct net_group **ret,
		      struct err *e)
{
	for (unsigned i = 0; i < g->n; i++) {
		*ret = &g->at[i];
		if (same_ports(*ret, ep))
			return 0;
	}
	if (g->n == NET_GROUPS)
		return err_set(e, E2BIG, "more than %d different ports in one list", NET_GROUPS);
	*ret = &g->at[g->n++];
	**ret = (struct net_group){ .port_lo = ep->port_lo,
				    .port_hi = ep->port_hi,
				    .proto = ep->proto };
	return 0;
}

static int add_prefixes(struct net_group *g, const struct endpoint *ep, struct arena *mem,
			struct err *e)
{
	if (!ep->n_prefixes)
		return 0;
	if (g->n_prefixes + ep->n_prefixes > POOL_MAX)
		return err_set(e, E2BIG, "more than %u addresses in one list", POOL_MAX);
	if (g->n_prefixes + ep->n_prefixes > g->room) {
		uint32_t room = 2 * g->room + ENDPOINT_PREFIXES;
		struct net_prefix *more = arena_zalloc(mem, room * sizeof(*more));

		if (!more)
			return err_set(e, ENOMEM, "no memory for the addresses");
		if (g->n_prefixes)
			memcpy(more, g->prefix, g->n_prefixes * sizeof(*more));
		g->prefix = more;
		g->room = room;
	}
	memcpy(g->prefix + g->n_prefixes, ep->prefix, ep->n_prefixes * sizeof(*g->prefix));
	g->n_prefixes += ep->n_prefixes;
	return 0;
}

static int add_name(struct net_group *g, const char *name, struct arena *mem, struct err *e)
{
	for (uint32_t i = 0; i < g->n_names; i++) {
		if (strcmp(g->name[i], name) == 0)
			return 0;
	}
	if (g->n_names == g->names_room) {
		uint32_t room = 2 * g->names_room + 4;
		const char **more = arena_zalloc(mem, room * sizeof(*more));

		if (!more)
			return err_set(e, ENOMEM, "no memory for the names");
		if (g->n_names)
			memcpy(more, g->name, g->n_names * sizeof(*more));
		g->name = more;
		g->names_room = room;
	}
	g->name[g->n_names] = arena_strndup(mem, name, strlen(name));
	return g->name[g->n_names++] ? 0 : err_set(e, ENOMEM, "no memory for the names");
}

/* By family and address, the wider of two first. */
static int by_address(const void *a, const void *b)
{
	const struct net_prefix *p = a, *q = b;
	int order = p->family - q->family;

	if (!order)
		order = memcmp(p->addr, q->addr, sizeof(p->addr));
	return order ? order : p->len - q->len;
}

/* nf_tables refuses intervals that overlap. Sorted, a range stands right before what it covers. */
static void sort_and_merge(struct net_group *g)
{
	uint32_t kept = 0;

	if (!g->n_prefixes)
		return;
	qsort(g->prefix, g->n_prefixes, sizeof(*g->prefix), by_address);
	for (uint32_t i = 0; i < g->n_prefixes; i++) {
		if (!kept || !net_prefix_covers(&g->prefix[kept - 1], &g->prefix[i]))
			g->prefix[kept++] = g->prefix[i];
	}
	g->n_prefixes = kept;
}

typedef int endpoint_reader(const char *text, struct endpoint *ret, struct err *e);

struct reading {
	endpoint_reader *parse;
	bool files; /* are read */
	uint8_t proto;
	struct arena *mem;
	struct net_groups *to;
};

static int add_endpoint(const struct reading *r, const char *text, struct err *e)
{
	struct net_group *group = NULL;
	struct endpoint ep;
	int rc = r->parse(text, &ep, e);

	if (rc < 0)
		return rc;
	if (ep.proto && r->proto && ep.proto != r->proto)
		return err_set(e, EINVAL, "'%s' contradicts 'proto'", text);
	if (r->proto)
		ep.proto = r->proto;
	rc = find_group(r->to, &ep, &group, e);
	if (rc == 0 && ep.name[0])
		rc = add_name(group, ep.name, r->mem, e);
	return rc < 0 ? rc : add_prefixes(group, &ep, r->mem, e);
}

/* Cuts the comment and the space at both ends off a line. */
static char *trim(char *line)
{
	size_t n;

	line[strcspn(line, "#\r\n")] = '\0';
	line += strspn(line, " \t");
	n = strlen(line);
	while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	line[n] = '\0';
	return line;
}

static void auto_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static int add_lines(const struct reading *r, const char *path, struct err *e)
{
	AUTO(auto_fclose) FILE *f = fopen(path, "re");
	AUTO(auto_free) char *line = NULL;
	size_t size = 0;
	unsigned n = 0;
	int rc = 0;

	if (!f)
		return err_sys(e, "cannot read the addresses in '%s'", path);
	while (rc == 0 && getline(&line, &size, f) >= 0) {
		const char *text = trim(line);

		n++;
		if (*text == '@')
			rc = err_set(e, EINVAL, "'%s': a list of addresses names no other one",
				     text);
		else if (*text)
			rc = add_endpoint(r, text, e);
		if (rc < 0)
			return err_ctx(e, "%s:%u", path, n);
	}
	return ferror(f) ? err_sys(e, "cannot read the addresses in '%s'", path) : rc;
}

/* What a file holds is not known before it is read: as little as what a name stands for. */
static int add_unread(const struct reading *r, struct err *e)
{
	const struct endpoint any = { .n_prefixes = 1, .proto = r->proto };
	struct net_group *group = NULL;
	int rc = find_group(r->to, &any, &group, e);

	return rc < 0 ? rc : add_prefixes(group, &any, r->mem, e);
}

static int add_text(const struct reading *r, const char *text, struct err *e)
{
	if (*text != '@')
		return add_endpoint(r, text, e);
	if (!text[1])
		return err_set(e, EINVAL, "'@' without a file: write @PATH");
	return r->files ? add_lines(r, text + 1, e) : add_unread(r, e);
}

static int groups_read(const struct strings *list, const struct reading *r, struct err *e)
{
	*r->to = (struct net_groups){ 0 };
	for (size_t i = 0; i < list->n; i++) {
		int rc = add_text(r, list->at[i], e);

		if (rc < 0)
			return rc;
	}
	if (list->n && !r->to->n)
		return err_set(e, EINVAL, "there is no address in '%s'", list->at[0] + 1);
	if (!list->n) { /* no list: one group of anything */
		r->to->n = 1;
		r->to->at[0] = (struct net_group){ .proto = r->proto };
	}
	for (unsigned i = 0; i < r->to->n; i++)
		sort_and_merge(&r->to->at[i]);
	return 0;
}

int net_groups_parse(const struct strings *list, uint8_t proto, struct arena *mem,
		     struct net_groups *ret, struct err *e)
{
	return groups_read(list, &(struct reading){ endpoint_parse, true, proto, mem, ret }, e);
}

int net_groups_syntax(const struct strings *list, uint8_t proto, struct arena *mem,
		      struct net_groups *ret, struct err *e)
{
	return groups_read(list, &(struct reading){ endpoint_syntax, false, proto, mem, ret }, e);
}

bool net_groups_choose(const struct net_groups *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		if (g->at[i].n_prefixes || g->at[i].port_hi)
			return true;
	}
	return false;
}

uint32_t net_groups_count(const struct net_groups *g)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < g->n; i++)
		n += g->at[i].n_prefixes;
	return n;
}

bool net_group_proto(const struct net_group *a, const struct net_group *b, uint8_t *ret)
{
	*ret = a->proto ? a->proto : b->proto;
	return !a->proto || !b->proto || a->proto == b->proto;
}

int net_groups_agree(const struct net_groups *to, const struct net_groups *from, struct err *e)
{
	uint8_t proto;

	for (unsigned i = 0; i < to->n; i++) {
		for (unsigned k = 0; k < from->n; k++) {
			if (!net_group_proto(&to->at[i], &from->at[k], &proto))
				return err_set(e, EINVAL, NET_TWO_PROTOS);
			if (proto && !gate_proto_has_ports(proto) &&
			    (to->at[i].port_hi || from->at[k].port_hi))
				return err_set(e, EINVAL,
					       "a port and a protocol without ports (number %u) "
					       "contradict each other",
					       proto);
		}
	}
	return 0;
}

void net_group_add(struct text *t, const struct net_group *g)
{
	bool all = g->n_prefixes <= SHOWN + 1; /* "and 1 more" is no shorter */
	struct endpoint shown = { .port_lo = g->port_lo,
				  .port_hi = g->port_hi,
				  .proto = g->proto,
				  .n_prefixes = all ? g->n_prefixes : SHOWN };

	if (g->n_prefixes)
		memcpy(shown.prefix, g->prefix, shown.n_prefixes * sizeof(*g->prefix));
	endpoint_add(t, &shown);
	if (!all)
		text_add(t, " and %u more", g->n_prefixes - SHOWN);
}
