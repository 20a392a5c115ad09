/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/bind.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define SHOWN_MAX 48

const char *bind_shown(const char *s, char *buf, size_t size)
{
	struct text t = text_on(buf, size);
	size_t n = strlen(s);

	if (n > SHOWN_MAX) {
		n = SHOWN_MAX; /* not in the middle of a character */
		while (n > SHOWN_MAX - 4 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	}
	text_add_foreign(&t, s, n);
	if (s[n])
		text_add(&t, "...");
	return buf;
}

struct src_pos bind_pos(const struct binder *b, const struct node *n)
{
	return (struct src_pos){ b->file, n->at.line, n->at.col };
}

void bind_error(struct diags *d, enum msg_code code, struct span at, const struct err *e)
{
	struct diag *g =
		diag_add(d, DIAG_ERROR, code, at, "%s", e->depth ? e->msg[e->depth - 1] : "?");

	if (e->depth > 1)
		diag_caret(g, "%s", e->msg[0]);
}

/* The end of "keys of proc.kill are target, signal, grace. See: brink explain proc.kill" */
static void add_keys(struct diag *g, const struct field_table *t)
{
	char buf[320];
	struct text names = text_on(buf, sizeof(buf));

	fields_add_names(t, &names);
	diag_note(g, "help: keys of %s are %s%s See: brink explain %s", t->name, buf,
		  names.cut ? "..." : ".", t->name);
}

void bind_unknown(struct binder *b, const struct node *key, const struct field_table *t)
{
	const char *near = fields_nearest(t, key->text);
	char buf[SHOWN_MAX * 4 + 4];
	struct diag *g =
		diag_add(b->d, DIAG_ERROR, MSG_UNKNOWN_KEY, key->at, "unknown key '%s' in %s",
			 bind_shown(key->text, buf, sizeof(buf)), t->name);

	if (b->outer && fields_find(b->outer, key->text))
		diag_caret(g, "it stands beside %s, not inside", t->name);
	else if (near)
		diag_caret(g, "did you mean '%s'?", near);
	add_keys(g, t);
}

static const enum msg_code type_codes[] = {
	[FIELD_STRING] = MSG_NO_VALUE,  [FIELD_BOOL] = MSG_BOOL,
	[FIELD_INT] = MSG_WHOLE_NUMBER, [FIELD_DURATION] = MSG_DURATION,
	[FIELD_SIZE] = MSG_SIZE,        [FIELD_PERCENT] = MSG_PERCENT,
	[FIELD_RATE] = MSG_RATE,        [FIELD_ENUM] = MSG_WORD,
	[FIELD_SIGNAL] = MSG_SIGNAL,    [FIELD_STRINGS] = MSG_NO_VALUE,
	[FIELD_ARGV] = MSG_NO_VALUE,    [FIELD_COMPARE] = MSG_COMPARE,
	[FIELD_REF] = MSG_NO_VALUE,     [FIELD_BLOCK] = MSG_NO_VALUE,
	[FIELD_LIST] = MSG_SHAPE,       [FIELD_OTHER] = MSG_SHAPE,
	[FIELD_FREE] = MSG_SHAPE,       [FIELD_LATER] = MSG_LATER,
};

static int bind_scalar(struct binder *b, const struct node *n, const struct field_table *t,
		       const struct field *f, void *obj)
{
	const char *text;
	struct err e;
	int r = subst(b->vars, n, b->arena, b->d, &text);

	if (r == -EBADMSG)
		return 0;
	if (!r)
		r = field_set(t, obj, f, text, b->arena, &e);
	else
		err_set(&e, ENOMEM, "out of memory");
	if (r == -ENOMEM) {
		*b->e = e;
		return r;
	}
	if (r)
		bind_error(b->d, r == -ERANGE ? MSG_RANGE : type_codes[f->type], n->at, &e);
	return 0;
}

static void say_shape(struct binder *b, const struct node *n, const struct field *f,
		      const char *right)
{
	static const char *const seen[] = { "a plain value", "a list", "a block" };
	char buf[400];
	struct text t = text_on(buf, sizeof(buf));
	struct diag *g;

	field_add_type(f, &t);
	g = diag_add(b->d, DIAG_ERROR, MSG_SHAPE, n->at, "'%s' cannot be %s", f->name,
		     seen[n->type]);
	diag_caret(g, "%s", right ? right : buf);
}

static int bind_strings(struct binder *b, const struct node *n, const struct field_table *t,
			const struct field *f, void *obj)
{
	if (n->type == NODE_SCALAR && f->type == FIELD_STRINGS)
		return bind_scalar(b, n, t, f, obj);
	if (n->type != NODE_LIST) {
		say_shape(b, n, f,
			  f->type == FIELD_ARGV ?
				  "write a list: [program, argument]; no shell splits it" :
				  NULL);
		return 0;
	}
	if (!n->n)
		diag_add(b->d, DIAG_ERROR, MSG_NO_VALUE, n->at, "'%s' is an empty list", f->name);
	for (size_t i = 0; i < n->n; i++) {
		int r = 0;

		if (n->item[i]->type != NODE_SCALAR)
			say_shape(b, n->item[i], f, "each item is a plain value");
		else if (node_is_empty(n->item[i]))
			diag_add(b->d, DIAG_ERROR, MSG_NO_VALUE, n->item[i]->at,
				 "an item of '%s' has no value", f->name);
		else
			r = bind_scalar(b, n->item[i], t, f, obj);
		if (r)
			return r;
	}
	return 0;
}

static int bind_map(struct binder *b, const struct node *n, const struct field_table *t, void *obj);

static int bind_sub(struct binder *b, const struct node *n, const struct field_table *t,
		    const struct field *f, void *obj)
{
	struct bound *sub = (struct bound *)((char *)obj + f->offset);

	if (n->type == NODE_MAP)
		return bind_map(b, n, f->sub, sub);
	if (n->type == NODE_SCALAR && f->sub->scalar) {
		const struct field *key = fields_find(f->sub, f->sub->scalar);

		sub->pos = bind_pos(b, n);
		return bind_scalar(b, n, key->type == FIELD_BLOCK ? t : f->sub, key, sub);
	}
	say_shape(b, n, f, NULL);
	return 0;
}

static int bind_list(struct binder *b, const struct node *n, const struct field *f, void *obj)
{
	struct list *list = (struct list *)((char *)obj + f->offset);
	int r = 0;

	if (n->type != NODE_LIST) {
		say_shape(b, n, f, "write a list: each item on its own line, begun with '- '");
		return 0;
	}
	if (!n->n || n->n > BIND_LIST_MAX) {
		diag_add(b->d, DIAG_ERROR, n->n ? MSG_TOO_MANY : MSG_NO_VALUE, n->at,
			 n->n ? "'%s' has more than 10,000 items" : "'%s' is an empty list",
			 f->name);
		return 0;
	}
	list->at = arena_zalloc(b->arena, n->n * f->sub->size);
	if (!list->at)
		return err_set(b->e, ENOMEM, "out of memory");
	list->n = n->n;
	for (size_t i = 0; i < n->n && !r; i++)
		r = bind_block(b, n->item[i], f->sub, (char *)list->at + i * f->sub->size);
	return r;
}

static void say_later(struct binder *b, const struct node *key, const struct field *f)
{
	struct diag *g = diag_add(b->d, DIAG_ERROR, MSG_LATER, key->at,
				  "'%s' is not in this version", f->name);

	if (f->doc)
		diag_note(g, "note: planned: %s. Remove it until then", f->doc);
}

static int bind_value(struct binder *b, const struct pair *p, const struct field_table *t,
		      const struct field *f, void *obj)
{
	switch (f->type) {
	case FIELD_STRINGS:
	case FIELD_ARGV:
		return bind_strings(b, p->value, t, f, obj);
	case FIELD_BLOCK:
		return bind_sub(b, p->value, t, f, obj);
	case FIELD_LIST:
		return bind_list(b, p->value, f, obj);
	case FIELD_COMPARE:
		if (p->value->type != NODE_MAP)
			break;
		diag_add(b->d, DIAG_ERROR, MSG_LATER, p->value->at,
			 "percentiles and error ratios are not in this version");
		return 0;
	default:
		break;
	}
	if (p->value->type == NODE_SCALAR)
		return bind_scalar(b, p->value, t, f, obj);
	say_shape(b, p->value, f, NULL);
	return 0;
}

int bind_pair(struct binder *b, const struct pair *p, const struct field_table *t,
	      const struct field *f, void *obj)
{
	struct bound *bound = obj;

	/* given even if it is wrong: "missing" would be a second message about the same thing */
	bound->given |= UINT64_C(1) << (f - t->fields);
	if (f->type == FIELD_LATER) {
		say_later(b, p->key, f);
		return 0;
	}
	if (f->type == FIELD_FREE)
		return 0;
	if (node_is_empty(p->value)) {
		diag_add(b->d, DIAG_ERROR, MSG_NO_VALUE, p->key->at, "'%s' has no value", f->name);
		return 0;
	}
	if (f->type == FIELD_OTHER)
		return 0;
	/* field_set asks whether a list is begun or continued; here it is begun */
	bound->given &= ~(UINT64_C(1) << (f - t->fields));
	if (bind_value(b, p, t, f, obj) < 0)
		return -ENOMEM;
	bound->given |= UINT64_C(1) << (f - t->fields);
	return 0;
}

/* What is missing, or too much, once all keys are bound. */
static void check_complete(struct binder *b, const struct node *n, const struct field_table *t,
			   const void *obj)
{
	const struct bound *bound = obj;
	struct span place = { n->at.line, n->at.col, 0 };
	unsigned at = 0;
	struct err e;
	int r;

	while ((r = fields_problem(t, bound->given, &at, &e)) < 0)
		bind_error(b->d,
			   r == -EEXIST  ? MSG_AT_MOST_ONE :
			   r == -ENODATA ? MSG_EXACTLY_ONE :
					   MSG_MISSING,
			   place, &e);
}

static int bind_map(struct binder *b, const struct node *n, const struct field_table *t, void *obj)
{
	struct bound *bound = obj;

	bound->pos = bind_pos(b, n);
	for (size_t i = 0; i < n->n; i++) {
		const struct pair *p = &n->pair[i];
		const struct field *f = fields_find(t, p->key->text);
		int r = 0;

		if (f)
			r = bind_pair(b, p, t, f, obj);
		else if (!bind_is_free(p->key))
			bind_unknown(b, p->key, t);
		if (r)
			return r;
	}
	check_complete(b, n, t, obj);
	return 0;
}

int bind_block(struct binder *b, const struct node *n, const struct field_table *t, void *obj)
{
	struct field self = { .name = t->name, .type = FIELD_BLOCK, .sub = t };
	struct err e;
	int r = fields_defaults(t, obj, b->arena, &e);

	if (r) {
		*b->e = e; /* memory, or a default in a table that does not parse */
		return -ENOMEM;
	}
	if (node_is_empty(n)) {
		diag_add(b->d, DIAG_ERROR, MSG_NO_VALUE, n->at, "an empty %s", t->name);
		return 0;
	}
	return bind_sub(b, n, t, &self, obj);
}
