/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "inject/net.h"
#include "scenarios/load.h"

static const char *const kind_names[] = {
	[TARGET_PROCESS] = "process", [TARGET_FLOW] = "flow", [TARGET_PATH] = "path"
};

static void set_kind(struct target *t, const struct target_item *item)
{
	for (int k = TARGET_PROCESS; k <= TARGET_PATH && !t->kind; k++) {
		if (fields_given(&target_fields, item, kind_names[k]))
			t->kind = k;
	}
}

/* What no run would accept, whatever the system looks like. */
static int check_target(struct loader *l, const struct node *block, const struct target *t)
{
	struct err e = { 0 };
	int r = 0;

	if (t->kind == TARGET_FLOW)
		r = net_check_flow(&t->flow, &e);
	else if (t->kind == TARGET_PROCESS)
		r = proc_select_check(&t->process, &e);
	if (r == -ENOMEM)
		return load_no_memory(l);
	if (r < 0)
		bind_error(l->d, MSG_FAULT_VALUE, node_get(block, kind_names[t->kind])->at, &e);
	return 0;
}

static int load_target(struct loader *l, const struct pair *p, struct target *t)
{
	struct target_item item = { 0 };
	unsigned errors = l->d->errors;
	int r = bind_block(&l->binder, p->value, &target_fields, &item);

	if (r)
		return r;
	t->name = arena_strndup(&l->x->arena, p->key->text, p->key->len);
	if (!t->name)
		return load_no_memory(l);
	t->pos = bind_pos(&l->binder, p->key);
	t->process = item.process;
	t->flow = item.flow;
	t->path = item.path;
	t->pick = item.pick;
	t->has_pick = fields_given(&target_fields, &item, "pick");
	set_kind(t, &item);
	if (errors == l->d->errors) /* more would only be consequences */
		r = check_target(l, p->value, t);
	if (r < 0)
		return r;
	if (t->has_pick && t->kind != TARGET_PROCESS && t->kind)
		diag_add(l->d, DIAG_ERROR, MSG_NOT_HERE, node_get(p->value, "pick")->at,
			 "'pick' chooses among processes; this is a %s", kind_names[t->kind]);
	return 0;
}

static int enter_target(struct loader *l, const struct target *t, struct target_use *use,
			struct span at)
{
	const void **slot = names_put(&l->targets, &l->scratch, t->name);

	if (!slot)
		return load_no_memory(l);
	*use = (struct target_use){ .target = t, .at = at };
	*slot = use;
	return 0;
}

static int load_all(struct loader *l, const struct node *block, struct target *all)
{
	int r = 0;

	for (size_t i = 0; i < block->n && !r; i++) {
		const struct pair *p = &block->pair[i];
		size_t n = l->x->targets.n;

		if (bind_is_free(p->key) || !load_name_ok(l, p->key->text, false, p->key->at))
			continue;
		r = load_target(l, p, &all[n]);
		if (!r)
			r = enter_target(l, &all[n], &l->use[n], p->key->at);
		l->x->targets.n++;
	}
	return r;
}

int load_targets(struct loader *l)
{
	const struct node *block = node_get(l->root, "targets");
	struct target *all;

	if (!block || node_is_empty(block))
		return 0;
	if (block->type != NODE_MAP || block->n > BIND_LIST_MAX) {
		diag_add(l->d, DIAG_ERROR, MSG_SHAPE, block->at,
			 "'targets' takes a block of names, each with what it stands for");
		return 0;
	}
	all = arena_zalloc(&l->x->arena, block->n * sizeof(*all));
	l->use = arena_zalloc(&l->scratch, block->n * sizeof(*l->use));
	if (!all || !l->use)
		return load_no_memory(l);
	l->x->targets.at = all;
	return load_all(l, block, all);
}

static const char *nearest(const struct loader *l, const char *name)
{
	unsigned best = fields_tolerance(name) + 1;
	const char *found = NULL;

	for (size_t i = 0; i < l->x->targets.n; i++) {
		unsigned d = fields_distance(name, l->x->targets.at[i].name, best);

		if (d < best) {
			best = d;
			found = l->x->targets.at[i].name;
		}
	}
	return found;
}

const struct target *load_find_target(struct loader *l, const char *name, enum target_kind kind,
				      struct span at)
{
	struct target_use *use = (struct target_use *)names_get(&l->targets, name);
	const char *near;
	char buf[300];
	struct diag *g;

	if (!use) {
		near = nearest(l, name);
		g = diag_add(l->d, DIAG_ERROR, MSG_UNKNOWN_TARGET, at, "no target is called '%s'",
			     bind_shown(name, buf, sizeof(buf)));
		if (near)
			diag_caret(g, "did you mean '%s'?", near);
		else if (!l->x->targets.n)
			diag_caret(g, "declare it under targets");
		return NULL;
	}
	use->used = true;
	if (use->target->kind == kind)
		return use->target;
	if (use->target->kind) { /* 0: what is wrong with it was said where it is declared */
		g = diag_add(l->d, DIAG_ERROR, MSG_TARGET_KIND, at,
			     "target '%s' is a %s, and a %s is needed here", name,
			     kind_names[use->target->kind], kind_names[kind]);
		diag_note(g, "note: it is declared on line %u", use->at.line);
	}
	return NULL;
}
