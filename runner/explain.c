/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/explain.h"

#include <string.h>

#include "scenarios/policy.h"

const struct field_table *explain_table(size_t i)
{
	size_t n = 0;

	while (experiment_tables[n]) {
		if (n == i)
			return experiment_tables[n];
		n++;
	}
	for (size_t k = 0; fault_registry[k]; k++, n++) {
		if (n == i)
			return fault_registry[k]->fields;
	}
	for (size_t k = 0; policy_tables[k]; k++) {
		if (n + k == i)
			return policy_tables[k];
	}
	return NULL;
}

const struct fault_ops *explain_fault(const struct field_table *t)
{
	for (size_t i = 0; fault_registry[i]; i++) {
		if (fault_registry[i]->fields == t)
			return fault_registry[i];
	}
	return NULL;
}

const char *explain_class(const struct fault_ops *f)
{
	if (f->class_words)
		return f->class_words;
	return f->one_shot ? "one-shot" : "said in the plan";
}

/* "to=localhost:5432 delay=200ms" as "net.delay: {to: "localhost:5432", delay: 200ms}" */
void explain_add_item(const char *fault, const char *params, struct text *t)
{
	const char *at = params;

	text_add(t, "%s: {", fault);
	while (*at) {
		size_t n = strcspn(at, " "), key = strcspn(at, "=");
		bool plain = at[key + 1] != '*' && !memchr(at + key + 1, ':', n - key - 1);
		const char *quote = plain ? "" : "\""; /* YAML: an alias, a key of a block */

		text_add(t, "%s%.*s: %s%.*s%s", at == params ? "" : ", ", (int)key, at, quote,
			 (int)(n - key - 1), at + key + 1, quote);
		at += n;
		at += strspn(at, " ");
	}
	text_add(t, "}");
}

void explain_add_form(const struct field *f, struct text *t)
{
	field_add_type(f, t);
	if (f->flags & FIELD_REQUIRED)
		text_add(t, "; required");
	if (f->dflt)
		text_add(t, "; default %s", f->dflt);
}

/* The names with this flag, without those that this version refuses. Returns their number. */
static unsigned add_group(const struct field_table *t, unsigned flag, struct text *ret)
{
	unsigned n = 0;

	for (const struct field *f = t->fields; f->name; f++) {
		if (f->type == FIELD_LATER || !(f->flags & flag))
			continue;
		text_add(ret, "%s%s", n++ ? ", " : "", f->name);
	}
	return n;
}

bool explain_add_rule(const struct field_table *t, unsigned i, struct text *ret)
{
	static const struct {
		unsigned flag;
		const char *words;
	} groups[] = { { FIELD_GROUP_1, "exactly one of" },
		       { FIELD_GROUP_2, "exactly one of" },
		       { FIELD_LEAST_ONE, "at least one of" },
		       { FIELD_MOST_ONE, "at most one of" } };
	char buf[300];

	for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
		struct text names = text_on(buf, sizeof(buf));
		unsigned n = add_group(t, groups[g].flag, &names);

		if (!n || i--)
			continue;
		if (n == 1 && groups[g].flag != FIELD_MOST_ONE)
			text_add(ret, "%s is required", buf);
		else
			text_add(ret, "%s: %s", groups[g].words, buf);
		return true;
	}
	return false;
}

/* The place of a dotted path below a table; false: there is none. */
static bool walk(const struct field_table *t, const char *path, struct explain_place *ret)
{
	while (t) {
		size_t n = strcspn(path, ".");
		const struct field *f = t->fields;

		while (f->name && (strlen(f->name) != n || memcmp(f->name, path, n) != 0))
			f++;
		if (!f->name)
			return false;
		*ret = (struct explain_place){ t, f };
		if (!path[n])
			return true;
		path += n + 1;
		t = f->sub;
	}
	return false;
}

/* "limits.deny.paths": a table's name, a dot, and a path below it; or a path below the whole file.
 */
static size_t find_path(const char *word, struct explain_place *ret)
{
	const struct field_table *t;

	for (size_t i = 0; (t = explain_table(i)); i++) {
		size_t n = strlen(t->name);

		if (strncmp(word, t->name, n) == 0 && word[n] == '.' && walk(t, word + n + 1, ret))
			return 1;
	}
	return strchr(word, '.') && walk(experiment_tables[0], word, ret);
}

size_t explain_find(const char *word, struct explain_place ret[static EXPLAIN_PLACES])
{
	const struct field_table *t;
	size_t n = 0;

	for (size_t i = 0; (t = explain_table(i)); i++) {
		if (strcmp(t->name, word) == 0) {
			ret[0] = (struct explain_place){ t, NULL };
			return 1;
		}
	}
	n = find_path(word, ret);
	for (size_t i = 0; !strchr(word, '.') && (t = explain_table(i)) && n < EXPLAIN_PLACES;
	     i++) {
		const struct field *f = fields_find(t, word);

		if (f)
			ret[n++] = (struct explain_place){ t, f };
	}
	return n;
}

static void nearer(const char *word, const char *name, unsigned *best, const char **found)
{
	unsigned d = fields_distance(word, name, *best);

	if (d < *best) {
		*best = d;
		*found = name;
	}
}

const char *explain_nearest(const char *word)
{
	unsigned best = fields_tolerance(word) + 1;
	const struct field_table *t;
	const char *found = NULL;

	for (size_t i = 0; (t = explain_table(i)); i++) {
		nearer(word, t->name, &best, &found);
		for (const struct field *f = t->fields; f->name; f++)
			nearer(word, f->name, &best, &found);
	}
	return found;
}
