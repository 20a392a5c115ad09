/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CRC32C_H
#define BRINK_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4) of n bytes. */
uint32_t crc32c(const void *data, size_t n);

#endif
