/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CODES_H
#define BRINK_CODES_H

#include <stddef.h>

#include "base/codes_table.h"

/* The stable number of every message: "[B1042]". A number is never used again for something else.
 */
enum msg_code {
	MSG_NONE = 0,
#define X(number, name, brief, note, text) MSG_##name = number,
	MSG_CODES(X)
#undef X
};

struct msg_info {
	unsigned code;
	const char *brief; /* one line, for lists */
	const char *note;  /* printed below each such message; NULL = none */
	const char *text;  /* for brink explain B1042: a few sentences */
};

/* All of them in ascending order. */
extern const struct msg_info msg_codes[];
extern const size_t msg_codes_n;

/* By number; NULL for one that does not exist. */
const struct msg_info *msg_find(unsigned code);
/* "B1042" or "b1042" to its number; 0 if it is no code. */
unsigned msg_parse(const char *text);

#endif
