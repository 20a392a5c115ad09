/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "inject/fault.h"
#include "tests/support/lang.h"
#include "tests/support/test.h"

static const struct {
	const char *place, *value;
} world[] = {
	{ "{netns}", "somewhere" },    { "{addr}", "192.0.2.7" }, { "{port}", "7002" },
	{ "{pid}", "4242" },           { "{dir}", "/somewhere" }, { "{dev}", "va" },
	{ "{cgroup}", "/some/where" },
};

/* "to={addr}:{port} x=y" as "to: "192.0.2.7:7002", x: "y"" */
static void fill_in(const char *trial, char *ret, size_t size)
{
	struct text t = text_on(ret, size);

	for (const char *at = trial; *at;) {
		size_t n = 0, i = 0;

		while (i < ARRAY_LEN(world) &&
		       strncmp(at, world[i].place, strlen(world[i].place)) != 0)
			i++;
		if (i < ARRAY_LEN(world)) {
			text_add(&t, "%s", world[i].value);
			n = strlen(world[i].place);
		} else if (*at == '=' || *at == ' ') {
			text_add(&t, *at == '=' ? ": \"" : "\", ");
			n = 1;
		} else {
			text_add(&t, "%c", *at);
			n = 1;
		}
		at += n;
	}
	text_add(&t, "\"");
}

static void every_fault_says_how_it_is_tried(void **state)
{
	(void)state;
	for (size_t i = 0; fault_registry[i]; i++) {
		if (!fault_registry[i]->trials || !fault_registry[i]->trials[0])
			fail_msg("%s has no trials: the lanes of tests/crash would leave it out",
				 fault_registry[i]->name);
	}
}

static void every_trial_binds_and_checks(void **state)
{
	struct lang *l = *state;

	for (size_t i = 0; fault_registry[i]; i++) {
		const struct fault_ops *f = fault_registry[i];

		for (size_t k = 0; f->trials && f->trials[k]; k++) {
			char params[300], text[500];
			struct err e;

			fill_in(f->trials[k], params, sizeof(params));
			assert_null(strpbrk(params, "{}")); /* a place that no world has */
			snprintf(text, sizeof(text),
				 "brink: 1\nname: x\nsteady_state:\n  - tcp: 192.0.2.7:1\n"
				 "faults:\n  - %s: {%s}\n%s",
				 f->name, params, f->one_shot ? "" : "    for: 1s\n");
			if (lang_load(l, text) != 0)
				fail_msg("%s\n%s", text, l->said);
			assert_ptr_equal(l->x.faults[0].ops, f);
			if (f->check && f->check(l->x.faults[0].spec, &e) < 0)
				fail_msg("%s: %s", text, e.msg[0]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_says_how_it_is_tried),
		cmocka_unit_test_setup_teardown(every_trial_binds_and_checks, lang_setup,
						lang_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
