/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

struct text text_on(char *buf, size_t size)
{
	buf[0] = '\0';
	return (struct text){ .buf = buf, .size = size };
}

void text_add(struct text *t, const char *fmt, ...)
{
	size_t room = t->size - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= room) {
		t->cut = true;
		t->len = t->size - 1;
	} else {
		t->len += (size_t)n;
	}
}

/* Length of the character at s (of n bytes), 0 if it is none or may not be shown. */
static size_t printable(const char *s, size_t n)
{
	uint32_t c = 0;
	size_t len = utf8_at(s, n, &c);
	bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
	/* bidirectional overrides reorder a terminal line */
	bool reorders = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);

	return control || reorders ? 0 : len;
}

void text_add_foreign(struct text *t, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t len = printable(s + i, n - i);

		if ((len ? len : strlen("\\xNN")) >= t->size - t->len) {
			/* half a character is none, half of \xNN another one; nothing comes behind
			 * a cut */
			t->cut = true;
			t->size = t->len + 1;
			return;
		}
		if (len) {
			text_add(t, "%.*s", (int)len, s + i);
			i += len;
		} else {
			text_add(t, "\\x%02x", (unsigned)(unsigned char)s[i]);
			i++;
		}
	}
}
