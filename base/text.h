/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TEXT_H
#define BRINK_TEXT_H

#include <stdbool.h>

#include "base/auto.h"

/* A bounded text in memory that the caller owns. Never allocates, always terminated. */
struct text {
	char *buf;
	size_t size, len;
	bool cut; /* something did not fit */
};

/* An empty text on buf (size >= 1). */
struct text text_on(char *buf, size_t size);
/* Appends; what does not fit is cut and remembered in t->cut. */
void text_add(struct text *t, const char *fmt, ...) PRINTF_FMT(2, 3);
/*
 * Appends n bytes of foreign text (probe answers, file names) in a form that is safe on a terminal:
 * control characters and bytes that are not UTF-8 become \xNN.
 */
void text_add_foreign(struct text *t, const char *s, size_t n);

#endif
