/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_OPTIONS_H
#define BRINK_OPTIONS_H

#include "base/fields.h"

/* In the order of the help. VERB_NONE: nothing but flags stands on the command line. */
enum verb {
	VERB_NONE,
	VERB_TRY,
	VERB_NEW,
	VERB_CHECK,
	VERB_PLAN,
	VERB_RUN,
	VERB_HALT,
	VERB_REVERT,
	VERB_STATUS,
	VERB_RUNS,
	VERB_LIST,
	VERB_EXPLAIN,
	VERB_DOCTOR,
	VERB_DEMO,
	VERB_VERSION,
	VERB_HELP,
	VERB_COUNT
};

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
enum if_unable { IF_UNABLE_FAIL, IF_UNABLE_SKIP };

/* What the user typed, as plain data; texts point into argv or the arena. Zeroed = nothing. */
struct options {
	enum verb verb;
	struct strings
		args; /* what stands behind the verb, in order: FILE, RUN, FAULT key=value ... */
	struct strings
		command; /* try: what stands behind "--", ended by a NULL as execvp(3) wants it */
	uint64_t given;  /* bit i = option_flags[i] was on the command line: see options_given */

	bool help, version;
	bool quiet;
	unsigned verbose; /* how often */
	int color;        /* enum color_when; ask options_color() */
	bool json;
	const char *events, *config;
	struct strings vars,
		var_files; /* "name=value" and paths, as struct load_options takes them */
	bool no_input;

	int64_t seed; /* 0 and more, 18 digits; meaningful when options_given(o, "seed") */
	bool dry_run, yes;
	int if_unable;           /* enum if_unable */
	int64_t lock_timeout_ns; /* 0 = do not wait */
	const char *plan, *out;

	int64_t for_ns; /* try; 0 = not given */
	struct strings checks;
	const char *why;
	bool all, print, at_boot, accept_conflict;
	const char *unit;
	const char *from; /* new */

	struct arena arena;
};

enum flag_type {
	FLAG_SET,      /* bool */
	FLAG_COUNT,    /* unsigned */
	FLAG_TEXT,     /* const char * */
	FLAG_TEXTS,    /* struct strings: each use adds one */
	FLAG_WORD,     /* int: index into words */
	FLAG_DURATION, /* int64_t ns */
	FLAG_NUMBER,   /* int64_t, not negative */
};

#define VERB_BIT(v) (UINT32_C(1) << (v))
#define VERB_ANY    UINT32_MAX

/* One flag. The parser, the help of each verb and brink(1) read this table; nothing is said twice.
 */
struct flag {
	const char *name; /* without its dashes */
	char letter;      /* 0 = none */
	enum flag_type type;
	const char *arg; /* "FILE"; NULL for FLAG_SET and FLAG_COUNT */
	size_t offset;
	const char *const *words;
	const char *dflt; /* shown and parsed; NULL = none */
	const char *doc;
	uint32_t verbs; /* VERB_BIT of each verb that takes it; VERB_ANY */
};

extern const char *const option_color_words[];
extern const struct flag option_flags[]; /* ends with .name == NULL */

/*
 * Reads a command line. -EINVAL (exit code 2): outermost line of *e what is wrong, root what to do
 * instead; ret->verb is set as far as it was understood. Touches nothing but memory; *ret is to be
 * freed with options_done() in every case.
 */
int options_parse(int argc, char *const *argv, struct options *ret, struct err *e);
void options_done(struct options *o);

/* Was this flag on the command line? */
bool options_given(const struct options *o, const char *name);
/* May colour go to this descriptor? --color, then NO_COLOR, CLICOLOR_FORCE, TERM and isatty(3). */
bool options_color(const struct options *o, int fd);

#endif
