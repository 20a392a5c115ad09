/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/help.h"

#include <string.h>

#include "runner/commands.h"
#include "runner/say.h"

#define NAME_COLUMN 22 /* where the text of a flag begins */

/* Columns of a UTF-8 word; every character here is one wide. */
static unsigned columns(const char *s, size_t n)
{
	unsigned c = 0;

	for (size_t i = 0; i < n; i++)
		c += ((unsigned char)s[i] & 0xc0) != 0x80;
	return c;
}

void help_wrap(FILE *out, unsigned from, unsigned indent, const char *text)
{
	unsigned at = from;
	bool first = true;

	while (*text) {
		size_t n = strcspn(text, " ");
		unsigned wide = columns(text, n);

		if (!first && at + 1 + wide > HELP_COLUMNS) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, n, out);
		at += wide;
		first = false;
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

/* A name, then its text in a column of its own; on the next line when the name is too long. */
static void print_row(const char *name, const char *text, unsigned column)
{
	unsigned at = columns(name, strlen(name)) + 2;

	printf("  %s", name);
	if (at + 2 > column) {
		printf("\n%*s", (int)column, "");
	} else {
		printf("%*s", (int)(column - at), "");
	}
	help_wrap(stdout, column, column, text);
}

static void print_heading(bool color, const char *text)
{
	printf("%s%s%s\n", say_on(color, SAY_BOLD), text, say_off(color, SAY_BOLD));
}

static void print_flag(const struct flag *f)
{
	char name[80], text[400];
	struct text n = text_on(name, sizeof(name)), t = text_on(text, sizeof(text));

	if (f->letter)
		text_add(&n, "-%c, ", f->letter);
	else
		text_add(&n, "    ");
	text_add(&n, "--%s%s%s", f->name, f->arg ? "=" : "", f->arg ? f->arg : "");
	text_add(&t, "%s", f->doc);
	if (f->dflt)
		text_add(&t, " [%s]", f->dflt);
	print_row(name, text, NAME_COLUMN);
}

/* Those of one verb alone, or those of all. */
static unsigned print_flags(bool color, enum verb verb, bool common)
{
	unsigned n = 0;

	for (const struct flag *f = option_flags; f->name; f++) {
		if ((f->verbs == VERB_ANY) != common || !(f->verbs & VERB_BIT(verb)))
			continue;
		if (!n++)
			print_heading(color, common ? "Flags of every command" : "Flags");
		print_flag(f);
	}
	if (n)
		printf("\n");
	return n;
}

int help_short(void)
{
	fputs("brink breaks things on purpose, watches, and takes every fault back.\n"
	      "\n"
	      "  brink demo             see it work, nothing of yours is touched\n"
	      "  brink new NAME         write an experiment\n"
	      "  brink check FILE       find its mistakes\n"
	      "  sudo brink run FILE    do it, watch it, undo it, judge it\n"
	      "\n"
	      "  brink try net.delay to=localhost:5432 delay=200ms --for 30s\n"
	      "  brink try net.drop to=10.0.0.7 -- pytest tests/checkout\n"
	      "\n"
	      "More: brink help, brink COMMAND -h, man brink, and\n"
	      "      brink help exit-codes|environment|language|safety|policy\n",
	      stderr);
	return EXIT_USAGE;
}

static void help_all(bool color)
{
	printf("brink COMMAND [flags]\n\n");
	print_heading(color, "Commands");
	for (int v = VERB_NONE + 1; v < VERB_COUNT; v++)
		print_row(commands[v].name, commands[v].summary, 12);
	printf("\n");
	print_flags(color, VERB_NONE, true);
	print_heading(color, "Topics, for brink help TOPIC");
	for (const struct help_topic *t = help_topics; t->name; t++)
		print_row(t->name, t->summary, 16);
	printf("\nbrink COMMAND -h shows the flags of one command.\n");
}

int help_verb(const struct options *o, enum verb verb)
{
	const struct command *c = &commands[verb];
	bool color = options_color(o, STDOUT_FILENO);

	if (verb == VERB_NONE) {
		help_all(color);
		return EXIT_PASS;
	}
	print_heading(color, c->example[1] ? "Examples" : "Example");
	for (size_t i = 0; c->example[i]; i++)
		printf("  %s\n", c->example[i]);
	printf("\n");
	print_heading(color, "Usage");
	printf("  brink %s%s%s [flags]\n\n", c->name, *c->args ? " " : "", c->args);
	help_wrap(stdout, 0, 0, c->text);
	printf("\n");
	print_flags(color, verb, false);
	print_flags(color, verb, true);
	printf("Exit codes: brink help exit-codes. More: man brink\n");
	return EXIT_PASS;
}
