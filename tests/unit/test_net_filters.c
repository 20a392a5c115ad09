/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=netns_sock -Wl,--wrap=link_named -Wl,--wrap=nlsock_ask */
#include "inject/net_filters.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "inject/change/netns.h"
#include "inject/change/tc_msg.h"
#include "tests/support/test.h"

#define EGRESS  TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

int __wrap_netns_sock(const struct netns_ref *ref, int protocol, struct nlsock **ret,
		      struct err *e);
int __wrap_link_named(struct nlsock *s, const char *name, struct link_info *ret, struct err *e);
int __wrap_nlsock_ask(struct nlsock *s, struct nlbuf *b, nlsock_each *each,
		      void (*on_restart)(void *arg), void *arg, struct err *e);

/* What stands on the device. handle 0: the message that is about a whole preference. */
struct filter {
	uint32_t parent, handle, pref;
	const char *kind;
};

static struct {
	const char *link_kind;
	struct filter filter[32];
	bool interrupted; /* each dump is once begun anew */
	int refused;      /* what the kernel answers */
} world;
static struct nlsock sock;

int __wrap_netns_sock(const struct netns_ref *ref, int protocol, struct nlsock **ret, struct err *e)
{
	(void)ref;
	(void)e;
	assert_int_equal(protocol, NETLINK_ROUTE);
	*ret = &sock;
	return 0;
}

int __wrap_link_named(struct nlsock *s, const char *name, struct link_info *ret, struct err *e)
{
	(void)e;
	assert_ptr_equal(s, &sock);
	*ret = (struct link_info){ .ifindex = 7 };
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->kind, sizeof(ret->kind), "%s", world.link_kind);
	return 0;
}

static int tell(uint32_t parent, nlsock_each *each, void *arg, struct err *e)
{
	int rc = 0;

	for (const struct filter *f = world.filter; f->kind && rc == 0; f++) {
		_Alignas(16) char bytes[256];
		struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
		struct tcmsg t = { .tcm_ifindex = 7,
				   .tcm_parent = f->parent,
				   .tcm_handle = f->handle,
				   .tcm_info = f->pref << 16 | 8 };

		if (f->parent != parent)
			continue;
		nlbuf_msg(&b, RTM_NEWTFILTER, 0, &t, sizeof(t), "");
		nlbuf_str(&b, TCA_KIND, f->kind);
		rc = each((struct nlmsghdr *)(void *)bytes, arg, e);
	}
	return rc;
}

int __wrap_nlsock_ask(struct nlsock *s, struct nlbuf *b, nlsock_each *each,
		      void (*on_restart)(void *arg), void *arg, struct err *e)
{
	const struct tcmsg *t = NLMSG_DATA((struct nlmsghdr *)(void *)b->data);
	int rc;

	assert_ptr_equal(s, &sock);
	assert_int_equal(((struct nlmsghdr *)(void *)b->data)->nlmsg_type, RTM_GETTFILTER);
	assert_int_equal(t->tcm_ifindex, 7);
	if (world.refused)
		return err_set(e, world.refused, "refused");
	rc = tell(t->tcm_parent, each, arg, e);
	if (world.interrupted && rc == 0) {
		on_restart(arg);
		rc = tell(t->tcm_parent, each, arg, e);
	}
	return rc;
}

static int noted(const char *dev, enum net_direction dir, enum gate_action action, struct plan *ret)
{
	const struct netns_ref ns = { 0 };
	struct err e = { 0 };

	memset(ret, 0, sizeof(*ret));
	return net_note_filters(&ns, dev, dir, action, ret, &e);
}

static void filters_are_named_once_for_each_preference(void **state)
{
	static struct plan p;

	(void)state;
	memset(&world, 0, sizeof(world));
	world.link_kind = "";
	world.filter[0] = (struct filter){ INGRESS, 0, 4, "bpf" };
	world.filter[1] = (struct filter){ INGRESS, 1, 4, "bpf" };
	world.filter[2] = (struct filter){ EGRESS, 0, 2, "flower" };
	world.filter[3] = (struct filter){ 0, 0, 3, "u32" };
	world.filter[4] = (struct filter){ 0, 0x80000000, 3, "u32" };
	world.filter[5] = (struct filter){ 0, 0x80000800, 3, "u32" };
	for (int i = 0; i < 2; i++) {
		world.interrupted = i;
		assert_int_equal(noted("eth0", NET_OUT, GATE_DROP, &p), 0);
		assert_int_equal(p.n_notes, 1);
		assert_string_equal(
			p.note[0],
			"tc filters of eth0 stay: root u32 pref 3, egress flower pref 2, "
			"ingress bpf pref 4");
	}
}

static void what_delayed_packets_miss_is_said_where_they_miss_it(void **state)
{
	static const struct {
		const char *dev, *link_kind;
		uint32_t parent; /* of a filter; 1 = there is none */
		enum net_direction dir;
		enum gate_action action;
		bool actions, far_end;
	} rows[] = {
		{ "eth0", "", 1, NET_OUT, GATE_FWD, false, false },
		{ "eth0", "", EGRESS, NET_OUT, GATE_FWD, true, false },
		{ "eth0", "", 0, NET_BOTH, GATE_FWD, true, false },
		{ "eth0", "", EGRESS, NET_IN, GATE_FWD, false, false },
		{ "eth0", "", EGRESS, NET_OUT, GATE_DROP, false, false },
		{ "eth0", "", INGRESS, NET_OUT, GATE_FWD, false, false },
		{ "v0", "veth", 1, NET_OUT, GATE_FWD, false, true },
		{ "v0", "veth", 1, NET_IN, GATE_FWD, false, false },
		{ "v0", "veth", EGRESS, NET_OUT, GATE_FWD, true, true },
		{ "lo", "", 1, NET_BOTH, GATE_FWD, false, true },
	};
	static struct plan p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool actions = false, far_end = false;

		memset(&world, 0, sizeof(world));
		world.link_kind = rows[i].link_kind;
		if (rows[i].parent != 1)
			world.filter[0] = (struct filter){ rows[i].parent, 0, 1, "u32" };
		assert_int_equal(noted(rows[i].dev, rows[i].dir, rows[i].action, &p), 0);
		for (unsigned k = 0; k < p.n_notes; k++) {
			actions |= strstr(p.note[k], "skip the actions") != NULL;
			far_end |= strstr(p.note[k], "at the other end") != NULL;
		}
		if (actions != rows[i].actions || far_end != rows[i].far_end)
			fail_msg("row %zu", i);
	}
}

static void a_long_list_is_cut_and_says_so(void **state)
{
	static struct plan p;

	(void)state;
	memset(&world, 0, sizeof(world));
	world.link_kind = "";
	for (unsigned i = 0; i < 31; i++)
		world.filter[i] = (struct filter){ EGRESS, 0, i + 1, "flower" };
	assert_int_equal(noted("eth0", NET_OUT, GATE_DROP, &p), 0);
	assert_string_equal(p.note[0] + strlen(p.note[0]) - 4, " ...");
}

static void a_kernel_without_filters_has_none_and_other_refusals_are_errors(void **state)
{
	static struct plan p;

	(void)state;
	memset(&world, 0, sizeof(world));
	world.link_kind = "";
	world.refused = EOPNOTSUPP;
	assert_int_equal(noted("eth0", NET_OUT, GATE_FWD, &p), 0);
	assert_int_equal(p.n_notes, 0);
	world.refused = EPERM;
	assert_int_equal(noted("eth0", NET_OUT, GATE_FWD, &p), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_are_named_once_for_each_preference),
		cmocka_unit_test(what_delayed_packets_miss_is_said_where_they_miss_it),
		cmocka_unit_test(a_long_list_is_cut_and_says_so),
		cmocka_unit_test(a_kernel_without_filters_has_none_and_other_refusals_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
