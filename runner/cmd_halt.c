/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "runner/commands.h"
#include "runner/history.h"
#include "runner/leftovers.h"
#include "runner/say.h"
#include "safety/control.h"

/* Packets in flight (two minutes of the slowest queue), stubborn targets: everything a revert waits
 * for is bounded. */
#define END_NS  (180 * NS_PER_S)
#define STEP_NS (20 * NS_PER_MS)

enum ending { GOES_ON, ENDED_CLEAN, ENDED_DIRTY };

/* Looked at from outside: the keeper's last act is to remove its record, or to say that it is not
 * clean. */
static enum ending look(const char *dir, const char *id)
{
	AUTO(auto_close) int state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(auto_close)
	int run = openat(state, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	enum ending how = GOES_ON;
	struct journal j;
	struct err ignored;
	int rc;

	if (run < 0)
		return errno == ENOENT ? ENDED_CLEAN : GOES_ON;
	rc = journal_open(run, false, &j, &ignored);
	if (rc == -ENOENT && journal_trace(run) != JOURNAL_LOST)
		return ENDED_CLEAN;
	if (rc < 0)
		return GOES_ON; /* somebody else's journal: only its end can be seen */
	if (j.head.state != HEAD_OPEN)
		how = j.head.state == HEAD_CLEAN ? ENDED_CLEAN : ENDED_DIRTY;
	journal_done(&j);
	return how;
}

/* Dead without having said clean? */
static bool is_dead(const struct paths *p, const char *id)
{
	const struct left_run *r;
	struct left_runs l;
	struct err ignored;
	bool dead;

	if (leftovers_find(p, true, &l, &ignored) < 0)
		return false;
	dead = leftovers_pick(&l, id, &r, &ignored) == 0 && r->life == RUN_LEFT;
	leftovers_done(&l);
	return dead;
}

static enum ending await_end(const struct paths *p, const struct left_run *r)
{
	int64_t deadline = clock_mono_ns() + END_NS;
	struct timespec t = { 0, STEP_NS };
	enum ending how = look(r->dir, r->id);

	for (unsigned n = 1; how == GOES_ON && clock_mono_ns() < deadline; n++) {
		if (n % 50 == 0 && is_dead(p, r->id))
			return look(r->dir, r->id) == ENDED_CLEAN ? ENDED_CLEAN : ENDED_DIRTY;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
		how = look(r->dir, r->id);
	}
	return how;
}

static int say_end(const struct options *o, const struct paths *p, const struct left_run *r,
		   enum ending how)
{
	if (o->json)
		printf("{\"run\":\"%s\",\"halted\":true,\"clean\":%s}\n", r->id,
		       how == ENDED_CLEAN ? "true" : "false");
	if (how == ENDED_CLEAN) {
		if (!o->quiet)
			fprintf(stderr, "halted  run %s: everything was taken back\n", r->id);
		return EXIT_PASS;
	}
	fprintf(stderr, "NOT CLEAN  run %s was told to halt and %s\n", r->id,
		how == GOES_ON ? "is still at it" : "could not take everything back");
	fprintf(stderr, "           by hand:   %sbrink revert --print %s\n", p->root ? "sudo " : "",
		r->id);
	fprintf(stderr, "           or later:  %sbrink revert %s\n", p->root ? "sudo " : "", r->id);
	return EXIT_NOT_CLEAN;
}

static int say_dead(const struct paths *p, const struct left_run *r)
{
	fprintf(stderr, "NOT CLEAN  run %s is dead or does not answer: nobody is there to halt\n",
		r->id);
	fprintf(stderr, "           or later:  %sbrink revert %s\n", p->root ? "sudo " : "", r->id);
	return EXIT_NOT_CLEAN;
}

#define TOLD (-1)

/* TOLD, or the exit code of one that cannot be told. */
static int tell(const struct options *o, const struct paths *p, const struct left_run *r)
{
	char path[PATHS_LEN + 64];
	struct control_answer a;
	struct err e = { 0 };
	int rc;

	snprintf(path, sizeof(path), "%s/%s/%s", r->dir, r->id, CONTROL_SOCKET);
	rc = control_halt(path, o->why, &a, &e);
	if (rc == 0 && a.code < 0) {
		err_set(&e, -a.code, "%s", a.text);
		say_error(o, &e);
		return EXIT_REFUSED;
	}
	/* before the first change its keeper may wait for other programs; it hears us afterwards */
	if (rc == -ETIMEDOUT && !is_dead(p, r->id))
		return TOLD;
	if (rc < 0 && look(r->dir, r->id) != ENDED_CLEAN) {
		err_ctx(&e, "run %s", r->id);
		say_error(o, &e);
		return say_dead(p, r);
	}
	return TOLD;
}

static int halt_one(const struct options *o, const struct paths *p, const struct left_run *r)
{
	int code = tell(o, p, r);

	return code == TOLD ? say_end(o, p, r, await_end(p, r)) : code;
}

/* A user sees the ids of root's runs only; group brink may halt them. */
static bool may_run(const struct left_run *r)
{
	return r->life == RUN_ALIVE || (r->life == RUN_BLIND && r->foreign);
}

static int halt_named(const struct options *o, const struct paths *p, const struct left_runs *l)
{
	const struct left_run *r;
	struct err e = { 0 };
	int rc = leftovers_choose(p, l, o->args.at[0], &r, &e);

	if (rc == -ENODATA) {
		say_refused(o, &e);
		return EXIT_NOT_CLEAN;
	}
	if (rc > 0) {
		fprintf(stderr, "nothing to halt: run %s has ended\n", o->args.at[0]);
		return EXIT_PASS;
	}
	if (rc < 0) {
		say_error(o, &e);
		return EXIT_USAGE;
	}
	if (may_run(r))
		return halt_one(o, p, r);
	if (r->life == RUN_DONE) {
		fprintf(stderr, "nothing to halt: run %s is dead, and everything was restored\n",
			r->id);
		return EXIT_PASS;
	}
	return say_dead(p, r);
}

static int halt_many(const struct options *o, const struct paths *p, const struct left_runs *l,
		     size_t n)
{
	struct err e = { 0 };
	int worst = EXIT_PASS, *code;

	if (n > 1 && !o->all) {
		err_set(&e, EINVAL, "name one, or write: brink halt --all");
		err_ctx(&e, "%zu runs go on", n);
		say_refused(o, &e);
		for (size_t i = 0; i < l->n; i++) {
			if (may_run(&l->at[i]))
				fprintf(stderr, "  %s\n", l->at[i].id);
		}
		return EXIT_USAGE;
	}
	code = calloc(l->n + 1, sizeof(*code));
	if (!code) {
		err_set(&e, ENOMEM, "no memory");
		say_error(o, &e);
		return EXIT_UNABLE;
	}
	/* all are told before one is waited for: its packets in flight must not keep the others
	 * going */
	for (size_t i = 0; i < l->n; i++)
		code[i] = may_run(&l->at[i]) ? tell(o, p, &l->at[i]) : EXIT_PASS;
	for (size_t i = 0; i < l->n; i++) {
		if (code[i] == TOLD)
			code[i] = say_end(o, p, &l->at[i], await_end(p, &l->at[i]));
		worst = code[i] > worst ? code[i] : worst;
	}
	free(code);
	return worst;
}

int cmd_halt(const struct options *o)
{
	struct left_runs l = { 0 };
	struct err e = { 0 };
	struct paths p;
	size_t n = 0;
	int code;

	if (o->all && o->args.n) {
		err_set(&e, EINVAL, "write either a RUN or --all");
		say_error(o, &e);
		return EXIT_USAGE;
	}
	paths_find(&p);
	if (leftovers_find(&p, true, &l, &e) < 0) {
		say_error(o, &e);
		return EXIT_UNABLE;
	}
	for (size_t i = 0; i < l.n; i++)
		n += may_run(&l.at[i]);
	if (o->args.n)
		code = halt_named(o, &p, &l);
	else
		code = halt_many(o, &p, &l, n);
	if (!o->args.n && leftovers_say_lost(&p) == 0 && !n)
		fputs("nothing to halt: no run goes on here\n", stderr);
	leftovers_done(&l);
	return code;
}
