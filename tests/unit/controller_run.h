/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CONTROLLER_RUN_H
#define BRINK_CONTROLLER_RUN_H

/* The fixture of the controller's tests: a run under a virtual clock, and ways to get to a phase.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/exit.h"
#include "safety/controller.h"

#define S  NS_PER_S
#define MS NS_PER_MS
#define T0 (100 * S)

/* A run under a virtual clock. Tests fill in the config and then say what happens when. */
struct run {
	struct arena arena;
	struct ctl_check checks[3];
	struct ctl_fault faults[4];
	struct ctl_rule rules[1];
	struct ctl_config cfg;
	struct controller *c;
	struct ctl_actions acts; /* of the last step */
	int64_t now_ns;
};

/* One gate every second, one fault of 10 s: `brink new` writes this. */
static inline int set_up(void **state)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	for (size_t i = 0; i < 3; i++)
		r->checks[i] = (struct ctl_check){ .gate = true, .every_ns = S, .timeout_ns = S };
	for (size_t i = 0; i < 4; i++)
		r->faults[i] = (struct ctl_fault){ .for_ns = 10 * S };
	r->cfg = (struct ctl_config){ .checks = r->checks,
				      .nchecks = 1,
				      .faults = r->faults,
				      .nfaults = 1,
				      .rules = r->rules };
	r->now_ns = T0;
	*state = r;
	return 0;
}

static inline int tear_down(void **state)
{
	struct run *r = *state;

	arena_done(&r->arena);
	free(r);
	return 0;
}

static inline void step(struct run *r, struct ctl_event ev)
{
	controller_step(r->c, &ev, r->now_ns, &r->acts);
}

static inline void start(struct run *r)
{
	struct err e = { 0 };

	r->c = controller_new(&r->cfg, &r->arena, &e);
	assert_non_null(r->c);
	assert_true(controller_next(r->c) <= r->now_ns);
	step(r, (struct ctl_event){ .kind = CTL_TICK });
}

static inline void event(struct run *r, enum ctl_event_kind kind, unsigned item)
{
	step(r, (struct ctl_event){ .kind = kind, .item = item });
}

static inline void tick_at(struct run *r, int64_t at_ns)
{
	r->now_ns = at_ns;
	event(r, CTL_TICK, 0);
}

/* A sample that arrives after_ns from now, of a probe that began 1 ms before. */
static inline void sample(struct run *r, unsigned check, enum ctl_status status, int64_t after_ns)
{
	r->now_ns += after_ns;
	step(r, (struct ctl_event){ .kind = CTL_SAMPLE,
				    .item = check,
				    .status = status,
				    .value = NAN,
				    .began_ns = r->now_ns - MS });
}

static inline void value(struct run *r, unsigned check, double v, int64_t after_ns)
{
	r->now_ns += after_ns;
	step(r, (struct ctl_event){ .kind = CTL_SAMPLE,
				    .item = check,
				    .status = CTL_PASS,
				    .value = v,
				    .began_ns = r->now_ns - MS });
}

static inline enum ctl_phase phase(const struct run *r)
{
	return controller_phase(r->c);
}

static inline struct ctl_result result(const struct run *r)
{
	struct ctl_result res;

	controller_result(r->c, &res);
	return res;
}

static inline struct ctl_recovery recovery(const struct run *r, unsigned scope)
{
	struct ctl_recovery v;

	controller_recovery(r->c, scope, &v);
	return v;
}

static inline void assert_fired(const struct run *r, size_t n, unsigned first)
{
	assert_int_equal(r->acts.nfire, n);
	assert_int_equal(r->acts.fire[0], first);
}

static inline void assert_quiet(const struct run *r)
{
	const struct ctl_actions *a = &r->acts;

	assert_false(a->undo_all || a->nundo || a->arm_all || a->nfire || a->start_command ||
		     a->finish || a->done);
}

/* To ARM: each gate passes once. */
static inline void to_arm(struct run *r)
{
	start(r);
	for (unsigned i = 0; i < r->cfg.nchecks; i++)
		sample(r, i, CTL_PASS, 10 * MS);
	assert_int_equal(phase(r), CTL_ARM);
	assert_true(r->acts.arm_all);
}

static inline void to_gate(struct run *r)
{
	to_arm(r);
	event(r, CTL_ARMED, 0);
	assert_int_equal(phase(r), r->cfg.nchecks ? CTL_GATE : CTL_HOLD);
}

/* To HOLD, with every fault of the first instant fired and landed. */
static inline void to_hold(struct run *r)
{
	to_gate(r);
	for (unsigned i = 0; i < r->cfg.nchecks; i++)
		sample(r, i, CTL_PASS, 10 * MS);
	assert_int_equal(phase(r), CTL_HOLD);
	for (unsigned i = 0; i < r->cfg.nfaults; i++) {
		if (!r->faults[i].after_ns)
			event(r, CTL_LIVE, i);
	}
}

/* Good samples once a second until at_ns. */
static inline void healthy_until(struct run *r, int64_t at_ns)
{
	while (r->now_ns + S < at_ns)
		sample(r, 0, CTL_PASS, S);
}

static inline void to_recover(struct run *r)
{
	int64_t end;

	to_hold(r);
	end = controller_hold_ns(r->c) + 10 * S;
	healthy_until(r, end);
	tick_at(r, end);
	assert_int_equal(r->acts.nundo, 1);
	r->now_ns += 2 * MS;
	event(r, CTL_REVERTED, 0);
	assert_int_equal(phase(r), CTL_RECOVER);
}

/* From ENDING to the end; returns the exit code. */
static inline int finish(struct run *r)
{
	assert_int_equal(phase(r), CTL_ENDING);
	event(r, CTL_CLEAN, 0);
	assert_true(r->acts.done);
	assert_int_equal(controller_next(r->c), CTL_NEVER);
	return result(r).code;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
