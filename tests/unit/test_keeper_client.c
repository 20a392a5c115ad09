/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/keeper_client.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

struct fixture {
	struct keeper_client k;
	int theirs;
	struct err e;
};

static int setup(void **state)
{
	static struct fixture f;
	int pair[2];

	f = (struct fixture){ .k = KEEPER_CLIENT_NONE };
	if (proto_pair(pair, &f.e) < 0)
		return -1;
	f.k.sock = pair[0];
	f.theirs = pair[1];
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->k.sock);
	if (f->theirs >= 0)
		close(f->theirs);
	return 0;
}

static int order(struct fixture *f, uint64_t number)
{
	const struct kmsg m = { .type = KMSG_LIFT, .value = number };

	return keeper_client_send(&f->k, &m);
}

/* Whoever waited here would give no sign of life, and no order to abort. */
static void a_keeper_that_does_not_read_keeps_nobody_waiting_and_loses_no_order(void **state)
{
	struct fixture *f = *state;
	struct kmsg m;
	uint64_t n = 0;

	while (f->k.n_unsent < KEEPER_CLIENT_UNSENT) {
		assert_int_equal(order(f, n), 0);
		n++;
	}
	assert_int_equal(order(f, n), -ENOBUFS);
	for (uint64_t i = 0; i < n; i++) {
		keeper_client_flush(&f->k);
		assert_int_equal(proto_recv(f->theirs, &m, sizeof(m)), 1);
		assert_int_equal(m.value, i);
	}
	assert_int_equal(f->k.n_unsent, 0);
	assert_int_equal(proto_recv(f->theirs, &m, sizeof(m)), 0);
}

static void nothing_is_kept_for_one_that_is_gone(void **state)
{
	struct fixture *f = *state;

	close(f->theirs);
	f->theirs = -1;
	for (int i = 0; i < 2 * KEEPER_CLIENT_UNSENT; i++)
		assert_int_equal(order(f, 0), 0);
	assert_int_equal(f->k.n_unsent, 0);
}

static void a_signal_ends_the_wait_for_an_answer(void **state)
{
	struct fixture *f = *state;
	struct kmsg m = { .type = KMSG_ADD };
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	f->k.stop_fd = p[0];
	assert_int_equal(keeper_client_ask(&f->k, &m, INT64_MAX, NULL, NULL, &f->e), -ECANCELED);
	close(p[0]);
	close(p[1]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_keeper_that_does_not_read_keeps_nobody_waiting_and_loses_no_order),
		TEST(nothing_is_kept_for_one_that_is_gone),
		TEST(a_signal_ends_the_wait_for_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
