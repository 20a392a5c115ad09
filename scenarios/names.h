/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NAMES_H
#define BRINK_NAMES_H

#include "base/arena.h"

/* A set of names with a value each: every look-up costs the same however many there are. Zeroed =
 * empty. */
struct names {
	size_t n, size; /* size: slots, a power of two */
	struct name_slot *slot;
};

/*
 * The value slot of this name, made (NULL inside) when it is new. The name is not copied. NULL: out
 * of memory. The pointer holds until the next call.
 */
const void **names_put(struct names *s, struct arena *a, const char *name);
/* Its value, or NULL. */
const void *names_get(const struct names *s, const char *name);

#endif
