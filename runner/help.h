/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_HELP_H
#define BRINK_HELP_H

#include <stdio.h>

#include "runner/options.h"

#define HELP_COLUMNS 78

/* `brink` alone: twelve lines to stderr, EXIT_USAGE. */
int help_short(void);
/* Every command, or with VERB_NONE + 1 and more one of them: example, usage, flags. To stdout. */
int help_verb(const struct options *o, enum verb verb);

/*
 * Words at a column that begins at indent; goes on at indent in the next line. from: the column
 * where the cursor is now. Ends the line.
 */
void help_wrap(FILE *out, unsigned from, unsigned indent, const char *text);

/* One line of a table: a name and what it means. */
struct help_row {
	const char *name, *text;
};

/* Environment variables and files; for `brink help environment` and brink(1). End with .name ==
 * NULL. */
extern const struct help_row help_environment[], help_files[];

struct help_topic {
	const char *name, *summary;
	void (*print)(FILE *out);
};

extern const struct help_topic help_topics[]; /* ends with .name == NULL */

#endif
