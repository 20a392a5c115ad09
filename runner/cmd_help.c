/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "runner/commands.h"
#include "runner/help.h"
#include "runner/say.h"

static const char *nearest(const char *word)
{
	unsigned best = fields_tolerance(word) + 1;
	const char *found = NULL;

	for (const struct help_topic *t = help_topics; t->name; t++) {
		unsigned d = fields_distance(word, t->name, best);

		if (d < best) {
			best = d;
			found = t->name;
		}
	}
	return found;
}

int cmd_help(const struct options *o)
{
	const char *word = o->args.n ? o->args.at[0] : NULL;
	enum verb verb = word ? command_find(word) : VERB_NONE;
	struct err e = { 0 };
	const char *near;

	if (!word || verb)
		return help_verb(o, verb);
	for (const struct help_topic *t = help_topics; t->name; t++) {
		if (strcmp(t->name, word) == 0) {
			t->print(stdout);
			return EXIT_PASS;
		}
	}
	near = nearest(word);
	if (!near) {
		command_refuse(word, &e);
	} else {
		err_set(&e, EINVAL, "did you mean 'brink help %s'?", near);
		err_ctx(&e, "there is no help topic of that name");
	}
	say_refused(o, &e);
	return EXIT_USAGE;
}
