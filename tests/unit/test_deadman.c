/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/deadman.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#define RUN  "01JD3W9K7QZZZZZZZZZZZZZZZZ"
#define UNIT "brink-dm-01jd3w9k7qzzzzzzzzzzzzzzzz"

/* Stand-ins for the two programs of systemd: scripts that keep the state of one timer in a file. */
struct fixture {
	char dir[64], file[5][96];
	struct systemd_host host;
	struct err e;
};

enum { RUN_TOOL, CTL_TOOL, STATE, ARGS, MARKER };

static void script(struct fixture *f, int which, const char *text)
{
	int fd = open(f->file[which], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	char all[1024];

	assert_true(fd >= 0);
	snprintf(all, sizeof(all), "#!/bin/sh\ncd %s || exit 9\n%s", f->dir, text);
	assert_int_equal(io_write_full(fd, all, strlen(all)), 0);
	close(fd);
}

static int setup(void **state)
{
	static const char *const names[] = { "systemd-run", "systemctl", "state", "args",
					     "marker" };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/brink-deadman-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		snprintf(f->file[i], sizeof(f->file[i]), "%s/%s", f->dir, names[i]);
	assert_int_equal(mkdir(f->file[MARKER], 0700), 0);
	f->host = (struct systemd_host){ f->file[MARKER], f->dir, 10 * NS_PER_S };
	script(f, RUN_TOOL,
	       "echo \"$@\" >args; echo ActiveState=active >state; echo SubState=waiting >>state\n");
	script(f, CTL_TOOL,
	       "case $1 in show) cat state || echo ActiveState=inactive;; stop) echo \"$@\" >args; rm state || exit 5;; esac\n");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < MARKER; i++)
		unlink(f->file[i]);
	rmdir(f->file[MARKER]);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void assert_args(struct fixture *f, const char *expected)
{
	char args[512];

	assert_true(io_read_file(AT_FDCWD, f->file[ARGS], args, sizeof(args)) >= 0);
	assert_string_equal(args, expected);
}

static void an_armed_timer_is_read_back_and_disarmed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(deadman_check(&f->host, RUN, &f->e), -ENOENT);
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), 0);
	assert_args(
		f,
		"--quiet --collect --unit=" UNIT " --on-active=90s "
		"--timer-property=AccuracySec=100ms /usr/bin/brink revert --lock-timeout=1m " RUN);
	assert_int_equal(deadman_check(&f->host, RUN, &f->e), 0);
	assert_int_equal(deadman_disarm(&f->host, RUN, &f->e), 0);
	assert_args(f, "stop " UNIT ".timer");
	assert_int_equal(deadman_check(&f->host, RUN, &f->e), -ENOENT);
	assert_int_equal(deadman_disarm(&f->host, RUN, &f->e), 0); /* already gone */
}

static void without_systemd_it_says_so_distinctly(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rmdir(f->file[MARKER]), 0);
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -ENOSYS);
	assert_int_equal(deadman_check(&f->host, RUN, &f->e), -ENOSYS);
	assert_int_equal(deadman_disarm(&f->host, RUN, &f->e), -ENOSYS);
	assert_int_equal(mkdir(f->file[MARKER], 0700), 0);
	assert_int_equal(unlink(f->file[RUN_TOOL]), 0);
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -ENOSYS);
	assert_non_null(strstr(f->e.msg[0], "not installed"));
}

/* A run that is to have a timer must not go on without one because of a moment's trouble. */
static void what_is_there_and_does_not_start_is_not_missing(void **state)
{
	static const struct {
		const char *text; /* NULL: as it was */
		mode_t mode;
		bool busy;
		const char *says;
	} cases[] = {
		{ NULL, 0600, false, "Permission denied" },
		{ "no program", 0700, false, "Exec format error" },
		{ NULL, 0700, true, "Text file busy" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int busy = cases[i].busy ? open(f->file[RUN_TOOL], O_WRONLY | O_CLOEXEC) : -1;

		assert_int_equal(chmod(f->file[RUN_TOOL], cases[i].mode), 0);
		if (cases[i].text) {
			int fd = open(f->file[RUN_TOOL], O_WRONLY | O_TRUNC | O_CLOEXEC);

			assert_int_equal(io_write_full(fd, cases[i].text, strlen(cases[i].text)),
					 0);
			close(fd);
		}
		assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -EIO);
		assert_non_null(strstr(f->e.msg[0], cases[i].says));
		if (busy >= 0)
			close(busy);
	}
}

/* ELOOP stands for all that keeps a look from telling whether the marker is there. */
static void a_marker_that_cannot_be_looked_at_is_not_missing(void **state)
{
	struct fixture *f = *state;
	char loop[96], below[128];

	snprintf(loop, sizeof(loop), "%s/loop", f->dir);
	snprintf(below, sizeof(below), "%s/marker", loop);
	assert_int_equal(symlink("loop", loop), 0);
	f->host.marker = below;
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -ELOOP);
	assert_non_null(strstr(f->e.msg[0], "cannot look for systemd"));
	assert_int_equal(unlink(loop), 0);
	/* a file in the way is an answer: no folder of that name */
	assert_int_equal(symlink("/dev/null", loop), 0);
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -ENOSYS);
	assert_int_equal(unlink(loop), 0);
}

static void a_timer_that_is_not_there_after_all_is_an_error(void **state)
{
	struct fixture *f = *state;

	script(f, RUN_TOOL, "exit 0\n"); /* says yes, does nothing */
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -ENOENT);
	script(f, RUN_TOOL, "echo ActiveState=active >state; echo SubState=elapsed >>state\n");
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -ENOENT);
}

static void a_timer_that_does_not_stop_is_an_error(void **state)
{
	struct fixture *f = *state;

	script(f, CTL_TOOL, "[ $1 = stop ] || echo ActiveState=active\n");
	assert_int_equal(deadman_disarm(&f->host, RUN, &f->e), -EBUSY);
	script(f, CTL_TOOL, "[ $1 = stop ] || exit 1\n");
	assert_int_equal(deadman_disarm(&f->host, RUN, &f->e), -EIO);
}

static void what_a_failing_tool_says_is_shown_safely(void **state)
{
	struct fixture *f = *state;

	script(f, RUN_TOOL, "printf 'Failed: \\033[31mno bus\\nmore\\n' >&2; exit 1\n");
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -EIO);
	assert_string_equal(f->e.msg[0], "'systemd-run' failed with 1: Failed: \\x1b[31mno bus");
}

static void a_tool_that_hangs_is_killed_at_the_limit(void **state)
{
	struct fixture *f = *state;
	int64_t start = clock_mono_ns();

	f->host.limit_ns = 200 * NS_PER_MS;
	script(f, RUN_TOOL, "exec sleep 60\n");
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -ETIMEDOUT);
	script(f, RUN_TOOL, "exec >&- 2>&-; exec sleep 60\n");
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -ETIMEDOUT);
	assert_true(clock_mono_ns() - start < 20 * NS_PER_S);
}

static void a_tool_that_talks_for_ever_is_killed_too(void **state)
{
	struct fixture *f = *state;

	f->host.limit_ns = 200 * NS_PER_MS;
	script(f, RUN_TOOL, "exec yes\n");
	assert_int_equal(deadman_arm(&f->host, RUN, 90, "/usr/bin/brink", &f->e), -ETIMEDOUT);
}

static void odd_run_ids_and_paths_are_refused(void **state)
{
	static const char *const ids[] = {
		"",    "a b", "../x",
		"a.b", "%n",  "0123456789012345678901234567890123456789012345678901234567"
	};
	static const char *const brinks[] = { "brink", "/opt/$HOME/brink", "/opt/%n/brink" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_int_equal(deadman_arm(&f->host, ids[i], 9, "/b", &f->e), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(brinks); i++)
		assert_int_equal(deadman_arm(&f->host, RUN, 9, brinks[i], &f->e), -EINVAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(an_armed_timer_is_read_back_and_disarmed),
		TEST(without_systemd_it_says_so_distinctly),
		TEST(what_is_there_and_does_not_start_is_not_missing),
		TEST(a_marker_that_cannot_be_looked_at_is_not_missing),
		TEST(a_timer_that_is_not_there_after_all_is_an_error),
		TEST(a_timer_that_does_not_stop_is_an_error),
		TEST(what_a_failing_tool_says_is_shown_safely),
		TEST(a_tool_that_hangs_is_killed_at_the_limit),
		TEST(a_tool_that_talks_for_ever_is_killed_too),
		TEST(odd_run_ids_and_paths_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
