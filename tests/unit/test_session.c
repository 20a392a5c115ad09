/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=proc_stat_read */
#include "safety/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "inject/proc_fs.h"

static struct shield_flows flows;

static const char *const paths[] = { "/run/brink", "/var/lib/brink" };

static void find(struct shield *s, char *note, size_t size)
{
	struct text t = text_on(note, size);
	struct err e = { 0 };
	char text[1024];

	shield_flows_done(&flows);
	if (session_find(s, &flows, paths, ARRAY_LEN(paths), &t, &e))
		fail_msg("%s", err_format(&e, text, sizeof(text)));
	print_message("    (%s)\n", note);
}

static void brink_and_all_its_ancestors_are_shielded(void **state)
{
	struct shield s;
	char note[1024];
	struct proc_stat own, parent;
	const char *why = NULL;

	(void)state;
	find(&s, note, sizeof(note));
	assert_int_equal(proc_stat_of(getpid(), &own), 0);
	assert_int_equal(proc_stat_of(getppid(), &parent), 0);
	assert_true(s.n_procs >= 2);
	assert_int_equal(s.proc[0].pid, getpid());
	assert_int_equal(s.proc[1].pid, getppid());
	assert_true(shield_has_proc(&s, own.pid, own.start_ticks, &why));
	assert_string_equal(why, "brink itself");
	assert_true(shield_has_proc(&s, parent.pid, parent.start_ticks, &why));
	assert_true(shield_has_proc(&s, 1, 0, &why));
	assert_string_equal(why, "PID 1");
	assert_false(shield_has_proc(&s, own.pid, own.start_ticks + 1, &why));
}

static void the_paths_are_shielded_and_too_long_ones_refused(void **state)
{
	struct shield s;
	char note[1024], longer[400];
	const char *one[] = { longer };
	struct text t = text_on(note, sizeof(note));
	struct err e = { 0 };

	(void)state;
	find(&s, note, sizeof(note));
	assert_int_equal(s.n_paths, 2);
	assert_string_equal(s.path[1], "/var/lib/brink");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(session_find(&s, &flows, one, 1, &t, &e), -E2BIG);
}

static void an_own_connection_is_found_without_any_environment(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
	bool found = false;
	struct shield s;
	char note[1024];

	(void)state;
	clearenv();
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server >= 0);
	find(&s, note, sizeof(note));
	assert_true(flows.n >= 2); /* this process has both ends */
	for (uint32_t i = 0; i < flows.n; i++)
		found = found ||
			(flows.at[i].family == 4 && flows.at[i].local_port == ntohs(a.sin_port) &&
			 !memcmp(flows.at[i].remote, &a.sin_addr, 4));
	assert_true(found);
	close(server);
	close(client);
	close(listener);
}

static void rows_of_proc_net_tcp_are_read(void **state)
{
	static const char v4[] =
		"   1: 0100007F:0016 0200000A:D2F0 01 00000000:00000000 02:0009C6A2 00000000  1000        0 4242 4 0000000 20 4 1 10 -1";
	static const char head[] =
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
	static const uint8_t local[4] = { 127, 0, 0, 1 }, remote[4] = { 10, 0, 0, 2 };
	struct session_row row;

	(void)state;
	if (htonl(1) == 1)
		return; /* the lines are written as a little-endian machine shows them */
	assert_true(session_parse_row(v4, &row));
	assert_true(row.established);
	assert_int_equal(row.inode, 4242);
	assert_int_equal(row.flow.family, 4);
	assert_int_equal(row.flow.local_port, 22);
	assert_memory_equal(row.flow.local, local, 4);
	assert_memory_equal(row.flow.remote, remote, 4);
	assert_false(session_parse_row(head, &row));
	assert_false(session_parse_row("", &row));
	assert_false(session_parse_row("   1: 0100007F:0016 02:D2F0 01 0:0 0:0 0 0 0 1", &row));
}

static void ipv4_mapped_into_ipv6_is_ipv4(void **state)
{
	static const char mapped[] =
		"   0: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000200000A:D2F0 0A 0:0 00:0 0 0 0 7 1";
	static const char v6[] =
		"   0: B80D0120000000000000000001000000:0016 B80D0120000000000000000002000000:D2F0 01 0:0 00:0 0 0 0 7 1";
	static const uint8_t remote[4] = { 10, 0, 0, 2 }, start[4] = { 0x20, 0x01, 0x0d, 0xb8 };
	struct session_row row;

	(void)state;
	if (htonl(1) == 1)
		return;
	assert_true(session_parse_row(mapped, &row));
	assert_false(row.established); /* it listens */
	assert_int_equal(row.flow.family, 4);
	assert_memory_equal(row.flow.remote, remote, 4);
	assert_true(session_parse_row(v6, &row));
	assert_int_equal(row.flow.family, 6);
	assert_memory_equal(row.flow.remote, start, 4);
	assert_int_equal(row.flow.remote[12], 0);
	assert_int_equal(row.flow.remote[15], 2);
}

int __real_proc_stat_read(int dirfd, const char *path, struct proc_stat *ret);
int __wrap_proc_stat_read(int dirfd, const char *path, struct proc_stat *ret);
static const char *unreadable = "";
static int stat_error;

int __wrap_proc_stat_read(int dirfd, const char *path, struct proc_stat *ret)
{
	return strcmp(path, unreadable) == 0 ? stat_error : __real_proc_stat_read(dirfd, path, ret);
}

static unsigned unseen_in(const char *note)
{
	const char *at = strstr(note, "the sockets of ");
	unsigned n = 0;

	if (at)
		sscanf(at, "the sockets of %u", &n);
	return n;
}

static void a_process_that_cannot_be_told_from_a_login_is_counted(void **state)
{
	struct shield s;
	char note[1024], path[32];
	unsigned before;

	(void)state;
	find(&s, note, sizeof(note));
	before = unseen_in(note);
	snprintf(path, sizeof(path), "%d/stat", getpid());
	unreadable = path;
	stat_error = -EMFILE;
	find(&s, note, sizeof(note));
	assert_int_equal(unseen_in(note), before + 1); /* once */
	stat_error = -ESRCH;
	find(&s, note, sizeof(note));
	assert_int_equal(unseen_in(note), before);
	unreadable = "";
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(brink_and_all_its_ancestors_are_shielded),
		cmocka_unit_test(the_paths_are_shielded_and_too_long_ones_refused),
		cmocka_unit_test(an_own_connection_is_found_without_any_environment),
		cmocka_unit_test(a_process_that_cannot_be_told_from_a_login_is_counted),
		cmocka_unit_test(rows_of_proc_net_tcp_are_read),
		cmocka_unit_test(ipv4_mapped_into_ipv6_is_ipv4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
