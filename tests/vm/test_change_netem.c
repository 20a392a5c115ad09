/* SPDX-License-Identifier: Apache-2.0 */
/* One netem_side in a network namespace of its own, read by ip(8) and tc(8). Its gate has tests of
 * its own. */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inject/change/kinds.h"
#include "inject/change/netns.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define IFB      "brinktest"
#define DELAY_MS 700
#define FRAMES   5

static int own_namespace(void **state)
{
	return system("modprobe -a ifb sch_netem") == 0 ? rig_own_netns(state) : -1;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct netem_side_spec *s;

	assert_non_null(r);
	s = &r->spec.u.netem;
	r->spec.kind = CHANGE_NETEM_SIDE;
	r->caps = UINT64_MAX;
	assert_int_equal(netns_identify("", &s->netns, &r->e), 0);
	snprintf(s->ifb, sizeof(s->ifb), IFB);
	snprintf(s->dev, sizeof(s->dev), "lo");
	s->delay_ns = DELAY_MS * NS_PER_MS;
	s->limit = 100;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	rig_kill(r);
	system("ip link del " IFB " 2>/dev/null");
	free(r);
	return 0;
}

static bool says(const char *command, const char *part)
{
	char said[4096];
	FILE *p = popen(command, "r");
	size_t n;

	assert_non_null(p);
	n = fread(said, 1, sizeof(said) - 1, p);
	said[n] = '\0';
	pclose(p);
	return strstr(said, part) != NULL;
}

static bool device_there(void)
{
	return system("ip link show dev " IFB " >/dev/null 2>&1") == 0;
}

static bool holds_packets(void)
{
	return !says("tc -s qdisc show dev " IFB, "backlog 0b 0p");
}

/* Into the queue of the ifb, as its gate would. */
static void send_frames(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_LOOP),
				  .sll_ifindex = (int)if_nametoindex(IFB),
				  .sll_halen = ETH_ALEN };
	const char frame[64] = { 0 };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	for (int i = 0; i < FRAMES; i++)
		assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to,
					sizeof(to)),
				 sizeof(frame));
	close(fd);
}

static void armed(struct rig *r)
{
	assert_int_equal(rig_start(r), 0);
	rig_must(r, RIG_ARM);
	assert_true(device_there());
	assert_true(says("tc qdisc show dev " IFB, "delay 700ms"));
}

static void drain_waits_for_what_netem_holds(void **state)
{
	struct rig *r = *state;
	int64_t began;

	armed(r);
	rig_must(r, RIG_DRAIN);
	began = clock_mono_ns();
	send_frames();
	assert_true(holds_packets());
	rig_must(r, RIG_DRAIN);
	assert_true(clock_mono_ns() - began >= DELAY_MS * NS_PER_MS);
	assert_false(holds_packets());
}

static void undo_removes_the_device_and_gone_proves_it(void **state)
{
	struct rig *r = *state;

	armed(r);
	rig_kill(r);
	assert_true(device_there()); /* nobody owns it: only undo takes it away */
	assert_int_equal(rig_gone(r), 1);
	assert_non_null(strstr(r->left, IFB));
	assert_int_equal(rig_undo(r), 0);
	assert_false(device_there());
	assert_int_equal(rig_gone(r), 0);
	assert_int_equal(rig_undo(r), 0);
}

/* What revert --print says of it; "" = there is nothing to type. */
static const char *by_hand(struct rig *r)
{
	static char command[512];
	struct text t = text_on(command, sizeof(command));
	int rc = change_by_hand(&r->undo, &t, &r->e);

	assert_true(rc == 0 || (rc == -ENOENT && !command[0]));
	return command;
}

static void by_another_name_it_is_the_same_device(void **state)
{
	struct rig *r = *state;
	char by_index[64];

	armed(r);
	/* down: Linux 6.1 renames none that is up */
	assert_int_equal(system("ip link set " IFB " down && ip link set " IFB " name other"), 0);
	rig_kill(r);
	assert_int_equal(rig_gone(r), 1);
	assert_non_null(strstr(r->left, "'other' is still there"));
	assert_string_equal(by_hand(r), "ip link delete other");
	assert_int_equal(system("ip link set other name 'a;$(x)'"), 0);
	snprintf(by_index, sizeof(by_index), "ip link delete if%u", if_nametoindex("a;$(x)"));
	assert_string_equal(by_hand(r), by_index);
	assert_int_equal(system("ip link set 'a;$(x)' name other"), 0);
	assert_int_equal(rig_undo(r), 0);
	assert_int_not_equal(system("ip link show dev other >/dev/null 2>&1"), 0);
	assert_int_equal(rig_gone(r), 0);
}

static void a_device_of_that_name_that_is_no_ifb_is_left_alone(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_start(r), 0);
	assert_int_equal(system("ip link add " IFB " type veth peer name other"), 0);
	assert_string_equal(by_hand(r), "");
	assert_int_equal(rig_undo(r), -EEXIST);
	assert_true(device_there());
	assert_int_not_equal(rig_gone(r), 0);
}

static void a_name_that_is_taken_is_refused(void **state)
{
	struct rig *r = *state;

	assert_int_equal(system("ip link add " IFB " type ifb"), 0);
	assert_int_equal(rig_start(r), -EEXIST);
	assert_true(device_there());
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(drain_waits_for_what_netem_holds),
		TEST(undo_removes_the_device_and_gone_proves_it),
		TEST(by_another_name_it_is_the_same_device),
		TEST(a_device_of_that_name_that_is_no_ifb_is_left_alone),
		TEST(a_name_that_is_taken_is_refused),
	};

	return cmocka_run_group_tests(tests, own_namespace, NULL) != 0;
}
