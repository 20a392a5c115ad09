/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fuse.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/test.h"

#define LIMIT_S 20 /* alarm(2): a child that outlives it has failed */

static int end_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_stopped_process_is_killed(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		timer_t fuse;
		struct err e;

		if (fuse_new(&fuse, &e) < 0)
			_exit(1);
		fuse_set(fuse, 50 * NS_PER_MS);
		raise(SIGSTOP);
		_exit(2);
	}
	assert_true(WIFSIGNALED(end_of(pid)));
}

static void a_spinning_process_is_killed(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		timer_t fuse;
		struct err e;

		alarm(LIMIT_S);
		if (fuse_new(&fuse, &e) < 0)
			_exit(1);
		fuse_set(fuse, 50 * NS_PER_MS);
		for (;;)
			;
	}
	status = end_of(pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void one_that_is_set_again_in_time_lives(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct timespec past = { 1, 200 * NS_PER_MS };
		timer_t fuse;
		struct err e;

		if (fuse_new(&fuse, &e) < 0)
			_exit(1);
		fuse_set(fuse, NS_PER_S);
		fuse_set(fuse, LIMIT_S * NS_PER_S);
		nanosleep(&past, NULL); /* beyond the first setting: that is what is tested */
		_exit(0);
	}
	status = end_of(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stopped_process_is_killed),
		cmocka_unit_test(a_spinning_process_is_killed),
		cmocka_unit_test(one_that_is_set_again_in_time_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
