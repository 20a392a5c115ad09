/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/demo.h"

static void put(const char *dir, const char *file, const char *text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

static int set_up(void **state)
{
	static char dir[64];
	char sub[100];

	snprintf(dir, sizeof(dir), "/tmp/brink-test-demo-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(sub, sizeof(sub), "%s/kernel", dir);
	mkdir(sub, 0755);
	snprintf(sub, sizeof(sub), "%s/user", dir);
	mkdir(sub, 0755);
	put(dir, "user/max_user_namespaces", "96365\n");
	put(dir, "user/max_net_namespaces", "96365\n");
	*state = dir;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = { "kernel/unprivileged_userns_clone",
					     "kernel/apparmor_restrict_unprivileged_userns",
					     "user/max_user_namespaces",
					     "user/max_net_namespaces",
					     "kernel",
					     "user",
					     "." };
	char path[200];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", (char *)*state, files[i]);
		if (strcmp(files[i], ".") == 0)
			remove(*state);
		else
			remove(path);
	}
	return 0;
}

/* The outermost line is the problem, the root the remedy. */
static void says(const char *dir, const char *problem, const char *remedy)
{
	struct err e = { 0 };

	assert_int_equal(demo_forbidden(dir, &e), -EPERM);
	assert_int_equal(e.depth, 2);
	assert_non_null(strstr(e.msg[1], problem));
	assert_non_null(strstr(e.msg[0], remedy));
}

static void a_kernel_without_the_debian_switch_is_not_blamed_for_it(void **state)
{
	says(*state, "by no sysctl", "sudo brink demo");
}

static void the_debian_switch_is_named(void **state)
{
	put(*state, "kernel/unprivileged_userns_clone", "0\n");
	says(*state, "kernel.unprivileged_userns_clone is 0",
	     "sudo sysctl kernel.unprivileged_userns_clone=1");
}

static void the_limit_of_user_namespaces_is_named(void **state)
{
	put(*state, "kernel/unprivileged_userns_clone", "1\n");
	put(*state, "user/max_user_namespaces", "0\n");
	says(*state, "user.max_user_namespaces is 0", "sudo sysctl user.max_user_namespaces=");
}

static void the_limit_of_network_namespaces_is_named(void **state)
{
	put(*state, "user/max_net_namespaces", "0\n");
	says(*state, "user.max_net_namespaces is 0", "sudo sysctl user.max_net_namespaces=");
}

static void the_restriction_of_apparmor_is_named(void **state)
{
	put(*state, "kernel/apparmor_restrict_unprivileged_userns", "1\n");
	says(*state, "kernel.apparmor_restrict_unprivileged_userns is 1",
	     "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0");
}

static void apparmor_that_does_not_restrict_is_not_blamed(void **state)
{
	put(*state, "kernel/apparmor_restrict_unprivileged_userns", "0\n");
	says(*state, "by no sysctl", "sudo brink demo");
}

static void a_shipped_file_that_is_nowhere_is_an_error_with_both_places(void **state)
{
	char path[PATH_MAX];
	struct err e = { 0 };

	assert_int_equal(demo_find("no-such-file", *state, path, &e), -ENOENT);
	assert_non_null(strstr(e.msg[0], "no-such-file"));
	assert_non_null(strstr(e.msg[0], *state));
}

static void a_file_that_is_installed_is_found_there(void **state)
{
	char path[PATH_MAX], expected[PATH_MAX];
	struct err e = { 0 };

	snprintf(expected, sizeof(expected), "%s/user/max_user_namespaces", (char *)*state);
	assert_int_equal(demo_find("user/max_user_namespaces", *state, path, &e), 0);
	assert_string_equal(path, expected);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kernel_without_the_debian_switch_is_not_blamed_for_it),
		TEST(the_debian_switch_is_named),
		TEST(the_limit_of_user_namespaces_is_named),
		TEST(the_limit_of_network_namespaces_is_named),
		TEST(the_restriction_of_apparmor_is_named),
		TEST(apparmor_that_does_not_restrict_is_not_blamed),
		TEST(a_shipped_file_that_is_nowhere_is_an_error_with_both_places),
		TEST(a_file_that_is_installed_is_found_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
