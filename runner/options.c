/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runner/commands.h"

const char *const option_color_words[] = { "auto", "always", "never", NULL };
static const char *const if_unable_words[] = { "fail", "skip", NULL };

#define AT(m) .offset = offsetof(struct options, m)
#define ON(v) VERB_BIT(VERB_##v)

const struct flag option_flags[] = {
	{ "dry-run", 'n', FLAG_SET, AT(dry_run), .verbs = ON(RUN) | ON(TRY),
	  .doc = "resolve and print everything, run the checks once, make no fault (run: as brink plan)" },
	{ "yes", 'y', FLAG_SET, AT(yes), .verbs = ON(RUN) | ON(TRY) | ON(REVERT),
	  .doc = "do not ask; without a terminal nothing is asked and this is needed instead (revert never asks)" },
	{ "for", 0, FLAG_DURATION, "DURATION", AT(for_ns), .verbs = ON(TRY),
	  .doc = "how long the fault holds" },
	{ "check", 0, FLAG_TEXTS, "URL|CMD", AT(checks), .verbs = ON(TRY),
	  .doc = "probe this meanwhile, stop when it fails; a command is split at blanks, no shell; may be repeated" },
	{ "plan", 0, FLAG_TEXT, "PLAN", AT(plan), .verbs = ON(RUN),
	  .doc = "do exactly what this file of 'brink plan --out' says, or refuse" },
	{ "out", 0, FLAG_TEXT, "PLAN", AT(out), .verbs = ON(PLAN),
	  .doc = "write the plan to this file, for 'brink run --plan'" },
	{ "seed", 0, FLAG_NUMBER, "N", AT(seed), .verbs = ON(RUN) | ON(PLAN) | ON(TRY),
	  .doc = "the same seed picks the same targets" },
	{ "if-unable", 0, FLAG_WORD, "fail|skip", AT(if_unable), if_unable_words, "fail",
	  .verbs = ON(RUN) | ON(TRY),
	  .doc = "what to do when this machine cannot do it: exit 8, or exit 77" },
	{ "lock-timeout", 0, FLAG_DURATION, "DURATION", AT(lock_timeout_ns), .dflt = "0s",
	  .verbs = ON(RUN) | ON(TRY) | ON(REVERT),
	  .doc = "how long to wait for a run that has the same resources (two that wait for each other: until one gives up); revert: for one that goes on" },
	{ "all", 0, FLAG_SET, AT(all), .verbs = ON(HALT) | ON(REVERT),
	  .doc = "every run of this machine" },
	{ "why", 0, FLAG_TEXT, "TEXT", AT(why), .verbs = ON(HALT),
	  .doc = "the reason, for the events and the report" },
	{ "print", 0, FLAG_SET, AT(print), .verbs = ON(REVERT),
	  .doc = "print the commands that would undo by hand, do nothing" },
	{ "at-boot", 0, FLAG_SET, AT(at_boot), .verbs = ON(REVERT),
	  .doc = "called by the boot unit: only what earlier boots left, and an end to the record of runs that went down with them" },
	{ "unit", 0, FLAG_TEXT, "NAME", AT(unit), .verbs = ON(REVERT),
	  .doc = "only runs that this systemd unit started (for ExecStopPost=)" },
	{ "accept-conflict", 0, FLAG_SET, AT(accept_conflict), .verbs = ON(REVERT),
	  .doc = "what others changed since then, what cannot be looked at and ended with its run, or a run without its record, stays as it is and counts as undone" },
	{ "from", 0, FLAG_TEXT, "web|db|queue", AT(from), .dflt = "web", .verbs = ON(NEW),
	  .doc = "which starter" },

	{ "help", 'h', FLAG_SET, AT(help), .verbs = VERB_ANY, .doc = "example, usage and flags" },
	{ "quiet", 'q', FLAG_SET, AT(quiet), .verbs = VERB_ANY, .doc = "only results and errors" },
	{ "verbose", 'v', FLAG_COUNT, AT(verbose), .verbs = VERB_ANY,
	  .doc = "say more; may be repeated" },
	{ "color", 0, FLAG_WORD, "auto|always|never", AT(color), option_color_words, "auto",
	  .verbs = VERB_ANY, .doc = "whether to colour the output" },
	{ "json", 0, FLAG_SET, AT(json), .verbs = VERB_ANY,
	  .doc = "data for programs on standard output: one JSON object a line" },
	{ "events", 0, FLAG_TEXT, "FILE", AT(events), .verbs = VERB_ANY,
	  .doc = "append the events of the run to this file too" },
	{ "config", 0, FLAG_TEXT, "FILE", AT(config), .verbs = VERB_ANY,
	  .doc = "a YAML file: color and events, defaults of the flags of these names" },
	{ "var", 0, FLAG_TEXTS, "NAME=VALUE", AT(vars), .verbs = VERB_ANY,
	  .doc = "value of a variable of the file; may be repeated" },
	{ "var-file", 0, FLAG_TEXTS, "FILE", AT(var_files), .verbs = VERB_ANY,
	  .doc = "lines of NAME=VALUE; --var wins over them" },
	{ "no-input", 0, FLAG_SET, AT(no_input), .verbs = VERB_ANY,
	  .doc = "never ask, even in a terminal" },
	{ "version", 0, FLAG_SET, AT(version), .verbs = ON(NONE), .doc = "as brink version" },
	{ 0 },
};

#undef AT
#undef ON

/* Flags that people look for here. why == NULL: not in this version. */
static const struct {
	const char *name, *why;
} absent[] = {
	{ "no-revert", "brink always takes back what it did; --for says how long a fault holds" },
	{ "force", "a refusal names its rule and who may change it; nothing overrides it" },
	{ "ignore-policy", "/etc/brink/policy.yaml belongs to root, and no flag widens it" },
	{ "speed", "time is real: a faster clock would not measure the system" },
	{ "password", "secrets on a command line can be read by every user of the machine" },
	{ "token", "secrets on a command line can be read by every user of the machine" },
	{ "secret", "secrets on a command line can be read by every user of the machine" },
	{ "only", NULL },
	{ "keep-going", NULL },
	{ "ci", NULL },
	{ "junit", NULL },
	{ "html", NULL },
	{ "tap", NULL },
	{ "markdown", NULL },
	{ "listen", NULL },
	{ "strict", NULL },
	{ "in-window", NULL },
};

struct parser {
	int argc, at;
	char *const *argv;
	struct options *o;
	struct err *e;
};

static uint64_t bit_of(const struct flag *f)
{
	return UINT64_C(1) << (f - option_flags);
}

static const struct flag *find_long(const char *name, size_t n)
{
	for (const struct flag *f = option_flags; f->name; f++) {
		if (strlen(f->name) == n && memcmp(f->name, name, n) == 0)
			return f;
	}
	return NULL;
}

bool options_given(const struct options *o, const char *name)
{
	const struct flag *f = find_long(name, strlen(name));

	return f && (o->given & bit_of(f));
}

/* A word of the command line in a form that may stand in a message. */
static const char *shown(const char *s, size_t n, char buf[static ERR_LINE])
{
	struct text t = text_on(buf, 64);

	text_add_foreign(&t, s, n < 48 ? n : 48);
	return buf;
}

/* hint is the root cause, text the outermost line. */
static int wrong(struct parser *p, const char *hint, const char *fmt, ...) PRINTF_FMT(3, 4);

static int wrong(struct parser *p, const char *hint, const char *fmt, ...)
{
	char line[ERR_LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	err_set(p->e, EINVAL, "%s", hint);
	return err_ctx(p->e, "%s", line);
}

/* "see: brink plan -h" */
static const char *see_help(const struct parser *p, char buf[static ERR_LINE])
{
	snprintf(buf, ERR_LINE, "see: brink %s%s-h", p->o->verb ? commands[p->o->verb].name : "",
		 p->o->verb ? " " : "");
	return buf;
}

static const char *nearest_flag(const char *name, enum verb verb)
{
	unsigned best = fields_tolerance(name) + 1;
	const char *found = NULL;
	size_t n = strlen(name);

	for (const struct flag *f = option_flags; f->name; f++) {
		/* the beginning of a flag is no abbreviation of it, but a good guess */
		unsigned d = n > 1 && strncmp(name, f->name, n) == 0 ?
				     0 :
				     fields_distance(name, f->name, best);

		if (d < best && (f->verbs & VERB_BIT(verb))) {
			best = d;
			found = f->name;
		}
	}
	return found;
}

static int refuse_long(struct parser *p, const char *name, size_t n)
{
	char buf[ERR_LINE], help[ERR_LINE];
	const char *near;

	shown(name, n, buf);
	for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
		if (strcmp(absent[i].name, buf) != 0)
			continue;
		if (absent[i].why)
			return wrong(p, absent[i].why, "there is no '--%s', on purpose", buf);
		return wrong(p, see_help(p, help), "'--%s' is not in this version", buf);
	}
	near = nearest_flag(buf, p->o->verb);
	if (near)
		snprintf(help, sizeof(help), "did you mean '--%s'?", near);
	else
		see_help(p, help);
	return wrong(p, help, "unknown flag '--%s'", buf);
}

/* "'--seed' is no flag of 'brink check'": it belongs to others. */
static int refuse_here(struct parser *p, const struct flag *f)
{
	char buf[ERR_LINE];
	struct text t = text_on(buf, sizeof(buf));

	if (!p->o->verb)
		return wrong(p, "write the command first: brink COMMAND [flags]",
			     "'--%s' stands before the command", f->name);
	text_add(&t, "it belongs to");
	for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
		if (f->verbs & VERB_BIT(v))
			text_add(&t, "%s brink %s", buf[t.len - 1] == 'o' ? "" : ",",
				 commands[v].name);
	}
	return wrong(p, f->verbs == VERB_BIT(VERB_NONE) ? "write: brink version" : buf,
		     "'--%s' is no flag of 'brink %s'", f->name, commands[p->o->verb].name);
}

static int set_word(struct parser *p, const struct flag *f, const char *text)
{
	char buf[ERR_LINE], hint[ERR_LINE];

	for (int i = 0; f->words[i]; i++) {
		if (strcmp(f->words[i], text) == 0) {
			*(int *)((char *)p->o + f->offset) = i;
			return 0;
		}
	}
	snprintf(hint, sizeof(hint), "write --%s=%s", f->name, f->arg);
	return wrong(p, hint, "'%s' is no value of '--%s'", shown(text, strlen(text), buf),
		     f->name);
}

static int add_text(struct parser *p, struct strings *s, const char *text)
{
	if (!s->at)
		s->at = arena_zalloc(&p->o->arena, ((size_t)p->argc + 1) * sizeof(*s->at));
	if (!s->at)
		return err_set(p->e, ENOMEM, "out of memory");
	s->at[s->n++] = text;
	return 0;
}

static int set_number(struct parser *p, const struct flag *f, const char *text)
{
	int64_t *to = (int64_t *)((char *)p->o + f->offset);
	int64_t n;
	int r = f->type == FLAG_DURATION ? units_duration(text, &n, p->e) :
					   units_int(text, &n, p->e);

	if (!r && n < 0)
		r = err_set(p->e, EINVAL, "'%lld' is below 0", (long long)n);
	if (r) {
		struct err why = *p->e;

		return wrong(p, why.depth > 1 ? why.msg[0] : "write a whole number", "--%s: %s",
			     f->name, why.msg[why.depth - 1]);
	}
	*to = n;
	return 0;
}

static int set_value(struct parser *p, const struct flag *f, const char *text)
{
	char *to = (char *)p->o + f->offset;
	char hint[ERR_LINE];

	if (!*text) {
		snprintf(hint, sizeof(hint), "write --%s=%s", f->name, f->arg);
		return wrong(p, hint, "'--%s' has an empty value", f->name);
	}
	switch (f->type) {
	case FLAG_TEXT:
		*(const char **)to = text;
		return 0;
	case FLAG_TEXTS:
		return add_text(p, (struct strings *)to, text);
	case FLAG_WORD:
		return set_word(p, f, text);
	case FLAG_DURATION:
	case FLAG_NUMBER:
		return set_number(p, f, text);
	default:
		break;
	}
	return 0;
}

static bool takes_value(const struct flag *f)
{
	return f->type != FLAG_SET && f->type != FLAG_COUNT;
}

/* value: what stands behind '=', or NULL. */
static int take_flag(struct parser *p, const struct flag *f, const char *value)
{
	char *to = (char *)p->o + f->offset;
	const char *next = p->at < p->argc ? p->argv[p->at] : NULL;
	char hint[ERR_LINE];

	if (!(f->verbs & VERB_BIT(p->o->verb)))
		return refuse_here(p, f);
	p->o->given |= bit_of(f);
	if (!takes_value(f)) {
		if (value)
			return wrong(p, "leave '=' and what follows away", "'--%s' takes no value",
				     f->name);
		if (f->type == FLAG_SET)
			*(bool *)to = true;
		else
			++*(unsigned *)to;
		return 0;
	}
	if (value)
		return set_value(p, f, value);
	if (!next || (next[0] == '-' && next[1])) {
		snprintf(hint, sizeof(hint), "write --%s=%s", f->name, f->arg);
		return wrong(p, hint, "'--%s' needs a value", f->name);
	}
	p->at++;
	return set_value(p, f, next);
}

static int take_long(struct parser *p, const char *word)
{
	const char *eq = strchr(word, '=');
	size_t n = eq ? (size_t)(eq - word) : strlen(word);
	const struct flag *f = find_long(word, n);

	return f ? take_flag(p, f, eq ? eq + 1 : NULL) : refuse_long(p, word, n);
}

/* Letters may stand together: -qv. None of them takes a value. */
static int take_letters(struct parser *p, const char *letters)
{
	char buf[ERR_LINE], help[ERR_LINE];
	int r = 0;

	for (; *letters && !r; letters++) {
		const struct flag *f = option_flags;

		while (f->name && f->letter != *letters)
			f++;
		if (!f->name)
			return wrong(p, see_help(p, help), "unknown flag '-%s'",
				     shown(letters, 1, buf));
		r = take_flag(p, f, NULL);
	}
	return r;
}

static int take_word(struct parser *p, const char *word)
{
	if (p->o->verb)
		return add_text(p, &p->o->args, word);
	p->o->verb = command_find(word);
	return p->o->verb ? 0 : command_refuse(word, p->e);
}

/* Behind "--": the command of try, else more arguments, even if they begin with a dash. */
static int take_rest(struct parser *p)
{
	bool command = commands[p->o->verb].takes_command;

	if (!p->o->verb)
		return wrong(p, "write the command first", "'--' stands before the command");
	if (command && p->at == p->argc)
		return wrong(p, "write: -- COMMAND [ARGUMENT…]", "nothing stands behind '--'");
	while (p->at < p->argc) {
		const char *word = p->argv[p->at++];

		if (add_text(p, command ? &p->o->command : &p->o->args, word) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int parse_words(struct parser *p)
{
	int r = 0;

	while (p->at < p->argc && !r) {
		const char *word = p->argv[p->at++];

		if (strcmp(word, "--") == 0)
			return take_rest(p);
		if (word[0] == '-' && word[1] == '-')
			r = take_long(p, word + 2);
		else if (word[0] == '-' && word[1])
			r = take_letters(p, word + 1);
		else
			r = take_word(p, word);
	}
	return r;
}

/* The number of arguments, and flags that contradict each other. */
static int check_whole(struct parser *p)
{
	const struct options *o = p->o;
	const struct command *c = &commands[o->verb];
	unsigned min = o->plan ? 0 : c->min_args, max = o->plan ? 0 : c->max_args;
	char help[ERR_LINE], buf[ERR_LINE];

	if (o->quiet && o->verbose)
		return wrong(p, "leave one of them away", "-q and -v contradict each other");
	if (o->help || !o->verb)
		return 0;
	if (o->args.n < min)
		return wrong(p, see_help(p, help), "'brink %s' needs %s", c->name, c->arg);
	if (o->plan && o->args.n)
		return wrong(p, "the plan has the experiment in it: leave one of them away",
			     "--plan and a FILE contradict each other");
	if (o->plan && options_given(o, "seed"))
		return wrong(p, "the plan has its seed in it: leave --seed away",
			     "--plan and --seed contradict each other");
	if (o->all && o->args.n)
		return wrong(p, "leave one of them away", "--all and a RUN contradict each other");
	if (o->args.n > max) {
		const char *word = o->args.at[max];

		return wrong(p, see_help(p, help), "'brink %s' takes %s; '%s' is too much", c->name,
			     max ? c->arg : "no argument", shown(word, strlen(word), buf));
	}
	return 0;
}

static int set_defaults(struct parser *p)
{
	for (const struct flag *f = option_flags; f->name; f++) {
		if (f->dflt && set_value(p, f, f->dflt) < 0)
			return -EINVAL;
	}
	return 0;
}

int options_parse(int argc, char *const *argv, struct options *ret, struct err *e)
{
	struct parser p = { .argc = argc, .at = 1, .argv = argv, .o = ret, .e = e };
	int r;

	*ret = (struct options){ 0 };
	r = set_defaults(&p);
	if (!r)
		r = parse_words(&p);
	return r ? r : check_whole(&p);
}

void options_done(struct options *o)
{
	arena_done(&o->arena);
	*o = (struct options){ 0 };
}

static bool is_set(const char *name)
{
	const char *v = getenv(name);

	return v && *v;
}

bool options_color(const struct options *o, int fd)
{
	const char *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");

	if (o->color != COLOR_AUTO)
		return o->color == COLOR_ALWAYS;
	if (is_set("NO_COLOR"))
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}
