/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "runner/commands.h"
#include "runner/explain.h"
#include "runner/help.h"
#include "runner/say.h"
#include "scenarios/load.h"

static void print_json(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void list_faults(bool json)
{
	int wide = 0, name = 0;

	for (size_t i = 0; fault_registry[i]; i++) {
		int n = (int)strlen(explain_class(fault_registry[i]));
		int m = (int)strlen(fault_registry[i]->name);

		wide = n > wide ? n : wide;
		name = m > name ? m : name;
	}
	for (size_t i = 0; fault_registry[i]; i++) {
		const struct fault_ops *f = fault_registry[i];

		if (json) {
			print_json(json_pack("{s:s, s:s, s:s}", "fault", f->name, "class",
					     explain_class(f), "summary", f->summary));
			continue;
		}
		printf("%-*s  %-*s  ", name, f->name, wide, explain_class(f));
		help_wrap(stdout, (unsigned)(name + wide) + 4, (unsigned)(name + wide) + 4,
			  f->summary);
	}
}

/* The alternatives of a block: each source of a check, each kind of target. */
static void list_kinds(bool json, const struct field_table *t, const char *what)
{
	for (const struct field *f = t->fields; f->name; f++) {
		char keys[300];
		struct text k = text_on(keys, sizeof(keys));

		if (!(f->flags & FIELD_GROUP_1) || f->type == FIELD_LATER)
			continue;
		if (f->sub)
			fields_add_names(f->sub, &k);
		else
			field_add_type(f, &k);
		if (json) {
			print_json(json_pack("{s:s, s:s, s:s}", what, f->name, "summary", f->doc,
					     "keys", keys));
			continue;
		}
		printf("%-12s  ", f->name);
		help_wrap(stdout, 14, 14, f->doc);
		printf("%14s", "");
		help_wrap(stdout, 14, 14, keys);
	}
}

int cmd_list(const struct options *o)
{
	const char *what = o->args.at[0];
	struct err e = { 0 };
	char shown[ERR_LINE];
	struct text t = text_on(shown, 100);

	if (strcmp(what, "faults") == 0)
		list_faults(o->json);
	else if (strcmp(what, "probes") == 0)
		list_kinds(o->json, &check_fields, "probe");
	else if (strcmp(what, "targets") == 0)
		list_kinds(o->json, &target_fields, "target");
	else
		err_set(&e, EINVAL, "write: brink list faults|probes|targets");
	if (!e.depth)
		return EXIT_PASS;
	text_add_foreign(&t, what, strnlen(what, 90));
	if (strcmp(what, "hosts") == 0)
		err_ctx(&e, "'brink list hosts' is not in this version");
	else
		err_ctx(&e, "there is no list of '%s'", shown);
	say_refused(o, &e);
	return EXIT_USAGE;
}
