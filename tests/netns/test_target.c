/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <cmocka.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"

/* What only root can set up: processes of other users, control groups, a view of /proc without
 * rights. */

#define NOBODY 65534
#define MAX    64

struct fixture {
	pid_t child[4];
	unsigned n;
	char comm[16];
	char mount[64], group[96], sub[128];
	struct targets targets;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->comm, sizeof(f->comm), "tgt-%d", getpid());
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < f->n; i++) {
		kill(f->child[i], SIGKILL);
		waitpid(f->child[i], NULL, 0);
	}
	if (f->mount[0]) {
		rmdir(f->sub);
		rmdir(f->group);
		umount2(f->mount, MNT_DETACH);
		rmdir(f->mount);
	}
	free(f);
	return 0;
}

/* A child of this effective user and of the real and saved user root. */
static pid_t child(struct fixture *f, uid_t euid)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_NAME, f->comm);
		if (setresuid(0, euid, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	f->child[f->n++] = pid;
	close(ready[1]);
	assert_true(io_wait(ready[0], POLLIN, clock_mono_ns() + 10 * NS_PER_S) > 0);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static int resolve(struct fixture *f, const struct proc_select *s, struct proc_id *ret)
{
	char text[1024];
	int r;

	memset(&f->e, 0, sizeof(f->e));
	r = proc_resolve(s, NULL, &f->targets, ret, MAX, &f->e);
	if (r < 0)
		print_message("    (%s)\n", err_format(&f->e, text, sizeof(text)));
	return r;
}

static void a_user_is_the_effective_one(void **state)
{
	struct fixture *f = *state;
	struct proc_select s = { .name = f->comm, .user = "nobody" };
	struct proc_id id[MAX];
	pid_t pid = child(f, NOBODY), other = child(f, 0);

	assert_int_equal(resolve(f, &s, id), 1);
	assert_int_equal(id[0].pid, pid);
	s.user = "65534";
	assert_int_equal(resolve(f, &s, id), 1);
	s.user = "root";
	assert_int_equal(resolve(f, &s, id), 1);
	assert_int_equal(id[0].pid, other);
	s.user = "daemon";
	assert_int_equal(resolve(f, &s, id), -ENOENT);
}

static void a_selector_that_matches_pid_1_is_refused(void **state)
{
	struct fixture *f = *state;
	struct proc_select s = { .user = "root" };
	struct proc_id id[MAX];

	child(f, 0);
	assert_int_equal(resolve(f, &s, id), -EPERM);
	assert_non_null(strstr(f->e.msg[0], "PID 1"));
}

/* Without rights: what may match but cannot be read is said, a readable match is found. */
static void what_cannot_be_read_is_not_absent(void **state)
{
	struct fixture *f = *state;
	struct proc_select by_exe = { .exe = "/proc/self/exe" }, by_name = { .name = f->comm };
	struct proc_select by_both = { .name = f->comm, .exe = "/bin/sleep" };
	struct proc_id id[MAX];
	pid_t pid;
	int status;

	child(f, 0);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			_exit(1);
		if (resolve(f, &by_name, id) != 1)
			_exit(2);
		if (resolve(f, &by_both, id) != -EACCES || !strstr(f->e.msg[0], "1 cannot be read"))
			_exit(3);
		by_exe.exe = "/bin/sleep";
		_exit(resolve(f, &by_exe, id) == -EACCES ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void move(const struct fixture *f, const char *group, pid_t pid)
{
	char path[200], text[16];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(text, sizeof(text), "%d", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("cannot move a process of '%s' to '%s'", f->comm, group);
	close(fd);
}

static void a_control_group_holds_what_is_below_it(void **state)
{
	struct fixture *f = *state;
	char name[64], below[80], longer[80];
	struct proc_select s = { .name = f->comm, .cgroup = name };
	struct proc_id id[MAX];
	pid_t first = child(f, 0), second = child(f, 0);

	child(f, 0);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	snprintf(f->mount, sizeof(f->mount), "/tmp/brink-cgroup-XXXXXX");
	assert_non_null(mkdtemp(f->mount));
	assert_int_equal(mount("none", f->mount, "cgroup2", 0, NULL), 0);
	snprintf(f->group, sizeof(f->group), "%s/brink-test-XXXXXX", f->mount);
	assert_non_null(mkdtemp(f->group));
	snprintf(name, sizeof(name), "%s", strrchr(f->group, '/'));
	snprintf(f->sub, sizeof(f->sub), "%s/sub", f->group);
	assert_int_equal(mkdir(f->sub, 0755), 0);
	assert_int_equal(resolve(f, &s, id), -ENOENT);
	move(f, f->group, first);
	move(f, f->sub, second);
	assert_int_equal(resolve(f, &s, id), 2);
	snprintf(below, sizeof(below), "%s/sub", name);
	s.cgroup = below;
	assert_int_equal(resolve(f, &s, id), 1);
	assert_int_equal(id[0].pid, second);
	snprintf(longer, sizeof(longer), "%.60s1", name);
	s.cgroup = longer;
	assert_int_equal(resolve(f, &s, id), -ENOENT);
	s = (struct proc_select){ .cgroup = name }; /* by itself, without a name */
	assert_int_equal(resolve(f, &s, id), 2);
	for (; f->n; f->n--) { /* the groups must be empty before they can go */
		kill(f->child[f->n - 1], SIGKILL);
		waitpid(f->child[f->n - 1], NULL, 0);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_user_is_the_effective_one),
		TEST(a_selector_that_matches_pid_1_is_refused),
		TEST(what_cannot_be_read_is_not_absent),
		TEST(a_control_group_holds_what_is_below_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
