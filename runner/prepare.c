/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/prepare.h"

#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "runner/leftovers.h"
#include "runner/say.h"
#include "safety/sandbox.h"
#include "safety/session.h"

/* FNV-1a: a run without --seed gets one from its id, shown, so that it can be repeated. */
static uint64_t seed_of(const char *run_id)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *run_id; run_id++)
		h = (h ^ (unsigned char)*run_id) * UINT64_C(0x100000001b3);
	return h >> 33; /* short enough to type */
}

static int find_shield(struct prepared *p, struct err *e)
{
	const char *const own[] = { p->paths.state, p->paths.runs };
	struct text note = text_on(p->shield_note, sizeof(p->shield_note));

	return session_find(&p->shield, &p->flows, own, ARRAY_LEN(own), &note, e);
}

int prepare_begin(const struct options *o, struct prepared *ret, struct err *e)
{
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = ulid_new(ret->run_id, e);
	if (rc < 0)
		return rc;
	ret->seed = options_given(o, "seed") ? (uint64_t)o->seed : seed_of(ret->run_id);
	paths_find(&ret->paths);
	return find_shield(ret, e);
}

int prepare_load(const struct options *o, const char *path, struct prepared *p)
{
	const struct load_options how = { .n_vars = o->vars.n,
					  .vars = o->vars.at,
					  .n_var_files = o->var_files.n,
					  .var_files = o->var_files.at,
					  .run_id = p->run_id };
	struct diags d = { 0 };
	struct err e = { 0 };
	int rc = sandbox_effect(0, &e); /* what parses text from outside holds no right */

	if (rc == 0)
		rc = experiment_load(path, &how, &p->x, &d, &e);
	if (rc == 0)
		rc = sandbox_effect(UINT64_MAX, &e);
	if (rc == 0)
		diags_list(&d, stderr); /* warnings: the run goes on */
	else
		diags_print(&d, stderr);
	diags_done(&d);
	if (rc == -EBADMSG)
		return EXIT_INVALID;
	if (rc < 0) {
		say_error(o, &e);
		return EXIT_USAGE;
	}
	p->loaded = true;
	return EXIT_PASS;
}

/* Which exit code an error of planning is: a bad value, a target that is not there, a shielded one,
 * or no right. */
static int code_of(int rc)
{
	switch (-rc) {
	case EINVAL:
	case E2BIG:
		return EXIT_INVALID;
	case EPERM:
		return EXIT_REFUSED;
	default:
		return EXIT_UNABLE;
	}
}

static int say_refusal(const struct options *o, const struct err *e, int code)
{
	say_error(o, e);
	fputs("Nothing was touched.\n", stderr);
	return code;
}

/* A policy that cannot be understood allows nothing. */
static int load_policy(const struct options *o, struct prepared *p)
{
	AUTO(diags_done) struct diags d = { 0 };
	struct err e = { 0 };

	if (p->has_policy)
		return EXIT_PASS;
	p->has_policy = policy_load(&policy_place, NULL, &p->policy, &d, &e) == 0;
	if (p->has_policy)
		return EXIT_PASS;
	d.color = options_color(o, STDERR_FILENO);
	diags_list(&d, stderr);
	err_ctx(&e, "nothing is allowed");
	return say_refusal(o, &e, EXIT_REFUSED);
}

static int check_policy(const struct options *o, struct prepared *p)
{
	const struct policy_run run = { p->x.n_faults, p->plan.hold_ns, p->plan.longest_ns };
	struct err e = { 0 };
	int rc = policy_check_run(&p->policy, &p->x.limits, &run, &e);

	if (rc < 0)
		return say_refusal(o, &e, EXIT_REFUSED);
	for (unsigned i = 0; i < p->plan.n_faults; i++) {
		struct planned_fault *f = &p->plan.fault[i];
		const struct policy_fault what = { f->item->ops->name,
						   f->item->for_ns,
						   f->change,
						   f->n_changes,
						   { p->plan.pool.n, p->plan.pool.at } };

		rc = policy_check_fault(&p->policy, &p->x.limits, &what, &f->policy, &e);
		if (rc == 0)
			continue;
		err_ctx(&e, "fault '%s'", f->item->id);
		err_at(&e, f->item->bound.pos);
		return say_refusal(o, &e, rc == -EINVAL ? EXIT_INVALID : EXIT_REFUSED);
	}
	return EXIT_PASS;
}

/* What a dead run has not given back belongs to it until it is reverted. */
static int check_leftovers(const struct options *o, const struct prepared *p)
{
	struct err e = { 0 };

	if (leftovers_check(&p->paths, &p->plan, &e) == 0)
		return EXIT_PASS;
	say_refused(o, &e);
	fputs("Nothing was touched.\n", stderr);
	return EXIT_REFUSED;
}

int prepare_plan(const struct options *o, struct prepared *p)
{
	struct err e = { 0 };
	unsigned fault;
	int rc = load_policy(o, p);

	if (rc != EXIT_PASS)
		return rc;
	p->targets = p->x.targets;
	p->targets.shield = &p->shield;
	p->targets.flows = &p->flows;
	p->targets.seed = p->seed;
	p->targets.max_processes = policy_max_processes(&p->policy, &p->x.limits);
	rc = planner_plan(&p->x, p->run_id, &p->targets, &p->plan, &fault, &e);
	if (rc == 0) {
		rc = check_policy(o, p);
		return rc == EXIT_PASS ? check_leftovers(o, p) : rc;
	}
	if (fault < p->x.n_faults) {
		if (rc == -E2BIG && strncmp(p->x.faults[fault].ops->name, "proc.", 5) == 0) {
			policy_ctx_processes(&p->policy, &p->x.limits, &e);
			rc = -EPERM; /* more processes than a limit allows */
		}
		err_ctx(&e, "fault '%s'", p->x.faults[fault].id);
		err_at(&e, p->x.faults[fault].bound.pos);
	}
	return say_refusal(o, &e, code_of(rc));
}

void prepare_done(struct prepared *p)
{
	planner_done(&p->plan);
	policy_done(&p->policy);
	shield_flows_done(&p->flows);
	p->has_policy = false;
	if (p->loaded)
		experiment_done(&p->x);
	p->loaded = false;
}
