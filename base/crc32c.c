/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#define POLY_REFLECTED 0x82f63b78u

/* Bit by bit: a slot is 4 KiB and written a few times a run, so a table would buy nothing. */
uint32_t crc32c(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLY_REFLECTED : 0);
	}
	return ~crc;
}
