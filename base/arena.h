/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_ARENA_H
#define BRINK_ARENA_H

#include <stddef.h>

/* Memory that is freed all at once: an experiment and everything bound from it. Zeroed = empty. */
struct arena {
	struct arena_block *head;
	size_t used; /* bytes handed out, all blocks */
};

/* n zeroed bytes, aligned for any type; NULL when memory is out. */
void *arena_zalloc(struct arena *a, size_t n);
/* A terminated copy of n bytes of s; NULL when memory is out. */
char *arena_strndup(struct arena *a, const char *s, size_t n);
/* Frees all; the arena is empty and usable again. */
void arena_done(struct arena *a);

#endif
