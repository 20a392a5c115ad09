/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/fingerprint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "safety/fingerprint_parts.h"

#define TRIES 20

const char *fp_link_name(const struct fp_take *t, int32_t ifindex, char buf[static IFNAMSIZ])
{
	for (uint32_t i = 0; i < t->n_links; i++)
		if (t->link[i].ifindex == ifindex)
			return t->link[i].name;
	snprintf(buf, IFNAMSIZ, "if%d", ifindex);
	return buf;
}

/* Everything that brink makes has a name that starts with "brink": a device, a table. */
static bool is_ours(const char *name)
{
	const char *p = name;

	while ((p = strstr(p, "brink"))) {
		if (p == name || p[-1] == ' ' || p[-1] == '/')
			return true;
		p++;
	}
	return false;
}

int fp_add(struct fp_take *t, uint64_t key, uint64_t value, const char *fmt, ...)
{
	struct fingerprint *fp = t->fp;
	struct fp_entry *entry = &fp->entry[fp->n];
	uint32_t room = fp->room ? fp->room : FINGERPRINT_ENTRIES;
	size_t at = 0;
	va_list ap;

	if (fp->n == room)
		return err_set(t->e, E2BIG,
			       "there are more than %u objects, the fingerprint is truncated",
			       room);
	*entry = (struct fp_entry){ .value = value };
	if (t->scope[0]) {
		snprintf(entry->name, sizeof(entry->name), "%.30s: ", t->scope);
		at = strlen(entry->name);
	}
	va_start(ap, fmt);
	vsnprintf(entry->name + at, sizeof(entry->name) - at, fmt, ap);
	va_end(ap);
	entry->ours = is_ours(entry->name + at);
	entry->key = fp_hash(key, t->scope, strlen(t->scope));
	fp->n++;
	return 0;
}

static int compare(const struct fp_entry *a, const struct fp_entry *b)
{
	int r = strcmp(a->name, b->name);

	if (r)
		return r;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return (a->value > b->value) - (a->value < b->value);
}

static void swap(struct fp_entry *a, struct fp_entry *b)
{
	struct fp_entry kept = *a;

	*a = *b;
	*b = kept;
}

static void sift_down(struct fp_entry *e, uint32_t root, uint32_t n)
{
	for (;;) {
		uint32_t child = 2 * root + 1;

		if (child >= n)
			return;
		if (child + 1 < n && compare(&e[child], &e[child + 1]) < 0)
			child++;
		if (compare(&e[root], &e[child]) >= 0)
			return;
		swap(&e[root], &e[child]);
		root = child;
	}
}

/* Not qsort: glibc's allocates. */
static void heap_sort(struct fp_entry *e, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sift_down(e, i, n);
	for (uint32_t i = n; i-- > 1;) {
		swap(&e[0], &e[i]);
		sift_down(e, 0, i);
	}
}

static int take_part(struct fp_take *t, const char *what, int (*part)(struct fp_take *t))
{
	uint32_t n = t->fp->n;
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		t->fp->n = n;
		t->e->code = 0;
		r = part(t);
	}
	if (!r)
		return 0;
	if (r == -EAGAIN)
		return err_set(t->e, EAGAIN, "the %s keep changing", what);
	if (!t->e->code)
		return err_set(t->e, -r, "cannot read the %s: %s", what, strerror(-r));
	return err_ctx(t->e, "reading the %s", what);
}

int fingerprint_take(struct fingerprint *fp, const char *scope, struct err *e)
{
	static const struct {
		const char *what;
		int (*part)(struct fp_take *t);
	} parts[] = {
		{ "links", fp_links },           { "qdiscs, classes and filters", fp_tc },
		{ "addresses", fp_addresses },   { "routes", fp_routes },
		{ "routing rules", fp_rules },   { "neighbours", fp_neighbours },
		{ "nf_tables ruleset", fp_nft }, { "sysctls", fp_sysctls },
	};
	struct fp_take t;

	t.fp = fp;
	t.scope = scope;
	t.e = e;
	t.seq = 0;
	t.n_links = 0;
	t.n_nodes = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int r = take_part(&t, parts[i].what, parts[i].part);

		if (r)
			return r;
	}
	heap_sort(fp->entry, fp->n);
	return 0;
}

static bool same_object(const struct fp_entry *a, const struct fp_entry *b)
{
	return a->key == b->key && !strcmp(a->name, b->name);
}

/* The entries of one object: several when nothing tells them apart, as two equal routes. */
static uint32_t group_end(const struct fingerprint *fp, uint32_t at)
{
	uint32_t end = at + 1;

	while (end < fp->n && same_object(&fp->entry[at], &fp->entry[end]))
		end++;
	return end;
}

/* How many values of a (sorted) have no equal one in b. */
static uint32_t unmatched(const struct fp_entry *a, uint32_t n_a, const struct fp_entry *b,
			  uint32_t n_b)
{
	uint32_t matched = 0;

	for (uint32_t i = 0, j = 0; i < n_a && j < n_b;) {
		matched += a[i].value == b[j].value;
		if (a[i].value == b[j].value) {
			i++;
			j++;
		} else if (a[i].value < b[j].value) {
			i++;
		} else {
			j++;
		}
	}
	return n_a - matched;
}

uint32_t fingerprint_diff(const struct fingerprint *before, const struct fingerprint *after,
			  void (*fn)(void *arg, enum fp_change what, const struct fp_entry *entry),
			  void *arg)
{
	uint32_t i = 0, j = 0, total = 0;

	while (i < before->n || j < after->n) {
		const struct fp_entry *a = &before->entry[i], *b = &after->entry[j];
		uint32_t i_end = i, j_end = j, lost, gained;
		int order = i == before->n ? 1 : j == after->n ? -1 : strcmp(a->name, b->name);

		if (!order && a->key != b->key)
			order = a->key < b->key ? -1 : 1;
		if (order <= 0)
			i_end = group_end(before, i);
		if (order >= 0)
			j_end = group_end(after, j);
		lost = unmatched(a, i_end - i, b, j_end - j);
		gained = unmatched(b, j_end - j, a, i_end - i);
		for (; lost || gained; total++) {
			enum fp_change what = lost && gained ? FP_CHANGED :
					      lost           ? FP_REMOVED :
							       FP_ADDED;

			if (fn)
				fn(arg, what, lost ? a : b);
			lost -= lost > 0;
			gained -= gained > 0;
		}
		i = i_end;
		j = j_end;
	}
	return total;
}
