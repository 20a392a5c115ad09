/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "inject/proc_fs.h"
#include "runner/commands.h"
#include "runner/history.h"
#include "runner/keeper_client.h"
#include "runner/leftovers.h"
#include "runner/revert_print.h"
#include "runner/say.h"
#include "safety/recover_main.h"

#define LEFT_MAX   64
#define ENDING_NS  (5 * NS_PER_S)    /* for a run that is being taken back */
#define GRACE_NS   (300 * NS_PER_MS) /* for one that looks alive and was just killed */
#define LOOK_NS    (20 * NS_PER_MS)
#define SILENCE_NS (10 * NS_PER_S) /* of the worker, until somebody is told why */

/* What is told last, so that nobody misses it. */
struct not_clean {
	char id[ULID_LEN + 1];
	struct kmsg_left left;
};

struct revert {
	const struct options *o;
	struct paths paths;
	struct left_runs all;
	size_t n; /* chosen */
	const struct left_run **run;
	size_t at;  /* the one that the worker speaks of */
	size_t end; /* behind the last one that it was told of */
	unsigned n_left;
	json_t *left; /* of the run that the worker speaks of */
	struct not_clean last[LEFT_MAX];
};

static const char *sudo(const struct revert *r)
{
	return r->paths.root ? "sudo " : "";
}

static bool belongs_to_unit(const struct left_run *r, const char *unit)
{
	const char *has = r->life == RUN_BLIND ? "" : r->journal.head.unit;
	size_t n = strlen(unit);

	return strcmp(has, unit) == 0 ||
	       (strncmp(has, unit, n) == 0 && strcmp(has + n, ".service") == 0);
}

static bool is_meant(const struct revert *r, const struct left_run *run)
{
	if (run->foreign)
		return false;
	if (r->o->at_boot)
		return run->earlier_boot;
	return !r->o->unit || belongs_to_unit(run, r->o->unit);
}

/* Not root's, but one of ours that somebody gave away: nothing in it is believed any more. */
static bool is_given_away(const struct revert *r, const struct left_run *run)
{
	return run->foreign && (r->paths.root || strcmp(run->dir, LEFT_ROOT) != 0);
}

static int refuse(const struct options *o, int code, int exit_code, const char *what,
		  const char *help)
{
	struct err e = { 0 };

	err_set(&e, code, "%s", help);
	err_ctx(&e, "%s", what);
	say_refused(o, &e);
	return exit_code;
}

/*
 * One whose keeper is dead or stopped is recovered all the same: recovery waits for a spare at
 * work, and ends a keeper that is stopped.
 */
static bool is_at_work(const struct left_run *run)
{
	char cgroup[PATHS_LEN];

	return run->life == RUN_ALIVE &&
	       (!run->by_spare || leftovers_frozen(run, cgroup, sizeof(cgroup)));
}

static int refuse_alive(const struct revert *r, const struct left_run *run)
{
	char what[120], help[PATHS_LEN + 80], cgroup[PATHS_LEN];

	snprintf(what, sizeof(what), "run %s is alive", run->id);
	if (leftovers_frozen(run, cgroup, sizeof(cgroup))) {
		snprintf(what, sizeof(what), "run %s is alive, but its keeper is frozen", run->id);
		snprintf(help, sizeof(help), "it goes on when the cgroup '%s' is thawed", cgroup);
	} else {
		snprintf(help, sizeof(help), "it takes its faults back itself: brink halt %s",
			 run->id);
	}
	return refuse(r->o, EBUSY, EXIT_REFUSED, what, help);
}

static int refuse_given_away(const struct revert *r, const struct left_run *run)
{
	char what[200], help[PATHS_LEN + 120], owner[64];

	snprintf(what, sizeof(what), "the directory of run %s belongs to %s", run->id,
		 leftovers_owner(run, owner, sizeof(owner)));
	snprintf(help, sizeof(help),
		 "nothing in it is believed: look at it, then give it back or remove it: %s/%s",
		 run->dir, run->id);
	return refuse(r->o, EPERM, EXIT_NOT_CLEAN, what, help);
}

/*
 * A record that is gone says nothing; the events of its run may. They are no proof: where they
 * could not be written their end is missing too. So this is said, and no verdict. Whose unit it
 * was, or that it is of an earlier boot, only the record could tell. Returns how many.
 */
static int look_for_lost(const struct revert *r)
{
	return r->o->at_boot || r->o->unit ? 0 : leftovers_say_lost(&r->paths);
}

/* The caller has looked, and says that it is fine as it is. */
static int accept_lost(const struct revert *r, const char *id)
{
	struct past_run run;

	if (history_find(r->paths.runs, id, &run) == 0) {
		history_add_recovery(r->paths.runs, run.id, 0, true);
		fprintf(stderr, "note   run %s: left as it is, without its record\n", run.id);
	}
	return EXIT_PASS;
}

static int choose_named(struct revert *r)
{
	const char *id = r->o->args.at[0];
	const struct left_run *run = NULL;
	struct err e = { 0 };
	char what[120], help[120], owner[64];
	int rc = leftovers_choose(&r->paths, &r->all, id, &run, &e);

	if (rc == -ENODATA && (!r->o->accept_conflict || r->o->print)) {
		say_refused(r->o, &e);
		return EXIT_NOT_CLEAN;
	}
	if (rc == -ENODATA && !run)
		return accept_lost(r, id);
	if (rc > 0) {
		fprintf(stderr, "nothing to revert: run %s left nothing behind\n", id);
		return EXIT_PASS;
	}
	if (!run) {
		say_error(r->o, &e);
		return EXIT_USAGE;
	}
	if (is_given_away(r, run))
		return refuse_given_away(r, run);
	if (run->foreign) {
		snprintf(what, sizeof(what), "run %s belongs to %s", run->id,
			 leftovers_owner(run, owner, sizeof(owner)));
		snprintf(help, sizeof(help), "write: sudo brink revert %s", run->id);
		return refuse(r->o, EPERM, EXIT_UNABLE, what, help);
	}
	if (is_at_work(run))
		return refuse_alive(r, run);
	r->run[r->n++] = run;
	return EXIT_PASS;
}

/* What is said when there is nothing to do. */
static void say_nothing(const struct revert *r, size_t foreign)
{
	if (r->o->at_boot || r->o->unit)
		return;
	fputs("nothing to revert: no run has left anything behind\n", stderr);
	if (foreign)
		fprintf(stderr, "  = help: %zu run%s of root cannot be read: sudo brink revert\n",
			foreign, foreign == 1 ? "" : "s");
}

static int name_several(const struct revert *r)
{
	refuse(r->o, EINVAL, EXIT_USAGE, "several runs have left something behind",
	       "name one, or write: brink revert --all");
	for (size_t i = 0; i < r->n; i++)
		fprintf(stderr, "  %s\n", r->run[i]->id);
	return EXIT_USAGE;
}

/* ret_code: what those that cannot be taken back come to. */
static int choose_many(struct revert *r, int *ret_code)
{
	bool any = r->o->all || r->o->at_boot || r->o->unit || r->o->print;
	size_t foreign = 0;

	for (size_t i = 0; i < r->all.n; i++) {
		const struct left_run *run = &r->all.at[i];
		int code = EXIT_PASS;

		if (is_given_away(r, run) && !r->o->at_boot && !r->o->unit)
			code = refuse_given_away(r, run);
		else if (is_meant(r, run) && is_at_work(run))
			code = refuse_alive(r, run);
		else if (is_meant(r, run) && !leftovers_is_lost(&r->paths, run))
			r->run[r->n++] = run;
		foreign += run->foreign && !is_given_away(r, run);
		*ret_code = code > *ret_code ? code : *ret_code;
	}
	if (r->n > 1 && !any)
		return name_several(r);
	if (look_for_lost(r) == 0 && !r->n && *ret_code == EXIT_PASS)
		say_nothing(r, foreign);
	return EXIT_PASS;
}

/* Is one of those that are meant alive? ret_ending: and about to be no more. */
static bool meets_living(const struct revert *r, bool *ret_ending)
{
	const struct left_run *named = NULL;
	struct err ignored;
	bool alive = false;

	*ret_ending = false;
	if (r->o->args.n && leftovers_pick(&r->all, r->o->args.at[0], &named, &ignored) < 0)
		return false;
	for (size_t i = 0; i < r->all.n; i++) {
		const struct left_run *run = &r->all.at[i];

		if (run->life != RUN_ALIVE || (named ? run != named : !is_meant(r, run)))
			continue;
		alive = true;
		*ret_ending |= run->ending;
	}
	return alive;
}

/* A run that was killed a moment ago is still there, and its spare needs a moment more. Longer with
 * --lock-timeout: PID 1 asks when the keeper should be at it, but may not be done. */
static int find_settled(struct revert *r, struct err *e)
{
	const struct timespec pause = { 0, LOOK_NS };
	int64_t began = clock_mono_ns(), told = r->o->lock_timeout_ns;
	bool ending;

	for (;;) {
		int rc = leftovers_find(&r->paths, true, &r->all, e);
		bool alive = rc == 0 && meets_living(r, &ending);
		int64_t limit = alive && ending ? ENDING_NS : GRACE_NS;

		if (!alive || clock_mono_ns() - began > (told > limit ? told : limit))
			return rc;
		leftovers_done(&r->all);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
}

/* ---- the worker ---- */

static void exec_worker(const struct revert *r, const char *path, int sock)
{
	char arg_sock[16], arg_wait[24], arg_flags[16];
	const char **argv = calloc(r->n + 7, sizeof(*argv));
	size_t n = 0;

	if (!argv)
		_exit(127);
	snprintf(arg_sock, sizeof(arg_sock), "%d", sock);
	snprintf(arg_wait, sizeof(arg_wait), "%lld",
		 (long long)(r->o->lock_timeout_ns / NS_PER_MS));
	snprintf(arg_flags, sizeof(arg_flags), "%d",
		 r->o->accept_conflict ? RECOVER_ACCEPT_CONFLICT : 0);
	argv[n++] = "brink-keeper";
	argv[n++] = "recover";
	argv[n++] = arg_sock;
	argv[n++] = r->run[r->at]->dir;
	argv[n++] = arg_wait;
	argv[n++] = arg_flags;
	for (size_t i = r->at; i < r->end; i++)
		argv[n++] = r->run[i]->id;
	fcntl(sock, F_SETFD, 0);
	execv(path, (char *const *)argv); /* execv(3) does not write there */
	_exit(127);
}

static void heard_left(struct revert *r, const struct kmsg *m)
{
	char what[sizeof(m->u.left.what) * 2];
	struct text t = text_on(what, sizeof(what));

	text_add_foreign(&t, m->u.left.what, strnlen(m->u.left.what, sizeof(m->u.left.what)));
	if (r->left)
		json_array_append_new(r->left, json_pack("{s:s, s:s}", "what", what, "by_hand",
							 m->u.left.by_hand));
	if (r->n_left == LEFT_MAX)
		return;
	snprintf(r->last[r->n_left].id, sizeof(r->last[0].id), "%s", r->run[r->at]->id);
	snprintf(r->last[r->n_left].left.what, sizeof(m->u.left.what), "%.255s", what);
	snprintf(r->last[r->n_left].left.by_hand, sizeof(m->u.left.by_hand), "%.511s",
		 m->u.left.by_hand);
	r->n_left++;
}

static void print_json(struct revert *r, const char *id, const struct kmsg *m)
{
	char words[ERR_LINE * 4];
	json_t *o = json_pack("{s:s, s:b, s:I, s:O}", "run", id, "clean", m->code == 0, "restored",
			      (json_int_t)m->value, "left", r->left);

	if (o && m->code < 0)
		json_object_set_new(o, "error",
				    json_string(err_format(&m->u.err, words, sizeof(words))));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static void heard_end(struct revert *r, const struct kmsg *m)
{
	const struct left_run *run = r->run[r->at];
	char words[ERR_LINE * 4];

	if (r->o->json)
		print_json(r, run->id, m);
	if (r->left)
		json_array_clear(r->left);
	if (m->code == 0 && !r->o->quiet)
		fprintf(stderr,
			"CLEAN  run %s: %llu change%s taken back, checked by reading the system back\n",
			run->id, (unsigned long long)m->value, m->value == 1 ? "" : "s");
	if (m->code < 0)
		fprintf(stderr, "%s  %s\n", m->code == -EALREADY ? "ALIVE" : "NOT CLEAN",
			err_format(&m->u.err, words, sizeof(words)));
	if (m->code < 0 && m->code != -EALREADY)
		history_add_recovery(r->paths.runs, run->id, (unsigned)m->value, false);
	r->at++;
}

/* On record in the history, before the run's own record goes. */
static void heard_clean(struct revert *r, int sock, const struct kmsg *m)
{
	const struct kmsg done = { .type = KMSG_DONE, .request = KMSG_REVERTED };

	history_add_recovery(r->paths.runs, r->run[r->at]->id, (unsigned)m->value, true);
	proto_send(sock, &done, KMSG_ANSWER_SIZE, false);
}

/*
 * Nothing is given up: what hangs in the kernel goes on when the disk or the server answers, and
 * no signal ends it before. A person may know better, so he is told what is waited for.
 */
static void say_silent(const struct revert *r, pid_t worker)
{
	struct proc_stat st = { 0 };
	const char *id = r->run[r->at < r->end ? r->at : r->end - 1]->id,
		   *why = "is at work, or waits for processes of that run";

	if (proc_stat_of(worker, &st) == 0 && st.state == 'D')
		why = "waits for the kernel (D: a disk or a server that does not answer)";
	else if (st.state == 'T' || st.state == 't')
		why = "is stopped (T)";
	fprintf(stderr,
		"note   run %s: not done after %d s: process %d (brink-keeper) %s\n"
		"  = help: this goes on waiting; what to type by hand: %sbrink revert --print %s\n",
		id, (int)(SILENCE_NS / NS_PER_S), worker, why, sudo(r), id);
}

/* 1 = a message, else there will be none any more. */
static int next_message(const struct revert *r, int sock, pid_t worker, struct kmsg *ret)
{
	int rc = proto_await(sock, ret, sizeof(*ret), clock_mono_ns() + SILENCE_NS);

	if (rc)
		return rc;
	say_silent(r, worker);
	return proto_await(sock, ret, sizeof(*ret), INT64_MAX);
}

static void hear(struct revert *r, int sock, pid_t worker)
{
	struct kmsg m;

	while (next_message(r, sock, worker, &m) > 0) {
		if (r->at == r->end)
			continue;
		if (m.type == KMSG_NOTE)
			fprintf(stderr, "note   run %s: %.500s\n", r->run[r->at]->id, m.u.text);
		else if (m.type == KMSG_LEFT)
			heard_left(r, &m);
		else if (m.type == KMSG_REVERTED)
			heard_clean(r, sock, &m);
		else if (m.type == KMSG_CLEAN)
			heard_end(r, &m);
	}
}

static void say_not_clean(const struct revert *r)
{
	for (unsigned i = 0; i < r->n_left; i++) {
		fprintf(stderr, "NOT CLEAN  %s\n", r->last[i].left.what);
		if (r->last[i].left.by_hand[0])
			fprintf(stderr, "           by hand:   %s\n", r->last[i].left.by_hand);
	}
	fprintf(stderr, "           by hand:   %sbrink revert --print%s%s\n", sudo(r),
		r->n == 1 ? " " : "", r->n == 1 ? r->run[0]->id : "");
	fprintf(stderr, "           or later:  %sbrink revert %s\n", sudo(r),
		r->n == 1 ? r->run[0]->id : "--all");
}

static int await_worker(pid_t pid)
{
	unsigned times = 0;
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (!io_again(&times))
			return EXIT_NOT_CLEAN;
	}
	if (!WIFEXITED(status))
		return EXIT_NOT_CLEAN;
	switch (WEXITSTATUS(status)) {
	case EXIT_PASS:
	case EXIT_REFUSED:
		return WEXITSTATUS(status);
	default:
		return EXIT_NOT_CLEAN;
	}
}

static int by_dir(const void *a, const void *b)
{
	const struct left_run *x = *(const struct left_run *const *)a,
			      *y = *(const struct left_run *const *)b;
	int rc = strcmp(x->dir, y->dir);

	return rc ? rc : strcmp(x->id, y->id);
}

static int start_worker(struct revert *r)
{
	char path[PATH_MAX];
	struct err e = { 0 };
	int pair[2], code;
	pid_t pid;

	if (own_executable("brink-keeper", path, sizeof(path), &e) < 0 ||
	    proto_pair(pair, &e) < 0) {
		say_error(r->o, &e);
		return EXIT_NOT_CLEAN;
	}
	r->left = r->o->json ? json_array() : NULL;
	pid = fork();
	if (pid == 0)
		exec_worker(r, path, pair[1]);
	close(pair[1]);
	if (pid > 0) {
		hear(r, pair[0], pid);
		code = await_worker(pid);
	} else {
		err_sys(&e, "cannot start brink-keeper");
		say_error(r->o, &e);
		code = EXIT_NOT_CLEAN;
	}
	close(pair[0]);
	json_decref(r->left);
	return code;
}

/* A worker knows one directory of records. */
static int work(struct revert *r)
{
	int worst = EXIT_PASS;

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	qsort(r->run, r->n, sizeof(*r->run), by_dir);
	while (r->end < r->n) {
		const char *dir = r->run[r->end]->dir;
		int code;

		r->at = r->end;
		while (r->end < r->n && strcmp(r->run[r->end]->dir, dir) == 0)
			r->end++;
		code = start_worker(r);
		worst = code > worst ? code : worst;
	}
	if (worst == EXIT_NOT_CLEAN)
		say_not_clean(r);
	return worst;
}

static int print_all(const struct revert *r)
{
	int code = EXIT_PASS;

	for (size_t i = 0; i < r->n && r->run[i]; i++) {
		int one = revert_print(r->run[i]);

		code = one > code ? one : code;
	}
	return code;
}

static bool on_record(const struct revert *r, const char *id)
{
	for (size_t i = 0; i < r->all.n; i++) {
		if (strcmp(r->all.at[i].id, id) == 0)
			return true;
	}
	return false;
}

/*
 * Runs that went down with their machine have no record any more: it stood in /run. All that they
 * changed was state of the kernel. Their events get an end, so that nobody asks again.
 */
static void close_cut_off(const struct revert *r)
{
	struct history h = { 0 };
	struct err e = { 0 };
	char boot_id[40] = "";
	unsigned n = 0;

	journal_boot_id(boot_id, &e);
	if (history_read(r->paths.runs, &h, &e) < 0)
		say_error(r->o, &e); /* they stay "interrupted" */
	for (size_t i = 0; i < h.n; i++) {
		const struct past_run *p = &h.at[i];

		if (!history_cut_off(p, boot_id) || on_record(r, p->id))
			continue;
		history_add_recovery(r->paths.runs, p->id, 0, true);
		fprintf(stderr,
			"note   run %s%s%s: the machine went down before it was clean; nothing that it changed outlives that\n",
			p->id, p->name[0] ? " " : "", p->name);
		n++;
	}
	history_done(&h);
	if (!n && !r->n && !r->o->quiet)
		fputs("nothing to revert: no run was cut off by the end of a boot\n", stderr);
}

static int revert(struct revert *r)
{
	int refused = EXIT_PASS;
	int code = r->o->args.n ? choose_named(r) : choose_many(r, &refused);

	if (code == EXIT_PASS && r->n)
		code = r->o->print ? print_all(r) : work(r);
	if (r->o->at_boot && !r->o->print)
		close_cut_off(r);
	return code > refused ? code : refused;
}

int cmd_revert(const struct options *o)
{
	struct revert *r = calloc(1, sizeof(*r));
	struct err e = { 0 };
	int code;

	if (!r)
		return EXIT_UNABLE;
	r->o = o;
	paths_find(&r->paths);
	if (o->args.n && (o->all || o->at_boot || o->unit)) {
		code = refuse(o, EINVAL, EXIT_USAGE, "a RUN and a choice of runs",
			      "write one of them");
	} else if (find_settled(r, &e) < 0) {
		say_error(o, &e);
		code = EXIT_NOT_CLEAN;
	} else {
		r->run = calloc(r->all.n + 1, sizeof(const struct left_run *));
		code = r->run ? revert(r) : EXIT_NOT_CLEAN;
	}
	leftovers_done(&r->all);
	free(r->run);
	free(r);
	return code;
}
