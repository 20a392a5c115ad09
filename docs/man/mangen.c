/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mangen TEMPLATE: a manual page to stdout. Lines such as @FLAGS@ become tables made from what the
 * program itself works by, so that page and program cannot differ. Run at build time.
 */
#include <stdio.h>
#include <string.h>

#include "base/codes.h"
#include "runner/commands.h"
#include "runner/explain.h"
#include "runner/help.h"
#include "scenarios/policy.h"

#define LINE_COLUMNS 78

/* Text for a line of mdoc(7): no character of it is markup. */
static void put_escaped(const char *s)
{
	for (; *s; s++) {
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (strncmp(s, "…", 3) == 0)
			fputs("...", stdout), s += 2;
		else
			putchar(*s);
	}
}

/* Lines of text that begin at column at, each sentence on a line of its own as mdoc(7) wants it. */
static void text_lines(unsigned at, const char *s)
{
	while (*s) {
		size_t n = strcspn(s, " ");
		char word[200];

		snprintf(word, sizeof(word), "%.*s", (int)n, s);
		if (at && at + 1 + n > LINE_COLUMNS) {
			putchar('\n');
			at = 0;
		}
		if (at)
			putchar(' ');
		else if (word[0] == '.' || word[0] == '\'')
			fputs("\\&", stdout);
		put_escaped(word);
		at += (unsigned)n + 1;
		s += n;
		s += strspn(s, " ");
		if (word[n - 1] == '.' && *s) {
			putchar('\n');
			at = 0;
		}
	}
	putchar('\n');
}

/* "FAULT [KEY=VALUE…] [-- COMMAND…]" as macros. */
static void put_args(const char *args)
{
	while (*args) {
		size_t n = strcspn(args, " ");
		bool open = args[0] == '[', close = args[n - 1] == ']';
		char word[80];

		snprintf(word, sizeof(word), "%.*s", (int)(n - open - close), args + open);
		fputs(open ? " Oo" : "", stdout);
		fputs(strcmp(word, "--") == 0 ? " Li " : " Ar ", stdout);
		put_escaped(word);
		fputs(close ? " Oc" : "", stdout);
		args += n;
		args += strspn(args, " ");
	}
	putchar('\n');
}

static void put_flag(const struct flag *f)
{
	fputs(".It", stdout);
	if (f->letter)
		printf(" Fl %c ,", f->letter);
	printf(" Fl Fl %s", f->name);
	if (f->arg)
		printf(" Ns = Ns Ar %s", f->arg);
	putchar('\n');
	text_lines(0, f->doc);
	if (f->dflt)
		printf("(default: %s)\n", f->dflt);
}

/* What makes a flag belong to a list. */
static bool belongs(const struct flag *f, enum verb verb)
{
	if (verb == VERB_NONE)
		return f->verbs == VERB_ANY;
	return f->verbs != VERB_ANY && (f->verbs & VERB_BIT(verb));
}

static void put_flags(enum verb verb)
{
	unsigned n = 0;

	for (const struct flag *f = option_flags; f->name; f++) {
		if (!belongs(f, verb))
			continue;
		if (!n++)
			printf(".Bl -tag -width Ds\n");
		put_flag(f);
	}
	if (n)
		printf(".El\n");
}

static void common_flags(void)
{
	put_flags(VERB_NONE);
}

static void command_list(void)
{
	printf(".Bl -tag -width Ds\n");
	for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
		printf(".It Cm %s", commands[v].name);
		put_args(commands[v].args);
		text_lines(0, commands[v].text);
		put_flags(v);
	}
	printf(".El\n");
}

static void example_list(void)
{
	printf(".Bd -literal -offset indent\n");
	for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
		for (size_t i = 0; commands[v].example[i]; i++) {
			put_escaped(commands[v].example[i]);
			putchar('\n');
		}
	}
	printf(".Ed\n");
}

static void exit_codes(void)
{
	size_t n;
	const struct exit_info *x = exit_list(&n);

	printf(".Bl -tag -width 4n\n");
	for (size_t i = 0; i < n; i++)
		printf(".It %d\n%s: %s.\nThe machine is %s.\n", x[i].code, x[i].name, x[i].meaning,
		       x[i].machine);
	printf(".El\n");
}

static void rows(const struct help_row *row, const char *macro)
{
	printf(".Bl -tag -width Ds\n");
	for (; row->name; row++) {
		printf(".It %s %s\n", macro, row->name);
		text_lines(0, row->text);
	}
	printf(".El\n");
}

static void environment(void)
{
	rows(help_environment, "Ev");
}

static void files(void)
{
	rows(help_files, "Pa");
}

static void put_field(const struct field *f)
{
	char buf[400];
	struct text t = text_on(buf, sizeof(buf));

	explain_add_form(f, &t);
	printf(".It Ic %s\n", f->name);
	text_lines(0, buf);
	if (f->doc) {
		printf(".br\n");
		text_lines(0, f->doc);
	}
}

static void put_keys(const struct field_table *t)
{
	char buf[400];
	struct text later = text_on(buf, sizeof(buf));

	printf(".Bl -tag -width Ds\n");
	for (const struct field *f = t->fields; f->name; f++) {
		if (f->type == FIELD_LATER)
			text_add(&later, "%s%s", later.len ? ", " : "", f->name);
		else
			put_field(f);
	}
	printf(".El\n");
	for (unsigned i = 0;; i++) {
		char rule[400];
		struct text r = text_on(rule, sizeof(rule));

		if (!explain_add_rule(t, i, &r))
			break;
		printf(".Pp\n");
		text_lines(0, rule);
	}
	if (later.len) {
		printf(".Pp\nNot in this version:");
		text_lines(20, buf);
	}
}

static void put_tables(const struct field_table *const *t)
{
	for (; *t; t++) {
		printf(".Ss %s\n", (*t)->name);
		text_lines(0, (*t)->doc);
		put_keys(*t);
	}
}

static void blocks(void)
{
	put_tables(experiment_tables);
}

static void policy_blocks(void)
{
	put_tables(policy_tables);
}

static void put_fault(const struct fault_ops *f)
{
	char buf[300];
	struct text t = text_on(buf, sizeof(buf));

	printf(".Ss %s\n", f->name);
	text_lines(0, f->fields->doc);
	printf(".Pp\nClass: %s.\n", explain_class(f));
	if (f->undo_words) {
		printf("Undo:");
		text_lines(5, f->undo_words);
	}
	if (f->example) {
		explain_add_item(f->name, f->example, &t);
		printf(".Bd -literal -offset indent\n- ");
		put_escaped(buf);
		printf("\n.Ed\n");
	}
	put_keys(f->fields);
}

static void faults(void)
{
	for (size_t i = 0; fault_registry[i]; i++)
		put_fault(fault_registry[i]);
}

static void codes(void)
{
	printf(".Bl -tag -width B1000\n");
	for (size_t i = 0; i < msg_codes_n; i++) {
		printf(".It B%u\n", msg_codes[i].code);
		text_lines(0, msg_codes[i].brief);
	}
	printf(".El\n");
}

static const struct {
	const char *line;
	void (*print)(void);
} parts[] = {
	{ "@COMMANDS@\n", command_list },   { "@FLAGS@\n", common_flags },
	{ "@EXAMPLES@\n", example_list },   { "@EXIT@\n", exit_codes },
	{ "@ENVIRONMENT@\n", environment }, { "@FILES@\n", files },
	{ "@BLOCKS@\n", blocks },           { "@POLICY@\n", policy_blocks },
	{ "@FAULTS@\n", faults },           { "@CODES@\n", codes },
};

static bool print_part(const char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (strcmp(parts[i].line, line) == 0) {
			parts[i].print();
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	FILE *in = argc == 2 ? fopen(argv[1], "re") : NULL;
	char line[2000];

	if (!in) {
		fprintf(stderr, "usage: mangen TEMPLATE\n");
		return 2;
	}
	while (fgets(line, sizeof(line), in)) {
		if (line[0] == '@' && !print_part(line)) {
			fprintf(stderr, "mangen: nothing is called %s", line);
			return 1;
		}
		if (line[0] != '@')
			fputs(line, stdout);
	}
	fclose(in);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
