/* SPDX-License-Identifier: Apache-2.0 */
#include "base/codes.h"

#include "base/auto.h"

const struct msg_info msg_codes[] = {
#define X(number, name, brief, note, text) { number, brief, note, text },
	MSG_CODES(X)
#undef X
};
const size_t msg_codes_n = ARRAY_LEN(msg_codes);

const struct msg_info *msg_find(unsigned code)
{
	size_t lo = 0, hi = msg_codes_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (msg_codes[mid].code == code)
			return &msg_codes[mid];
		if (msg_codes[mid].code < code)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

unsigned msg_parse(const char *text)
{
	unsigned n = 0;
	size_t i = 1;

	if (text[0] != 'B' && text[0] != 'b')
		return 0;
	for (; i <= 4 && text[i] >= '0' && text[i] <= '9'; i++)
		n = n * 10 + (unsigned)(text[i] - '0');
	return i == 5 && !text[i] ? n : 0;
}
