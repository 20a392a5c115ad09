/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/codes.h"
#include "runner/commands.h"
#include "runner/explain.h"
#include "runner/help.h"
#include "runner/say.h"

/* A word of several lines in a column of its own. */
static void row(const char *name, const char *text)
{
	printf("  %-11s", name);
	help_wrap(stdout, 13, 13, text);
}

static void print_field(const struct field *f)
{
	char buf[400];
	struct text t = text_on(buf, sizeof(buf));

	explain_add_form(f, &t);
	printf("  %-16s", f->name);
	if (strlen(f->name) >= 16) /* a line of its own */
		printf("\n%18s", "");
	help_wrap(stdout, 18, 18, buf);
	if (f->doc) {
		printf("%18s", "");
		help_wrap(stdout, 18, 18, f->doc);
	}
}

static void print_fault(const struct fault_ops *f)
{
	char buf[300];
	struct text t = text_on(buf, sizeof(buf));

	row("class", explain_class(f));
	if (f->undo_words)
		row("undo", f->undo_words);
	if (f->example) {
		explain_add_item(f->name, f->example, &t);
		printf("  in a file\n    - %s\n", buf);
		printf("  at once\n    brink try %s %s\n", f->name, f->example);
	}
	row("beside it", "for, after, id, recovers_within: brink explain fault");
	printf("\n");
}

static void print_table(bool color, const struct field_table *t)
{
	const struct fault_ops *f = explain_fault(t);
	char later[400];
	struct text l = text_on(later, sizeof(later));

	printf("%s%s%s: ", say_on(color, SAY_BOLD), t->name, say_off(color, SAY_BOLD));
	help_wrap(stdout, (unsigned)strlen(t->name) + 2, 4, t->doc);
	printf("\n");
	if (f)
		print_fault(f);
	for (const struct field *k = t->fields; k->name; k++) {
		if (k->type == FIELD_LATER)
			text_add(&l, "%s%s", l.len ? ", " : "", k->name);
		else
			print_field(k);
	}
	for (unsigned i = 0;; i++) {
		char rule[400];
		struct text r = text_on(rule, sizeof(rule));

		if (!explain_add_rule(t, i, &r))
			break;
		printf("\n  ");
		help_wrap(stdout, 2, 4, rule);
	}
	if (l.len) {
		printf("\n  not in this version: ");
		help_wrap(stdout, 23, 4, later);
	}
}

static bool same_words(const struct explain_place *a, const struct explain_place *b)
{
	return a->field && b->field && a->field->doc && b->field->doc &&
	       strcmp(a->field->doc, b->field->doc) == 0;
}

/* A key that several tables have with the same words is told once, with all their names. */
static void print_key(bool color, const struct explain_place *at, size_t n, size_t i)
{
	const struct explain_place *p = &at[i];
	char where[400];
	struct text w = text_on(where, sizeof(where));

	for (size_t k = 0; k < n; k++) {
		bool same = k == i || same_words(&at[k], p);

		if (same && k < i)
			return;
		if (same)
			text_add(&w, "%s%s", w.len ? ", " : "", at[k].table->name);
	}
	printf("%s%s%s, a key of ", say_on(color, SAY_BOLD), p->field->name,
	       say_off(color, SAY_BOLD));
	help_wrap(stdout, (unsigned)strlen(p->field->name) + 11, 4, where);
	print_field(p->field);
	printf("\n");
	if (p->field->sub)
		print_table(color, p->field->sub);
}

static json_t *field_json(const struct field *f)
{
	char buf[400];
	struct text t = text_on(buf, sizeof(buf));

	field_add_type(f, &t);
	return json_pack("{s:s, s:s, s:b, s:s*, s:s*}", "name", f->name, "type", buf, "required",
			 (f->flags & FIELD_REQUIRED) != 0, "default", f->dflt, "doc", f->doc);
}

/* For the lanes that try every fault; NULL: none. */
static json_t *trials_json(const struct fault_ops *f)
{
	json_t *list = f && f->trials ? json_array() : NULL;

	for (size_t i = 0; list && f->trials[i]; i++) {
		char item[300];
		struct text t = text_on(item, sizeof(item));

		explain_add_item(f->name, f->trials[i], &t);
		json_array_append_new(list, json_string(item));
	}
	return list;
}

static json_t *table_json(const struct field_table *t)
{
	const struct fault_ops *f = explain_fault(t);
	json_t *keys = json_array();

	for (const struct field *k = t->fields; k->name; k++) {
		if (k->type != FIELD_LATER)
			json_array_append_new(keys, field_json(k));
	}
	return json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s*, s:o*, s:o}", "kind",
			 f ? "fault" : "block", "name", t->name, "doc", t->doc, "class",
			 f ? explain_class(f) : NULL, "undo", f ? f->undo_words : NULL, "example",
			 f ? f->example : NULL, "trials", trials_json(f), "keys", keys);
}

static void print_json(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void print_places(const struct options *o, const struct explain_place *at, size_t n)
{
	bool color = options_color(o, STDOUT_FILENO);

	for (size_t i = 0; i < n; i++) {
		const struct explain_place *p = &at[i];

		if (o->json && p->field)
			print_json(json_pack("{s:s, s:s, s:o}", "kind", "key", "in", p->table->name,
					     "key", field_json(p->field)));
		else if (o->json)
			print_json(table_json(p->table));
		else if (p->field)
			print_key(color, at, n, i);
		else
			print_table(color, p->table);
	}
}

static void print_code(const struct options *o, const struct msg_info *m)
{
	if (o->json) {
		print_json(json_pack("{s:s, s:i, s:s, s:s*, s:s}", "kind", "code", "code",
				     (int)m->code, "brief", m->brief, "note", m->note, "text",
				     m->text));
		return;
	}
	printf("B%u: %s\n\n", m->code, m->brief);
	help_wrap(stdout, 0, 0, m->text);
	if (m->note) {
		printf("\n");
		help_wrap(stdout, 0, 0, m->note);
	}
}

static void print_exit(const struct options *o, const struct exit_info *x)
{
	if (o->json)
		print_json(json_pack("{s:s, s:i, s:s, s:s, s:s}", "kind", "exit_code", "code",
				     x->code, "name", x->name, "meaning", x->meaning, "machine",
				     x->machine));
	else
		printf("exit code %d, %s: %s; the machine is %s\n", x->code, x->name, x->meaning,
		       x->machine);
}

/* Codes, exit codes and help topics; false: the word is none of them. */
static bool explain_other(const struct options *o, const char *word)
{
	const struct msg_info *m = msg_find(msg_parse(word));
	const struct exit_info *x = NULL;

	if (isdigit((unsigned char)word[0]) && strlen(word) <= 3)
		x = exit_find(atoi(word));
	if (m)
		print_code(o, m);
	else if (x)
		print_exit(o, x);
	for (const struct help_topic *t = help_topics; !m && !x && t->name; t++) {
		if (strcmp(t->name, word) == 0 && !o->json) {
			t->print(stdout);
			return true;
		}
	}
	return m || x;
}

int cmd_explain(const struct options *o)
{
	struct explain_place at[EXPLAIN_PLACES];
	const char *word = o->args.at[0], *near;
	struct err e = { 0 };
	char shown[ERR_LINE];
	struct text t = text_on(shown, 100);
	size_t n;

	if (explain_other(o, word))
		return EXIT_PASS;
	n = explain_find(word, at);
	print_places(o, at, n);
	if (n)
		return EXIT_PASS;
	near = explain_nearest(word);
	if (near)
		err_set(&e, ENOENT, "did you mean '%s'?", near);
	else
		err_set(&e, ENOENT, "see: brink list faults, brink help language");
	text_add_foreign(&t, word, strnlen(word, 90));
	err_ctx(&e, "nothing is called '%s'", shown);
	say_refused(o, &e);
	return EXIT_USAGE;
}
