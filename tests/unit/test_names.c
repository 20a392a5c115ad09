/* SPDX-License-Identifier: Apache-2.0 */
/* What of a name's new addresses joins a fault: judged as what was planned, once, and not without
 * end. */
#include "runner/names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

#define LIST     GATE_PREFIXES
#define EXCLUDED (GATE_PREFIXES + 2)

/* One fault on va: to 10.0.0.1 and 10.1.0.0/16, port 80, where "db" is among them; what "free"
 * means is left out. */
struct world {
	struct arena memory;
	struct net_prefix pool[3];
	struct change_spec change[2];
	struct fault_item item;
	struct fault_ops ops;
	struct planned_fault fault;
	struct run_plan plan;
	struct plan_name name[3];
	struct shield_flow session;
	struct shield_flows flows;
	struct policy policy;
	struct limits limits;
	const char *denied[2];
	struct names_of of;
	struct names names;
	struct err e;
};

static void make(struct world *w)
{
	struct nft_gate_spec *g;

	memset(w, 0, sizeof(*w));
	w->pool[0] = (struct net_prefix){ 4, 32, { 10, 0, 0, 1 } };
	w->pool[1] = (struct net_prefix){ 4, 16, { 10, 1 } };
	w->pool[2] = (struct net_prefix){ 4, 32, { 10, 0, 0, 9 } };
	w->change[0].kind = CHANGE_NETEM_SIDE;
	w->change[1].kind = CHANGE_NFT_GATE;
	g = &w->change[1].u.gate;
	snprintf(g->dev, sizeof(g->dev), "va");
	g->n_matches = 2;
	g->match[0] = (struct net_match){ .hook = GATE_EGRESS,
					  .exempt = EXEMPT_CHOSEN,
					  .grows = GROWS_DST,
					  .dst_first = EXCLUDED,
					  .dst_n = 1 };
	g->match[1] = (struct net_match){ .hook = GATE_EGRESS,
					  .grows = GROWS_DST,
					  .dst_first = LIST,
					  .dst_n = 2,
					  .proto = IPPROTO_TCP,
					  .dport_lo = 80,
					  .dport_hi = 80 };
	w->name[0] = (struct plan_name){ .name = "db", .routed = true, .list = LIST };
	w->name[1] = (struct plan_name){ .name = "free", .list = EXCLUDED };
	w->name[2] = (struct plan_name){ .name = "db", .list = EXCLUDED };
	w->ops.name = "net.drop";
	w->item.ops = &w->ops;
	w->fault = (struct planned_fault){
		.item = &w->item, .n_changes = 2, .change = w->change, .n_names = 3, .name = w->name
	};
	w->plan = (struct run_plan){ .n_faults = 1, .fault = &w->fault, .pool = { 3, 3, w->pool } };
	w->session = (struct shield_flow){
		.family = 4, .local_port = 22, .local = { 10, 0, 0, 20 }, .remote = { 10, 0, 0, 21 }
	};
	w->flows = (struct shield_flows){ .n = 1, .at = &w->session };
	w->denied[0] = "10.0.0.66:80";
	w->denied[1] = "10.0.0.67:81";
	w->limits.deny.flows = (struct strings){ .n = 2, .at = w->denied };
	w->of = (struct names_of){ &w->plan, &w->flows, &w->policy, &w->limits };
	assert_int_equal(names_new(&w->of, &w->memory, &w->names, &w->e), 0);
	assert_int_equal(w->names.n, 3);
}

static void forget(struct world *w)
{
	names_done(&w->names);
	arena_done(&w->memory);
}

static int found(struct world *w, unsigned name, const char *address, const char *dev)
{
	struct probe_name m = { .name = name, .found = 1 };
	unsigned number = 999;
	int rc;

	m.at.family = strchr(address, ':') ? 6 : 4;
	m.at.len = m.at.family == 6 ? 128 : 32;
	inet_pton(m.at.family == 6 ? AF_INET6 : AF_INET, address, m.at.addr);
	snprintf(m.dev, sizeof(m.dev), "%s", dev);
	w->e = (struct err){ 0 };
	rc = names_found(&w->names, &m, &number, &w->e);
	if (rc > 0) {
		assert_int_equal(number, w->names.n_joins - 1);
		assert_int_equal(w->names.join[number].state, NAME_WAITS);
		assert_int_equal(w->names.join[number].item, name);
		assert_memory_equal(&w->names.join[number].at, &m.at, sizeof(m.at));
	}
	return rc;
}

static void what_is_new_joins_and_what_is_in_the_list_does_not_again(void **state)
{
	static struct world w;

	(void)state;
	make(&w);
	assert_int_equal(found(&w, 0, "10.0.0.1", "va"), 0);
	assert_int_equal(found(&w, 0, "10.1.2.3", "va"), 0); /* in a range of it */
	assert_int_equal(found(&w, 0, "10.0.0.2", "va"), 1);
	assert_int_equal(found(&w, 0, "10.0.0.2", "va"), 0);
	assert_int_equal(found(&w, 0, "fd00::2", "va"), 1);
	assert_int_equal(found(&w, 0, "10.0.0.9", "va"), 1); /* it is in the other list */
	assert_int_equal(found(&w, 1, "10.0.0.2", "va"), 1);
	assert_int_equal(found(&w, 2, "10.0.0.2", "va"), 0); /* of the same list */
	assert_false(names_again(&w.names, 0));
	assert_false(names_again(&w.names, 1));
	assert_true(names_again(&w.names, 2));
	forget(&w);
}

static void what_is_denied_does_not_join(void **state)
{
	static struct world w;

	(void)state;
	make(&w);
	assert_int_equal(found(&w, 0, "10.0.0.66", "va"), -EPERM);
	assert_non_null(strstr(w.e.msg[0], "limits.deny"));
	assert_int_equal(found(&w, 0, "10.0.0.66", "va"), 0); /* told once */
	assert_int_equal(found(&w, 0, "10.0.0.67", "va"), 1); /* denied for another port */
	assert_int_equal(found(&w, 1, "10.0.0.66", ""), 1);   /* to leave it out is allowed */
	assert_int_equal(w.names.join[0].state, NAME_SETTLED);
	forget(&w);
}

static void the_ends_of_shielded_sessions_do_not_join(void **state)
{
	static struct world w;

	(void)state;
	make(&w);
	assert_int_equal(found(&w, 0, "10.0.0.21", "va"), -EPERM);
	assert_int_equal(found(&w, 0, "10.0.0.20", "va"), -EPERM);
	assert_int_equal(found(&w, 0, "10.0.0.22", "va"), 1);
	assert_int_equal(found(&w, 0, "a00:15::", "va"), 1); /* the same bytes */
	assert_int_equal(found(&w, 1, "10.0.0.21", ""), 1);
	forget(&w);
}

static void what_lies_behind_another_device_does_not_join(void **state)
{
	static struct world w;

	(void)state;
	make(&w);
	assert_int_equal(found(&w, 0, "10.0.0.2", "vb"), -ENODEV);
	assert_non_null(strstr(w.e.msg[0], "'vb'"));
	assert_int_equal(found(&w, 0, "10.0.0.3", ""), -ENETUNREACH);
	assert_int_equal(found(&w, 0, "fd00::3", ""), 0); /* as when it is planned */
	w.name[0].routed = false;                         /* the user has named the device */
	assert_int_equal(found(&w, 0, "10.0.0.4", ""), 1);
	forget(&w);
}

static void there_is_an_end_to_it(void **state)
{
	static struct world w;
	char address[32];

	(void)state;
	make(&w);
	for (unsigned i = 0; i < GATE_JOINS; i++) {
		snprintf(address, sizeof(address), "10.2.0.%u", i);
		assert_int_equal(found(&w, 0, address, "va"), 1);
	}
	assert_int_equal(found(&w, 0, "10.3.0.1", "va"), -ENOSPC);
	assert_int_equal(found(&w, 0, "10.3.0.2", "va"), 0);
	assert_int_equal(found(&w, 1, "10.3.0.3", ""), 0);
	assert_int_equal(w.names.n_joins, GATE_JOINS);
	forget(&w);
}

static void a_resolver_that_talks_nonsense_is_not_believed(void **state)
{
	static struct world w;
	struct probe_name m = { .name = 3, .found = 1, .at = { 4, 32, { 10 } } };
	unsigned number;

	(void)state;
	make(&w);
	assert_int_equal(names_found(&w.names, &m, &number, &w.e), -EBADMSG);
	m.name = 0;
	m.at.len = 8;
	assert_int_equal(names_found(&w.names, &m, &number, &w.e), -EBADMSG);
	m.at.family = 7;
	assert_int_equal(names_found(&w.names, &m, &number, &w.e), -EBADMSG);
	assert_int_equal(w.names.n_joins, 0);
	forget(&w);
}

static void a_plan_without_names_looks_nothing_up(void **state)
{
	static struct world w;
	struct names n;

	(void)state;
	make(&w);
	w.fault.n_names = 0;
	assert_int_equal(names_new(&w.of, &w.memory, &n, &w.e), 0);
	assert_int_equal(n.n, 0);
	names_done(&n);
	forget(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_new_joins_and_what_is_in_the_list_does_not_again),
		cmocka_unit_test(what_is_denied_does_not_join),
		cmocka_unit_test(the_ends_of_shielded_sessions_do_not_join),
		cmocka_unit_test(what_lies_behind_another_device_does_not_join),
		cmocka_unit_test(there_is_an_end_to_it),
		cmocka_unit_test(a_resolver_that_talks_nonsense_is_not_believed),
		cmocka_unit_test(a_plan_without_names_looks_nothing_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
