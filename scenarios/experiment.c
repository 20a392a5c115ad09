/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/experiment.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "scenarios/load.h"

#define NAME_MAX_LEN 63

int load_no_memory(struct loader *l)
{
	return err_set(l->e, ENOMEM, "out of memory");
}

bool load_name_ok(struct loader *l, const char *name, bool lower, struct span at)
{
	size_t n = strlen(name);
	bool ok = n <= NAME_MAX_LEN && isascii(name[0]) &&
		  (lower ? islower(name[0]) : isalpha(name[0]));
	struct diag *g;
	char buf[300];

	for (size_t i = 1; ok && i < n; i++) {
		bool letter = isascii(name[i]) && (lower ? islower(name[i]) : isalpha(name[i]));

		ok = letter || isdigit(name[i]) || name[i] == '-' || (!lower && name[i] == '_');
	}
	if (ok)
		return true;
	g = diag_add(l->d, DIAG_ERROR, MSG_BAD_NAME, at, "'%s' is not a good name",
		     bind_shown(name, buf, sizeof(buf)));
	diag_caret(g, "%s",
		   lower ? "write a lower-case letter, then letters, digits and -; at most 63" :
			   "write a letter, then letters, digits, - and _; at most 63");
	return false;
}

/* base, base-2, base-3 ... with dots and underscores made dashes; the first that is free. */
static int make_id(struct loader *l, struct names *taken, const char *base, const char **ret)
{
	char stem[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 24];
	size_t n = 0;

	for (; base[n] && n < NAME_MAX_LEN - 8; n++)
		stem[n] = (char)(base[n] == '.' || base[n] == '_' ? '-' : base[n]);
	stem[n] = '\0';
	snprintf(name, sizeof(name), "%s", stem);
	while (names_get(taken, name)) {
		/* the last number given, so that a thousand equal kinds do not each start over */
		const void **slot = names_put(&l->counters, &l->scratch, base);
		uintptr_t next;

		if (!slot)
			return load_no_memory(l);
		next = *slot ? (uintptr_t)*slot + 1 : 2;
		*slot = (const void *)next;
		snprintf(name, sizeof(name), "%s-%zu", stem, (size_t)next);
	}
	*ret = arena_strndup(&l->x->arena, name, strlen(name));
	return *ret ? 0 : load_no_memory(l);
}

int load_id(struct loader *l, struct names *taken, const char **id, const char *base,
	    const void *item, struct span at)
{
	const void **slot;
	int r = 0;

	if (*id && !load_name_ok(l, *id, true, at))
		return 0;
	if (!*id)
		r = make_id(l, taken, base, id);
	if (r)
		return r;
	slot = names_put(taken, &l->scratch, *id);
	if (!slot)
		return load_no_memory(l);
	if (*slot)
		diag_add(l->d, DIAG_ERROR, MSG_SAME_ID, at, "the id '%s' is used twice", *id);
	else
		*slot = item;
	return 0;
}

/* Is it a file of this language at all? Mistakes in a newer one would be nonsense. */
static bool check_language(struct loader *l)
{
	const struct node *n = node_get(l->root, "brink");
	struct err unused;
	int64_t version;

	if (node_get(l->root, "brink_plan")) { /* what `brink plan --out` writes */
		diag_caret(diag_add(l->d, DIAG_ERROR, MSG_LANGUAGE,
				    (struct span){ l->root->at.line, l->root->at.col, 0 },
				    "this is a plan, not an experiment"),
			   "hold a run to it: brink run --plan FILE");
		return false;
	}
	if (!n || n->type != NODE_SCALAR || units_int(n->text, &version, &unused) < 0 ||
	    version == EXPERIMENT_LANGUAGE)
		return true;
	diag_add(
		l->d, DIAG_ERROR, MSG_LANGUAGE, n->at,
		version > EXPERIMENT_LANGUAGE ?
			"version %lld of the language needs a newer brink; this one reads version %d" :
			"there is no version %lld of the language; this brink reads version %d",
		(long long)version, EXPERIMENT_LANGUAGE);
	return false;
}

static void warn_unused(struct loader *l)
{
	for (size_t i = 0; i < l->x->targets.n; i++) {
		if (l->use[i].target && !l->use[i].used)
			diag_add(l->d, DIAG_WARNING, MSG_UNUSED_TARGET, l->use[i].at,
				 "target '%s' is not used", l->use[i].target->name);
	}
	for (size_t i = 0; i < l->vars.n; i++) {
		if (l->vars.at[i].name && !l->vars.at[i].used)
			diag_add(l->d, DIAG_WARNING, MSG_UNUSED_VAR, l->vars.at[i].at,
				 "variable '%s' is not used", l->vars.at[i].name);
	}
}

/* The steps, in the order in which they need each other. */
static int load_root(struct loader *l)
{
	static int (*const steps[])(struct loader *) = { load_targets, load_checks, load_faults,
							 load_abort };
	int r;

	if (l->root->type != NODE_MAP) {
		struct diag *g = diag_add(l->d, DIAG_ERROR, MSG_SHAPE,
					  (struct span){ l->root->at.line, l->root->at.col, 0 },
					  "an experiment is a block of lines 'key: value'");

		diag_caret(g, "begin with 'brink: 1'");
		return 0;
	}
	if (!check_language(l))
		return 0;
	r = load_vars(l);
	if (!r)
		r = bind_block(&l->binder, l->root, &experiment_fields, l->x);
	for (size_t i = 0; i < ARRAY_LEN(steps) && !r; i++)
		r = steps[i](l);
	if (!r && !l->d->errors) {
		warn_unused(l);
		r = load_overrides_known(l);
	}
	return r;
}

static int load_file(struct loader *l, const char *path)
{
	int r = load_overrides(l);

	if (!r)
		r = doc_read(path, l->d, l->e);
	if (!r)
		r = doc_parse(l->d, &l->scratch, &l->root, l->e);
	if (r)
		return r;
	l->x->file = arena_strndup(&l->x->arena, path, strlen(path));
	if (!l->x->file)
		return load_no_memory(l);
	l->binder = (struct binder){
		.arena = &l->x->arena, .d = l->d, .vars = &l->vars, .file = l->x->file, .e = l->e
	};
	return load_root(l);
}

int experiment_load(const char *path, const struct load_options *o, struct experiment *ret,
		    struct diags *d, struct err *e)
{
	struct load_options options = *o;
	struct experiment x = { 0 };
	struct loader l = { .o = &options, .x = &x, .d = d, .e = e };
	int r;

	if (!options.faults)
		options.faults = fault_registry;
	r = load_file(&l, path);
	arena_done(&l.scratch);
	if (!r && d->errors)
		r = -EBADMSG;
	if (r == -EBADMSG)
		err_set(e, EBADMSG, "%u mistakes in '%.100s'", d->errors, path);
	if (r)
		experiment_done(&x);
	else
		*ret = x;
	return r;
}

void experiment_done(struct experiment *x)
{
	arena_done(&x->arena);
	*x = (struct experiment){ 0 };
}

const struct check_spec *experiment_check(const struct experiment *x, const char *id)
{
	for (size_t i = 0; i < x->n_checks; i++) {
		if (strcmp(x->checks[i].id, id) == 0)
			return &x->checks[i];
	}
	return NULL;
}
