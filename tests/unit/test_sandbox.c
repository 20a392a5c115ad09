/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "safety/sandbox.h"
#include "tests/support/test.h"

/* Each case runs in a child, because none of this can be undone. It returns 0 when all is as it
 * should be. */
static int status_of_child(int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void passes(int (*fn)(void))
{
	int status = status_of_child(fn);

	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("child: exit code %d, signal %d", WEXITSTATUS(status),
			 WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void is_killed_by_the_filter(int (*fn)(void))
{
	int status = status_of_child(fn);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* "CapEff" and its like of this process, by another reader than libcap. */
static uint64_t cap_set(const char *name)
{
	static const uint64_t broken = 0xdeadbeef;
	char text[8192];
	const char *at;

	if (io_read_file(AT_FDCWD, "/proc/self/status", text, sizeof(text)) < 0)
		return broken;
	at = strstr(text, name);
	return at ? strtoull(at + strlen(name) + 1, NULL, 16) : broken;
}

static int keep_one(void)
{
	uint64_t want = UINT64_C(1) << CAP_NET_ADMIN;
	struct err e;

	if (sandbox_keep_caps(want, &e))
		return 1;
	if (cap_set("CapEff") != want || cap_set("CapPrm") != want || cap_set("CapBnd") != want)
		return 2;
	if (cap_set("CapInh") || cap_set("CapAmb"))
		return 3;
	if (sandbox_keep_caps(want, &e)) /* again: now without CAP_SETPCAP */
		return 4;
	if (sandbox_keep_caps(want | UINT64_C(1) << CAP_SYS_ADMIN, &e) != -EPERM)
		return 5;
	return cap_set("CapEff") == want ? 0 : 6;
}

static int ambient_and_inheritable_go(void)
{
	uint64_t want = UINT64_C(1) << CAP_CHOWN;
	cap_value_t v = CAP_CHOWN;
	cap_t now = cap_get_proc();
	struct err e;

	if (cap_set_flag(now, CAP_INHERITABLE, 1, &v, CAP_SET) || cap_set_proc(now) ||
	    cap_set_ambient(v, CAP_SET))
		return 1;
	cap_free(now);
	if (!cap_set("CapAmb") || sandbox_keep_caps(want, &e))
		return 2;
	return cap_set("CapAmb") || cap_set("CapInh") || cap_set("CapEff") != want;
}

static int keep_none(void)
{
	struct err e;

	if (sandbox_keep_caps(0, &e))
		return 1;
	if (cap_set("CapEff") || cap_set("CapPrm") || cap_set("CapInh") || cap_set("CapAmb"))
		return 2;
	/* Either exec cannot give any, or it may not. */
	return cap_set("CapBnd") && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static int become_nobody(void)
{
	gid_t groups[64];
	struct probe_user u;
	struct err e;
	int n;

	unsetenv("SUDO_UID");
	if (probe_user_find(&u, &e) || strcmp(u.name, "nobody") != 0 || sandbox_become(&u, &e))
		return 1;
	n = getgroups(64, groups);
	if (getuid() != u.uid || getegid() != u.gid || n != (int)u.n_groups)
		return 2;
	for (int i = 0; i < n; i++) {
		if (groups[i] == 0)
			return 3;
	}
	if (cap_set("CapEff") || cap_set("CapPrm") || cap_set("CapBnd"))
		return 4;
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		return 5;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static int become_self(void)
{
	struct probe_user u;
	struct err e;
	char name[32];

	snprintf(name, sizeof(name), "%u", geteuid());
	if (geteuid() == 0)
		snprintf(name, sizeof(name), "root");
	if (probe_user_named(name, &u, &e) || u.uid != geteuid() || sandbox_become(&u, &e))
		return 1;
	return cap_set("CapEff") || cap_set("CapPrm") ||
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static int sudo_uid_wins(void)
{
	struct probe_user u;
	struct err e;

	setenv("SUDO_UID", "1", 1); /* daemon, on every Debian */
	if (probe_user_find(&u, &e) || u.uid != 1)
		return 1;
	setenv("SUDO_UID", "54321", 1);
	setenv("SUDO_GID", "54322", 1);
	if (probe_user_find(&u, &e) || u.uid != 54321 || u.gid != 54322 || u.n_groups)
		return 2;
	setenv("SUDO_UID", "0", 1);
	if (probe_user_find(&u, &e) || strcmp(u.name, "nobody") != 0)
		return 3;
	setenv("SUDO_UID", "1x", 1);
	return probe_user_find(&u, &e) || strcmp(u.name, "nobody") != 0;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = write(fd, text, strlen(text));

	return close(fd) || n != (ssize_t)strlen(text);
}

/* As `brink demo` runs without root: this user is root in it, and there is no other. */
static int user_namespace_without_nobody(void)
{
	struct probe_user u;
	struct err e;
	char map[32];

	snprintf(map, sizeof(map), "0 %u 1", geteuid());
	if (unshare(CLONE_NEWUSER))
		return SKIP_STATUS;
	if (put("/proc/self/uid_map", map) || put("/proc/self/setgroups", "deny"))
		return 1;
	unsetenv("SUDO_UID");
	if (geteuid() != 0 || probe_user_find(&u, &e) || u.uid != 0 || sandbox_become(&u, &e))
		return 2;
	return cap_set("CapEff") || cap_set("CapPrm") || cap_set("CapBnd");
}

static void exactly_the_capabilities_asked_for_are_kept(void **state)
{
	(void)state;
	passes(keep_none);
	if (geteuid() != 0) {
		print_message("the other cases need root\n");
		return;
	}
	passes(keep_one);
	passes(ambient_and_inheritable_go);
}

static void becoming_a_user_is_for_ever(void **state)
{
	(void)state;
	passes(become_self);
	if (geteuid() == 0)
		passes(become_nobody);
}

static void the_probing_user_is_the_caller_of_sudo_else_nobody(void **state)
{
	struct probe_user u;
	struct err e;

	(void)state;
	if (geteuid() == 0)
		passes(sudo_uid_wins);
	else
		assert_int_equal(probe_user_find(&u, &e) || u.uid != geteuid(), 0);
	assert_int_equal(probe_user_named("no-such-user-here", &u, &e), -ENOENT);
	if (geteuid() != 0)
		assert_int_equal(probe_user_named("root", &u, &e), -EACCES);
}

static void a_user_namespace_without_nobody_leaves_the_caller(void **state)
{
	int status = status_of_child(user_namespace_without_nobody);

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP_STATUS) {
		const char *require = getenv("BRINK_TEST_REQUIRE");

		print_message("user namespaces are forbidden here\n");
		assert_true(require && strcmp(require, "0") == 0);
		skip();
	}
	assert_int_equal(status, 0);
}

static int allowed_things_work(void)
{
	struct err e;
	int fd;

	if (sandbox_allow(SANDBOX_PROBER, NULL, 0, &e))
		return 1;
	fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || close(fd))
		return 2;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 || close(fd);
}

static int probe_exec(void)
{
	char *argv[] = { NULL }, *env[] = { NULL };
	struct err e;

	return sandbox_allow(SANDBOX_PROBER, NULL, 0, &e) ? 1 : execve("/bin/true", argv, env);
}

static int probe_fork(void)
{
	struct err e;

	return sandbox_allow(SANDBOX_PROBER, NULL, 0, &e) ? 1 : (int)fork();
}

static int probe_write_open(void)
{
	struct err e;

	return sandbox_allow(SANDBOX_PROBER, NULL, 0, &e) ? 1 :
							    open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static int probe_create(void)
{
	struct err e;

	return sandbox_allow(SANDBOX_PROBER, NULL, 0, &e) ?
		       1 :
		       open("/nonexistent/x", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int probe_ptrace(void)
{
	struct err e;

	return sandbox_allow(SANDBOX_PROBER, NULL, 0, &e) ?
		       1 :
		       (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int probe_kill(void)
{
	struct err e;

	return sandbox_allow(SANDBOX_PROBER, NULL, 0, &e) ? 1 : kill(getppid(), 0);
}

static int probe_packet_socket(void)
{
	struct err e;

	return sandbox_allow(SANDBOX_PROBER, NULL, 0, &e) ? 1 : socket(AF_PACKET, SOCK_RAW, 0);
}

static int probe_listen(void)
{
	struct err e;

	return sandbox_allow(SANDBOX_PROBER, NULL, 0, &e) ?
		       1 :
		       listen(socket(AF_INET, SOCK_STREAM, 0), 1);
}

static void the_prober_is_killed_for_what_it_never_does(void **state)
{
	(void)state;
	passes(allowed_things_work);
	is_killed_by_the_filter(probe_exec);
	is_killed_by_the_filter(probe_fork);
	is_killed_by_the_filter(probe_write_open);
	is_killed_by_the_filter(probe_create);
	is_killed_by_the_filter(probe_ptrace);
	is_killed_by_the_filter(probe_kill);
	is_killed_by_the_filter(probe_packet_socket);
	is_killed_by_the_filter(probe_listen);
}

/* Each must be refused by the filter: EPERM also where the caller (root) could, and before
 * arguments are looked at. */
static int denied_to_commands(void)
{
	static const long calls[] = {
		SYS_ptrace,
		SYS_process_vm_writev,
		SYS_mount,
		SYS_umount2,
		SYS_pivot_root,
		SYS_setns,
		SYS_bpf,
		SYS_kexec_load,
		SYS_init_module,
		SYS_finit_module,
		SYS_reboot,
		SYS_swapon,
		SYS_settimeofday,
		SYS_clock_settime,
		SYS_keyctl,
		SYS_perf_event_open,
		SYS_open_by_handle_at,
	};
	struct err e;

	if (sandbox_deny_command(&e))
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		errno = 0;
		if (syscall(calls[i], -1, -1, -1, -1, -1, -1) != -1 || errno != EPERM)
			return (int)i + 100;
	}
	if (unshare(CLONE_NEWUSER) == 0 || errno != EPERM)
		return 2;
	if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) != -1 || errno != EPERM)
		return 3;
	if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
		return 4;
	return ioctl(0, TIOCSTI, "x") != -1 || errno != EPERM;
}

static int commands_still_work(void)
{
	struct err e;
	int status;

	if (sandbox_deny_command(&e))
		return 1;
	status = system("exec /bin/echo hello >/dev/null"); /* fork, exec, files */
	return status != 0;
}

static void commands_are_refused_what_changes_the_machine(void **state)
{
	(void)state;
	passes(denied_to_commands);
	passes(commands_still_work);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_the_capabilities_asked_for_are_kept),
		cmocka_unit_test(becoming_a_user_is_for_ever),
		cmocka_unit_test(the_probing_user_is_the_caller_of_sudo_else_nobody),
		cmocka_unit_test(a_user_namespace_without_nobody_leaves_the_caller),
		cmocka_unit_test(the_prober_is_killed_for_what_it_never_does),
		cmocka_unit_test(commands_are_refused_what_changes_the_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
