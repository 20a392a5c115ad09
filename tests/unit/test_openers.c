/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/openers.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

/* A child that has what we have open, stopped before it does anything or not at all. */
static pid_t child(bool stopped)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (stopped)
			raise(SIGSTOP);
		for (;;)
			pause();
	}
	if (stopped) {
		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		assert_true(WIFSTOPPED(status));
	}
	return pid;
}

static int end(pid_t pid)
{
	int status = 0;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Stopped, has the file open, and is not of brink. */
static pid_t other_program(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		for (int fd = 3; fd < 16; fd++)
			fcntl(fd, F_SETFD, 0);
		execl("/bin/sh", "sh", "-c", "kill -STOP $$; read x", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

static bool is_alive(pid_t pid)
{
	siginfo_t how = { 0 };

	assert_int_equal(waitid(P_PID, (id_t)pid, &how, WEXITED | WNOHANG | WNOWAIT), 0);
	return how.si_pid == 0;
}

static void a_stopped_heir_of_a_lock_is_killed_and_the_lock_is_free(void **state)
{
	char path[] = "/tmp/brink-openers-XXXXXX";
	int fd = mkstemp(path), again;
	pid_t stranger, heir, waiter, pager;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	heir = child(true);
	close(fd);
	stranger = child(true); /* stopped, but has nothing to do with it */
	again = open(path, O_RDWR | O_CLOEXEC);
	waiter = child(false); /* has the file open too, and is at work */
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), -1);
	pager = other_program();
	assert_int_equal(openers_end_stopped(again), 1);
	assert_false(is_alive(heir));
	assert_true(is_alive(stranger));
	assert_true(is_alive(waiter));
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(openers_end_stopped(again), 0);
	end(heir);
	end(stranger);
	assert_true(is_alive(pager));
	end(pager);
	end(waiter);
	close(again);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stopped_heir_of_a_lock_is_killed_and_the_lock_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
