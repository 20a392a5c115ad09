/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=fork -Wl,--wrap=kill */
#include "safety/scratch.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "tests/support/test.h"

/* Shared: the trials run in children. */
struct counts {
	atomic_uint forks, fail_at, to_everybody;
};

static struct counts *seen;

pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig);

pid_t __wrap_fork(void)
{
	if (atomic_fetch_add(&seen->forks, 1) + 1 == seen->fail_at) {
		errno = EAGAIN;
		return -1;
	}
	return __real_fork();
}

int __wrap_kill(pid_t pid, int sig)
{
	if (pid > 0)
		return __real_kill(pid, sig);
	atomic_fetch_add(&seen->to_everybody, 1);
	errno = EPERM;
	return -1;
}

/* -1 is what fork(2) says, and to kill(2) it means every process there is. */
static void a_fork_that_fails_kills_nobody(void **state)
{
	struct scratch_result r[SCRATCH_COUNT];
	struct err e = { 0 };
	unsigned forks;

	(void)state;
	assert_int_equal(scratch_try(r, &e), 0);
	forks = seen->forks;
	assert_true(forks >= 4); /* two children, a target and its tracer at least */
	for (unsigned n = 1; n <= forks; n++) {
		seen->forks = 0;
		seen->fail_at = n;
		scratch_try(r, &e);
		assert_true(seen->forks >= n);
		assert_int_equal(seen->to_everybody, 0);
	}
	assert_int_equal(r[SCRATCH_PTRACE].state, SCRATCH_FAILED); /* the tracer is the last one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_that_fails_kills_nobody),
	};

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return seen == MAP_FAILED || cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
