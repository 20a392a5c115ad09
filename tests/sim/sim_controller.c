/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller under a virtual clock: random configs, random worlds, random misbehaviour, and an
 * oracle that knows the invariants. Usage: sim_controller [TRACES [SEED]], or with a third argument
 * only the trace of that number, printed.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit.h"
#include "oracle.h"

#define QUEUE     96
#define MAX_STEPS 20000
#define MAX_TIME  (INT64_C(300) * NS_PER_S)

struct rng {
	uint64_t s;
};

static uint64_t draw(struct rng *r)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return r->s;
}

static unsigned below(struct rng *r, unsigned n)
{
	return (unsigned)((draw(r) >> 33) % n);
}

static bool chance(struct rng *r, unsigned percent)
{
	return below(r, 100) < percent;
}

static int64_t ms_between(struct rng *r, unsigned low, unsigned high)
{
	return (low + below(r, high - low + 1)) * NS_PER_MS;
}

/* Neighbouring seeds must not give neighbouring traces. */
static struct rng rng_of(uint64_t seed, uint64_t trace)
{
	uint64_t z = seed * UINT64_C(0x9e3779b97f4a7c15) + trace * UINT64_C(0xd1342543de82ef95);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (struct rng){ (z ^ (z >> 31)) | 1 };
}

struct pending {
	int64_t at_ns;
	struct ctl_event ev;
	bool probe; /* what it says is decided when it arrives */
};

/* One trace: the config, the world around the controller, and its verdict. */
struct world {
	struct rng rng;
	bool print;
	int64_t now_ns;
	struct ctl_config cfg;
	struct ctl_check checks[ORACLE_CHECKS];
	struct ctl_fault faults[ORACLE_FAULTS];
	struct ctl_rule rules[ORACLE_RULES];
	unsigned only[ORACLE_FAULTS]; /* the one check that a fault's recovers_within names */
	bool on[ORACLE_FAULTS], fired[ORACLE_FAULTS];
	unsigned flaky[ORACLE_CHECKS];  /* percent of samples that fail for no reason */
	unsigned hurt[ORACLE_CHECKS];   /* percent that fail while a fault is on */
	unsigned silent[ORACLE_CHECKS]; /* percent of probes that never answer again */
	unsigned no_data;
	int64_t heal_ns, ended_ns; /* a check stays bad for so long after a fault */
	unsigned misbehave;        /* percent of answers of the keeper that are bad */
	unsigned late;             /* percent of ticks that come late */
	struct pending queue[QUEUE];
	size_t nqueue;
	uint64_t events;
	struct controller *c;
	struct oracle oracle;
};

static void push(struct world *w, int64_t delay_ns, struct ctl_event ev)
{
	if (w->nqueue < QUEUE)
		w->queue[w->nqueue++] = (struct pending){ w->now_ns + delay_ns, ev, false };
}

/* --- the config --- */

static void make_checks(struct world *w)
{
	struct rng *r = &w->rng;

	w->cfg.checks = w->checks;
	w->cfg.nchecks = below(r, ORACLE_CHECKS + 1);
	for (size_t i = 0; i < w->cfg.nchecks; i++) {
		w->checks[i] = (struct ctl_check){ .gate = chance(r, 80),
						   .unknown_ok = chance(r, 30),
						   .fail_after = 1 + below(r, 4),
						   .pass_after = 1 + below(r, 3),
						   .every_ns = ms_between(r, 20, 120),
						   .timeout_ns = ms_between(r, 1, 120) };
		w->flaky[i] = chance(r, 20) ? below(r, 60) : 0;
		w->hurt[i] = chance(r, 40) ? below(r, 101) : 0;
		w->silent[i] = chance(r, 5) ? 10 : 0;
	}
}

static void make_recover(struct world *w, size_t i)
{
	struct rng *r = &w->rng;
	struct ctl_recover *rec = &w->faults[i].recover;
	bool gates = false;

	for (size_t k = 0; k < w->cfg.nchecks; k++)
		gates = gates || w->checks[k].gate;
	if (!w->cfg.nchecks || !chance(r, 30))
		return;
	*rec = (struct ctl_recover){ .given = true,
				     .within_ns = ms_between(r, 10, 600),
				     .stable_checks = below(r, 4),
				     .stable_ns = chance(r, 30) ? ms_between(r, 1, 200) : 0 };
	if (gates && chance(r, 60))
		return;
	w->only[i] = below(r, (unsigned)w->cfg.nchecks);
	rec->checks = &w->only[i];
	rec->nchecks = 1;
}

static void make_faults(struct world *w)
{
	struct rng *r = &w->rng;

	w->cfg.faults = w->faults;
	w->cfg.nfaults = below(r, ORACLE_FAULTS + 1);
	for (size_t i = 0; i < w->cfg.nfaults; i++) {
		w->faults[i] = (struct ctl_fault){ .after_ns = 0, .one_shot = chance(r, 25) };
		if (chance(r, 50))
			w->faults[i].after_ns = ms_between(r, 0, 4) * 50;
		if (!w->faults[i].one_shot)
			w->faults[i].for_ns = ms_between(r, 1, 400);
		if (chance(r, 20))
			w->faults[i].drain_ns = ms_between(r, 1, 300);
		if (chance(r, 20))
			w->faults[i].land_ns = ms_between(r, 1, 300);
		make_recover(w, i);
	}
}

static void make_rules(struct world *w)
{
	struct rng *r = &w->rng;

	w->cfg.rules = w->rules;
	w->cfg.nrules = w->cfg.nchecks && chance(r, 25) ? 1 + below(r, ORACLE_RULES) : 0;
	for (size_t i = 0; i < w->cfg.nrules; i++) {
		struct ctl_rule *rule = &w->rules[i];

		rule->check = below(r, (unsigned)w->cfg.nchecks);
		rule->for_ns = chance(r, 30) ? 0 : ms_between(r, 1, 300);
		rule->is = (struct compare){ .given = true, .op = COMPARE_GT, .value = 50 };
		rule->is.failing = chance(r, 40);
	}
}

static void make_config(struct world *w)
{
	struct rng *r = &w->rng;

	make_checks(w);
	make_faults(w);
	make_rules(w);
	w->cfg.hold_command = chance(r, 15);
	w->cfg.limit_ns = w->cfg.hold_command || chance(r, 20) ? ms_between(r, 50, 1500) : 0;
	w->cfg.before_ns = chance(r, 20) ? ms_between(r, 100, 1000) : 0;
	w->cfg.arm_ns = ms_between(r, 50, 300);
	w->cfg.live_ns = ms_between(r, 20, 200);
	w->cfg.undo_ns = ms_between(r, 20, 300);
	w->cfg.finish_ns = ms_between(r, 50, 300);
	w->cfg.watch_ns = ms_between(r, 50, 600);
}

/* --- the world --- */

static bool hurts(struct world *w, unsigned i)
{
	bool bad = w->ended_ns && w->now_ns < w->ended_ns + w->heal_ns;

	for (size_t f = 0; f < w->cfg.nfaults; f++)
		bad = bad || w->on[f];
	return bad && chance(&w->rng, w->hurt[i]);
}

/* A probe that begins after a pause and answers after a while, or never. */
static void next_probe(struct world *w, unsigned i, int64_t pause_ns)
{
	struct rng *r = &w->rng;
	int64_t took = ms_between(r, 0, 15);

	if (chance(r, w->silent[i]) || w->nqueue == QUEUE)
		return;
	push(w, pause_ns + took,
	     (struct ctl_event){ .kind = CTL_SAMPLE, .item = i, .began_ns = w->now_ns + pause_ns });
	w->queue[w->nqueue - 1].probe = true;
}

static void fill_sample(struct world *w, struct ctl_event *ev)
{
	struct rng *r = &w->rng;

	if (ev->item >= w->cfg.nchecks)
		return;
	ev->value = below(r, 101);
	ev->status = chance(r, w->flaky[ev->item]) || hurts(w, ev->item) ? CTL_FAIL : CTL_PASS;
	if (chance(r, w->no_data)) {
		ev->status = CTL_NO_DATA;
		ev->value = NAN;
	}
	next_probe(w, ev->item, w->checks[ev->item].every_ns);
}

/* An answer of the keeper: good, bad, bad and then good, or none. */
static void answer(struct world *w, enum ctl_event_kind good, enum ctl_event_kind bad, unsigned i)
{
	struct rng *r = &w->rng;
	int64_t after = chance(r, 80) ? ms_between(r, 0, 5) : ms_between(r, 0, 60);

	if (!chance(r, w->misbehave)) {
		push(w, after, (struct ctl_event){ .kind = good, .item = i });
	} else if (chance(r, 60)) {
		push(w, after, (struct ctl_event){ .kind = bad, .item = i });
		if (chance(r, 30))
			push(w, after + NS_PER_MS, (struct ctl_event){ .kind = good, .item = i });
	} else if (chance(r, 50)) {
		push(w, after + ms_between(r, 100, 500),
		     (struct ctl_event){ .kind = good, .item = i });
	}
}

static void end_fault(struct world *w, unsigned i)
{
	if (!w->on[i])
		return;
	w->on[i] = false;
	w->ended_ns = w->now_ns;
	answer(w, CTL_REVERTED, CTL_NOT_REVERTED, i);
}

static void act(struct world *w, const struct ctl_actions *a)
{
	for (unsigned i = 0; a->undo_all && i < w->cfg.nfaults; i++)
		end_fault(w, i);
	for (size_t i = 0; i < a->nundo; i++)
		end_fault(w, a->undo[i]);
	if (a->arm_all)
		answer(w, CTL_ARMED, CTL_ARM_FAILED, 0);
	for (size_t i = 0; i < a->nfire; i++) {
		unsigned f = a->fire[i];

		w->on[f] = !w->faults[f].one_shot;
		if (w->faults[f].one_shot)
			w->ended_ns = w->now_ns;
		answer(w, CTL_LIVE, CTL_LIVE_FAILED, f);
		if (chance(&w->rng, w->misbehave))
			push(w, ms_between(&w->rng, 0, 300),
			     (struct ctl_event){ .kind = CTL_LOST, .item = f });
	}
	if (a->start_command)
		push(w, ms_between(&w->rng, 0, 800),
		     (struct ctl_event){ .kind = CTL_COMMAND_EXITED, .code = 3 });
	if (a->finish)
		answer(w, CTL_CLEAN, CTL_NOT_CLEAN, 0);
}

/* Halts, deadlines, duplicates, events in the wrong state, items that do not exist. */
static void add_noise(struct world *w)
{
	struct rng *r = &w->rng;
	unsigned n = chance(r, 20) ? below(r, 12) : 0;

	for (unsigned i = chance(r, 20) ? 1 + below(r, 2) : 0; i > 0; i--)
		push(w, ms_between(r, 0, 900),
		     (struct ctl_event){ .kind = CTL_HALT, .by = below(r, CTL_BYS) });
	for (; n > 0; n--) {
		int64_t at = ms_between(r, 0, 900);

		push(w, at,
		     (struct ctl_event){ .kind = below(r, CTL_EVENTS + 1),
					 .item = below(r, ORACLE_FAULTS + 2),
					 .status = below(r, 3),
					 .value = below(r, 101),
					 .by = below(r, CTL_BYS),
					 .began_ns = w->now_ns + at - ms_between(r, 0, 300) });
	}
}

static void world_init(struct world *w, uint64_t seed, uint64_t trace, bool print)
{
	struct rng *r = &w->rng;

	memset(w, 0, offsetof(struct world, queue));
	w->nqueue = 0;
	w->events = 0;
	w->rng = rng_of(seed, trace);
	w->print = print;
	w->now_ns = ms_between(r, 1000, 2000);
	make_config(w);
	w->no_data = chance(r, 15) ? below(r, 100) : 0;
	w->heal_ns = chance(r, 50) ? ms_between(r, 0, 500) : 0;
	w->misbehave = chance(r, 30) ? 1 + below(r, 30) : 0;
	w->late = chance(r, 10) ? 30 : 0;
	for (unsigned i = 0; i < w->cfg.nchecks; i++)
		next_probe(w, i, ms_between(r, 1, 50));
	add_noise(w);
}

/* --- a trace --- */

static void print_step(const struct world *w, const struct ctl_event *ev,
		       const struct ctl_actions *a, enum ctl_phase before)
{
	static const char *const events[CTL_EVENTS] = {
		"tick",  "woke",        "sample", "armed",          "arm failed",
		"live",  "live failed", "lost",   "reverted",       "not reverted",
		"clean", "not clean",   "halt",   "command exited", "deadline",
	};

	if (ev->kind == CTL_TICK && !a->undo_all && !a->nundo && !a->arm_all && !a->nfire &&
	    !a->finish && !a->done && before == controller_phase(w->c))
		return;
	printf("%10.3f ms  phase %d -> %d  %s", (double)w->now_ns / 1e6, (int)before,
	       (int)controller_phase(w->c), ev->kind < CTL_EVENTS ? events[ev->kind] : "nonsense");
	if (ev->kind == CTL_SAMPLE)
		printf(" %u status %d value %g began %.3f", ev->item, (int)ev->status, ev->value,
		       (double)ev->began_ns / 1e6);
	else
		printf(" %u", ev->item);
	printf("%s%s", a->undo_all ? " UNDO_ALL" : "", a->arm_all ? " ARM_ALL" : "");
	for (size_t i = 0; i < a->nundo; i++)
		printf(" UNDO %u", a->undo[i]);
	for (size_t i = 0; i < a->nfire; i++)
		printf(" FIRE %u", a->fire[i]);
	printf("%s%s%s\n", a->start_command ? " COMMAND" : "", a->finish ? " FINISH" : "",
	       a->done ? " DONE" : "");
}

static void print_config(const struct world *w)
{
	for (size_t i = 0; i < w->cfg.nchecks; i++)
		printf("check %zu: gate %d unknown_ok %d fail_after %u pass_after %u every %.0f "
		       "timeout %.0f ms\n",
		       i, w->checks[i].gate, w->checks[i].unknown_ok, w->checks[i].fail_after,
		       w->checks[i].pass_after, (double)w->checks[i].every_ns / 1e6,
		       (double)w->checks[i].timeout_ns / 1e6);
	for (size_t i = 0; i < w->cfg.nfaults; i++)
		printf("fault %zu: after %.0f for %.0f ms%s, recovers within %.0f ms\n", i,
		       (double)w->faults[i].after_ns / 1e6, (double)w->faults[i].for_ns / 1e6,
		       w->faults[i].one_shot ? " one-shot" : "",
		       (double)w->faults[i].recover.within_ns / 1e6);
	for (size_t i = 0; i < w->cfg.nrules; i++)
		printf("rule %zu: check %u %s for %.0f ms\n", i, w->rules[i].check,
		       w->rules[i].is.failing ? "failing" : "> 50",
		       (double)w->rules[i].for_ns / 1e6);
	printf("limit %.0f ms, command %d\n", (double)w->cfg.limit_ns / 1e6, w->cfg.hold_command);
}

static void step(struct world *w, const struct ctl_event *ev)
{
	enum ctl_phase before = controller_phase(w->c);
	struct ctl_actions acts;

	controller_step(w->c, ev, w->now_ns, &acts);
	w->events++;
	if (w->print)
		print_step(w, ev, &acts, before);
	oracle_step(&w->oracle, w->c, ev, w->now_ns, before, &acts);
	if (ev->kind == CTL_TICK && !w->oracle.done && !w->oracle.wrong &&
	    controller_next(w->c) <= w->now_ns)
		w->oracle.wrong = "wants a tick again at once";
	act(w, &acts);
}

static size_t earliest(const struct world *w)
{
	size_t best = 0;

	for (size_t i = 1; i < w->nqueue; i++) {
		if (w->queue[i].at_ns < w->queue[best].at_ns)
			best = i;
	}
	return best;
}

/* The next event of the world, or a tick where the controller wants one first. */
static void advance(struct world *w)
{
	int64_t tick = controller_next(w->c);
	struct pending p = { .at_ns = CTL_NEVER };

	if (tick < w->now_ns)
		tick = w->now_ns;
	if (tick != CTL_NEVER && chance(&w->rng, w->late))
		tick += ms_between(&w->rng, 0, 100);
	if (w->nqueue) {
		size_t i = earliest(w);

		p = w->queue[i];
		if (p.at_ns <= tick)
			w->queue[i] = w->queue[--w->nqueue];
	}
	if (p.at_ns == CTL_NEVER && tick == CTL_NEVER) {
		w->oracle.wrong = "waits for ever";
		return;
	}
	if (p.at_ns > tick)
		p = (struct pending){ .at_ns = tick, .ev = { .kind = CTL_TICK } };
	if (p.at_ns > w->now_ns)
		w->now_ns = p.at_ns;
	if (p.probe)
		fill_sample(w, &p.ev);
	step(w, &p.ev);
	if (chance(&w->rng, w->misbehave ? 3 : 0))
		step(w, &p.ev);
}

/* After the end nothing may happen any more, whatever still arrives. */
static void run_out(struct world *w)
{
	for (size_t i = 0; i < w->nqueue && !w->oracle.wrong; i++)
		step(w, &w->queue[i].ev);
	if (controller_next(w->c) != CTL_NEVER && !w->oracle.wrong)
		w->oracle.wrong = "wants a tick after done";
}

static const char *run_trace(struct world *w, uint64_t seed, uint64_t trace, bool print)
{
	struct arena a = { 0 };
	struct err e = { 0 };
	int64_t start;

	world_init(w, seed, trace, print);
	if (print)
		print_config(w);
	oracle_init(&w->oracle, &w->cfg);
	start = w->now_ns;
	w->c = controller_new(&w->cfg, &a, &e);
	if (!w->c)
		w->oracle.wrong = "the config was refused";
	while (!w->oracle.wrong && !w->oracle.done) {
		advance(w);
		if (w->events > MAX_STEPS || w->now_ns - start > MAX_TIME)
			w->oracle.wrong = "does not end";
	}
	if (!w->oracle.wrong)
		run_out(w);
	arena_done(&a);
	return w->oracle.wrong;
}

/* --- all of them --- */

static const int must_be_seen[] = { EXIT_PASS,    EXIT_FAIL,   EXIT_UNFIT,    EXIT_ABORTED,
				    EXIT_UNKNOWN, EXIT_UNABLE, EXIT_INTERNAL, EXIT_NOT_CLEAN };

/* Traces that never reach a verdict show nothing about it. */
static int report(const uint64_t seen[], uint64_t traces, uint64_t events, uint64_t seed)
{
	int missing = 0;

	for (size_t i = 0; i < ARRAY_LEN(must_be_seen); i++) {
		printf("%s%s %" PRIu64, i ? ", " : "", exit_name(must_be_seen[i]),
		       seen[must_be_seen[i]]);
		missing += !seen[must_be_seen[i]] && traces >= 100000;
	}
	printf("\n%" PRIu64 " traces, %" PRIu64 " events, seed %" PRIu64 ", 0 violations\n", traces,
	       events, seed);
	printf("# counted: simulated_traces %" PRIu64 "\n", traces);
	if (missing)
		printf("%d verdicts never came up: the simulation is too tame\n", missing);
	return missing != 0;
}

int main(int argc, char **argv)
{
	uint64_t traces = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint64_t seen[128] = { 0 }, events = 0;
	static struct world w;
	const char *wrong;

	if (argc > 3) {
		wrong = run_trace(&w, seed, strtoull(argv[3], NULL, 10), true);
		printf("%s\n", wrong ? wrong : "no violation");
		return wrong != NULL;
	}
	for (uint64_t i = 0; i < traces; i++) {
		wrong = run_trace(&w, seed, i, false);
		if (wrong) {
			printf("VIOLATION in trace %" PRIu64 " of seed %" PRIu64 ": %s\n", i, seed,
			       wrong);
			run_trace(&w, seed, i, true);
			return 1;
		}
		events += w.events;
		seen[w.oracle.code]++;
	}
	return report(seen, traces, events, seed);
}
