/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/exit.h"
#include "safety/controller_state.h"

/* What each cause makes of a run that is clean in the end, and whether the checks are watched
 * after. */
static const struct {
	enum exit_code code;
	bool watch;
} causes[CTL_CAUSES] = {
	[CTL_CAUSE_NONE] = { EXIT_PASS, true },
	[CTL_CAUSE_UNFIT] = { EXIT_UNFIT, false },
	[CTL_CAUSE_GATE] = { EXIT_FAIL, true },
	[CTL_CAUSE_RULE] = { EXIT_FAIL, true },
	[CTL_CAUSE_LIMIT] = { EXIT_FAIL, false },
	[CTL_CAUSE_HALT] = { EXIT_ABORTED, false },
	[CTL_CAUSE_LOST] = { EXIT_ABORTED, false },
	[CTL_CAUSE_ARM_FAILED] = { EXIT_UNABLE, false },
	[CTL_CAUSE_LIVE_FAILED] = { EXIT_ABORTED, false },
	[CTL_CAUSE_NO_ANSWER] = { EXIT_ABORTED, false },
	[CTL_CAUSE_NOT_REVERTED] = { EXIT_ABORTED, false },
};

int ctl_cause_code(enum ctl_cause_kind kind)
{
	return causes[kind].code;
}

bool ctl_due(struct controller *c, int64_t t)
{
	if (c->now_ns >= t)
		return true;
	if (t < c->next_ns)
		c->next_ns = t;
	return false;
}

bool ctl_overdue(struct controller *c, int64_t t)
{
	if (c->tick)
		return ctl_due(c, t);
	if (t < c->next_ns)
		c->next_ns = t;
	return false;
}

void ctl_enter(struct controller *c, enum ctl_phase phase)
{
	c->phase = phase;
	c->phase_ns = c->now_ns;
	if (phase == CTL_ENDING)
		c->out.finish = true;
	if (phase == CTL_DONE)
		c->out.done = true;
}

bool ctl_is_on(const struct fault *f)
{
	return !f->cfg->one_shot && (f->view.phase == CTL_FIRED || f->view.phase == CTL_ON);
}

static void undo_everything(struct controller *c)
{
	if (!c->undo_all)
		c->out.undo_all = true;
	c->undo_all = true;
	for (size_t i = 0; i < c->cfg.nfaults; i++) {
		struct fault *f = &c->faults[i];

		if (ctl_is_on(f)) {
			f->view.phase = CTL_UNDOING;
			f->view.undo_ns = c->now_ns;
		}
	}
}

void ctl_stop(struct controller *c, const struct ctl_cause *why)
{
	if (c->phase >= CTL_ENDING)
		return;
	if (c->cause.kind == CTL_CAUSE_NONE) {
		c->cause = *why;
		c->cause.at_ns = c->now_ns;
	}
	c->watch = c->watch && causes[why->kind].watch;
	if (c->phase < CTL_ARM) {
		ctl_enter(c, CTL_DONE);
	} else if (c->phase == CTL_RECOVER) {
		if (!c->watch)
			ctl_enter(c, CTL_ENDING);
	} else {
		undo_everything(c);
		if (c->phase != CTL_LIFT)
			ctl_enter(c, CTL_LIFT);
	}
}

void ctl_stop_item(struct controller *c, enum ctl_cause_kind kind, unsigned item)
{
	ctl_stop(c, &(struct ctl_cause){ .kind = kind, .item = item });
}

void ctl_stop_check(struct controller *c, enum ctl_cause_kind kind, unsigned i)
{
	const struct ctl_check_view *v = &c->checks[i].view;

	ctl_stop(c, &(struct ctl_cause){ .kind = kind,
					 .item = i,
					 .count = v->fails,
					 .silent = v->silent,
					 .since_ns = v->failing_since_ns });
}

/* --- samples --- */

static void judge_before(struct controller *c, unsigned i)
{
	const struct check *k = &c->checks[i];

	if (k->cfg.gate && k->view.fails >= k->cfg.fail_after)
		ctl_stop_check(c, CTL_CAUSE_UNFIT, i);
}

/* After arming a single bad sample is enough: what was built must have no effect. */
static void judge_gate(struct controller *c, unsigned i)
{
	struct check *k = &c->checks[i];
	bool began_after = k->view.silent || k->began_ns > c->phase_ns;

	if (began_after && k->view.last == CTL_PASS)
		k->fresh = true;
	if (k->cfg.gate && began_after && k->view.last == CTL_FAIL)
		ctl_stop_check(c, CTL_CAUSE_UNFIT, i);
	else
		judge_before(c, i);
}

static void judge_hold(struct controller *c, unsigned i)
{
	struct check *k = &c->checks[i];

	k->broken = k->broken || k->view.last == CTL_FAIL;
	if (k->view.last == CTL_NO_DATA)
		k->hold_unknown++;
	else
		k->hold_known++;
	if (k->cfg.gate && k->view.fails >= k->cfg.fail_after)
		ctl_stop_check(c, CTL_CAUSE_GATE, i);
}

static void (*const judge[CTL_PHASES])(struct controller *c, unsigned i) = {
	[CTL_BEFORE] = judge_before, [CTL_ARM] = judge_before, [CTL_GATE] = judge_gate,
	[CTL_HOLD] = judge_hold,     [CTL_LIFT] = judge_hold,
};

static void count(struct controller *c, struct check *k, enum ctl_status status)
{
	struct ctl_check_view *v = &k->view;

	v->last = status;
	v->last_ns = k->heard_ns = c->now_ns;
	if (status == CTL_NO_DATA) {
		v->total_unknown++;
	} else if (status == CTL_PASS) {
		v->total_pass++;
		v->passes++;
		v->fails = 0;
		v->failing_since_ns = 0;
	} else {
		v->total_fail++;
		v->passes = 0;
		if (v->fails++ == 0)
			v->failing_since_ns = c->now_ns;
	}
}

static void rules_hear(struct controller *c, unsigned check, enum ctl_status status, double value)
{
	for (size_t i = 0; i < c->cfg.nrules; i++) {
		struct rule *r = &c->rules[i];
		bool was = r->on, says = r->cfg->is.failing ? status != CTL_NO_DATA : !isnan(value);

		if (r->cfg->check != check || !says)
			continue;
		r->on = r->cfg->is.failing ? status == CTL_FAIL : compare_holds(&r->cfg->is, value);
		if (r->on && !was)
			r->since_ns = c->now_ns;
		r->proven = r->on && c->now_ns - r->since_ns >= r->cfg->for_ns;
	}
}

static void hear(struct controller *c, unsigned i, const struct ctl_event *ev)
{
	struct check *k = &c->checks[i];
	enum ctl_status status = ev->status;

	if (status == CTL_NO_DATA && !k->cfg.unknown_ok)
		status = CTL_FAIL;
	count(c, k, status);
	rules_hear(c, i, status, ev->value);
	for (size_t s = 0; s <= c->cfg.nfaults; s++)
		watch_sample(&c->watches[s], i, status, ev->began_ns, c->now_ns);
	if (judge[c->phase])
		judge[c->phase](c, i);
}

static void on_sample(struct controller *c, const struct ctl_event *ev)
{
	struct check *k;

	if (ev->item >= c->cfg.nchecks || ev->began_ns <= c->checks[ev->item].began_ns ||
	    (unsigned)ev->status > CTL_NO_DATA)
		return;
	k = &c->checks[ev->item];
	k->began_ns = ev->began_ns;
	k->view.silent = false;
	hear(c, ev->item, ev);
}

/* A check from which nothing came for too long: the prober hangs, or the machine does. */
void ctl_hear_silence(struct controller *c)
{
	enum ctl_phase phase = c->phase;

	for (unsigned i = 0; i < c->cfg.nchecks && c->phase == phase; i++) {
		struct check *k = &c->checks[i];
		int64_t gap = ctl_check_gap_ns(&k->cfg);
		const struct ctl_event none = { .status = CTL_NO_DATA,
						.value = NAN,
						.began_ns = c->now_ns };

		if (!ctl_overdue(c, k->heard_ns + gap))
			continue;
		k->view.silent = true;
		hear(c, i, &none);
		ctl_due(c, k->heard_ns + gap);
	}
}

/* --- the other events --- */

static struct fault *fault_of(struct controller *c, const struct ctl_event *ev)
{
	return ev->item < c->cfg.nfaults ? &c->faults[ev->item] : NULL;
}

static void on_armed(struct controller *c, const struct ctl_event *ev)
{
	(void)ev;
	ctl_enter(c, CTL_GATE);
}

static void on_arm_failed(struct controller *c, const struct ctl_event *ev)
{
	unsigned item = ev->item < c->cfg.nfaults ? ev->item : CTL_ALL;

	ctl_stop_item(c, CTL_CAUSE_ARM_FAILED, item);
}

/* The moment from which a recovery is counted. */
static void start_clock(struct controller *c, unsigned i, int64_t at_ns)
{
	if (at_ns > c->last_end_ns)
		c->last_end_ns = at_ns;
	c->last_known_ns = c->now_ns;
	watch_start(&c->watches[i], at_ns, c->now_ns);
}

static void on_live(struct controller *c, const struct ctl_event *ev)
{
	struct fault *f = fault_of(c, ev);

	if (!f || !f->view.fired || f->view.landed)
		return;
	f->view.landed = true;
	f->view.live_ns = c->now_ns;
	if (f->view.phase == CTL_FIRED)
		f->view.phase = CTL_ON;
	if (f->cfg->one_shot) /* during a grace nobody has been killed yet */
		start_clock(c, ev->item, f->cfg->land_ns ? c->now_ns : f->view.fired_ns);
}

static void on_live_failed(struct controller *c, const struct ctl_event *ev)
{
	struct fault *f = fault_of(c, ev);

	if (f && f->view.fired && !f->view.landed)
		ctl_stop_item(c, CTL_CAUSE_LIVE_FAILED, ev->item);
}

/* Also of a fault that is armed and waits for its time: it can never be fired any more. */
static void on_lost(struct controller *c, const struct ctl_event *ev)
{
	struct fault *f = fault_of(c, ev);

	/* fired: also what happens once, while it lands */
	if (f && (ctl_is_on(f) || f->view.phase == CTL_WAITING || f->view.phase == CTL_FIRED))
		ctl_stop_item(c, CTL_CAUSE_LOST, ev->item);
}

/* Also without being asked: the keeper's own deadline may be first. But not before it landed. */
static void on_reverted(struct controller *c, const struct ctl_event *ev)
{
	struct fault *f = fault_of(c, ev);

	if (!f || f->view.phase == CTL_OFF || f->view.phase == CTL_WAITING)
		return;
	if (f->cfg->one_shot && f->view.phase != CTL_STUCK)
		return;
	/* before its time, and nobody has said why: that word was lost on its way */
	if (f->view.phase == CTL_FIRED ||
	    (f->view.phase == CTL_ON && f->view.ends_ns && !ctl_due(c, f->view.ends_ns)))
		ctl_stop_item(c, CTL_CAUSE_LOST, ev->item);
	f->view.phase = CTL_OFF;
	f->view.reverted_ns = c->now_ns;
	if (f->view.fired && c->phase < CTL_ENDING)
		start_clock(c, ev->item, c->now_ns);
}

void ctl_stick(struct controller *c, unsigned i)
{
	c->faults[i].view.phase = CTL_STUCK;
	ctl_stop_item(c, CTL_CAUSE_NOT_REVERTED, i);
}

/* Of a fault that is armed only as well: its structure may be what stays behind. */
static void on_not_reverted(struct controller *c, const struct ctl_event *ev)
{
	struct fault *f = fault_of(c, ev);

	if (f && f->view.phase != CTL_OFF && f->view.phase != CTL_STUCK)
		ctl_stick(c, ev->item);
}

static void on_clean(struct controller *c, const struct ctl_event *ev)
{
	c->clean = ev->kind == CTL_CLEAN;
	ctl_enter(c, CTL_DONE);
}

static void on_halt(struct controller *c, const struct ctl_event *ev)
{
	ctl_stop(c, &(struct ctl_cause){ .kind = CTL_CAUSE_HALT, .by = ev->by });
}

static void on_deadline(struct controller *c, const struct ctl_event *ev)
{
	(void)ev;
	ctl_stop_item(c, CTL_CAUSE_LIMIT, 0);
}

static void on_command(struct controller *c, const struct ctl_event *ev)
{
	if (!c->command_started)
		return;
	c->command_code = ev->code;
	undo_everything(c);
	ctl_enter(c, CTL_LIFT);
}

typedef void event_fn(struct controller *c, const struct ctl_event *ev);

/* What counts in which phase. Everything else is late, early or twice, and changes nothing. */
static event_fn *const on_event[CTL_PHASES][CTL_EVENTS] = {
	[CTL_BEFORE] = { [CTL_SAMPLE] = on_sample, [CTL_HALT] = on_halt },
	[CTL_ARM] = {
		[CTL_SAMPLE] = on_sample,
		[CTL_ARMED] = on_armed,
		[CTL_ARM_FAILED] = on_arm_failed,
		[CTL_NOT_REVERTED] = on_not_reverted,
		[CTL_HALT] = on_halt,
		[CTL_DEADLINE] = on_deadline,
	},
	[CTL_GATE] = {
		[CTL_SAMPLE] = on_sample,
		[CTL_LOST] = on_lost,
		[CTL_NOT_REVERTED] = on_not_reverted,
		[CTL_HALT] = on_halt,
		[CTL_DEADLINE] = on_deadline,
	},
	[CTL_HOLD] = {
		[CTL_SAMPLE] = on_sample,
		[CTL_LIVE] = on_live,
		[CTL_LIVE_FAILED] = on_live_failed,
		[CTL_LOST] = on_lost,
		[CTL_REVERTED] = on_reverted,
		[CTL_NOT_REVERTED] = on_not_reverted,
		[CTL_HALT] = on_halt,
		[CTL_COMMAND_EXITED] = on_command,
		[CTL_DEADLINE] = on_deadline,
	},
	[CTL_LIFT] = {
		[CTL_SAMPLE] = on_sample,
		[CTL_LIVE] = on_live,
		[CTL_LIVE_FAILED] = on_live_failed,
		[CTL_REVERTED] = on_reverted,
		[CTL_NOT_REVERTED] = on_not_reverted,
		[CTL_HALT] = on_halt,
	},
	[CTL_RECOVER] = {
		[CTL_SAMPLE] = on_sample,
		[CTL_LIVE] = on_live,
		[CTL_REVERTED] = on_reverted,
		[CTL_NOT_REVERTED] = on_not_reverted,
		[CTL_HALT] = on_halt,
	},
	[CTL_ENDING] = {
		[CTL_REVERTED] = on_reverted,
		[CTL_NOT_REVERTED] = on_not_reverted,
		[CTL_CLEAN] = on_clean,
		[CTL_NOT_CLEAN] = on_clean,
	},
};

void ctl_hear(struct controller *c, const struct ctl_event *ev)
{
	if ((unsigned)ev->kind < CTL_EVENTS && on_event[c->phase][ev->kind])
		on_event[c->phase][ev->kind](c, ev);
}
