/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "safety/pulse.h"
#include "tests/support/test.h"

#define END_MS 5000

/* Without rights it has something to complain about, and nobody is there to hear it. */
static void exec_keeper(const char *path, int sock, int pulse, pid_t runner)
{
	char name[] = "brink-keeper", arg_sock[16], arg_pulse[16];
	char *argv[] = { name, arg_sock, arg_pulse, NULL }, *env[] = { NULL };
	int exe = open(path, O_RDONLY | O_CLOEXEC); /* its folder may be closed to others */

	while (getppid() == runner)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		_exit(126);
	snprintf(arg_sock, sizeof(arg_sock), "%d", sock);
	snprintf(arg_pulse, sizeof(arg_pulse), "%d", pulse);
	fexecve(exe, argv, env);
	_exit(127);
}

/* Dies at once; its keeper starts when that is known to everybody. */
static void be_runner(const char *path)
{
	int pair[2], pulse = memfd_create("pulse", 0);
	pid_t self = getpid();

	if (pulse < 0 || ftruncate(pulse, sizeof(struct pulse)) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		_exit(1);
	if (fork() == 0) {
		close(pair[0]);
		exec_keeper(path, pair[1], pulse, self);
	}
	_exit(0);
}

static void a_keeper_that_starts_after_its_runner_has_died_ends(void **state)
{
	const char *build = getenv("BUILD");
	char path[512];
	int status, fd;
	pid_t runner, keeper;
	struct pollfd p;

	(void)state;
	assert_non_null(build);
	snprintf(path, sizeof(path), "%s/brink-keeper", build);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	runner = fork();
	assert_true(runner >= 0);
	if (runner == 0)
		be_runner(path);
	assert_int_equal(waitpid(runner, &status, 0), runner);
	assert_int_equal(status, 0);
	/* ours now, as it would be PID 1's */
	keeper = -1;
	for (pid_t pid = runner + 1; pid < runner + 64 && keeper < 0; pid++) {
		siginfo_t how = { 0 };

		if (waitid(P_PID, (id_t)pid, &how, WEXITED | WNOHANG | WNOWAIT) == 0)
			keeper = pid;
	}
	assert_true(keeper > 0);
	fd = pidfd_open(keeper, 0);
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	if (poll(&p, 1, END_MS) != 1) {
		kill(keeper, SIGKILL);
		waitpid(keeper, NULL, 0);
		fail_msg("the keeper still waits for a runner after %d ms", END_MS);
	}
	close(fd);
	assert_int_equal(waitpid(keeper, &status, 0), keeper);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 0, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_keeper_that_starts_after_its_runner_has_died_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
