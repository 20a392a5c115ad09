/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_UTF8_H
#define BRINK_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The character at s (n >= 1 bytes) and its length; 0 when the bytes are no UTF-8 (RFC 3629). */
size_t utf8_at(const char *s, size_t n, uint32_t *ret);
/* Columns of a terminal that it takes: 0 (combining), 1 or 2 (East Asian wide). */
unsigned utf8_columns(uint32_t c);
/*
 * Length of a line break at s, 0 if there is none. The same set as libyaml's, so that line numbers
 * agree: CR, LF, CR LF, NEL, LS, PS.
 */
size_t utf8_break(const char *s, size_t n);
/* The n-th line (1-based) without its break; NULL when the text has fewer. */
const char *utf8_line(const char *text, size_t len, unsigned line, size_t *ret_len);

#endif
