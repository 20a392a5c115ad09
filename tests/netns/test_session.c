/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/proc_fs.h"

#define PORT   2222
#define FLOWS  64
#define NOBODY 65534

/* What the finder at the end of the chain of processes has found. */
struct answer {
	int32_t owner;
	struct shield shield;
	uint32_t n_flows; /* the first of them */
	struct shield_flow flow[3 * FLOWS];
	char note[1024];
};

struct fixture {
	int client, server;
	char remote[INET6_ADDRSTRLEN];
	unsigned client_port;
	uint16_t port;
	pid_t login; /* a process that keeps the server's end under some name */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->client = f->server = -1;
	f->port = PORT;
	*state = f;
	if (unshare(CLONE_NEWNET))
		return -1;
	return system("ip link set lo up");
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->login) {
		kill(f->login, SIGKILL);
		waitpid(f->login, NULL, 0);
	}
	close(f->client);
	close(f->server);
	free(f);
	return 0;
}

/* An established connection inside this namespace: the server listens on family, the client comes
 * from address. */
static void make_connection(struct fixture *f, int family, const char *address)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(f->port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(f->port) }, to4 = any4;
	struct sockaddr_in6 to6 = any6;
	bool by6 = strchr(address, ':');
	int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in from = { 0 };
	socklen_t len = sizeof(from);

	assert_true(listener >= 0);
	if (family == AF_INET6)
		assert_int_equal(bind(listener, (struct sockaddr *)&any6, sizeof(any6)), 0);
	else
		assert_int_equal(bind(listener, (struct sockaddr *)&any4, sizeof(any4)), 0);
	assert_int_equal(listen(listener, 1), 0);
	f->client = socket(by6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->client >= 0);
	inet_pton(by6 ? AF_INET6 : AF_INET, address,
		  by6 ? (void *)&to6.sin6_addr : (void *)&to4.sin_addr);
	assert_int_equal(connect(f->client, by6 ? (void *)&to6 : (void *)&to4,
				 by6 ? sizeof(to6) : sizeof(to4)),
			 0);
	assert_int_equal(getsockname(f->client, (struct sockaddr *)&from, &len), 0);
	f->client_port = ntohs(from.sin_port);
	f->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(f->server >= 0);
	close(listener);
	snprintf(f->remote, sizeof(f->remote), "%s", address);
}

static void find_and_report(int fd, int32_t owner)
{
	static struct answer a;
	struct shield_flows flows;
	struct text t = text_on(a.note, sizeof(a.note));
	struct err e = { 0 };

	a.owner = owner;
	if (session_find(&a.shield, &flows, NULL, 0, &t, &e))
		_exit(1);
	a.n_flows = flows.n;
	for (uint32_t i = 0; i < flows.n && i < ARRAY_LEN(a.flow); i++)
		a.flow[i] = flows.at[i];
	shield_flows_done(&flows);
	_exit(io_write_full(fd, &a, sizeof(a)) != 0);
}

/* Who owns what: the operator's shell has the server's end, or nobody above brink has. */
enum shape { SHELL_OWNS, NOBODY_OWNS };

/* shell -> finder, without environment, both in this namespace. */
static void ask(struct fixture *f, enum shape shape, uid_t uid, const char *hint,
		struct answer *ret)
{
	int report[2];
	pid_t pid;
	int status;

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pid_t owner = getpid(), finder;

		close(f->client);
		if (shape == NOBODY_OWNS)
			close(f->server);
		clearenv();
		if (hint)
			setenv("SSH_CONNECTION", hint, 1);
		finder = fork();
		if (finder == 0) {
			close(f->server);
			if (uid && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
				    setresuid(uid, uid, uid)))
				_exit(1);
			find_and_report(report[1], owner);
		}
		_exit(finder < 0 || waitpid(finder, &status, 0) != finder || status);
	}
	close(report[1]);
	assert_int_equal(io_read_full(report[0], ret, sizeof(*ret)), sizeof(*ret));
	close(report[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	print_message("    (%s)\n", ret->note);
}

/* A process of that name which has the server's end and is no ancestor of anybody. */
static void start_login(struct fixture *f, const char *name)
{
	int ready[2];
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	f->login = fork();
	assert_true(f->login >= 0);
	if (f->login == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		close(f->client);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_true(io_wait(ready[0], POLLIN, clock_mono_ns() + 10 * NS_PER_S) > 0);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(f->server); /* the login alone has it now */
	f->server = -1;
}

static unsigned count_on(const struct answer *a, const char *remote, uint16_t port)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < a->n_flows; i++) {
		const struct shield_flow *flow = &a->flow[i];
		char text[INET6_ADDRSTRLEN];

		inet_ntop(flow->family == 4 ? AF_INET : AF_INET6, flow->remote, text, sizeof(text));
		n += flow->local_port == port && !strcmp(text, remote);
	}
	return n;
}

static unsigned count_flows(const struct answer *a, const char *remote)
{
	return count_on(a, remote, PORT);
}

static uint32_t role_of(const struct answer *a, int32_t pid)
{
	for (uint32_t i = 0; i < a->shield.n_procs; i++)
		if (a->shield.proc[i].pid == pid)
			return a->shield.proc[i].role;
	return UINT32_MAX;
}

static void the_connection_of_an_ancestor_is_the_operators(void **state)
{
	static const struct {
		int family;
		const char *address;
	} cases[] = { { AF_INET, "127.0.0.1" }, { AF_INET6, "127.0.0.1" }, { AF_INET6, "::1" } };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct answer a;

		assert_int_equal(unshare(CLONE_NEWNET), 0);
		assert_int_equal(system("ip link set lo up"), 0);
		make_connection(f, cases[i].family, cases[i].address);
		ask(f, SHELL_OWNS, 0, NULL, &a);
		assert_int_equal(count_flows(&a, cases[i].address), 1);
		/* and the other end: this test is an ancestor too, and has a connection of its own
		 */
		assert_int_equal(a.n_flows, 2);
		assert_int_equal(role_of(&a, a.owner), SHIELD_ANCESTOR);
		assert_int_equal(role_of(&a, getpid()), SHIELD_ANCESTOR);
		close(f->client);
		close(f->server);
		f->client = f->server = -1;
	}
}

static void a_login_that_is_no_ancestor_is_shielded_with_its_process(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	make_connection(f, AF_INET, "127.0.0.1");
	start_login(f, "sshd-session");
	ask(f, NOBODY_OWNS, 0, NULL, &a);
	assert_int_equal(count_flows(&a, "127.0.0.1"), 1);
	assert_int_equal(role_of(&a, f->login), SHIELD_SESSION);
}

static void the_connection_of_any_other_process_is_not_shielded(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	make_connection(f, AF_INET, "127.0.0.1");
	start_login(f, "sshd-not-really");
	ask(f, NOBODY_OWNS, 0, NULL, &a);
	assert_int_equal(count_flows(&a, "127.0.0.1"), 0);
	assert_int_equal(role_of(&a, f->login), UINT32_MAX);
}

static void a_login_in_another_namespace_is_found_there(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	make_connection(f, AF_INET, "127.0.0.1");
	start_login(f, "sshd");
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	ask(f, NOBODY_OWNS, 0, NULL, &a);
	assert_int_equal(count_flows(&a, "127.0.0.1"), 1);
	assert_int_equal(role_of(&a, f->login), SHIELD_SESSION);
}

static void sockets_that_cannot_be_read_are_said(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	char expected[64];

	make_connection(f, AF_INET, "127.0.0.1");
	start_login(f, "sshd");
	ask(f, NOBODY_OWNS, NOBODY, NULL, &a);
	assert_int_equal(count_flows(&a, "127.0.0.1"), 0);
	assert_non_null(strstr(a.note, "cannot be read"));
	assert_non_null(strstr(a.note, "no network session"));
	snprintf(expected, sizeof(expected), "(%d)", a.owner);
	assert_non_null(strstr(a.note, expected));
}

static void a_connection_on_the_port_of_ssh_whose_owner_is_out_of_sight_is_a_session(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	f->port = 22;
	make_connection(f, AF_INET, "127.0.0.1");
	start_login(f, "gitea"); /* in sight, and no login */
	ask(f, NOBODY_OWNS, 0, NULL, &a);
	assert_int_equal(count_on(&a, "127.0.0.1", 22), 0);
	ask(f, NOBODY_OWNS, NOBODY, NULL, &a); /* who it is cannot be seen */
	assert_int_equal(count_on(&a, "127.0.0.1", 22), 1);
}

/* The server's ends of connections from 127.0.1.1, 127.0.1.2, ... The clients stay open, unowned by
 * any login. */
static void make_connections(struct fixture *f, int *ret_client, int *ret_server, unsigned n)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(f->port) }, from = to;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(listener, 1), 0);
	from.sin_port = 0;
	for (unsigned i = 0; i < n; i++) {
		from.sin_addr.s_addr = htonl(0x7f000101 + i);
		ret_client[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(ret_client[i], (struct sockaddr *)&from, sizeof(from)), 0);
		assert_int_equal(connect(ret_client[i], (struct sockaddr *)&to, sizeof(to)), 0);
		ret_server[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		assert_true(ret_server[i] >= 0);
	}
	close(listener);
}

static void none_of_many_sessions_is_left_out(void **state)
{
	struct fixture *f = *state;
	int client[FLOWS], server[FLOWS];
	struct answer a;

	make_connections(f, client, server, FLOWS);
	start_login(f, "sshd"); /* which inherits all of them */
	for (unsigned i = 0; i < FLOWS; i++)
		close(server[i]);
	ask(f, NOBODY_OWNS, 0, NULL, &a);
	assert_true(a.n_flows <= ARRAY_LEN(a.flow));
	for (unsigned i = 0; i < FLOWS; i++) {
		char address[32];

		snprintf(address, sizeof(address), "127.0.1.%u", i + 1);
		assert_int_equal(count_flows(&a, address), 1);
		close(client[i]);
	}
}

/* sshd has two of them for each session, and either's end is the session's. */
static void every_process_of_a_session_is_shielded(void **state)
{
	struct fixture *f = *state;
	pid_t login[SHIELD_PROCS];
	struct answer a;
	const char *why;

	make_connection(f, AF_INET, "127.0.0.1");
	for (unsigned i = 0; i < SHIELD_PROCS; i++) {
		int keep = dup(f->server);

		start_login(f, "sshd");
		login[i] = f->login;
		f->server = keep;
		if (i != 1)
			continue;
		ask(f, NOBODY_OWNS, 0, NULL, &a);
		assert_int_equal(role_of(&a, login[0]), SHIELD_SESSION);
		assert_int_equal(role_of(&a, login[1]), SHIELD_SESSION);
		assert_false(a.shield.all_logins);
	}
	ask(f, NOBODY_OWNS, 0, NULL, &a);
	assert_true(a.shield.n_procs <= SHIELD_PROCS - SHIELD_LATER);
	for (unsigned i = 0; i < SHIELD_PROCS; i++) {
		struct proc_stat stat;

		assert_int_equal(proc_stat_of(login[i], &stat), 0);
		assert_true(shield_has_proc(&a.shield, login[i], stat.start_ticks, &why));
		assert_string_equal(why, "a login session");
		kill(login[i], SIGKILL);
		waitpid(login[i], NULL, 0);
	}
	f->login = 0;
}

static void the_hint_of_ssh_counts_only_for_a_connection_that_is_there(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	char hint[128];

	make_connection(f, AF_INET, "127.0.0.1");
	snprintf(hint, sizeof(hint), "127.0.0.1 %u 127.0.0.1 %d", f->client_port, PORT);
	ask(f, SHELL_OWNS, NOBODY, hint, &a);
	assert_int_equal(count_flows(&a, "127.0.0.1"), 1);
	ask(f, SHELL_OWNS, NOBODY, "10.1.2.3 4 127.0.0.1 2222", &a);
	assert_int_equal(a.n_flows, 0);
	ask(f, SHELL_OWNS, NOBODY, "nonsense", &a);
	assert_int_equal(a.n_flows, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_connection_of_an_ancestor_is_the_operators),
		TEST(a_login_that_is_no_ancestor_is_shielded_with_its_process),
		TEST(the_connection_of_any_other_process_is_not_shielded),
		TEST(a_login_in_another_namespace_is_found_there),
		TEST(sockets_that_cannot_be_read_are_said),
		TEST(a_connection_on_the_port_of_ssh_whose_owner_is_out_of_sight_is_a_session),
		TEST(none_of_many_sessions_is_left_out),
		TEST(every_process_of_a_session_is_shielded),
		TEST(the_hint_of_ssh_counts_only_for_a_connection_that_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
