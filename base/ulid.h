/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_ULID_H
#define BRINK_ULID_H

#include <stdbool.h>

#include "base/err.h"

#define ULID_LEN 26

/* A new ULID of now and 80 random bits (getrandom(2)): 26 characters of Crockford's base 32,
 * terminated. */
int ulid_new(char ret[ULID_LEN + 1], struct err *e);
/* Could text be a ULID, or the end of one (4 characters or more)? Letters of either case. */
bool ulid_is_suffix(const char *text);
/* The part of a whole ULID that people are shown and may give back: its last 10 characters, all of
 * them random. */
const char *ulid_short(const char *ulid);

#endif
