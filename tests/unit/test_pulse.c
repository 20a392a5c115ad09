/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=clock_mono_ns */
#include "safety/pulse.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

int64_t __wrap_clock_mono_ns(void);

static int64_t now_ns = 1000 * NS_PER_S;

int64_t __wrap_clock_mono_ns(void)
{
	return now_ns;
}

static void who_has_not_begun_is_not_late(void **state)
{
	struct err e;
	int fd = -1;
	struct pulse *p = pulse_new(&fd, &e);

	(void)state;
	assert_non_null(p);
	assert_false(pulse_stale(&p->keeper));
	pulse_beat(&p->keeper);
	now_ns += PULSE_STALE_NS;
	assert_false(pulse_stale(&p->keeper));
	now_ns++;
	assert_true(pulse_stale(&p->keeper));
	assert_false(pulse_stale(&p->runner));
	pulse_beat(&p->keeper);
	assert_false(pulse_stale(&p->keeper));
	munmap(p, sizeof(*p));
	close(fd);
}

static void a_rest_has_an_end(void **state)
{
	_Atomic int64_t cell = 0;

	(void)state;
	pulse_rest(&cell, 60 * NS_PER_S);
	now_ns += 60 * NS_PER_S + PULSE_STALE_NS;
	assert_false(pulse_stale(&cell));
	now_ns++;
	assert_true(pulse_stale(&cell));
}

/* Looks `n` times, each a beat later: how many found it hanging. */
static unsigned look(struct pulse_watch *w, const _Atomic int64_t *cell, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		now_ns += PULSE_BEAT_NS;
		found += pulse_hangs(w, cell);
	}
	return found;
}

static void who_hangs_is_found_after_a_second(void **state)
{
	_Atomic int64_t cell = 0;
	struct pulse_watch w = { 0 };

	(void)state;
	assert_int_equal(look(&w, &cell, 20), 0); /* not begun */
	pulse_beat(&cell);
	assert_int_equal(look(&w, &cell, 10), 0);
	assert_int_equal(look(&w, &cell, 1), 1);
	pulse_beat(&cell);
	assert_int_equal(look(&w, &cell, 10), 0);
	pulse_rest(&cell, 60 * NS_PER_S);
	assert_int_equal(look(&w, &cell, 610), 0);
	assert_int_equal(look(&w, &cell, 1), 1);
}

static void who_slept_itself_has_not_seen_the_others_hang(void **state)
{
	_Atomic int64_t cell = 0;
	struct pulse_watch w = { 0 };

	(void)state;
	pulse_beat(&cell);
	now_ns += 60 * NS_PER_S;
	assert_false(pulse_hangs(&w, &cell)); /* its first look */
	pulse_beat(&cell);
	assert_int_equal(look(&w, &cell, 3), 0);
	now_ns += 60 * NS_PER_S; /* the machine stands still */
	assert_true(pulse_stale(&cell));
	assert_int_equal(look(&w, &cell, 5), 0);
	assert_int_equal(look(&w, &cell, 3), 3); /* 300 + 300 + 400 ms, and now it hangs */
}

static void a_beat_is_seen_by_children_and_through_the_descriptor(void **state)
{
	struct err e;
	int fd = -1, status = -1;
	struct pulse *p = pulse_new(&fd, &e), *q;
	pid_t pid;

	(void)state;
	assert_non_null(p);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	q = pulse_map(fd, &e);
	assert_non_null(q);
	pid = fork();
	if (pid == 0) {
		pulse_beat(&p->holder[PULSE_HOLDERS - 1]);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(q->holder[PULSE_HOLDERS - 1], now_ns);
	munmap(p, sizeof(*p));
	munmap(q, sizeof(*q));
	close(fd);
	assert_null(pulse_map(-1, &e));
	assert_int_equal(e.code, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_not_begun_is_not_late),
		cmocka_unit_test(a_rest_has_an_end),
		cmocka_unit_test(who_hangs_is_found_after_a_second),
		cmocka_unit_test(who_slept_itself_has_not_seen_the_others_hang),
		cmocka_unit_test(a_beat_is_seen_by_children_and_through_the_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
