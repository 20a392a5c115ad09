/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/rights.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

static struct change_spec net(const char *path)
{
	struct change_spec c = { .kind = CHANGE_NFT_GATE };

	snprintf(c.u.gate.netns.path, sizeof(c.u.gate.netns.path), "%s", path);
	return c;
}

static bool has_call(const struct rights_sum *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		for (const struct call_rule *r = s->calls[i]; r->call; r++) {
			if (strcmp(r->call, name) == 0)
				return true;
		}
	}
	return false;
}

static void a_keeper_enters_namespaces_only_where_the_plan_names_one(void **state)
{
	struct rights_sum own = RIGHTS_KEEPER, other = RIGHTS_KEEPER;
	struct change_spec here = net(""), there = net("/run/netns/x");

	(void)state;
	rights_add_keeper(&own, &here);
	assert_int_equal(own.caps, CAP_BIT(NET_ADMIN));
	assert_false(has_call(&own, "setns"));
	rights_add_keeper(&other, &there);
	assert_int_equal(other.caps, CAP_BIT(NET_ADMIN) | CAP_BIT(SYS_ADMIN) | CAP_BIT(SYS_PTRACE) |
					     CAP_BIT(DAC_READ_SEARCH));
	assert_true(has_call(&other, "setns"));
}

static void what_several_changes_need_is_added_up_and_nothing_twice(void **state)
{
	struct change_spec pause = { .kind = CHANGE_PAUSE }, stop = { .kind = CHANGE_STOP };
	struct rights_sum s = { 0 };

	(void)state;
	rights_add_holder(&s, &pause);
	assert_int_equal(s.caps, CAP_BIT(SYS_PTRACE));
	rights_add_holder(&s, &stop);
	assert_int_equal(s.caps, CAP_BIT(SYS_PTRACE) | CAP_BIT(KILL));
	assert_int_equal(s.n, 2);
	rights_add_holder(&s, &pause);
	assert_int_equal(s.n, 2);
	assert_true(has_call(&s, "ptrace") && has_call(&s, "pidfd_send_signal"));
}

/* A kind without a row would have a holder that dies of its first call. */
static void every_kind_of_change_has_its_row(void **state)
{
	struct rights_sum any = RIGHTS_KEEPER;

	(void)state;
	for (unsigned kind = 0; kind < CHANGE_KIND_COUNT; kind++) {
		const struct change_ops *ops = change_ops_of(kind);

		if (!ops)
			continue;
		assert_non_null(ops->holder.calls);
		assert_int_equal(ops->holder.caps & ~rights_any(), 0);
		assert_int_equal(ops->undoer.caps & ~rights_any(), 0);
	}
	rights_add_all(&any);
	assert_int_equal(any.caps & (RIGHTS_GUARD | CAP_BIT(SYS_RESOURCE) | CAP_BIT(IPC_LOCK)), 0);
	assert_true(has_call(&any, "setns") && has_call(&any, "pidfd_open"));
}

static void rights_are_printed_as_capabilities_7_names_them(void **state)
{
	char buf[100];
	struct text t = text_on(buf, sizeof(buf));

	(void)state;
	rights_print(CAP_BIT(SYS_ADMIN) | CAP_BIT(KILL), &t);
	assert_string_equal(buf, "kill sys_admin");
	t = text_on(buf, sizeof(buf));
	rights_print(0, &t);
	assert_string_equal(buf, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_keeper_enters_namespaces_only_where_the_plan_names_one),
		cmocka_unit_test(what_several_changes_need_is_added_up_and_nothing_twice),
		cmocka_unit_test(every_kind_of_change_has_its_row),
		cmocka_unit_test(rights_are_printed_as_capabilities_7_names_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
