/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SAY_H
#define BRINK_SAY_H

#include "runner/options.h"

/* What short commands print. A run has its own mouth: runner/talk.h. */

enum say_color { SAY_PLAIN, SAY_BOLD, SAY_RED, SAY_GREEN, SAY_YELLOW };

/* The escape sequences that begin and end a colour; "" where there is to be none. */
const char *say_on(bool color, enum say_color c);
const char *say_off(bool color, enum say_color c);

/* "brink: error: file:1:2: outer: inner" to stderr. */
void say_error(const struct options *o, const struct err *e);
/* "brink: error: outermost", then "  = help: root": an err that has its remedy as root. */
void say_refused(const struct options *o, const struct err *e);
/* The same as a warning. */
void say_warning(const struct err *e);
/*
 * Flushes stdout. Output that could not be written (a full disk) is said, and makes a 0 EXIT_USAGE,
 * so that a cut file never looks whole; a reader that went away (EPIPE) is no error.
 */
int say_flush(int rc);

#endif
