/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/own_scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

#define RUN "01JD3W9K7QZZZZZZZZZZZZZZZZ"

/* A stand-in for busctl. That PID 1 really moves the keeper is seen by tests/vm/sd_20_units.sh. */
struct fixture {
	char dir[64], tool[96], marker[96], args[96];
	struct systemd_host host;
	struct err e;
};

static void script(struct fixture *f, const char *text)
{
	int fd = open(f->tool, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	char all[512];

	assert_true(fd >= 0);
	snprintf(all, sizeof(all), "#!/bin/sh\ncd %s || exit 9\n%s\n", f->dir, text);
	assert_int_equal(io_write_full(fd, all, strlen(all)), 0);
	close(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/brink-scope-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->tool, sizeof(f->tool), "%s/busctl", f->dir);
	snprintf(f->marker, sizeof(f->marker), "%s/marker", f->dir);
	snprintf(f->args, sizeof(f->args), "%s/args", f->dir);
	assert_int_equal(mkdir(f->marker, 0700), 0);
	f->host = (struct systemd_host){ f->marker, f->dir, 2 * NS_PER_S };
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->tool);
	unlink(f->args);
	rmdir(f->marker);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void the_unit_has_the_name_of_the_run(void **state)
{
	struct fixture *f = *state;
	char unit[OWN_SCOPE_UNIT];

	assert_int_equal(own_scope_unit(RUN, unit, &f->e), 0);
	assert_string_equal(unit, "brink-keeper-01jd3w9k7qzzzzzzzzzzzzzzzz.scope");
	assert_int_equal(own_scope_unit("", unit, &f->e), -EINVAL);
	assert_int_equal(own_scope_unit("a/b", unit, &f->e), -EINVAL);
}

static void a_scope_that_this_process_is_not_in_is_an_error(void **state)
{
	struct fixture *f = *state;
	char args[512], pid[32];

	script(f, "echo \"$@\" >args");
	assert_int_equal(own_scope_enter(&f->host, RUN, &f->e), -EIO);
	assert_non_null(strstr(f->e.msg[0], "does not put the keeper into"));
	assert_true(io_read_file(AT_FDCWD, f->args, args, sizeof(args)) > 0);
	snprintf(pid, sizeof(pid), "PIDs au 1 %d ", getpid());
	assert_non_null(strstr(args, pid));
	assert_non_null(strstr(args, "StartTransientUnit ssa(sv)a(sa(sv)) "
				     "brink-keeper-01jd3w9k7qzzzzzzzzzzzzzzzz.scope fail"));
}

static void what_systemd_answers_is_told(void **state)
{
	struct fixture *f = *state;

	script(f, "echo 'Call failed: Access denied' >&2; exit 1");
	assert_int_equal(own_scope_enter(&f->host, RUN, &f->e), -EIO);
	assert_non_null(strstr(f->e.msg[0], "Access denied"));
}

static void without_systemd_or_its_tool_it_says_so_distinctly(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(own_scope_enter(&f->host, RUN, &f->e), -ENOSYS);
	assert_non_null(strstr(f->e.msg[0], "not installed"));
	f->host.marker = "/nonexistent";
	assert_int_equal(own_scope_enter(&f->host, RUN, &f->e), -ENOSYS);
	assert_non_null(strstr(f->e.msg[0], "no systemd here"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_unit_has_the_name_of_the_run),
		T(a_scope_that_this_process_is_not_in_is_an_error),
		T(what_systemd_answers_is_told),
		T(without_systemd_or_its_tool_it_says_so_distinctly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
