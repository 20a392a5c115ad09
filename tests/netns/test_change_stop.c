/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inject/change/kinds.h"
#include "inject/change/proc_state.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

struct fixture {
	struct rig r;
	pid_t target;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->target = fork();
	assert_true(f->target >= 0);
	if (f->target == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	f->r.spec.kind = CHANGE_STOP;
	f->r.spec.u.pause.proc =
		(struct change_proc){ .pid = f->target, .start_ticks = rig_start_ticks(f->target) };
	snprintf(f->r.spec.u.pause.name, sizeof(f->r.spec.u.pause.name), "sleeper");
	f->r.caps = UINT64_C(1) << CAP_KILL;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_kill(&f->r);
	if (f->target) {
		kill(f->target, SIGKILL);
		waitpid(f->target, NULL, 0);
	}
	free(f);
	return 0;
}

static bool in_state(pid_t pid, char state)
{
	char states[64];

	rig_states(pid, states, sizeof(states));
	return states[0] == state && !states[1];
}

static bool is_stopped(void *arg)
{
	return in_state(*(pid_t *)arg, 'T');
}

static bool is_asleep(void *arg)
{
	return in_state(*(pid_t *)arg, 'S');
}

static void stop_it(struct fixture *f)
{
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_QUIET);
	rig_must(&f->r, RIG_ARM);
	assert_int_equal(rig_ended(&f->r), 0);
	rig_must(&f->r, RIG_FIRE);
	assert_true(is_stopped(&f->target));
	assert_int_equal(rig_ended(&f->r), 1);
}

static void it_stops_and_goes_on(void **state)
{
	struct fixture *f = *state;

	stop_it(f);
	rig_must(&f->r, RIG_REFRESH);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 1);
	rig_must(&f->r, RIG_QUIET);
	rig_must(&f->r, RIG_EFFECT); /* what was, also afterwards */
	assert_int_equal(f->r.value, 1);
	assert_true(rig_await(is_asleep, &f->target));
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
}

static void it_stays_stopped_when_the_holder_dies_and_undo_continues_it(void **state)
{
	struct fixture *f = *state;

	stop_it(f);
	rig_kill(&f->r);
	assert_true(is_stopped(&f->target));
	assert_int_equal(rig_ended(&f->r), 1);
	assert_int_equal(rig_gone(&f->r), 1);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_true(rig_await(is_asleep, &f->target));
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
}

/* In uninterruptible sleep, as vfork(2) waits, until the other end of the pipe is closed. */
static pid_t one_that_waits(int *ret_release)
{
	int hold[2];
	pid_t pid;

	assert_int_equal(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		close(hold[1]);
		if (syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, 0) == 0)
			_exit(read(hold[0], &c, 1) != 0);
		for (;;)
			pause();
	}
	close(hold[0]);
	*ret_release = hold[1];
	return pid;
}

static bool is_waiting(void *arg)
{
	return in_state(*(pid_t *)arg, 'D');
}

static void a_stop_that_waits_for_its_process_is_taken_back_too(void **state)
{
	struct fixture *f = *state;
	int release;

	kill(f->target, SIGKILL);
	waitpid(f->target, NULL, 0);
	f->target = one_that_waits(&release);
	f->r.spec.u.pause.proc.pid = f->target;
	f->r.spec.u.pause.proc.start_ticks = rig_start_ticks(f->target);
	assert_true(rig_await(is_waiting, &f->target));
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -ETIMEDOUT);
	rig_kill(&f->r);
	assert_true(is_waiting(&f->target));
	assert_int_equal(rig_ended(&f->r), 1);
	assert_int_equal(rig_gone(&f->r), 1);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	close(release);
	assert_true(rig_await(is_asleep, &f->target));
}

static void what_was_stopped_before_stays_so(void **state)
{
	struct fixture *f = *state;

	kill(f->target, SIGSTOP);
	assert_true(rig_await(is_stopped, &f->target));
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	rig_must(&f->r, RIG_FIRE);
	assert_int_equal(rig_ended(&f->r), 0); /* nothing of it is brink's */
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_true(is_stopped(&f->target));
	assert_int_equal(rig_gone(&f->r), 0);
	assert_string_equal(f->r.undo.by_hand, "");
}

static void a_stop_by_others_before_the_shot_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	kill(f->target, SIGSTOP);
	assert_true(rig_await(is_stopped, &f->target));
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -EALREADY);
	rig_must(&f->r, RIG_QUIET);
	assert_true(is_stopped(&f->target));
}

static void continued_by_others_is_a_lost_lease(void **state)
{
	struct fixture *f = *state;

	stop_it(f);
	kill(f->target, SIGCONT);
	assert_true(rig_await(is_asleep, &f->target));
	assert_int_equal(rig_do(&f->r, RIG_REFRESH), -ENOENT);
	assert_true(rig_says(&f->r, "continued by somebody else"));
}

static void a_target_that_dies_is_an_end(void **state)
{
	struct fixture *f = *state;

	stop_it(f);
	kill(f->target, SIGKILL);
	assert_int_equal(waitpid(f->target, NULL, 0), f->target);
	f->target = 0;
	rig_must(&f->r, RIG_REFRESH);
	assert_int_equal(rig_ended(&f->r), 0);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
}

static void a_process_that_only_has_the_number_is_left_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_start(&f->r), 0);
	kill(f->target, SIGSTOP);
	assert_true(rig_await(is_stopped, &f->target));
	f->r.undo.u.pause.proc.start_ticks++;
	assert_int_equal(rig_undo(&f->r), 0);
	assert_true(is_stopped(&f->target));
	assert_int_equal(rig_gone(&f->r), 0);
}

/* As strace does with every call, only slower: most of the time the target stands in a trap. */
static pid_t one_that_looks_at(pid_t target)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ptrace(PTRACE_SEIZE, target, 0, 0) < 0)
		_exit(1);
	for (;;) {
		if (ptrace(PTRACE_INTERRUPT, target, 0, 0) < 0 ||
		    waitpid(target, NULL, __WALL) != target)
			_exit(1);
		usleep(2000);
		ptrace(PTRACE_CONT, target, 0, 0);
		usleep(200);
	}
}

static bool is_trapped(void *arg)
{
	return in_state(*(pid_t *)arg, 't');
}

static bool reads_as_running(void *arg)
{
	int running = 0;

	for (int i = 0; i < 20; i++) {
		usleep(1000); /* the tracer's next look, or one after it */
		running += rig_ended(arg) == 0;
	}
	return running >= 15; /* on a busy machine a tracer may be kept from letting go */
}

static void a_look_of_a_tracer_is_no_stop(void **state)
{
	struct fixture *f = *state;
	pid_t tracer;

	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	tracer = one_that_looks_at(f->target);
	assert_true(rig_await(is_trapped, &f->target));
	assert_true(rig_await(reads_as_running, &f->r));
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
}

/* Holds a stop in its hands, after it was taken from the target and before it does anything, until
 * the other end of ret_release is closed. */
static pid_t one_that_holds_the_stop_of(pid_t target, int *ret_release)
{
	int hold[2], status;
	pid_t pid;
	char c;

	assert_int_equal(pipe(hold), 0);
	pid = fork();
	if (pid) {
		close(hold[0]);
		*ret_release = hold[1];
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(hold[1]);
	if (ptrace(PTRACE_SEIZE, target, 0, 0) < 0)
		_exit(1);
	while (waitpid(target, &status, __WALL) == target && WIFSTOPPED(status)) {
		int signal = WSTOPSIG(status), event = status >> 16;

		if (!event && signal == SIGSTOP && read(hold[0], &c, 1))
			_exit(1);
		ptrace(event && signal != SIGTRAP ? PTRACE_LISTEN : PTRACE_CONT, target, 0,
		       (long)(event ? 0 : signal));
	}
	_exit(0);
}

static bool is_traced(void *arg)
{
	struct proc_threads t = { 0 };

	return proc_threads_read(arg, &t) == 0 && t.tracer;
}

static void a_stop_in_the_hands_of_a_tracer_is_taken_back_too(void **state)
{
	struct fixture *f = *state;
	int release;
	pid_t tracer = one_that_holds_the_stop_of(f->target, &release);

	assert_true(rig_await(is_traced, &f->r.spec.u.pause.proc));
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	rig_must(&f->r, RIG_FIRE);
	rig_kill(&f->r);
	assert_true(is_trapped(&f->target));
	assert_int_equal(rig_undo(&f->r), 0);
	close(release);
	assert_true(rig_await(is_asleep, &f->target));
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_stops_and_goes_on),
		TEST(it_stays_stopped_when_the_holder_dies_and_undo_continues_it),
		TEST(a_stop_that_waits_for_its_process_is_taken_back_too),
		TEST(what_was_stopped_before_stays_so),
		TEST(a_stop_by_others_before_the_shot_is_refused),
		TEST(continued_by_others_is_a_lost_lease),
		TEST(a_target_that_dies_is_an_end),
		TEST(a_process_that_only_has_the_number_is_left_alone),
		TEST(a_look_of_a_tracer_is_no_stop),
		TEST(a_stop_in_the_hands_of_a_tracer_is_taken_back_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
