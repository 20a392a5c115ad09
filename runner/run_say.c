/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ulid.h"
#include "runner/effect.h"
#include "runner/run_parts.h"
#include "safety/journal.h"

#define EFFECTS_SAID 16 /* of the faults of a run, in the verdict; the events have all */

static const char *check_id(const struct run *r, unsigned i)
{
	return i < r->config.nchecks ? r->rq->x->checks[i].id : "?";
}

static const char *fault_id(const struct run *r, unsigned i)
{
	return i < r->config.nfaults ? r->rq->plan->fault[i].item->id : "the run";
}

/* "2026-11-20T13:02:11.004Z 01JD3W9K7Q held        slow-db net.delay took=11ms" */
static void progress(struct run *r, const char *word, const char *fmt, ...) PRINTF_FMT(3, 4);

static void progress(struct run *r, const char *word, const char *fmt, ...)
{
	char line[512], all[1100], when[32];
	struct text t = text_on(all, sizeof(all));
	va_list ap;

	if (r->rq->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text_add(&t, "%s %s %-11s ", clock_iso(clock_wall_ns(), when, sizeof(when)),
		 ulid_short(r->rq->plan->run_id), word);
	text_add_foreign(&t, line, strlen(line)); /* names, devices, answers: none of it is ours */
	live_log(r, TALK_PROGRESS, all);
}

static const char *took(int64_t ns, char *buf, size_t size)
{
	struct text t = text_on(buf, size);

	units_add_duration(&t, ns >= NS_PER_MS ? ns / NS_PER_MS * NS_PER_MS :
						 ns / NS_PER_US * NS_PER_US);
	return buf;
}

void run_say_start(struct run *r)
{
	const struct run_plan *p = r->rq->plan;
	char boot[40] = "";
	struct err ignored;

	progress(r, "start", "name=\"%s\" faults=%u run=%s", r->rq->x->name, p->n_faults,
		 p->run_id);
	journal_boot_id(boot, &ignored);
	events_add(&r->ev, "run.start",
		   json_pack("{s:s, s:i, s:i, s:I, s:s}", "name", r->rq->x->name, "faults",
			     (int)p->n_faults, "checks", (int)r->config.nchecks, "seed",
			     (json_int_t)p->seed, "boot", boot));
	for (unsigned i = 0; i < p->n_faults; i++)
		events_add(&r->ev, "fault.planned",
			   json_pack("{s:s, s:s, s:s, s:s}", "fault", fault_id(r, i), "kind",
				     p->fault[i].item->ops->name, "what", p->fault[i].summary,
				     "class", change_class_name(p->fault[i].class)));
}

void run_say_guarded(struct run *r)
{
	events_add(&r->ev, "run.guarded", json_object());
}

void run_say_phase(struct run *r, enum ctl_phase was)
{
	static const char *const names[] = {
		[CTL_IDLE] = "idle",       [CTL_BEFORE] = "before", [CTL_ARM] = "arm",
		[CTL_GATE] = "gate",       [CTL_HOLD] = "hold",     [CTL_LIFT] = "lift",
		[CTL_RECOVER] = "recover", [CTL_ENDING] = "ending", [CTL_DONE] = "done"
	};

	events_add(&r->ev, "run.phase",
		   json_pack("{s:s, s:s}", "phase", names[r->phase], "was", names[was]));
	if (was != CTL_BEFORE || r->phase != CTL_ARM)
		return;
	for (unsigned i = 0; i < r->config.nchecks; i++) {
		struct ctl_check_view v;

		controller_check(r->ctl, i, &v);
		progress(r, "steady", "%s ok n=%u %s", check_id(r, i), v.passes,
			 r->check[i].last_text);
	}
}

void run_say_note(struct run *r, const char *word, const char *text)
{
	char name[32];

	progress(r, word, "%s", text);
	snprintf(name, sizeof(name), "run.%s", word);
	events_add(&r->ev, name, json_pack("{s:s}", "text", text));
}

void run_say_name(struct run *r, unsigned item, const struct net_prefix *at, const char *why)
{
	const struct name_item *of = &r->names.item[item];
	const char *id = fault_id(r, of->fault), *name = of->plan->name;
	char address[64] = "";
	struct text t = text_on(address, sizeof(address));
	json_t *o = json_pack("{s:s, s:s}", "fault", id, "name", name);

	if (at)
		names_add_address(&t, at);
	if (o && at)
		json_object_set_new(o, "address", json_string(address));
	if (o && why)
		json_object_set_new(o, "why", json_string(why));
	events_add(&r->ev,
		   !at ? "fault.name_failed" :
		   why ? "fault.not_joined" :
			 "fault.joined",
		   o);
	if (!at)
		progress(r, "warn", "%s: %s; the addresses that it had stay", id, why);
	else if (why)
		progress(r, "warn", "%s: %s is now also %s, which does not join: %s", id, name,
			 address, why);
	else
		progress(r, "joined", "%s: %s is now also %s", id, name, address);
}

static void fault_event(struct run *r, unsigned fault, const char *name, const struct kmsg *m)
{
	const struct fault_memory *f = &r->fault[fault];
	json_t *o = json_pack("{s:s, s:s, s:f, s:b}", "fault", fault_id(r, fault), "kind",
			      r->rq->plan->fault[fault].item->ops->name, "took_ms",
			      (double)m->took_ns / (double)NS_PER_MS, "verified", m->code == 0);

	if (o && m->value) /* the keeper's own stamp: mono_ns is when the runner wrote it down */
		json_object_set_new(o, "at_ns", json_integer((json_int_t)m->value));
	if (o && m->code < 0)
		json_object_set_new(o, "error", json_string(f->trouble));
	events_add(&r->ev, name, o);
}

/* What it counts; NULL: nothing, or it could not be told. */
static const struct change_ops *known_effect(const struct run *r, unsigned fault)
{
	return r->fault[fault].effect_known ? effect_counter(&r->rq->plan->fault[fault]) : NULL;
}

/* " packets=20 bytes=2840"; "" where nothing is known. */
static const char *effect_keys(const struct run *r, unsigned fault, char *buf, size_t size)
{
	const struct change_ops *counter = known_effect(r, fault);
	struct text t = text_on(buf, size);

	buf[0] = '\0';
	if (counter) {
		text_add(&t, " ");
		effect_add_keys(&t, counter, &r->fault[fault].effect);
	}
	return buf;
}

void run_say_fault(struct run *r, unsigned fault, const struct kmsg *m)
{
	const struct planned_fault *p = &r->rq->plan->fault[fault];
	const char *id = fault_id(r, fault), *trouble = r->fault[fault].trouble;
	const char *kind = p->item->ops->name;
	char buf[32], did[80];

	switch (m->type) {
	case KMSG_LIVE:
		fault_event(r, fault, m->code < 0 ? "fault.failed" : "fault.held", m);
		if (m->code < 0)
			progress(r, "failed", "%s %s: %s", id, p->item->ops->name, trouble);
		else
			progress(r, p->class == CLASS_ONE_SHOT ? "fired" : "held",
				 "%s%s%s %s took=%s", id, strcmp(id, kind) ? " " : "",
				 strcmp(id, kind) ? kind : "", p->summary,
				 took(m->took_ns, buf, sizeof(buf)));
		break;
	case KMSG_LOST:
		fault_event(r, fault, "fault.lost", m);
		progress(r, "lost", "%s %s", id, trouble);
		break;
	case KMSG_ENDED:
		fault_event(r, fault, "fault.ended", m);
		if (m->code < 0)
			progress(r, "not ended", "%s %s", id, trouble);
		break;
	default:
		fault_event(r, fault, m->code < 0 ? "fault.not_reverted" : "fault.reverted", m);
		if (m->code < 0)
			progress(r, "NOT CLEAN", "%s %s", id, trouble);
		else if (p->class != CLASS_ONE_SHOT)
			progress(r, "reverted", "%s took=%s verified=yes%s", id,
				 took(m->took_ns, buf, sizeof(buf)),
				 effect_keys(r, fault, did, sizeof(did)));
	}
}

static void remember_bad(struct run *r, unsigned check, const struct probe_sample *s)
{
	struct check_memory *c = &r->check[check];

	progress(r, "fail", "%s %s", check_id(r, check), s->text);
	c->bad++;
	if (!r->decided) { /* what comes later is not among the reasons */
		unsigned at = c->bad_total % LAST_TEXTS;

		snprintf(c->text[at], PROBE_TEXT, "%s", s->text);
		c->at_wall_ns[at] = clock_wall_ns();
		c->bad_total++;
	}
}

void run_say_sample(struct run *r, unsigned check, const struct probe_sample *s)
{
	static const char *const words[] = {
		[PROBE_OK] = "ok", [PROBE_FAIL] = "fail", [PROBE_NO_DATA] = "no_data"
	};
	struct check_memory *c = &r->check[check];
	json_t *o;

	snprintf(c->last_text, sizeof(c->last_text), "%s", s->text);
	c->last_took_ns = s->took_ns;
	c->spark[c->spark_n++ % SPARK] = (float)s->took_ns / (float)NS_PER_MS;
	if (s->verdict == PROBE_OK)
		c->bad = 0;
	else
		remember_bad(r, check, s);
	o = json_pack("{s:s, s:s, s:f, s:s}", "check", check_id(r, check), "status",
		      words[s->verdict], "took_ms", (double)s->took_ns / (double)NS_PER_MS, "text",
		      s->text);
	if (o && s->has_value)
		json_object_set_new(o, "value", json_real(s->value));
	events_add(&r->ev, "check.sample", o);
}

/* "(13:02:23.2, 13:02:23.7, 13:02:24.2)" */
static void add_times(struct text *t, const struct check_memory *c, unsigned count)
{
	unsigned n = count < LAST_TEXTS ? count : LAST_TEXTS;

	for (unsigned i = 0; i < n; i++) {
		char when[32];

		clock_iso(c->at_wall_ns[(c->bad_total - n + i) % LAST_TEXTS], when, sizeof(when));
		text_add(t, "%s%.10s", i ? ", " : " (", when + 11);
	}
	if (n)
		text_add(t, ")");
}

/* The first fault that was on when the cause came: what a reader suspects first. */
static int suspect(const struct run *r, int64_t *ret_since)
{
	for (unsigned i = 0; i < r->config.nfaults; i++) {
		struct ctl_fault_view v;

		controller_fault(r->ctl, i, &v);
		if (v.landed) {
			*ret_since = v.live_ns;
			return (int)i;
		}
	}
	return -1;
}

static void add_since(struct run *r, struct text *t, const struct ctl_cause *c)
{
	int64_t since = 0;
	int f = suspect(r, &since);

	if (f >= 0 && c->at_ns > since)
		text_add(t, " %.1f s after %s began", (double)(c->at_ns - since) / (double)NS_PER_S,
			 fault_id(r, (unsigned)f));
}

/* A command's own failure is no finding of the run: its code is brink's exit code, and stands here.
 */
static void add_command(const struct run *r, struct text *t)
{
	if (!r->rq->command)
		return;
	if (!r->out.command_ran)
		text_add(t, "; the command never ran");
	else if (r->out.command_code)
		text_add(t, "; the command ended with %d", r->out.command_code);
}

/* The one sentence that stands in the terminal, the events and later reports. */
static void add_cause(struct run *r, struct text *t, const struct ctl_result *res)
{
	const struct ctl_cause *c = &res->cause;
	const char *trouble;

	switch (c->kind) {
	case CTL_CAUSE_UNFIT:
		if (c->silent) {
			text_add(t, "%s: no sample came in time%s", check_id(r, c->item),
				 res->touched ? " after arming" : " before the start");
			break;
		}
		text_add(t, "%s is not in its steady state before the start: %s",
			 check_id(r, c->item),
			 c->item < r->config.nchecks ? r->check[c->item].last_text : "no sample");
		break;
	case CTL_CAUSE_GATE:
		text_add(t, "%s broke the steady state", check_id(r, c->item));
		add_since(r, t, c);
		break;
	case CTL_CAUSE_RULE:
		text_add(t, "abort rule %u came true", c->item + 1);
		add_since(r, t, c);
		break;
	case CTL_CAUSE_LIMIT:
		text_add(t, "the run reached its longest time (limits.duration)");
		break;
	case CTL_CAUSE_HALT:
		text_add(t, "stopped: %s", r->halt_why);
		break;
	case CTL_CAUSE_LOST:
		text_add(t, "%s was lost: %s", fault_id(r, c->item),
			 c->item < r->config.nfaults ? r->fault[c->item].trouble : "");
		break;
	case CTL_CAUSE_ARM_FAILED:
		text_add(t, "%s", r->halt_why);
		break;
	case CTL_CAUSE_LIVE_FAILED:
	case CTL_CAUSE_NOT_REVERTED:
		trouble = c->item < r->config.nfaults ? r->fault[c->item].trouble : "";
		text_add(t, "%s: %s", fault_id(r, c->item),
			 trouble[0] ? trouble : "it was not taken back in time");
		break;
	case CTL_CAUSE_NO_ANSWER:
		if (c->item < r->config.nfaults)
			text_add(t, "%s was not in force in time", fault_id(r, c->item));
		else
			text_add(t, "the keeper did not answer in time");
		break;
	default:
		text_add(t, "everything expected happened");
		add_command(r, t);
	}
}

static void result(struct run *r, const char *fmt, ...) PRINTF_FMT(2, 3);

static void result(struct run *r, const char *fmt, ...)
{
	char line[900], all[1800];
	struct text t = text_on(all, sizeof(all));
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text_add_foreign(&t, line, strlen(line));
	talk_line(r->rq->talk, 2, TALK_RESULT, "%s", all);
}

static void say_gate_details(struct run *r, const struct ctl_cause *c)
{
	char line[500];
	struct text t = text_on(line, sizeof(line));
	const struct check_memory *m;

	if (c->kind != CTL_CAUSE_GATE || c->item >= r->config.nchecks)
		return;
	m = &r->check[c->item];
	text_add(&t, "       %u checks in a row failed: %s", c->count,
		 c->silent ? "no sample came" :
			     m->text[(m->bad_total + LAST_TEXTS - 1) % LAST_TEXTS]);
	add_times(&t, m, c->silent ? 0 : c->count);
	result(r, "%s", line);
}

static void effect_event(struct run *r, unsigned fault, const struct change_ops *counter)
{
	const struct effect *x = &r->fault[fault].effect;
	json_t *o = json_pack("{s:s, s:s, s:b}", "fault", fault_id(r, fault), "kind",
			      r->rq->plan->fault[fault].item->ops->name, "hit", x->hits > 0);

	if (o)
		effect_set(o, counter, x);
	events_add(&r->ev, "fault.effect", o);
}

/* said: how many before it. */
static void say_effect(struct run *r, unsigned fault, unsigned said)
{
	const struct change_ops *counter = known_effect(r, fault);
	char buf[80];
	struct text t = text_on(buf, sizeof(buf));

	if (!counter)
		return;
	effect_event(r, fault, counter);
	effect_add(&t, counter, &r->fault[fault].effect);
	if (!r->fault[fault].effect.hits)
		result(r, "warn   %s hit nothing (did not bite)", fault_id(r, fault));
	else if (said < EFFECTS_SAID)
		result(r, "       %s hit %s", fault_id(r, fault), buf);
}

static void say_faults(struct run *r, const struct ctl_result *res)
{
	unsigned landed = 0, reverted = 0, fired = 0;
	int64_t slowest = 0;
	char buf[32];

	for (unsigned i = 0; i < r->config.nfaults; i++) {
		struct ctl_fault_view v;

		controller_fault(r->ctl, i, &v);
		if (!v.fired)
			continue;
		say_effect(r, i, fired++);
		if (r->rq->plan->fault[i].class == CLASS_ONE_SHOT)
			continue;
		landed++;
		reverted += r->fault[i].reverted;
		if (r->fault[i].reverted_took_ns > slowest)
			slowest = r->fault[i].reverted_took_ns;
	}
	if (res->clean && landed)
		result(r,
		       "CLEAN  %u of %u faults reverted in %s, checked by reading the kernel back",
		       reverted, landed, took(slowest, buf, sizeof(buf)));
	else if (res->clean && !res->touched)
		result(r, "CLEAN  nothing was touched");
	else if (res->clean)
		result(r,
		       "CLEAN  nothing had to be taken back, checked by reading the kernel back");
}

static void say_recoveries(struct run *r)
{
	for (unsigned i = 0; i <= r->config.nfaults; i++) {
		struct ctl_recovery v;
		const char *of = i < r->config.nfaults ? fault_id(r, i) : "the run";

		controller_recovery(r->ctl, i, &v);
		if (v.state == CTL_WATCH_OK && v.check < r->config.nchecks &&
		    r->check[v.check].bad_total)
			result(r, "       %s healthy again %.1f s later", check_id(r, v.check),
			       (double)v.mttr_ns / (double)NS_PER_S);
		else if (v.state == CTL_WATCH_LATE)
			result(r, "       %s did not recover in time after %s",
			       check_id(r, v.check), of);
		if (v.state == CTL_WATCH_OK || v.state == CTL_WATCH_LATE)
			events_add(&r->ev, "run.recovery",
				   json_pack("{s:s, s:s, s:b, s:f}", "of", of, "check",
					     check_id(r, v.check), "in_time",
					     v.state == CTL_WATCH_OK, "mttr_s",
					     (double)v.mttr_ns / (double)NS_PER_S));
	}
}

static void say_not_clean(struct run *r)
{
	for (unsigned i = 0; i < r->n_left && i < RUN_LEFT; i++) {
		result(r, "NOT CLEAN  %s: %s", fault_id(r, r->left_fault[i]), r->left[i].what);
		if (r->left[i].by_hand[0])
			result(r, "           by hand:   %s", r->left[i].by_hand);
	}
	if (!r->n_left)
		result(r, "NOT CLEAN  not every undo could be confirmed");
	result(r, "           or later:  %sbrink revert %s", r->rq->paths->root ? "sudo " : "",
	       r->rq->plan->run_id);
}

static const char *verdict_word(int code)
{
	switch (code) {
	case EXIT_PASS:
		return "PASS ";
	case EXIT_ABORTED:
		return "ABORT";
	case EXIT_UNKNOWN:
		return "UNKNOWN";
	case EXIT_UNFIT:
		return "UNFIT";
	case EXIT_UNABLE:
		return "UNABLE";
	default:
		return "FAIL ";
	}
}

void run_say_verdict(struct run *r)
{
	struct ctl_result res;
	json_t *end;
	char why[400];
	struct text t = text_on(why, sizeof(why));

	controller_result(r->ctl, &res);
	add_cause(r, &t, &res);
	if (res.cause.kind == CTL_CAUSE_NONE && res.code != EXIT_PASS)
		t = text_on(why, sizeof(why)), text_add(&t, "not everything expected happened");
	progress(r, "verdict", "%s", exit_name(res.code));
	live_end(r);
	result(r, "%s  %s", verdict_word(res.code), why);
	say_gate_details(r, &res.cause);
	say_faults(r, &res);
	say_recoveries(r);
	for (unsigned i = 0; i < r->n_foreign && i < RUN_FOREIGN; i++)
		result(r, "       changed by others: %s", r->foreign[i]);
	if (r->rq->again && !r->rq->quiet) {
		result(r, "       events   %s", r->ev.path);
		result(r, "       again    %s", r->rq->again);
	}
	end = json_pack("{s:s, s:i, s:b, s:s}", "verdict", exit_name(res.code), "exit", res.code,
			"clean", res.clean, "why", why);
	if (end && res.cause.kind != CTL_CAUSE_NONE)
		json_object_set_new(end, "decided_ns", json_integer(res.cause.at_ns));
	if (end && r->keeper_lost)
		json_object_set_new(end, "keeper_lost", json_true());
	events_add(&r->ev, "run.end", end);
	if (!res.clean)
		say_not_clean(r); /* last, so that nobody misses it */
}
