/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=proto_recv,--wrap=control_serve,--wrap=clock_nanosleep */
/* A keeper whose calls fail and would be made again at once: it has real-time priority, and must
 * not keep the CPU from everybody. */
#include "safety/keeper.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "safety/control.h"
#include "tests/support/test.h"

int __wrap_proto_recv(int fd, void *ret_msg, size_t size);
int __wrap_control_serve(int fd, uint32_t starter_uid, uint32_t gid, char *why, size_t size);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *left);

static struct {
	int recv_code, serve_code;
	unsigned recvs, serves, naps;
} calls;

int __wrap_proto_recv(int fd, void *ret_msg, size_t size)
{
	char c;

	(void)ret_msg;
	(void)size;
	calls.recvs++;
	if (calls.recv_code)
		return calls.recv_code;
	return recv(fd, &c, sizeof(c), MSG_DONTWAIT) == 0 ? -EPIPE : 0;
}

int __wrap_control_serve(int fd, uint32_t starter_uid, uint32_t gid, char *why, size_t size)
{
	(void)fd;
	(void)starter_uid;
	(void)gid;
	(void)why;
	(void)size;
	calls.serves++;
	return calls.serve_code;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *left)
{
	(void)clock;
	(void)flags;
	(void)left;
	assert_true(t->tv_nsec >= NS_PER_MS);
	calls.naps++;
	return 0;
}

struct fixture {
	struct keeper k;
	struct pulse pulse;
	int runner, caller;
};

static int setup(void **state)
{
	static struct fixture f;
	int s[2], c[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, c), 0);
	f = (struct fixture){ .k = KEEPER_NONE, .runner = s[1], .caller = c[1] };
	f.k.sock = s[0];
	f.k.control = c[0];
	f.k.pulse = &f.pulse;
	f.k.deadline_boot_ns = INT64_MAX;
	calls.recv_code = calls.serve_code = 0;
	calls.recvs = calls.serves = calls.naps = 0;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->k.control);
	close(f->runner);
	close(f->caller);
	return 0;
}

/* The next word of this type to the runner. */
static struct kmsg told(struct fixture *f, enum kmsg_type type)
{
	struct kmsg m = { 0 };

	do
		assert_int_equal(recv(f->runner, &m, sizeof(m), MSG_DONTWAIT), KMSG_ANSWER_SIZE);
	while (m.type != type);
	return m;
}

static void a_runner_that_cannot_be_heard(struct fixture *f)
{
	calls.recv_code = -ENOMEM;
	assert_int_equal(send(f->runner, "x", 1, 0), 1);
	assert_int_equal(keeper_live(&f->k), 0);
	assert_in_range(calls.recvs, 2, 20); /* not at the first error, and not for ever */
	assert_int_equal(calls.naps, calls.recvs - 1);
	assert_string_equal(told(f, KMSG_HALT).u.text, "the runner cannot be heard");
	told(f, KMSG_CLEAN);
}

static void a_runner_that_cannot_be_heard_is_told_so_and_the_run_ends(void **state)
{
	struct fixture *f = *state;

	a_runner_that_cannot_be_heard(f);
	assert_string_equal(f->k.journal.head.why, "the runner cannot be heard");
}

static void also_when_all_is_lifted_already(void **state)
{
	struct fixture *f = *state;

	f->k.lifting_all = true;
	a_runner_that_cannot_be_heard(f);
}

static void who_cannot_be_let_in_does_not_keep_it_busy(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(send(f->caller, "x", 1, 0), 1); /* somebody is at the door */
	calls.serve_code = -EMFILE;
	for (int i = 0; i < 10; i++)
		keeper_listen(&f->k, INT64_MAX);
	assert_int_equal(calls.serves, 10);
	assert_int_equal(calls.naps, 10);
	calls.serve_code = 0;
	keeper_listen(&f->k, INT64_MAX);
	assert_int_equal(calls.naps, 10);
	assert_false(f->k.lifting_all);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_runner_that_cannot_be_heard_is_told_so_and_the_run_ends),
		TEST(also_when_all_is_lifted_already),
		TEST(who_cannot_be_let_in_does_not_keep_it_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
