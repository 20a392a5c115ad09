/* SPDX-License-Identifier: Apache-2.0 */
/* The controller while faults are on, and its halts. */
#include "controller_run.h"

/* --- hold --- */

static void faults_of_one_instant_fire_in_one_action(void **state)
{
	struct run *r = *state;

	r->cfg.nfaults = 4;
	r->faults[1].after_ns = 3 * S;
	r->faults[3].after_ns = 3 * S;
	to_gate(r);
	sample(r, 0, CTL_PASS, 10 * MS);
	assert_fired(r, 2, 0);
	assert_int_equal(r->acts.fire[1], 2);
	event(r, CTL_LIVE, 0);
	event(r, CTL_LIVE, 2);
	healthy_until(r, controller_hold_ns(r->c) + 3 * S);
	assert_int_equal(controller_next(r->c), controller_hold_ns(r->c) + 3 * S);
	tick_at(r, controller_next(r->c));
	assert_fired(r, 2, 1);
	assert_int_equal(r->acts.fire[1], 3);
}

static void each_fault_is_lifted_at_its_own_end(void **state)
{
	struct run *r = *state;

	r->cfg.nfaults = 2;
	r->faults[1].for_ns = 4 * S;
	to_hold(r);
	healthy_until(r, controller_hold_ns(r->c) + 4 * S);
	assert_int_equal(controller_next(r->c), controller_hold_ns(r->c) + 4 * S);
	tick_at(r, controller_next(r->c));
	assert_int_equal(r->acts.nundo, 1);
	assert_int_equal(r->acts.undo[0], 1);
	assert_false(r->acts.undo_all);
	assert_int_equal(phase(r), CTL_HOLD);
}

static void the_end_of_a_fault_needs_no_tick(void **state)
{
	struct run *r = *state;

	to_hold(r);
	sample(r, 0, CTL_PASS, 10 * S);
	assert_int_equal(r->acts.nundo, 1);
}

static void the_third_failure_in_a_row_aborts_in_the_same_step(void **state)
{
	struct run *r = *state;

	to_hold(r);
	sample(r, 0, CTL_FAIL, S);
	sample(r, 0, CTL_FAIL, S);
	sample(r, 0, CTL_PASS, S);
	sample(r, 0, CTL_FAIL, S);
	sample(r, 0, CTL_FAIL, S);
	assert_quiet(r);
	sample(r, 0, CTL_FAIL, S);
	assert_true(r->acts.undo_all);
	assert_int_equal(phase(r), CTL_LIFT);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_GATE);
	assert_int_equal(result(r).cause.count, 3);
	assert_int_equal(result(r).cause.since_ns, r->now_ns - 2 * S);
}

static void a_run_that_its_own_gate_stopped_is_a_finding_and_is_watched(void **state)
{
	struct run *r = *state;

	r->checks[0].fail_after = 1;
	to_hold(r);
	sample(r, 0, CTL_FAIL, S);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(phase(r), CTL_RECOVER);
	for (int i = 0; i < 3; i++)
		sample(r, 0, CTL_PASS, S);
	assert_int_equal(finish(r), EXIT_FAIL);
	assert_int_equal(recovery(r, 1).state, CTL_WATCH_OK);
	assert_int_equal(recovery(r, 1).mttr_ns, S);
}

static void an_observed_check_never_aborts(void **state)
{
	struct run *r = *state;

	r->cfg.nchecks = 2;
	r->checks[1].gate = false;
	start(r);
	sample(r, 0, CTL_PASS, MS);
	event(r, CTL_ARMED, 0);
	sample(r, 0, CTL_PASS, 10 * MS);
	event(r, CTL_LIVE, 0);
	for (int i = 0; i < 5; i++)
		sample(r, 1, CTL_FAIL, 100 * MS);
	assert_int_equal(phase(r), CTL_HOLD);
}

static void no_data_is_a_failing_sample(void **state)
{
	struct run *r = *state;

	to_hold(r);
	for (int i = 0; i < 3; i++)
		sample(r, 0, CTL_NO_DATA, S);
	assert_true(r->acts.undo_all);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_GATE);
}

static void no_data_unknown_neither_breaks_nor_mends(void **state)
{
	struct run *r = *state;

	r->checks[0].unknown_ok = true;
	to_hold(r);
	sample(r, 0, CTL_FAIL, S);
	for (int i = 0; i < 3; i++)
		sample(r, 0, CTL_NO_DATA, S);
	sample(r, 0, CTL_FAIL, S);
	assert_quiet(r);
	sample(r, 0, CTL_FAIL, S);
	assert_true(r->acts.undo_all);
}

static void too_few_samples_give_unknown(void **state)
{
	struct run *r = *state;

	r->checks[0].unknown_ok = true;
	r->faults[0].for_ns = 2 * S;
	to_hold(r);
	sample(r, 0, CTL_NO_DATA, S);
	tick_at(r, r->now_ns + S);
	event(r, CTL_REVERTED, 0);
	sample(r, 0, CTL_PASS, S);
	assert_int_equal(finish(r), EXIT_UNKNOWN);
}

static void silence_counts_as_failing_after_timeout_and_two_periods(void **state)
{
	struct run *r = *state;
	int64_t last;

	r->checks[0].fail_after = 2;
	to_hold(r);
	last = r->now_ns;
	assert_int_equal(controller_next(r->c), last + 3 * S);
	event(r, CTL_TICK, 0);
	tick_at(r, last + 3 * S);
	assert_quiet(r);
	tick_at(r, last + 6 * S);
	assert_true(r->acts.undo_all);
	assert_true(result(r).cause.silent);
}

static void silence_is_judged_at_a_tick_only(void **state)
{
	struct run *r = *state;

	r->checks[0].fail_after = 1;
	to_hold(r);
	sample(r, 0, CTL_PASS, 4 * S);
	assert_quiet(r);
	event(r, CTL_TICK, 0);
	assert_quiet(r);
}

static void the_same_sample_twice_counts_once(void **state)
{
	struct run *r = *state;
	struct ctl_event bad = { .kind = CTL_SAMPLE, .status = CTL_FAIL, .value = NAN };

	to_hold(r);
	r->now_ns += S;
	bad.began_ns = r->now_ns - MS;
	for (int i = 0; i < 5; i++)
		step(r, bad);
	assert_int_equal(phase(r), CTL_HOLD);
}

static void a_rule_aborts_when_it_was_true_for_its_time(void **state)
{
	struct run *r = *state;
	int64_t since;

	r->cfg.nrules = 1;
	r->rules[0] = (struct ctl_rule){ .is = { .op = COMPARE_GT, .value = 20 }, .for_ns = 3 * S };
	to_hold(r);
	value(r, 0, 30, S);
	value(r, 0, 10, S);
	value(r, 0, 30, S);
	since = r->now_ns;
	value(r, 0, 30, S);
	value(r, 0, 30, S);
	assert_quiet(r);
	assert_int_equal(controller_next(r->c), since + 3 * S);
	tick_at(r, since + 3 * S);
	assert_true(r->acts.undo_all);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_RULE);
	assert_int_equal(result(r).cause.since_ns, since);
}

static void a_failing_rule_on_an_observed_check_aborts(void **state)
{
	struct run *r = *state;

	r->cfg.nrules = 1;
	r->checks[0].gate = false;
	r->rules[0] = (struct ctl_rule){ .is = { .failing = true }, .for_ns = S };
	start(r);
	event(r, CTL_ARMED, 0);
	event(r, CTL_LIVE, 0);
	sample(r, 0, CTL_FAIL, 100 * MS);
	sample(r, 0, CTL_FAIL, S); /* says so itself: no tick is needed */
	assert_true(r->acts.undo_all);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_FAIL);
}

static void a_rule_is_not_judged_by_what_was_not_heard_yet(void **state)
{
	struct run *r = *state;

	r->cfg.nrules = 1;
	r->cfg.nchecks = 2;
	r->rules[0] = (struct ctl_rule){ .check = 1, .is = { .failing = true }, .for_ns = S };
	to_hold(r);
	sample(r, 1, CTL_FAIL, S);
	sample(r, 0, CTL_PASS, 2 * S); /* we had no CPU for a while */
	assert_quiet(r);
	sample(r, 1, CTL_PASS, 0);
	tick_at(r, r->now_ns);
	assert_quiet(r);
}

static void the_limit_of_the_run_is_a_fail(void **state)
{
	struct run *r = *state;

	r->cfg.limit_ns = 2 * S;
	to_hold(r);
	tick_at(r, controller_hold_ns(r->c) + 2 * S);
	assert_true(r->acts.undo_all);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_FAIL);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_LIMIT);
}

static void a_lost_lease_aborts(void **state)
{
	struct run *r = *state;

	to_hold(r);
	event(r, CTL_LOST, 0);
	assert_true(r->acts.undo_all);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_ABORTED);
}

static void a_fault_that_is_lost_before_its_time_aborts(void **state)
{
	struct run *r = *state;

	r->cfg.nfaults = 2;
	r->faults[1].after_ns = 3 * S;
	to_hold(r);
	event(r, CTL_LOST, 1);
	assert_true(r->acts.undo_all);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_ABORTED);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_LOST);
}

static void a_fault_that_is_lost_at_the_gate_aborts(void **state)
{
	struct run *r = *state;

	to_gate(r);
	event(r, CTL_LOST, 0);
	assert_true(r->acts.undo_all);
	assert_int_equal(finish(r), EXIT_ABORTED);
}

static void a_fault_that_cannot_be_placed_is_unable_if_nothing_landed(void **state)
{
	struct run *r = *state;

	to_gate(r);
	sample(r, 0, CTL_PASS, 10 * MS);
	event(r, CTL_LIVE_FAILED, 0);
	assert_true(r->acts.undo_all);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_UNABLE);
}

static void a_fault_that_cannot_be_placed_beside_another_is_aborted(void **state)
{
	struct run *r = *state;

	r->cfg.nfaults = 2;
	r->faults[1].after_ns = S;
	to_hold(r);
	tick_at(r, controller_hold_ns(r->c) + S);
	event(r, CTL_LIVE_FAILED, 1);
	event(r, CTL_REVERTED, 0);
	event(r, CTL_REVERTED, 1);
	assert_int_equal(finish(r), EXIT_ABORTED);
}

static void a_fault_that_never_answers_aborts(void **state)
{
	struct run *r = *state;

	r->cfg.live_ns = S;
	to_gate(r);
	sample(r, 0, CTL_PASS, 10 * MS);
	tick_at(r, r->now_ns + S);
	assert_true(r->acts.undo_all);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_NO_ANSWER);
}

static void a_fault_that_lands_slowly_has_its_time(void **state)
{
	struct run *r = *state;
	int64_t fired;

	r->cfg.live_ns = S;
	r->faults[0] = (struct ctl_fault){ .one_shot = true,
					   .land_ns = 30 * S,
					   .recover = { .given = true, .within_ns = 10 * S } };
	to_gate(r);
	sample(r, 0, CTL_PASS, 10 * MS);
	fired = r->now_ns;
	healthy_until(r, fired + 31 * S);
	tick_at(r, fired + 31 * S - 1);
	assert_quiet(r);
	event(r, CTL_LIVE, 0);
	assert_int_equal(phase(r), CTL_RECOVER);
	assert_int_equal(recovery(r, 0).clock_ns, r->now_ns); /* nobody was killed before */
}

static void a_fault_that_lands_slowly_and_never_does_aborts(void **state)
{
	struct run *r = *state;

	r->cfg.live_ns = S;
	r->faults[0] = (struct ctl_fault){ .one_shot = true, .land_ns = 30 * S };
	to_gate(r);
	sample(r, 0, CTL_PASS, 10 * MS);
	tick_at(r, r->now_ns + 31 * S);
	assert_true(r->acts.undo_all);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_NO_ANSWER);
}

static void a_fault_that_is_lost_while_it_lands_aborts(void **state)
{
	struct run *r = *state;

	r->faults[0] = (struct ctl_fault){ .one_shot = true, .land_ns = 300 * S };
	to_gate(r);
	sample(r, 0, CTL_PASS, 10 * MS);
	event(r, CTL_LOST, 0);
	assert_true(r->acts.undo_all);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_LOST);
}

static void who_woke_late_judges_nobody_but_ends_what_is_due(void **state)
{
	struct run *r = *state;

	r->cfg.nfaults = 2;
	r->cfg.live_ns = S;
	r->faults[0].for_ns = 20 * S;
	r->faults[1].after_ns = 5 * S;
	r->checks[0].fail_after = 1;
	to_hold(r);
	r->now_ns = controller_hold_ns(r->c) + 15 * S; /* the machine stood still */
	event(r, CTL_WOKE, 0);
	assert_fired(r, 1, 1);
	assert_false(r->acts.undo_all);
	r->now_ns += 5 * S;
	event(r, CTL_WOKE, 0);
	assert_int_equal(r->acts.nundo, 1);
	assert_false(r->acts.undo_all);
	tick_at(r, r->now_ns);
	assert_true(r->acts.undo_all);
}

static void one_undo_that_fails_takes_back_all_the_others(void **state)
{
	struct run *r = *state;

	r->cfg.nfaults = 2;
	r->faults[1].for_ns = S;
	to_hold(r);
	tick_at(r, controller_hold_ns(r->c) + S);
	event(r, CTL_NOT_REVERTED, 1);
	assert_true(r->acts.undo_all);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_NOT_CLEAN);
}

static void a_fault_that_ended_and_never_landed_is_no_pass(void **state)
{
	struct run *r = *state;

	r->faults[0].for_ns = S;
	to_gate(r);
	sample(r, 0, CTL_PASS, 10 * MS);
	tick_at(r, r->now_ns + S);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_ABORTED);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_NO_ANSWER);
}

/* --- halts --- */

static void a_halt_undoes_all_and_skips_the_watch(void **state)
{
	struct run *r = *state;

	to_hold(r);
	step(r, (struct ctl_event){ .kind = CTL_HALT, .by = CTL_BY_HALT });
	assert_true(r->acts.undo_all);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_ABORTED);
	assert_int_equal(result(r).cause.by, CTL_BY_HALT);
}

static void a_second_halt_skips_no_revert_and_the_first_cause_stays(void **state)
{
	struct run *r = *state;

	to_hold(r);
	step(r, (struct ctl_event){ .kind = CTL_HALT, .by = CTL_BY_HALT });
	step(r, (struct ctl_event){ .kind = CTL_HALT, .by = CTL_BY_SIGNAL });
	assert_quiet(r);
	assert_int_equal(phase(r), CTL_LIFT);
	assert_int_equal(result(r).cause.by, CTL_BY_HALT);
}

static void a_halt_after_a_broken_gate_ends_the_watch_and_stays_a_fail(void **state)
{
	struct run *r = *state;

	r->checks[0].fail_after = 1;
	to_hold(r);
	sample(r, 0, CTL_FAIL, S);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(phase(r), CTL_RECOVER);
	event(r, CTL_HALT, 0);
	assert_int_equal(finish(r), EXIT_FAIL);
}

static void nothing_fires_after_a_halt(void **state)
{
	struct run *r = *state;

	r->cfg.nfaults = 2;
	r->faults[1].after_ns = S;
	to_hold(r);
	event(r, CTL_HALT, 0);
	tick_at(r, controller_hold_ns(r->c) + 2 * S);
	assert_quiet(r);
}

static void a_bug_in_brink_is_internal(void **state)
{
	struct run *r = *state;

	to_hold(r);
	step(r, (struct ctl_event){ .kind = CTL_HALT, .by = CTL_BY_BUG });
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(faults_of_one_instant_fire_in_one_action),
		TEST(each_fault_is_lifted_at_its_own_end),
		TEST(the_end_of_a_fault_needs_no_tick),
		TEST(the_third_failure_in_a_row_aborts_in_the_same_step),
		TEST(a_run_that_its_own_gate_stopped_is_a_finding_and_is_watched),
		TEST(an_observed_check_never_aborts),
		TEST(no_data_is_a_failing_sample),
		TEST(no_data_unknown_neither_breaks_nor_mends),
		TEST(too_few_samples_give_unknown),
		TEST(silence_counts_as_failing_after_timeout_and_two_periods),
		TEST(silence_is_judged_at_a_tick_only),
		TEST(the_same_sample_twice_counts_once),
		TEST(a_rule_aborts_when_it_was_true_for_its_time),
		TEST(a_failing_rule_on_an_observed_check_aborts),
		TEST(a_rule_is_not_judged_by_what_was_not_heard_yet),
		TEST(the_limit_of_the_run_is_a_fail),
		TEST(a_lost_lease_aborts),
		TEST(a_fault_that_is_lost_before_its_time_aborts),
		TEST(a_fault_that_is_lost_at_the_gate_aborts),
		TEST(a_fault_that_cannot_be_placed_is_unable_if_nothing_landed),
		TEST(a_fault_that_cannot_be_placed_beside_another_is_aborted),
		TEST(a_fault_that_never_answers_aborts),
		TEST(a_fault_that_lands_slowly_has_its_time),
		TEST(a_fault_that_lands_slowly_and_never_does_aborts),
		TEST(a_fault_that_is_lost_while_it_lands_aborts),
		TEST(who_woke_late_judges_nobody_but_ends_what_is_due),
		TEST(one_undo_that_fails_takes_back_all_the_others),
		TEST(a_fault_that_ended_and_never_landed_is_no_pass),
		TEST(a_halt_undoes_all_and_skips_the_watch),
		TEST(a_second_halt_skips_no_revert_and_the_first_cause_stays),
		TEST(a_halt_after_a_broken_gate_ends_the_watch_and_stays_a_fail),
		TEST(nothing_fires_after_a_halt),
		TEST(a_bug_in_brink_is_internal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
