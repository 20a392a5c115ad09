/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fields.h"

#include <errno.h>
#include <string.h>

#define WORD_MAX 64

const struct field *fields_find(const struct field_table *t, const char *name)
{
	for (const struct field *f = t->fields; f->name; f++) {
		if (strcmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}

static uint64_t bit_of(const struct field_table *t, const struct field *f)
{
	return UINT64_C(1) << (f - t->fields);
}

bool fields_given(const struct field_table *t, const void *obj, const char *name)
{
	const struct bound *b = obj;
	const struct field *f = fields_find(t, name);

	return f && (b->given & bit_of(t, f));
}

static int no_memory(struct err *e)
{
	return err_set(e, ENOMEM, "out of memory");
}

/* "at least 1ms", "from 1 to 65535": in the form in which the field is written. */
static void add_bound(const struct field *f, int64_t v, struct text *t)
{
	switch (f->type) {
	case FIELD_DURATION:
		units_add_duration(t, v);
		break;
	case FIELD_SIZE:
		units_add_size(t, (uint64_t)v);
		break;
	case FIELD_RATE:
		units_add_rate(t, (uint64_t)v);
		break;
	case FIELD_PERCENT:
		units_add_percent(t, (uint32_t)v);
		break;
	default:
		text_add(t, "%lld", (long long)v);
	}
}

static void add_range(const struct field *f, struct text *t)
{
	bool open = !f->max || f->max == INT64_MAX;

	text_add(t, open ? "at least " : "from ");
	add_bound(f, f->min, t);
	if (open)
		return;
	text_add(t, " to ");
	add_bound(f, f->max, t);
}

static int check_range(const struct field *f, int64_t v, struct err *e)
{
	char buf[100];
	struct text t = text_on(buf, sizeof(buf));
	bool small = v < f->min;

	if ((!f->min && !f->max) || (!small && (!f->max || v <= f->max)))
		return 0;
	add_range(f, &t);
	err_set(e, ERANGE, "write a value %s%s", t.buf[0] == 'a' ? "of " : "", buf);
	t = text_on(buf, sizeof(buf));
	add_bound(f, v, &t);
	return err_ctx(e, "%s is too %s for '%s'", buf, small ? "small" : "large", f->name);
}

static int set_string(const struct field *f, const char **to, const char *text, struct arena *a,
		      struct err *e)
{
	if (!*text && !(f->flags & FIELD_EMPTY)) {
		err_set(e, EINVAL, "write a text, or leave the key away");
		return err_ctx(e, "an empty text");
	}
	*to = arena_strndup(a, text, strlen(text));
	return *to ? 0 : no_memory(e);
}

/* The array doubles whenever n reaches a power of two, so that n appends cost O(n) memory in the
 * arena. */
static int append(struct strings *s, const char *text, struct arena *a, struct err *e)
{
	if ((s->n & (s->n - 1)) == 0) {
		const char **grown = arena_zalloc(a, (s->n ? s->n * 2 : 1) * sizeof(*grown));

		if (!grown)
			return no_memory(e);
		if (s->n)
			memcpy(grown, s->at, s->n * sizeof(*grown));
		s->at = grown;
	}
	s->at[s->n] = arena_strndup(a, text, strlen(text));
	if (!s->at[s->n])
		return no_memory(e);
	s->n++;
	return 0;
}

static void add_words(const char *const *words, struct text *t)
{
	for (size_t i = 0; words[i]; i++)
		text_add(t, "%s%s", i ? ", " : "", words[i]);
}

static int wrong_word(const char *const *words, const char *text, struct err *e)
{
	char buf[120], seen[60];
	struct text t = text_on(buf, sizeof(buf));
	struct text s = text_on(seen, sizeof(seen));

	add_words(words, &t);
	text_add_foreign(&s, text, strnlen(text, 40));
	err_set(e, EINVAL, "write one of: %s", buf);
	return err_ctx(e, "'%s' is none of the words allowed here", seen);
}

static int set_enum(const struct field *f, const char *text, int *to, struct err *e)
{
	for (int i = 0; f->words[i]; i++) {
		if (strcmp(f->words[i], text) == 0) {
			*to = i;
			return 0;
		}
	}
	return wrong_word(f->words, text, e);
}

static int set_bool(const char *text, bool *to, struct err *e)
{
	static const char *const words[] = { "true", "false", NULL };

	*to = strcmp(text, "true") == 0;
	return *to || strcmp(text, "false") == 0 ? 0 : wrong_word(words, text, e);
}

static int set_number(const struct field *f, void *to, const char *text, struct err *e)
{
	uint64_t bytes;
	uint32_t ppm;
	int64_t v;
	int r;

	switch (f->type) {
	case FIELD_SIZE:
		r = units_size(text, &bytes, e);
		v = r ? 0 : (int64_t)bytes;
		break;
	case FIELD_RATE:
		r = units_rate(text, &bytes, e);
		v = r ? 0 : (int64_t)bytes;
		break;
	case FIELD_PERCENT:
		r = units_percent(text, &ppm, e);
		v = r ? 0 : (int64_t)ppm;
		break;
	case FIELD_DURATION:
		r = units_duration(text, &v, e);
		break;
	default:
		r = units_int(text, &v, e);
	}
	if (!r)
		r = check_range(f, v, e);
	if (r)
		return r;
	if (f->type == FIELD_PERCENT)
		*(uint32_t *)to = (uint32_t)v;
	else
		*(int64_t *)to = v; /* sizes and rates too: same width, never negative */
	return 0;
}

static int store(const struct field *f, void *to, const char *text, struct arena *a, struct err *e)
{
	switch (f->type) {
	case FIELD_STRING:
	case FIELD_REF:
		return set_string(f, to, text, a, e);
	case FIELD_BOOL:
		return set_bool(text, to, e);
	case FIELD_INT:
	case FIELD_DURATION:
	case FIELD_SIZE:
	case FIELD_RATE:
	case FIELD_PERCENT:
		return set_number(f, to, text, e);
	case FIELD_ENUM:
		return set_enum(f, text, to, e);
	case FIELD_SIGNAL:
		return units_signal(text, to, e);
	case FIELD_STRINGS:
	case FIELD_ARGV:
		return append(to, text, a, e);
	case FIELD_COMPARE:
		return units_compare(text, to, e);
	case FIELD_FREE:
		return 0;
	case FIELD_OTHER:
	case FIELD_BLOCK:
	case FIELD_LIST:
	case FIELD_LATER:
		break;
	}
	return err_set(e, ENOTSUP, "'%s' takes no plain value", f->name);
}

int field_set(const struct field_table *t, void *obj, const struct field *f, const char *text,
	      struct arena *a, struct err *e)
{
	struct bound *b = obj;
	void *to = (char *)obj + f->offset;
	uint64_t bit = bit_of(t, f);
	int r;

	if (f->type == FIELD_LATER)
		return err_set(e, ENOTSUP, "'%s' is not in this version", f->name);
	if (f->type == FIELD_BLOCK && f->sub->scalar) {
		r = field_set(f->sub, to, fields_find(f->sub, f->sub->scalar), text, a, e);
	} else {
		if ((f->type == FIELD_STRINGS || f->type == FIELD_ARGV) && !(b->given & bit))
			*(struct strings *)to =
				(struct strings){ 0 }; /* not beside the default: instead of it */
		r = store(f, to, text, a, e);
	}
	if (!r)
		b->given |= bit;
	return r;
}

int fields_defaults(const struct field_table *t, void *obj, struct arena *a, struct err *e)
{
	for (const struct field *f = t->fields; f->name; f++) {
		void *to = (char *)obj + f->offset;
		int r = 0;

		if (f->type == FIELD_BLOCK)
			r = fields_defaults(f->sub, to, a, e);
		else if (f->dflt)
			r = store(f, to, f->dflt, a, e);
		if (r)
			return err_ctx(e, "default of '%s' in %s", f->name, t->name);
	}
	return 0;
}

/* "a, b and c" of the fields with this flag, without the words of later versions. */
static unsigned add_names(const struct field_table *t, unsigned flag, uint64_t among,
			  struct text *ret)
{
	const struct field *last = NULL;
	unsigned n = 0;

	for (const struct field *f = t->fields; f->name; f++) {
		if (f->type == FIELD_LATER || !(f->flags & flag) || !(among & bit_of(t, f)))
			continue;
		if (last)
			text_add(ret, "%s%s", n > 1 ? ", " : "", last->name);
		last = f;
		n++;
	}
	if (last)
		text_add(ret, "%s%s", n > 1 ? " and " : "", last->name);
	return n;
}

void fields_add_names(const struct field_table *t, struct text *ret)
{
	const char *comma = "";

	for (const struct field *f = t->fields; f->name; f++) {
		if (f->type == FIELD_LATER)
			continue;
		text_add(ret, "%s%s", comma, f->name);
		comma = ", ";
	}
}

static uint64_t bits_of(const struct field_table *t, unsigned flag)
{
	uint64_t bits = 0;

	for (const struct field *f = t->fields; f->name; f++) {
		if (f->flags & flag)
			bits |= bit_of(t, f);
	}
	return bits;
}

static uint64_t later_bits(const struct field_table *t)
{
	uint64_t bits = 0;

	for (const struct field *f = t->fields; f->name; f++) {
		if (f->type == FIELD_LATER)
			bits |= bit_of(t, f);
	}
	return bits;
}

/* One of the four kinds of groups. 0: kept. */
static int check_group(const struct field_table *t, uint64_t given, unsigned flag, struct err *e)
{
	uint64_t members = bits_of(t, flag), got = members & given;
	uint64_t known = got & ~later_bits(t); /* the others were refused already */
	bool many = known & (known - 1);
	char buf[120];
	struct text names = text_on(buf, sizeof(buf));

	if (!members)
		return 0;
	if (many && flag != FIELD_LEAST_ONE) {
		add_names(t, flag, known, &names);
		err_set(e, EEXIST, "keep one of them");
		return err_ctx(e, "%s exclude each other", buf);
	}
	if (got || flag == FIELD_MOST_ONE)
		return 0;
	if (add_names(t, flag, UINT64_MAX, &names) == 1)
		return err_set(e, ENOENT, "%s needs '%s'", t->name, buf);
	if (flag == FIELD_LEAST_ONE)
		return err_set(e, ENOENT, "%s needs at least one of %s", t->name, buf);
	return err_set(e, ENODATA, "%s needs one of %s", t->name, buf);
}

int fields_problem(const struct field_table *t, uint64_t given, unsigned *at, struct err *e)
{
	static const unsigned groups[] = { FIELD_GROUP_1, FIELD_GROUP_2, FIELD_MOST_ONE,
					   FIELD_LEAST_ONE };
	unsigned n = 0;

	while (t->fields[n].name)
		n++;
	while (*at < n) {
		const struct field *f = &t->fields[(*at)++];

		if ((f->flags & FIELD_REQUIRED) && !(given & bit_of(t, f)))
			return err_set(e, ENOENT, "%s needs '%s'", t->name, f->name);
	}
	while (*at - n < ARRAY_LEN(groups)) {
		int r = check_group(t, given, groups[(*at)++ - n], e);

		if (r)
			return r;
	}
	return 0;
}

int fields_complete(const struct field_table *t, const void *obj, struct err *e)
{
	const struct bound *b = obj;
	unsigned at = 0;
	int r = fields_problem(t, b->given, &at, e);

	if (r) {
		e->code = EINVAL;
		return -EINVAL;
	}
	return 0;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned fields_distance(const char *a, const char *b, unsigned max)
{
	size_t la = strnlen(a, WORD_MAX + 1), lb = strnlen(b, WORD_MAX + 1);
	unsigned rows[3]
		     [WORD_MAX + 1]; /* the last two rows and this one: optimal string alignment */

	if (la > WORD_MAX || lb > WORD_MAX || (la > lb ? la - lb : lb - la) > max)
		return max + 1;
	for (unsigned j = 0; j <= lb; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned *now = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
		unsigned here = i;

		now[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			now[j] = least(least(up[j], now[j - 1]) + 1,
				       up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], up2[j - 2] + 1);
			here = least(here, now[j]);
		}
		if (here > max) /* the rows below are no nearer */
			return max + 1;
	}
	return least(rows[la % 3][lb], max + 1);
}

unsigned fields_tolerance(const char *word)
{
	size_t n = strnlen(word, WORD_MAX);

	if (n < 4)
		return 1;
	return n / 3 > 2 ? (unsigned)n / 3 : 2;
}

const char *fields_nearest(const struct field_table *t, const char *name)
{
	unsigned best = fields_tolerance(name) + 1;
	const char *nearest = NULL;

	for (const struct field *f = t->fields; f->name; f++) {
		unsigned d = f->type == FIELD_LATER ? best : fields_distance(name, f->name, best);

		if (d < best) {
			best = d;
			nearest = f->name;
		}
	}
	return nearest;
}

static const char *const type_names[] = {
	[FIELD_STRING] = "text",
	[FIELD_BOOL] = "true or false",
	[FIELD_INT] = "whole number",
	[FIELD_DURATION] = "duration",
	[FIELD_SIZE] = "size",
	[FIELD_PERCENT] = "percentage",
	[FIELD_RATE] = "rate",
	[FIELD_ENUM] = "one of: ",
	[FIELD_SIGNAL] = "signal",
	[FIELD_STRINGS] = "text, or a list of texts",
	[FIELD_ARGV] = "list of texts",
	[FIELD_COMPARE] = "comparison",
	[FIELD_REF] = "name",
	[FIELD_BLOCK] = "block",
	[FIELD_LIST] = "list of blocks",
	[FIELD_OTHER] = "block",
	[FIELD_FREE] = "anything",
	[FIELD_LATER] = "not in this version",
};

void field_add_type(const struct field *f, struct text *t)
{
	text_add(t, "%s", type_names[f->type]);
	if (f->type == FIELD_ENUM)
		add_words(f->words, t);
	else if (f->type == FIELD_BLOCK && f->sub->scalar)
		text_add(t, ", or its '%s' alone", f->sub->scalar);
	else if ((f->type == FIELD_INT || f->type == FIELD_DURATION || f->type == FIELD_SIZE ||
		  f->type == FIELD_RATE || f->type == FIELD_PERCENT) &&
		 (f->min || f->max)) {
		text_add(t, " ");
		add_range(f, t);
	}
}
