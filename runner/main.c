/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "runner/commands.h"
#include "runner/config.h"
#include "runner/help.h"
#include "runner/say.h"

/* A verb without a line here is "not in this version". */
static int (*const verbs[VERB_COUNT])(const struct options *o) = {
	[VERB_NEW] = cmd_new,         [VERB_CHECK] = cmd_check,     [VERB_LIST] = cmd_list,
	[VERB_EXPLAIN] = cmd_explain, [VERB_VERSION] = cmd_version, [VERB_HELP] = cmd_help,
	[VERB_RUN] = cmd_run,	      [VERB_PLAN] = cmd_plan,
	[VERB_TRY] = cmd_try,
};

static int dispatch(const struct options *o)
{
	struct err e = { 0 };

	if (o->help)
		return help_verb(o, o->verb);
	if (o->version)
		return cmd_version(o);
	if (!o->verb)
		return help_short();
	if (verbs[o->verb])
		return verbs[o->verb](o);
	err_set(&e, ENOTSUP, "brink help lists what there is");
	err_ctx(&e, "'brink %s' is not in this version", commands[o->verb].name);
	say_refused(o, &e);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	AUTO(options_done) struct options o = { 0 };
	struct err e = { 0 };
	int rc;

	if (options_parse(argc, argv, &o, &e) < 0 || config_apply(&o, &e) < 0) {
		say_refused(&o, &e);
		return EXIT_USAGE;
	}
	rc = dispatch(&o);
	return say_flush(rc);
}
