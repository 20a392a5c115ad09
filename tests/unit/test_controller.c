/* SPDX-License-Identifier: Apache-2.0 */
/* The controller before the first fault and after the last one. */
#include "controller_run.h"

/* --- before --- */

static void nothing_is_armed_until_every_gate_passed(void **state)
{
	struct run *r = *state;

	r->cfg.nchecks = 2;
	r->checks[1].pass_after = 2;
	start(r);
	sample(r, 0, CTL_PASS, 10 * MS);
	sample(r, 1, CTL_PASS, 10 * MS);
	assert_quiet(r);
	sample(r, 1, CTL_PASS, S);
	assert_true(r->acts.arm_all);
}

static void a_bad_sample_starts_the_count_of_passes_again(void **state)
{
	struct run *r = *state;

	r->checks[0].pass_after = 2;
	start(r);
	sample(r, 0, CTL_PASS, S);
	sample(r, 0, CTL_FAIL, S);
	sample(r, 0, CTL_PASS, S);
	assert_int_equal(phase(r), CTL_BEFORE);
	sample(r, 0, CTL_PASS, S);
	assert_int_equal(phase(r), CTL_ARM);
}

static void a_gate_that_fails_before_the_start_is_unfit_and_touches_nothing(void **state)
{
	struct run *r = *state;

	start(r);
	sample(r, 0, CTL_FAIL, S);
	sample(r, 0, CTL_FAIL, S);
	assert_quiet(r);
	sample(r, 0, CTL_FAIL, S);
	assert_true(r->acts.done);
	assert_false(r->acts.undo_all || r->acts.finish);
	assert_int_equal(result(r).code, EXIT_UNFIT);
	assert_false(result(r).touched);
	assert_int_equal(result(r).cause.count, 3);
}

static void a_gate_that_never_settles_is_unfit_in_bounded_time(void **state)
{
	struct run *r = *state;

	r->checks[0].pass_after = 2;
	r->cfg.before_ns = 5 * S;
	start(r);
	for (int i = 0; i < 5; i++)
		sample(r, 0, i % 2 ? CTL_FAIL : CTL_PASS, 900 * MS);
	assert_int_equal(phase(r), CTL_BEFORE);
	assert_int_equal(controller_next(r->c), T0 + 5 * S);
	tick_at(r, T0 + 5 * S);
	assert_int_equal(result(r).code, EXIT_UNFIT);
}

static void an_observed_check_never_gates(void **state)
{
	struct run *r = *state;

	r->cfg.nchecks = 2;
	r->checks[1].gate = false;
	start(r);
	for (int i = 0; i < 5; i++)
		sample(r, 1, CTL_FAIL, S / 2);
	sample(r, 0, CTL_PASS, 0);
	assert_int_equal(phase(r), CTL_ARM);
}

static void a_prober_that_says_nothing_makes_the_start_unfit(void **state)
{
	struct run *r = *state;

	start(r);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(phase(r), CTL_BEFORE);
		tick_at(r, controller_next(r->c));
	}
	assert_int_equal(r->now_ns, T0 + 9 * S);
	assert_int_equal(result(r).code, EXIT_UNFIT);
	assert_true(result(r).cause.silent);
}

static void a_halt_before_the_start_ends_at_once(void **state)
{
	struct run *r = *state;

	start(r);
	event(r, CTL_HALT, 0);
	assert_true(r->acts.done);
	assert_int_equal(result(r).code, EXIT_ABORTED);
}

/* --- arm and gate --- */

static void a_failed_arming_is_unable_and_takes_down_what_stands(void **state)
{
	struct run *r = *state;

	to_arm(r);
	event(r, CTL_ARM_FAILED, 0);
	assert_true(r->acts.undo_all && r->acts.finish);
	assert_int_equal(finish(r), EXIT_UNABLE);
}

static void arming_that_never_answers_is_ended(void **state)
{
	struct run *r = *state;

	r->cfg.arm_ns = 2 * S;
	to_arm(r);
	tick_at(r, r->now_ns + 2 * S);
	assert_true(r->acts.undo_all);
	assert_int_equal(finish(r), EXIT_ABORTED);
	assert_int_equal(result(r).cause.kind, CTL_CAUSE_NO_ANSWER);
}

static void one_fresh_sample_of_each_gate_is_needed_after_arming(void **state)
{
	struct run *r = *state;

	r->cfg.nchecks = 2;
	to_gate(r);
	sample(r, 0, CTL_PASS, S);
	assert_quiet(r);
	sample(r, 1, CTL_PASS, 0);
	assert_fired(r, 1, 0);
}

static void a_probe_that_began_before_armed_proves_nothing(void **state)
{
	struct run *r = *state;

	to_gate(r);
	step(r, (struct ctl_event){ .kind = CTL_SAMPLE, .began_ns = r->now_ns });
	assert_quiet(r);
	sample(r, 0, CTL_PASS, S);
	assert_fired(r, 1, 0);
}

static void one_bad_sample_after_arming_is_unfit_and_fires_nothing(void **state)
{
	struct run *r = *state;

	to_gate(r);
	sample(r, 0, CTL_FAIL, S);
	assert_true(r->acts.undo_all);
	assert_int_equal(r->acts.nfire, 0);
	assert_int_equal(finish(r), EXIT_UNFIT);
}

/* --- recovery --- */

static void a_check_that_was_never_broken_needs_one_sample(void **state)
{
	struct run *r = *state;

	to_recover(r);
	assert_quiet(r);
	sample(r, 0, CTL_PASS, S);
	assert_true(r->acts.finish);
	assert_int_equal(finish(r), EXIT_PASS);
	assert_int_equal(recovery(r, 1).state, CTL_WATCH_OK);
}

static void a_plain_recovery_wants_three_passes_and_counts_to_the_first(void **state)
{
	struct run *r = *state;

	r->faults[0].recover = (struct ctl_recover){ .given = true, .within_ns = 10 * S };
	to_recover(r);
	sample(r, 0, CTL_FAIL, S);
	sample(r, 0, CTL_PASS, S);
	sample(r, 0, CTL_FAIL, S);
	sample(r, 0, CTL_PASS, S);
	sample(r, 0, CTL_PASS, S);
	assert_int_equal(phase(r), CTL_RECOVER);
	sample(r, 0, CTL_PASS, S);
	assert_int_equal(finish(r), EXIT_PASS);
	assert_int_equal(recovery(r, 0).mttr_ns, 4 * S);
}

static void a_stable_run_may_end_after_the_limit_if_it_began_in_time(void **state)
{
	struct run *r = *state;

	r->faults[0].recover = (struct ctl_recover){ .given = true, .within_ns = 2500 * MS };
	to_recover(r);
	sample(r, 0, CTL_FAIL, S);
	for (int i = 0; i < 3; i++)
		sample(r, 0, CTL_PASS, S);
	assert_int_equal(finish(r), EXIT_PASS);
}

static void a_recovery_that_comes_late_is_a_fail(void **state)
{
	struct run *r = *state;

	r->faults[0].recover = (struct ctl_recover){ .given = true, .within_ns = 2500 * MS };
	to_recover(r);
	sample(r, 0, CTL_FAIL, S);
	sample(r, 0, CTL_FAIL, S);
	assert_int_equal(controller_next(r->c), r->now_ns + 500 * MS);
	tick_at(r, controller_next(r->c));
	assert_int_equal(finish(r), EXIT_FAIL);
	assert_int_equal(recovery(r, 0).state, CTL_WATCH_LATE);
}

static void a_stable_time_is_waited_for(void **state)
{
	struct run *r = *state;

	r->faults[0].recover =
		(struct ctl_recover){ .given = true, .within_ns = 5 * S, .stable_ns = 4 * S };
	to_recover(r);
	for (int i = 0; i < 4; i++)
		sample(r, 0, CTL_PASS, S);
	assert_int_equal(phase(r), CTL_RECOVER);
	sample(r, 0, CTL_PASS, S);
	assert_int_equal(finish(r), EXIT_PASS);
}

static void a_probe_from_before_the_revert_proves_no_recovery(void **state)
{
	struct run *r = *state;

	to_recover(r);
	step(r, (struct ctl_event){ .kind = CTL_SAMPLE, .began_ns = r->now_ns - MS });
	assert_int_equal(phase(r), CTL_RECOVER);
}

static void a_one_shot_is_not_undone_and_its_clock_starts_at_the_shot(void **state)
{
	struct run *r = *state;

	r->faults[0] = (struct ctl_fault){ .one_shot = true };
	r->faults[0].recover = (struct ctl_recover){ .given = true, .within_ns = 10 * S };
	to_gate(r);
	sample(r, 0, CTL_PASS, 10 * MS);
	assert_fired(r, 1, 0);
	r->now_ns += 5 * MS;
	event(r, CTL_LIVE, 0);
	assert_quiet(r);
	assert_int_equal(phase(r), CTL_RECOVER);
	for (int i = 0; i < 4; i++)
		sample(r, 0, CTL_FAIL, S);
	assert_int_equal(phase(r), CTL_RECOVER);
	for (int i = 0; i < 3; i++)
		sample(r, 0, CTL_PASS, S);
	assert_int_equal(finish(r), EXIT_PASS);
	assert_int_equal(recovery(r, 0).mttr_ns, 5 * S + 5 * MS);
}

static void a_recovery_may_name_its_checks_and_the_rest_is_watched_too(void **state)
{
	struct run *r = *state;
	static const unsigned second[] = { 1 };

	r->cfg.nchecks = 2;
	r->faults[0].for_ns = S;
	r->faults[0].recover = (struct ctl_recover){ .given = true,
						     .within_ns = 5 * S,
						     .stable_checks = 1,
						     .checks = second,
						     .nchecks = 1 };
	to_hold(r);
	tick_at(r, controller_hold_ns(r->c) + S);
	event(r, CTL_REVERTED, 0);
	sample(r, 1, CTL_PASS, S);
	assert_int_equal(recovery(r, 0).state, CTL_WATCH_OK);
	assert_int_equal(phase(r), CTL_RECOVER);
	sample(r, 0, CTL_PASS, MS);
	assert_int_equal(finish(r), EXIT_PASS);
}

static void a_recovery_without_data_is_unknown(void **state)
{
	struct run *r = *state;

	r->checks[0].unknown_ok = true;
	to_recover(r);
	for (int i = 0; i < 100 && phase(r) == CTL_RECOVER; i++)
		tick_at(r, controller_next(r->c));
	assert_int_equal(finish(r), EXIT_UNKNOWN);
	assert_int_equal(recovery(r, 1).state, CTL_WATCH_UNKNOWN);
}

static void no_recovery_within_the_default_is_a_fail(void **state)
{
	struct run *r = *state;

	to_recover(r);
	for (int i = 0; i < 14; i++)
		sample(r, 0, CTL_FAIL, S);
	assert_int_equal(phase(r), CTL_RECOVER);
	tick_at(r, controller_next(r->c));
	assert_int_equal(recovery(r, 1).clock_ns + 15 * S, r->now_ns);
	assert_int_equal(finish(r), EXIT_FAIL);
}

/* The keeper lifted it and its word why was lost: a run whose fault was not there is no pass. */
static void a_fault_that_is_over_before_its_time_stops_the_run(void **state)
{
	struct run *r = *state;

	r->faults[0].for_ns = 10 * S;
	to_hold(r);
	tick_at(r, controller_hold_ns(r->c) + S);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_ABORTED);
}

/* --- the end --- */

static void the_run_waits_for_every_revert_before_it_finishes(void **state)
{
	struct run *r = *state;

	r->cfg.nfaults = 2;
	to_hold(r);
	event(r, CTL_HALT, 0);
	event(r, CTL_REVERTED, 1);
	assert_quiet(r);
	event(r, CTL_REVERTED, 0);
	assert_true(r->acts.finish);
}

static void a_revert_that_never_answers_is_not_clean(void **state)
{
	struct run *r = *state;

	r->cfg.undo_ns = 5 * S;
	to_hold(r);
	event(r, CTL_HALT, 0);
	tick_at(r, r->now_ns + 5 * S);
	assert_true(r->acts.finish);
	assert_int_equal(finish(r), EXIT_NOT_CLEAN);
}

static void packets_that_a_fault_still_holds_have_their_time(void **state)
{
	struct run *r = *state;
	struct ctl_fault_view v;

	r->cfg.undo_ns = 5 * S;
	r->faults[0].drain_ns = 40 * S;
	to_hold(r);
	event(r, CTL_HALT, 0);
	tick_at(r, r->now_ns + 45 * S - 1);
	controller_fault(r->c, 0, &v);
	assert_int_equal(v.phase, CTL_UNDOING);
	tick_at(r, r->now_ns + 1);
	controller_fault(r->c, 0, &v);
	assert_int_equal(v.phase, CTL_STUCK);
}

static void a_late_proof_heals_an_undo_that_was_not_confirmed(void **state)
{
	struct run *r = *state;

	to_hold(r);
	event(r, CTL_HALT, 0);
	event(r, CTL_NOT_REVERTED, 0);
	assert_true(r->acts.finish);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_ABORTED);
}

static void not_clean_overrides_every_other_verdict(void **state)
{
	struct run *r = *state;

	to_recover(r);
	sample(r, 0, CTL_PASS, S);
	event(r, CTL_NOT_CLEAN, 0);
	assert_true(r->acts.done);
	assert_int_equal(result(r).code, EXIT_NOT_CLEAN);
}

static void an_end_that_never_answers_is_not_clean(void **state)
{
	struct run *r = *state;

	r->cfg.finish_ns = 7 * S;
	to_recover(r);
	sample(r, 0, CTL_PASS, S);
	tick_at(r, r->now_ns + 7 * S);
	assert_true(r->acts.done);
	assert_int_equal(result(r).code, EXIT_NOT_CLEAN);
}

static void clean_counts_only_as_an_answer_to_finish(void **state)
{
	struct run *r = *state;

	to_recover(r);
	event(r, CTL_CLEAN, 0);
	assert_quiet(r);
	assert_int_equal(phase(r), CTL_RECOVER);
}

static void events_after_the_end_change_nothing(void **state)
{
	struct run *r = *state;

	to_recover(r);
	sample(r, 0, CTL_PASS, S);
	assert_int_equal(finish(r), EXIT_PASS);
	for (unsigned k = 0; k <= CTL_EVENTS; k++) {
		event(r, k, k);
		assert_quiet(r);
	}
	assert_int_equal(result(r).code, EXIT_PASS);
}

/* --- without checks, with a command --- */

static void a_run_without_checks_goes_straight_through(void **state)
{
	struct run *r = *state;

	r->cfg.nchecks = 0;
	start(r);
	assert_true(r->acts.arm_all);
	event(r, CTL_ARMED, 0);
	assert_fired(r, 1, 0);
	event(r, CTL_LIVE, 0);
	assert_int_equal(controller_next(r->c), r->now_ns + 10 * S);
	tick_at(r, r->now_ns + 10 * S);
	assert_int_equal(r->acts.nundo, 1);
	event(r, CTL_REVERTED, 0);
	assert_true(r->acts.finish);
	assert_int_equal(finish(r), EXIT_PASS);
}

static void the_command_starts_when_the_fault_is_in_place_and_its_end_lifts_it(void **state)
{
	struct run *r = *state;

	r->cfg.nchecks = 0;
	r->cfg.hold_command = true;
	r->cfg.limit_ns = 60 * S;
	start(r);
	event(r, CTL_ARMED, 0);
	assert_false(r->acts.start_command);
	event(r, CTL_LIVE, 0);
	assert_true(r->acts.start_command);
	r->now_ns += S;
	step(r, (struct ctl_event){ .kind = CTL_COMMAND_EXITED, .code = 3 });
	assert_true(r->acts.undo_all);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(finish(r), EXIT_PASS);
	assert_int_equal(result(r).command_code, 3);
}

static void a_command_that_outlives_the_fault_is_waited_for(void **state)
{
	struct run *r = *state;

	r->cfg.nchecks = 0;
	r->cfg.hold_command = true;
	r->cfg.limit_ns = 60 * S;
	start(r);
	event(r, CTL_ARMED, 0);
	event(r, CTL_LIVE, 0);
	tick_at(r, r->now_ns + 10 * S);
	event(r, CTL_REVERTED, 0);
	assert_int_equal(phase(r), CTL_HOLD);
	assert_int_equal(controller_next(r->c), controller_hold_ns(r->c) + 60 * S);
	event(r, CTL_COMMAND_EXITED, 0);
	assert_int_equal(finish(r), EXIT_PASS);
}

/* --- configs --- */

static void refuse(struct run *r)
{
	struct err e = { 0 };

	assert_null(controller_new(&r->cfg, &r->arena, &e));
	assert_int_equal(e.code, EINVAL);
}

static void a_fault_without_an_end_is_refused(void **state)
{
	struct run *r = *state;

	r->faults[0].for_ns = 0;
	refuse(r);
	r->faults[0].for_ns = -1;
	refuse(r);
}

static void a_config_that_makes_no_sense_is_refused(void **state)
{
	struct run *r = *state;

	r->checks[0].every_ns = 0;
	refuse(r);
	r->checks[0].every_ns = S;
	r->cfg.hold_command = true;
	refuse(r);
	r->cfg.hold_command = false;
	r->cfg.nrules = 1;
	r->rules[0].check = 1;
	refuse(r);
	r->cfg.nrules = 0;
	r->faults[0].recover = (struct ctl_recover){ .given = true, .within_ns = S };
	r->checks[0].gate = false;
	refuse(r);
}

static void time_never_goes_back(void **state)
{
	struct run *r = *state;

	to_hold(r);
	healthy_until(r, controller_hold_ns(r->c) + 9 * S);
	tick_at(r, T0 - 50 * S);
	assert_quiet(r);
	assert_int_equal(controller_next(r->c), controller_hold_ns(r->c) + 10 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_armed_until_every_gate_passed),
		TEST(a_bad_sample_starts_the_count_of_passes_again),
		TEST(a_gate_that_fails_before_the_start_is_unfit_and_touches_nothing),
		TEST(a_gate_that_never_settles_is_unfit_in_bounded_time),
		TEST(an_observed_check_never_gates),
		TEST(a_prober_that_says_nothing_makes_the_start_unfit),
		TEST(a_halt_before_the_start_ends_at_once),
		TEST(a_failed_arming_is_unable_and_takes_down_what_stands),
		TEST(arming_that_never_answers_is_ended),
		TEST(one_fresh_sample_of_each_gate_is_needed_after_arming),
		TEST(a_probe_that_began_before_armed_proves_nothing),
		TEST(one_bad_sample_after_arming_is_unfit_and_fires_nothing),
		TEST(a_check_that_was_never_broken_needs_one_sample),
		TEST(a_plain_recovery_wants_three_passes_and_counts_to_the_first),
		TEST(a_stable_run_may_end_after_the_limit_if_it_began_in_time),
		TEST(a_recovery_that_comes_late_is_a_fail),
		TEST(a_stable_time_is_waited_for),
		TEST(a_probe_from_before_the_revert_proves_no_recovery),
		TEST(a_one_shot_is_not_undone_and_its_clock_starts_at_the_shot),
		TEST(a_recovery_may_name_its_checks_and_the_rest_is_watched_too),
		TEST(a_recovery_without_data_is_unknown),
		TEST(no_recovery_within_the_default_is_a_fail),
		TEST(a_fault_that_is_over_before_its_time_stops_the_run),
		TEST(the_run_waits_for_every_revert_before_it_finishes),
		TEST(a_revert_that_never_answers_is_not_clean),
		TEST(packets_that_a_fault_still_holds_have_their_time),
		TEST(a_late_proof_heals_an_undo_that_was_not_confirmed),
		TEST(not_clean_overrides_every_other_verdict),
		TEST(an_end_that_never_answers_is_not_clean),
		TEST(clean_counts_only_as_an_answer_to_finish),
		TEST(events_after_the_end_change_nothing),
		TEST(a_run_without_checks_goes_straight_through),
		TEST(the_command_starts_when_the_fault_is_in_place_and_its_end_lifts_it),
		TEST(a_command_that_outlives_the_fault_is_waited_for),
		TEST(a_fault_without_an_end_is_refused),
		TEST(a_config_that_makes_no_sense_is_refused),
		TEST(time_never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
