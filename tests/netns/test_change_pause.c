/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "inject/change/kinds.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define THREADS    6
#define STAND_NS   (60 * NS_PER_MS) /* how long something must be seen to stand still */
#define PAUSE_CAPS (UINT64_C(1) << CAP_SYS_PTRACE)

/* Shared with the target. */
struct shared {
	atomic_uint count[THREADS];
	atomic_uint signals, made;
	atomic_bool ready;
};

enum target_kind { COUNTERS, FIRST_THREAD_ENDS, THREAD_MAKER };

struct fixture {
	struct rig r;
	struct shared *s;
	pid_t target;
};

static struct shared *in_target; /* set in the target only */

static void *count_up(void *arg)
{
	const struct timespec nap = { 0, 200000 };

	for (;;) {
		atomic_fetch_add((atomic_uint *)arg, 1);
		nanosleep(&nap, NULL);
	}
	return NULL;
}

static void *end_at_once(void *arg)
{
	return arg;
}

static void on_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&in_target->signals, 1);
}

static void make_threads(void)
{
	for (;;) {
		pthread_t t;

		if (pthread_create(&t, NULL, end_at_once, NULL) == 0)
			pthread_detach(t);
		atomic_fetch_add(&in_target->made, 1);
		atomic_fetch_add(&in_target->count[0], 1);
	}
}

static void target_main(struct shared *s, enum target_kind kind)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	in_target = s;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGRTMIN, &act, NULL);
	for (unsigned i = 1; i < THREADS && kind != THREAD_MAKER; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, count_up, &s->count[i]) != 0)
			_exit(1);
	}
	atomic_store(&s->ready, true);
	if (kind == FIRST_THREAD_ENDS)
		syscall(SYS_exit, 0);
	if (kind == THREAD_MAKER)
		make_threads();
	count_up(&s->count[0]);
}

static bool is_ready(void *arg)
{
	return atomic_load(&((struct shared *)arg)->ready);
}

static void start_target(struct fixture *f, enum target_kind kind)
{
	f->target = fork();
	assert_true(f->target >= 0);
	if (f->target == 0)
		target_main(f->s, kind);
	assert_true(rig_await(is_ready, f->s));
	f->r.spec.kind = CHANGE_PAUSE;
	f->r.spec.u.pause.proc =
		(struct change_proc){ .pid = f->target, .start_ticks = rig_start_ticks(f->target) };
	snprintf(f->r.spec.u.pause.name, sizeof(f->r.spec.u.pause.name), "counters");
	f->r.caps = PAUSE_CAPS;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->s = mmap(NULL, sizeof(*f->s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->s != MAP_FAILED);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_kill(&f->r);
	if (f->target > 0) {
		kill(f->target, SIGKILL);
		waitpid(f->target, NULL, 0);
	}
	munmap(f->s, sizeof(*f->s));
	free(f);
	return 0;
}

/* Counters that moved while we watched. */
static unsigned moving(struct fixture *f)
{
	const struct timespec t = { 0, STAND_NS };
	unsigned before[THREADS], n = 0;

	for (unsigned i = 0; i < THREADS; i++)
		before[i] = atomic_load(&f->s->count[i]);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		n += atomic_load(&f->s->count[i]) != before[i];
	return n;
}

struct watch {
	struct shared *s;
	unsigned before[THREADS], n;
};

static bool enough_moved(void *arg)
{
	const struct watch *w = arg;
	unsigned n = 0;

	for (unsigned i = 0; i < THREADS; i++)
		n += atomic_load(&w->s->count[i]) != w->before[i];
	return n == w->n;
}

/* Do that many counters go on, sooner or later? */
static bool runs(struct fixture *f, unsigned n)
{
	struct watch w = { .s = f->s, .n = n };

	for (unsigned i = 0; i < THREADS; i++)
		w.before[i] = atomic_load(&f->s->count[i]);
	return rig_await(enough_moved, &w);
}

static bool all_trapped(pid_t pid)
{
	char states[4096];

	rig_states(pid, states, sizeof(states));
	return states[0] && strspn(states, "tZX") == strlen(states) && strchr(states, 't');
}

static void pause_it(struct fixture *f)
{
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	rig_must(&f->r, RIG_FIRE);
	assert_true(f->r.step_ns < RIG_STEP_NS);
	assert_true(all_trapped(f->target));
	assert_int_equal(rig_ended(&f->r), 1);
}

static void arming_has_no_effect_and_quiet_before_it_is_harmless(void **state)
{
	struct fixture *f = *state;

	start_target(f, COUNTERS);
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_QUIET);
	rig_must(&f->r, RIG_ARM);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_true(runs(f, THREADS));
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 0);
	rig_must(&f->r, RIG_QUIET);
	assert_true(runs(f, THREADS));
}

static void every_thread_stands_still_and_runs_again(void **state)
{
	struct fixture *f = *state;

	start_target(f, COUNTERS);
	pause_it(f);
	assert_int_equal(moving(f), 0);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 1);
	rig_must(&f->r, RIG_REFRESH);
	assert_int_equal(moving(f), 0);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_true(runs(f, THREADS));
	rig_must(&f->r, RIG_EFFECT); /* what was, also afterwards */
	assert_int_equal(f->r.value, 1);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_int_equal(rig_undo(&f->r), 0);
}

static void the_kernel_resumes_it_when_the_holder_is_killed(void **state)
{
	struct fixture *f = *state;

	start_target(f, COUNTERS);
	pause_it(f);
	assert_int_equal(rig_gone(&f->r), 1);
	rig_kill(&f->r);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_true(runs(f, THREADS));
}

struct wanted_signals {
	struct shared *s;
	unsigned n;
};

static bool signals_arrived(void *arg)
{
	const struct wanted_signals *w = arg;

	return atomic_load(&w->s->signals) >= w->n;
}

static void signals_that_come_meanwhile_are_delivered_afterwards(void **state)
{
	struct fixture *f = *state;
	struct wanted_signals w = { f->s, 5 };

	start_target(f, COUNTERS);
	pause_it(f);
	for (unsigned i = 0; i < w.n; i++)
		assert_int_equal(sigqueue(f->target, SIGRTMIN, (union sigval){ 0 }), 0);
	assert_int_equal(moving(f), 0);
	rig_must(&f->r, RIG_REFRESH);
	assert_int_equal(atomic_load(&f->s->signals), 0);
	rig_must(&f->r, RIG_QUIET);
	assert_true(rig_await(signals_arrived, &w));
	assert_int_equal(atomic_load(&f->s->signals), w.n);
}

struct sender {
	pid_t target;
	atomic_bool stop;
	unsigned sent;
};

/* A process, no thread: the rig forks, and a fork in the middle of another thread's allocation may
 * find the allocator of a sanitizer locked for ever. */
static pid_t start_sender(struct sender *s)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load(&s->stop)) {
		if (sigqueue(s->target, SIGRTMIN, (union sigval){ 0 }) == 0)
			s->sent++;
		else
			sched_yield();
	}
	_exit(0);
}

/* Threads are caught in the middle of delivering one: that one must go on its way too. */
static void no_signal_is_lost_in_a_hundred_pauses(void **state)
{
	struct fixture *f = *state;
	struct wanted_signals w = { f->s, 0 };
	struct sender *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t sender;

	assert_ptr_not_equal(s, MAP_FAILED);
	start_target(f, COUNTERS);
	s->target = f->target;
	sender = start_sender(s);
	assert_true(sender > 0);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(rig_start(&f->r), 0);
		rig_must(&f->r, RIG_ARM);
		rig_must(&f->r, RIG_FIRE);
		rig_must(&f->r, RIG_QUIET);
		if (i % 2)
			rig_done(&f->r);
		else
			rig_kill(&f->r);
	}
	atomic_store(&s->stop, true);
	assert_int_equal(waitpid(sender, NULL, 0), sender);
	assert_true(s->sent > 1000);
	w.n = s->sent;
	assert_true(rig_await(signals_arrived, &w));
	assert_int_equal(atomic_load(&f->s->signals), s->sent);
	munmap(s, sizeof(*s));
}

static void a_killed_target_dies_while_it_is_paused(void **state)
{
	struct fixture *f = *state;
	siginfo_t info = { 0 };
	int64_t deadline = clock_mono_ns() + RIG_WAIT_NS;

	start_target(f, COUNTERS);
	pause_it(f);
	kill(f->target, SIGKILL);
	while (!info.si_pid && clock_mono_ns() < deadline) {
		rig_must(&f->r, RIG_REFRESH);
		assert_int_equal(waitid(P_PID, f->target, &info, WEXITED | WNOHANG), 0);
	}
	assert_int_equal(info.si_pid, f->target);
	assert_int_equal(info.si_status, SIGKILL);
	f->target = 0;
	assert_int_equal(rig_ended(&f->r), 0);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_gone(&f->r), 0);
}

static bool is_stopped(void *arg)
{
	char states[64];

	rig_states(*(pid_t *)arg, states, sizeof(states));
	return states[0] && strspn(states, "T") == strlen(states);
}

static void a_stopped_process_stays_stopped_afterwards(void **state)
{
	struct fixture *f = *state;

	start_target(f, COUNTERS);
	kill(f->target, SIGSTOP);
	assert_true(rig_await(is_stopped, &f->target));
	for (unsigned i = 0; i < 2; i++) {
		pause_it(f);
		assert_int_equal(f->r.undo.u.pause.was_stopped, 1);
		if (i)
			rig_kill(&f->r);
		else
			rig_must(&f->r, RIG_QUIET);
		assert_true(rig_await(is_stopped, &f->target));
		assert_int_equal(moving(f), 0);
		assert_int_equal(rig_ended(&f->r), 0);
		assert_int_equal(rig_gone(&f->r), 0);
		rig_done(&f->r);
	}
	kill(f->target, SIGCONT);
	assert_true(runs(f, THREADS));
}

static void a_stop_that_comes_meanwhile_counts_afterwards(void **state)
{
	struct fixture *f = *state;

	start_target(f, COUNTERS);
	pause_it(f);
	kill(f->target, SIGSTOP);
	rig_must(&f->r, RIG_QUIET);
	assert_true(rig_await(is_stopped, &f->target));
	kill(f->target, SIGCONT);
	assert_true(runs(f, THREADS));
}

static void a_process_whose_first_thread_has_ended_is_paused(void **state)
{
	struct fixture *f = *state;

	start_target(f, FIRST_THREAD_ENDS);
	pause_it(f);
	assert_int_equal(moving(f), 0);
	rig_must(&f->r, RIG_QUIET);
	assert_true(runs(f, THREADS - 1));
}

static void threads_that_are_made_meanwhile_are_caught(void **state)
{
	struct fixture *f = *state;

	start_target(f, THREAD_MAKER);
	for (unsigned i = 0; i < 20; i++) {
		pause_it(f);
		assert_int_equal(moving(f), 0);
		rig_must(&f->r, RIG_QUIET);
		assert_true(runs(f, 1));
		rig_done(&f->r);
	}
}

static void a_process_under_a_debugger_is_refused_with_its_name(void **state)
{
	struct fixture *f = *state;
	char self[32];

	start_target(f, COUNTERS);
	assert_int_equal(ptrace(PTRACE_SEIZE, f->target, NULL, NULL), 0);
	assert_int_equal(rig_start(&f->r), 0);
	assert_int_equal(rig_do(&f->r, RIG_ARM), -EPERM);
	snprintf(self, sizeof(self), "traced by %d", getpid());
	assert_true(rig_says(&f->r, self));
	rig_must(&f->r, RIG_QUIET);
	assert_true(runs(f, THREADS));
}

static void without_the_right_it_says_which(void **state)
{
	struct fixture *f = *state;

	start_target(f, COUNTERS);
	f->r.caps = 0; /* less than the target has */
	assert_int_equal(rig_start(&f->r), 0);
	assert_int_equal(rig_do(&f->r, RIG_ARM), -EPERM);
	assert_true(rig_says(&f->r, "CAP_SYS_PTRACE"));
	assert_true(runs(f, THREADS));
}

static void a_process_that_only_has_the_number_is_left_alone(void **state)
{
	struct fixture *f = *state;

	start_target(f, COUNTERS);
	f->r.spec.u.pause.proc.start_ticks++;
	assert_int_equal(rig_start(&f->r), -ESRCH);
	f->r.undo.u.pause.proc = f->r.spec.u.pause.proc;
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(arming_has_no_effect_and_quiet_before_it_is_harmless),
		TEST(every_thread_stands_still_and_runs_again),
		TEST(the_kernel_resumes_it_when_the_holder_is_killed),
		TEST(signals_that_come_meanwhile_are_delivered_afterwards),
		TEST(no_signal_is_lost_in_a_hundred_pauses),
		TEST(a_killed_target_dies_while_it_is_paused),
		TEST(a_stopped_process_stays_stopped_afterwards),
		TEST(a_stop_that_comes_meanwhile_counts_afterwards),
		TEST(a_process_whose_first_thread_has_ended_is_paused),
		TEST(threads_that_are_made_meanwhile_are_caught),
		TEST(a_process_under_a_debugger_is_refused_with_its_name),
		TEST(without_the_right_it_says_which),
		TEST(a_process_that_only_has_the_number_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
