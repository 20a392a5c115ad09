/* SPDX-License-Identifier: Apache-2.0 */
/* What net.reset refuses, and what it plans. Needs no right: nothing is asked of the kernel but
 * whether it could. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "inject/change/netns.h"
#include "inject/change/sock_diag.h"
#include "inject/faults.h"
#include "tests/support/test.h"

/* link: -Wl,--wrap=sock_destroy_try */

struct fixture {
	struct arena arena;
	void *spec;
	struct target target[2];
	struct shield_flows flows;
	struct targets targets;
	struct plan_context ctx;
	struct plan plan;
	struct err e;
};

static int kernel_says; /* 0 or -errno */

int __wrap_sock_destroy_try(struct nlsock *s, struct err *e);

int __wrap_sock_destroy_try(struct nlsock *s, struct err *e)
{
	(void)s;
	return kernel_says ? err_set(e, -kernel_says, "this kernel cannot reset a connection") : 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->spec = arena_zalloc(&f->arena, net_reset_fault.fields->size);
	assert_int_equal(fields_defaults(net_reset_fault.fields, f->spec, &f->arena, &f->e), 0);
	f->target[0] = (struct target){ .name = "worker", .kind = TARGET_PROCESS };
	f->target[1] = (struct target){ .name = "db", .kind = TARGET_FLOW };
	f->targets = (struct targets){ .n = 2, .at = f->target, .flows = &f->flows };
	f->ctx = (struct plan_context){ .run_id = "01JD3W9K7Q0000000000000000",
					.targets = &f->targets,
					.lease_ms = 3000 };
	kernel_says = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	shield_flows_done(&f->flows);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static void give(struct fixture *f, const char *key, const char *value)
{
	const struct field *row = fields_find(net_reset_fault.fields, key);

	assert_non_null(row);
	assert_int_equal(field_set(net_reset_fault.fields, f->spec, row, value, &f->arena, &f->e),
			 0);
}

static int plan(struct fixture *f)
{
	int rc;

	memset(&f->plan, 0, sizeof(f->plan));
	memset(&f->e, 0, sizeof(f->e));
	rc = net_reset_fault.plan(f->spec, &f->ctx, &f->plan, &f->e);
	if (rc == 0)
		assert_int_equal(change_spec_check(&f->plan.change[0], 0, &f->e), 0);
	return rc;
}

static bool says(const struct fixture *f, const char *part)
{
	char text[1024];

	if (!strstr(err_format(&f->e, text, sizeof(text)), part))
		print_message("    \"%s\" is not in: %s\n", part, text);
	return strstr(text, part) != NULL;
}

static bool notes(const struct fixture *f, const char *part)
{
	for (unsigned i = 0; i < f->plan.n_notes; i++) {
		if (strstr(f->plan.note[i], part))
			return true;
	}
	return false;
}

static struct sock_reset_spec *planned(struct fixture *f)
{
	return &f->plan.change[0].u.reset;
}

static void once_and_it_says_that_it_is_irreversible(void **state)
{
	struct fixture *f = *state;

	give(f, "to", "192.0.2.7:5432");
	assert_int_equal(plan(f), 0);
	assert_true(f->plan.one_shot);
	assert_true(notes(f, "irreversible"));
	assert_string_equal(f->plan.summary, "connections to 192.0.2.7:5432/tcp");
	assert_int_equal(f->plan.n_changes, 1);
	assert_int_equal(f->plan.change[0].kind, CHANGE_SOCK_RESET);
	assert_int_equal(planned(f)->select.n_matches, 1);
	assert_int_equal(planned(f)->select.match[0].hook, GATE_OUTPUT);
	assert_int_equal(planned(f)->select.match[0].proto, IPPROTO_TCP);
	assert_int_equal(planned(f)->every_ns, 0);
}

static void repeated_it_holds_for_a_time(void **state)
{
	struct fixture *f = *state;

	give(f, "from", "*:8080");
	give(f, "every", "2s");
	assert_int_equal(plan(f), 0);
	assert_false(f->plan.one_shot);
	assert_int_equal(planned(f)->every_ns, 2 * NS_PER_S);
	assert_string_equal(f->plan.summary, "connections from *:8080/tcp, every 2s");
}

static void a_flow_of_targets(void **state)
{
	struct fixture *f = *state;
	static const char *to[] = { "192.0.2.9:80" };

	f->target[1].flow.to = (struct strings){ .n = 1, .at = to };
	give(f, "target", "db");
	assert_int_equal(plan(f), 0);
	assert_string_equal(f->plan.summary, "connections to 192.0.2.9:80/tcp");
	give(f, "to", "192.0.2.7");
	assert_int_equal(plan(f), -EINVAL);
	assert_true(says(f, "contradict"));
}

static void what_is_no_connection_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(plan(f), -EINVAL);
	assert_true(says(f, "every connection"));
	give(f, "to", "*");
	assert_int_equal(plan(f), -EINVAL);
	give(f, "to", "192.0.2.7:53/udp");
	assert_int_equal(plan(f), -EINVAL);
	assert_true(says(f, "only TCP"));
}

static void another_protocol_is_refused(void **state)
{
	struct fixture *f = *state;

	give(f, "to", "192.0.2.7");
	give(f, "proto", "icmp");
	assert_int_equal(plan(f), -EINVAL);
	assert_true(says(f, "only TCP"));
	give(f, "proto", "tcp");
	assert_int_equal(plan(f), 0);
	give(f, "target", "db");
	assert_int_equal(net_reset_fault.check(f->spec, &f->e), -EINVAL);
	assert_true(says(f, "contradict"));
}

static void of_a_target_that_is_none(void **state)
{
	struct fixture *f = *state;

	give(f, "target", "worker");
	assert_int_equal(plan(f), -ENOENT);
	assert_true(says(f, "no flow"));
	give(f, "target", "db"); /* it chooses nothing */
	assert_int_equal(plan(f), -EINVAL);
}

static void a_device_must_be_there(void **state)
{
	struct fixture *f = *state;

	give(f, "dev", "nodev");
	assert_int_equal(plan(f), -ENODEV);
	give(f, "dev", "lo");
	assert_int_equal(plan(f), 0);
	assert_string_equal(planned(f)->select.dev, "lo");
	assert_string_equal(f->plan.summary, "connections on lo");
}

static void a_kernel_that_cannot_is_refused_before_anything(void **state)
{
	struct fixture *f = *state;

	give(f, "to", "192.0.2.7");
	kernel_says = -EOPNOTSUPP;
	assert_int_equal(plan(f), -EOPNOTSUPP);
	assert_true(says(f, "cannot reset"));
}

static void sessions_of_the_shield_are_exempted_first(void **state)
{
	struct fixture *f = *state;
	struct shield_flow session = { .family = 4, .local_port = 22 };

	memcpy(session.local, (const uint8_t[]){ 192, 0, 2, 1 }, 4);
	memcpy(session.remote, (const uint8_t[]){ 192, 0, 2, 7 }, 4);
	assert_int_equal(shield_flows_add(&f->flows, &session), 0);
	give(f, "to", "192.0.2.7");
	assert_int_equal(plan(f), 0);
	assert_true(notes(f, "1 established session left alone"));
	assert_int_equal(planned(f)->select.n_matches, 2);
	assert_int_equal(planned(f)->select.match[0].exempt, 1);
	assert_int_equal(planned(f)->select.match[0].sport_lo, 22);
	give(f, "from", "192.0.2.8");
	assert_int_equal(plan(f), 0);
	assert_false(notes(f, "left alone"));
}

static void a_forged_message_is_out_of_bounds(void **state)
{
	struct fixture *f = *state;
	struct change_spec good, c;

	give(f, "to", "192.0.2.7");
	assert_int_equal(plan(f), 0);
	good = f->plan.change[0];
#define BAD(line)                                                           \
	do {                                                                \
		c = good;                                                   \
		line;                                                       \
		assert_int_equal(change_spec_check(&c, 0, &f->e), -EINVAL); \
	} while (0)
	BAD(c.u.reset.every_ns = -1);
	BAD(c.u.reset.select.n_matches = 0);
	BAD(c.u.reset.select.n_matches = GATE_MATCHES + 1);
	BAD(c.u.reset.select.n_prefixes = GATE_PREFIXES + 1);
	BAD(c.u.reset.select.match[0].hook = GATE_EGRESS);
	BAD(c.u.reset.select.match[0].dst_n = 2);
	BAD(c.u.reset.select.prefix[0].len = 33);
	BAD(c.u.reset.select.netns.cookie = 0);
	BAD(memset(c.u.reset.select.dev, 'x', sizeof(c.u.reset.select.dev)));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(once_and_it_says_that_it_is_irreversible),
		TEST(repeated_it_holds_for_a_time),
		TEST(a_flow_of_targets),
		TEST(what_is_no_connection_is_refused),
		TEST(another_protocol_is_refused),
		TEST(of_a_target_that_is_none),
		TEST(a_device_must_be_there),
		TEST(a_kernel_that_cannot_is_refused_before_anything),
		TEST(sessions_of_the_shield_are_exempted_first),
		TEST(a_forged_message_is_out_of_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
