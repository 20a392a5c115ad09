/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "runner/commands.h"
#include "runner/config.h"
#include "runner/help.h"
#include "runner/leftovers.h"
#include "runner/say.h"

/* One line a verb; one without a line is "not in this version". */
/* clang-format off */
static int (*const verbs[VERB_COUNT])(const struct options *o) = {
	[VERB_NEW] = cmd_new,
	[VERB_CHECK] = cmd_check,
	[VERB_LIST] = cmd_list,
	[VERB_EXPLAIN] = cmd_explain,
	[VERB_VERSION] = cmd_version,
	[VERB_HELP] = cmd_help,
	[VERB_RUN] = cmd_run,
	[VERB_PLAN] = cmd_plan,
	[VERB_TRY] = cmd_try,
	[VERB_HALT] = cmd_halt,
	[VERB_REVERT] = cmd_revert,
	[VERB_STATUS] = cmd_status,
	[VERB_RUNS] = cmd_runs,
	[VERB_DOCTOR] = cmd_doctor,
	[VERB_DEMO] = cmd_demo,
};
/* clang-format on */

/* Old runs are the very subject of these. */
#define ABOUT_RUNS                                                             \
	(VERB_BIT(VERB_HALT) | VERB_BIT(VERB_REVERT) | VERB_BIT(VERB_STATUS) | \
	 VERB_BIT(VERB_RUNS) | VERB_BIT(VERB_DOCTOR))

static int dispatch(const struct options *o)
{
	struct err e = { 0 };

	if (o->help)
		return help_verb(o, o->verb);
	if (o->version)
		return cmd_version(o);
	if (!o->verb)
		return help_short();
	if (verbs[o->verb]) {
		if (!(VERB_BIT(o->verb) & ABOUT_RUNS))
			leftovers_warn();
		return verbs[o->verb](o);
	}
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
