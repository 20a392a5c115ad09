/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ulid.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

#define TIME_LEN   10
#define SHOWN      10
#define SUFFIX_MIN 4

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

int ulid_new(char ret[ULID_LEN + 1], struct err *e)
{
	uint64_t ms = (uint64_t)(clock_wall_ns() / NS_PER_MS);
	unsigned char random[ULID_LEN - TIME_LEN];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_sys(e, "cannot get random numbers");
	for (int i = TIME_LEN - 1; i >= 0; i--) {
		ret[i] = alphabet[ms & 31];
		ms >>= 5;
	}
	for (int i = TIME_LEN; i < ULID_LEN; i++)
		ret[i] = alphabet[random[i - TIME_LEN] & 31];
	ret[ULID_LEN] = '\0';
	return 0;
}

bool ulid_is_suffix(const char *text)
{
	size_t n = strlen(text);

	if (n < SUFFIX_MIN || n > ULID_LEN)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!strchr(alphabet, toupper((unsigned char)text[i])))
			return false;
	}
	return true;
}

const char *ulid_short(const char *ulid)
{
	return ulid + ULID_LEN - SHOWN;
}
