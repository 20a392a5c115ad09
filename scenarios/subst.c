/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/subst.h"

#include <errno.h>
#include <string.h>

#include "base/fields.h"
#include "base/text.h"

struct job {
	struct vars *v;
	const struct node *n;
	struct diags *d;
	char *out; /* NULL while measuring */
	size_t len;
};

/* Where the text stands in the file, if the scalar is one line without escapes; else the whole
 * scalar. */
static struct span part_of(const struct node *n, const char *from, size_t len)
{
	size_t skip = (size_t)(from - n->text) + !n->plain;
	struct span at = n->at;

	if (at.end_col != at.col + n->len + (n->plain ? 0 : 2))
		return at;
	at.col += (unsigned)skip;
	at.end_col = at.col + (unsigned)len;
	return at;
}

static const char *nearest(const struct vars *v, const char *name)
{
	unsigned best = fields_tolerance(name) + 1;
	const char *found = NULL;

	for (size_t i = 0; i < v->n; i++) {
		unsigned d = fields_distance(name, v->at[i].name, best);

		if (d < best) {
			best = d;
			found = v->at[i].name;
		}
	}
	return found;
}

static int say_unknown(const struct job *j, const char *name, const char *from, size_t len)
{
	const char *near = nearest(j->v, name);
	char buf[SUBST_NAME * 4 + 1];
	struct text t = text_on(buf, sizeof(buf));
	struct diag *g;

	text_add_foreign(&t, name, strlen(name));
	g = diag_add(j->d, DIAG_ERROR, MSG_UNKNOWN_VAR, part_of(j->n, from, len),
		     "no variable is called '%s'", buf);
	if (near)
		diag_caret(g, "did you mean '%s'?", near);
	else
		diag_caret(g, "declare it under vars, or write $${ for a plain dollar sign");
	return -EBADMSG;
}

static int say_open(const struct job *j, const char *from)
{
	struct diag *g = diag_add(j->d, DIAG_ERROR, MSG_VAR_SYNTAX, part_of(j->n, from, 2),
				  "'${' is never closed");

	diag_caret(g, "write ${name}, or $${ for a plain dollar sign");
	return -EBADMSG;
}

static void put(struct job *j, const char *s, size_t n)
{
	if (j->out)
		memcpy(j->out + j->len, s, n);
	j->len += n;
}

/* One ${name} at *s; *s moves behind it. */
static int put_var(struct job *j, const char **s)
{
	const char *from = *s, *end = strchr(from, '}');
	size_t n = end ? (size_t)(end - from) - 2 : 0;
	char name[SUBST_NAME + 1];
	struct var *var;

	if (!n || n > SUBST_NAME)
		return say_open(j, from);
	memcpy(name, from + 2, n);
	name[n] = '\0';
	var = (struct var *)names_get(&j->v->names, name);
	if (!var)
		return say_unknown(j, name, from, n + 3);
	var->used = true;
	if (!var->value)
		return -EBADMSG; /* said where it is declared */
	put(j, var->value, strlen(var->value));
	*s = end + 1;
	return 0;
}

/* Runs twice: to measure, then to write. */
static int walk(struct job *j)
{
	const char *s = j->n->text;

	j->len = 0;
	while (*s) {
		size_t n = strcspn(s, "$");
		int r = 0;

		put(j, s, n);
		s += n;
		if (s[0] == '$' && s[1] == '{') {
			r = put_var(j, &s);
		} else if (*s) {
			put(j, s, 1); /* $$ is one dollar sign, a lone one stays */
			s += s[1] == '$' ? 2 : 1;
		}
		if (r || j->len > SUBST_BYTES)
			return r;
	}
	return 0;
}

static int say_frozen(const struct job *j)
{
	struct diag *g = diag_add(j->d, DIAG_ERROR, MSG_VAR_NESTED, j->n->at,
				  "a variable inside a variable");

	diag_caret(g, "values under vars are taken as they are");
	return -EBADMSG;
}

int subst(struct vars *v, const struct node *n, struct arena *a, struct diags *d, const char **ret)
{
	struct job j = { .v = v, .n = n, .d = d };
	int r;

	*ret = n->text;
	if (v->frozen)
		return strstr(n->text, "${") ? say_frozen(&j) : 0;
	if (!strchr(n->text, '$'))
		return 0;
	r = walk(&j);
	if (r)
		return r;
	v->bytes += j.len;
	if (v->bytes > SUBST_BYTES) {
		diag_add(d, DIAG_ERROR, MSG_VAR_GROWTH, n->at,
			 "variables make this file larger than 4 MiB");
		return -EBADMSG;
	}
	j.out = arena_zalloc(a, j.len + 1);
	if (!j.out)
		return -ENOMEM;
	r = walk(&j);
	*ret = j.out;
	return r;
}
