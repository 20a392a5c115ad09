/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "scenarios/load.h"

#define RUN_ID_STAND_IN "00000000000000000000000000"

/* One --var or line of a --var-file. */
struct override {
	struct override *next;
	const char *name, *value;
	bool from_file;
};

/* "name=value" of n bytes into the overrides; -EINVAL when there is no name. */
static int add_override(struct loader *l, const char *s, size_t n, bool from_file)
{
	const char *eq = memchr(s, '=', n);
	struct override *o;
	const void **slot;

	if (!eq || eq == s)
		return -EINVAL;
	o = arena_zalloc(&l->scratch, sizeof(*o));
	if (!o)
		return load_no_memory(l);
	o->name = arena_strndup(&l->scratch, s, (size_t)(eq - s));
	o->value = arena_strndup(&l->scratch, eq + 1, n - (size_t)(eq + 1 - s));
	slot = o->name && o->value ? names_put(&l->overrides, &l->scratch, o->name) : NULL;
	if (!slot)
		return load_no_memory(l);
	o->from_file = from_file;
	o->next = l->override_list;
	l->override_list = o;
	*slot = o;
	return 0;
}

/* The lines of a --var-file: name=value, # comments, blank ones. */
static int add_file(struct loader *l, const struct diags *file)
{
	const char *s = file->text, *end = s + file->len;

	for (unsigned line = 1; s < end; line++) {
		const char *stop = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((stop ? stop : end) - s);
		const char *next = s + n + 1;

		while (n && (s[n - 1] == '\r' || s[n - 1] == ' '))
			n--;
		while (n && *s == ' ') {
			s++;
			n--;
		}
		if (n && *s != '#' &&
		    (memchr(s, '\0', n) || add_override(l, s, n, true) == -EINVAL))
			return err_set(l->e, EINVAL, "'%.80s' line %u: write name=value",
				       file->file, line);
		s = next;
	}
	return 0;
}

static int read_var_file(struct loader *l, const char *path)
{
	AUTO(diags_done) struct diags file = { 0 };
	int r = doc_read(path, &file, l->e);

	if (r == -EBADMSG)
		return err_set(l->e, EFBIG, "'%.100s' is larger than 1 MiB", path);
	return r ? r : add_file(l, &file);
}

int load_overrides(struct loader *l)
{
	for (size_t i = 0; i < l->o->n_var_files; i++) {
		int r = read_var_file(l, l->o->var_files[i]);

		if (r)
			return r;
	}
	for (size_t i = 0; i < l->o->n_vars; i++) {
		char buf[200];
		int r = add_override(l, l->o->vars[i], strlen(l->o->vars[i]), false);

		if (r == -EINVAL) {
			err_set(l->e, EINVAL, "write --var name=value");
			return err_ctx(l->e, "--var '%.60s'",
				       bind_shown(l->o->vars[i], buf, sizeof(buf)));
		}
		if (r)
			return r;
	}
	return 0;
}

static int add_var(struct loader *l, const char *name, const char *value, struct span at,
		   struct var *var)
{
	const void **slot = names_put(&l->vars.names, &l->scratch, name);

	if (!slot)
		return load_no_memory(l);
	*var = (struct var){ .name = name, .value = value, .at = at };
	*slot = var;
	return 0;
}

/* ${run.id} and ${host.name} always exist. Their dots keep them apart from every name in a file. */
static int add_built_in(struct loader *l)
{
	struct var *own = arena_zalloc(&l->scratch, 2 * sizeof(*own));
	char host[256] = "";
	char *name;
	int r;

	gethostname(host, sizeof(host) - 1);
	name = arena_strndup(&l->scratch, l->o->host_name ? l->o->host_name : host,
			     strlen(l->o->host_name ? l->o->host_name : host));
	if (!own || !name)
		return load_no_memory(l);
	r = add_var(l, "run.id", l->o->run_id ? l->o->run_id : RUN_ID_STAND_IN, (struct span){ 0 },
		    &own[0]);
	return r ? r : add_var(l, "host.name", name, (struct span){ 0 }, &own[1]);
}

/* --var, then --var-file (both are overrides), then the environment, then the default. */
static const char *choose_value(struct loader *l, const char *name, const struct var_item *item)
{
	const struct override *o = names_get(&l->overrides, name);
	const char *value = o ? o->value : NULL;

	if (!value && item->env)
		value = getenv(item->env);
	return value ? value : item->dflt;
}

static void say_no_value(struct loader *l, const struct pair *p, const struct var_item *item)
{
	char buf[300];
	const char *name = bind_shown(p->key->text, buf, sizeof(buf));
	struct diag *g = diag_add(l->d, DIAG_ERROR, MSG_VAR_MISSING, p->key->at,
				  "variable '%s' has no value", name);

	diag_caret(g, "give it with --var %s=…", name);
	if (item->env)
		diag_note(g, "help: or set the environment variable %.80s", item->env);
}

static void check_choice(struct loader *l, const struct pair *p, const struct var_item *item,
			 const char *value)
{
	char buf[300], seen[300];
	struct text words = text_on(buf, sizeof(buf));
	struct diag *g;

	for (size_t i = 0; i < item->one_of.n; i++) {
		if (strcmp(item->one_of.at[i], value) == 0)
			return;
	}
	for (size_t i = 0; i < item->one_of.n && !words.cut; i++) {
		text_add(&words, "%s", i ? ", " : "");
		text_add_foreign(&words, item->one_of.at[i], strnlen(item->one_of.at[i], 40));
	}
	g = diag_add(l->d, DIAG_ERROR, MSG_VAR_CHOICE, p->key->at,
		     "variable '%.60s' cannot be '%s'", p->key->text,
		     bind_shown(value, seen, sizeof(seen)));
	diag_caret(g, "one of: %.180s", buf);
}

static int load_var(struct loader *l, const struct pair *p, struct var *var)
{
	unsigned before = l->d->errors;
	struct var_item item = { 0 };
	const char *value;
	int r = bind_block(&l->binder, p->value, &var_fields, &item);

	if (r)
		return r;
	value = choose_value(l, p->key->text, &item);
	if (item.required && item.dflt)
		diag_add(l->d, DIAG_ERROR, MSG_NOT_HERE, p->key->at,
			 "a required variable cannot have a default");
	if (!value && l->d->errors == before)
		say_no_value(l, p, &item);
	else if (value && item.one_of.n)
		check_choice(l, p, &item, value);
	return add_var(l, p->key->text, value, p->key->at, var);
}

int load_vars(struct loader *l)
{
	const struct node *block = node_get(l->root, "vars");
	int r = add_built_in(l);

	if (r || !block || node_is_empty(block))
		return r;
	if (block->type != NODE_MAP) {
		diag_add(l->d, DIAG_ERROR, MSG_SHAPE, block->at,
			 "'vars' takes a block of lines 'name: value'");
		return 0;
	}
	l->vars.at = arena_zalloc(&l->scratch, block->n * sizeof(*l->vars.at));
	if (!l->vars.at)
		return load_no_memory(l);
	l->vars.frozen = true;
	for (size_t i = 0; i < block->n && !r; i++) {
		if (bind_is_free(block->pair[i].key) ||
		    !load_name_ok(l, block->pair[i].key->text, false, block->pair[i].key->at))
			continue;
		r = load_var(l, &block->pair[i], &l->vars.at[l->vars.n]);
		l->vars.n++;
	}
	l->vars.frozen = false;
	return r;
}

int load_overrides_known(struct loader *l)
{
	for (const struct override *o = l->override_list; o; o = o->next) {
		const struct var *var = names_get(&l->vars.names, o->name);
		char buf[300];

		if (var && var->at.line)
			continue;
		err_set(l->e, EINVAL, "the experiment declares no such variable under vars");
		return err_ctx(l->e, "%s '%.60s'", o->from_file ? "--var-file:" : "--var",
			       bind_shown(o->name, buf, sizeof(buf)));
	}
	return 0;
}
