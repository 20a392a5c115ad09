/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=net_plan,--wrap=kernel_lacks_netem,--wrap=kernel_has_queue */
#include "inject/net_netem.h"

#include <stdio.h>
#include <string.h>

#include "inject/faults.h"
#include "inject/kernel_has.h"
#include "tests/support/test.h"

static enum gate_action planned_action;
static bool has_netem = true, has_queue = true;
static unsigned asked_kernel;

bool __wrap_kernel_lacks_netem(void);
int __wrap_kernel_has_queue(struct err *e);

bool __wrap_kernel_lacks_netem(void)
{
	asked_kernel++;
	return !has_netem;
}

int __wrap_kernel_has_queue(struct err *e)
{
	asked_kernel++;
	return has_queue ? 0 : err_set(e, EOPNOTSUPP, "no packet queues");
}

/* What the selector does has tests of its own; here it adds one netem_side to the plan. */
int __wrap_net_plan(const struct net_spec *spec, const struct net_treatment *how,
		    const struct plan_context *ctx, struct plan *ret, struct err *e);

int __wrap_net_plan(const struct net_spec *spec, const struct net_treatment *how,
		    const struct plan_context *ctx, struct plan *ret, struct err *e)
{
	struct change_spec *c = plan_add(ret, ctx, CHANGE_NETEM_SIDE, e);

	(void)spec;
	assert_non_null(c);
	planned_action = how->action;
	assert_int_equal(how->share_ppm, 1000000);
	c->u.netem = *how->netem;
	snprintf(ret->summary, sizeof(ret->summary), "to h:1 on lo");
	return 0;
}

struct asked {
	const struct fault_ops *ops;
	struct net_netem spec;
	struct arena arena;
	struct plan plan;
	struct err e;
};

/* "key=value key=value", as for brink try. */
static void ask(struct asked *a, const char *fault, const char *params)
{
	char words[300], *save = NULL;

	memset(a, 0, sizeof(*a));
	a->ops = fault_find(fault);
	assert_non_null(a->ops);
	assert_int_equal(a->ops->fields->size, sizeof(a->spec));
	assert_int_equal(fields_defaults(a->ops->fields, &a->spec, &a->arena, &a->e), 0);
	snprintf(words, sizeof(words), "to=127.0.0.1:9 %s", params);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *value = strchr(w, '=');
		const struct field *f;

		*value++ = '\0';
		f = fields_find(a->ops->fields, w);
		if (!f)
			fail_msg("%s has no '%s'", fault, w);
		if (field_set(a->ops->fields, &a->spec, f, value, &a->arena, &a->e) < 0)
			fail_msg("%s: %s=%s: %s", fault, w, value, a->e.msg[0]);
	}
	if (fields_complete(a->ops->fields, &a->spec, &a->e) < 0)
		fail_msg("%s %s: %s", fault, params, a->e.msg[0]);
}

static const struct netem_side_spec *planned(struct asked *a, const char *fault, const char *params)
{
	const struct plan_context ctx = { .run_id = "01JD3W9K7Q01JD3W9K7QABCDEF" };

	ask(a, fault, params);
	if (a->ops->plan(&a->spec, &ctx, &a->plan, &a->e) < 0)
		fail_msg("%s %s: %s", fault, params, a->e.msg[0]);
	assert_int_equal(a->plan.n_changes, 1);
	arena_done(&a->arena);
	return &a->plan.change[0].u.netem;
}

static void every_fault_becomes_the_words_of_tc_netem(void **state)
{
	static const struct {
		const char *fault, *params, *tc, *summary;
	} rows[] = {
		{ "net.delay", "delay=200ms", "limit 75000 delay 200ms", "+200ms" },
		{ "net.delay", "delay=200ms jitter=50ms correlation=25% distribution=normal",
		  "limit 131250 delay 200ms 50ms 25% distribution normal", "+200ms ±50ms" },
		{ "net.loss", "loss=1% correlation=10%", "limit 10000 loss 1% 10%", "loss 1%" },
		{ "net.loss",
		  "model=gilbert_elliott good_to_bad=1% bad_to_good=20% loss_in_bad=70%",
		  "limit 10000 loss gemodel 1% 20% 70% 0%", "loss gilbert_elliott" },
		{ "net.loss", "model=markov p13=1% p31=20% p32=30% p14=5%",
		  "limit 10000 loss state 1% 20% 30% 100% 5%", "loss markov" },
		{ "net.duplicate", "share=5% correlation=10%", "limit 10000 duplicate 5% 10%",
		  "duplicate 5%" },
		{ "net.corrupt", "share=0.1%", "limit 10000 corrupt 0.1%", "corrupt 0.1%" },
		{ "net.reorder", "share=25% correlation=50% gap=5 delay=10ms",
		  "limit 10000 delay 10ms reorder 25% 50% gap 5", "+10ms reorder 25%" },
		{ "net.rate", "rate=1mbit", "limit 1000 rate 1mbit", "rate 1mbit" },
		{ "net.rate",
		  "rate=1mbit queue=1s packet_overhead=-14 cell_size=48 cell_overhead=5",
		  "limit 83 rate 1mbit -14 48 5", "rate 1mbit" },
		{ "net.rate", "rate=8gbit queue_packets=20", "limit 20 rate 8gbit", "rate 8gbit" },
		{ "net.slot", "min_delay=10ms max_delay=20ms", "limit 22500 slot 10ms 20ms",
		  "slots of 20ms" },
		{ "net.slot",
		  "min_delay=10ms max_delay=20ms distribution=pareto packets=3 bytes=9kB",
		  "limit 23500 slot distribution pareto 15ms 5ms packets 3 bytes 9000",
		  "slots of 20ms" },
		{ "net.impair",
		  "delay=80ms jitter=20ms delay_correlation=5% loss=1% duplicate=2% corrupt=3% reorder=4% "
		  "rate=1mbit queue_packets=7",
		  "limit 1257 delay 80ms 20ms 5% loss 1% corrupt 3% duplicate 2% reorder 4% rate 1mbit",
		  "+80ms ±20ms loss 1% duplicate 2% corrupt 3% reorder 4% rate 1mbit" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct asked a;
		char buf[300], want[300];
		struct text t = text_on(buf, sizeof(buf));

		netem_spec_add(&t, planned(&a, rows[i].fault, rows[i].params));
		snprintf(want, sizeof(want), "netem %s", rows[i].tc);
		assert_string_equal(buf, want);
		snprintf(want, sizeof(want), "to h:1 on lo %s", rows[i].summary);
		assert_string_equal(a.plan.summary, want);
	}
}

static void the_engine_is_chosen_by_what_the_kernel_has(void **state)
{
	static const struct {
		const char *fault, *params;
		bool netem, queue;
		enum gate_action action;
	} rows[] = {
		{ "net.delay", "delay=1ms direction=in dev=lo engine=user", true, true,
		  GATE_QUEUE },
		{ "net.delay", "delay=1ms direction=in dev=lo engine=kernel", false, true,
		  GATE_FWD },
		{ "net.delay", "delay=1ms direction=in dev=lo", true, true, GATE_FWD },
		{ "net.delay", "delay=1ms direction=in dev=lo", false, true, GATE_QUEUE },
		/* what is missing is told when netem is made */
		{ "net.delay", "delay=1ms direction=in dev=lo", false, false, GATE_FWD },
		{ "net.delay", "delay=1ms direction=out", false, true, GATE_FWD },
		{ "net.delay", "delay=1ms direction=both", false, true, GATE_FWD },
		{ "net.loss", "loss=1% direction=in dev=lo", false, true, GATE_QUEUE },
		{ "net.corrupt", "share=1% direction=in dev=lo", false, true, GATE_QUEUE },
		{ "net.reorder", "share=1% delay=1ms direction=in dev=lo", false, true,
		  GATE_QUEUE },
		{ "net.rate", "rate=1mbit direction=in dev=lo", false, true, GATE_QUEUE },
		{ "net.impair", "delay=1ms loss=1% direction=in dev=lo", false, true, GATE_QUEUE },
		{ "net.duplicate", "share=1% direction=in dev=lo", false, true, GATE_FWD },
		{ "net.impair", "slot_max_delay=1ms direction=in dev=lo", false, true, GATE_FWD },
		{ "net.slot", "max_delay=1ms direction=in dev=lo", false, true, GATE_FWD },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct asked a;
		bool told = false;

		has_netem = rows[i].netem;
		has_queue = rows[i].queue;
		planned(&a, rows[i].fault, rows[i].params);
		if (planned_action != rows[i].action)
			fail_msg("%s %s: action %d", rows[i].fault, rows[i].params, planned_action);
		for (unsigned k = 0; k < a.plan.n_notes; k++)
			told |= strstr(a.plan.note[k], "via user space, up to about") != NULL;
		assert_int_equal(told, rows[i].action == GATE_QUEUE);
	}
	has_netem = has_queue = true;
	/* nobody looks where there is nothing to choose: plans of others need no trial */
	asked_kernel = 0;
	planned(&(struct asked){ 0 }, "net.delay", "delay=1ms");
	planned(&(struct asked){ 0 }, "net.delay", "delay=1ms direction=in dev=lo engine=kernel");
	assert_int_equal(asked_kernel, 0);
}

static void user_space_refuses_what_it_cannot_do(void **state)
{
	static const struct {
		const char *fault, *params, *part;
		bool by_check;
	} rows[] = {
		{ "net.delay", "delay=1ms engine=user", "only what comes in", true },
		{ "net.delay", "delay=1ms engine=user direction=both", "only what comes in", true },
		{ "net.duplicate", "share=1% engine=user direction=in dev=lo", "cannot duplicate",
		  true },
		{ "net.delay", "delay=1ms engine=user direction=in dev=lo cgroup=/a",
		  "whose socket", true },
		{ "net.impair", "slot_max_delay=1ms engine=user direction=in dev=lo", "no slots",
		  true },
		{ "net.delay", "delay=1ms engine=user direction=in dev=lo", "no packet queues",
		  false },
	};

	(void)state;
	has_queue = false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct plan_context ctx = { .run_id = "01JD3W9K7Q01JD3W9K7QABCDEF" };
		struct asked a;
		char text[600];

		ask(&a, rows[i].fault, rows[i].params);
		assert_int_equal(a.ops->check(&a.spec, &a.e), rows[i].by_check ? -EOPNOTSUPP : 0);
		assert_int_equal(a.ops->plan(&a.spec, &ctx, &a.plan, &a.e), -EOPNOTSUPP);
		if (!strstr(err_format(&a.e, text, sizeof(text)), rows[i].part))
			fail_msg("%s %s: %s", rows[i].fault, rows[i].params, text);
		assert_int_equal(a.plan.n_changes, 0);
		arena_done(&a.arena);
	}
	has_queue = true;
}

static void what_contradicts_itself_is_refused_in_a_sentence(void **state)
{
	static const struct {
		const char *fault, *params, *part;
	} rows[] = {
		{ "net.delay", "delay=5ms jitter=6ms", "jitter is larger than delay" },
		{ "net.delay", "delay=5ms correlation=1%", "give 'jitter' too" },
		{ "net.impair", "loss=1% jitter=1ms", "jitter is larger than delay" },
		{ "net.loss", "loss=1% model=markov p13=1% p31=1%", "keep one of them" },
		{ "net.loss", "model=random", "nothing would happen" },
		{ "net.loss", "model=markov p13=1%", "needs 'p13' and 'p31'" },
		{ "net.loss", "model=gilbert_elliott good_to_bad=1%", "'bad_to_good'" },
		{ "net.loss", "model=markov p13=60% p14=41% p31=1%", "100% together at most" },
		{ "net.loss", "model=markov p13=1% p31=60% p32=41%", "100% together at most" },
		{ "net.loss", "loss=1% p13=1%", "belong to 'model: markov'" },
		{ "net.loss", "loss=1% loss_in_bad=50%", "belong to 'model: gilbert_elliott'" },
		{ "net.loss", "model=markov p13=1% p31=1% correlation=5%", "without 'model'" },
		{ "net.reorder", "share=100% delay=1ms", "give a gap" },
		{ "net.impair", "loss=1% reorder=10%", "reordering needs a delay" },
		{ "net.impair", "delay=1ms reorder_gap=3", "give 'reorder' too" },
		{ "net.impair", "delay=1ms cell_size=48", "give 'rate' too" },
		{ "net.rate", "rate=1mbit cell_overhead=5", "needs 'cell_size'" },
		{ "net.rate", "rate=1mbit cell_size=48 cell_overhead=-48", "the whole cell" },
		{ "net.impair", "delay=1ms queue=1s", "give 'rate' too" },
		{ "net.impair", "delay=1ms queue_packets=5", "nothing makes packets wait" },
		{ "net.impair", "delay=1ms duplicate_correlation=5%", "give 'duplicate' too" },
		{ "net.impair", "delay=1ms corrupt_correlation=5%", "give 'corrupt' too" },
		{ "net.slot", "min_delay=2ms max_delay=1ms", "above the longest" },
		{ "net.slot", "min_delay=2ms max_delay=2ms distribution=normal", "that differ" },
		{ "net.impair", "delay=1ms slot_packets=5", "need a delay between them" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct plan_context ctx = { .run_id = "01JD3W9K7Q01JD3W9K7QABCDEF" };
		struct asked a;
		char text[600];

		ask(&a, rows[i].fault, rows[i].params);
		if (a.ops->check(&a.spec, &a.e) != -EINVAL)
			fail_msg("%s %s is not refused", rows[i].fault, rows[i].params);
		if (!strstr(err_format(&a.e, text, sizeof(text)), rows[i].part))
			fail_msg("%s %s: %s", rows[i].fault, rows[i].params, text);
		assert_int_equal(a.ops->plan(&a.spec, &ctx, &a.plan, &a.e), -EINVAL);
		assert_int_equal(a.plan.n_changes, 0);
		arena_done(&a.arena);
	}
}

/* The limit, and what the plan says of it. */
static void a_delay_never_becomes_loss_or_the_plan_says_from_where_on(void **state)
{
	struct netem_side_spec s = { .delay_ns = 5 * NS_PER_S };
	struct asked a;
	uint32_t pps;

	(void)state;
	assert_true(netem_limit(&s, 0, 0, &pps) >= 5 * 250000);
	assert_int_equal(pps, 0);
	s.duplicate_ppm = 1; /* each packet may be held twice: more than fit */
	assert_int_equal(netem_limit(&s, 0, 0, &pps), NETEM_QUEUE_MAX);
	assert_int_equal(pps, 133333);
	s = (struct netem_side_spec){ .delay_ns = 60 * NS_PER_S };
	assert_int_equal(netem_limit(&s, 0, 0, &pps), NETEM_QUEUE_MAX);
	assert_int_equal(pps, 22222);
	s.rate = 125000; /* the rate keeps more from being under way */
	assert_true(netem_limit(&s, 0, 0, &pps) >= 60 * 125000 / 42);
	assert_true(netem_limit(&s, 0, 0, &pps) < NETEM_QUEUE_MAX);
	assert_int_equal(pps, 0);

	assert_int_equal(planned(&a, "net.delay", "delay=5s")->limit, 1875000);
	assert_int_equal(a.plan.n_notes, 0);
	planned(&a, "net.delay", "delay=60s");
	assert_int_equal(a.plan.n_notes, 1);
	assert_non_null(strstr(a.plan.note[0], "above 22222 packets/s the delay turns into loss"));
}

static void a_queue_holds_what_was_asked_and_the_plan_tells_what_is_dropped(void **state)
{
	struct asked a;

	(void)state;
	assert_int_equal(planned(&a, "net.rate", "rate=100mbit")->limit, 8256); /* a second */
	planned(&a, "net.rate", "rate=1mbit queue=50ms");
	assert_int_equal(a.plan.n_notes, 1);
	assert_string_equal(a.plan.note[0],
			    "at most 5 packets wait (a GSO packet counts as one), more are dropped; "
			    "at the end they have 60.56ms to leave, the rest is lost");
	assert_int_equal(planned(&a, "net.rate", "rate=1kbit")->limit, 1000);
	assert_non_null(strstr(a.plan.note[0], "they have 1m to leave")); /* never longer */
	assert_int_equal(a.plan.n_notes, 1);
	planned(&a, "net.rate", "rate=1kbit direction=both");
	assert_int_equal(a.plan.n_notes, 2);
	assert_non_null(strstr(a.plan.note[1], "both ways go through one queue"));
	planned(&a, "net.delay", "delay=1ms direction=both"); /* it does not matter there */
	assert_int_equal(a.plan.n_notes, 0);
	planned(&a, "net.slot", "max_delay=20ms");
	assert_int_equal(a.plan.n_notes, 0); /* every slot takes all of them */
	planned(&a, "net.slot", "max_delay=20ms packets=10 queue_packets=100");
	assert_int_equal(a.plan.n_notes, 1);
}

static void netem_is_given_the_time_that_it_needs_to_become_empty(void **state)
{
	struct netem_side_spec s = { .delay_ns = 2 * NS_PER_S, .jitter_ns = NS_PER_S, .limit = 9 };

	(void)state;
	assert_int_equal(netem_spec_drain_ns(&s), 5 * NS_PER_S);
	s.rate = NETEM_FULL_PACKET;
	assert_int_equal(netem_spec_drain_ns(&s), 14 * NS_PER_S);
	s.limit = NETEM_QUEUE_MAX;
	assert_int_equal(netem_spec_drain_ns(&s), 65 * NS_PER_S);
	s = (struct netem_side_spec){ .slot_max_ns = NS_PER_S, .slot_packets = 3, .limit = 9 };
	assert_int_equal(netem_spec_drain_ns(&s), 4 * NS_PER_S);
	s.slot_packets = 0;
	assert_int_equal(netem_spec_drain_ns(&s), NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_becomes_the_words_of_tc_netem),
		cmocka_unit_test(the_engine_is_chosen_by_what_the_kernel_has),
		cmocka_unit_test(user_space_refuses_what_it_cannot_do),
		cmocka_unit_test(what_contradicts_itself_is_refused_in_a_sentence),
		cmocka_unit_test(a_delay_never_becomes_loss_or_the_plan_says_from_where_on),
		cmocka_unit_test(a_queue_holds_what_was_asked_and_the_plan_tells_what_is_dropped),
		cmocka_unit_test(netem_is_given_the_time_that_it_needs_to_become_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
