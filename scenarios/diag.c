/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

#define EXCERPT_COLUMNS 100 /* of a line; the rest is cut around the caret */
#define EXCERPT_BEFORE  60

/* What an error quotes of a file goes to a terminal. */
PRINTF_FMT(3, 0)
static void put_safe(char *ret, size_t size, const char *fmt, va_list ap)
{
	struct text t = text_on(ret, size);
	char words[sizeof(((struct diag *)0)->note[0])];

	vsnprintf(words, sizeof(words), fmt, ap);
	text_add_foreign(&t, words, strlen(words));
}

struct diag *diag_add(struct diags *d, enum diag_level level, enum msg_code code, struct span at,
		      const char *fmt, ...)
{
	struct diag *g;
	va_list ap;

	if (level == DIAG_ERROR)
		d->errors++;
	else
		d->warnings++;
	if (!d->at)
		d->at = calloc(DIAG_MAX, sizeof(*d->at));
	if (!d->at || d->n == DIAG_MAX)
		return NULL;
	g = &d->at[d->n++];
	*g = (struct diag){ .at = at, .level = level, .code = code };
	va_start(ap, fmt);
	put_safe(g->text, sizeof(g->text), fmt, ap);
	va_end(ap);
	return g;
}

void diag_caret(struct diag *g, const char *fmt, ...)
{
	va_list ap;

	if (!g)
		return;
	va_start(ap, fmt);
	put_safe(g->caret, sizeof(g->caret), fmt, ap);
	va_end(ap);
}

void diag_note(struct diag *g, const char *fmt, ...)
{
	unsigned i = 0;
	va_list ap;

	while (g && i < DIAG_NOTES && g->note[i][0])
		i++;
	if (!g || i == DIAG_NOTES)
		return;
	va_start(ap, fmt);
	put_safe(g->note[i], sizeof(g->note[i]), fmt, ap);
	va_end(ap);
}

/* A line as it is shown: escaped, a window of it, and where the marked stretch lies in columns of
 * the terminal. */
struct excerpt {
	char buf[EXCERPT_COLUMNS * 4 * 4 + 16];
	struct text t;
	unsigned columns, from, to; /* from, to: 0-based; from == to: not reached */
};

static void excerpt_char(struct excerpt *x, const char *s, size_t n, uint32_t c)
{
	size_t before = x->t.len;

	if (c == '\t') {
		text_add(&x->t, " ");
		x->columns++;
		return;
	}
	text_add_foreign(&x->t, s, n);
	if (x->t.len - before == n)
		x->columns += utf8_columns(c);
	else
		x->columns += (unsigned)(x->t.len - before); /* \xNN, all ASCII */
}

static void excerpt_make(struct excerpt *x, const char *line, size_t len, struct span at)
{
	unsigned first = at.col > EXCERPT_BEFORE + 10 ? at.col - EXCERPT_BEFORE : 1;
	unsigned end = at.end_col > at.col ? at.end_col : at.col + 1;
	unsigned col = 1;

	x->t = text_on(x->buf, sizeof(x->buf));
	x->columns = x->from = x->to = 0;
	if (first > 1) {
		text_add(&x->t, "...");
		x->columns = 3;
	}
	for (size_t i = 0, n; i < len && x->columns < EXCERPT_COLUMNS; i += n, col++) {
		uint32_t c;

		n = utf8_at(line + i, len - i, &c);
		if (!n)
			n = 1;
		if (col < first)
			continue;
		if (col == at.col)
			x->from = x->columns;
		excerpt_char(x, line + i, n, c);
		if (col < end)
			x->to = x->columns;
	}
	if (x->columns >= EXCERPT_COLUMNS)
		text_add(&x->t, "...");
	if (col <= at.col) /* behind the last character: the caret stands there */
		x->from = x->columns;
	if (x->to <= x->from)
		x->to = x->from + 1;
}

static void print_caret(const struct diag *g, const struct excerpt *x, int width, FILE *out)
{
	fprintf(out, "%*s | %*s", width, "", (int)x->from, "");
	for (unsigned i = x->from; i < x->to; i++)
		fputc('^', out);
	if (g->caret[0])
		fprintf(out, " %s", g->caret);
	fputc('\n', out);
}

static void print_excerpt(const struct diags *d, const struct diag *g, int width, FILE *out)
{
	size_t len;
	const char *line = d->text && d->len ? utf8_line(d->text, d->len, g->at.line, &len) : NULL;
	struct excerpt x;

	if (!line)
		return;
	excerpt_make(&x, line, len, g->at);
	fprintf(out, "%*s |\n%u | %s\n", width, "", g->at.line, x.buf);
	print_caret(g, &x, width, out);
}

static void print_one(const struct diags *d, const struct diag *g, FILE *out)
{
	const struct msg_info *info = msg_find(g->code);
	int width = snprintf(NULL, 0, "%u", g->at.line);
	char buf[1024];
	struct text file = text_on(buf, sizeof(buf));

	text_add_foreign(&file, d->file ? d->file : "?", strlen(d->file ? d->file : "?"));
	fprintf(out, "%s:%u:%u: %s%s:%s %s [B%u]\n", buf, g->at.line, g->at.col,
		!d->color              ? "" :
		g->level == DIAG_ERROR ? "\033[1;31m" :
					 "\033[1;33m",
		g->level == DIAG_ERROR ? "error" : "warning", d->color ? "\033[0m" : "", g->text,
		(unsigned)g->code);
	print_excerpt(d, g, width, out);
	for (unsigned i = 0; i < DIAG_NOTES && g->note[i][0]; i++)
		fprintf(out, "%*s = %s\n", width, "", g->note[i]);
	if (info && info->note)
		fprintf(out, "%*s = note: %s\n", width, "", info->note);
}

static int by_place(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;

	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	if (x->at.col != y->at.col)
		return x->at.col < y->at.col ? -1 : 1;
	return x->code < y->code ? -1 : x->code > y->code;
}

void diags_list(struct diags *d, FILE *out)
{
	unsigned all = d->errors + d->warnings;

	if (d->n)
		qsort(d->at, d->n, sizeof(*d->at), by_place);
	for (unsigned i = 0; i < d->n; i++)
		print_one(d, &d->at[i], out);
	if (all > d->n)
		fprintf(out, "... and %u more\n", all - d->n);
}

void diags_print(struct diags *d, FILE *out)
{
	if (!d->errors && !d->warnings)
		return;
	diags_list(d, out);
	fprintf(out, "%u error%s, %u warning%s. Nothing was touched.\n", d->errors,
		d->errors == 1 ? "" : "s", d->warnings, d->warnings == 1 ? "" : "s");
}

void diags_done(struct diags *d)
{
	free(d->file);
	free(d->text);
	free(d->at);
	*d = (struct diags){ 0 };
}
