/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "safety/proto.h"
#include "scenarios/load.h"

/* Kinds that the language names and this version has not. */
const char *const load_later_kinds[] = { "cpu.burn",      "mem.hold",
					 "net.rate",      "net.corrupt",
					 "net.duplicate", "net.reorder",
					 "syscall.fail",  NULL };

static bool is_later(const char *name)
{
	for (size_t i = 0; load_later_kinds[i]; i++) {
		if (strcmp(load_later_kinds[i], name) == 0)
			return true;
	}
	return false;
}

static const struct fault_ops *kind_find(const struct loader *l, const char *name)
{
	for (size_t i = 0; l->o->faults[i]; i++) {
		if (strcmp(l->o->faults[i]->name, name) == 0)
			return l->o->faults[i];
	}
	return NULL;
}

static const char *kind_nearest(const struct loader *l, const char *name)
{
	unsigned best = fields_tolerance(name) + 1;
	const char *found = NULL;

	for (size_t i = 0; l->o->faults[i]; i++) {
		unsigned d = fields_distance(name, l->o->faults[i]->name, best);

		if (d < best) {
			best = d;
			found = l->o->faults[i]->name;
		}
	}
	return found;
}

static void add_kinds(const struct loader *l, struct text *t)
{
	for (size_t i = 0; l->o->faults[i]; i++)
		text_add(t, "%s%s", i ? ", " : "", l->o->faults[i]->name);
}

static void say_unknown_kind(struct loader *l, const struct node *key)
{
	const char *near = kind_nearest(l, key->text);
	char buf[300];
	struct text kinds = text_on(buf, sizeof(buf));
	char shown[300];
	struct diag *g;

	if (!strchr(key->text, '.') && !near) {
		bind_unknown(&l->binder, key, &fault_fields);
		return;
	}
	g = diag_add(l->d, DIAG_ERROR, MSG_UNKNOWN_FAULT, key->at, "unknown fault '%s'",
		     bind_shown(key->text, shown, sizeof(shown)));
	if (near)
		diag_caret(g, "did you mean '%s'?", near);
	add_kinds(l, &kinds);
	diag_note(g, "help: faults are %s. See: brink list faults", buf);
}

static void say_two_kinds(struct loader *l, const struct node *key, const char *first)
{
	char shown[300];
	struct diag *g = diag_add(l->d, DIAG_ERROR, MSG_ONE_KIND, key->at,
				  "a second kind in one fault: %.60s beside %s",
				  bind_shown(key->text, shown, sizeof(shown)), first);

	diag_caret(g, "write it as an item of its own");
}

static void say_no_kind(struct loader *l, const struct node *item)
{
	struct span at = { item->at.line, item->at.col, 0 };
	struct diag *g = diag_add(l->d, DIAG_ERROR, MSG_ONE_KIND, at, "this fault has no kind");
	char buf[300];
	struct text kinds = text_on(buf, sizeof(buf));

	add_kinds(l, &kinds);
	diag_caret(g, "add what is to be broken");
	diag_note(g, "help: faults are %s. See: brink list faults", buf);
}

/* The kind of a fault and its parameters; ops == NULL: none was found, which was said. */
struct kind {
	const struct fault_ops *ops;
	const struct pair *pair;
};

/* Splits an item into the keys beside the kind (copied to ret_rest) and the kind itself. */
static int split_item(struct loader *l, const struct node *item, struct node *ret_rest,
		      struct kind *ret_kind)
{
	const struct node *first = NULL;
	unsigned wrong = 0;

	*ret_rest = *item;
	ret_rest->n = 0;
	ret_rest->pair = arena_zalloc(&l->scratch, item->n * sizeof(*item->pair));
	if (!ret_rest->pair)
		return load_no_memory(l);
	for (size_t i = 0; i < item->n; i++) {
		const struct node *key = item->pair[i].key;

		if (fields_find(&fault_fields, key->text) || bind_is_free(key)) {
			ret_rest->pair[ret_rest->n++] = item->pair[i];
		} else if (first && (kind_find(l, key->text) || is_later(key->text))) {
			say_two_kinds(l, key, first->text);
		} else if (kind_find(l, key->text)) {
			first = key;
			*ret_kind = (struct kind){ kind_find(l, key->text), &item->pair[i] };
		} else if (is_later(key->text)) {
			first = key;
			diag_add(l->d, DIAG_ERROR, MSG_LATER, key->at,
				 "fault '%s' is not in this version", key->text);
		} else {
			say_unknown_kind(l, key);
			wrong++;
		}
	}
	if (!first && !wrong)
		say_no_kind(l, item);
	return 0;
}

/* Which kind of target this row names; 0: it names none. */
static enum target_kind ref_kind(const struct fault_ops *ops, const struct field *k)
{
	if (k->type == FIELD_REF)
		return (enum target_kind)k->min;
	if (k->type != FIELD_STRING || strcmp(k->name, "target") != 0)
		return 0;
	if (strncmp(ops->name, "net.", 4) == 0)
		return TARGET_FLOW;
	return strncmp(ops->name, "disk.", 5) == 0 ? TARGET_PATH : TARGET_PROCESS;
}

/* What the `target:` of a fault's own parameters names. */
static void find_refs(struct loader *l, struct fault_item *f, const struct node *params)
{
	for (const struct field *k = f->ops->fields->fields; k->name; k++) {
		const char *const *name = (const char *const *)((char *)f->spec + k->offset);
		enum target_kind kind = ref_kind(f->ops, k);
		const struct node *at = kind ? node_get(params, k->name) : NULL;

		if (at && *name)
			f->target = load_find_target(l, *name, kind, at->at);
	}
}

/* What no run would accept, whatever the system looks like. */
static int check_spec(struct loader *l, const struct fault_item *f, const struct node *key)
{
	struct err e = { 0 };
	int r = f->ops->check ? f->ops->check(f->spec, &e) : 0;

	if (r == -ENOMEM)
		return load_no_memory(l);
	if (r < 0)
		bind_error(l->d, MSG_FAULT_VALUE, key->at, &e);
	return 0;
}

static int bind_kind(struct loader *l, struct fault_item *f, const struct fault_ops *ops,
		     const struct pair *kind)
{
	unsigned errors = l->d->errors;
	int r;

	f->ops = ops;
	f->spec = arena_zalloc(&l->x->arena, ops->fields->size);
	if (!f->spec)
		return load_no_memory(l);
	if (node_is_empty(kind->value)) {
		diag_add(l->d, DIAG_ERROR, MSG_NO_VALUE, kind->key->at, "'%s' has no parameters",
			 ops->name);
		return 0;
	}
	l->binder.outer = &fault_fields;
	r = bind_block(&l->binder, kind->value, ops->fields, f->spec);
	l->binder.outer = NULL;
	if (!r)
		find_refs(l, f, kind->value);
	if (!r && errors == l->d->errors) /* more would only be consequences */
		r = check_spec(l, f, kind->key);
	return r;
}

/* Does it hold for a while? A one-shot fault does only when it is repeated. */
static bool has_duration(const struct fault_item *f)
{
	return !f->ops->one_shot || fields_given(f->ops->fields, f->spec, "every");
}

/* Between two looks of every gate there may be a whole fault. */
static void warn_not_seen(struct loader *l, const struct fault_item *f, struct span at)
{
	char held[32], every[32];
	struct text t = text_on(held, sizeof(held)), u = text_on(every, sizeof(every));
	int64_t shortest = INT64_MAX;
	struct diag *g;

	for (size_t i = 0; i < l->x->n_checks; i++) {
		const struct check_spec *c = &l->x->checks[i];

		if (c->role == ROLE_GATE && c->every_ns && c->every_ns < shortest)
			shortest = c->every_ns;
	}
	if (shortest == INT64_MAX || !f->for_ns || f->for_ns >= shortest)
		return;
	units_add_duration(&t, f->for_ns);
	units_add_duration(&u, shortest);
	g = diag_add(l->d, DIAG_WARNING, MSG_NOT_SEEN, at,
		     "this fault holds for %s, and no check looks more often than every %s", held,
		     every);
	diag_caret(g, "a longer 'for', or a check with a shorter 'every'");
}

static void check_times(struct loader *l, struct fault_item *f, const struct node *item)
{
	const struct node *at = node_get(item, "for");
	int64_t limit = l->x->limits.duration_ns;
	struct diag *g;
	char buf[64];
	struct text t = text_on(buf, sizeof(buf));

	if (!has_duration(f)) {
		if (at) {
			g = diag_add(l->d, DIAG_ERROR, MSG_NOT_HERE, at->at,
				     "%s happens once and has no end", f->ops->name);
			diag_caret(g, "remove 'for', or repeat the fault with 'every'");
		}
		f->for_ns = 0;
	}
	warn_not_seen(l, f, at ? at->at : (struct span){ item->at.line, item->at.col, 0 });
	if (!limit || f->after_ns + f->for_ns <= limit)
		return;
	units_add_duration(&t, f->after_ns + f->for_ns);
	g = diag_add(l->d, DIAG_ERROR, MSG_LIMIT,
		     at ? at->at : (struct span){ item->at.line, item->at.col, 0 },
		     "this fault ends %s after the start, later than limits.duration", buf);
	if (!at)
		diag_caret(g, "without 'for' a fault holds for %s", EXPERIMENT_FOR);
}

static int find_recovery_checks(struct loader *l, struct recovery *rec, const struct node *item)
{
	const struct node *block = node_get(item, "recovers_within");
	const struct node *ids = block ? node_get(block, "checks") : NULL;
	const struct check_spec **found;

	if (!ids || !rec->checks.n)
		return 0;
	found = arena_zalloc(&l->x->arena, rec->checks.n * sizeof(const void *));
	if (!found)
		return load_no_memory(l);
	for (size_t i = 0; i < rec->checks.n; i++) {
		/* an item that was no plain text was said and skipped: then the places no longer
		 * agree */
		const struct node *at =
			ids->type == NODE_LIST && ids->n == rec->checks.n ? ids->item[i] : ids;

		found[i] = load_find_check(l, rec->checks.at[i], at->at);
	}
	rec->check = found;
	return 0;
}

static int load_fault(struct loader *l, const struct node *item, struct fault_item *f)
{
	struct kind kind = { 0 };
	struct node rest;
	int r;

	if (item->type != NODE_MAP) {
		struct diag *g =
			diag_add(l->d, DIAG_ERROR, MSG_SHAPE, item->at, "a fault is a block");

		diag_caret(g, "write '- net.delay: {…}'");
		return 0;
	}
	r = split_item(l, item, &rest, &kind);
	if (!r)
		r = bind_block(&l->binder, &rest, &fault_fields, f);
	if (!r && kind.ops)
		r = bind_kind(l, f, kind.ops, kind.pair);
	if (r || !f->ops)
		return r;
	check_times(l, f, item);
	f->has_recovery = fields_given(&fault_fields, f, "recovers_within");
	return find_recovery_checks(l, &f->recovers_within, item);
}

static struct span id_place(const struct node *item)
{
	const struct node *id = node_get(item, "id");

	return id ? id->at : item->at;
}

/* Given ids first, so that a made one never takes the name of a given one that comes later. */
static int name_faults(struct loader *l, const struct node *list)
{
	int r = 0;

	for (int given = 1; given >= 0; given--) {
		for (size_t i = 0; i < list->n && !r; i++) {
			struct fault_item *f = &l->x->faults[i];

			if (f->ops && (f->id != NULL) == (given != 0))
				r = load_id(l, &l->faults, &f->id, f->ops->name, f,
					    id_place(list->item[i]));
		}
	}
	return r;
}

int load_faults(struct loader *l)
{
	const struct node *list = node_get(l->root, "faults");
	int r = 0;

	if (!list || node_is_empty(list))
		return 0;
	if (list->type != NODE_LIST || !list->n || list->n > BIND_LIST_MAX) {
		struct diag *g = diag_add(l->d, DIAG_ERROR, MSG_SHAPE, list->at,
					  "'faults' takes a list of 1 to 10,000 faults");

		diag_caret(g, "begin each fault with '- '");
		return 0;
	}
	l->x->faults = arena_zalloc(&l->x->arena, list->n * sizeof(*l->x->faults));
	if (!l->x->faults)
		return load_no_memory(l);
	l->x->n_faults = list->n;
	for (size_t i = 0; i < list->n && !r; i++)
		r = load_fault(l, list->item[i], &l->x->faults[i]);
	if (list->n > PROTO_FAULTS)
		diag_add(l->d, DIAG_ERROR, MSG_TOO_MANY, list->item[PROTO_FAULTS]->at,
			 "a run has at most %d faults, and here are %zu", PROTO_FAULTS, list->n);
	return r ? r : name_faults(l, list);
}
