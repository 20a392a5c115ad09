/* SPDX-License-Identifier: Apache-2.0 */
/* A packet queue in a network namespace of its own: who has it, and when nobody has it any more. No
 * rule leads to it here. */
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define NUMBER 54321

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct queue_spec *s = &r->spec.u.queue;

	assert_non_null(r);
	r->spec.kind = CHANGE_QUEUE;
	r->caps = UINT64_C(1) << CAP_NET_ADMIN;
	*s = (struct queue_spec){ .how = { .delay_ns = NS_PER_MS, .limit = 1000, .dev = "lo" },
				  .number = NUMBER };
	assert_int_equal(netns_identify("", &s->how.netns, &r->e), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_kill(*state);
	free(*state);
	return 0;
}

/* The kernel's own list: number, port, waiting, mode, range, ... */
static bool listed(uint32_t *ret_port)
{
	char text[4096];
	unsigned number, port;

	if (io_read_file(-1, "/proc/thread-self/net/netfilter/nfnetlink_queue", text,
			 sizeof(text)) <= 0)
		return false;
	if (sscanf(text, "%u %u", &number, &port) != 2 || number != NUMBER)
		return false;
	*ret_port = port;
	return true;
}

static bool is_gone(void *arg)
{
	return rig_gone(arg) == 0;
}

static void a_queue_is_bound_while_its_holder_needs_it(void **state)
{
	struct rig *r = *state;
	uint32_t port;

	assert_int_equal(rig_start(r), 0);
	assert_int_equal(rig_gone(r), 0);
	assert_false(listed(&port));
	rig_must(r, RIG_ARM);
	assert_true(listed(&port));
	/* what the command by hand takes for its process */
	assert_int_equal(port % 4194304, r->holder);
	assert_int_equal(rig_gone(r), 1);
	assert_non_null(strstr(r->left, "54321"));
	rig_must(r, RIG_FIRE);
	rig_must(r, RIG_QUIET);
	rig_must(r, RIG_DRAIN);
	assert_int_equal(rig_gone(r), 0);
	assert_false(listed(&port));
	rig_must(r, RIG_DRAIN);
	assert_int_equal(rig_undo(r), 0);
	rig_done(r);
	assert_int_equal(rig_gone(r), 0);
}

static void a_killed_holder_leaves_none(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_start(r), 0);
	rig_must(r, RIG_ARM);
	assert_int_equal(rig_gone(r), 1);
	rig_kill(r);
	assert_true(rig_await(is_gone, r));
	assert_int_equal(rig_undo(r), 0);
}

static void one_of_others_is_left_alone(void **state)
{
	struct rig *r = *state, other = *r;

	assert_int_equal(rig_start(&other), 0);
	assert_int_equal(rig_start(r), 0); /* both free when they were looked at */
	rig_must(&other, RIG_ARM);
	assert_int_equal(rig_do(r, RIG_ARM), -EBUSY);
	assert_true(rig_says(r, "in use by another program"));
	rig_kill(r);
	assert_int_equal(rig_start(r), -EBUSY); /* and before anything is made */
	assert_true(rig_says(r, "in use by another program"));
	assert_int_equal(rig_gone(&other), 1);
	rig_kill(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_queue_is_bound_while_its_holder_needs_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_killed_holder_leaves_none, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_others_is_left_alone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, rig_own_netns, NULL);
}
