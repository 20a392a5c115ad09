/* SPDX-License-Identifier: Apache-2.0 */
/* One taken port in a network namespace of its own: who cannot be bound to it, and when it is free.
 */
#include <arpa/inet.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/change/sock_diag.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define PORT      8080
#define LOW       80
#define PORT_CAPS (UINT64_C(1) << CAP_NET_BIND_SERVICE)

struct fixture {
	struct rig r;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->r.spec.kind = CHANGE_PORT;
	f->r.spec.u.port.at = (struct port_addr){ .port = PORT, .proto = IPPROTO_TCP };
	f->r.caps = PORT_CAPS;
	assert_int_equal(netns_identify("", &f->r.spec.u.port.netns, &f->r.e), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_kill(&f->r);
	free(f);
	return 0;
}

/* A service: 0, or -errno. share: with everything that might let two share a port. */
static int serve(const char *address, uint16_t port, int type, bool share)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool v6 = inet_pton(AF_INET6, address, &a6.sin6_addr) == 1;
	int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0), on = 1, rc;

	assert_true(fd >= 0);
	if (!v6)
		assert_int_equal(inet_pton(AF_INET, address, &a4.sin_addr), 1);
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (share) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	}
	rc = v6 ? bind(fd, (struct sockaddr *)&a6, sizeof(a6)) :
		  bind(fd, (struct sockaddr *)&a4, sizeof(a4));
	if (rc == 0 && type == SOCK_STREAM)
		rc = listen(fd, 1);
	if (rc < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* Can a service start on none of these (only with `share`: neither way)? */
static bool in_use(const char *address, uint16_t port, int type)
{
	for (int share = 0; share < 2; share++) {
		int fd = serve(address, port, type, share);

		if (fd >= 0)
			close(fd);
		if (fd != -EADDRINUSE)
			return false;
	}
	return true;
}

static bool is_free(const char *address, uint16_t port, int type)
{
	int fd = serve(address, port, type, false);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void no_service_gets_it_until_quiet(void **state)
{
	struct fixture *f = *state;
	static const char *const all[] = { "127.0.0.1", "0.0.0.0", "::1", "::" };

	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_true(is_free(all[i], PORT, SOCK_STREAM)); /* armed is without effect */
	assert_int_equal(rig_ended(&f->r), 0);
	rig_must(&f->r, RIG_FIRE);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_true(in_use(all[i], PORT, SOCK_STREAM));
		assert_true(is_free(all[i], PORT, SOCK_DGRAM));
		assert_true(is_free(all[i], PORT + 1, SOCK_STREAM));
	}
	assert_int_equal(rig_ended(&f->r), 1);
	assert_non_null(strstr(f->r.left, "*:8080/tcp is held by process"));
	assert_int_equal(rig_gone(&f->r), 1);
	rig_must(&f->r, RIG_REFRESH);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 1);
	rig_must(&f->r, RIG_QUIET);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_true(is_free(all[i], PORT, SOCK_STREAM));
	assert_int_equal(rig_ended(&f->r), 0);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 1);
}

static void of_udp(void **state)
{
	struct fixture *f = *state;

	f->r.spec.u.port.at.proto = IPPROTO_UDP;
	rig_hold(&f->r);
	assert_true(in_use("127.0.0.1", PORT, SOCK_DGRAM));
	assert_true(in_use("::", PORT, SOCK_DGRAM));
	assert_true(is_free("::", PORT, SOCK_STREAM));
	assert_int_equal(rig_ended(&f->r), 1);
	rig_must(&f->r, RIG_REFRESH);
	rig_kill(&f->r);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_true(is_free("127.0.0.1", PORT, SOCK_DGRAM));
}

static void of_one_address(void **state)
{
	struct fixture *f = *state;
	struct port_addr *at = &f->r.spec.u.port.at;

	at->family = 4;
	at->port = LOW; /* below 1024 */
	memcpy(at->addr, (const uint8_t[]){ 127, 0, 0, 2 }, 4);
	rig_hold(&f->r);
	assert_true(in_use("127.0.0.2", LOW, SOCK_STREAM));
	assert_true(in_use("0.0.0.0", LOW, SOCK_STREAM));
	assert_true(is_free("127.0.0.1", LOW, SOCK_STREAM));
	assert_true(is_free("::", LOW, SOCK_STREAM));
	assert_int_equal(rig_ended(&f->r), 1);
	rig_kill(&f->r);
	at->family = 6;
	memset(at->addr, 0, sizeof(at->addr));
	at->addr[15] = 1;
	rig_hold(&f->r);
	assert_true(in_use("::1", LOW, SOCK_STREAM));
	assert_true(is_free("0.0.0.0", LOW, SOCK_STREAM));
	assert_int_equal(rig_ended(&f->r), 1);
	assert_non_null(strstr(f->r.left, "[::1]:80/tcp"));
}

static void it_goes_with_its_holder(void **state)
{
	struct fixture *f = *state;

	rig_hold(&f->r);
	assert_int_equal(rig_undo(&f->r), 0); /* undo does not take it from a living holder */
	assert_int_equal(rig_gone(&f->r), 1);
	rig_kill(&f->r);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_true(is_free("::", PORT, SOCK_STREAM));
}

/* What is there is somebody's, not brink's: neither felt nor left. */
static void a_service_that_has_it_again_is_no_leftover(void **state)
{
	struct fixture *f = *state;
	int fd;

	rig_hold(&f->r);
	rig_kill(&f->r);
	fd = serve("127.0.0.1", PORT, SOCK_STREAM, false);
	assert_true(fd >= 0);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	close(fd);
}

static void a_port_in_use_is_refused_with_the_name_of_who_has_it(void **state)
{
	struct fixture *f = *state;
	char who[64];
	int fd = serve("127.0.0.1", PORT, SOCK_STREAM, false);

	assert_true(fd >= 0);
	assert_int_equal(rig_start(&f->r), -EADDRINUSE);
	snprintf(who, sizeof(who), "by process %d (test_change_por", getpid());
	assert_true(rig_says(&f->r, who));
	close(fd);
	f->r.spec.u.port.at.proto = IPPROTO_UDP;
	fd = serve("::", PORT, SOCK_DGRAM, false);
	assert_int_equal(rig_start(&f->r), -EADDRINUSE);
	close(fd);
	fd = serve("::1", PORT, SOCK_DGRAM, false);
	f->r.spec.u.port.at.family = 4; /* they do not meet */
	assert_int_equal(rig_start(&f->r), 0);
	rig_kill(&f->r);
	close(fd);
	/* one that comes between the look and the shot */
	fd = serve("127.0.0.1", PORT, SOCK_DGRAM, false);
	f->r.spec.u.port.at.family = 4;
	memcpy(f->r.spec.u.port.at.addr, (const uint8_t[]){ 127, 0, 0, 1 }, 4);
	close(fd);
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	fd = serve("127.0.0.1", PORT, SOCK_DGRAM, false);
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -EADDRINUSE);
	assert_int_equal(rig_ended(&f->r), 0);
	close(fd);
}

/* Connections of the service that has gone keep nobody out, and not brink either. */
static void old_connections_are_not_in_the_way(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int listener = serve("127.0.0.1", PORT, SOCK_STREAM, true), from;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	from = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(from >= 0);
	close(from); /* the server's side first: TIME_WAIT on its port */
	close(fd);
	close(listener);
	rig_hold(&f->r);
	assert_int_equal(rig_ended(&f->r), 1);
}

static void an_address_of_somebody_else_fails_before_anything(void **state)
{
	struct fixture *f = *state;

	f->r.spec.u.port.at.family = 4;
	memcpy(f->r.spec.u.port.at.addr, (const uint8_t[]){ 192, 0, 2, 1 }, 4);
	assert_int_equal(rig_start(&f->r), 0);
	assert_int_equal(rig_do(&f->r, RIG_ARM), -EADDRNOTAVAIL);
	assert_true(rig_says(&f->r, "192.0.2.1:8080/tcp"));
}

static void without_the_right_it_says_which(void **state)
{
	struct fixture *f = *state;

	f->r.caps = 0;
	f->r.spec.u.port.at.port = LOW;
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -EACCES);
	assert_true(rig_says(&f->r, "CAP_NET_BIND_SERVICE"));
}

static int take_it(const struct sock_seen *s, void *arg, struct err *e)
{
	(void)e;
	*(struct sock_seen *)arg = *s;
	return 0;
}

static void one_that_somebody_ended_is_lost(void **state)
{
	struct fixture *f = *state;
	struct sock_seen seen = { 0 };
	struct nlsock s;

	rig_hold(&f->r);
	rig_must(&f->r, RIG_REFRESH);
	assert_int_equal(nlsock_open(NETLINK_SOCK_DIAG, &s, &f->r.e), 0);
	assert_int_equal(sock_list(&s, &(struct sock_query){ IPPROTO_TCP, SOCK_LISTEN, PORT },
				   take_it, &seen, &f->r.e),
			 0);
	assert_int_equal(seen.local_port, PORT);
	assert_int_equal(sock_destroy(&s, &seen, &f->r.e), 0);
	nlsock_close(&s);
	assert_int_equal(rig_do(&f->r, RIG_REFRESH), -ENOENT);
	assert_int_equal(rig_ended(&f->r), 0);
}

static void by_hand_the_printed_command_ends_it(void **state)
{
	struct fixture *f = *state;
	int status;

	rig_hold(&f->r);
	assert_int_equal(system(f->r.undo.by_hand), 0);
	assert_int_equal(waitpid(f->r.holder, &status, 0), f->r.holder);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	f->r.holder = 0;
	assert_int_equal(rig_gone(&f->r), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_service_gets_it_until_quiet),
		TEST(of_udp),
		TEST(of_one_address),
		TEST(it_goes_with_its_holder),
		TEST(a_service_that_has_it_again_is_no_leftover),
		TEST(a_port_in_use_is_refused_with_the_name_of_who_has_it),
		TEST(old_connections_are_not_in_the_way),
		TEST(an_address_of_somebody_else_fails_before_anything),
		TEST(without_the_right_it_says_which),
		TEST(one_that_somebody_ended_is_lost),
		TEST(by_hand_the_printed_command_ends_it),
	};

	return cmocka_run_group_tests(tests, rig_own_netns, NULL) != 0;
}
