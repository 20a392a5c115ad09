/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_COMMANDS_H
#define BRINK_COMMANDS_H

#include "base/exit.h"
#include "runner/options.h"

#define ARGS_ANY 1000000

/* One verb, for the parser, the help and brink(1). What it does stands in cmd_NAME.c. */
struct command {
	const char *name;
	const char *args;           /* "FILE…", "[RUN]", "" */
	const char *summary;        /* a few words for the list of commands */
	const char *text;           /* two or three sentences */
	const char *const *example; /* command lines as typed; ends with NULL */
	unsigned min_args, max_args;
	const char *arg;    /* what one argument is called in messages: "a FILE" */
	bool takes_command; /* "-- COMMAND…" */
};

/* By enum verb; the row of VERB_NONE is empty. */
extern const struct command commands[VERB_COUNT];

/* VERB_NONE: there is no such verb. Exact names only. */
enum verb command_find(const char *name);
/*
 * Why this word is no verb, as options_parse() returns it: not in this version, called otherwise
 * here, a file, or unknown with the nearest verb.
 */
int command_refuse(const char *word, struct err *e);

/* Each runs its verb and returns brink's exit code. */
int cmd_try(const struct options *o);
int cmd_new(const struct options *o);
int cmd_check(const struct options *o);
int cmd_plan(const struct options *o);
int cmd_run(const struct options *o);
int cmd_halt(const struct options *o);
int cmd_revert(const struct options *o);
int cmd_status(const struct options *o);
int cmd_runs(const struct options *o);
int cmd_list(const struct options *o);
int cmd_explain(const struct options *o);
int cmd_doctor(const struct options *o);
int cmd_demo(const struct options *o);
int cmd_version(const struct options *o);
int cmd_help(const struct options *o);

#endif
