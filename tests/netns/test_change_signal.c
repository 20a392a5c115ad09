/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "inject/change/kinds.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define KILL_CAPS (UINT64_C(1) << CAP_KILL | UINT64_C(1) << CAP_SYS_PTRACE)
#define BIG_BYTES ((size_t)64 << 20)
#define TARGETS   8
#define GRACE_NS  (300 * NS_PER_MS)
#define EVERY_NS  (200 * NS_PER_MS)

struct fixture {
	struct rig r;
	char comm[16];
	pid_t pid[TARGETS];
	unsigned n;
};

/* A child of that name; stubborn: SIGTERM does nothing to it. Ready when this returns. */
static pid_t start(struct fixture *f, const char *comm, bool stubborn)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_true(f->n < TARGETS);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, comm);
		if (stubborn) {
			signal(SIGTERM, SIG_IGN);
			/* and it takes a while to die */
			mmap(NULL, BIG_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		}
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	f->pid[f->n++] = pid;
	return pid;
}

static void aim_at(struct fixture *f, pid_t pid)
{
	struct signal_spec *s = &f->r.spec.u.signal;

	s->proc[s->n_procs++] =
		(struct change_proc){ .pid = pid, .start_ticks = rig_start_ticks(pid) };
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->comm, sizeof(f->comm), "kt-%d", getpid());
	f->r.spec.kind = CHANGE_SIGNAL;
	f->r.spec.u.signal.signal = SIGKILL;
	f->r.spec.u.signal.uid = -1;
	f->r.caps = KILL_CAPS;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_kill(&f->r);
	for (unsigned i = 0; i < f->n; i++) {
		if (!f->pid[i])
			continue;
		kill(f->pid[i], SIGKILL);
		waitpid(f->pid[i], NULL, 0);
	}
	free(f);
	return 0;
}

static void forget_target(struct fixture *f, pid_t pid)
{
	for (unsigned i = 0; i < f->n; i++) {
		if (f->pid[i] == pid)
			f->pid[i] = 0;
	}
}

/* The signal by which a child has ended already; 0 = it lives. */
static int ended_by(struct fixture *f, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WNOHANG) != pid)
		return 0;
	forget_target(f, pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

/* Beats as a holder does, for at most RIG_WAIT_NS, until the child has ended. */
static int beat_until_ended(struct fixture *f, pid_t pid)
{
	int64_t deadline = clock_mono_ns() + RIG_WAIT_NS;
	const struct timespec beat = { 0, 20 * NS_PER_MS };

	while (clock_mono_ns() < deadline) {
		int sig = ended_by(f, pid);

		if (sig)
			return sig;
		rig_must(&f->r, RIG_REFRESH);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &beat, NULL);
	}
	return 0;
}

static void beat_for(struct fixture *f, int64_t ns)
{
	int64_t deadline = clock_mono_ns() + ns;
	const struct timespec beat = { 0, 20 * NS_PER_MS };

	while (clock_mono_ns() < deadline) {
		rig_must(&f->r, RIG_REFRESH);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &beat, NULL);
	}
}

static void arm(struct fixture *f)
{
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
}

static void kill_returns_when_all_are_dead_and_counts_them(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3; i++)
		aim_at(f, start(f, f->comm, true));
	arm(f);
	rig_must(&f->r, RIG_QUIET); /* before it has fired: see the next order */
	rig_done(&f->r);
	arm(f);
	rig_must(&f->r, RIG_FIRE);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ended_by(f, f->pid[i]), SIGKILL);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 3);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_string_equal(f->r.undo.by_hand, "");
}

static void arming_sends_nothing(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, f->comm, false);

	aim_at(f, pid);
	arm(f);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 0);
	assert_int_equal(ended_by(f, pid), 0);
}

static void nothing_is_sent_after_quiet(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, f->comm, false);

	aim_at(f, pid);
	arm(f);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -ECANCELED);
	assert_int_equal(ended_by(f, pid), 0);
}

static void with_a_grace_term_comes_first_and_the_signal_to_survivors(void **state)
{
	struct fixture *f = *state;
	pid_t polite = start(f, f->comm, false), stubborn = start(f, f->comm, true);
	int64_t began;

	aim_at(f, polite);
	aim_at(f, stubborn);
	f->r.spec.u.signal.grace_ns = GRACE_NS;
	arm(f);
	began = clock_mono_ns();
	rig_must(&f->r, RIG_FIRE); /* done when all of it is done */
	assert_true(clock_mono_ns() - began >= GRACE_NS);
	assert_true(f->r.step_ns < RIG_STEP_NS);
	assert_int_equal(ended_by(f, polite), SIGTERM);
	assert_int_equal(ended_by(f, stubborn), SIGKILL);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 3);
}

static void the_grace_ends_early_when_all_are_gone(void **state)
{
	struct fixture *f = *state;
	pid_t polite = start(f, f->comm, false);

	aim_at(f, polite);
	f->r.spec.u.signal.grace_ns = 2 * RIG_WAIT_NS; /* no answer would come in time */
	arm(f);
	rig_must(&f->r, RIG_FIRE);
	assert_int_equal(ended_by(f, polite), SIGTERM);
}

static void a_repeated_shot_sends_the_second_signal_between_two_rounds(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, f->comm, true);

	aim_at(f, pid);
	f->r.spec.u.signal.grace_ns = GRACE_NS;
	f->r.spec.u.signal.every_ns = 2 * RIG_WAIT_NS;
	arm(f);
	rig_must(&f->r, RIG_FIRE);
	assert_int_equal(ended_by(f, pid), 0);
	assert_int_equal(beat_until_ended(f, pid), SIGKILL);
}

static void quiet_calls_off_the_second_signal(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, f->comm, true);

	aim_at(f, pid);
	f->r.spec.u.signal.grace_ns = GRACE_NS;
	f->r.spec.u.signal.every_ns = 2 * RIG_WAIT_NS;
	arm(f);
	rig_must(&f->r, RIG_FIRE);
	rig_must(&f->r, RIG_QUIET);
	beat_for(f, 2 * GRACE_NS);
	assert_int_equal(ended_by(f, pid), 0);
}

static void every_finds_the_process_that_took_its_place(void **state)
{
	struct fixture *f = *state;
	pid_t first = start(f, f->comm, false), second;

	aim_at(f, first);
	f->r.spec.u.signal.every_ns = EVERY_NS;
	memcpy(f->r.spec.u.signal.name, f->comm, sizeof(f->comm));
	arm(f);
	rig_must(&f->r, RIG_FIRE);
	assert_int_equal(beat_until_ended(f, first), SIGKILL);
	beat_for(f, 2 * EVERY_NS); /* rounds without anybody are no failure */
	second = start(f, f->comm, false);
	assert_int_equal(beat_until_ended(f, second), SIGKILL);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 2);
}

static void by_pid_every_stays_with_the_process_itself(void **state)
{
	struct fixture *f = *state;
	pid_t first = start(f, f->comm, false), second;

	aim_at(f, first);
	f->r.spec.u.signal.every_ns = EVERY_NS;
	f->r.spec.u.signal.by_pid = 1;
	memcpy(f->r.spec.u.signal.name, f->comm, sizeof(f->comm));
	arm(f);
	rig_must(&f->r, RIG_FIRE);
	assert_int_equal(beat_until_ended(f, first), SIGKILL);
	second = start(f, f->comm, false);
	beat_for(f, 3 * EVERY_NS);
	assert_int_equal(ended_by(f, second), 0);
}

static void shield_it(struct fixture *f, pid_t pid)
{
	f->r.shield.proc[f->r.shield.n_procs++] = (struct shield_proc){
		.pid = pid, .role = SHIELD_ANCESTOR, .start_ticks = rig_start_ticks(pid)
	};
}

static void a_shielded_process_is_refused_and_lives(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, f->comm, false);

	shield_it(f, pid);
	aim_at(f, pid);
	arm(f);
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -EPERM);
	assert_true(rig_says(&f->r, "shielded"));
	assert_int_equal(ended_by(f, pid), 0);
}

static void the_shield_is_asked_again_in_every_round(void **state)
{
	struct fixture *f = *state;
	pid_t first = start(f, f->comm, false), second = start(f, f->comm, false);
	int64_t deadline;
	int rc = 0;

	shield_it(f, second);
	aim_at(f, first);
	f->r.spec.u.signal.every_ns = EVERY_NS;
	memcpy(f->r.spec.u.signal.name, f->comm, sizeof(f->comm)); /* finds both */
	arm(f);
	rig_must(&f->r, RIG_FIRE);
	deadline = clock_mono_ns() + RIG_WAIT_NS;
	while (rc == 0 && clock_mono_ns() < deadline)
		rc = rig_do(&f->r, RIG_REFRESH);
	assert_int_equal(rc, -EPERM);
	assert_int_equal(ended_by(f, second), 0);
}

static void processes_of_brink_are_never_hit(void **state)
{
	static const char *const names[] = { "brink", "brink-keeper", "brink-holder",
					     "brink-spare" };
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		pid_t pid = start(f, names[i], false);

		f->r.spec.u.signal.n_procs = 0;
		aim_at(f, pid);
		arm(f);
		assert_int_equal(rig_do(&f->r, RIG_FIRE), -EPERM);
		assert_true(rig_says(&f->r, "brink itself"));
		assert_int_equal(ended_by(f, pid), 0);
		rig_done(&f->r);
	}
}

static void a_process_that_only_has_the_number_is_left_alone(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, f->comm, false);

	aim_at(f, pid);
	f->r.spec.u.signal.proc[0].start_ticks++;
	arm(f);
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -ESRCH);
	assert_int_equal(ended_by(f, pid), 0);
}

static void those_that_are_gone_already_do_not_stop_the_rest(void **state)
{
	struct fixture *f = *state;
	pid_t gone = start(f, f->comm, false), there = start(f, f->comm, false);

	aim_at(f, gone);
	aim_at(f, there);
	arm(f);
	kill(gone, SIGKILL);
	waitpid(gone, NULL, 0);
	forget_target(f, gone);
	rig_must(&f->r, RIG_FIRE);
	assert_int_equal(ended_by(f, there), SIGKILL);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 1);
}

static void a_spec_that_means_a_whole_group_is_out_of_bounds(void **state)
{
	struct fixture *f = *state;
	const int32_t bad[] = { 1, 0, -1, -4242 };

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		f->r.spec.u.signal.n_procs = 1;
		f->r.spec.u.signal.proc[0].pid = bad[i];
		f->r.spec.lease_ms = 3000;
		assert_int_equal(change_spec_check(&f->r.spec, 0, &f->r.e), -EINVAL);
	}
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(kill_returns_when_all_are_dead_and_counts_them),
		TEST(arming_sends_nothing),
		TEST(nothing_is_sent_after_quiet),
		TEST(with_a_grace_term_comes_first_and_the_signal_to_survivors),
		TEST(the_grace_ends_early_when_all_are_gone),
		TEST(a_repeated_shot_sends_the_second_signal_between_two_rounds),
		TEST(quiet_calls_off_the_second_signal),
		TEST(every_finds_the_process_that_took_its_place),
		TEST(by_pid_every_stays_with_the_process_itself),
		TEST(a_shielded_process_is_refused_and_lives),
		TEST(the_shield_is_asked_again_in_every_round),
		TEST(processes_of_brink_are_never_hit),
		TEST(a_process_that_only_has_the_number_is_left_alone),
		TEST(those_that_are_gone_already_do_not_stop_the_rest),
		TEST(a_spec_that_means_a_whole_group_is_out_of_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
