/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/talk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "tests/support/test.h"

#define WAIT_NS (20 * NS_PER_S)

/* From here on no futex wake of this thread does anything; glibc takes EINVAL without a word. */
static void lose_wakes(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	if (!f ||
	    seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(futex), 1,
			     SCMP_A1(SCMP_CMP_MASKED_EQ, FUTEX_CMD_MASK, FUTEX_WAKE)) < 0 ||
	    seccomp_load(f) < 0)
		_exit(2);
	seccomp_release(f);
}

/* Until the other thread of this process sleeps in a futex(2). */
static void await_asleep(void)
{
	int64_t until = clock_mono_ns() + WAIT_NS;
	char path[64], text[256];
	struct dirent *entry;

	for (;;) {
		DIR *d = opendir("/proc/self/task");

		while (d && (entry = readdir(d))) {
			if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
				continue;
			snprintf(path, sizeof(path), "/proc/self/task/%.16s/syscall",
				 entry->d_name);
			if (io_read_file(AT_FDCWD, path, text, sizeof(text)) > 0 &&
			    atoi(text) == SYS_futex) {
				closedir(d);
				return;
			}
		}
		if (d)
			closedir(d);
		if (clock_mono_ns() > until)
			_exit(3);
	}
}

static void says_a_line_that_wakes_nobody(int out)
{
	struct err e = { 0 };
	struct talk *t;

	dup2(out, STDOUT_FILENO);
	t = talk_new(&e);
	if (!t)
		_exit(1);
	await_asleep();
	lose_wakes();
	talk_line(t, STDOUT_FILENO, TALK_RESULT, "said");
	_exit(talk_free(t) == 0 ? 0 : 4);
}

static void a_lost_wake_up_delays_a_line_and_the_end_and_no_more(void **state)
{
	char text[16] = "";
	int p[2], pidfd, status;
	bool said, ended;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		says_a_line_that_wakes_nobody(p[1]);
	close(p[1]);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	said = io_wait(p[0], POLLIN, clock_mono_ns() + WAIT_NS) > 0 &&
	       read(p[0], text, sizeof(text) - 1) > 0;
	ended = io_wait(pidfd, POLLIN, clock_mono_ns() + WAIT_NS) > 0;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pidfd);
	close(p[0]);
	assert_true(said);
	assert_string_equal(text, "said\n");
	assert_true(ended);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_wake_up_delays_a_line_and_the_end_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
