/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"

static struct fingerprint before, after;

static void take(struct fingerprint *fp, const char *scope)
{
	struct err e = { 0 };
	char text[1024];

	fp->n = 0;
	fp->unseen = 0;
	if (fingerprint_take(fp, scope, &e))
		fail_msg("%s", err_format(&e, text, sizeof(text)));
	assert_true(fp->n > 100);
	assert_int_equal(fp->unseen, 0);
}

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* Differences as lines "+name", "-name", "~name". */
struct lines {
	unsigned n;
	char at[32][72];
};

static void add_line(void *arg, enum fp_change what, const struct fp_entry *entry)
{
	struct lines *l = arg;

	if (l->n < ARRAY_LEN(l->at))
		snprintf(l->at[l->n], sizeof(l->at[0]), "%c%s%s", "+-~"[what], entry -> name,
			 entry -> ours ? " *" : "");
	l->n++;
}

static void print_lines(const struct lines *l)
{
	for (unsigned i = 0; i < l->n && i < ARRAY_LEN(l->at); i++)
		print_message("    %s\n", l->at[i]);
}

/* The differences to `before`, in a namespace that the sysctls of the machine do not disturb. */
static struct lines differences(void)
{
	struct lines l = { 0 };

	take(&after, "ns");
	fingerprint_diff(&before, &after, add_line, &l);
	print_lines(&l);
	return l;
}

static bool has(const struct lines *l, const char *line)
{
	for (unsigned i = 0; i < l->n && i < ARRAY_LEN(l->at); i++)
		if (!strcmp(l->at[i], line))
			return true;
	return false;
}

/* Each test has a namespace of its own. Addresses and routes of IPv6 settle by themselves for some
 * seconds after a link is made: without it they do not. */
static int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET))
		return -1;
	return system(
		"echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 && ip link set lo up && "
		"ip link add d0 type veth peer name d1 && ip link set d0 up && "
		"ip link set d1 up && ip addr add 10.9.0.1/24 dev d0");
}

/*
 * Does it, sees exactly these lines, undoes it, sees none. Lines end with NULL.
 */
static void exactly(const char *doing, const char *undoing, const char *const *lines)
{
	struct lines l;
	unsigned n = 0;

	take(&before, "ns");
	run(doing);
	l = differences();
	for (; lines[n]; n++)
		if (!has(&l, lines[n]))
			fail_msg("no line '%s'", lines[n]);
	assert_int_equal(l.n, n);
	run(undoing);
	l = differences();
	assert_int_equal(l.n, 0);
}

#define EXACTLY(doing, undoing, ...) \
	exactly(doing, undoing, (const char *const[]){ __VA_ARGS__, NULL })

static void a_qdisc_is_named(void **state)
{
	(void)state;
	EXACTLY("tc qdisc add dev d0 root tbf rate 1mbit burst 10k latency 50ms",
		"tc qdisc del dev d0 root", "-ns: qdisc noqueue dev d0 root",
		"+ns: qdisc tbf dev d0 root", "+ns: class tbf dev d0 8000:1");
}

static void a_changed_qdisc_is_named(void **state)
{
	(void)state;
	run("tc qdisc add dev d0 root handle 1: tbf rate 1mbit burst 10k latency 50ms");
	EXACTLY("tc qdisc change dev d0 root handle 1: tbf rate 2mbit burst 10k latency 50ms",
		"tc qdisc change dev d0 root handle 1: tbf rate 1mbit burst 10k latency 50ms",
		"~ns: qdisc tbf dev d0 root");
	/* the same settings, made anew, under a handle that the kernel numbers: no difference */
	run("tc qdisc del dev d0 root && tc qdisc add dev d0 root tbf rate 1mbit burst 10k latency 50ms");
	EXACTLY("tc qdisc del dev d0 root && "
		"tc qdisc add dev d0 root tbf rate 1mbit burst 10k latency 50ms && ip link set d1 txqueuelen 77",
		"ip link set d1 txqueuelen 1000", "~ns: link d1");
}

static void classes_and_their_filters_are_named(void **state)
{
	(void)state;
	run("tc qdisc add dev d0 root handle 1: htb default 1");
	EXACTLY("tc class add dev d0 parent 1: classid 1:1 htb rate 1mbit",
		"tc class del dev d0 classid 1:1", "+ns: class htb dev d0 1:1");
	run("tc class add dev d0 parent 1: classid 1:1 htb rate 1mbit");
	EXACTLY("tc class change dev d0 parent 1: classid 1:1 htb rate 2mbit",
		"tc class change dev d0 parent 1: classid 1:1 htb rate 1mbit",
		"~ns: class htb dev d0 1:1");
	EXACTLY("tc filter add dev d0 parent 1: protocol ip pref 7 u32 match u32 0 0 classid 1:1",
		"tc filter del dev d0 parent 1: pref 7", "+ns: filter u32 dev d0 1:0 pref 7",
		"+ns: filter u32 dev d0 1:0 pref 7", "+ns: filter u32 dev d0 1:0 pref 7");
	EXACTLY("tc filter add dev d0 parent 1:1 protocol ip pref 8 u32 match u32 0 0 classid 1:1",
		"tc filter del dev d0 parent 1:1 pref 8", "+ns: filter u32 dev d0 1:1 pref 8",
		"+ns: filter u32 dev d0 1:1 pref 8", "+ns: filter u32 dev d0 1:1 pref 8");
}

/* u32 shows itself, its table and its key as three objects. It is in every kernel that the lanes
 * use. */
static void a_filter_of_each_direction_is_named(void **state)
{
	(void)state;
	run("tc qdisc add dev d0 clsact");
	EXACTLY("tc filter add dev d0 egress pref 3 protocol ip u32 match u32 0 0 flowid 1:1",
		"tc filter del dev d0 egress pref 3", "+ns: filter u32 dev d0 egress pref 3",
		"+ns: filter u32 dev d0 egress pref 3", "+ns: filter u32 dev d0 egress pref 3");
	EXACTLY("tc filter add dev d0 ingress pref 3 protocol ip u32 match u32 0 0 flowid 1:1",
		"tc filter del dev d0 ingress pref 3", "+ns: filter u32 dev d0 ingress pref 3",
		"+ns: filter u32 dev d0 ingress pref 3", "+ns: filter u32 dev d0 ingress pref 3");
	run("tc filter add dev d0 egress pref 3 protocol ip u32 match u32 0 0 "
	    "action mirred egress mirror dev d1");
	EXACTLY("tc filter change dev d0 egress pref 3 protocol ip handle 800::800 "
		"u32 match u32 0 0 action mirred egress mirror dev lo",
		"tc filter change dev d0 egress pref 3 protocol ip handle 800::800 "
		"u32 match u32 0 0 action mirred egress mirror dev d1",
		"~ns: filter u32 dev d0 egress pref 3");
}

static void traffic_alone_makes_no_difference(void **state)
{
	struct lines l;

	(void)state;
	run("tc qdisc add dev d0 root handle 1: htb default 9 && "
	    "tc class add dev d0 parent 1: classid 1:1 htb rate 100mbit && "
	    "tc qdisc add dev d0 clsact && "
	    "tc filter add dev d0 egress pref 3 protocol ip u32 match u32 0 0 "
	    "action mirred egress mirror dev lo && "
	    "nft 'table inet t { counter c { } ; quota q { 10 mbytes ; } ; "
	    "set s { type ipv4_addr; flags dynamic,timeout; timeout 1h; } ; "
	    "chain c { type filter hook output priority 0; counter; quota 9 mbytes; counter name c; "
	    "limit rate 5/second; add @s { ip daddr } ; } ; }' && "
	    "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev d0 nud permanent");
	take(&before, "ns");
	run("ping -c 3 -i 0.01 -W 0.1 10.9.0.2 >/dev/null; true");
	run("ping -c 3 -i 0.01 -W 0.1 10.9.0.9 >/dev/null; true");         /* a dynamic neighbour */
	run("tc qdisc show dev d0 | grep -q 'direct_packets_stat [1-9]'"); /* packets did pass */
	run("nft list counters | grep -q 'packets [1-9]'");
	l = differences();
	assert_int_equal(l.n, 0);
}

static void an_nft_table_is_named_with_all_it_holds(void **state)
{
	(void)state;
	EXACTLY("nft add table inet t", "nft delete table inet t", "+ns: nft table inet t");
	EXACTLY("nft 'table inet brink_x { set s { type ipv4_addr; elements = { 10.0.0.1 } ; } ; "
		"chain c { type filter hook input priority 0; ip saddr @s drop ; } ; }'",
		"nft delete table inet brink_x", "+ns: nft table inet brink_x *",
		"+ns: nft chain inet brink_x c *", "+ns: nft rule inet brink_x c *",
		"+ns: nft order of rules inet brink_x c *", "+ns: nft set inet brink_x s *",
		"+ns: nft elements inet brink_x s *");
}

static void rules_and_elements_inside_a_table_are_named(void **state)
{
	(void)state;
	run("nft 'table ip t { set s { type ipv4_addr; elements = { 10.0.0.1 } ; } ; chain c { accept ; } ; }'");
	EXACTLY("nft add element ip t s '{ 10.0.0.2 }'", "nft delete element ip t s '{ 10.0.0.2 }'",
		"~ns: nft elements ip t s");
	EXACTLY("nft add rule ip t c drop", "nft flush chain ip t c && nft add rule ip t c accept",
		"+ns: nft rule ip t c", "~ns: nft order of rules ip t c");
	run("nft add rule ip t c drop");
	EXACTLY("nft flush chain ip t c && nft add rule ip t c drop && nft add rule ip t c accept",
		"nft flush chain ip t c && nft add rule ip t c accept && nft add rule ip t c drop",
		"~ns: nft order of rules ip t c");
}

static void an_address_is_named_with_its_routes(void **state)
{
	(void)state;
	EXACTLY("ip addr add 10.8.0.1/32 dev d0", "ip addr del 10.8.0.1/32 dev d0",
		"+ns: address 10.8.0.1/32 dev d0", "+ns: route 10.8.0.1/32 dev d0 table 255");
}

static void a_route_a_rule_and_a_neighbour_are_named(void **state)
{
	(void)state;
	EXACTLY("ip route add 10.7.0.0/16 dev d0 table 77",
		"ip route del 10.7.0.0/16 dev d0 table 77",
		"+ns: route 10.7.0.0/16 dev d0 table 77");
	EXACTLY("ip rule add pref 100 fwmark 1 lookup 77", "ip rule del pref 100",
		"+ns: rule 100 family 2");
	EXACTLY("ip neigh add 10.9.0.7 lladdr 02:00:00:00:00:01 dev d0 nud permanent",
		"ip neigh del 10.9.0.7 dev d0", "+ns: neighbour 10.9.0.7 dev d0");
	EXACTLY("ip route add 10.7.0.0/16 nexthop dev d0 nexthop dev d1",
		"ip route del 10.7.0.0/16", "+ns: route 10.7.0.0/16 dev - table 254");
}

/* The kernel adds the local route of an IPv6 address a moment after the address. */
#define UNTIL_LOCAL(address)                                                          \
	" && timeout 10 sh -c 'until ip -6 route show table local | grep -q " address \
	"; do :; done'"

static void ipv6_objects_are_named(void **state)
{
	(void)state;
	run("echo 0 >/proc/sys/net/ipv6/conf/d0/disable_ipv6 && ip -6 addr flush dev d0 && "
	    "ip -6 addr add fd01::1/64 dev d0 nodad" UNTIL_LOCAL("fd01::1"));
	EXACTLY("ip -6 route add fd02::/64 dev d0", "ip -6 route del fd02::/64 dev d0",
		"+ns: route fd02::/64 dev d0 table 254");
	EXACTLY("ip -6 neigh add fd01::7 lladdr 02:00:00:00:00:01 dev d0 nud permanent",
		"ip -6 neigh del fd01::7 dev d0", "+ns: neighbour fd01::7 dev d0");
	EXACTLY("ip -6 addr add fd03::1/128 dev d0 nodad" UNTIL_LOCAL("fd03::1"),
		"ip -6 addr del fd03::1/128 dev d0", "+ns: address fd03::1/128 dev d0",
		"+ns: route fd03::1/128 dev d0 table 254",
		"+ns: route fd03::1/128 dev d0 table 255");
}

static void a_sysctl_is_named(void **state)
{
	(void)state;
	EXACTLY("echo 2 >/proc/sys/net/ipv4/conf/d0/rp_filter",
		"echo 0 >/proc/sys/net/ipv4/conf/d0/rp_filter",
		"~ns: sysctl net/ipv4/conf/d0/rp_filter");
}

static void a_link_is_named(void **state)
{
	struct lines l;

	(void)state;
	EXACTLY("ip link set d1 txqueuelen 77", "ip link set d1 txqueuelen 1000", "~ns: link d1");
	take(&before, "ns");
	run("ip link add brink0 type ifb");
	l = differences();
	assert_true(has(&l, "+ns: link brink0 *"));
	for (unsigned i = 0; i < l.n && i < ARRAY_LEN(l.at); i++)
		assert_int_equal(l.at[i][strlen(l.at[i]) - 1], '*');
	run("ip link del brink0");
	l = differences();
	assert_int_equal(l.n, 0);
}

static void a_quiet_namespace_shows_no_difference(void **state)
{
	(void)state;
	take(&before, "ns");
	for (int i = 0; i < 20; i++)
		assert_int_equal(differences().n, 0);
}

static void a_lost_carrier_is_no_difference(void **state)
{
	struct lines l;

	(void)state;
	take(&before, "ns");
	run("ip link set d1 down"); /* d0 loses its carrier */
	l = differences();
	assert_true(has(&l, "~ns: link d1"));
	assert_false(has(&l, "~ns: link d0"));
	run("ip link set d1 up");
	l = differences();
	assert_int_equal(l.n, 0);
}

static void several_namespaces_fit_into_one_fingerprint(void **state)
{
	struct err e = { 0 };
	uint32_t n;

	(void)state;
	take(&before, "a");
	n = before.n;
	assert_int_equal(fingerprint_take(&before, "b", &e), 0);
	assert_in_range(before.n, 2 * n - 5, 2 * n + 5);
	take(&after, "a");
	assert_int_equal(fingerprint_take(&after, "b", &e), 0);
	assert_int_equal(fingerprint_diff(&before, &after, NULL, NULL), 0);
}

/* A dump that the kernel marks as interrupted is taken again from its start: nothing is listed
 * twice. */
static void changes_during_the_dump_do_not_double_anything(void **state)
{
	unsigned found, whole = 0;
	pid_t pid;

	(void)state;
	run("for i in $(seq 250); do echo \"addr add 10.8.1.$i/32 dev d0\"; done | ip -batch -");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves it behind */
		setpgid(0, 0);
		execl("/bin/sh", "sh", "-c",
		      "while :; do ip addr add 10.8.2.1/32 dev d1; ip addr del 10.8.2.1/32 dev d1; done",
		      (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 200; i++) {
		struct err e = { 0 };
		int r;

		after.n = 0;
		r = fingerprint_take(&after, "ns", &e);
		if (r == -EAGAIN) /* so busy that no dump was whole: said, not guessed */
			continue;
		assert_int_equal(r, 0);
		whole++;
		found = 0;
		for (uint32_t k = 0; k < after.n; k++)
			found += !strcmp(after.entry[k].name, "ns: address 10.8.1.1/32 dev d0");
		assert_int_equal(found, 1);
	}
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(whole > 0);
}

static void more_objects_than_fit_are_an_error(void **state)
{
	struct err e = { 0 };

	(void)state;
	after.n = FINGERPRINT_ENTRIES - 10;
	assert_int_equal(fingerprint_take(&after, "ns", &e), -E2BIG);
	assert_non_null(strstr(e.msg[0], "truncated"));
}

static void without_the_right_the_ruleset_is_unseen_not_empty(void **state)
{
	struct err e = { 0 };

	(void)state;
	after.n = 0;
	after.unseen = 0;
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(fingerprint_take(&after, "ns", &e), 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(after.unseen, FP_NO_NFT_RIGHT);
	take(&before, "ns");
	assert_true(fingerprint_diff(&before, &after, NULL, NULL) > 0);
}

static void the_whole_of_it_is_quick(void **state)
{
	int64_t start = clock_mono_ns();

	(void)state;
	take(&after, "");
	print_message("    %u objects in %.1f ms\n", after.n,
		      (double)(clock_mono_ns() - start) / 1e6);
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_qdisc_is_named),
		TEST(a_changed_qdisc_is_named),
		TEST(classes_and_their_filters_are_named),
		TEST(a_filter_of_each_direction_is_named),
		TEST(traffic_alone_makes_no_difference),
		TEST(an_nft_table_is_named_with_all_it_holds),
		TEST(rules_and_elements_inside_a_table_are_named),
		TEST(an_address_is_named_with_its_routes),
		TEST(a_route_a_rule_and_a_neighbour_are_named),
		TEST(ipv6_objects_are_named),
		TEST(a_sysctl_is_named),
		TEST(a_link_is_named),
		TEST(a_quiet_namespace_shows_no_difference),
		TEST(a_lost_carrier_is_no_difference),
		TEST(several_namespaces_fit_into_one_fingerprint),
		TEST(changes_during_the_dump_do_not_double_anything),
		TEST(more_objects_than_fit_are_an_error),
		TEST(without_the_right_the_ruleset_is_unseen_not_empty),
		TEST(the_whole_of_it_is_quick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
