/* SPDX-License-Identifier: Apache-2.0 */
/* base/crc32c.h by a table: a fuzzer would spend most of its time on checksums. Linked by name. */
#include "base/crc32c.h"

#include <stdlib.h>

static uint32_t table[256];

static uint32_t over(const unsigned char *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++)
		crc = crc >> 8 ^ table[(crc ^ p[i]) & 0xff];
	return ~crc;
}

uint32_t crc32c(const void *data, size_t n)
{
	if (!table[255]) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t v = i;

			for (int bit = 0; bit < 8; bit++)
				v = v >> 1 ^ (v & 1 ? 0x82f63b78u : 0);
			table[i] = v;
		}
		if (over((const unsigned char *)"123456789", 9) != 0xe3069283u) /* RFC 3720 */
			abort();
	}
	return over(data, n);
}
