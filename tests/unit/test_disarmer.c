/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=deadman_disarm -Wl,--wrap=recv */
#include "safety/disarmer.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "safety/deadman.h"
#include "safety/journal.h"
#include "safety/openers.h"
#include "tests/support/test.h"

#define WAIT_NS (10 * NS_PER_S)

int __wrap_deadman_disarm(const struct systemd_host *h, const char *run_id, struct err *e);

/* Runs in the disarmer: what it may do there is what systemctl may do. */
int __wrap_deadman_disarm(const struct systemd_host *h, const char *run_id, struct err *e)
{
	char text[4096];

	(void)h;
	if (strcmp(run_id, "GOOD") != 0)
		return err_set(e, EBUSY, "'%s' could not be stopped", run_id);
	if (io_read_file(AT_FDCWD, "/proc/self/status", text, sizeof(text)) <= 0 ||
	    !strstr(text, "CapEff:\t0000000000000000") || !strstr(text, "NoNewPrivs:\t1") ||
	    !strstr(text, "Seccomp:\t2"))
		return err_set(e, EPERM, "it may too much");
	return 0;
}

static unsigned empty_for; /* calls of recv(2) that find nothing, whatever poll(2) says */

ssize_t __real_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
	if (!empty_for)
		return __real_recv(fd, buf, size, flags);
	empty_for--;
	errno = EAGAIN;
	return -1;
}

static bool is_gone(const struct disarmer *d)
{
	return io_wait(d->pidfd, POLLIN, clock_mono_ns() + WAIT_NS) > 0;
}

static void it_stops_the_timer_that_it_is_told_of_and_holds_no_right(void **state)
{
	struct disarmer d = DISARMER_NONE;
	char words[ERR_LINE * 2];
	struct err e = { 0 };
	int rc;

	(void)state;
	assert_int_equal(disarmer_start(-1, &d, &e), 0);
	rc = disarmer_ask(&d, "GOOD", &e);
	if (rc < 0)
		print_message("%s\n", err_format(&e, words, sizeof(words)));
	assert_int_equal(rc, 0);
	assert_int_equal(disarmer_ask(&d, "OTHER", &e), -EBUSY);
	assert_string_equal(err_format(&e, words, sizeof(words)), "'OTHER' could not be stopped");
	assert_int_equal(disarmer_ask(&d, "GOOD", &e), 0); /* again: a recovery has many runs */
	disarmer_end(&d);
	assert_int_equal(d.sock, -1);
	disarmer_end(&d);
}

static void it_ends_when_nobody_is_left_who_could_tell_it(void **state)
{
	struct disarmer d = DISARMER_NONE;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(disarmer_start(-1, &d, &e), 0);
	close(d.sock);
	assert_true(is_gone(&d));
	d.sock = -1;
	close(d.pidfd);
}

static void one_that_is_dead_is_an_error_and_no_success(void **state)
{
	struct disarmer d = DISARMER_NONE;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(disarmer_start(-1, &d, &e), 0);
	kill(d.pid, SIGKILL);
	assert_true(is_gone(&d));
	assert_int_equal(disarmer_ask(&d, "GOOD", &e), -EPIPE);
	disarmer_end(&d);
	d = (struct disarmer)DISARMER_NONE;
	assert_true(disarmer_ask(&d, "GOOD", &e) < 0); /* none was ever started */
}

static void no_answer_is_no_success(void **state)
{
	struct disarmer d = DISARMER_NONE;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(disarmer_start(-1, &d, &e), 0);
	empty_for = 3;
	assert_int_equal(disarmer_ask(&d, "GOOD", &e), 0);
	empty_for = UINT_MAX;
	assert_int_equal(disarmer_ask(&d, "GOOD", &e), -EAGAIN);
	empty_for = 0;
	/* the answer that nobody took is none to another question */
	assert_int_equal(disarmer_ask(&d, "OTHER", &e), -EBUSY);
	disarmer_end(&d);
}

static void a_stopped_one_is_ended(void **state)
{
	struct disarmer d = DISARMER_NONE;
	struct err e = { 0 };
	pid_t pid;

	(void)state;
	assert_int_equal(disarmer_start(-1, &d, &e), 0);
	pid = d.pid;
	kill(pid, SIGSTOP);
	disarmer_end(&d);
	/* reaped by the end, or about to die: never left stopped */
	for (int64_t until = clock_mono_ns() + WAIT_NS; kill(pid, 0) == 0;) {
		char path[32], text[512];

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (io_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0 || strstr(text, ") Z"))
			break;
		assert_true(clock_mono_ns() < until);
	}
}

/* Its number stands in no record: brink revert finds it by the lock's file. */
static void a_stopped_one_that_nobody_ends_is_found_by_the_lock(void **state)
{
	char dir[] = "/tmp/brink-disarmer-XXXXXX";
	struct disarmer d = DISARMER_NONE;
	struct err e = { 0 };
	int run_dir, lock, status;
	unsigned found;

	(void)state;
	assert_non_null(mkdtemp(dir));
	run_dir = open(dir, O_DIRECTORY | O_CLOEXEC);
	lock = openat(run_dir, JOURNAL_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(lock >= 0);
	assert_int_equal(disarmer_start(run_dir, &d, &e), 0);
	disarmer_ask(&d, "GOOD", &e); /* its answer says that it is at work */
	kill(d.pid, SIGSTOP);
	assert_int_equal(waitpid(d.pid, &status, WUNTRACED), d.pid);
	assert_true(WIFSTOPPED(status));
	found = openers_end_stopped(lock);
	disarmer_end(&d); /* also when it was not found */
	assert_int_equal(found, 1);
	unlinkat(run_dir, JOURNAL_LOCK, 0);
	close(lock);
	close(run_dir);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_stops_the_timer_that_it_is_told_of_and_holds_no_right),
		cmocka_unit_test(it_ends_when_nobody_is_left_who_could_tell_it),
		cmocka_unit_test(one_that_is_dead_is_an_error_and_no_success),
		cmocka_unit_test(no_answer_is_no_success),
		cmocka_unit_test(a_stopped_one_is_ended),
		cmocka_unit_test(a_stopped_one_that_nobody_ends_is_found_by_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
