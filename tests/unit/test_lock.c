/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"

#define RUN     "01JD0000000000000000000001"
#define RUN_END "0000000001"
#define OTHER   "01JD0000000000000000000002"

static const int no_stop[LOCK_STOPS] = { -1, -1 };

struct fixture {
	char root[64], dir[96];
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->root, sizeof(f->root), "/tmp/brink-lock-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->dir, sizeof(f->dir), "%s/brink/locks", f->root);
	*state = f;
	return 0;
}

static void empty_dir(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *entry;

	while (d && (entry = readdir(d)))
		unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char parent[80];

	empty_dir(f->dir);
	snprintf(parent, sizeof(parent), "%s/brink", f->root);
	empty_dir(parent);
	empty_dir(f->root);
	free(f);
	return 0;
}

static int take(struct fixture *f, const char *key, const char *run, int64_t wait_ns)
{
	int64_t deadline = wait_ns ? clock_mono_ns() + wait_ns : 0;

	return lock_take(f->dir, key, run, deadline, no_stop, &f->e);
}

static void the_second_one_is_told_who_holds_it(void **state)
{
	struct fixture *f = *state;
	char expected[128], text[512], since[32];
	int fd = take(f, "net:4026531840:eth0", RUN, 0);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(take(f, "net:4026531840:eth0", OTHER, 0), -EBUSY);
	err_format(&f->e, text, sizeof(text));
	snprintf(expected, sizeof(expected), "run " RUN " (pid %d) has held it since ", getpid());
	assert_memory_equal(text, expected, strlen(expected));
	snprintf(since, sizeof(since), "%.20s", text + strlen(expected));
	assert_int_equal(since[10], 'T'); /* 2026-11-20T13:02:11Z */
	assert_int_equal(since[19], 'Z');
	assert_string_equal(text + strlen(expected) + 20, "; to end it: brink halt " RUN_END);
	lock_release(fd);
	fd = take(f, "net:4026531840:eth0", OTHER, 0);
	assert_true(fd >= 0);
	lock_release(fd);
}

static void different_keys_do_not_exclude_each_other(void **state)
{
	struct fixture *f = *state;
	int a = take(f, "mount:/a", RUN, 0), b = take(f, "mount:/b", OTHER, 0);

	assert_true(a >= 0 && b >= 0);
	lock_release(a);
	lock_release(b);
}

static void a_lock_ends_with_its_process(void **state)
{
	struct fixture *f = *state;
	int ready[2], fd;
	pid_t pid;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (take(f, "clock", RUN, 0) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	assert_int_equal(take(f, "clock", OTHER, 0), -EBUSY);
	kill(pid, SIGKILL);
	fd = take(f, "clock", OTHER, 10 * NS_PER_S); /* waits for the death */
	assert_true(fd >= 0);
	lock_release(fd);
	waitpid(pid, NULL, 0);
}

static void waiting_ends_at_the_deadline(void **state)
{
	struct fixture *f = *state;
	int fd = take(f, "k", RUN, 0);
	int64_t start = clock_mono_ns();

	assert_int_equal(take(f, "k", OTHER, 120 * NS_PER_MS), -EBUSY);
	assert_in_range(clock_mono_ns() - start, 120 * NS_PER_MS, 5 * NS_PER_S);
	lock_release(fd);
}

static void waiting_ends_with_the_one_it_is_for(void **state)
{
	struct fixture *f = *state;
	int fd = take(f, "k", RUN, 0), p[2];

	assert_true(fd >= 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close(p[1]);
	for (int i = 0; i < LOCK_STOPS; i++) {
		int stop[LOCK_STOPS] = { -1, -1 };

		stop[i] = p[0];
		assert_int_equal(lock_take(f->dir, "k", OTHER, INT64_MAX, stop, &f->e), -ECANCELED);
	}
	close(p[0]);
	lock_release(fd);
}

static void an_unsigned_lock_is_still_refused(void **state)
{
	struct fixture *f = *state;
	int fd = take(f, "k", RUN, 0);

	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(take(f, "k", OTHER, 0), -EBUSY);
	assert_int_equal(pwrite(fd, "\033[31m 1\033\n", 9, 0), 9);
	assert_int_equal(take(f, "k", OTHER, 0), -EBUSY);
	assert_null(strchr(f->e.msg[0], '\033'));
	lock_release(fd);
}

static void a_lock_file_that_was_removed_is_no_lock(void **state)
{
	struct fixture *f = *state;
	char path[128];
	int old = take(f, "k", RUN, 0), fd;

	snprintf(path, sizeof(path), "%s/k", f->dir);
	assert_int_equal(unlink(path), 0);
	fd = take(f, "k", OTHER, 0);
	assert_true(fd >= 0);
	assert_int_equal(take(f, "k", RUN, 0), -EBUSY); /* the new file counts */
	lock_release(old);
	lock_release(fd);
}

static void symbolic_links_and_open_folders_are_refused(void **state)
{
	struct fixture *f = *state;
	char path[128];
	int fd = take(f, "k", RUN, 0);

	lock_release(fd);
	snprintf(path, sizeof(path), "%s/link", f->dir);
	assert_int_equal(symlink("k", path), 0);
	assert_true(take(f, "link", RUN, 0) < 0);
	snprintf(path, sizeof(path), "%s/fifo", f->dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(take(f, "fifo", RUN, 0) < 0);
	assert_int_equal(chmod(f->dir, 0777), 0);
	assert_int_equal(take(f, "k", RUN, 0), -EPERM);
	assert_int_equal(chmod(f->dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/brink/via", f->root);
	assert_int_equal(symlink(f->dir, path), 0);
	assert_true(lock_take(path, "k", RUN, 0, no_stop, &f->e) < 0);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(lock_take("/proc/no/such", "k", RUN, 0, no_stop, &f->e), -ENOENT);
	assert_int_equal(f->e.code, ENOENT);
}

static void file_names_are_plain_and_different(void **state)
{
	char a[LOCK_NAME_BYTES], b[LOCK_NAME_BYTES], key[600];

	(void)state;
	assert_string_equal(lock_name("net:1:eth0", a), "net:1:eth0");
	assert_string_equal(lock_name("../a/%b\n", a), "%2E.%2Fa%2F%25b%0A");
	assert_string_equal(lock_name(".", a), "%2E");
	memset(key, '/', sizeof(key));
	key[sizeof(key) - 1] = '\0';
	lock_name(key, a);
	key[sizeof(key) - 2] = 'x';
	lock_name(key, b);
	assert_true(strlen(a) < LOCK_NAME_BYTES && strlen(b) < LOCK_NAME_BYTES);
	assert_string_not_equal(a, b);
	assert_null(strchr(a, '/'));
}

static void releasing_nothing_keeps_errno(void **state)
{
	(void)state;
	errno = EXDEV;
	lock_release(-1);
	assert_int_equal(errno, EXDEV);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_second_one_is_told_who_holds_it),
		TEST(different_keys_do_not_exclude_each_other),
		TEST(a_lock_ends_with_its_process),
		TEST(waiting_ends_at_the_deadline),
		TEST(waiting_ends_with_the_one_it_is_for),
		TEST(an_unsigned_lock_is_still_refused),
		TEST(a_lock_file_that_was_removed_is_no_lock),
		TEST(symbolic_links_and_open_folders_are_refused),
		TEST(a_folder_that_cannot_be_made_is_an_error),
		TEST(file_names_are_plain_and_different),
		TEST(releasing_nothing_keeps_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
