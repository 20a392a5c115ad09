/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "scenarios/load.h"

static struct span key_place(const struct node *item, const char *key)
{
	const struct node *at = key ? node_get(item, key) : NULL;

	return at ? at->at : (struct span){ item->at.line, item->at.col, 0 };
}

/* check_finish() names a key of the check or of its source's block. */
static struct span field_place(const struct node *item, const struct check_spec *c, const char *key)
{
	const struct node *source = node_get(item, check_source_name(c->source));

	if (key && source && !node_get(item, key)) {
		if (source->type == NODE_MAP)
			return key_place(source, key);
		return source->at;
	}
	return key_place(item, key);
}

/* More mistakes in the same check would only be consequences. */
static bool is_whole(const struct check_spec *c)
{
	switch (c->source) {
	case CHECK_HTTP:
		return c->http.url != NULL;
	case CHECK_TCP:
		return c->tcp.to != NULL;
	case CHECK_COMMAND:
		return c->command.n > 0;
	case CHECK_PROCESS_UP:
		break;
	}
	return true;
}

/* Has bind found this value wrong? The field has its default then, which nobody wrote. */
static bool was_refused(const struct loader *l, const struct node *value)
{
	for (unsigned i = 0; value && i < l->d->n; i++) {
		if (l->d->at[i].at.line == value->at.line && l->d->at[i].at.col == value->at.col)
			return true;
	}
	return false;
}

static void finish_check(struct loader *l, const struct node *item, struct check_spec *c)
{
	const char *field = NULL;
	struct err e = { 0 };

	if (was_refused(l, node_get(item, "every")))
		c->every_ns = 0; /* nothing is compared with it */
	for (int s = CHECK_HTTP; s <= CHECK_PROCESS_UP && !c->source; s++) {
		if (fields_given(&check_fields, c, check_source_name(s)))
			c->source = s;
	}
	if (!c->source || !is_whole(c))
		return; /* bind said so */
	if (check_finish(c, &field, &e) < 0)
		bind_error(l->d,
			   field && strcmp(field, "exit") == 0 ? MSG_NOT_HERE : MSG_CHECK_VALUE,
			   field_place(item, c, field), &e);
	if (c->source == CHECK_PROCESS_UP && c->process_up.target) {
		const struct node *source = node_get(item, "process_up");

		c->process_up.ref =
			load_find_target(l, c->process_up.target, TARGET_PROCESS,
					 source->type == NODE_MAP ? key_place(source, "target") :
								    source->at);
	}
}

static int name_checks(struct loader *l, const struct node *list)
{
	struct check_spec *checks = l->x->steady_state.at;
	int r = 0;

	for (int given = 1; given >= 0; given--) {
		for (size_t i = 0; i < list->n && !r; i++) {
			struct check_spec *c = &checks[i];

			if (c->source && (c->id != NULL) == (given != 0))
				r = load_id(l, &l->checks, &c->id, check_source_name(c->source), c,
					    key_place(list->item[i], "id"));
		}
	}
	return r;
}

int load_checks(struct loader *l)
{
	const struct node *list = node_get(l->root, "steady_state");
	struct check_spec *checks = l->x->steady_state.at;
	bool gate = false;

	l->x->checks = checks;
	l->x->n_checks = l->x->steady_state.n;
	if (!l->x->n_checks)
		return 0;
	for (size_t i = 0; i < list->n; i++) {
		if (list->item[i]->type == NODE_MAP)
			finish_check(l, list->item[i], &checks[i]);
		gate |= checks[i].role == ROLE_GATE;
	}
	if (!gate && !l->x->abort.when.n)
		diag_add(l->d, DIAG_WARNING, MSG_NO_GATE,
			 (struct span){ list->at.line, list->at.col, 0 },
			 "no check can stop this run: all have role: observe");
	return name_checks(l, list);
}

const struct check_spec *load_find_check(struct loader *l, const char *id, struct span at)
{
	const struct check_spec *found = names_get(&l->checks, id);
	unsigned best = fields_tolerance(id) + 1;
	const char *near = NULL;
	char buf[300];
	struct diag *g;

	if (found)
		return found;
	for (size_t i = 0; i < l->x->n_checks; i++) {
		unsigned d =
			l->x->checks[i].id ? fields_distance(id, l->x->checks[i].id, best) : best;

		if (d < best) {
			best = d;
			near = l->x->checks[i].id;
		}
	}
	g = diag_add(l->d, DIAG_ERROR, MSG_UNKNOWN_CHECK, at, "no check has the id '%s'",
		     bind_shown(id, buf, sizeof(buf)));
	if (near)
		diag_caret(g, "did you mean '%.70s'?", near);
	return NULL;
}

/* Does the comparison fit what the check measures? */
static void check_rule(struct loader *l, const struct abort_rule *rule, struct span at)
{
	struct diag *g;

	if (!rule->is.given || rule->is.failing)
		return;
	if (rule->check->source == CHECK_PROCESS_UP) {
		g = diag_add(l->d, DIAG_ERROR, MSG_NOT_HERE, at,
			     "process_up has no number to compare");
		diag_caret(g, "write 'failing'");
	} else if (rule->check->source != CHECK_COMMAND && rule->is.unit != UNIT_TIME) {
		g = diag_add(l->d, DIAG_ERROR, MSG_NOT_HERE, at,
			     "the number of http and tcp is the latency");
		diag_caret(g, "compare with a time: \"> 2s\", or write failing");
	}
}

int load_abort(struct loader *l)
{
	const struct node *block = node_get(l->root, "abort");
	const struct node *list = block ? node_get(block, "when") : NULL;
	struct abort_rule *rules = l->x->abort.when.at;

	for (size_t i = 0; list && i < l->x->abort.when.n; i++) {
		const struct node *item = list->item[i];

		if (item->type != NODE_MAP || !rules[i].check_id)
			continue;
		rules[i].check = load_find_check(l, rules[i].check_id, key_place(item, "check"));
		if (rules[i].check)
			check_rule(l, &rules[i], key_place(item, "is"));
	}
	return 0;
}
