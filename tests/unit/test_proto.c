/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=recv */
#include "safety/proto.h"

#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/support/test.h"

ssize_t __real_recv(int fd, void *buf, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags);

static unsigned empty_for; /* so many calls find nothing, whatever poll(2) has said */

ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
	if (!empty_for)
		return __real_recv(fd, buf, n, flags);
	empty_for--;
	errno = EAGAIN;
	return -1;
}

struct packet {
	int number;
	char rest[60];
};

static void the_last_words_of_a_peer_that_never_read_ours_arrive(void **state)
{
	struct packet ours = { .number = 1 }, theirs = { .number = 2 }, got = { 0 };
	struct err e;
	int fd[2];

	(void)state;
	assert_int_equal(proto_pair(fd, &e), 0);
	assert_int_equal(proto_send(fd[0], &ours, sizeof(ours), true), 0);
	assert_int_equal(proto_send(fd[1], &theirs, sizeof(theirs), true), 0);
	close(fd[1]); /* with a packet unread: ECONNRESET comes before theirs */
	assert_int_equal(proto_recv(fd[0], &got, sizeof(got)), 1);
	assert_int_equal(got.number, 2);
	assert_int_equal(proto_recv(fd[0], &got, sizeof(got)), -EPIPE);
	assert_int_equal(proto_send(fd[0], &ours, sizeof(ours), true), -EPIPE);
	close(fd[0]);
}

static void nothing_there_is_no_end(void **state)
{
	struct packet got;
	struct err e;
	int fd[2];

	(void)state;
	assert_int_equal(proto_pair(fd, &e), 0);
	assert_int_equal(proto_recv(fd[0], &got, sizeof(got)), 0);
	close(fd[0]);
	close(fd[1]);
}

static void a_packet_of_another_size_is_refused(void **state)
{
	struct packet ours = { .number = 1 }, got;
	struct err e;
	int fd[2];

	(void)state;
	assert_int_equal(proto_pair(fd, &e), 0);
	assert_int_equal(proto_send(fd[1], &ours, sizeof(ours) - 1, true), 0);
	assert_int_equal(proto_recv(fd[0], &got, sizeof(got)), -EBADMSG);
	close(fd[0]);
	close(fd[1]);
}

static void a_full_peer_is_not_waited_for_unless_asked(void **state)
{
	struct packet ours = { .number = 1 };
	struct err e;
	int fd[2], rc;

	(void)state;
	assert_int_equal(proto_pair(fd, &e), 0);
	for (unsigned n = 0; (rc = proto_send(fd[0], &ours, sizeof(ours), false)) == 0; n++)
		assert_true(n < 1000000);
	assert_int_equal(rc, -EAGAIN);
	close(fd[0]);
	close(fd[1]);
}

static void waiting_ends_with_the_peer(void **state)
{
	struct packet ours = { .number = 7 }, got = { 0 };
	struct err e;
	int fd[2];

	(void)state;
	assert_int_equal(proto_pair(fd, &e), 0);
	assert_int_equal(proto_send(fd[1], &ours, sizeof(ours), true), 0);
	assert_int_equal(proto_await(fd[0], &got, sizeof(got), clock_mono_ns()), 1);
	assert_int_equal(proto_await(fd[0], &got, sizeof(got), clock_mono_ns()), 0);
	assert_int_equal(proto_send(fd[1], &ours, sizeof(ours), true), 0);
	empty_for = 3;
	assert_int_equal(proto_await(fd[0], &got, sizeof(got), INT64_MAX), 1);
	assert_int_equal(got.number, 7);
	close(fd[1]);
	assert_int_equal(proto_await(fd[0], &got, sizeof(got), INT64_MAX), -EPIPE);
	close(fd[0]);
}

static void waiting_ends_when_what_is_said_to_be_there_never_is(void **state)
{
	struct packet got;
	struct err e;
	int fd[2];

	(void)state;
	assert_int_equal(proto_pair(fd, &e), 0);
	close(fd[1]); /* readable from now on */
	empty_for = UINT_MAX;
	assert_int_equal(proto_await(fd[0], &got, sizeof(got), INT64_MAX), -EAGAIN);
	/* poll(2) says so after the deadline, too */
	assert_int_equal(proto_await(fd[0], &got, sizeof(got), 0), -EAGAIN);
	empty_for = 0;
	close(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_words_of_a_peer_that_never_read_ours_arrive),
		cmocka_unit_test(nothing_there_is_no_end),
		cmocka_unit_test(a_packet_of_another_size_is_refused),
		cmocka_unit_test(a_full_peer_is_not_waited_for_unless_asked),
		cmocka_unit_test(waiting_ends_with_the_peer),
		cmocka_unit_test(waiting_ends_when_what_is_said_to_be_there_never_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
