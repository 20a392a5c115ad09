/* SPDX-License-Identifier: Apache-2.0 */
/* One sock_reset in a network namespace of its own: which connections end, and which live on. */
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/change/sock_diag.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define PORT     7001
#define OTHER    7002
#define EVERY_NS (200 * NS_PER_MS)
#define MANY     400

/* A connection: the end that connected, the end that accepted. */
struct pair {
	int to, from;
};

struct fixture {
	struct rig r;
	int listener[2]; /* on PORT and OTHER, of both families */
};

static int own_namespace(void **state)
{
	return rig_own_netns(state) == 0 && system("ip addr add 10.9.0.1/32 dev lo && "
						   "ip addr add fd09::1/128 dev lo") == 0 ?
		       0 :
		       -1;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 2 * MANY), 0);
	return fd;
}

static int connect_to(const char *address, uint16_t port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool v6 = inet_pton(AF_INET6, address, &a6.sin6_addr) == 1;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (!v6)
		assert_int_equal(inet_pton(AF_INET, address, &a4.sin_addr), 1);
	assert_int_equal(v6 ? connect(fd, (struct sockaddr *)&a6, sizeof(a6)) :
			      connect(fd, (struct sockaddr *)&a4, sizeof(a4)),
			 0);
	return fd;
}

static struct pair pair_of(struct fixture *f, const char *address, uint16_t port)
{
	struct pair p = { .to = connect_to(address, port) };

	p.from = accept4(f->listener[port == OTHER], NULL, NULL, SOCK_CLOEXEC);
	assert_true(p.from >= 0);
	return p;
}

/* Ended with this error; 0 = it lives. */
static int error_of(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return 0;
	return n < 0 ? errno : -1;
}

static bool lives(struct pair p)
{
	return error_of(p.to) == 0 && error_of(p.from) == 0;
}

/* The end whose socket was ended, and the one that got a RST. */
static bool was_reset(int ended, int other)
{
	return error_of(ended) == ECONNABORTED && error_of(other) == ECONNRESET;
}

static void end_pair(struct pair p)
{
	close(p.to);
	close(p.from);
}

static struct net_prefix prefix(const char *address, uint8_t len)
{
	struct net_prefix p = { .len = len };

	p.family = inet_pton(AF_INET6, address, p.addr) == 1 ? 6 : 4;
	if (p.family == 4)
		assert_int_equal(inet_pton(AF_INET, address, p.addr), 1);
	return p;
}

static struct net_match *add_match(struct fixture *f, uint8_t hook)
{
	struct net_match *m = &f->r.spec.u.reset.select.match[f->r.spec.u.reset.select.n_matches++];

	*m = (struct net_match){ .hook = hook, .proto = IPPROTO_TCP };
	return m;
}

/* The destination of the match: an address list of one, and a port. */
static void aim(struct fixture *f, struct net_match *m, const char *address, uint8_t len,
		uint16_t port)
{
	struct nft_gate_spec *g = &f->r.spec.u.reset.select;

	if (address) {
		m->dst_first = g->n_prefixes;
		m->dst_n = 1;
		g->prefix[g->n_prefixes++] = prefix(address, len);
	}
	m->dport_lo = m->dport_hi = port;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->r.spec.kind = CHANGE_SOCK_RESET;
	f->r.caps = change_ops_of(CHANGE_SOCK_RESET)->holder.caps;
	assert_int_equal(netns_identify("", &f->r.spec.u.reset.select.netns, &f->r.e), 0);
	f->listener[0] = listen_on(PORT);
	f->listener[1] = listen_on(OTHER);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_kill(&f->r);
	close(f->listener[0]);
	close(f->listener[1]);
	free(f);
	return 0;
}

static uint64_t effect(struct fixture *f)
{
	rig_must(&f->r, RIG_EFFECT);
	return f->r.value;
}

static void only_chosen_connections_of_both_families_end(void **state)
{
	struct fixture *f = *state;
	struct pair v4 = pair_of(f, "127.0.0.1", PORT), v4_other = pair_of(f, "127.0.0.1", OTHER),
		    v4_beside = pair_of(f, "10.9.0.1", PORT), v6 = pair_of(f, "::1", PORT),
		    v6_beside = pair_of(f, "fd09::1", PORT);

	aim(f, add_match(f, GATE_OUTPUT), "127.0.0.0", 8, PORT);
	aim(f, add_match(f, GATE_OUTPUT), "::1", 128, PORT);
	rig_hold(&f->r);
	assert_int_equal(effect(f), 2);
	assert_true(was_reset(v4.to, v4.from)); /* the end that has the destination as its peer */
	assert_true(was_reset(v6.to, v6.from));
	assert_true(lives(v4_other));
	assert_true(lives(v4_beside));
	assert_true(lives(v6_beside));
	end_pair(v4);
	end_pair(v6);
	end_pair(v4_other);
	end_pair(v4_beside);
	end_pair(v6_beside);
	v4 = pair_of(f, "127.0.0.1", PORT); /* the listening sockets stand as before */
	rig_must(&f->r, RIG_REFRESH);
	assert_true(lives(v4)); /* once is once */
	end_pair(v4);
}

/* A server of IPv6 has its IPv4 connections as ::ffff:a.b.c.d: they are IPv4. */
static void incoming_ones_end_at_the_server_mapped_ones_too(void **state)
{
	struct fixture *f = *state;
	struct pair v4 = pair_of(f, "10.9.0.1", PORT), v6 = pair_of(f, "fd09::1", PORT),
		    other = pair_of(f, "10.9.0.1", OTHER);

	aim(f, add_match(f, GATE_INPUT), "10.9.0.0", 24, PORT);
	rig_hold(&f->r);
	assert_int_equal(effect(f), 1);
	assert_true(was_reset(v4.from, v4.to));
	assert_true(lives(v6));
	assert_true(lives(other));
	end_pair(v4);
	end_pair(v6);
	end_pair(other);
}

static void both_ends_and_port_ranges_count(void **state)
{
	struct fixture *f = *state;
	struct pair p = pair_of(f, "127.0.0.1", PORT), q = pair_of(f, "127.0.0.1", PORT);
	struct sockaddr_in own = { 0 };
	socklen_t len = sizeof(own);
	struct net_match *m = add_match(f, GATE_OUTPUT);

	assert_int_equal(getsockname(p.to, (struct sockaddr *)&own, &len), 0);
	m->sport_lo = m->sport_hi = ntohs(own.sin_port);
	m->dport_lo = PORT - 1;
	m->dport_hi = PORT + 1;
	rig_hold(&f->r);
	assert_int_equal(effect(f), 1);
	assert_true(was_reset(p.to, p.from));
	assert_true(lives(q));
	end_pair(p);
	end_pair(q);
}

/* Half-closed by its own end: still somebody's connection. */
static void half_closed_ones_end_too(void **state)
{
	struct fixture *f = *state;
	struct pair p = pair_of(f, "127.0.0.1", PORT);
	struct pollfd in = { .fd = p.from, .events = POLLRDHUP };

	assert_int_equal(shutdown(p.to, SHUT_WR), 0);
	assert_int_equal(poll(&in, 1, 5000), 1);
	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	rig_hold(&f->r);
	assert_int_equal(effect(f), 1);
	assert_int_equal(error_of(p.to), ECONNABORTED);
	end_pair(p);
}

/* Closed by its process, not yet by the other end: nobody's any more. */
static void one_that_no_process_holds_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct pair p = pair_of(f, "127.0.0.1", PORT);
	struct pollfd in = { .fd = p.from, .events = POLLRDHUP };

	close(p.to);
	assert_int_equal(poll(&in, 1, 5000), 1);
	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	rig_hold(&f->r);
	assert_int_equal(effect(f), 0);
	assert_int_equal(send(p.from, "x", 1, MSG_NOSIGNAL), 1);
	close(p.from);
}

static void an_exemption_goes_before_every_match(void **state)
{
	struct fixture *f = *state;
	struct pair p = pair_of(f, "127.0.0.1", PORT), q = pair_of(f, "::1", PORT);

	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	add_match(f, GATE_OUTPUT)->exempt = 1;
	aim(f, &f->r.spec.u.reset.select.match[1], "127.0.0.1", 32, PORT);
	rig_hold(&f->r);
	assert_int_equal(effect(f), 1);
	assert_true(lives(p));
	assert_true(was_reset(q.to, q.from));
	end_pair(p);
	end_pair(q);
}

static void sockets_of_shielded_processes_are_left_alone(void **state)
{
	struct fixture *f = *state;
	struct pair p = pair_of(f, "127.0.0.1", PORT);

	f->r.shield.n_procs = 1;
	f->r.shield.proc[0] = (struct shield_proc){ .pid = getpid(),
						    .role = SHIELD_SESSION,
						    .start_ticks = rig_start_ticks(getpid()) };
	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	rig_hold(&f->r);
	assert_int_equal(effect(f), 0);
	assert_true(lives(p));
	rig_kill(&f->r);
	/* that number, but an earlier process: it shields nobody */
	f->r.shield.proc[0].start_ticks--;
	rig_hold(&f->r);
	assert_int_equal(effect(f), 1);
	assert_true(was_reset(p.to, p.from));
	end_pair(p);
}

/* A process of somebody else that holds the end of a connection, and tells when it has it. */
static pid_t holder_of_an_end(uid_t uid, int told[2])
{
	pid_t pid;

	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		close(told[1]); /* its death is an end of file */
		return pid;
	}
	/* without DUMPABLE /proc would call it root's: proc_pid(5) */
	if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(1);
	connect_to("127.0.0.1", PORT);
	if (write(told[1], "", 1) == 1)
		pause();
	_exit(1);
}

/* The operator's session is the operator's, not root's; so are the sockets of brink's probes. */
static void sockets_of_shielded_processes_of_others_too(void **state)
{
	struct fixture *f = *state;
	int told[2], from;
	pid_t pid = holder_of_an_end(65534, told);
	char c;

	assert_int_equal(read(told[0], &c, 1), 1);
	from = accept4(f->listener[0], NULL, NULL, SOCK_CLOEXEC);
	assert_true(from >= 0);
	f->r.shield.n_procs = 1;
	f->r.shield.proc[0] = (struct shield_proc){ .pid = pid,
						    .role = SHIELD_SESSION,
						    .start_ticks = rig_start_ticks(pid) };
	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	rig_hold(&f->r);
	assert_int_equal(effect(f), 0);
	assert_int_equal(error_of(from), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(from);
	close(told[0]);
}

/* Whoever cannot be looked at may be one of them: then nothing is ended. */
static void with_too_few_descriptors_shielded_sockets_live_on(void **state)
{
	struct fixture *f = *state;
	struct pair p = pair_of(f, "127.0.0.1", PORT);
	struct rlimit few = { 0, 64 };
	unsigned refused = 0;
	int rc = -1;

	f->r.shield.n_procs = 1;
	f->r.shield.proc[0] = (struct shield_proc){ .pid = getpid(),
						    .role = SHIELD_SESSION,
						    .start_ticks = rig_start_ticks(getpid()) };
	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	for (few.rlim_cur = 3; rc < 0 && few.rlim_cur < 64; few.rlim_cur++) {
		assert_int_equal(rig_start(&f->r), 0);
		rig_must(&f->r, RIG_ARM);
		assert_int_equal(prlimit(f->r.holder, RLIMIT_NOFILE, &few, NULL), 0);
		rc = rig_do(&f->r, RIG_FIRE);
		assert_true(lives(p));
		assert_true(rc == 0 || rc == -EMFILE);
		refused += rc == -EMFILE && rig_says(&f->r, "sockets of the shield");
		rig_kill(&f->r);
	}
	assert_int_equal(rc, 0);
	assert_true(refused > 0);
	end_pair(p);
}

static void a_device_is_where_its_packets_go(void **state)
{
	struct fixture *f = *state;
	struct pair p = pair_of(f, "10.9.0.1", PORT);

	assert_int_equal(system("ip link add va type veth peer name vb && ip link set va up && "
				"ip addr add 10.9.0.1/32 dev va"),
			 0);
	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	snprintf(f->r.spec.u.reset.select.dev, IFNAMSIZ, "va");
	rig_hold(&f->r);
	assert_int_equal(effect(f), 0); /* its address is that device's, but it goes over lo */
	assert_true(lives(p));
	rig_kill(&f->r);
	snprintf(f->r.spec.u.reset.select.dev, IFNAMSIZ, "lo");
	rig_hold(&f->r);
	assert_int_equal(effect(f), 1);
	end_pair(p);
	rig_kill(&f->r);
	snprintf(f->r.spec.u.reset.select.dev, IFNAMSIZ, "nodev");
	assert_int_equal(rig_start(&f->r), 0);
	assert_int_equal(rig_do(&f->r, RIG_ARM), -ENODEV);
	assert_int_equal(system("ip link del va"), 0);
}

/* Looking at an error takes it away: what counts is how often it was done. */
static bool reset_by_a_beat(struct fixture *f, uint64_t times)
{
	const struct timespec beat = { 0, 20 * NS_PER_MS };
	int64_t deadline = clock_mono_ns() + RIG_WAIT_NS;

	while (effect(f) < times && clock_mono_ns() < deadline) {
		rig_must(&f->r, RIG_REFRESH);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &beat, NULL);
	}
	return f->r.value == times;
}

static void repeated_until_quiet(void **state)
{
	struct fixture *f = *state;
	struct pair p;
	int64_t began;

	f->r.spec.u.reset.every_ns = EVERY_NS;
	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	rig_hold(&f->r);
	began = clock_mono_ns();
	assert_int_equal(effect(f), 0); /* nobody there yet: no error */
	for (unsigned i = 0; i < 3; i++) {
		p = pair_of(f, "127.0.0.1", PORT);
		assert_true(reset_by_a_beat(f, i + 1));
		assert_true(was_reset(p.to, p.from));
		end_pair(p);
	}
	assert_true(clock_mono_ns() - began >= 3 * EVERY_NS - EVERY_NS / 2);
	rig_must(&f->r, RIG_QUIET);
	p = pair_of(f, "127.0.0.1", PORT);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 0, EVERY_NS + NS_PER_MS }, NULL);
	rig_must(&f->r, RIG_REFRESH);
	assert_true(lives(p));
	assert_int_equal(effect(f), 3); /* it stays said */
	end_pair(p);
}

static void many_at_once_in_short_steps(void **state)
{
	struct fixture *f = *state;
	static struct pair p[MANY];

	for (unsigned i = 0; i < MANY; i++)
		p[i] = pair_of(f, "127.0.0.1", PORT);
	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	rig_hold(&f->r);
	assert_int_equal(effect(f), MANY);
	assert_true(f->r.step_ns < RIG_STEP_NS);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(was_reset(p[i].to, p[i].from));
		end_pair(p[i]);
	}
}

static int keep_one(const struct sock_seen *s, void *arg, struct err *e)
{
	(void)e;
	if (s->remote_port == PORT)
		*(struct sock_seen *)arg = *s;
	return 0;
}

/* From a port of one's choice, so that the next one can have the same ends. */
static int connect_from(uint16_t port)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) },
			   to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	own.sin_addr.s_addr = to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void a_later_connection_with_the_same_ends_is_another_one(void **state)
{
	struct fixture *f = *state;
	const struct linger now = { 1, 0 };
	struct sock_seen seen = { 0 };
	struct nlsock s;
	int fd = connect_from(7900), from;

	assert_int_equal(nlsock_open(NETLINK_SOCK_DIAG, &s, &f->r.e), 0);
	assert_int_equal(sock_list(&s, &(struct sock_query){ IPPROTO_TCP, SOCK_ESTABLISHED, 7900 },
				   keep_one, &seen, &f->r.e),
			 0);
	assert_int_equal(seen.local_port, 7900);
	from = accept4(f->listener[0], NULL, NULL, SOCK_CLOEXEC);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* RST, no TIME_WAIT */
	close(fd);
	close(from);
	assert_int_equal(sock_destroy(&s, &seen, &f->r.e), -ENOENT);
	fd = connect_from(7900);
	assert_int_equal(sock_destroy(&s, &seen, &f->r.e), -ENOENT);
	assert_int_equal(error_of(fd), 0);
	assert_int_equal(sock_list(&s, &(struct sock_query){ IPPROTO_TCP, SOCK_ESTABLISHED, 7900 },
				   keep_one, &seen, &f->r.e),
			 0);
	assert_int_equal(sock_destroy(&s, &seen, &f->r.e), 0);
	assert_int_equal(error_of(fd), ECONNABORTED);
	nlsock_close(&s);
	close(fd);
}

static void without_the_right_it_says_which(void **state)
{
	struct fixture *f = *state;
	struct pair p = pair_of(f, "127.0.0.1", PORT);

	f->r.caps = 0;
	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	assert_int_equal(rig_start(&f->r), 0);
	assert_int_equal(rig_do(&f->r, RIG_ARM), -EACCES);
	assert_true(rig_says(&f->r, "CAP_NET_ADMIN"));
	assert_true(lives(p));
	end_pair(p);
}

static void nothing_is_left_to_take_back(void **state)
{
	struct fixture *f = *state;

	aim(f, add_match(f, GATE_OUTPUT), NULL, 0, PORT);
	rig_hold(&f->r);
	rig_kill(&f->r);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_chosen_connections_of_both_families_end),
		TEST(incoming_ones_end_at_the_server_mapped_ones_too),
		TEST(both_ends_and_port_ranges_count),
		TEST(half_closed_ones_end_too),
		TEST(one_that_no_process_holds_is_left_alone),
		TEST(an_exemption_goes_before_every_match),
		TEST(sockets_of_shielded_processes_are_left_alone),
		TEST(sockets_of_shielded_processes_of_others_too),
		TEST(with_too_few_descriptors_shielded_sockets_live_on),
		TEST(a_device_is_where_its_packets_go),
		TEST(repeated_until_quiet),
		TEST(many_at_once_in_short_steps),
		TEST(a_later_connection_with_the_same_ends_is_another_one),
		TEST(without_the_right_it_says_which),
		TEST(nothing_is_left_to_take_back),
	};

	return cmocka_run_group_tests(tests, own_namespace, NULL) != 0;
}
