/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_FIELDS_H
#define BRINK_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/units.h"

/*
 * A field table describes a struct once. YAML binding, the command line (brink try FAULT
 * key=value), validation, brink explain, the man page and completion all come from it.
 */
enum field_type {
	FIELD_STRING,   /* const char *: NULL when absent and without default */
	FIELD_BOOL,     /* bool: true or false only */
	FIELD_INT,      /* int64_t, within [min, max] */
	FIELD_DURATION, /* int64_t ns, within [min, max] */
	FIELD_SIZE,     /* uint64_t bytes, within [min, max] */
	FIELD_PERCENT,  /* uint32_t parts per million */
	FIELD_RATE,     /* uint64_t bytes a second, within [min, max] */
	FIELD_ENUM,     /* int: index into words */
	FIELD_SIGNAL,   /* int */
	FIELD_STRINGS,  /* struct strings: one string or a list of strings */
	FIELD_ARGV,     /* struct strings: a list only, never split, never a shell */
	FIELD_COMPARE,  /* struct compare */
	FIELD_REF,      /* const char *: the name of something declared elsewhere; min = max = the
			   caller's kind of it */
	FIELD_BLOCK,    /* a nested struct, described by sub */
	FIELD_LIST,     /* struct list of structs, each described by sub */
	FIELD_OTHER,    /* the table's owner binds it by hand; sub, if any, is for help texts */
	FIELD_FREE,  /* accepted and kept out of the struct: people's own data (description, x-) */
	FIELD_LATER, /* a word of the language that this version refuses by name */
};

struct strings {
	size_t n;
	const char **at;
};

struct list {
	size_t n;
	void *at; /* n structs of the size that the field's sub table names */
};

enum field_flags {
	FIELD_REQUIRED = 1,
	/* Of all fields of one table with the same group number exactly one must be given. */
	FIELD_GROUP_1 = 2,
	FIELD_GROUP_2 = 4,
	/* At most one of the fields with this flag may be given. */
	FIELD_MOST_ONE = 8,
	/* At least one of the fields with this flag must be given. */
	FIELD_LEAST_ONE = 16,
	/* FIELD_STRING: an empty text is fine. */
	FIELD_EMPTY = 32,
};

struct field_table;

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t offset;
	int64_t min, max; /* FIELD_INT, _DURATION (ns), _SIZE (bytes), _RATE (bytes/s); both 0 = the
			     type's own range */
	const char *const *words; /* FIELD_ENUM: NULL-terminated */
	const struct field_table *sub;
	const char *dflt; /* as the user would write it; shown and parsed; NULL = none */
	const char *doc;  /* one sentence without a full stop */
};

/* A struct starts with this: which of its fields the user gave, and where the block stands in the
 * file. */
struct bound {
	uint64_t given; /* bit i = fields[i] of the table */
	struct src_pos pos;
};

struct field_table {
	const char *name; /* "net.delay", "limits" */
	const char *doc;
	size_t size;
	const struct field *fields; /* ends with .name == NULL; at most 64 */
	const char *scalar; /* the key that a plain value in place of the block stands for; NULL: a
			       block only */
};

/* Fills obj (zeroed, of t->size) with every default of the table. Defaults are constants: a bad one
 * is a bug. */
int fields_defaults(const struct field_table *t, void *obj, struct arena *a, struct err *e);
/*
 * Parses one scalar into its field and marks it given. FIELD_STRINGS and FIELD_ARGV append (the
 * first one replaces the default). EINVAL: outermost line what is wrong, root a right form; ERANGE:
 * outside [min, max]; ENOTSUP: the field takes no scalar, or is not in this version.
 */
int field_set(const struct field_table *t, void *obj, const struct field *f, const char *text,
	      struct arena *a, struct err *e);
/* The field of that name, or NULL. */
const struct field *fields_find(const struct field_table *t, const char *name);
/* Was this field given by the user? obj starts with struct bound. */
bool fields_given(const struct field_table *t, const void *obj, const char *name);
/* Required fields and groups: EINVAL and a sentence about the first that is missing or too many. */
int fields_complete(const struct field_table *t, const void *obj, struct err *e);
/*
 * The same, one problem a call; *at starts at 0. 0: none is left. given as in struct bound.
 * -ENOENT: something is missing; -ENODATA: one of several is; -EEXIST: several that exclude each
 * other.
 */
int fields_problem(const struct field_table *t, uint64_t given, unsigned *at, struct err *e);
/* The nearest name of the table by edit distance (at most 2, or a third of the word), or NULL. */
const char *fields_nearest(const struct field_table *t, const char *name);
/* Edit distance of two words (a swap of neighbours counts once); anything above max comes back as
 * max + 1. */
unsigned fields_distance(const char *a, const char *b, unsigned max);
/* How far a word may be off and still be suggested. */
unsigned fields_tolerance(const char *word);
/* "to, from, proto": the names that a user may write here, without those that this version refuses.
 */
void fields_add_names(const struct field_table *t, struct text *ret);
/* "duration", "one of: none, reset, unreachable", ... for help and man pages. */
void field_add_type(const struct field *f, struct text *t);

#endif
