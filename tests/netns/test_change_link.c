/* SPDX-License-Identifier: Apache-2.0 */
/* A device that goes down, or whose MTU is lower, in a network namespace of its own: it comes back
 * with all that it had, or is not touched. */
/* link: -Wl,--wrap=route_oif */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/change/route_msg.h"
#include "inject/link_aim.h"
#include "inject/link_carry.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define LINK_CAPS (UINT64_C(1) << CAP_NET_ADMIN)
#define STATE                                                                                          \
	"{ ip -d -o link show va | sed 's/ state [A-Z]*//'; ip -d -o addr show dev va; "               \
	"ip -4 route show table all; ip -6 route show table all | sort; ip neigh show nud permanent; " \
	"grep -s . /proc/sys/net/ipv[46]/conf/va/* /proc/sys/net/ipv[46]/neigh/va/*; } 2>&1"

struct fixture {
	struct rig r;
	char before[1 << 17], now[1 << 17];
};

static void must(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void read_state(char *ret, size_t size)
{
	FILE *f = popen(STATE, "r");
	size_t n;

	assert_non_null(f);
	n = fread(ret, 1, size - 1, f);
	ret[n] = '\0';
	pclose(f);
}

static bool settled(void *arg)
{
	(void)arg;
	return system("! ip -6 addr show | grep -q tentative && "
		      "ip -6 addr show dev va | grep -q fe80 && "
		      "ip link show va | grep -q LOWER_UP") == 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	must("ip link add va type veth peer name vb && ip link set vb up && ip link set va up && "
	     "ip addr add 10.9.0.1/24 dev va && ip addr add 10.9.0.2/24 dev va");
	assert_true(rig_await(settled, NULL));
	f->r.spec.kind = CHANGE_LINK;
	f->r.caps = LINK_CAPS;
	snprintf(f->r.spec.u.link.dev, IFNAMSIZ, "va");
	assert_int_equal(netns_identify("", &f->r.spec.u.link.netns, &f->r.e), 0);
	read_state(f->before, sizeof(f->before));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_kill(&f->r);
	must("ip link del va 2>/dev/null; ip link del br0 2>/dev/null; "
	     "echo 0 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down");
	free(f);
	return 0;
}

static bool is_up(void)
{
	return system("ip -o link show va | grep -q '[<,]UP[,>]'") == 0;
}

static unsigned mtu_now(void)
{
	char text[16] = "";

	io_read_file(AT_FDCWD, "/proc/sys/net/ipv6/conf/va/mtu", text, sizeof(text));
	return (unsigned)atoi(text);
}

static bool as_before(void *arg)
{
	struct fixture *f = arg;

	read_state(f->now, sizeof(f->now));
	return strcmp(f->before, f->now) == 0;
}

static void write_to(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void fail_difference(struct fixture *f)
{
	char command[300], a[64], b[64];

	snprintf(a, sizeof(a), "/tmp/link-%d.before", getpid());
	snprintf(b, sizeof(b), "/tmp/link-%d.now", getpid());
	write_to(a, f->before);
	write_to(b, f->now);
	snprintf(command, sizeof(command), "diff %s %s; rm %s %s", a, b, a, b);
	must(command);
	fail_msg("not as before");
}

/* Addresses of a link come back when the other end has been seen and nobody else has them. */
static void all_is_as_before(struct fixture *f)
{
	if (!rig_await(as_before, f))
		fail_difference(f);
}

static bool all_gone(void *arg)
{
	struct fixture *f = arg;

	return rig_gone(&f->r) == 0;
}

static void down_and_back_with_all_that_it_had(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	assert_true(is_up()); /* armed is without effect */
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	rig_must(&f->r, RIG_FIRE);
	assert_false(is_up());
	assert_int_equal(rig_ended(&f->r), 1);
	assert_non_null(strstr(f->r.left, "'va' is down"));
	assert_int_equal(rig_gone(&f->r), 1);
	rig_must(&f->r, RIG_REFRESH);
	rig_must(&f->r, RIG_QUIET);
	assert_true(is_up());
	assert_int_equal(rig_ended(&f->r), 0);
	assert_true(rig_await(all_gone, f)); /* the kernel takes a moment */
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 1);
	rig_must(&f->r, RIG_DRAIN); /* it has been waited for */
	assert_true(as_before(f));
}

/* Addresses that came between the plan and the shot are waited for, and missed, like those of
 * before. */
static void what_came_before_the_shot_is_counted_too(void **state)
{
	struct fixture *f = *state;

	must("echo 1 >/proc/sys/net/ipv6/conf/va/keep_addr_on_down");
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	must("for n in 1 2 3 4 5; do ip addr add fd09::$n/128 dev va nodad; done");
	read_state(f->before, sizeof(f->before));
	rig_must(&f->r, RIG_FIRE);
	assert_false(is_up());
	rig_must(&f->r, RIG_QUIET);
	rig_must(&f->r,
		 RIG_DRAIN); /* these are back at once, the address of the link takes its time */
	assert_true(as_before(f));
	assert_int_equal(rig_gone(&f->r), 0);
	must("for n in 1 2 3 4 5; do ip addr del fd09::$n/128 dev va; done");
	assert_int_equal(rig_gone(&f->r), -ESTALE);
	assert_true(rig_says(&f->r, "routes and addresses are not back"));
}

/* With the sysctl the kernel keeps IPv6 addresses that would be lost: they are allowed. */
static void kept_addresses_are_no_reason(void **state)
{
	struct fixture *f = *state;

	must("ip -6 addr add fd09::1/64 dev va && ip -6 addr add fd09::2/64 dev va nodad noprefixroute");
	assert_true(rig_await(settled, NULL));
	assert_int_equal(rig_start(&f->r), -EBUSY);
	assert_true(rig_says(&f->r, "IPv6 address fd09::"));
	must("echo 1 >/proc/sys/net/ipv6/conf/va/keep_addr_on_down");
	read_state(f->before, sizeof(f->before));
	rig_hold(&f->r);
	assert_false(is_up());
	rig_kill(&f->r);
	assert_int_equal(rig_undo(&f->r), 0);
	all_is_as_before(f);
}

/* As the kernel decides: that of all devices first, whatever the device's own one says. */
static void the_setting_of_all_devices_comes_first(void **state)
{
	struct fixture *f = *state;

	must("ip -6 addr add fd09::1/64 dev va nodad && "
	     "echo 1 >/proc/sys/net/ipv6/conf/va/keep_addr_on_down && "
	     "echo -1 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down");
	assert_int_equal(rig_start(&f->r), -EBUSY);
	assert_true(rig_says(&f->r, "IPv6 address fd09::1"));
	must("echo 0 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down");
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	must("echo -1 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down");
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -EBUSY);
	assert_true(is_up());
	rig_kill(&f->r);
	must("echo -1 >/proc/sys/net/ipv6/conf/va/keep_addr_on_down && "
	     "echo 1 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down");
	assert_true(rig_await(settled, NULL));
	read_state(f->before, sizeof(f->before));
	rig_hold(&f->r);
	assert_false(is_up());
	rig_kill(&f->r);
	assert_int_equal(rig_undo(&f->r), 0);
	all_is_as_before(f);
}

/* Of whatever form: of a peer, with a metric, of any length, a second one of the same prefix. */
static void the_kernels_own_routes_are_no_reason(void **state)
{
	struct fixture *f = *state;

	must("ip addr add 10.8.0.1 peer 10.8.0.2/32 dev va && ip addr add 10.7.0.1/32 dev va && "
	     "ip addr add 10.6.0.1/23 dev va metric 77 && ip addr add 10.5.0.1/31 dev va && "
	     "ip addr add 10.4.0.1/24 dev va noprefixroute && "
	     "echo 1 >/proc/sys/net/ipv6/conf/va/keep_addr_on_down && "
	     "ip addr add fd09::1/64 dev va nodad && ip addr add fd09::2/64 dev va nodad && "
	     "ip addr add fd08:0:0:ff80::1/57 dev va nodad metric 99 && "
	     "ip addr add fd07::1/128 dev va nodad && ip addr add fd06::1 peer fd06::2 dev va nodad");
	assert_true(rig_await(settled, NULL));
	read_state(f->before, sizeof(f->before));
	rig_hold(&f->r);
	assert_false(is_up());
	rig_kill(&f->r);
	assert_int_equal(rig_undo(&f->r), 0);
	all_is_as_before(f);
}

/* Multicast, broadcast, and all of a device that does not ask: it makes them again. What it has
 * asked for too. */
static void the_kernels_own_neighbours_are_no_reason(void **state)
{
	struct fixture *f = *state;
	static const char *const with_arp[] = { "10.9.0.255", "255.255.255.255", "239.1.1.1",
						"10.9.0.9" };

	must("ip neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev va nud reachable; "
	     "for to in 10.9.0.255 255.255.255.255 239.1.1.1 ff02::1%va; do "
	     "ping -q -b -c 1 -W 0.01 -I va $to >/dev/null 2>&1; done; :");
	for (size_t i = 0; i < ARRAY_LEN(with_arp); i++) {
		char look[80];

		snprintf(look, sizeof(look), "ip neigh show nud all %s dev va | grep -q .",
			 with_arp[i]);
		must(look);
	}
	assert_int_equal(rig_start(&f->r), 0);
	rig_kill(&f->r);
	must("ip link set va arp off && ip neigh flush dev va nud all && "
	     "ping -q -c 1 -W 0.01 10.9.0.7 >/dev/null 2>&1; "
	     "ip neigh show nud noarp 10.9.0.7 dev va | grep -q .");
	assert_int_equal(rig_start(&f->r), 0);
}

static void what_would_be_lost_is_named_and_nothing_touched(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *make, *says;
	} cases[] = {
		{ "ip route add 192.0.2.0/24 via 10.9.0.7", "route 192.0.2.0/24" },
		{ "ip route add default via 10.9.0.7 table 77", "route default/0" },
		{ "ip -6 route add 2001:db8::/32 dev va", "route 2001:db8::/32" },
		{ "ip route add 192.0.2.0/24 nexthop via 10.9.0.7 nexthop via 10.9.0.8",
		  "route 192.0.2.0/24" },
		/* as network managers do it: the address without, the route like the kernel's */
		{ "ip addr add 10.8.0.1/24 dev va noprefixroute && ip route add 10.8.0.0/24 dev va "
		  "proto kernel scope link src 10.8.0.1 metric 100",
		  "route 10.8.0.0/24 would be lost" },
		{ "ip addr add 10.8.0.1/24 dev va noprefixroute && ip route add 10.8.0.0/24 dev va "
		  "proto kernel scope link src 10.8.0.1",
		  "route 10.8.0.0/24 would be lost" },
		{ "ip route add 10.9.0.0/24 dev va proto kernel scope link metric 100",
		  "route 10.9.0.0/24 would be lost" },
		{ "ip route add 10.9.0.0/24 dev va proto kernel scope link table 77",
		  "route 10.9.0.0/24 would be lost" },
		{ "ip -6 route add fd09::/64 dev va proto kernel",
		  "route fd09::/64 would be lost" },
		{ "echo 1 >/proc/sys/net/ipv6/conf/va/keep_addr_on_down && "
		  "ip addr add fd09::1/64 dev va noprefixroute nodad && "
		  "ip -6 route add fd09::/64 dev va proto kernel metric 256",
		  "route fd09::/64 would be lost" },
		{ "ip -6 addr add fd09::1/64 dev va", "IPv6 address fd09::1" },
		{ "ip -6 addr add fe80::77/64 dev va", "IPv6 address fe80::77" },
		{ "ip neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev va nud permanent",
		  "neighbour entry 10.9.0.9" },
		{ "ip neigh add proxy 10.9.0.10 dev va", "neighbour entry 10.9.0.10" },
		/* NOARP: neither asked for nor permanent; on a device that asks it is somebody's */
		{ "ip neigh add 10.9.0.11 lladdr 02:00:00:00:00:11 dev va nud noarp",
		  "neighbour entry 10.9.0.11" },
		{ "ip neigh add 10.9.0.12 lladdr ff:ff:ff:ff:ff:ff dev va nud noarp",
		  "neighbour entry 10.9.0.12" },
		{ "ip neigh add fe80::12 lladdr 02:00:00:00:00:12 dev va nud noarp",
		  "neighbour entry fe80::12" },
		{ "ip link set va arp off && "
		  "ip neigh add 10.9.0.13 lladdr 02:00:00:00:00:13 dev va nud noarp",
		  "neighbour entry 10.9.0.13" },
		/* as routing daemons (EVPN) and load balancers do it */
		{ "ip neigh add 10.9.0.14 lladdr 02:00:00:00:00:14 dev va nud stale extern_learn",
		  "neighbour entry 10.9.0.14" },
		{ "ip neigh add 10.9.0.15 dev va managed", "neighbour entry 10.9.0.15" },
		{ "ip nexthop add id 7 via 10.9.0.7 dev va", "nexthop 7" },
		{ "ip link add br0 type bridge && ip link set va master br0", "port of another" },
		{ "ip addr add 10.9.0.3/24 dev vb",
		  "route 10.9.0.0/24 is one of another device too" },
		{ "ip link set va down", "down already" },
	};

	/* nobody needs to wait here for the second that IPv6 takes for a new address (RFC 4862) */
	must("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		must(cases[i].make);
		read_state(f->before, sizeof(f->before));
		assert_true(rig_start(&f->r) < 0);
		assert_true(rig_says(&f->r, cases[i].says));
		all_is_as_before(f);
		teardown(state);
		setup(state);
		f = *state;
	}
	must("echo 1 >/proc/sys/net/ipv6/conf/default/accept_dad");
}

/* It comes between the plan and the shot. */
static void it_is_looked_at_again_before_the_shot(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	must("ip route add 192.0.2.0/24 via 10.9.0.7");
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -EBUSY);
	assert_true(is_up());
}

static void it_stays_when_the_holder_dies_and_undo_takes_it_back(void **state)
{
	struct fixture *f = *state;

	rig_hold(&f->r);
	rig_kill(&f->r);
	assert_false(is_up());
	assert_int_equal(rig_ended(&f->r), 1);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_true(is_up());
	assert_true(rig_await(all_gone, f));  /* the kernel takes a moment */
	assert_int_equal(rig_undo(&f->r), 0); /* once more does nothing */
	all_is_as_before(f);
}

static void by_hand_the_printed_command_does_it(void **state)
{
	struct fixture *f = *state;

	rig_hold(&f->r);
	rig_kill(&f->r);
	must(f->r.undo.by_hand);
	assert_true(rig_await(all_gone, f)); /* the kernel takes a moment */
	all_is_as_before(f);
}

static void what_others_do_ends_it_and_stays(void **state)
{
	struct fixture *f = *state;

	rig_hold(&f->r);
	must("ip link set va up");
	assert_int_equal(rig_do(&f->r, RIG_REFRESH), -ENOENT);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_true(rig_await(all_gone, f)); /* the kernel takes a moment */
	assert_true(is_up());
}

static void another_device_of_that_name_is_left_alone(void **state)
{
	struct fixture *f = *state;

	rig_hold(&f->r);
	must("ip link del va && ip link add va type veth peer name vb");
	assert_int_equal(rig_do(&f->r, RIG_REFRESH), -ENOENT);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_false(is_up());
}

static void by_another_name_it_is_the_same_device(void **state)
{
	struct fixture *f = *state;

	rig_hold(&f->r);
	must("ip link set va name other");
	assert_int_equal(rig_ended(&f->r), 1);
	assert_int_equal(rig_gone(&f->r), 1);
	assert_int_equal(rig_undo(&f->r), 0);
	must("ip -o link show other up | grep -q other");
	must("ip link set other down && ip link set other name va && ip link set va up");
	assert_true(rig_await(all_gone, f));
}

static void the_mtu_is_lower_and_as_before(void **state)
{
	struct fixture *f = *state;

	f->r.spec.u.link.mtu = 1400;
	must("ip route add 192.0.2.0/24 via 10.9.0.7 && ip -6 addr add fd09::1/64 dev va nodad && "
	     "ip -6 route add 2001:db8::/32 dev va"); /* all of this stays */
	read_state(f->before, sizeof(f->before));
	rig_hold(&f->r);
	assert_int_equal(mtu_now(), 1400);
	assert_int_equal(rig_ended(&f->r), 1);
	assert_non_null(strstr(f->r.left, "MTU of 'va' is 1400"));
	rig_must(&f->r, RIG_REFRESH);
	rig_kill(&f->r);
	assert_int_equal(mtu_now(), 1400);
	assert_int_equal(rig_gone(&f->r), 1);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	all_is_as_before(f);
	rig_hold(&f->r);
	rig_must(&f->r, RIG_QUIET);
	all_is_as_before(f);
}

static void an_mtu_that_others_set_is_a_conflict(void **state)
{
	struct fixture *f = *state;

	f->r.spec.u.link.mtu = 1400;
	rig_hold(&f->r);
	must("ip link set va mtu 1450");
	assert_int_equal(rig_do(&f->r, RIG_REFRESH), -ENOENT);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(mtu_now(), 1450);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), -EEXIST);
	assert_true(rig_says(&f->r, "which brink has not set"));
	must("ip link set va mtu 1500");
	assert_int_equal(rig_gone(&f->r), 0);
}

static void an_mtu_that_would_cost_something_is_refused(void **state)
{
	struct fixture *f = *state;
	uint32_t *mtu = &f->r.spec.u.link.mtu;

	*mtu = 1279;
	assert_int_equal(rig_start(&f->r), -EBUSY);
	assert_true(rig_says(&f->r, "below 1280"));
	*mtu = 1500;
	assert_int_equal(rig_start(&f->r), -EINVAL);
	assert_true(rig_says(&f->r, "MTU of 'va' is 1500"));
	*mtu = 1280;
	must("ip -6 route add 2001:db8::/32 dev va mtu 1490");
	assert_int_equal(rig_start(&f->r), -EBUSY);
	assert_true(rig_says(&f->r, "route 2001:db8::/32 has an MTU"));
	must("ip -6 route del 2001:db8::/32 dev va && echo 1400 >/proc/sys/net/ipv6/conf/va/mtu");
	assert_int_equal(rig_start(&f->r), -EBUSY);
	assert_true(rig_says(&f->r, "IPv6 MTU is 1400"));
	must("echo 1500 >/proc/sys/net/ipv6/conf/va/mtu && ip link add br0 type bridge && "
	     "ip link set va master br0");
	assert_int_equal(rig_start(&f->r), -EBUSY);
	snprintf(f->r.spec.u.link.dev, IFNAMSIZ, "br0");
	assert_int_equal(rig_start(&f->r), -EBUSY);
	snprintf(f->r.spec.u.link.dev, IFNAMSIZ, "nodev");
	assert_int_equal(rig_start(&f->r), -ENODEV);
}

/* What a plan of that device says; NULL: it is not refused. */
static const char *refused(struct fixture *f, const char *dev, uint32_t mtu,
			   const struct shield_flow *session)
{
	struct shield_flow one = session ? *session : (struct shield_flow){ 0 };
	const struct shield_flows flows = { .n = session ? 1 : 0, .at = &one };
	const struct targets targets = { .flows = &flows };
	const struct plan_context ctx = { .run_id = "01JD3W9K7Q0000000000000000",
					  .targets = &targets,
					  .lease_ms = 3000 };
	struct plan p = { 0 };

	f->r.e = (struct err){ 0 };
	if (link_plan(dev, NULL, mtu, &ctx, &p, &f->r.e) == 0) {
		assert_int_equal(change_spec_check(&p.change[0], 0, &f->r.e), 0);
		assert_int_equal(strncmp(p.summary, dev, strlen(dev)), 0);
		return NULL;
	}
	if (f->r.e.code != EPERM)
		fail_msg("%s: %s", dev, f->r.e.msg[0]);
	return f->r.e.msg[0];
}

static void is_refused(struct fixture *f, const char *dev, uint32_t mtu,
		       const struct shield_flow *session, const char *says)
{
	const char *why = refused(f, dev, mtu, session);

	if (!why || !strstr(why, says))
		fail_msg("%s: '%s' does not say '%s'", dev, why ? why : "nothing", says);
}

static const struct shield_flow a_session = {
	.family = 4, .local_port = 22, .local = { 10, 9, 0, 1 }, .remote = { 10, 9, 0, 7 }
};

/* Whoever plans in a namespace has it as his machine. */
static void what_carries_the_operator_is_shielded(void **state)
{
	struct fixture *f = *state;

	must("ip link add other type veth peer name away && ip link set other up");
	assert_null(refused(f, "va", 0, NULL));
	is_refused(f, "va", 0, &a_session, "it carries a login session");
	is_refused(f, "va", 1400, &a_session, "it carries a login session");
	is_refused(f, "vb", 0, &a_session, "'va' needs it"); /* the other end of its wire */
	assert_null(refused(f, "other", 0, &a_session));
	must("ip route add default via 10.9.0.7");
	is_refused(f, "va", 1400, NULL, "default route");
	is_refused(f, "lo", 1400, NULL, "loopback");
	must("ip link del other");
}

/* Packets of a session come in by the device of its near end, though the answers go elsewhere. */
static void the_device_of_the_near_end_is_shielded(void **state)
{
	struct fixture *f = *state;
	struct shield_flow s = a_session;

	must("ip link add da type veth peer name pa && ip link set da up && "
	     "ip link add db type veth peer name pb && ip link set db up && ip link set pb up && "
	     "ip addr add 10.8.0.1/24 dev da && ip addr add 10.7.0.1/24 dev db");
	memcpy(s.local, (const uint8_t[]){ 10, 8, 0, 1 }, 4); /* far end: by va */
	assert_null(refused(f, "da", 0, &a_session));
	is_refused(f, "da", 0, &s, "it carries a login session");
	is_refused(f, "da", 1400, &s, "it carries a login session");
	is_refused(f, "va", 1400, &s, "it carries a login session");
	assert_null(refused(f, "db", 0, &s));
	/* a rule by source address sends the answers by a third one */
	must("ip rule add from 10.8.0.1 table 88 && ip route add default dev db table 88");
	is_refused(f, "db", 1400, &s, "it carries a login session");
	must("ip rule del from 10.8.0.1 table 88 && ip link del da && ip link del db");
	s = (struct shield_flow){ .family = 6, .local_port = 22, .local = { 0xfd, 9, [15] = 1 } };
	assert_null(refused(f, "va", 1400, &s));
	must("ip addr add fd09::1/64 dev va nodad");
	is_refused(f, "va", 1400, &s, "it carries a login session");
}

static void what_lies_beneath_a_session_is_shielded(void **state)
{
	struct fixture *f = *state;
	struct shield_flow s = a_session;

	must("ip link add br0 type bridge && ip link set br0 up && ip link set va master br0 && "
	     "ip link add link br0 name mv type macvlan mode bridge && ip link set mv up && "
	     "ip addr add 10.8.0.1/24 dev mv");
	memcpy(s.local, (const uint8_t[]){ 10, 8, 0, 1 }, 4);
	memcpy(s.remote, (const uint8_t[]){ 10, 8, 0, 7 }, 4);
	is_refused(f, "mv", 1400, &s, "it carries a login session");
	is_refused(f, "br0", 0, &s, "'mv' needs it, which carries a login session");
	is_refused(f, "va", 1400, &s, "'mv' needs it, which carries a login session");
	is_refused(f, "vb", 1400, &s, "'mv' needs it, which carries a login session");
	assert_null(refused(f, "vb", 1400, NULL));
	must("ip route add default via 10.8.0.7");
	is_refused(f, "vb", 1400, NULL, "'mv' needs it, which carries the default route");
	must("ip link del mv");
}

static void a_forged_message_or_record_is_out_of_bounds(void **state)
{
	struct fixture *f = *state;
	struct change_spec c = f->r.spec;
	struct undo u;

	assert_int_equal(rig_start(&f->r), 0);
	u = f->r.undo;
	assert_int_equal(change_undo_check(&u, &f->r.e), 0);
	u.u.link.ifindex = 0;
	assert_int_equal(change_undo_check(&u, &f->r.e), -EBADMSG);
	u = f->r.undo;
	memset(u.u.link.dev, 'x', sizeof(u.u.link.dev));
	assert_int_equal(change_undo_check(&u, &f->r.e), -EBADMSG);
	c.lease_ms = 3000;
	assert_int_equal(change_spec_check(&c, 0, &f->r.e), 0);
	c.u.link.dev[0] = '\0';
	assert_int_equal(change_spec_check(&c, 0, &f->r.e), -EINVAL);
	memset(c.u.link.dev, 'x', sizeof(c.u.link.dev));
	assert_int_equal(change_spec_check(&c, 0, &f->r.e), -EINVAL);
}

static void without_the_right_it_says_which(void **state)
{
	struct fixture *f = *state;

	f->r.caps = 0;
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -EACCES);
	assert_true(rig_says(&f->r, "CAP_NET_ADMIN"));
	assert_true(is_up());
}

int __real_route_oif(struct nlsock *s, unsigned family, const uint8_t *dst, const uint8_t *src,
		     int *ret, struct err *e);
int __wrap_route_oif(struct nlsock *s, unsigned family, const uint8_t *dst, const uint8_t *src,
		     int *ret, struct err *e);
static int route_error;
static unsigned fails_at; /* this question; 0 = none */

int __wrap_route_oif(struct nlsock *s, unsigned family, const uint8_t *dst, const uint8_t *src,
		     int *ret, struct err *e)
{
	if (fails_at && --fails_at == 0)
		return err_set(e, route_error, "a test says so");
	return __real_route_oif(s, family, dst, src, ret, e);
}

/* Three questions for a session, two for the default route. */
static void a_route_that_cannot_be_asked_for_is_not_one_over_another_device(void **state)
{
	struct fixture *f = *state;
	struct shield_flow session = { .family = 4,
				       .local = { 10, 77, 0, 1 },
				       .remote = { 10, 77, 0, 2 } };
	struct shield_flows flows = { .n = 1, .at = &session };
	const struct netns_ref *ns = &f->r.spec.u.link.netns;

	assert_int_equal(link_carry_check(ns, "va", true, &flows, &f->r.e), 0);
	for (unsigned at = 1; at <= 5; at++) {
		fails_at = at;
		route_error = ENOBUFS;
		assert_int_equal(link_carry_check(ns, "va", true, &flows, &f->r.e), -ENOBUFS);
		assert_int_equal(fails_at, 0);
		fails_at = at;
		route_error = ENETUNREACH;
		assert_int_equal(link_carry_check(ns, "va", true, &flows, &f->r.e), 0);
		assert_int_equal(fails_at, 0);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(down_and_back_with_all_that_it_had),
		TEST(what_came_before_the_shot_is_counted_too),
		TEST(kept_addresses_are_no_reason),
		TEST(the_setting_of_all_devices_comes_first),
		TEST(the_kernels_own_routes_are_no_reason),
		TEST(the_kernels_own_neighbours_are_no_reason),
		TEST(what_would_be_lost_is_named_and_nothing_touched),
		TEST(it_is_looked_at_again_before_the_shot),
		TEST(it_stays_when_the_holder_dies_and_undo_takes_it_back),
		TEST(by_hand_the_printed_command_does_it),
		TEST(what_others_do_ends_it_and_stays),
		TEST(another_device_of_that_name_is_left_alone),
		TEST(by_another_name_it_is_the_same_device),
		TEST(the_mtu_is_lower_and_as_before),
		TEST(an_mtu_that_others_set_is_a_conflict),
		TEST(an_mtu_that_would_cost_something_is_refused),
		TEST(what_carries_the_operator_is_shielded),
		TEST(the_device_of_the_near_end_is_shielded),
		TEST(what_lies_beneath_a_session_is_shielded),
		TEST(a_route_that_cannot_be_asked_for_is_not_one_over_another_device),
		TEST(a_forged_message_or_record_is_out_of_bounds),
		TEST(without_the_right_it_says_which),
	};

	return cmocka_run_group_tests(tests, rig_own_netns, NULL) != 0;
}
