/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "inject/cgroup.h"
#include "inject/faults.h"
#include "inject/proc.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define CHILDREN (PLAN_CHANGES + 1)

struct fixture {
	struct proc_spec spec;
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
	f->targets.shield = &f->shield;
	f->ctx = (struct plan_context){ .run_id = "01JD3W9K7Q0000000000000000",
					.targets = &f->targets,
					.for_ns = NS_PER_S,
					.lease_ms = 3000 };
	snprintf(f->comm, sizeof(f->comm), "pp-%d", getpid());
	f->spec.select.name = f->comm;
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
	free(f);
	return 0;
}

static pid_t start(struct fixture *f)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, f->comm);
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

static int plan(struct fixture *f)
{
	int rc;

	memset(&f->plan, 0, sizeof(f->plan));
	memset(&f->e, 0, sizeof(f->e));
	rc = proc_pause_fault.plan(&f->spec, &f->ctx, &f->plan, &f->e);
	for (unsigned i = 0; rc == 0 && i < f->plan.n_changes; i++)
		assert_int_equal(change_spec_check(&f->plan.change[i], 0, &f->e), 0);
	return rc;
}

static void each_process_is_one_self_ending_pause(void **state)
{
	struct fixture *f = *state;
	pid_t a = start(f), b = start(f);
	char want[300], do_line[300], undo_line[300];
	struct text d = text_on(do_line, sizeof(do_line)),
		    u = text_on(undo_line, sizeof(undo_line));

	assert_int_equal(plan(f), 0);
	assert_int_equal(f->plan.n_changes, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(f->plan.change[i].kind, CHANGE_PAUSE);
	assert_int_equal(f->plan.processes, 2);
	assert_int_equal(f->plan.n_notes, 0);
	assert_false(f->plan.one_shot);
	snprintf(want, sizeof(want), "%s(%d), %s(%d)", f->comm, a < b ? a : b, f->comm,
		 a < b ? b : a);
	assert_string_equal(f->plan.summary, want);
	change_ops_of(CHANGE_PAUSE)->print(&f->plan.change[0], &d, &u);
	snprintf(want, sizeof(want), "ptrace  every thread of %d (%s) held by a holder process",
		 f->plan.change[0].u.pause.proc.pid, f->comm);
	assert_string_equal(do_line, want);
}

static void under_a_tracer_it_is_a_guarded_stop_that_says_why(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f);

	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	assert_int_equal(plan(f), 0);
	assert_int_equal(f->plan.n_changes, 1);
	assert_int_equal(f->plan.change[0].kind, CHANGE_STOP);
	assert_int_equal(change_ops_of(CHANGE_STOP)->class, CLASS_GUARDED);
	assert_int_equal(f->plan.n_notes, 1);
	assert_non_null(strstr(f->plan.note[0], "guarded"));
	assert_non_null(strstr(f->plan.note[0], "traced by test_proc_pause"));
}

static void too_many_are_an_error_that_names_the_cgroup_way(void **state)
{
	struct fixture *f = *state;
	char text[1024];

	for (unsigned i = 0; i < CHILDREN; i++)
		start(f);
	assert_int_equal(plan(f), -E2BIG);
	err_format(&f->e, text, sizeof(text));
	assert_non_null(strstr(text, "matches 17 processes, 16 are allowed"));
	assert_non_null(strstr(text, "whole cgroup"));
}

static void a_shielded_process_is_refused(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f);

	f->shield.n_procs = 1;
	f->shield.proc[0] = (struct shield_proc){ .pid = pid,
						  .role = SHIELD_SESSION,
						  .start_ticks = rig_start_ticks(pid) };
	assert_int_equal(plan(f), -EPERM);
}

static void the_root_of_all_cgroups_and_paths_upwards_are_no_cgroup(void **state)
{
	char path[256];

	(void)state;
	assert_int_equal(cgroup2_path("/", path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup2_path("///", path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup2_path("/a/..", path, sizeof(path)), -EINVAL);
	assert_int_equal(cgroup2_path("/a/../b", path, sizeof(path)), -EINVAL);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_process_is_one_self_ending_pause),
		TEST(under_a_tracer_it_is_a_guarded_stop_that_says_why),
		TEST(too_many_are_an_error_that_names_the_cgroup_way),
		TEST(a_shielded_process_is_refused),
		TEST(the_root_of_all_cgroups_and_paths_upwards_are_no_cgroup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
