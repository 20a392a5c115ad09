/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=open,--wrap=stat,--wrap=getdents64 */
/* Finding a namespace again, without privilege; what cannot be told is never "gone". */
#include "inject/change/netns.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

int __wrap_open(const char *path, int flags, ...);
int __real_open(const char *path, int flags, ...);
int __wrap_stat(const char *path, struct stat *ret);
int __real_stat(const char *path, struct stat *ret);
ssize_t __wrap_getdents64(int fd, void *buf, size_t size);
ssize_t __real_getdents64(int fd, void *buf, size_t size);

static struct {
	const char *path; /* open() of this one fails */
	int code;
	int stat_code; /* stat() of every process's namespace fails */
	int list_code; /* /proc cannot be listed */
	bool empty;
} trouble;

int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (trouble.path && strcmp(path, trouble.path) == 0) {
		errno = trouble.code;
		return -1;
	}
	return __real_open(path, flags, mode);
}

int __wrap_stat(const char *path, struct stat *ret)
{
	if (!trouble.stat_code || strncmp(path, "/proc/", 6) != 0 || path[6] == 's')
		return __real_stat(path, ret);
	errno = trouble.stat_code;
	return -1;
}

ssize_t __wrap_getdents64(int fd, void *buf, size_t size)
{
	errno = trouble.list_code;
	if (trouble.list_code)
		return -1;
	return trouble.empty ? 0 : __real_getdents64(fd, buf, size);
}

static int setup(void **state)
{
	(void)state;
	memset(&trouble, 0, sizeof(trouble));
	netns_forget();
	return 0;
}

static void the_own_one_is_known_under_every_name(void **state)
{
	struct netns_ref a, b;
	char name[40];
	struct err e;

	(void)state;
	assert_int_equal(netns_identify("", &a, &e), 0);
	assert_true(a.cookie != 0);
	assert_string_equal(a.path, "");
	snprintf(name, sizeof(name), "pid:%d", getpid());
	assert_int_equal(netns_identify(name, &b, &e), 0);
	assert_int_equal(b.cookie, a.cookie);
	assert_int_equal(netns_identify("/proc/self/ns/net", &b, &e), 0);
	assert_int_equal(b.cookie, a.cookie);
	assert_string_equal(b.path, "/proc/self/ns/net");
}

static void what_is_no_namespace_is_refused_and_nothing_is_written(void **state)
{
	static const struct {
		const char *name;
		int code;
	} bad[] = { { "pid:", -EINVAL },
		    { "pid:1x", -EINVAL },
		    { "pid:-1", -EINVAL },
		    { "pid: 1", -EINVAL },
		    { "pid:0", -ENOENT },
		    { "pid:4194305", -ENOENT },
		    { "pid:99999999999999999999", -ENOENT },
		    { "no-such-netns", -ENOENT },
		    { "/no/such/path", -ENOENT } };
	struct netns_ref ref = { .cookie = 77 };
	char longer[200];
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (netns_identify(bad[i].name, &ref, &e) != bad[i].code)
			fail_msg("'%s': %d", bad[i].name, e.code);
		assert_int_equal(ref.cookie, 77);
	}
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(netns_identify(longer, &ref, &e), -ENAMETOOLONG);
}

static void it_is_found_by_its_cookie_when_the_path_is_gone(void **state)
{
	struct netns_ref ref;
	struct stat own, found;
	struct err e;
	int fd = -1;

	(void)state;
	assert_int_equal(netns_identify("", &ref, &e), 0);
	strcpy(ref.path, "/run/netns/gone");
	assert_int_equal(netns_open(&ref, &fd, &e), 0);
	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	assert_int_equal(fstat(fd, &found), 0);
	assert_int_equal(own.st_ino, found.st_ino);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void one_that_nobody_has_is_gone(void **state)
{
	struct netns_ref ref = { .path = "/run/netns/gone", .cookie = UINT64_MAX - 5 };
	struct nlsock *s;
	struct err e;
	int fd = -1;

	(void)state;
	assert_int_equal(netns_open(&ref, &fd, &e), -ENOENT);
	assert_int_equal(fd, -1);
	assert_int_equal(netns_sock(&ref, NETLINK_ROUTE, &s, &e), -ENOENT);
	/* its old path leads to another one now */
	strcpy(ref.path, "/proc/self/ns/net");
	assert_int_equal(netns_open(&ref, &fd, &e), -ENOENT);
}

static void what_cannot_be_looked_at_is_not_gone(void **state)
{
	struct netns_ref gone = { .path = "/run/netns/x", .cookie = UINT64_MAX - 5 }, own;
	struct err e;
	int fd = -1;

	(void)state;
	trouble.path = "/run/netns/x";
	trouble.code = EACCES;
	assert_int_equal(netns_open(&gone, &fd, &e), -EACCES);
	trouble.code = EMFILE;
	assert_int_equal(netns_open(&gone, &fd, &e), -EMFILE);
	trouble.path = NULL;
	trouble.stat_code = EACCES; /* a process of somebody else may have it */
	assert_int_equal(netns_open(&gone, &fd, &e), -EACCES);
	assert_non_null(strstr(e.msg[e.depth - 1], "cannot tell"));
	trouble.stat_code = ESRCH; /* one that has just ended has none */
	assert_int_equal(netns_open(&gone, &fd, &e), -ENOENT);
	trouble.stat_code = 0;
	trouble.empty = true; /* no /proc there */
	assert_int_equal(netns_open(&gone, &fd, &e), -EIO);
	trouble.list_code = ENOENT;
	assert_int_equal(netns_open(&gone, &fd, &e), -EIO);
	trouble.list_code = 0;
	trouble.path = "/proc";
	trouble.code = ENOENT;
	assert_int_equal(netns_open(&gone, &fd, &e), -EIO);
	trouble.code = EMFILE;
	assert_int_equal(netns_open(&gone, &fd, &e), -EIO);
	memset(&trouble, 0, sizeof(trouble));
	assert_int_equal(netns_identify("", &own, &e), 0);
	trouble.path = "/proc/self/ns/net";
	trouble.code = ENOENT;
	assert_int_equal(netns_open(&own, &fd, &e), -EIO);
}

static void a_socket_is_opened_once_and_kept(void **state)
{
	struct nlsock *a, *b, *c;
	struct netns_ref own;
	struct err e;

	(void)state;
	assert_int_equal(netns_identify("", &own, &e), 0);
	assert_int_equal(netns_sock(&own, NETLINK_ROUTE, &a, &e), 0);
	assert_int_equal(netns_sock(&own, NETLINK_NETFILTER, &c, &e), 0);
	trouble.path = "/proc/self/ns/net";
	trouble.code = EMFILE; /* later on nothing can be opened any more */
	assert_int_equal(netns_sock(&own, NETLINK_ROUTE, &b, &e), 0);
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	netns_forget();
	assert_int_equal(a->fd, -1);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_own_one_is_known_under_every_name),
		TEST(what_is_no_namespace_is_refused_and_nothing_is_written),
		TEST(it_is_found_by_its_cookie_when_the_path_is_gone),
		TEST(one_that_nobody_has_is_gone),
		TEST(what_cannot_be_looked_at_is_not_gone),
		TEST(a_socket_is_opened_once_and_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
