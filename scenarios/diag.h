/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_DIAG_H
#define BRINK_DIAG_H

#include <stdbool.h>
#include <stdio.h>

#include "base/codes.h"
#include "base/err.h"

#define DIAG_MAX   50 /* kept per file; the rest is only counted */
#define DIAG_NOTES 2

enum diag_level { DIAG_ERROR, DIAG_WARNING };

/* A stretch of one line. Columns are characters, 1-based; end_col is one past the end, 0 = one
 * character. */
struct span {
	unsigned line, col, end_col;
};

struct diag {
	struct span at;
	enum diag_level level;
	enum msg_code code;
	char text[240];
	char caret[200];            /* beside the caret; "" = nothing */
	char note[DIAG_NOTES][400]; /* printed as "= note: …" or "= help: …"; "" = unused */
};

/* Everything that is wrong with one file, and the file's text for the excerpts. Zeroed = empty. */
struct diags {
	char *file; /* as the user wrote it */
	char *text;
	size_t len;
	bool color; /* diags_print() may use escape sequences; the printer sets it */
	unsigned n; /* kept in at[] */
	struct diag *at;
	unsigned errors, warnings; /* counted, kept or not */
};

/*
 * Adds one mistake. In its words, as in those of diag_caret and diag_note, what is no printable
 * text becomes \xNN. Returns it for these two, or NULL when there are DIAG_MAX already or memory is
 * out: both accept NULL.
 */
struct diag *diag_add(struct diags *d, enum diag_level level, enum msg_code code, struct span at,
		      const char *fmt, ...) PRINTF_FMT(5, 6);
/* The words beside the caret. */
void diag_caret(struct diag *g, const char *fmt, ...) PRINTF_FMT(2, 3);
/* One more line below: fmt begins with "note: " or "help: ". */
void diag_note(struct diag *g, const char *fmt, ...) PRINTF_FMT(2, 3);

/*
 * All of them in the order of the file, each with excerpt, caret and notes, then "2 errors, 0
 * warnings. Nothing was touched.". Prints nothing when there is nothing.
 */
void diags_print(struct diags *d, FILE *out);
/* The same without the last line: for the warnings of a file that is going to be run. */
void diags_list(struct diags *d, FILE *out);
void diags_done(struct diags *d);

#endif
