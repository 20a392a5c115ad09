/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/execute.h"

#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "runner/plan_file.h"
#include "runner/plan_print.h"
#include "runner/say.h"

static struct run_request request_of(const struct options *o, const struct prepared *p)
{
	return (struct run_request){ .x = &p->x,
				     .plan = &p->plan,
				     .shield = &p->shield,
				     .flows = &p->flows,
				     .policy = &p->policy,
				     .paths = &p->paths,
				     .events = o->events ? o->events : p->x.report.events,
				     .json = o->json,
				     .quiet = o->quiet,
				     .color = options_color(o, STDERR_FILENO),
				     .lock_timeout_ns = o->lock_timeout_ns,
				     .fault_max_ns = p->policy.fault_ns.value,
				     .run_max_ns = p->policy.run_ns.value,
				     .command =
					     o->command.n ? (char *const *)o->command.at : NULL };
}

int execute_code(const struct options *o, int code)
{
	return code == EXIT_UNABLE && o->if_unable == IF_UNABLE_SKIP ? EXIT_SKIPPED : code;
}

int execute_show(const struct options *o, struct prepared *p, const char *file)
{
	struct run_request rq = request_of(o, p);
	struct probe_sample *now = arena_zalloc(&p->plan.arena, (p->x.n_checks + 1) * sizeof(*now));
	struct err e = { 0 };
	int rc = now ? run_probe_once(&rq, now, &e) : err_set(&e, ENOMEM, "no memory for the plan");

	if (rc < 0) {
		say_error(o, &e);
		return EXIT_UNABLE;
	}
	if (o->json)
		plan_print_json(p, now, file, stdout);
	else
		plan_print(p, now, file, stdout);
	if (!o->out)
		return EXIT_PASS;
	rc = plan_file_write(o->out, p, file, &o->vars, &e);
	if (rc < 0)
		say_error(o, &e);
	return rc < 0 ? EXIT_USAGE : EXIT_PASS;
}

static const struct planned_fault *irreversible(const struct run_plan *p)
{
	for (unsigned i = 0; i < p->n_faults; i++) {
		if (p->fault[i].class == CLASS_ONE_SHOT)
			return &p->fault[i];
	}
	return NULL;
}

/* What cannot be taken back is asked for: by --yes, or at the terminal. Never a prompt without a
 * terminal. */
static int confirm(const struct options *o, const struct prepared *p)
{
	const struct planned_fault *f = irreversible(&p->plan);
	char answer[16];

	if (!f || o->yes)
		return EXIT_PASS;
	fprintf(stderr, "%s (%s %s) cannot be undone.\n", f->item->id, f->item->ops->name,
		f->summary);
	if (o->no_input || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		fputs("brink: error: a confirmation is needed: say --yes\nNothing was touched.\n",
		      stderr);
		return EXIT_REFUSED;
	}
	fputs("Go on? [y/N] ", stderr);
	fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return EXIT_PASS;
	fputs("Not confirmed. Nothing was touched.\n", stderr);
	return EXIT_REFUSED;
}

int execute_run(const struct options *o, struct prepared *p, const char *again,
		struct run_outcome *ret)
{
	struct run_request rq = request_of(o, p);
	struct err e = { 0 };
	int rc = confirm(o, p), lost;

	*ret = (struct run_outcome){ .code = rc, .command_code = -1 };
	if (rc != EXIT_PASS)
		return rc;
	rq.again = again;
	rq.talk = talk_new(&e);
	rc = rq.talk ? run_experiment(&rq, ret, &e) : -e.code;
	lost = talk_free(rq.talk);
	if (lost && o->json)
		fprintf(stderr, "brink: error: cannot write the output: %s\n",
			lost == ENOBUFS ? "nobody read it in time, a part was dropped" :
					  strerror(lost));
	if (lost && o->json && ret->code == EXIT_PASS && rc >= 0)
		ret->code = EXIT_USAGE;
	if (rc < 0) {
		say_error(o, &e);
		if (rc == -EBUSY)
			fputs("  = help: --lock-timeout waits until it is free\n", stderr);
		fputs("Nothing was touched.\n", stderr);
		if (ret->code == EXIT_PASS)
			ret->code = EXIT_UNABLE;
	}
	ret->code = execute_code(o, ret->code);
	return ret->code;
}
