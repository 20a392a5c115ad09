/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/options.h"

#include <stdio.h>
#include <string.h>

#include "runner/commands.h"
#include "tests/support/test.h"

#define WORDS_MAX 16

struct parsed {
	int r;
	struct options o;
	struct err e;
	char *argv[WORDS_MAX + 1];
};

/* Parses "brink" and these words; the last one is NULL. */
static void parse(struct parsed *p, const char *const *words)
{
	int argc = 0;

	options_done(&p->o);
	memset(&p->e, 0, sizeof(p->e));
	p->argv[argc++] = (char *)"brink";
	for (; *words; words++) {
		assert_true(argc < WORDS_MAX);
		p->argv[argc++] = (char *)*words;
	}
	p->argv[argc] = NULL;
	p->r = options_parse(argc, p->argv, &p->o, &p->e);
}

#define PARSE(p, ...) parse(p, (const char *const[]){ __VA_ARGS__, NULL })

static int setup(void **state)
{
	static struct parsed p;

	memset(&p, 0, sizeof(p));
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct parsed *p = *state;

	options_done(&p->o);
	return 0;
}

static void assert_refused(const struct parsed *p, const char *what)
{
	assert_int_equal(p->r, -EINVAL);
	assert_true(p->e.depth >= 2);
	if (!strstr(p->e.msg[p->e.depth - 1], what))
		fail_msg("'%s' is not in '%s'", what, p->e.msg[p->e.depth - 1]);
}

static void nothing_given_means_the_defaults(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "run", "x.yaml");
	assert_int_equal(p->r, 0);
	assert_int_equal(p->o.verb, VERB_RUN);
	assert_int_equal(p->o.args.n, 1);
	assert_string_equal(p->o.args.at[0], "x.yaml");
	assert_int_equal(p->o.color, COLOR_AUTO);
	assert_int_equal(p->o.if_unable, IF_UNABLE_FAIL);
	assert_true(p->o.lock_timeout_ns == 0);
	assert_int_equal(p->o.given, 0);
	assert_false(options_given(&p->o, "seed"));
	assert_null(p->o.plan);
	assert_int_equal(p->o.vars.n, 0);
}

static void every_flag_of_run_lands_in_its_field(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "run", "-ny", "--seed", "71", "--if-unable=skip", "--lock-timeout", "1m30s",
	      "--json", "--events=e", "x.yaml");
	assert_int_equal(p->r, 0);
	assert_true(p->o.dry_run && p->o.yes && p->o.json);
	assert_true(p->o.seed == 71 && options_given(&p->o, "seed"));
	assert_int_equal(p->o.if_unable, IF_UNABLE_SKIP);
	assert_true(p->o.lock_timeout_ns == INT64_C(90000000000));
	assert_string_equal(p->o.events, "e");
	assert_false(p->o.quiet);
}

static void a_value_stands_behind_a_space_or_an_equals_sign(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "plan", "--out", "a=b", "f");
	assert_int_equal(p->r, 0);
	assert_string_equal(p->o.out, "a=b");
	PARSE(p, "plan", "--out=--x=y", "f");
	assert_int_equal(p->r, 0);
	assert_string_equal(p->o.out, "--x=y");
	PARSE(p, "plan", "--out", "-", "f");
	assert_int_equal(p->r, 0);
	assert_string_equal(p->o.out, "-");
	PARSE(p, "plan", "--out", "--json", "f");
	assert_refused(p, "'--out' needs a value");
}

static void repeated_flags_add_up_or_the_last_one_wins(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "check", "--var", "a=1", "-vv", "x", "--var=b=2", "-v", "--color=always",
	      "--color=never");
	assert_int_equal(p->r, 0);
	assert_int_equal(p->o.vars.n, 2);
	assert_string_equal(p->o.vars.at[0], "a=1");
	assert_string_equal(p->o.vars.at[1], "b=2");
	assert_int_equal(p->o.verbose, 3);
	assert_int_equal(p->o.color, COLOR_NEVER);
}

static void arguments_keep_their_order_between_flags(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "try", "net.delay", "to=a:1", "--for", "30s", "delay=200ms", "--check",
	      "http://x/", "jitter=1ms");
	assert_int_equal(p->r, 0);
	assert_int_equal(p->o.args.n, 4);
	assert_string_equal(p->o.args.at[0], "net.delay");
	assert_string_equal(p->o.args.at[1], "to=a:1");
	assert_string_equal(p->o.args.at[2], "delay=200ms");
	assert_string_equal(p->o.args.at[3], "jitter=1ms");
	assert_true(p->o.for_ns == INT64_C(30000000000));
	assert_int_equal(p->o.checks.n, 1);
	assert_int_equal(p->o.command.n, 0);
}

static void what_stands_behind_two_dashes_is_the_command_of_try(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "try", "net.drop", "-q", "--", "pytest", "-q", "--", "--json");
	assert_int_equal(p->r, 0);
	assert_int_equal(p->o.command.n, 4);
	assert_string_equal(p->o.command.at[0], "pytest");
	assert_string_equal(p->o.command.at[2], "--");
	assert_string_equal(p->o.command.at[3], "--json");
	assert_null(p->o.command.at[4]);
	assert_int_equal(p->o.args.n, 1);
	assert_false(p->o.json);
	PARSE(p, "try", "net.drop", "--");
	assert_refused(p, "nothing stands behind '--'");
}

static void elsewhere_two_dashes_let_a_file_begin_with_a_dash(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "check", "--", "-x.yaml", "--json");
	assert_int_equal(p->r, 0);
	assert_int_equal(p->o.args.n, 2);
	assert_string_equal(p->o.args.at[0], "-x.yaml");
	assert_int_equal(p->o.command.n, 0);
	assert_false(p->o.json);
}

static void common_flags_may_stand_before_the_verb_and_others_not(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "--color=never", "-q", "check", "x");
	assert_int_equal(p->r, 0);
	assert_true(p->o.quiet);
	PARSE(p, "--seed=1", "run", "x");
	assert_refused(p, "'--seed' stands before the command");
}

static void help_asks_for_no_arguments(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "run", "-h");
	assert_int_equal(p->r, 0);
	assert_true(p->o.help);
	PARSE(p, "-h");
	assert_int_equal(p->r, 0);
	assert_int_equal(p->o.verb, VERB_NONE);
	PARSE(p, "run");
	assert_refused(p, "'brink run' needs a FILE");
}

static void a_plan_replaces_the_file_of_run(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "run", "--plan", "p");
	assert_int_equal(p->r, 0);
	PARSE(p, "run", "--plan", "p", "x");
	assert_refused(p, "--plan and a FILE contradict each other");
}

static void flags_and_verbs_are_never_abbreviated(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "run", "--see=1", "x");
	assert_refused(p, "unknown flag '--see'");
	assert_string_equal(p->e.msg[0], "did you mean '--seed'?");
	PARSE(p, "chec", "x");
	assert_refused(p, "unknown command 'chec'");
	assert_string_equal(p->e.msg[0], "did you mean 'brink check'?");
	PARSE(p, "--");
	assert_refused(p, "'--' stands before the command");
}

static void numbers_out_of_range_are_refused(void **state)
{
	struct parsed *p = *state;

	PARSE(p, "run", "--seed=999999999999999999", "x");
	assert_int_equal(p->r, 0);
	PARSE(p, "run", "--seed=9223372036854775808", "x");
	assert_refused(p, "--seed: ");
	PARSE(p, "run", "--seed=-1", "x");
	assert_refused(p, "--seed: '-1' is below 0");
	PARSE(p, "try", "net.drop", "--for=30");
	assert_refused(p, "--for: '30' is not a duration");
}

static void foreign_text_in_a_refusal_is_escaped_and_cut(void **state)
{
	struct parsed *p = *state;
	char word[400];

	PARSE(p, "run", "--\033[31m", "x");
	assert_refused(p, "\\x1b[31m");
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	PARSE(p, word);
	assert_refused(p, "unknown command 'aaaa");
	PARSE(p, "version", word);
	assert_refused(p, "'brink version' takes no argument");
}

/* The tables hold together: a flag without a verb, a bad default or a row out of order is a bug. */
static void the_tables_are_whole(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct flag *f = option_flags; f->name; f++, n++) {
		bool value = f->type != FLAG_SET && f->type != FLAG_COUNT;

		assert_non_null(f->doc);
		assert_int_not_equal(f->verbs, 0);
		assert_int_equal(value, f->arg != NULL);
		assert_int_equal(f->type == FLAG_WORD, f->words != NULL);
		assert_true(!f->letter || !value); /* letters stand together */
		for (const struct flag *g = option_flags; g < f; g++) {
			assert_string_not_equal(f->name, g->name);
			assert_true(!f->letter || f->letter != g->letter);
		}
	}
	assert_true(n <= 64); /* the bits of given */
	for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
		assert_non_null(commands[v].name);
		assert_int_equal(command_find(commands[v].name), v);
		assert_non_null(commands[v].example[0]);
		assert_true(commands[v].min_args <= commands[v].max_args);
	}
}

static void colour_follows_flag_then_environment_then_terminal(void **state)
{
	struct options o = { 0 };
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	unsetenv("NO_COLOR");
	unsetenv("CLICOLOR_FORCE");
	setenv("TERM", "xterm", 1);
	assert_false(options_color(&o, fd[1]));
	setenv("CLICOLOR_FORCE", "1", 1);
	assert_true(options_color(&o, fd[1]));
	setenv("NO_COLOR", "1", 1);
	assert_false(options_color(&o, fd[1]));
	o.color = COLOR_ALWAYS;
	assert_true(options_color(&o, fd[1]));
	unsetenv("NO_COLOR");
	o.color = COLOR_NEVER;
	assert_false(options_color(&o, fd[1]));
	o.color = COLOR_AUTO;
	setenv("CLICOLOR_FORCE", "0", 1);
	assert_false(options_color(&o, fd[1]));
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_given_means_the_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(every_flag_of_run_lands_in_its_field, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_value_stands_behind_a_space_or_an_equals_sign,
						setup, teardown),
		cmocka_unit_test_setup_teardown(repeated_flags_add_up_or_the_last_one_wins, setup,
						teardown),
		cmocka_unit_test_setup_teardown(arguments_keep_their_order_between_flags, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_stands_behind_two_dashes_is_the_command_of_try,
						setup, teardown),
		cmocka_unit_test_setup_teardown(elsewhere_two_dashes_let_a_file_begin_with_a_dash,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			common_flags_may_stand_before_the_verb_and_others_not, setup, teardown),
		cmocka_unit_test_setup_teardown(help_asks_for_no_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(a_plan_replaces_the_file_of_run, setup, teardown),
		cmocka_unit_test_setup_teardown(flags_and_verbs_are_never_abbreviated, setup,
						teardown),
		cmocka_unit_test_setup_teardown(numbers_out_of_range_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_text_in_a_refusal_is_escaped_and_cut, setup,
						teardown),
		cmocka_unit_test(the_tables_are_whole),
		cmocka_unit_test(colour_follows_flag_then_environment_then_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
