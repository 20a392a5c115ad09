/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "runner/commands.h"
#include "runner/say.h"
#include "scenarios/experiment.h"

/* What one file came to. */
struct checked {
	const char *file;
	int r; /* of experiment_load */
	size_t n_faults, n_checks;
	struct diags d;
	struct err e;
};

static int code_of(const struct checked *c)
{
	if (!c->r)
		return EXIT_PASS;
	return c->r == -EBADMSG ? EXIT_INVALID : EXIT_USAGE;
}

static void set_text(json_t *object, const char *key, const char *text)
{
	json_t *s = json_string(text);

	json_object_set_new(object, key, s ? s : json_string("?")); /* NULL: it is not UTF-8 */
}

static json_t *diag_json(const struct diag *g)
{
	json_t *object = json_object(), *notes = json_array();
	char code[16];

	snprintf(code, sizeof(code), "B%04u", (unsigned)g->code);
	json_object_set_new(object, "line", json_integer(g->at.line));
	json_object_set_new(object, "column", json_integer(g->at.col));
	json_object_set_new(object, "end_column",
			    json_integer(g->at.end_col ? g->at.end_col : g->at.col + 1));
	set_text(object, "level", g->level == DIAG_ERROR ? "error" : "warning");
	set_text(object, "code", code);
	set_text(object, "message", g->text);
	if (g->caret[0])
		set_text(object, "hint", g->caret);
	for (unsigned i = 0; i < DIAG_NOTES && g->note[i][0]; i++)
		json_array_append_new(notes, json_string(g->note[i]));
	json_object_set_new(object, "notes", notes);
	return object;
}

/* One object a line, for programs. */
static void print_json(const struct checked *c)
{
	json_t *object = json_object(), *list = json_array();
	char buf[ERR_DEPTH * ERR_LINE + 400];
	struct text name = text_on(buf, sizeof(buf));

	text_add_foreign(&name, c->file, strlen(c->file));
	set_text(object, "file", buf);
	json_object_set_new(object, "ok", json_boolean(!c->r));
	json_object_set_new(object, "exit_code", json_integer(code_of(c)));
	if (!c->r) {
		json_object_set_new(object, "faults", json_integer((json_int_t)c->n_faults));
		json_object_set_new(object, "checks", json_integer((json_int_t)c->n_checks));
	} else if (c->r != -EBADMSG) {
		set_text(object, "error", err_format(&c->e, buf, sizeof(buf)));
	}
	json_object_set_new(object, "errors", json_integer(c->d.errors));
	json_object_set_new(object, "warnings", json_integer(c->d.warnings));
	for (unsigned i = 0; i < c->d.n; i++)
		json_array_append_new(list, diag_json(&c->d.at[i]));
	json_object_set_new(object, "diagnostics", list);
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void print_text(const struct options *o, struct checked *c)
{
	bool color = options_color(o, STDOUT_FILENO);
	char buf[800];
	struct text name = text_on(buf, sizeof(buf));

	c->d.color = options_color(o, STDERR_FILENO);
	if (c->r || !o->quiet)
		diags_print(&c->d, stderr);
	if (c->r && c->r != -EBADMSG)
		say_error(o, &c->e);
	if (c->r || o->quiet)
		return;
	text_add_foreign(&name, c->file, strlen(c->file));
	printf("%sok%s %s: %zu fault%s, %zu check%s\n", say_on(color, SAY_GREEN),
	       say_off(color, SAY_GREEN), buf, c->n_faults, c->n_faults == 1 ? "" : "s",
	       c->n_checks, c->n_checks == 1 ? "" : "s");
}

static int check_one(const struct options *o, const char *file)
{
	const struct load_options how = { .n_vars = o->vars.n,
					  .n_var_files = o->var_files.n,
					  .vars = o->vars.at,
					  .var_files = o->var_files.at };
	struct checked c = { .file = file };
	struct experiment x;
	int code;

	c.r = experiment_load(file, &how, &x, &c.d, &c.e);
	if (!c.r) {
		c.n_faults = x.n_faults;
		c.n_checks = x.n_checks;
		experiment_done(&x);
	}
	if (o->json)
		print_json(&c);
	else
		print_text(o, &c);
	code = code_of(&c);
	diags_done(&c.d);
	return code;
}

/* The worst of all files: a file that cannot be opened hides mistakes, so they count more. */
int cmd_check(const struct options *o)
{
	int worst = EXIT_PASS;

	for (size_t i = 0; i < o->args.n; i++) {
		int code = check_one(o, o->args.at[i]);

		if (code > worst)
			worst = code;
	}
	return worst;
}
