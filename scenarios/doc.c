/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/doc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#include "base/io.h"
#include "base/text.h"
#include "base/utf8.h"
#include "scenarios/doc_error.h"
#include "scenarios/names.h"

#define LINEAR_KEYS 16 /* maps up to here are searched, larger ones hashed */

struct builder {
	yaml_parser_t parser;
	struct arena *arena;
	struct diags *d;
	struct err *e;
	size_t nodes; /* made so far, aliases not written out */
	struct names anchors;
};

/* What kind of file this is, in words; NULL for a regular one. */
static const char *odd_file(mode_t mode)
{
	if (S_ISREG(mode))
		return NULL;
	return S_ISDIR(mode)  ? "a directory" :
	       S_ISFIFO(mode) ? "a FIFO" :
	       S_ISSOCK(mode) ? "a socket" :
				"a device";
}

/* stat first: merely opening a device can do something. fstat again: the path may have changed in
 * between. */
static int open_regular(const char *path, struct stat *st, struct err *e)
{
	AUTO(auto_close) int fd = -1;

	if (strcmp(path, "-") == 0)
		return err_set(e, EINVAL, "standard input is not read: give the path of a file");
	if (stat(path, st) < 0)
		return err_sys(e, "cannot open '%.100s'", path);
	if (odd_file(st->st_mode))
		return err_set(e, EINVAL, "'%.100s' is %s, not a file", path,
			       odd_file(st->st_mode));
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot open '%.100s'", path);
	if (fstat(fd, st) < 0)
		return err_sys(e, "cannot read '%.100s'", path);
	if (odd_file(st->st_mode))
		return err_set(e, EINVAL, "'%.100s' is %s, not a file", path,
			       odd_file(st->st_mode));
	return take_fd(&fd);
}

static int too_big(struct diags *d)
{
	diag_add(
		d, DIAG_ERROR, MSG_TOO_BIG, (struct span){ 1, 1, 0 },
		"the file is larger than 1 MiB; an experiment is read whole, so it is not read at all");
	d->len = 0;
	return -EBADMSG;
}

int doc_read(const char *path, struct diags *d, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	struct stat st = { 0 };
	ssize_t n;

	d->file = strdup(path);
	if (!d->file)
		return err_set(e, ENOMEM, "out of memory");
	fd = open_regular(path, &st, e);
	if (fd < 0)
		return fd;
	if (st.st_size > (off_t)DOC_BYTES)
		return too_big(d);
	d->text = malloc(DOC_BYTES +
			 1); /* st_size is 0 for files of /proc; untouched pages cost nothing */
	if (!d->text)
		return err_set(e, ENOMEM, "out of memory");
	n = io_read_full(fd, d->text, DOC_BYTES + 1);
	if (n < 0) {
		errno = (int)-n;
		return err_sys(e, "cannot read '%.100s'", path);
	}
	if ((size_t)n > DOC_BYTES)
		return too_big(d);
	d->len = (size_t)n;
	if (d->len >= 3 && memcmp(d->text, "\xef\xbb\xbf", 3) == 0) {
		d->len -= 3; /* a byte order mark would shift the columns of line 1 */
		memmove(d->text, d->text + 3, d->len);
	}
	return 0;
}

/* May this character stand in a YAML file? YAML 1.2, 5.1. */
static bool is_allowed(uint32_t c)
{
	if (c < 0x20)
		return c == '\t' || c == '\n' || c == '\r';
	return !(c >= 0x7f && c < 0xa0 && c != 0x85) && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

static int bad_character(struct diags *d, struct span at, uint32_t c, size_t n)
{
	struct diag *g;

	at.end_col = 0;
	if (n) {
		g = diag_add(d, DIAG_ERROR, MSG_CONTROL, at, "%s",
			     c ? "a control character" : "a NUL character");
		diag_caret(g, "U+%04X", c);
	} else if (d->len >= 2 &&
		   (memcmp(d->text, "\xff\xfe", 2) == 0 || memcmp(d->text, "\xfe\xff", 2) == 0)) {
		diag_add(d, DIAG_ERROR, MSG_NOT_UTF8, at, "the file is UTF-16; save it as UTF-8");
	} else {
		diag_add(d, DIAG_ERROR, MSG_NOT_UTF8, at, "byte 0x%02x is not UTF-8", c);
	}
	return -EBADMSG;
}

/* libyaml would say "control characters are not allowed" without a place. */
static int check_characters(struct diags *d)
{
	struct span at = { 1, 1, 0 };

	for (size_t i = 0; i < d->len;) {
		size_t end = utf8_break(d->text + i, d->len - i);
		uint32_t c = 0;
		size_t n = end ? end : utf8_at(d->text + i, d->len - i, &c);

		if (!end && (!n || !is_allowed(c)))
			return bad_character(d, at, c, n);
		at = end ? (struct span){ at.line + 1, 1, 0 } :
			   (struct span){ at.line, at.col + 1, 0 };
		i += n;
	}
	return 0;
}

static struct span span_of(const yaml_event_t *v)
{
	struct span s = { (unsigned)v->start_mark.line + 1, (unsigned)v->start_mark.column + 1, 0 };

	if (v->end_mark.line == v->start_mark.line && v->end_mark.column > v->start_mark.column)
		s.end_col = (unsigned)v->end_mark.column + 1;
	return s;
}

static int no_memory(struct builder *b)
{
	err_set(b->e, ENOMEM, "out of memory");
	return -ENOMEM;
}

static int next_event(struct builder *b, yaml_event_t *v)
{
	if (yaml_parser_parse(&b->parser, v))
		return 0;
	if (b->parser.error == YAML_MEMORY_ERROR)
		return no_memory(b);
	doc_error_add(&b->parser, b->d);
	return -EBADMSG;
}

static int too_many(struct builder *b, struct span at)
{
	diag_add(b->d, DIAG_ERROR, MSG_TOO_MANY, at, "more than %d values, aliases written out",
		 DOC_NODES);
	return -EBADMSG;
}

static int too_deep(struct builder *b, struct span at)
{
	diag_add(b->d, DIAG_ERROR, MSG_DEPTH, at, "nested deeper than %d levels", DOC_DEPTH);
	return -EBADMSG;
}

static int node_new(struct builder *b, enum node_type type, struct span at, struct node **ret)
{
	struct node *n;

	if (b->nodes++ >= DOC_NODES)
		return too_many(b, at);
	n = arena_zalloc(b->arena, sizeof(*n));
	if (!n)
		return no_memory(b);
	n->type = type;
	n->at = at;
	n->weight = 1;
	*ret = n;
	return 0;
}

/* Counts a finished child, every alias as what it stands for: that is what walking the document
 * costs. */
static int node_add(struct builder *b, struct node *n, const struct node *child, struct span at,
		    unsigned depth)
{
	n->weight += child->weight;
	if (child->height >= n->height)
		n->height = child->height + 1;
	if (n->weight > DOC_NODES)
		return too_many(b, at);
	return depth + n->height > DOC_DEPTH ? too_deep(b, at) : 0;
}

/* Room for one more element: the array doubles when n reaches a power of two. */
static void *grown(struct builder *b, void *at, size_t n, size_t size)
{
	void *p;

	if (n & (n - 1))
		return at;
	p = arena_zalloc(b->arena, (n ? n * 2 : 1) * size);
	if (p && n)
		memcpy(p, at, n * size);
	return p;
}

static int parse_value(struct builder *b, const yaml_event_t *v, unsigned depth,
		       const struct node **ret);

static int parse_scalar(struct builder *b, const yaml_event_t *v, struct node **ret)
{
	const char *text = (const char *)v->data.scalar.value;
	size_t len = v->data.scalar.length;
	int r = node_new(b, NODE_SCALAR, span_of(v), ret);

	if (r)
		return r;
	if (memchr(text, '\0',
		   len)) { /* "\0" in double quotes: every later reader would stop there */
		diag_add(b->d, DIAG_ERROR, MSG_CONTROL, (*ret)->at,
			 "a NUL character cannot be part of a value");
		len = strlen(text);
	}
	(*ret)->plain = v->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	(*ret)->len = len;
	(*ret)->text = arena_strndup(b->arena, text, len);
	return (*ret)->text ? 0 : no_memory(b);
}

/* The end of "[a, b]" or "{a: b}", for the caret. */
static void close_span(struct node *n, const yaml_event_t *v)
{
	if (v->end_mark.line + 1 == n->at.line && v->end_mark.column + 1 > n->at.col)
		n->at.end_col = (unsigned)v->end_mark.column + 1;
}

static int parse_list(struct builder *b, const yaml_event_t *start, unsigned depth,
		      struct node **ret)
{
	int r = node_new(b, NODE_LIST, span_of(start), ret);

	while (!r) {
		AUTO(yaml_event_delete) yaml_event_t v = { 0 };
		const struct node *child;

		r = next_event(b, &v);
		if (r)
			return r;
		if (v.type == YAML_SEQUENCE_END_EVENT) {
			close_span(*ret, &v);
			return 0;
		}
		r = parse_value(b, &v, depth + 1, &child);
		if (!r)
			r = node_add(b, *ret, child, span_of(&v), depth);
		if (r)
			return r;
		(*ret)->item = grown(b, (*ret)->item, (*ret)->n, sizeof(const void *));
		if (!(*ret)->item)
			return no_memory(b);
		(*ret)->item[(*ret)->n++] = child;
	}
	return r;
}

/* Is this a key that can stay? Says why not. */
static bool check_key(struct builder *b, const struct node *key)
{
	struct diag *g;

	if (key->type != NODE_SCALAR) {
		g = diag_add(b->d, DIAG_ERROR, MSG_SHAPE, key->at, "a key must be a plain word");
		diag_caret(g, "put the whole value in quotes if it is meant as text");
		return false;
	}
	if (key->plain && strcmp(key->text, "<<") == 0) {
		g = diag_add(b->d, DIAG_ERROR, MSG_MERGE_KEY, key->at,
			     "merge keys are not part of this language");
		diag_caret(g, "write the keys out; *name works for a whole value");
		return false;
	}
	return true;
}

static int add_pair(struct builder *b, struct node *map, const struct node *key,
		    const struct node *value)
{
	if (!check_key(b, key))
		return 0;
	map->pair = grown(b, map->pair, map->n, sizeof(*map->pair));
	if (!map->pair)
		return no_memory(b);
	map->pair[map->n++] = (struct pair){ key, value };
	return 0;
}

static void say_twice(struct builder *b, const struct node *key, const struct node *first)
{
	char buf[160];
	struct text t = text_on(buf, sizeof(buf));

	text_add_foreign(&t, key->text, key->len < 60 ? key->len : 60);
	diag_add(b->d, DIAG_ERROR, MSG_TWICE, key->at, "'%s' is given twice; first on line %u", buf,
		 first->at.line);
}

/* The earlier key of the same name, or NULL. seen is used for large maps only. */
static int find_twin(struct builder *b, const struct node *map, size_t i, struct names *seen,
		     const struct node **ret)
{
	const struct node *key = map->pair[i].key;

	*ret = NULL;
	if (map->n <= LINEAR_KEYS) {
		for (size_t k = 0; k < i && !*ret; k++) {
			if (strcmp(map->pair[k].key->text, key->text) == 0)
				*ret = map->pair[k].key;
		}
	} else {
		const void **slot = names_put(seen, b->arena, key->text);

		if (!slot)
			return no_memory(b);
		*ret = *slot;
		if (!*ret)
			*slot = key;
	}
	return 0;
}

/* Drops every second mention, so that what follows sees each key once. */
static int refuse_twins(struct builder *b, struct node *map)
{
	struct names seen = { 0 };
	size_t kept = 0;

	for (size_t i = 0; i < map->n; i++) {
		const struct node *first;
		int r = find_twin(b, map, i, &seen, &first);

		if (r)
			return r;
		if (first)
			say_twice(b, map->pair[i].key, first);
		else
			map->pair[kept++] = map->pair[i];
	}
	map->n = kept;
	return 0;
}

static int parse_pair(struct builder *b, const yaml_event_t *first, struct node *map,
		      unsigned depth)
{
	AUTO(yaml_event_delete) yaml_event_t v = { 0 };
	const struct node *key, *value;
	int r = parse_value(b, first, depth + 1, &key);

	if (!r)
		r = node_add(b, map, key, span_of(first), depth);
	if (!r)
		r = next_event(b, &v);
	if (!r)
		r = parse_value(b, &v, depth + 1, &value);
	if (!r)
		r = node_add(b, map, value, span_of(&v), depth);
	return r ? r : add_pair(b, map, key, value);
}

static int parse_map(struct builder *b, const yaml_event_t *start, unsigned depth,
		     struct node **ret)
{
	int r = node_new(b, NODE_MAP, span_of(start), ret);

	while (!r) {
		AUTO(yaml_event_delete) yaml_event_t v = { 0 };

		r = next_event(b, &v);
		if (!r && v.type == YAML_MAPPING_END_EVENT) {
			close_span(*ret, &v);
			return refuse_twins(b, *ret);
		}
		if (!r)
			r = parse_pair(b, &v, *ret, depth);
	}
	return r;
}

static int parse_alias(struct builder *b, const yaml_event_t *v, const struct node **ret)
{
	const char *name = (const char *)v->data.alias.anchor;
	char buf[160];
	struct text t = text_on(buf, sizeof(buf));

	*ret = names_get(&b->anchors,
			 name); /* an anchor is entered when its node is complete: no cycles */
	if (*ret)
		return 0;
	text_add_foreign(&t, name, strnlen(name, 60));
	diag_add(b->d, DIAG_ERROR, MSG_ALIAS, span_of(v),
		 "no finished value is marked &%s before this alias", buf);
	return -EBADMSG;
}

static int parse_tagged(struct builder *b, const yaml_event_t *v, const yaml_char_t *tag,
			const yaml_char_t *anchor, const struct node *n)
{
	const void **slot;
	char *name;

	if (tag)
		diag_add(b->d, DIAG_ERROR, MSG_TAG, span_of(v),
			 "YAML tags (such as !!str) have no meaning here");
	if (!anchor)
		return 0;
	name = arena_strndup(b->arena, (const char *)anchor, strlen((const char *)anchor));
	slot = name ? names_put(&b->anchors, b->arena, name) : NULL;
	if (!slot)
		return no_memory(b);
	*slot = n;
	return 0;
}

/* The value that begins with event v, whole. depth: levels above it. */
static int parse_value(struct builder *b, const yaml_event_t *v, unsigned depth,
		       const struct node **ret)
{
	const yaml_char_t *tag, *anchor;
	struct node *n = NULL;
	int r;

	if (depth > DOC_DEPTH)
		return too_deep(b, span_of(v));
	switch (v->type) {
	case YAML_ALIAS_EVENT:
		return parse_alias(b, v, ret);
	case YAML_SEQUENCE_START_EVENT:
		tag = v->data.sequence_start.tag;
		anchor = v->data.sequence_start.anchor;
		r = parse_list(b, v, depth, &n);
		break;
	case YAML_MAPPING_START_EVENT:
		tag = v->data.mapping_start.tag;
		anchor = v->data.mapping_start.anchor;
		r = parse_map(b, v, depth, &n);
		break;
	default:
		tag = v->data.scalar.tag;
		anchor = v->data.scalar.anchor;
		r = parse_scalar(b, v, &n);
	}
	*ret = n;
	return r ? r : parse_tagged(b, v, tag, anchor, n);
}

/* Stream start, document start, one value, document end, stream end. */
static int parse_stream(struct builder *b, const struct node **ret)
{
	bool done = false;

	for (;;) {
		AUTO(yaml_event_delete) yaml_event_t v = { 0 };
		int r = next_event(b, &v);

		if (r)
			return r;
		if (v.type == YAML_STREAM_START_EVENT || v.type == YAML_DOCUMENT_END_EVENT)
			continue;
		if (v.type == YAML_STREAM_END_EVENT)
			break;
		if (v.type != YAML_DOCUMENT_START_EVENT) {
			r = parse_value(b, &v, 0, ret);
			done = true;
		} else if (done) {
			diag_add(b->d, DIAG_ERROR, MSG_ONE_DOCUMENT, span_of(&v),
				 "a second document begins here; a file holds one experiment");
			r = -EBADMSG;
		}
		if (r)
			return r;
	}
	if (done)
		return 0;
	diag_add(b->d, DIAG_ERROR, MSG_EMPTY, (struct span){ 1, 1, 0 }, "the file has no content");
	return -EBADMSG;
}

int doc_parse(struct diags *d, struct arena *a, const struct node **ret, struct err *e)
{
	struct builder b = { .arena = a, .d = d, .e = e };
	int r = check_characters(d);

	if (r)
		return r;
	if (!yaml_parser_initialize(&b.parser))
		return no_memory(&b);
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)d->text, d->len);
	r = parse_stream(&b, ret);
	yaml_parser_delete(&b.parser);
	return r;
}

const struct node *node_get(const struct node *map, const char *key)
{
	for (size_t i = 0; map->type == NODE_MAP && i < map->n; i++) {
		if (strcmp(map->pair[i].key->text, key) == 0)
			return map->pair[i].value;
	}
	return NULL;
}

bool node_is_empty(const struct node *n)
{
	return n->type == NODE_SCALAR && n->plain &&
	       (!n->len || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0);
}
