/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "base/auto.h"

size_t utf8_at(const char *text, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c = s[0];
	size_t len;

	*ret = c;
	if (c < 0x80)
		return 1;
	len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || len > n)
		return 0;
	c &= 0xffu >> (len + 1);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return len;
}

unsigned utf8_columns(uint32_t c)
{
	static const struct {
		uint32_t lo, hi;
		unsigned columns;
	} odd[] = {
		{ 0x300, 0x36f, 0 },     { 0x1100, 0x115f, 2 },   { 0x1ab0, 0x1aff, 0 },
		{ 0x200b, 0x200f, 0 },   { 0x20d0, 0x20ff, 0 },   { 0x2e80, 0x303e, 2 },
		{ 0x3041, 0xa4cf, 2 },   { 0xac00, 0xd7a3, 2 },   { 0xf900, 0xfaff, 2 },
		{ 0xfe00, 0xfe0f, 0 },   { 0xfe20, 0xfe2f, 0 },   { 0xfe30, 0xfe6f, 2 },
		{ 0xff00, 0xff60, 2 },   { 0xffe0, 0xffe6, 2 },   { 0x1f300, 0x1f64f, 2 },
		{ 0x1f900, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(odd) && odd[i].lo <= c; i++) {
		if (c <= odd[i].hi)
			return odd[i].columns;
	}
	return 1;
}

size_t utf8_break(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;

	if (s[0] == '\n')
		return 1;
	if (s[0] == '\r')
		return n > 1 && s[1] == '\n' ? 2 : 1;
	if (n > 1 && s[0] == 0xc2 && s[1] == 0x85)
		return 2;
	return n > 2 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9) ? 3 : 0;
}

const char *utf8_line(const char *text, size_t len, unsigned line, size_t *ret_len)
{
	size_t start = 0;

	for (size_t i = 0; i < len;) {
		size_t end = utf8_break(text + i, len - i);

		if (!end) {
			i++;
			continue;
		}
		if (--line == 0) {
			*ret_len = i - start;
			return text + start;
		}
		i += end;
		start = i;
	}
	*ret_len = len - start;
	return line == 1 ? text + start : NULL;
}
