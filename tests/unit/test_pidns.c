/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=stat */
/* Who is meant by a process number, and what can be known of one from another PID namespace. */
#include "inject/pidns.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "inject/target.h"
#include "tests/support/test.h"

#define INITIAL_INO 0xEFFFFFFCu

int __real_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);

static bool call_it_initial;

/* Tests have a PID namespace of their own, in which all of their processes are. */
int __wrap_stat(const char *path, struct stat *st)
{
	int rc = __real_stat(path, st);

	if (call_it_initial && strcmp(path, "/proc/self/ns/pid") == 0)
		st->st_ino = INITIAL_INO;
	return rc;
}

/* A process that waits for its end; it may be in a namespace of its own, as number 1. */
static pid_t sleeper(bool inner)
{
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pid_t child = -1;

		if (inner && (unshare(CLONE_NEWPID) < 0 || (child = fork()) < 0))
			_exit(1);
		if (child > 0) {
			dprintf(fds[1], "%d\n", child);
			waitpid(child, NULL, 0);
			_exit(0);
		}
		if (!inner)
			dprintf(fds[1], "%d\n", getpid());
		for (;;)
			pause();
	}
	close(fds[1]);
	pid = 0;
	while (read(fds[0], &c, 1) == 1 && c != '\n')
		pid = 10 * pid + (c - '0');
	close(fds[0]);
	assert_true(pid > 0);
	return pid;
}

static uint64_t start_of(pid_t pid)
{
	uint64_t start = 0;
	struct err e;

	assert_int_equal(proc_start_ticks(pid, &start, &e), 0);
	return start;
}

static void a_namespace_is_its_own_and_no_other(void **state)
{
	struct pidns_ref own, other;
	struct err e;

	(void)state;
	assert_int_equal(pidns_own(&own, &e), 0);
	assert_true(own.dev && own.ino);
	assert_true(pidns_is_own(&own));
	other = own;
	other.ino++;
	assert_false(pidns_is_own(&other));
	other = own;
	other.time++; /* there a start reads as another number */
	assert_false(pidns_is_own(&other));
	assert_false(pidns_is_own(&(struct pidns_ref){ 0 }));
}

/* unshare --pid --fork without --mount-proc. */
static void with_the_proc_of_another_one_nobody_is_looked_up(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		struct pidns_ref ref = { 0 };
		struct err e;

		if (unshare(CLONE_NEWPID) < 0)
			_exit(9);
		pid = fork();
		if (pid == 0)
			_exit(pidns_own(&ref, &e) == -EXDEV && !pidns_is_own(&ref) &&
					      pidns_has_ended(&ref, 1, 1) == -EXDEV ?
				      0 :
				      1);
		waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void only_the_initial_one_sees_everybody(void **state)
{
	struct pidns_ref own;
	struct err e;

	(void)state;
	assert_int_equal(pidns_own(&own, &e), 0);
	if (own.ino == INITIAL_INO)
		skip();
	assert_int_equal(pidns_has_ended(&own, 1, 1), -EXDEV);
}

static void from_there_the_end_of_a_process_is_known(void **state)
{
	struct pidns_ref own;
	uint64_t start;
	struct err e;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	call_it_initial = true;
	assert_int_equal(pidns_own(&own, &e), 0);
	pid = sleeper(false);
	start = start_of(pid);
	assert_int_equal(pidns_has_ended(&own, pid, start), 0);
	assert_int_equal(pidns_has_ended(&own, pid, start + 1000), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(pidns_has_ended(&own, pid, start), 1);

	/* the first one of this test has that number too, and may have begun in the same tick */
	for (pid = sleeper(true); start_of(pid) == start_of(1); pid = sleeper(true)) {
		kill(pid, SIGKILL);
		assert_true(wait(NULL) > 0);
	}
	start = start_of(pid);
	assert_int_equal(pidns_has_ended(&own, 1, start), 0); /* its number in there */
	assert_int_equal(pidns_has_ended(&own, 4194000, start), 1);
	own.time++;
	assert_int_equal(pidns_has_ended(&own, 1, start), -EXDEV);
	own.time--;
	kill(pid, SIGKILL);
	assert_true(wait(NULL) > 0);
	assert_int_equal(pidns_has_ended(&own, 1, start), 1);
	call_it_initial = false;
}

static void what_proc_hides_is_not_gone(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		struct pidns_ref own;
		struct err e;

		call_it_initial = true;
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("proc", "/proc", "proc", 0, "hidepid=2") < 0)
			_exit(9);
		_exit(pidns_own(&own, &e) == 0 && pidns_has_ended(&own, 4194000, 1) == -EACCES ? 0 :
												 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_namespace_is_its_own_and_no_other),
		cmocka_unit_test(with_the_proc_of_another_one_nobody_is_looked_up),
		cmocka_unit_test(only_the_initial_one_sees_everybody),
		cmocka_unit_test(from_there_the_end_of_a_process_is_known),
		cmocka_unit_test(what_proc_hides_is_not_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
