/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/proto.h"

#include <string.h>

#include "tests/support/test.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_words_of_a_peer_that_never_read_ours_arrive),
		cmocka_unit_test(nothing_there_is_no_end),
		cmocka_unit_test(a_packet_of_another_size_is_refused),
		cmocka_unit_test(a_full_peer_is_not_waited_for_unless_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
