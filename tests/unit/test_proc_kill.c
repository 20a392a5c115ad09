/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "inject/faults.h"
#include "inject/proc.h"
#include "tests/support/test.h"

#define CHILDREN (SIGNAL_PROCS + 1)

struct fixture {
	struct arena arena;
	void *spec;
	struct target target;
	struct shield shield;
	struct targets targets;
	struct plan_context ctx;
	struct plan plan;
	struct err e;
	char comm[16];
	pid_t child[CHILDREN];
	unsigned n;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->spec = arena_zalloc(&f->arena, proc_kill_fault.fields->size);
	assert_int_equal(fields_defaults(proc_kill_fault.fields, f->spec, &f->arena, &f->e), 0);
	f->targets = (struct targets){ .n = 1, .at = &f->target, .shield = &f->shield, .seed = 5 };
	f->target = (struct target){ .name = "worker", .kind = TARGET_PROCESS };
	f->ctx = (struct plan_context){ .run_id = "01JD3W9K7Q0000000000000000",
					.fault_index = 2,
					.targets = &f->targets,
					.lease_ms = 3000 };
	snprintf(f->comm, sizeof(f->comm), "pk-%d", getpid());
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < f->n; i++) {
		kill(f->child[i], SIGKILL);
		waitpid(f->child[i], NULL, 0);
	}
	arena_done(&f->arena);
	free(f);
	return 0;
}

static pid_t start(struct fixture *f, const char *comm)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, comm);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	f->child[f->n++] = pid;
	return pid;
}

static void give(struct fixture *f, const char *key, const char *value)
{
	const struct field *row = fields_find(proc_kill_fault.fields, key);

	assert_non_null(row);
	assert_int_equal(field_set(proc_kill_fault.fields, f->spec, row, value, &f->arena, &f->e),
			 0);
}

static int plan(struct fixture *f)
{
	int rc;

	memset(&f->plan, 0, sizeof(f->plan));
	memset(&f->e, 0, sizeof(f->e));
	rc = proc_kill_fault.plan(f->spec, &f->ctx, &f->plan, &f->e);
	if (rc == 0)
		assert_int_equal(change_spec_check(&f->plan.change[0], 0, &f->e), 0);
	return rc;
}

static bool says(const struct fixture *f, const char *part)
{
	char text[1024];

	if (!strstr(err_format(&f->e, text, sizeof(text)), part))
		print_message("    \"%s\" is not in: %s\n", part, text);
	return strstr(text, part) != NULL;
}

static const struct signal_spec *planned(const struct fixture *f)
{
	return &f->plan.change[0].u.signal;
}

static void by_default_one_sigkill_that_cannot_be_undone(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, f->comm);
	char do_line[300], undo_line[300], want[300];
	struct text d = text_on(do_line, sizeof(do_line)),
		    u = text_on(undo_line, sizeof(undo_line));

	give(f, "name", f->comm);
	assert_int_equal(plan(f), 0);
	assert_int_equal(f->plan.n_changes, 1);
	assert_int_equal(f->plan.change[0].kind, CHANGE_SIGNAL);
	assert_int_equal(f->plan.change[0].fault, 2);
	assert_int_equal(planned(f)->signal, SIGKILL);
	assert_int_equal(planned(f)->n_procs, 1);
	assert_int_equal(planned(f)->proc[0].pid, pid);
	assert_true(planned(f)->proc[0].start_ticks > 0);
	assert_int_equal(planned(f)->uid, -1);
	assert_true(f->plan.one_shot);
	assert_int_equal(f->plan.processes, 1);
	assert_non_null(strstr(f->plan.note[0], "irreversible"));
	snprintf(want, sizeof(want), "SIGKILL to %s(%d)", f->comm, pid);
	assert_string_equal(f->plan.summary, want);
	assert_int_equal(change_ops_of(CHANGE_SIGNAL)->print(&f->plan.change[0], &d, &u), 0);
	snprintf(want, sizeof(want), "kill -KILL %d", pid);
	assert_string_equal(do_line, want);
	assert_string_equal(undo_line, "cannot be undone");
}

static void grace_and_every_are_in_the_plan(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, f->comm);
	char do_line[300], undo_line[300], want[300];
	struct text d = text_on(do_line, sizeof(do_line)),
		    u = text_on(undo_line, sizeof(undo_line));

	give(f, "name", f->comm);
	give(f, "grace", "500ms");
	give(f, "every", "2s");
	assert_int_equal(plan(f), 0);
	assert_false(f->plan.one_shot); /* it has a duration then */
	assert_string_equal(planned(f)->name, f->comm);
	assert_int_equal(planned(f)->by_pid, 0);
	snprintf(want, sizeof(want), "SIGTERM, after 500ms SIGKILL to %s(%d), every 2s", f->comm,
		 pid);
	assert_string_equal(f->plan.summary, want);
	change_ops_of(CHANGE_SIGNAL)->print(&f->plan.change[0], &d, &u);
	snprintf(want, sizeof(want), "kill -TERM, after 500ms kill -KILL %d, again every 2s", pid);
	assert_string_equal(do_line, want);
}

static void times_that_contradict_each_other_are_refused(void **state)
{
	struct fixture *f = *state;

	start(f, f->comm);
	give(f, "name", f->comm);
	give(f, "grace", "2s");
	give(f, "every", "1s");
	assert_int_equal(plan(f), -EINVAL);
	assert_true(says(f, "longer than 'grace'"));
	give(f, "every", "5s");
	give(f, "signal", "TERM");
	assert_int_equal(plan(f), -EINVAL);
	assert_true(says(f, "TERM first"));
}

/* A link that leads elsewhere later does not change who is found then. */
static void the_file_of_exe_is_the_one_that_was_judged(void **state)
{
	struct fixture *f = *state;
	char exe[PATH_MAX], link[] = "/tmp/brink-exe-XXXXXX";
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int fd = mkstemp(link);

	assert_true(n > 0 && fd >= 0);
	exe[n] = '\0';
	close(fd);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink(exe, link), 0);
	start(f, f->comm);
	give(f, "name", f->comm);
	give(f, "exe", link);
	give(f, "every", "1s");
	assert_int_equal(plan(f), 0);
	assert_string_equal(planned(f)->exe, exe);
	unlink(link);
}

/* Nobody would let it go on. */
static void a_signal_that_stops_is_refused(void **state)
{
	static const char *const stops[] = { "STOP", "SIGTSTP", "TTIN", "TTOU" };
	struct fixture *f = *state;

	start(f, f->comm);
	give(f, "name", f->comm);
	for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
		give(f, "signal", stops[i]);
		assert_int_equal(plan(f), -EINVAL);
		assert_true(says(f, "proc.pause"));
	}
	give(f, "signal", "CONT");
	assert_int_equal(plan(f), 0);
}

static void a_pid_is_that_process_for_ever(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, f->comm);
	char number[16];

	snprintf(number, sizeof(number), "%d", pid);
	give(f, "pid", number);
	give(f, "signal", "USR1");
	give(f, "every", "1s");
	assert_int_equal(plan(f), 0);
	assert_int_equal(planned(f)->by_pid, 1);
	assert_int_equal(planned(f)->signal, SIGUSR1);
}

static void a_named_target_brings_its_pick(void **state)
{
	struct fixture *f = *state;

	start(f, f->comm);
	start(f, f->comm);
	start(f, f->comm);
	f->target.process.name = f->comm;
	f->target.has_pick = true;
	f->target.pick.count = 2;
	give(f, "target", "worker");
	assert_int_equal(plan(f), 0);
	assert_int_equal(planned(f)->n_procs, 2);
	assert_int_equal(planned(f)->pick_count, 2);
	assert_int_equal(planned(f)->seed, 5);
	give(f, "name", f->comm);
	assert_int_equal(plan(f), -EINVAL);
	assert_true(says(f, "contradict"));
}

static void what_is_shielded_or_brink_itself_is_refused(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, "brink-keeper");
	char number[16];

	snprintf(number, sizeof(number), "%d", pid);
	give(f, "pid", number);
	assert_int_equal(plan(f), -EPERM);
	assert_true(says(f, "brink itself"));
	give(f, "pid", "1");
	assert_true(plan(f) < 0);
}

static void more_than_can_be_hit_is_an_error_that_counts_them(void **state)
{
	struct fixture *f = *state;
	char want[64];

	for (unsigned i = 0; i < CHILDREN; i++)
		start(f, f->comm);
	give(f, "name", f->comm);
	assert_int_equal(plan(f), -E2BIG);
	snprintf(want, sizeof(want), "matches %d processes, %d are allowed", CHILDREN,
		 SIGNAL_PROCS);
	assert_true(says(f, want));
}

static void nobody_is_an_error(void **state)
{
	struct fixture *f = *state;

	give(f, "name", f->comm);
	assert_int_equal(plan(f), -ENOENT);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(by_default_one_sigkill_that_cannot_be_undone),
		TEST(grace_and_every_are_in_the_plan),
		TEST(times_that_contradict_each_other_are_refused),
		TEST(a_signal_that_stops_is_refused),
		TEST(the_file_of_exe_is_the_one_that_was_judged),
		TEST(a_pid_is_that_process_for_ever),
		TEST(a_named_target_brings_its_pick),
		TEST(what_is_shielded_or_brink_itself_is_refused),
		TEST(more_than_can_be_hit_is_an_error_that_counts_them),
		TEST(nobody_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
