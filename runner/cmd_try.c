/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "runner/commands.h"
#include "runner/execute.h"
#include "runner/say.h"

#define TRY_FOR_NS (30 * NS_PER_S) /* as in a file without `for` */
#define NEVER_RAN 125

static char *copy(struct experiment *x, const char *text)
{
	return arena_strndup(&x->arena, text, strlen(text));
}

/* "delay=200ms": the same field table as in a file. */
static int bind_pair(struct experiment *x, struct fault_item *f, const char *text, struct err *e)
{
	const struct field_table *t = f->ops->fields;
	const char *eq = strchr(text, '='), *near;
	const struct field *field;
	char name[64];
	int rc;

	if (!eq || eq == text || (size_t)(eq - text) >= sizeof(name))
		return err_set(e, EINVAL, "'%.60s' is no key=value", text);
	snprintf(name, sizeof(name), "%.*s", (int)(eq - text), text);
	field = fields_find(t, name);
	if (!field) {
		near = fields_nearest(t, name);
		err_set(e, EINVAL, "%s%s%s", near ? "did you mean '" : "see brink explain ",
			near ? near : t->name, near ? "'?" : "");
		return err_ctx(e, "unknown key '%s' in %s", name, t->name);
	}
	if (strcmp(name, "target") == 0)
		return err_set(e, EINVAL, "'target' names an entry of a file; say the target itself here");
	rc = field_set(t, f->spec, field, copy(x, eq + 1), &x->arena, e);
	return rc < 0 ? err_ctx(e, "%s", name) : 0;
}

static int bind_fault(const struct options *o, struct experiment *x, struct err *e)
{
	struct fault_item *f = arena_zalloc(&x->arena, sizeof(*f));
	unsigned at;
	int rc;

	if (!f)
		return err_set(e, ENOMEM, "no memory for the fault");
	x->faults = f;
	x->n_faults = 1;
	f->ops = fault_find(o->args.at[0]);
	if (!f->ops)
		return err_set(e, EINVAL, "'%s' is no fault; brink list faults shows them", o->args.at[0]);
	f->id = f->ops->name;
	f->spec = arena_zalloc(&x->arena, f->ops->fields->size);
	if (!f->spec)
		return err_set(e, ENOMEM, "no memory for the fault");
	rc = fields_defaults(f->ops->fields, f->spec, &x->arena, e);
	for (size_t i = 1; i < o->args.n && rc == 0; i++)
		rc = bind_pair(x, f, o->args.at[i], e);
	if (rc == 0)
		rc = fields_problem(f->ops->fields, ((struct bound *)f->spec)->given, &at, e);
	if (rc < 0)
		return rc;
	if (!f->ops->one_shot || fields_given(f->ops->fields, f->spec, "every"))
		f->for_ns = o->for_ns ? o->for_ns : TRY_FOR_NS;
	else if (o->for_ns)
		return err_set(e, EINVAL, "%s happens once: it takes no --for", f->ops->name);
	return 0;
}

/* A command is split at blanks and never sees a shell. */
static int split_command(struct experiment *x, const char *text, struct strings *ret, struct err *e)
{
	char *words = copy(x, text), *save = NULL;

	ret->at = arena_zalloc(&x->arena, (strlen(text) / 2 + 2) * sizeof(*ret->at));
	if (!words || !ret->at)
		return err_set(e, ENOMEM, "no memory for the check");
	for (char *w = strtok_r(words, " \t", &save); w; w = strtok_r(NULL, " \t", &save))
		ret->at[ret->n++] = w;
	return ret->n ? 0 : err_set(e, EINVAL, "--check needs a URL or a command");
}

static int bind_check(struct experiment *x, struct check_spec *c, const char *text, unsigned i, struct err *e)
{
	bool url = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
	const char *field = NULL;
	char id[32];
	int rc = fields_defaults(&check_fields, c, &x->arena, e);

	snprintf(id, sizeof(id), "%s-%u", url ? "http" : "command", i + 1);
	c->id = copy(x, id);
	if (rc == 0 && url) {
		rc = fields_defaults(&check_http_fields, &c->http, &x->arena, e);
		c->source = CHECK_HTTP;
		c->http.url = copy(x, text);
	} else if (rc == 0) {
		c->source = CHECK_COMMAND;
		rc = split_command(x, text, &c->command, e);
	}
	return rc < 0 ? rc : check_finish(c, &field, e);
}

static int build(const struct options *o, struct experiment *x, struct err *e)
{
	struct check_spec *checks = arena_zalloc(&x->arena, (o->checks.n + 1) * sizeof(*checks));
	int rc = checks ? bind_fault(o, x, e) : err_set(e, ENOMEM, "no memory for the checks");

	x->name = "try";
	x->brink = EXPERIMENT_LANGUAGE;
	for (size_t i = 0; i < o->checks.n && rc == 0; i++) {
		rc = bind_check(x, &checks[i], o->checks.at[i], (unsigned)i, e);
		if (rc < 0)
			err_ctx(e, "--check");
	}
	x->checks = checks;
	x->n_checks = o->checks.n;
	return rc;
}

/* The command's own code, unless brink has something graver to say. */
static int code_of(const struct options *o, const struct run_outcome *out)
{
	if (out->code == EXIT_NOT_CLEAN || !o->command.n)
		return out->code;
	if (!out->command_ran)
		return NEVER_RAN;
	return out->code == EXIT_PASS || out->command_code ? out->command_code : out->code;
}

int cmd_try(const struct options *o)
{
	struct prepared p;
	struct run_outcome out = { 0 };
	struct err e = { 0 };
	int rc = prepare_begin(o, &p, &e);

	if (rc < 0) {
		say_error(o, &e);
		return EXIT_UNABLE;
	}
	p.loaded = true;
	rc = build(o, &p.x, &e);
	if (rc < 0) {
		say_error(o, &e);
		fputs("Nothing was touched.\n", stderr);
		rc = EXIT_USAGE;
	} else {
		rc = prepare_plan(o, &p);
		if (rc == EXIT_PASS)
			rc = o->dry_run ? execute_show(o, &p, NULL) :
					  (execute_run(o, &p, NULL, &out), code_of(o, &out));
	}
	prepare_done(&p);
	return rc;
}
