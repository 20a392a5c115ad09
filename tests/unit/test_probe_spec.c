/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "safety/probe/proto.h"
#include "tests/support/test.h"

static struct check_spec check(enum check_source source)
{
	return (struct check_spec){
		.id = "c", .source = source, .every_ns = NS_PER_S, .timeout_ns = NS_PER_S
	};
}

static void http_and_tcp_become_plain_data(void **state)
{
	struct check_spec c = check(CHECK_HTTP);
	struct probe_spec p;
	struct err e = { 0 };

	(void)state;
	c.http.url = "http://localhost/";
	c.http.n_ranges = 1;
	c.http.range[0] = (struct status_range){ 200, 204 };
	c.is = (struct compare){ .given = true, .value = 0.5, .unit = UNIT_TIME };
	assert_int_equal(probe_spec_make(&c, &p, &e), 0);
	assert_int_equal(p.source, CHECK_HTTP);
	assert_string_equal(p.http.url, "http://localhost/");
	assert_string_equal(p.http.contains, "");
	assert_int_equal(p.http.range[0].hi, 204);
	assert_true(p.is.given && p.every_ns == NS_PER_S);

	c = check(CHECK_TCP);
	strcpy(c.tcp.host, "::1");
	strcpy(c.tcp.service, "5432");
	c.tcp.banner = "220";
	assert_int_equal(probe_spec_make(&c, &p, &e), 0);
	assert_string_equal(p.tcp.host, "::1");
	assert_string_equal(p.tcp.service, "5432");
	assert_string_equal(p.tcp.banner, "220");
	strcpy(c.tcp.service, "no-such-service");
	assert_int_equal(probe_spec_make(&c, &p, &e), -ENOENT);
}

static void an_argv_keeps_empty_and_odd_arguments(void **state)
{
	const char *argv[] = { "a b", "", "\n$x" };
	static const char packed[] = "a b\0\0\n$x";
	struct check_spec c = check(CHECK_COMMAND);
	struct probe_spec p;
	struct err e = { 0 };

	(void)state;
	c.command = (struct strings){ .n = 3, .at = argv };
	c.exit_code = 4;
	assert_int_equal(probe_spec_make(&c, &p, &e), 0);
	assert_int_equal(p.command.argc, 3);
	assert_int_equal(p.command.exit_code, 4);
	assert_memory_equal(p.command.argv, packed, sizeof(packed));
	c.command.n = 0;
	assert_int_equal(probe_spec_make(&c, &p, &e), -EINVAL);
}

static void what_does_not_fit_is_refused_and_not_cut(void **state)
{
	static char longest[8192 + 1], url[2048 + 1];
	const char *argv[] = { longest, "x" };
	struct check_spec c = check(CHECK_COMMAND);
	struct probe_spec p;
	struct err e = { 0 };

	(void)state;
	memset(longest, 'x', 8191);
	c.command = (struct strings){ .n = 1, .at = argv };
	assert_int_equal(probe_spec_make(&c, &p, &e), 0);
	c.command.n = 2;
	assert_int_equal(probe_spec_make(&c, &p, &e), -E2BIG);
	c = check(CHECK_HTTP);
	memset(url, 'x', 2048);
	c.http.url = url;
	assert_int_equal(probe_spec_make(&c, &p, &e), -E2BIG);
	assert_string_equal(e.msg[0], "the URL is longer than 2047 bytes");
	assert_int_equal(e.depth, 1); /* the caller knows which check it is */
	url[2047] = '\0';
	assert_int_equal(probe_spec_make(&c, &p, &e), 0);
}

static void a_process_comes_from_the_check_or_from_its_target(void **state)
{
	struct target t = { .process = { .name = "a-name-longer-than-15", .user = "root" } };
	struct check_spec c = check(CHECK_PROCESS_UP);
	struct probe_spec p;
	struct err e = { 0 };

	(void)state;
	c.process_up.process.pid = getpid();
	assert_int_equal(probe_spec_make(&c, &p, &e), 0);
	assert_true(p.process.pid == getpid() && p.process.uid == -1 && p.process.start_ticks > 0);
	c.process_up.ref = &t;
	assert_int_equal(probe_spec_make(&c, &p, &e), 0);
	assert_true(p.process.pid == 0 && p.process.uid == 0 && p.process.start_ticks == 0);
	assert_string_equal(p.process.name, "a-name-longer-t");
	t.process.user = "no-such-user-here";
	assert_int_equal(probe_spec_make(&c, &p, &e), -ENOENT);
	t.process.user = "4242";
	assert_int_equal(probe_spec_make(&c, &p, &e), 0);
	assert_int_equal(p.process.uid, 4242);
}

static void messages_cross_the_socket_whole(void **state)
{
	struct probe_msg m = { .type = PROBE_MSG_SAMPLE }, got;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	assert_int_equal(probe_msg_recv(fd[1], &got), 0);
	m.sample.seq = 7;
	strcpy(m.sample.text, "ok");
	assert_int_equal(probe_msg_send(fd[0], &m, false), 0);
	m.type = PROBE_MSG_START;
	assert_int_equal(probe_msg_send(fd[0], &m, false), 0);
	assert_int_equal(probe_msg_recv(fd[1], &got), 1);
	assert_true(got.type == PROBE_MSG_SAMPLE && got.sample.seq == 7);
	assert_string_equal(got.sample.text, "ok");
	assert_int_equal(probe_msg_recv(fd[1], &got), 1);
	assert_int_equal(got.type, PROBE_MSG_START);
	close(fd[0]);
	assert_int_equal(probe_msg_recv(fd[1], &got), -EPIPE);
	assert_int_equal(probe_msg_send(fd[1], &m, false), -EPIPE);
	close(fd[1]);
}

static void messages_of_a_wrong_size_or_without_an_end_are_safe(void **state)
{
	static struct probe_msg m, got;
	int fd[2], n = 0, r;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	m.type = 99;
	assert_int_equal(probe_msg_send(fd[0], &m, false), -EBADMSG);
	assert_int_equal(send(fd[0], &m, 8, 0), 8);
	assert_int_equal(probe_msg_recv(fd[1], &got), -EBADMSG);
	m.type = PROBE_MSG_SAMPLE;
	assert_int_equal(send(fd[0], &m, 8, 0), 8);
	assert_int_equal(probe_msg_recv(fd[1], &got), -EBADMSG);
	assert_int_equal(send(fd[0], &m, 3, 0), 3);
	assert_int_equal(probe_msg_recv(fd[1], &got), -EBADMSG);
	memset(&m, 'x', sizeof(m));
	m.type = PROBE_MSG_ERROR;
	assert_int_equal(probe_msg_send(fd[0], &m, false), 0);
	assert_int_equal(probe_msg_recv(fd[1], &got), 1);
	assert_true(got.err.depth == ERR_DEPTH && got.err.pos.file == NULL);
	assert_int_equal(strlen(got.err.msg[ERR_DEPTH - 1]), ERR_LINE - 1);
	m.type = PROBE_MSG_SAMPLE;
	while ((r = probe_msg_send(fd[0], &m, false)) == 0)
		n++;
	assert_int_equal(r, -EAGAIN); /* full: never waits unless told to */
	assert_true(n > 10);
	assert_int_equal(probe_msg_recv(fd[1], &got), 1);
	assert_int_equal(strlen(got.sample.text), PROBE_TEXT - 1);
	close(fd[0]);
	close(fd[1]);
}

static void what_a_peer_says_cannot_steer_a_terminal_or_read_as_success(void **state)
{
	static struct probe_msg m, got;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	m.type = PROBE_MSG_SAMPLE;
	strcpy(m.sample.text, "\033[2Jok");
	assert_int_equal(probe_msg_send(fd[0], &m, false), 0);
	assert_int_equal(probe_msg_recv(fd[1], &got), 1);
	assert_string_equal(got.sample.text, "\\x1b[2Jok");
	m = (struct probe_msg){ .type = PROBE_MSG_EXITED };
	strcpy(m.exited.text, "a\nb");
	assert_int_equal(probe_msg_send(fd[0], &m, false), 0);
	assert_int_equal(probe_msg_recv(fd[1], &got), 1);
	assert_string_equal(got.exited.text, "a\\x0ab");
	m = (struct probe_msg){ .type = PROBE_MSG_ERROR };
	m.err.depth = 1;
	strcpy(m.err.msg[0], "\a");
	assert_int_equal(probe_msg_send(fd[0], &m, false), 0);
	assert_int_equal(probe_msg_recv(fd[1], &got), 1);
	assert_string_equal(got.err.msg[0], "\\x07");
	assert_int_equal(got.err.code, EPROTO);
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_peer_says_cannot_steer_a_terminal_or_read_as_success),
		cmocka_unit_test(http_and_tcp_become_plain_data),
		cmocka_unit_test(an_argv_keeps_empty_and_odd_arguments),
		cmocka_unit_test(what_does_not_fit_is_refused_and_not_cut),
		cmocka_unit_test(a_process_comes_from_the_check_or_from_its_target),
		cmocka_unit_test(messages_cross_the_socket_whole),
		cmocka_unit_test(messages_of_a_wrong_size_or_without_an_end_are_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
