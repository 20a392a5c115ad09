/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=read,--wrap=write,--wrap=ppoll */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/test.h"

ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __real_write(int fd, const void *buf, size_t n);
int __wrap_ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask);
int __real_ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask);

/* Every second call is interrupted, the others move 3 bytes at most; `code` for the call number
 * `at`. */
static struct {
	bool on;
	bool for_ever; /* every call is interrupted */
	unsigned calls, at;
	int code; /* 0 with at: returns 0 */
} trouble;

static bool troubled(ssize_t *ret)
{
	trouble.calls++;
	*ret = -1;
	if (trouble.at && trouble.calls == trouble.at) {
		*ret = trouble.code ? -1 : 0;
		errno = trouble.code;
		return true;
	}
	errno = EINTR;
	return trouble.for_ever || trouble.calls % 2;
}

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	ssize_t rc;

	if (trouble.on && troubled(&rc))
		return rc;
	return __real_read(fd, buf, trouble.on && n > 3 ? 3 : n);
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	ssize_t rc;

	if (trouble.on && troubled(&rc))
		return rc;
	return __real_write(fd, buf, trouble.on && n > 3 ? 3 : n);
}

static int setup(void **state)
{
	int *p = malloc(2 * sizeof(*p));

	memset(&trouble, 0, sizeof(trouble));
	*state = p;
	return p ? pipe2(p, O_CLOEXEC) : -1;
}

static int teardown(void **state)
{
	int *p = *state;

	memset(&trouble, 0, sizeof(trouble));
	close(p[0]);
	close(p[1]);
	free(p);
	return 0;
}

static void all_of_it_arrives_in_pieces_and_with_interruptions(void **state)
{
	int *p = *state;
	char buf[20] = "";

	trouble.on = true;
	assert_int_equal(io_write_full(p[1], "0123456789", 10), 0);
	assert_int_equal(io_read_full(p[0], buf, 10), 10);
	assert_string_equal(buf, "0123456789");
	assert_int_equal(io_write_full(p[1], "end", 3), 0);
	close(p[1]);
	p[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_int_equal(io_read_full(p[0], buf, 10), 3);
}

static void an_error_in_the_middle_is_an_error(void **state)
{
	int *p = *state;
	char buf[20];

	trouble.on = true;
	trouble.at = 4;
	trouble.code = EIO;
	assert_int_equal(io_write_full(p[1], "0123456789", 10), -EIO);
	trouble.calls = 0;
	trouble.code = ENOSPC;
	assert_int_equal(io_write_full(p[1], "0123456789", 10), -ENOSPC);
	trouble.calls = 0;
	trouble.code = 0; /* a device that takes nothing would loop for ever */
	assert_int_equal(io_write_full(p[1], "0123456789", 10), -EIO);
	trouble.calls = 0;
	trouble.code = EISDIR;
	assert_int_equal(io_read_full(p[0], buf, 9), -EISDIR);
	trouble.on = false;
	assert_int_equal(io_write_full(-1, "x", 1), -EBADF);
}

static void a_small_file_is_read_whole_or_not_at_all(void **state)
{
	char path[] = "/tmp/brink-io-XXXXXX", buf[8];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, "abc\n", 4), 0);
	assert_int_equal(io_read_file(AT_FDCWD, path, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "abc");
	assert_int_equal(io_read_file(AT_FDCWD, path, buf, 5), 3);
	assert_int_equal(io_read_file(AT_FDCWD, path, buf, 4), -EFBIG); /* no room for the end */
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(io_read_file(AT_FDCWD, path, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	unlink(path);
	close(fd);
	assert_int_equal(io_read_file(AT_FDCWD, path, buf, sizeof(buf)), -ENOENT);
	assert_int_equal(io_read_file(AT_FDCWD, "/proc", buf, sizeof(buf)), -EISDIR);
}

static void waiting_ends_with_an_event_or_at_the_deadline(void **state)
{
	int *p = *state;
	int64_t began = clock_mono_ns();

	assert_int_equal(io_wait(p[0], POLLIN, began + 20 * NS_PER_MS), 0);
	assert_true(clock_mono_ns() - began >= 20 * NS_PER_MS);
	assert_int_equal(io_wait(p[0], POLLIN, 0), 0); /* long ago: looks once */
	assert_int_equal(io_write_full(p[1], "x", 1), 0);
	assert_int_equal(io_wait(p[0], POLLIN, 0), POLLIN);
	assert_int_equal(io_wait(p[0], POLLIN, INT64_MAX), POLLIN);
	assert_int_equal(io_wait(1000000, POLLIN, INT64_MAX), POLLNVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static unsigned interruptions; /* of ppoll, before it works */

int __wrap_ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	if (!interruptions)
		return __real_ppoll(p, n, t, mask);
	interruptions--;
	errno = EINTR;
	return -1;
}

static void interruptions_for_ever_are_an_error(void **state)
{
	int *p = *state;
	char c;

	trouble.on = trouble.for_ever = true;
	assert_int_equal(io_read_full(p[0], &c, 1), -EINTR);
	assert_int_equal(io_write_full(p[1], "x", 1), -EINTR);
	trouble.on = trouble.for_ever = false;
}

static void waiting_goes_on_after_an_interruption_but_not_for_ever(void **state)
{
	int *p = *state;

	interruptions = UINT_MAX;
	assert_int_equal(io_wait(p[0], POLLIN, INT64_MAX), -EINTR);
	assert_int_equal(io_wait(p[0], POLLIN, 0), -EINTR);
	interruptions = 2;
	assert_int_equal(io_wait(p[0], POLLIN, 0), 0);
	assert_int_equal(io_write_full(p[1], "x", 1), 0);
	interruptions = 2; /* what is there is seen, also long after the deadline */
	assert_int_equal(io_wait(p[0], POLLIN, 0), POLLIN);
	interruptions = 2;
	assert_int_equal(io_wait(p[0], POLLIN, INT64_MAX), POLLIN);
}

/* poll(2) refuses everything then: a loop around it would be deaf, and spin. */
static void waiting_works_without_any_descriptor_allowed(void **state)
{
	int *p = *state;
	struct rlimit was, none;
	int64_t began = clock_mono_ns();
	struct pollfd two[] = { { .fd = -1, .events = POLLIN }, { .fd = p[0], .events = POLLIN } };
	struct timespec t = { 5, 0 };
	int quiet, room, heard, hung_up;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	quiet = io_wait(p[0], POLLIN, began + 50 * NS_PER_MS);
	room = io_wait(p[1], POLLOUT, clock_mono_ns() + 5 * NS_PER_S);
	assert_int_equal(write(p[1], "x", 1), 1);
	heard = io_poll(two, 2, &t);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);

	assert_int_equal(quiet, 0);
	assert_true(clock_mono_ns() - began >= 50 * NS_PER_MS);
	assert_int_equal(room, POLLOUT);
	assert_int_equal(heard, 1);
	assert_int_equal(two[0].revents, 0);
	assert_int_equal(two[1].revents, POLLIN);
	assert_int_equal(read(p[0], &hung_up, 1), 1);
	none.rlim_cur = 0;
	close(p[1]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	hung_up = io_wait(p[0], POLLIN, clock_mono_ns() + 5 * NS_PER_S);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(hung_up > 0);
	p[1] = dup(p[0]); /* the teardown closes both */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_of_it_arrives_in_pieces_and_with_interruptions),
		TEST(an_error_in_the_middle_is_an_error),
		TEST(a_small_file_is_read_whole_or_not_at_all),
		TEST(waiting_ends_with_an_event_or_at_the_deadline),
		TEST(waiting_works_without_any_descriptor_allowed),
		TEST(interruptions_for_ever_are_an_error),
		TEST(waiting_goes_on_after_an_interruption_but_not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
