/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/controller.h"

#include <errno.h>

#include "base/exit.h"
#include "safety/controller_state.h"

/* --- making one --- */

static int make_checks(struct controller *c, struct arena *a, struct err *e)
{
	struct ctl_check *copy = arena_zalloc(a, c->cfg.nchecks * sizeof(*copy) + 1);

	c->checks = arena_zalloc(a, c->cfg.nchecks * sizeof(*c->checks) + 1);
	if (!copy || !c->checks)
		return err_set(e, ENOMEM, "no memory for the checks");
	for (size_t i = 0; i < c->cfg.nchecks; i++) {
		copy[i] = c->cfg.checks[i];
		if (ctl_check_fill(&copy[i], e))
			return err_ctx(e, "check %zu", i);
		c->checks[i].cfg = copy[i];
		c->checks[i].began_ns = INT64_MIN;
		c->checks[i].view.last = CTL_NO_DATA;
	}
	c->cfg.checks = copy;
	if (!c->cfg.before_ns)
		c->cfg.before_ns = ctl_before_default(&c->cfg);
	return 0;
}

static int make_rules(struct controller *c, struct arena *a, struct err *e)
{
	c->rules = arena_zalloc(a, c->cfg.nrules * sizeof(*c->rules) + 1);
	if (!c->rules)
		return err_set(e, ENOMEM, "no memory for the rules");
	for (size_t i = 0; i < c->cfg.nrules; i++) {
		c->rules[i].cfg = &c->cfg.rules[i];
		if (ctl_rule_check(&c->cfg, c->rules[i].cfg, e))
			return err_ctx(e, "rule %zu", i);
	}
	return 0;
}

static void watch_add(struct controller *c, struct watch *w, unsigned check, unsigned stable)
{
	int64_t gap = ctl_check_gap_ns(&c->checks[check].cfg);

	w->checks[w->nchecks++] = (struct watch_check){
		.check = check,
		.stable = stable,
		.patience_ns = ctl_times((int64_t)stable + 2, gap),
	};
}

static int make_watch(struct controller *c, size_t i, struct arena *a, struct err *e)
{
	const struct ctl_recover *r = &c->cfg.faults[i].recover;
	struct watch *w = &c->watches[i];
	size_t room = r->checks ? r->nchecks : c->cfg.nchecks;
	unsigned stable = r->stable_checks;

	if (!r->given)
		return 0;
	if (!stable)
		stable = r->stable_ns ? 1 : CTL_STABLE_CHECKS;
	w->checks = arena_zalloc(a, room * sizeof(*w->checks));
	if (!w->checks)
		return err_set(e, ENOMEM, "no memory for the recovery");
	w->within_ns = r->within_ns;
	w->stable_ns = r->stable_ns;
	for (unsigned k = 0; r->checks && k < r->nchecks; k++)
		watch_add(c, w, r->checks[k], stable);
	for (unsigned k = 0; !r->checks && k < c->cfg.nchecks; k++) {
		if (c->checks[k].cfg.gate)
			watch_add(c, w, k, stable);
	}
	return 0;
}

static int make_faults(struct controller *c, struct arena *a, struct err *e)
{
	size_t n = c->cfg.nfaults;

	c->faults = arena_zalloc(a, n * sizeof(*c->faults) + 1);
	c->fire = arena_zalloc(a, n * sizeof(*c->fire) + 1);
	c->undo = arena_zalloc(a, n * sizeof(*c->undo) + 1);
	c->watches = arena_zalloc(a, (n + 1) * sizeof(*c->watches));
	if (!c->faults || !c->fire || !c->undo || !c->watches)
		return err_set(e, ENOMEM, "no memory for the faults");
	c->watches[n].checks = arena_zalloc(a, c->cfg.nchecks * sizeof(struct watch_check) + 1);
	if (!c->watches[n].checks)
		return err_set(e, ENOMEM, "no memory for the recovery");
	for (size_t i = 0; i < n; i++) {
		c->faults[i].cfg = &c->cfg.faults[i];
		if (ctl_fault_check(&c->cfg, &c->cfg.faults[i], e) || make_watch(c, i, a, e))
			return err_ctx(e, "fault %zu", i);
	}
	return 0;
}

struct controller *controller_new(const struct ctl_config *cfg, struct arena *a, struct err *e)
{
	struct controller *c = arena_zalloc(a, sizeof(*c));

	if (!c) {
		err_set(e, ENOMEM, "no memory for the controller");
		return NULL;
	}
	c->cfg = *cfg;
	c->next_ns = INT64_MIN;
	c->watch = true;
	c->command_code = -1;
	if (ctl_config_fill(&c->cfg, e) || make_checks(c, a, e) || make_rules(c, a, e) ||
	    make_faults(c, a, e))
		return NULL;
	return c;
}

/* --- before the first fault --- */

static void flow_idle(struct controller *c)
{
	for (size_t i = 0; i < c->cfg.nchecks; i++)
		c->checks[i].heard_ns = c->now_ns;
	ctl_enter(c, CTL_BEFORE);
}

static void flow_before(struct controller *c)
{
	size_t bad = c->cfg.nchecks;

	for (size_t i = c->cfg.nchecks; i-- > 0;) {
		const struct check *k = &c->checks[i];

		if (k->cfg.gate && k->view.passes < k->cfg.pass_after)
			bad = i;
	}
	if (bad == c->cfg.nchecks) {
		c->out.arm_all = c->touched = true;
		ctl_enter(c, CTL_ARM);
	} else if (ctl_overdue(c, c->phase_ns + c->cfg.before_ns)) {
		ctl_stop_check(c, CTL_CAUSE_UNFIT, (unsigned)bad);
	}
}

static void flow_arm(struct controller *c)
{
	if (ctl_overdue(c, c->phase_ns + c->cfg.arm_ns))
		ctl_stop_item(c, CTL_CAUSE_NO_ANSWER, CTL_ALL);
}

static void hold_begin(struct controller *c)
{
	ctl_enter(c, CTL_HOLD);
	c->hold_ns = c->now_ns;
	for (size_t i = 0; i < c->cfg.nrules; i++)
		c->rules[i].on = false;
}

static void flow_gate(struct controller *c)
{
	for (unsigned i = 0; i < c->cfg.nchecks; i++) {
		const struct check *k = &c->checks[i];

		if (!k->cfg.gate || k->fresh)
			continue;
		if (ctl_overdue(c, c->phase_ns + c->cfg.before_ns))
			ctl_stop_check(c, CTL_CAUSE_UNFIT, i);
		return;
	}
	hold_begin(c);
}

/* --- while faults are on --- */

static void flow_rules(struct controller *c)
{
	for (unsigned i = 0; i < c->cfg.nrules; i++) {
		const struct rule *r = &c->rules[i];

		/* without such a sample "without a break" is an absence: its end may not be heard
		 * yet
		 */
		if (r->on && (r->proven || ctl_overdue(c, r->since_ns + r->cfg->for_ns))) {
			ctl_stop(c, &(struct ctl_cause){ .kind = CTL_CAUSE_RULE,
							 .item = i,
							 .since_ns = r->since_ns });
			return;
		}
	}
}

static void end_faults(struct controller *c)
{
	for (unsigned i = 0; i < c->cfg.nfaults; i++) {
		struct fault *f = &c->faults[i];

		if (!ctl_is_on(f) || !ctl_due(c, f->view.ends_ns))
			continue;
		f->view.phase = CTL_UNDOING;
		f->view.undo_ns = c->now_ns;
		c->undo[c->out.nundo++] = i;
	}
}

static void fire_faults(struct controller *c)
{
	for (unsigned i = 0; i < c->cfg.nfaults; i++) {
		struct fault *f = &c->faults[i];

		if (f->view.phase != CTL_WAITING || !ctl_due(c, c->hold_ns + f->cfg->after_ns))
			continue;
		f->view.phase = CTL_FIRED;
		f->view.fired = true;
		f->view.fired_ns = c->now_ns;
		f->view.ends_ns = f->cfg->one_shot ? 0 : c->now_ns + f->cfg->for_ns;
		c->fire[c->out.nfire++] = i;
		ctl_overdue(c, c->now_ns + c->cfg.live_ns + f->cfg->land_ns);
		if (!f->cfg->one_shot)
			ctl_due(c, f->view.ends_ns);
	}
}

/* Answers that do not come. Stops at the first one: all the others are undone by that. */
static void want_answers(struct controller *c)
{
	enum ctl_phase phase = c->phase;

	for (unsigned i = 0; i < c->cfg.nfaults && c->phase == phase; i++) {
		const struct ctl_fault_view *v = &c->faults[i].view;
		int64_t undo_ns = c->cfg.undo_ns + c->faults[i].cfg->drain_ns;
		int64_t live_ns = c->cfg.live_ns + c->faults[i].cfg->land_ns;

		if (v->phase == CTL_UNDOING && ctl_overdue(c, v->undo_ns + undo_ns))
			ctl_stick(c, i);
		else if (v->phase == CTL_FIRED && ctl_overdue(c, v->fired_ns + live_ns))
			ctl_stop_item(c, CTL_CAUSE_NO_ANSWER, i);
	}
}

/* Nothing more to fire, nothing on, every shot known to have landed. */
static bool faults_are_over(const struct controller *c)
{
	for (size_t i = 0; i < c->cfg.nfaults; i++) {
		const struct fault *f = &c->faults[i];

		if (f->view.phase == CTL_WAITING || ctl_is_on(f))
			return false;
		if (f->cfg->one_shot && !f->view.landed)
			return false;
	}
	return true;
}

static bool first_faults_are_on(const struct controller *c)
{
	for (size_t i = 0; i < c->cfg.nfaults; i++) {
		const struct fault *f = &c->faults[i];

		if (!f->cfg->after_ns && !f->view.landed)
			return false;
	}
	return true;
}

static void flow_hold(struct controller *c)
{
	flow_rules(c);
	if (c->phase == CTL_HOLD && c->cfg.limit_ns && ctl_due(c, c->hold_ns + c->cfg.limit_ns))
		ctl_stop_item(c, CTL_CAUSE_LIMIT, 0);
	if (c->phase != CTL_HOLD)
		return;
	end_faults(c);
	want_answers(c);
	if (c->phase != CTL_HOLD)
		return;
	fire_faults(c);
	if (c->cfg.hold_command && !c->command_started && first_faults_are_on(c))
		c->out.start_command = c->command_started = true;
	if (!c->command_started && faults_are_over(c))
		ctl_enter(c, CTL_LIFT);
}

/* --- after the faults --- */

/* A gate whose recovery some fault's recovers_within judges, from the last end of all on. */
static bool is_watched(const struct controller *c, unsigned check)
{
	for (size_t s = 0; s < c->cfg.nfaults; s++) {
		const struct watch *w = &c->watches[s];

		if (w->view.state == CTL_WATCH_OFF || w->from_ns < c->last_known_ns)
			continue;
		for (size_t i = 0; i < w->nchecks; i++) {
			if (w->checks[i].check == check)
				return true;
		}
	}
	return false;
}

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The other gates: a check that was never broken needs one good sample, the rest a stable run. */
static void watch_the_rest(struct controller *c)
{
	struct watch *w = &c->watches[c->cfg.nfaults];

	w->within_ns = c->cfg.watch_ns;
	for (size_t i = 0; i < c->cfg.nfaults; i++)
		w->within_ns = longer(w->within_ns, c->watches[i].within_ns);
	for (unsigned i = 0; i < c->cfg.nchecks; i++) {
		const struct check *k = &c->checks[i];

		if (!k->cfg.gate || is_watched(c, i))
			continue;
		w->within_ns = longer(w->within_ns, ctl_check_gap_ns(&k->cfg));
		watch_add(c, w, i, k->broken ? CTL_STABLE_CHECKS : 1);
	}
	if (c->last_end_ns)
		watch_start(w, c->last_end_ns, c->last_known_ns);
	else
		watch_start(w, c->now_ns, c->now_ns);
}

static void flow_lift(struct controller *c)
{
	bool any = false, stuck = false;

	flow_rules(c);
	want_answers(c);
	for (unsigned i = 0; i < c->cfg.nfaults; i++) {
		const struct ctl_fault_view *v = &c->faults[i].view;

		if (v->phase == CTL_UNDOING ||
		    (v->phase == CTL_FIRED && c->cause.kind == CTL_CAUSE_NONE))
			return;
		if (v->fired && !v->landed && c->cause.kind == CTL_CAUSE_NONE)
			ctl_stop_item(c, CTL_CAUSE_NO_ANSWER, i);
		any = any || v->fired;
		stuck = stuck || v->phase == CTL_STUCK;
	}
	if (c->watch && any && !stuck) {
		ctl_enter(c, CTL_RECOVER);
		watch_the_rest(c);
	} else {
		ctl_enter(c, CTL_ENDING);
	}
}

static void flow_recover(struct controller *c)
{
	bool on = false;

	for (size_t s = 0; s <= c->cfg.nfaults; s++)
		on = on || c->watches[s].view.state == CTL_WATCH_ON;
	if (!on)
		ctl_enter(c, CTL_ENDING);
}

static void flow_ending(struct controller *c)
{
	if (ctl_overdue(c, c->phase_ns + c->cfg.finish_ns))
		ctl_enter(c, CTL_DONE);
}

/* --- the step --- */

static void (*const flow[CTL_PHASES])(struct controller *c) = {
	[CTL_IDLE] = flow_idle,       [CTL_BEFORE] = flow_before, [CTL_ARM] = flow_arm,
	[CTL_GATE] = flow_gate,       [CTL_HOLD] = flow_hold,     [CTL_LIFT] = flow_lift,
	[CTL_RECOVER] = flow_recover, [CTL_ENDING] = flow_ending,
};

static void tick_watches(struct controller *c)
{
	for (size_t s = 0; s <= c->cfg.nfaults; s++) {
		struct watch *w = &c->watches[s];

		if (ctl_overdue(c, watch_next(w))) {
			watch_tick(w, c->now_ns);
			ctl_due(c, watch_next(w));
		}
	}
}

/* Until the phase stays: a run without checks passes several in one step. */
static void settle(struct controller *c)
{
	enum ctl_phase phase;

	do {
		phase = c->phase;
		c->next_ns = CTL_NEVER;
		if (phase >= CTL_BEFORE && phase <= CTL_RECOVER) {
			ctl_hear_silence(c);
			tick_watches(c);
		}
		if (c->phase == phase && flow[phase])
			flow[phase](c);
	} while (c->phase != phase);
}

void controller_step(struct controller *c, const struct ctl_event *ev, int64_t now_ns,
		     struct ctl_actions *ret)
{
	if (now_ns > c->now_ns || c->phase == CTL_IDLE)
		c->now_ns = now_ns;
	c->out = (struct ctl_actions){ .fire = c->fire, .undo = c->undo };
	c->tick = ev->kind == CTL_TICK;
	if (c->phase == CTL_IDLE)
		flow_idle(c);
	ctl_hear(c, ev);
	settle(c);
	*ret = c->out;
}

int64_t controller_next(const struct controller *c)
{
	return c->next_ns;
}

/* --- what can be read --- */

enum ctl_phase controller_phase(const struct controller *c)
{
	return c->phase;
}

int64_t controller_hold_ns(const struct controller *c)
{
	return c->hold_ns;
}

static bool is_clean(const struct controller *c)
{
	if (!c->touched)
		return true;
	for (size_t i = 0; i < c->cfg.nfaults; i++) {
		const struct fault *f = &c->faults[i];

		if (ctl_is_on(f) || f->view.phase == CTL_UNDOING || f->view.phase == CTL_STUCK)
			return false;
	}
	return c->clean;
}

/* No cause: judged by the samples alone. Too few of them outweighs a bad recovery. */
static int judge_samples(const struct controller *c)
{
	int code = EXIT_PASS;

	for (size_t s = 0; s <= c->cfg.nfaults; s++) {
		if (c->watches[s].view.state == CTL_WATCH_UNKNOWN)
			return EXIT_UNKNOWN;
		if (c->watches[s].view.state == CTL_WATCH_LATE)
			code = EXIT_FAIL;
	}
	for (size_t i = 0; i < c->cfg.nchecks; i++) {
		const struct check *k = &c->checks[i];

		if (k->cfg.gate && k->hold_unknown && k->hold_known < k->cfg.pass_after)
			return EXIT_UNKNOWN;
	}
	return code;
}

static int judge_cause(const struct controller *c)
{
	if (c->cause.kind == CTL_CAUSE_HALT && c->cause.by == CTL_BY_BUG)
		return EXIT_INTERNAL;
	if (c->cause.kind != CTL_CAUSE_LIVE_FAILED)
		return ctl_cause_code(c->cause.kind);
	for (size_t i = 0; i < c->cfg.nfaults; i++) {
		if (c->faults[i].view.landed)
			return EXIT_ABORTED;
	}
	return EXIT_UNABLE;
}

int64_t controller_before_ns(const struct controller *c)
{
	return c->cfg.before_ns;
}

void controller_result(const struct controller *c, struct ctl_result *ret)
{
	*ret = (struct ctl_result){ .cause = c->cause,
				    .clean = is_clean(c),
				    .touched = c->touched,
				    .command_code = c->command_code };
	if (!ret->clean)
		ret->code = EXIT_NOT_CLEAN;
	else if (c->cause.kind != CTL_CAUSE_NONE)
		ret->code = judge_cause(c);
	else
		ret->code = judge_samples(c);
}

void controller_fault(const struct controller *c, unsigned fault, struct ctl_fault_view *ret)
{
	*ret = c->faults[fault].view;
}

void controller_check(const struct controller *c, unsigned check, struct ctl_check_view *ret)
{
	*ret = c->checks[check].view;
}

void controller_recovery(const struct controller *c, unsigned scope, struct ctl_recovery *ret)
{
	*ret = c->watches[scope].view;
}
