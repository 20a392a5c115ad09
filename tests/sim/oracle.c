/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include <math.h>
#include <string.h>

#include "base/exit.h"

static bool must(struct oracle *o, bool holds, const char *what)
{
	if (!holds && !o->wrong)
		o->wrong = what;
	return holds;
}

void oracle_init(struct oracle *o, const struct ctl_config *cfg)
{
	/* The logs are large; only nlog of each needs to be zero. */
	for (size_t i = 0; i < ORACLE_CHECKS; i++) {
		struct oracle_check *k = &o->checks[i];

		k->began_ns = INT64_MIN;
		k->heard_ns = 0;
		k->fails = k->passes = k->nlog = k->hold_known = k->hold_unknown = 0;
		k->fresh = false;
	}
	memset(&o->faults, 0, sizeof(*o) - offsetof(struct oracle, faults));
	o->cfg = cfg;
}

/* --- what the events say --- */

static void sample(struct oracle *o, unsigned i, enum ctl_status status, double value,
		   int64_t began_ns, int64_t now_ns)
{
	const struct ctl_check *cfg = &o->cfg->checks[i];
	struct oracle_check *k = &o->checks[i];

	if (status == CTL_NO_DATA && !cfg->unknown_ok)
		status = CTL_FAIL;
	k->heard_ns = now_ns;
	k->passes = status == CTL_PASS ? k->passes + 1 : status == CTL_FAIL ? 0 : k->passes;
	k->fails = status == CTL_FAIL ? k->fails + 1 : status == CTL_PASS ? 0 : k->fails;
	if (status == CTL_PASS && o->armed && began_ns > o->armed_ns)
		k->fresh = true;
	k->hold_known += o->hold && status != CTL_NO_DATA;
	k->hold_unknown += o->hold && status == CTL_NO_DATA;
	if (k->nlog < ORACLE_SAMPLES)
		k->log[k->nlog++] = (struct oracle_sample){ began_ns, now_ns, status };
	for (size_t r = 0; r < o->cfg->nrules; r++) {
		const struct ctl_rule *rule = &o->cfg->rules[r];
		bool on = o->rule_on[r];

		if (rule->check != i || (rule->is.failing ? status == CTL_NO_DATA : isnan(value)))
			continue;
		on = rule->is.failing ? status == CTL_FAIL : compare_holds(&rule->is, value);
		if (on && !o->rule_on[r])
			o->rule_since[r] = now_ns;
		o->rule_on[r] = on;
		o->rule_proven[r] = on && now_ns - o->rule_since[r] >= rule->for_ns;
	}
}

static void silence(struct oracle *o, int64_t now_ns)
{
	for (unsigned i = 0; i < o->cfg->nchecks; i++) {
		const struct ctl_check *k = &o->cfg->checks[i];

		if (now_ns - o->checks[i].heard_ns >= k->timeout_ns + 2 * k->every_ns)
			sample(o, i, CTL_NO_DATA, NAN, now_ns, now_ns);
	}
}

static void fault_event(struct oracle *o, const struct ctl_event *ev, int64_t now_ns)
{
	struct oracle_fault *f = &o->faults[ev->item];

	o->lost = ev->kind == CTL_LOST && !f->told && !f->reverted && !f->stuck &&
		  !(f->fired && o->cfg->faults[ev->item].one_shot);
	if (ev->kind == CTL_LIVE && f->fired && !f->landed) {
		f->landed = true;
		f->live_ns = now_ns;
	}
	if (ev->kind == CTL_NOT_REVERTED && o->arm_all && !f->reverted)
		f->stuck = true;
	if (ev->kind == CTL_REVERTED && (f->fired || f->stuck) && !f->reverted &&
	    (!o->cfg->faults[ev->item].one_shot || f->stuck)) {
		f->stuck = false;
		f->reverted = true;
		f->reverted_ns = now_ns;
	}
}

static void take_event(struct oracle *o, const struct ctl_event *ev, int64_t now_ns,
		       enum ctl_phase before)
{
	o->lost = false;
	o->hold = before == CTL_HOLD || before == CTL_LIFT;
	if (before == CTL_IDLE) {
		for (size_t i = 0; i < o->cfg->nchecks; i++)
			o->checks[i].heard_ns = now_ns;
	}
	if (ev->kind == CTL_ARMED && before == CTL_ARM) {
		o->armed = true;
		o->armed_ns = now_ns;
	}
	if (ev->kind == CTL_SAMPLE && ev->item < o->cfg->nchecks &&
	    ev->began_ns > o->checks[ev->item].began_ns && before <= CTL_RECOVER) {
		o->checks[ev->item].began_ns = ev->began_ns;
		sample(o, ev->item, ev->status, ev->value, ev->began_ns, now_ns);
	}
	if (ev->kind >= CTL_LIVE && ev->kind <= CTL_NOT_REVERTED && ev->item < o->cfg->nfaults)
		fault_event(o, ev, now_ns);
	if ((ev->kind == CTL_CLEAN || ev->kind == CTL_NOT_CLEAN) && o->finish) {
		o->answered = true;
		o->clean = ev->kind == CTL_CLEAN;
	}
	if (ev->kind == CTL_TICK && before <= CTL_RECOVER)
		silence(o, now_ns);
}

/* --- what the actions may be --- */

static void judge_fire(struct oracle *o, const struct ctl_actions *acts, int64_t now_ns)
{
	must(o, !acts->nfire || o->armed, "fired before ARMED");
	must(o, !acts->nfire || !o->undo_all, "fired after UNDO_ALL");
	must(o, !acts->nfire || !o->finish, "fired after FINISH");
	for (size_t i = 0; acts->nfire && i < o->cfg->nchecks; i++)
		must(o, !o->cfg->checks[i].gate || o->checks[i].fresh,
		     "fired before every gate passed after arming");
	for (size_t i = 0; i < acts->nfire; i++) {
		struct oracle_fault *f = &o->faults[acts->fire[i]];

		must(o, !f->fired, "a fault fired twice");
		f->fired = true;
		f->fired_ns = now_ns;
	}
}

static void judge_undo(struct oracle *o, const struct ctl_actions *acts, int64_t now_ns)
{
	for (size_t i = 0; i < acts->nundo; i++) {
		struct oracle_fault *f = &o->faults[acts->undo[i]];

		must(o, f->fired && !f->told, "undo of a fault that is not on");
		must(o, !o->cfg->faults[acts->undo[i]].one_shot, "undo of a one-shot fault");
		must(o, now_ns >= f->fired_ns + o->cfg->faults[acts->undo[i]].for_ns,
		     "undo of one fault before its end");
		f->told = true;
		f->told_ns = now_ns;
	}
	if (!acts->undo_all)
		return;
	must(o, !o->undo_all, "UNDO_ALL twice");
	must(o, o->arm_all, "UNDO_ALL before ARM_ALL");
	o->undo_all = true;
	for (size_t i = 0; i < o->cfg->nfaults; i++) {
		if (!o->faults[i].told)
			o->faults[i].told_ns = now_ns;
		o->faults[i].told = true;
	}
}

/* No fault outlives its end, and none is late, at any step at all. */
static void judge_times(struct oracle *o, const struct controller *c, int64_t now_ns)
{
	bool hold = controller_phase(c) == CTL_HOLD;

	for (size_t i = 0; i < o->cfg->nfaults; i++) {
		const struct ctl_fault *cfg = &o->cfg->faults[i];
		const struct oracle_fault *f = &o->faults[i];

		if (f->fired && !cfg->one_shot)
			must(o, f->told || f->reverted || now_ns < f->fired_ns + cfg->for_ns,
			     "no undo at the end of a fault");
		if (hold && !f->fired)
			must(o, now_ns < controller_hold_ns(c) + cfg->after_ns, "fired too late");
		if (o->finish && f->fired && !cfg->one_shot)
			must(o, f->told || f->reverted, "FINISH with a fault on");
		if (o->finish && f->fired && !cfg->one_shot)
			must(o,
			     f->reverted || f->stuck ||
				     now_ns - f->told_ns >= o->cfg->undo_ns + cfg->drain_ns ||
				     o->finish_ns < now_ns,
			     "FINISH before the answer to an undo");
	}
}

static void judge_arming(struct oracle *o, const struct ctl_actions *acts, int64_t now_ns)
{
	if (!acts->arm_all)
		return;
	must(o, !o->arm_all, "ARM_ALL twice");
	o->arm_all = true;
	o->arm_ns = now_ns;
	for (size_t i = 0; i < o->cfg->nchecks; i++) {
		const struct ctl_check *k = &o->cfg->checks[i];

		must(o, !k->gate || o->checks[i].passes >= k->pass_after,
		     "armed before the steady state was met");
	}
}

/* From the sample that breaks the rule to UNDO_ALL: the same step. "For so long" is judged by a
 * sample that says so, or when nothing waits to be heard. */
static void judge_abort(struct oracle *o, enum ctl_phase before, const struct ctl_event *ev,
			int64_t now_ns)
{
	if (before != CTL_HOLD)
		return;
	for (size_t i = 0; i < o->cfg->nchecks; i++) {
		const struct ctl_check *k = &o->cfg->checks[i];

		if (k->gate && o->checks[i].fails >= k->fail_after)
			must(o, o->undo_all, "a broken gate did not abort in the same step");
	}
	for (size_t r = 0; r < o->cfg->nrules; r++) {
		bool late = now_ns - o->rule_since[r] >= o->cfg->rules[r].for_ns;

		if (o->rule_on[r] && late && (o->rule_proven[r] || ev->kind == CTL_TICK))
			must(o, o->undo_all, "a true rule did not abort in the same step");
	}
}

/* A stop is a stop in its own step, in every phase. */
static void judge_stop(struct oracle *o, const struct ctl_event *ev, enum ctl_phase before)
{
	if (before == CTL_HOLD && o->lost)
		must(o, o->undo_all, "a lost lease did not stop the run");
	if (ev->kind != CTL_HALT)
		return;
	if (before >= CTL_ARM && before <= CTL_HOLD)
		must(o, o->undo_all, "a halt did not undo in the same step");
	if (before == CTL_RECOVER)
		must(o, o->finish, "a halt did not end the watch");
	if (before <= CTL_RECOVER)
		must(o, o->cause.kind != CTL_CAUSE_NONE, "a halt left no cause");
}

static bool cause_is_true(const struct oracle *o, const struct controller *c,
			  const struct ctl_cause *w, const struct ctl_event *ev, int64_t now_ns)
{
	const struct ctl_config *g = o->cfg;
	bool tick = ev->kind == CTL_TICK;

	switch (w->kind) {
	case CTL_CAUSE_GATE:
		return g->checks[w->item].gate &&
		       o->checks[w->item].fails >= g->checks[w->item].fail_after;
	case CTL_CAUSE_RULE:
		return o->rule_on[w->item] &&
		       now_ns - o->rule_since[w->item] >= g->rules[w->item].for_ns;
	case CTL_CAUSE_UNFIT:
		return g->checks[w->item].gate && !controller_hold_ns(c);
	case CTL_CAUSE_LIMIT:
		return ev->kind == CTL_DEADLINE ||
		       (g->limit_ns && now_ns >= controller_hold_ns(c) + g->limit_ns);
	case CTL_CAUSE_HALT:
		return ev->kind == CTL_HALT;
	case CTL_CAUSE_LOST:
		return ev->kind == CTL_LOST || ev->kind == CTL_REVERTED;
	case CTL_CAUSE_ARM_FAILED:
		return ev->kind == CTL_ARM_FAILED;
	case CTL_CAUSE_LIVE_FAILED:
		return ev->kind == CTL_LIVE_FAILED;
	case CTL_CAUSE_NO_ANSWER:
		return w->item == CTL_ALL ? tick : !o->faults[w->item].landed;
	case CTL_CAUSE_NOT_REVERTED:
		return ev->kind == CTL_NOT_REVERTED ||
		       (tick && now_ns - o->faults[w->item].told_ns >=
					g->undo_ns + g->faults[w->item].drain_ns);
	default:
		return false;
	}
}

static bool same_cause(const struct ctl_cause *a, const struct ctl_cause *b)
{
	return a->kind == b->kind && a->item == b->item && a->by == b->by && a->count == b->count &&
	       a->silent == b->silent && a->since_ns == b->since_ns && a->at_ns == b->at_ns;
}

static void judge_cause(struct oracle *o, const struct controller *c, const struct ctl_event *ev,
			int64_t now_ns, const struct ctl_actions *acts)
{
	struct ctl_result r;

	controller_result(c, &r);
	if (o->cause.kind != CTL_CAUSE_NONE) {
		must(o, same_cause(&r.cause, &o->cause), "the first cause changed");
	} else if (r.cause.kind != CTL_CAUSE_NONE) {
		must(o, cause_is_true(o, c, &r.cause, ev, now_ns), "stopped without a reason");
		o->cause = r.cause;
	}
	must(o, !acts->undo_all || r.cause.kind || ev->kind == CTL_COMMAND_EXITED,
	     "UNDO_ALL without a cause");
}

/* --- the verdict --- */

static bool confirmed(const struct oracle *o)
{
	if (!o->arm_all)
		return true;
	for (size_t i = 0; i < o->cfg->nfaults; i++) {
		const struct oracle_fault *f = &o->faults[i];

		if (f->stuck || (f->fired && !o->cfg->faults[i].one_shot && !f->reverted))
			return false;
	}
	return o->answered && o->clean;
}

/* By brute force over all samples: when did the run of passes begin that proved the recovery? */
static bool recovered(const struct oracle_check *k, int64_t from_ns, unsigned stable,
		      int64_t stable_ns, int64_t *ret_first)
{
	for (unsigned i = 0; i < k->nlog; i++) {
		unsigned n = 0;

		if (k->log[i].began_ns <= from_ns || k->log[i].status != CTL_PASS)
			continue;
		for (unsigned j = i; j < k->nlog; j++) {
			if (k->log[j].began_ns <= from_ns || k->log[j].status == CTL_NO_DATA)
				continue;
			if (k->log[j].status == CTL_FAIL)
				break;
			*ret_first = k->log[i].heard_ns;
			if (++n >= stable && k->log[j].heard_ns - *ret_first >= stable_ns)
				return true;
		}
	}
	return false;
}

static void judge_recovery(struct oracle *o, const struct controller *c, unsigned s, bool pass)
{
	const struct ctl_recover *r = &o->cfg->faults[s].recover;
	unsigned stable = r->stable_checks ? r->stable_checks : r->stable_ns ? 1 : 3;
	struct ctl_recovery v;
	const struct oracle_fault *f = &o->faults[s];
	int64_t from_ns = o->cfg->faults[s].one_shot ? f->live_ns : f->reverted_ns;
	int64_t slowest = 0;

	controller_recovery(c, s, &v);
	must(o, !pass || v.state == CTL_WATCH_OK, "pass without a recovery that was asked for");
	for (unsigned i = 0; i < o->cfg->nchecks && v.state == CTL_WATCH_OK; i++) {
		int64_t first = 0;

		if (r->checks ? r->checks[0] != i : !o->cfg->checks[i].gate)
			continue;
		if (o->checks[i].nlog == ORACLE_SAMPLES)
			return;
		must(o, recovered(&o->checks[i], from_ns, stable, r->stable_ns, &first),
		     "recovered, says the controller; the samples do not");
		slowest = first > slowest ? first : slowest;
	}
	if (v.state == CTL_WATCH_LATE) {
		bool good = recovered(&o->checks[v.check], from_ns, stable, r->stable_ns, &slowest);

		must(o, !good || slowest - v.clock_ns > r->within_ns,
		     "recovered in time and called late");
	}
	if (v.state != CTL_WATCH_OK)
		return;
	must(o, v.mttr_ns == slowest - v.clock_ns, "the MTTR is not that of the slowest check");
	must(o, v.mttr_ns <= r->within_ns, "recovered too late and called good");
}

static void judge_pass(struct oracle *o)
{
	int64_t last_end = 0;

	must(o, o->cause.kind == CTL_CAUSE_NONE, "pass with a cause");
	for (size_t i = 0; i < o->cfg->nfaults; i++) {
		const struct oracle_fault *f = &o->faults[i];
		int64_t end = o->cfg->faults[i].one_shot ? f->live_ns : f->reverted_ns;

		must(o, f->fired || o->cfg->hold_command, "pass and a fault never fired");
		must(o, f->landed || !f->fired, "pass and a fault never landed");
		last_end = end > last_end ? end : last_end;
	}
	for (size_t i = 0; last_end && i < o->cfg->nchecks; i++) {
		const struct oracle_check *k = &o->checks[i];
		bool good = !o->cfg->checks[i].gate || k->nlog == ORACLE_SAMPLES;

		for (unsigned j = 0; j < k->nlog; j++)
			good = good ||
			       (k->log[j].status == CTL_PASS && k->log[j].began_ns > last_end);
		must(o,
		     !o->cfg->checks[i].gate || !k->hold_unknown ||
			     k->hold_known >= o->cfg->checks[i].pass_after,
		     "pass with too few samples");
		must(o, good, "pass and a gate was never good after the last fault");
	}
}

static void judge_done(struct oracle *o, const struct controller *c, const struct ctl_event *ev,
		       int64_t now_ns)
{
	bool late = ev->kind == CTL_TICK && now_ns - o->finish_ns >= o->cfg->finish_ns;
	struct ctl_result r;

	must(o, !o->done, "done twice");
	o->done = true;
	must(o, !o->arm_all || (o->finish && (o->answered || late)), "done before FINISH answered");
	controller_result(c, &r);
	o->code = r.code;
	must(o, exit_find(r.code), "no such exit code");
	must(o, (r.code == EXIT_NOT_CLEAN) == !confirmed(o), "20 if and only if not confirmed");
	must(o, (r.code != EXIT_UNFIT) || !o->faults[0].fired, "unfit after a fault fired");
	for (unsigned i = 0; i < o->cfg->nfaults; i++) {
		if (o->cfg->faults[i].recover.given)
			judge_recovery(o, c, i, r.code == EXIT_PASS && o->faults[i].fired);
	}
	if (r.code == EXIT_PASS)
		judge_pass(o);
}

void oracle_step(struct oracle *o, const struct controller *c, const struct ctl_event *ev,
		 int64_t now_ns, enum ctl_phase before, const struct ctl_actions *acts)
{
	bool any = acts->undo_all || acts->nundo || acts->arm_all || acts->nfire ||
		   acts->start_command || acts->finish;

	must(o, !o->done || (!any && !acts->done), "an action after done");
	if (o->done)
		return;
	take_event(o, ev, now_ns, before);
	judge_undo(o, acts, now_ns);
	judge_arming(o, acts, now_ns);
	judge_fire(o, acts, now_ns);
	must(o, !acts->start_command || (!o->command && o->cfg->hold_command && o->armed),
	     "the command started twice or too early");
	o->command = o->command || acts->start_command;
	must(o, !acts->finish || (!o->finish && o->arm_all), "FINISH twice or for nothing");
	if (acts->finish) {
		o->finish = true;
		o->finish_ns = now_ns;
	}
	if (before <= CTL_GATE && controller_phase(c) >= CTL_HOLD)
		memset(o->rule_on, 0, sizeof(o->rule_on));
	judge_times(o, c, now_ns);
	judge_abort(o, before, ev, now_ns);
	judge_cause(o, c, ev, now_ns, acts);
	judge_stop(o, ev, before);
	if (acts->done)
		judge_done(o, c, ev, now_ns);
}
