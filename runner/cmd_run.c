/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "runner/commands.h"
#include "runner/execute.h"
#include "runner/plan_file.h"
#include "runner/say.h"

/* With --plan: the same plan must come out under the run id and seed of the file; then it is made
 * under our own. */
static int hold_to(const struct options *o, const struct plan_file *f, struct prepared *p)
{
	char own[ULID_LEN + 1];
	struct err e = { 0 };
	int rc;

	memcpy(own, p->run_id, sizeof(own));
	memcpy(p->run_id, f->run_id, sizeof(own));
	p->seed = f->seed;
	rc = prepare_plan(o, p);
	if (rc == EXIT_PASS && plan_file_compare(f, &p->plan, &e) < 0) {
		say_error(o, &e);
		fputs("Nothing was touched.\n", stderr);
		rc = EXIT_REFUSED;
	}
	planner_done(&p->plan);
	memcpy(p->run_id, own, sizeof(own));
	return rc;
}

static int do_file(const struct options *o, const char *file, const struct plan_file *held,
		   struct prepared *p)
{
	struct run_outcome out;
	char again[512];
	int rc = prepare_load(o, file, p);

	if (rc == EXIT_PASS && held)
		rc = hold_to(o, held, p);
	if (rc == EXIT_PASS)
		rc = prepare_plan(o, p);
	if (rc != EXIT_PASS || o->dry_run)
		return rc != EXIT_PASS ? execute_code(o, rc) : execute_show(o, p, file);
	if (held)
		snprintf(again, sizeof(again), "%sbrink run --plan %s",
			 p->paths.root ? "sudo " : "", o->plan);
	else
		snprintf(again, sizeof(again), "%sbrink run %s --seed %llu",
			 p->paths.root ? "sudo " : "", file, (unsigned long long)p->seed);
	return execute_run(o, p, again, &out);
}

int cmd_run(const struct options *o)
{
	AUTO(plan_file_done) struct plan_file held = { 0 };
	struct options with_vars = *o;
	struct prepared p;
	struct err e = { 0 };
	int rc;

	if (o->plan && plan_file_read(o->plan, &held, &e) < 0) {
		say_error(o, &e);
		return e.code == EBADMSG ? EXIT_INVALID : EXIT_USAGE;
	}
	if (o->plan)
		with_vars.vars = held.vars;
	if (prepare_begin(o, &p, &e) < 0) {
		say_error(o, &e);
		return EXIT_UNABLE;
	}
	rc = do_file(&with_vars, o->plan ? held.file : o->args.at[0], o->plan ? &held : NULL, &p);
	prepare_done(&p);
	return rc;
}
