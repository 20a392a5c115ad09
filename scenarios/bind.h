/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_BIND_H
#define BRINK_BIND_H

#include "base/fields.h"
#include "scenarios/doc.h"
#include "scenarios/subst.h"

#define BIND_LIST_MAX 10000 /* items of one list */

/* What all of one file is bound with. */
struct binder {
	struct arena *arena; /* what is bound lives here */
	struct diags *d;
	struct vars *vars;
	const char *file; /* for struct src_pos; lives as long as the arena */
	const struct field_table
		*outer; /* the block around, for keys written one level too deep; may be NULL */
	struct err *e;
};

/*
 * A block into obj (zeroed, of t->size, begins with struct bound), defaults first. All mistakes go
 * to *b->d and the rest is still bound. 0 or -ENOMEM. n may be a plain value where the table allows
 * it.
 */
int bind_block(struct binder *b, const struct node *n, const struct field_table *t, void *obj);
/* One key into its field; as above. */
int bind_pair(struct binder *b, const struct pair *p, const struct field_table *t,
	      const struct field *f, void *obj);
/* "unknown key 'singal' in proc.kill", with a suggestion and the list of keys. */
void bind_unknown(struct binder *b, const struct node *key, const struct field_table *t);
/* A name that may stand in a message: escaped, cut. Returns buf. */
const char *bind_shown(const char *s, char *buf, size_t size);
/* An err as a mistake at this place. */
void bind_error(struct diags *d, enum msg_code code, struct span at, const struct err *e);
struct src_pos bind_pos(const struct binder *b, const struct node *n);

/* Keys that begin with x- are the user's own. */
static inline bool bind_is_free(const struct node *key)
{
	return key->text[0] == 'x' && key->text[1] == '-';
}

#endif
