/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_DOC_H
#define BRINK_DOC_H

#include <stdbool.h>

#include "base/arena.h"
#include "scenarios/diag.h"

#define DOC_BYTES ((size_t)1024 * 1024)
#define DOC_DEPTH 64
#define DOC_NODES 200000

enum node_type { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node;

struct pair {
	const struct node *key, *value; /* keys are scalars, no two of a map are equal */
};

/* One value of a file. An alias is the same node as its anchor, so this is no tree but has no
 * cycle. */
struct node {
	enum node_type type;
	bool plain; /* a scalar without quotes */
	struct span at;
	const char *text; /* scalar, terminated, without NUL inside */
	size_t len;
	size_t n; /* items or pairs */
	union {
		const struct node **item;
		struct pair *pair;
	};
	unsigned height; /* levels below this one */
	size_t weight;   /* nodes in it, aliases written out */
};

/*
 * Reads a regular file of at most DOC_BYTES into d->text (d zeroed; d->file is set to path).
 * -EBADMSG: too large, said in *d. Any other -errno: the path, said in *e. Never blocks on a FIFO,
 * never reads a device.
 */
int doc_read(const char *path, struct diags *d, struct err *e);

/*
 * d->text to nodes in the arena. 0, perhaps with mistakes in *d that do not stop the reading (keys
 * given twice, merge keys, tags): the caller goes on to find the others. -EBADMSG: the text is no
 * YAML, one mistake in *d says why. -ENOMEM with *e.
 */
int doc_parse(struct diags *d, struct arena *a, const struct node **ret, struct err *e);

/* The value of a key, or NULL. */
const struct node *node_get(const struct node *map, const char *key);
/* Nothing behind the colon, null or ~, without quotes. */
bool node_is_empty(const struct node *n);

#endif
