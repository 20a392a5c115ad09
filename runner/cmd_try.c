/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "runner/commands.h"
#include "runner/execute.h"
#include "runner/say.h"

#define TRY_FOR_NS (30 * NS_PER_S) /* as in a file without `for` */
#define TRY_COMMAND_NS \
	(NS_PER_S * 30 * 60) /* a command that never ends must not hold a fault for ever */
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
		return err_set(e, EINVAL,
			       "'target' names an entry of a file; say the target itself here");
	rc = field_set(t, f->spec, field, copy(x, eq + 1), &x->arena, e);
	return rc < 0 ? err_ctx(e, "%s", name) : 0;
}

static int unknown_fault(const char *name, struct err *e)
{
	const struct fault_ops *near = NULL;
	unsigned best = fields_tolerance(name) + 1;

	for (size_t i = 0; fault_registry[i]; i++) {
		unsigned d = fields_distance(name, fault_registry[i]->name, best);

		if (d < best) {
			best = d;
			near = fault_registry[i];
		}
	}
	err_set(e, EINVAL, "%s%s%s", near ? "did you mean '" : "brink list faults shows them",
		near ? near->name : "", near ? "'?" : "");
	return err_ctx(e, "'%s' is no fault", name);
}

static int bind_fault(const struct options *o, struct experiment *x, struct err *e)
{
	struct fault_item *f = arena_zalloc(&x->arena, sizeof(*f));
	unsigned at = 0; /* fields are looked at from here on */
	int rc;

	if (!f)
		return err_set(e, ENOMEM, "no memory for the fault");
	x->faults = f;
	x->n_faults = 1;
	f->ops = fault_find(o->args.at[0]);
	if (!f->ops)
		return unknown_fault(o->args.at[0], e);
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
		f->for_ns = o->for_ns ? o->for_ns : o->command.n ? TRY_COMMAND_NS : TRY_FOR_NS;
	else if (o->for_ns)
		return err_set(e, EINVAL, "%s happens once: it takes no --for", f->ops->name);
	return 0;
}

/* A command is split at blanks and never sees a shell. */
static int bind_command(struct experiment *x, struct check_spec *c, const char *text, struct err *e)
{
	const struct field *f = fields_find(&check_fields, "command");
	char *words = copy(x, text), *save = NULL;
	int rc = words ? 0 : err_set(e, ENOMEM, "no memory for the check");

	for (char *w = words ? strtok_r(words, " \t", &save) : NULL; w && rc == 0;
	     w = strtok_r(NULL, " \t", &save))
		rc = field_set(&check_fields, c, f, w, &x->arena, e);
	return rc;
}

static int bind_http(struct experiment *x, struct check_spec *c, const char *text, struct err *e)
{
	const struct field *f = fields_find(&check_fields, "http");
	int rc = fields_defaults(&check_http_fields, &c->http, &x->arena, e);

	c->bound.given |= UINT64_C(1)
			  << (f - check_fields.fields); /* a block is not set from one text */
	return rc < 0 ? rc :
			field_set(&check_http_fields, &c->http,
				  fields_find(&check_http_fields, "url"), text, &x->arena, e);
}

static int bind_check(struct experiment *x, struct check_spec *c, const char *text, unsigned i,
		      struct err *e)
{
	bool url = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
	const char *field = NULL;
	char id[32];
	int rc = fields_defaults(&check_fields, c, &x->arena, e);

	snprintf(id, sizeof(id), "%s-%u", url ? "http" : "command", i + 1);
	c->id = copy(x, id);
	if (rc == 0)
		rc = url ? bind_http(x, c, text, e) : bind_command(x, c, text, e);
	return rc < 0 ? rc : check_finish(c, &field, e);
}

/* "net.drop to=127.0.0.1:7002": the name under which runs and status show it. */
static const char *what_is_tried(const struct options *o, struct experiment *x)
{
	char name[120];
	struct text t = text_on(name, sizeof(name));
	const char *kept;

	for (size_t i = 0; i < o->args.n; i++)
		text_add(&t, "%s%s", i ? " " : "", o->args.at[i]);
	kept = copy(x, name);
	return kept ? kept : "try";
}

static int build(const struct options *o, struct experiment *x, struct err *e)
{
	struct check_spec *checks = arena_zalloc(&x->arena, (o->checks.n + 1) * sizeof(*checks));
	int rc = checks ? bind_fault(o, x, e) : err_set(e, ENOMEM, "no memory for the checks");

	x->name = what_is_tried(o, x);
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

/* A word as a shell would need it; anything unusual stands in quotes. */
static void add_word(struct text *t, const char *w)
{
	bool plain =
		*w &&
		w[strspn(w,
			 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=._:/-%,")] ==
			'\0';

	text_add(t, " %s%s%s", plain ? "" : "'", w, plain ? "" : "'");
}

/* How to do the same again. */
static void add_again(const struct options *o, const struct prepared *p, struct text *t)
{
	text_add(t, "%sbrink try", p->paths.root ? "sudo " : "");
	for (size_t i = 0; i < o->args.n; i++)
		add_word(t, o->args.at[i]);
	if (o->for_ns) {
		text_add(t, " --for ");
		units_add_duration(t, o->for_ns);
	}
	for (size_t i = 0; i < o->checks.n; i++) {
		text_add(t, " --check");
		add_word(t, o->checks.at[i]);
	}
	text_add(t, "%s --seed %llu%s", o->yes ? " --yes" : "", (unsigned long long)p->seed,
		 o->command.n ? " --" : "");
	for (size_t i = 0; i < o->command.n; i++)
		add_word(t, o->command.at[i]);
}

/* The command's own code, unless brink has something graver to say. */
static int code_of(const struct options *o, const struct run_outcome *out)
{
	if (out->code == EXIT_NOT_CLEAN || !o->command.n)
		return out->code;
	if (!out->command_ran)
		return out->code == EXIT_SKIPPED ? out->code : NEVER_RAN;
	if (out->command_code < 0 ||
	    out->code == EXIT_ABORTED) /* the run was over before the command was */
		return out->code;
	return out->code == EXIT_PASS || out->command_code ? out->command_code : out->code;
}

static int try_it(const struct options *o, struct prepared *p)
{
	struct run_outcome out;
	char again[600];
	struct text t = text_on(again, sizeof(again));
	int rc = prepare_plan(o, p);

	if (rc != EXIT_PASS)
		return execute_code(o, rc);
	if (o->dry_run)
		return execute_show(o, p, NULL);
	add_again(o, p, &t);
	execute_run(o, p, again, &out);
	return code_of(o, &out);
}

int cmd_try(const struct options *o)
{
	struct prepared p;
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
		rc = try_it(o, &p);
	}
	prepare_done(&p);
	return rc;
}
