/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/doc_error.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

struct view {
	const yaml_parser_t *p;
	struct diags *d;
	struct span context, problem;
};

/* One line of the file, seen as YAML: indentation behind any "- ", and its key. */
struct row {
	unsigned line, indent;
	const char *key;
	size_t key_len;
	bool has_value;
};

static struct span span_of(yaml_mark_t m)
{
	return (struct span){ (unsigned)m.line + 1, (unsigned)m.column + 1, 0 };
}

/* The character at a place; 0 past the end of its line. */
static uint32_t char_at(const struct diags *d, struct span at)
{
	size_t len;
	const char *s = utf8_line(d->text, d->len, at.line, &len);
	uint32_t c = 0;

	for (unsigned col = 1; s && len; col++) {
		size_t n = utf8_at(s, len, &c);

		if (col == at.col)
			return c;
		n = n ? n : 1;
		s += n;
		len -= n;
	}
	return 0;
}

/* 0 for a blank line, a comment, or one past the end. */
static bool row_at(const struct diags *d, unsigned line, struct row *ret)
{
	size_t len, i = 0, key;
	const char *s = utf8_line(d->text, d->len, line, &len);

	if (!s)
		return false;
	while (i < len && (s[i] == ' ' || (s[i] == '-' && i + 1 < len && s[i + 1] == ' ')))
		i++;
	if (i == len || s[i] == '#')
		return false;
	*ret = (struct row){ .line = line, .indent = (unsigned)i, .key = s + i };
	for (key = i; key < len && !(s[key] == ':' && (key + 1 == len || s[key + 1] == ' ')); key++)
		;
	if (key == len)
		return true;
	ret->key_len = key - i;
	for (key++; key < len && s[key] == ' '; key++)
		;
	ret->has_value = key < len && s[key] != '#';
	return true;
}

static bool row_above(const struct diags *d, unsigned line, struct row *ret)
{
	while (--line > 0) {
		if (row_at(d, line, ret))
			return true;
	}
	return false;
}

static void say_tab(const struct view *v)
{
	diag_add(v->d, DIAG_ERROR, MSG_TAB, v->problem,
		 "tab used for indentation; YAML allows spaces only");
}

static void say_bad_start(const struct view *v)
{
	uint32_t c = char_at(v->d, v->problem);
	struct diag *g;

	if (c == '\t') {
		say_tab(v);
		return;
	}
	g = diag_add(v->d, DIAG_ERROR, MSG_SYNTAX, v->problem, "a value cannot begin with '%c'",
		     c > 0x20 && c < 0x7f ? (int)c : '?');
	diag_caret(g, "put the text in double quotes");
}

/* Does the closing bracket come later in the line of the problem? Then it is a comma that is
 * missing. */
static bool closes_later(const struct view *v, char closing)
{
	size_t len;
	const char *s = utf8_line(v->d->text, v->d->len, v->problem.line, &len);

	return v->context.line == v->problem.line && s && v->problem.col <= len &&
	       memchr(s + v->problem.col - 1, closing, len - v->problem.col + 1);
}

static void say_bracket(const struct view *v, char opening, char closing)
{
	struct diag *g;

	if (closes_later(v, closing)) {
		g = diag_add(v->d, DIAG_ERROR, MSG_SYNTAX, v->problem, "expected ',' or '%c' here",
			     closing);
		diag_note(g, "note: the '%c' stands at %u:%u", opening, v->context.line,
			  v->context.col);
		return;
	}
	g = diag_add(v->d, DIAG_ERROR, MSG_NOT_CLOSED, v->context, "'%c' is never closed", opening);
	diag_note(g, "note: it was noticed at %u:%u, where ',' or '%c' was expected",
		  v->problem.line, v->problem.col, closing);
}

static void say_list(const struct view *v)
{
	say_bracket(v, '[', ']');
}

static void say_map(const struct view *v)
{
	say_bracket(v, '{', '}');
}

static void say_quote(const struct view *v)
{
	diag_add(v->d, DIAG_ERROR, MSG_NOT_CLOSED, v->context, "this quote is never closed");
}

static void say_colon(const struct view *v)
{
	struct row here, above;
	char buf[160];
	struct text t = text_on(buf, sizeof(buf));
	struct diag *g;

	if (row_at(v->d, v->problem.line, &here) && row_above(v->d, v->problem.line, &above) &&
	    above.key_len && above.has_value && here.indent > above.indent) {
		text_add_foreign(&t, above.key, above.key_len < 60 ? above.key_len : 60);
		diag_add(v->d, DIAG_ERROR, MSG_INDENT,
			 (struct span){ here.line, here.indent + 1, 0 },
			 "indented deeper than '%s' on line %u, which already has a value", buf,
			 above.line);
		return;
	}
	g = diag_add(v->d, DIAG_ERROR, MSG_SYNTAX, v->problem, "a second ':' in one line");
	diag_caret(g, "put the value in double quotes if the colon belongs to it");
}

static void say_no_colon(const struct view *v)
{
	struct diag *g =
		diag_add(v->d, DIAG_ERROR, MSG_SYNTAX, v->context, "a word without ':' behind it");

	diag_caret(g, "write 'key: value', or '- value' for an item of a list");
}

static void say_indent(const struct view *v)
{
	struct diag *g =
		diag_add(v->d, DIAG_ERROR, MSG_INDENT, v->problem,
			 "this line does not fit the block that began on line %u", v->context.line);

	diag_caret(g, "the block's lines begin in column %u", v->context.col);
}

static void say_after_end(const struct view *v)
{
	diag_add(v->d, DIAG_ERROR, MSG_INDENT, v->problem,
		 "indented less than the first line, or behind the end of the experiment");
}

static void say_block(const struct view *v)
{
	uint32_t mark = char_at(v->d, v->context);
	struct diag *g = diag_add(v->d, DIAG_ERROR, MSG_SYNTAX, v->context,
				  "a '%c' that begins a value means a block of text in YAML",
				  mark == '|' ? '|' : '>');

	diag_caret(g, "put a comparison in double quotes: \"> 500ms\"");
}

static const struct {
	const char *problem, *context; /* context NULL: any */
	void (*say)(const struct view *v);
} known[] = {
	{ "found character that cannot start any token", NULL, say_bad_start },
	{ "found a tab character that violates indentation", NULL, say_tab },
	{ "found a tab character where an indentation space is expected", NULL, say_tab },
	{ "did not find expected ',' or ']'", NULL, say_list },
	{ "did not find expected ',' or '}'", NULL, say_map },
	{ "found unexpected end of stream", "while scanning a quoted scalar", say_quote },
	{ "found unexpected document indicator", "while scanning a quoted scalar", say_quote },
	{ "mapping values are not allowed in this context", NULL, say_colon },
	{ "could not find expected ':'", NULL, say_no_colon },
	{ "did not find expected key", NULL, say_indent },
	{ "did not find expected '-' indicator", NULL, say_indent },
	{ "did not find expected comment or line break", "while scanning a block scalar",
	  say_block },
	{ "did not find expected <document start>", NULL, say_after_end },
};

void doc_error_add(const yaml_parser_t *p, struct diags *d)
{
	const char *problem = p->problem ? p->problem : "unknown error";
	struct view v = { p, d, span_of(p->context_mark), span_of(p->problem_mark) };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		bool same_context = !known[i].context ||
				    (p->context && strcmp(p->context, known[i].context) == 0);

		if (strcmp(problem, known[i].problem) == 0 && same_context) {
			known[i].say(&v);
			return;
		}
	}
	diag_add(d, DIAG_ERROR, MSG_SYNTAX, v.problem, "YAML: %s%s%s%s", problem,
		 p->context ? " (" : "", p->context ? p->context : "", p->context ? ")" : "");
}
