/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/subst.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/lang.h"
#include "tests/support/test.h"

/* link: tests/fakes/fake_faults.c */
#include "tests/fakes/fake_faults.h"

#define REST                    \
	"brink: 1\n"            \
	"steady_state:\n"       \
	"  - http: http://h/\n" \
	"faults:\n"             \
	"  - proc.kill: {pid: 7}\n"

static int setup(void **state)
{
	int r = lang_setup(state);

	((struct lang *)*state)->o.faults = fake_faults;
	return r;
}

/* The name of an experiment whose other parts are right. */
static const char *name_of(struct lang *l, const char *text)
{
	char all[2000];

	snprintf(all, sizeof(all), "%s%s", text, REST);
	if (lang_load(l, all) != 0) {
		fprintf(stderr, "%s", l->said);
		return NULL;
	}
	return l->x.name;
}

static void variables_are_replaced_wherever_they_stand(void **state)
{
	struct lang *l = *state;

	assert_string_equal(name_of(l, "vars: {a: x, b-2: 'y z'}\nname: ${a}\n"), "x");
	assert_string_equal(name_of(l, "vars: {a: x, b-2: 'y z'}\nname: \"<${a}|${b-2}|${a}>\"\n"),
			    "<x|y z|x>");
}

static void dollar_signs_without_a_brace_are_plain(void **state)
{
	struct lang *l = *state;

	assert_string_equal(name_of(l, "name: $HOME costs 5$\n"), "$HOME costs 5$");
	assert_string_equal(name_of(l, "name: a$$b $${x}\n"), "a$b ${x}");
	assert_string_equal(name_of(l, "vars: {a: x}\nname: $$${a}\n"), "$x");
}

static void substitution_is_done_once(void **state)
{
	static const char *const vars[] = { "a=${b}" };
	struct lang *l = *state;

	l->o.vars = vars;
	l->o.n_vars = 1;
	assert_string_equal(name_of(l, "vars: {a: x}\nname: ${a}\n"), "${b}");
}

static void a_variable_inside_vars_is_a_mistake(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l, "vars: {a: x, b: \"${a}\"}\nname: ${b}\n" REST), -EBADMSG);
	assert_true(lang_has(l, MSG_VAR_NESTED, 1, 17));
}

static void run_id_and_host_name_always_exist(void **state)
{
	struct lang *l = *state;

	l->o.run_id = "01JD3W9K7Q";
	l->o.host_name = "web1";
	assert_string_equal(name_of(l, "name: ${run.id} on ${host.name}\n"), "01JD3W9K7Q on web1");
}

static void unknown_variables_are_pointed_at(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l, "vars: {base: x}\nname: \"ab ${bsae} ${base}\"\n" REST),
			 -EBADMSG);
	assert_true(lang_has(l, MSG_UNKNOWN_VAR, 2, 11));
	assert_string_equal(l->d.at[0].caret, "did you mean 'base'?");
	assert_int_equal(lang_load(l, "name: \"a ${x\"\n" REST), -EBADMSG);
	assert_true(lang_has(l, MSG_VAR_SYNTAX, 1, 10));
	assert_int_equal(lang_load(l, "name: \"a ${}\"\n" REST), -EBADMSG);
	assert_true(lang_has(l, MSG_VAR_SYNTAX, 1, 10));
}

static void var_wins_over_file_over_environment_over_default(void **state)
{
	static const char *const vars[] = { "a=first", "a=cli=x" }, *const files[] = { "vars" };
	static const char text[] = "vars: {a: {default: d, env: BRINK_TEST_A}}\nname: ${a}\n";
	struct lang *l = *state;

	assert_string_equal(name_of(l, text), "d");
	setenv("BRINK_TEST_A", "from env", 1);
	assert_string_equal(name_of(l, text), "from env");
	lang_write("vars", "# comment\n\na=from file\r\n", 24);
	l->o.var_files = files;
	l->o.n_var_files = 1;
	assert_string_equal(name_of(l, text), "from file");
	l->o.vars = vars;
	l->o.n_vars = 2;
	assert_string_equal(name_of(l, text), "cli=x");
	unsetenv("BRINK_TEST_A");
}

static void a_variable_without_value_names_the_ways_to_give_one(void **state)
{
	struct lang *l = *state;

	assert_int_equal(
		lang_load(l, "vars:\n  a: {required: true, env: BRINK_NOT_SET}\nname: ${a}\n" REST),
		-EBADMSG);
	assert_true(lang_has(l, MSG_VAR_MISSING, 2, 3));
	assert_string_equal(l->d.at[0].caret, "give it with --var a=…");
	assert_string_equal(l->d.at[0].note[0],
			    "help: or set the environment variable BRINK_NOT_SET");
	assert_int_equal(l->d.errors, 1);
}

static void one_of_binds_every_source(void **state)
{
	static const char *const vars[] = { "e=prod" };
	static const char text[] =
		"vars: {e: {default: staging, one_of: [staging, production]}}\nname: ${e}\n" REST;
	struct lang *l = *state;

	assert_int_equal(lang_load(l, text), 0);
	l->o.vars = vars;
	l->o.n_vars = 1;
	assert_int_equal(lang_load(l, text), -EBADMSG);
	assert_true(lang_has(l, MSG_VAR_CHOICE, 1, 8));
	assert_string_equal(l->d.at[0].text, "variable 'e' cannot be 'prod'");
	assert_string_equal(l->d.at[0].caret, "one of: staging, production");
}

static void a_misspelt_var_on_the_command_line_is_no_file_mistake(void **state)
{
	static const char *const unknown[] = { "bsae=1" }, *const broken[] = { "base" },
				 *const files[] = { "vars" };
	static const char text[] = "vars: {base: x}\nname: ${base}\n" REST;
	struct lang *l = *state;
	char buf[400];

	l->o.vars = unknown;
	l->o.n_vars = 1;
	assert_int_equal(lang_load(l, text), -EINVAL);
	assert_string_equal(err_format(&l->e, buf, sizeof(buf)),
			    "--var 'bsae': the experiment declares no such variable under vars");
	l->o.vars = broken;
	assert_int_equal(lang_load(l, text), -EINVAL);
	assert_string_equal(err_format(&l->e, buf, sizeof(buf)),
			    "--var 'base': write --var name=value");
	l->o.n_vars = 0;
	l->o.var_files = files;
	l->o.n_var_files = 1;
	assert_int_equal(lang_load(l, text), -ENOENT);
	lang_write("vars", "base=1\nnonsense\n", 16);
	assert_int_equal(lang_load(l, text), -EINVAL);
	assert_string_equal(err_format(&l->e, buf, sizeof(buf)), "'vars' line 2: write name=value");
}

static void an_unused_variable_is_a_warning(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l, "vars: {a: x}\nname: b\n" REST), 0);
	assert_true(lang_has(l, MSG_UNUSED_VAR, 1, 8));
	assert_int_equal(l->d.warnings, 1);
}

static void growth_is_bounded_over_the_whole_file(void **state)
{
	struct lang *l = *state;
	size_t size = 900 * 1024, used = 0;
	char *text = malloc(size);

	assert_non_null(text);
	used += (size_t)snprintf(text, size, "vars: {a: %04000d}\nname: x\nx-list: 1\n%s", 1, REST);
	used += (size_t)snprintf(text + used, size - used, "limits: {deny: {paths: [");
	while (used + 20 < size)
		used += (size_t)snprintf(text + used, size - used, "\"${a}\",");
	snprintf(text + used, size - used, "]}}\n");
	assert_int_equal(lang_load(l, text), -EBADMSG);
	free(text);
	assert_int_equal(l->d.at[0].code, MSG_VAR_GROWTH);
	assert_int_equal(l->d.n, DIAG_MAX);
	assert_non_null(strstr(l->said, " more\n"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, lang_teardown)
	const struct CMUnitTest tests[] = {
		T(variables_are_replaced_wherever_they_stand),
		T(dollar_signs_without_a_brace_are_plain),
		T(substitution_is_done_once),
		T(a_variable_inside_vars_is_a_mistake),
		T(run_id_and_host_name_always_exist),
		T(unknown_variables_are_pointed_at),
		T(var_wins_over_file_over_environment_over_default),
		T(a_variable_without_value_names_the_ways_to_give_one),
		T(one_of_binds_every_source),
		T(a_misspelt_var_on_the_command_line_is_no_file_mistake),
		T(an_unused_variable_is_a_warning),
		T(growth_is_bounded_over_the_whole_file),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
