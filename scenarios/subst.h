/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SUBST_H
#define BRINK_SUBST_H

#include "scenarios/doc.h"
#include "scenarios/names.h"

#define SUBST_BYTES ((size_t)4 * 1024 * 1024) /* of all substituted values together */
#define SUBST_NAME  64                        /* longest name of a variable */

/* A variable; value == NULL: it has none, which was said where it is declared. */
struct var {
	const char *name, *value;
	struct span at;
	bool used;
};

struct vars {
	struct names names; /* of struct var */
	size_t n;
	struct var *at; /* in the order of the file, for warnings and suggestions */
	size_t bytes;   /* substituted so far */
	bool frozen;    /* inside vars itself: "${" is a mistake */
};

/*
 * The text of a scalar with ${name} replaced and $$ made $. Without a dollar sign it is the
 * scalar's own text. 0; -EBADMSG: the mistake is in *d; -ENOMEM.
 */
int subst(struct vars *v, const struct node *n, struct arena *a, struct diags *d, const char **ret);

#endif
