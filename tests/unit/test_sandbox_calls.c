/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/sandbox_calls.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "inject/change/change.h"
#include "safety/rights.h"
#include "tests/support/test.h"

/* A call that some process must not make, without an effect if it were made. */
struct foreign {
	const char *name;
	long nr;
	unsigned long arg[6];
};

static const struct foreign foreign_to_all[] = {
	{ "mkdir", SYS_mkdirat, { AT_FDCWD, 0 } },
	{ "rename", SYS_renameat2, { AT_FDCWD, 0, AT_FDCWD, 0 } },
	{ "chmod", SYS_fchmodat, { AT_FDCWD, 0 } },
	{ "execve", SYS_execve, { 0 } },
	{ "execveat", SYS_execveat, { 0 } },
	{ "a new process", SYS_clone, { SIGCHLD } },
	{ "a new namespace", SYS_unshare, { 0 } },
	{ "entering a mount namespace", SYS_setns, { 0, CLONE_NEWNS } },
	{ "mount", SYS_mount, { 0 } },
	{ "umount", SYS_umount2, { 0 } },
	{ "bpf", SYS_bpf, { 99 } },
	{ "a module", SYS_init_module, { 0 } },
	{ "the clock", SYS_clock_settime, { 99 } },
	{ "reboot", SYS_reboot, { 0 } },
	{ "kill", SYS_kill, { 0x7ffffffe, 0 } },
	{ "a signal to another process", SYS_tgkill, { 1, 1, 0 } },
	{ "ptrace's memory", SYS_ptrace, { PTRACE_PEEKDATA, 0x7ffffffe } },
	{ "another's memory", SYS_process_vm_writev, { 0 } },
	{ "packets of any kind", SYS_socket, { AF_PACKET, 3 } },
	{ "a listening socket", SYS_listen, { 999, 1 } },
	{ "another user", SYS_setresuid, { -1, -1, -1 } },
	{ "capabilities", SYS_capset, { 0 } },
	{ "a limit", SYS_prlimit64, { 0, 99, 1 } },
	{ "new privileges", SYS_prctl, { PR_SET_DUMPABLE, 99 } },
	{ "io_uring", SYS_io_uring_setup, { 0 } },
	{ "a truncated file", SYS_openat, { AT_FDCWD, 0, O_WRONLY | O_TRUNC } },
};

/* What one kind may and its neighbour may not. */
static const struct {
	enum sandbox_kind kind;
	struct foreign call;
} foreign_to_one[] = {
	{ SANDBOX_HOLDER, { "a file", SYS_openat, { AT_FDCWD, 0, O_RDONLY } } },
	{ SANDBOX_HOLDER, { "a socket", SYS_socket, { AF_NETLINK, 3 } } },
	{ SANDBOX_HOLDER, { "a signal", SYS_pidfd_send_signal, { 999, 0 } } },
	{ SANDBOX_HOLDER, { "a namespace", SYS_setns, { 0, CLONE_NEWNET } } },
	{ SANDBOX_RUNNER, { "a socket", SYS_socket, { AF_INET, SOCK_STREAM } } },
	{ SANDBOX_RUNNER, { "a file for writing", SYS_openat, { AT_FDCWD, 0, O_WRONLY } } },
	{ SANDBOX_RUNNER, { "code", SYS_mmap, { 0, 4096, PROT_EXEC, 0, 99 } } },
	{ SANDBOX_KEEPER, { "code", SYS_mprotect, { 0, 0, PROT_EXEC } } },
	{ SANDBOX_KEEPER, { "a new file", SYS_openat, { AT_FDCWD, 0, O_WRONLY | O_CREAT } } },
	{ SANDBOX_KEEPER, { "a nameless file", SYS_openat, { AT_FDCWD, 0, O_RDWR | O_TMPFILE } } },
	{ SANDBOX_KEEPER, { "the network", SYS_socket, { AF_INET, SOCK_STREAM } } },
	{ SANDBOX_KEEPER, { "a namespace", SYS_setns, { 0, CLONE_NEWNET } } },
	{ SANDBOX_KEEPER, { "a timer", SYS_timer_settime, { 999 } } },
	{ SANDBOX_SPARE, { "halt", SYS_accept4, { 999 } } },
	{ SANDBOX_SPARE, { "a new file", SYS_openat, { AT_FDCWD, 0, O_WRONLY | O_CREAT } } },
	{ SANDBOX_RECOVERY, { "halt", SYS_accept4, { 999 } } },
	{ SANDBOX_PROBER, { "a file for writing", SYS_openat, { AT_FDCWD, 0, O_WRONLY } } },
	{ SANDBOX_PROBER, { "a process", SYS_pidfd_open, { 0x7ffffffe } } },
};

/* What the holder of one kind of change may not, though that of another may. */
static const struct {
	enum change_kind kind;
	struct foreign call;
} foreign_to_holder[] = {
	{ CHANGE_NFT_GATE, { "a file", SYS_openat, { AT_FDCWD, 0, O_RDONLY } } },
	{ CHANGE_NFT_GATE, { "the network", SYS_socket, { AF_INET, SOCK_STREAM } } },
	{ CHANGE_NFT_GATE, { "a signal", SYS_pidfd_send_signal, { 999, 0 } } },
	{ CHANGE_NETEM_SIDE, { "a file", SYS_openat, { AT_FDCWD, 0, O_RDONLY } } },
	{ CHANGE_NETEM_SIDE, { "ptrace", SYS_ptrace, { PTRACE_SEIZE, 0x7ffffffe } } },
	{ CHANGE_FILL, { "a socket", SYS_socket, { AF_NETLINK, 3 } } },
	{ CHANGE_FILL, { "a signal", SYS_pidfd_send_signal, { 999, 0 } } },
	{ CHANGE_FILL, { "a cut file", SYS_openat, { AT_FDCWD, 0, O_RDWR | O_TRUNC } } },
	{ CHANGE_PAUSE, { "a file for writing", SYS_openat, { AT_FDCWD, 0, O_WRONLY } } },
	{ CHANGE_PAUSE, { "registers", SYS_ptrace, { PTRACE_SETREGSET, 0x7ffffffe } } },
	{ CHANGE_PAUSE, { "EXITKILL", SYS_ptrace, { PTRACE_SETOPTIONS, 0x7ffffffe } } },
	{ CHANGE_PAUSE, { "a socket", SYS_socket, { AF_NETLINK, 3 } } },
	{ CHANGE_FREEZE, { "a new file", SYS_openat, { AT_FDCWD, 0, O_WRONLY | O_CREAT } } },
	{ CHANGE_FREEZE, { "a nameless file", SYS_openat, { AT_FDCWD, 0, O_RDWR | O_TMPFILE } } },
	{ CHANGE_FREEZE, { "a signal", SYS_pidfd_send_signal, { 999, 0 } } },
	{ CHANGE_STOP, { "a file for writing", SYS_openat, { AT_FDCWD, 0, O_WRONLY } } },
	{ CHANGE_STOP, { "ptrace", SYS_ptrace, { PTRACE_SEIZE, 0x7ffffffe } } },
	{ CHANGE_SIGNAL, { "a file for writing", SYS_openat, { AT_FDCWD, 0, O_RDWR } } },
	{ CHANGE_SIGNAL, { "a socket", SYS_socket, { AF_NETLINK, 3 } } },
	{ CHANGE_SOCK_RESET, { "the network", SYS_socket, { AF_INET, SOCK_STREAM } } },
	{ CHANGE_SOCK_RESET, { "a file for writing", SYS_openat, { AT_FDCWD, 0, O_WRONLY } } },
	{ CHANGE_SOCK_RESET, { "a signal", SYS_pidfd_send_signal, { 999, 0 } } },
	{ CHANGE_LINK, { "a file for writing", SYS_openat, { AT_FDCWD, 0, O_WRONLY } } },
	{ CHANGE_LINK, { "the network", SYS_socket, { AF_INET, SOCK_STREAM } } },
	{ CHANGE_QUEUE, { "a file", SYS_openat, { AT_FDCWD, 0, O_RDONLY } } },
	{ CHANGE_QUEUE, { "the network", SYS_socket, { AF_INET, SOCK_STREAM } } },
	{ CHANGE_QUEUE, { "a signal", SYS_pidfd_send_signal, { 999, 0 } } },
	{ CHANGE_PORT, { "a connection", SYS_connect, { 999, 0 } } },
	{ CHANGE_PORT, { "netlink", SYS_socket, { AF_NETLINK, 3 } } },
	{ CHANGE_PORT, { "a file", SYS_openat, { AT_FDCWD, 0, O_RDONLY } } },
};

static int call(const struct foreign *f)
{
	return (int)syscall(f->nr, f->arg[0], f->arg[1], f->arg[2], f->arg[3], f->arg[4],
			    f->arg[5]);
}

/* How a process of this kind ends that makes the call: its wait status. change: of a holder; 0 =
 * none. */
static int status_of(enum sandbox_kind kind, unsigned change, int (*fn)(const struct foreign *f),
		     const struct foreign *f)
{
	const struct change_ops *ops = change_ops_of(change);
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct call_rule *more = ops ? ops->holder.calls : NULL;
		struct err e;

		if (sandbox_allow(kind, &more, 1, &e) < 0)
			_exit(9);
		fn(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* What a sanitizer does at exit is not foreign to the one who gets there. */
static bool is_sanitizers(enum sandbox_kind kind, long nr)
{
#ifdef SANDBOX_SANITIZED
	return kind == SANDBOX_RUNNER && (nr == SYS_clone || nr == SYS_ptrace || nr == SYS_prctl ||
					  nr == SYS_kill || nr == SYS_tgkill);
#else
	(void)kind;
	(void)nr;
	return false;
#endif
}

static void must_die(enum sandbox_kind kind, unsigned change, const struct foreign *f)
{
	int status = is_sanitizers(kind, f->nr) ? W_EXITCODE(0, SIGSYS) :
						  status_of(kind, change, call, f);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("kind %d, change %u: %s: status 0x%x", (int)kind, change, f->name, status);
}

static void what_no_process_of_a_run_does_kills_every_kind_of_them(void **state)
{
	unsigned n = 0;

	(void)state;
	for (int kind = 0; kind < SANDBOX_KIND_COUNT; kind++) {
		for (size_t i = 0; i < ARRAY_LEN(foreign_to_all); i++, n++)
			must_die((enum sandbox_kind)kind, 0, &foreign_to_all[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(foreign_to_one); i++, n++)
		must_die(foreign_to_one[i].kind, 0, &foreign_to_one[i].call);
	printf("# counted: foreign_calls %u\n", n);
}

/* The one thing that only this kind does. */
static bool is_own(unsigned change, const struct foreign *f)
{
	return change == CHANGE_PORT && f->nr == SYS_listen;
}

static void a_holder_may_only_what_its_kind_of_change_needs(void **state)
{
	bool seen[CHANGE_KIND_COUNT] = { 0 };

	(void)state;
	for (unsigned kind = 0; kind < CHANGE_KIND_COUNT; kind++) {
		for (size_t i = 0; change_ops_of(kind) && i < ARRAY_LEN(foreign_to_all); i++) {
			if (!is_own(kind, &foreign_to_all[i]))
				must_die(SANDBOX_HOLDER, kind, &foreign_to_all[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(foreign_to_holder); i++) {
		must_die(SANDBOX_HOLDER, foreign_to_holder[i].kind, &foreign_to_holder[i].call);
		seen[foreign_to_holder[i].kind] = true;
	}
	for (unsigned kind = 0; kind < CHANGE_KIND_COUNT; kind++) {
		if (change_ops_of(kind) && !seen[kind])
			fail_msg("no foreign call is tried on the holder of '%s'",
				 change_ops_of(kind)->kind);
	}
}

/* What is asked only on some systems, where the other tests of a kind do not come by. */
static void a_holder_may_ask_what_only_some_systems_are_asked(void **state)
{
	static const struct {
		enum change_kind kind;
		struct foreign call;
	} asked[] = {
		{ CHANGE_FILL, { "btrfs", SYS_ioctl, { -1, BTRFS_IOC_FS_INFO } } },
		{ CHANGE_NFT_GATE, { "a device", SYS_ioctl, { -1, SIOCGIFINDEX } } },
		{ CHANGE_NETEM_SIDE, { "a device", SYS_ioctl, { -1, SIOCGIFINDEX } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		assert_int_equal(status_of(SANDBOX_HOLDER, asked[i].kind, call, &asked[i].call), 0);
}

/* What every process does anywhere: glibc's own calls, an abort, and the one that a debugger's
 * stepper puts in the place of another. */
static int everyday(const struct foreign *f)
{
	struct timespec t = { 0, 1 };

	(void)f;
	if (syscall(SYS_getpid) <= 0 || syscall(SYS_gettid) <= 0)
		_exit(1);
	free(malloc((size_t)1 << 20));
	clock_gettime(CLOCK_MONOTONIC, &t);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 0, 1 }, NULL);
	return 0;
}

static int aborts(const struct foreign *f)
{
	(void)f;
	abort();
}

static void every_kind_can_live_and_abort(void **state)
{
	(void)state;
	for (int kind = 0; kind < SANDBOX_KIND_COUNT; kind++) {
		int status = status_of((enum sandbox_kind)kind, 0, everyday, NULL);

		assert_int_equal(status, 0);
		status = status_of((enum sandbox_kind)kind, 0, aborts, NULL);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

#ifdef __x86_64__
/* getpid by another gate: i386's number 20, and x32's 39. */
static int by_int80(const struct foreign *f)
{
	long r = 20;

	(void)f;
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
	return (int)r;
}

static int by_x32(const struct foreign *f)
{
	(void)f;
	return (int)syscall(0x40000000 | SYS_getpid);
}

static void other_gates_to_the_kernel_are_closed(void **state)
{
	(void)state;
	for (int kind = 0; kind < SANDBOX_KIND_COUNT; kind++) {
		int status = status_of((enum sandbox_kind)kind, 0, by_int80, NULL);

		/* SIGSEGV: a kernel without that gate */
		assert_true(WIFSIGNALED(status) &&
			    (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV));
		status = status_of((enum sandbox_kind)kind, 0, by_x32, NULL);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}
#endif

static void *misbehave_later(void *arg)
{
	char c;

	if (read(*(int *)arg, &c, 1) == 1)
		syscall(SYS_mkdirat, AT_FDCWD, NULL, 0);
	return NULL;
}

/* The thread that writes to the terminal is older than the runner's filter. */
static void the_filter_holds_for_threads_that_ran_before_it(void **state)
{
	int fd[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pthread_t t;
		struct err e;

		if (pthread_create(&t, NULL, misbehave_later, &fd[0]) ||
		    sandbox_allow(SANDBOX_RUNNER, NULL, 0, &e) < 0)
			_exit(9);
		if (write(fd[1], "x", 1) == 1)
			pthread_join(t, NULL);
		_exit(0);
	}
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void must_be_known(const char *name)
{
	if (seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR)
		fail_msg("'%s' is no system call of any architecture", name);
}

static void names_are_known(const struct call_rule *r)
{
	for (; r && r->call; r++)
		must_be_known(r->call);
}

/* A misspelt name would be skipped like one of another architecture. */
static void every_name_in_the_tables_is_a_system_call(void **state)
{
	(void)state;
	for (const struct sandbox_row *row = sandbox_table; row->who; row++)
		must_be_known(row->rule.call);
	names_are_known(sandbox_denied);
	for (unsigned kind = 0; kind < CHANGE_KIND_COUNT; kind++) {
		const struct change_ops *ops = change_ops_of(kind);

		if (ops)
			names_are_known(ops->holder.calls);
		if (ops)
			names_are_known(ops->undoer.calls);
	}
}

/* glibc moved from the left to the right ones, or will: either must do. */
static void old_and_new_names_of_one_call_go_together(void **state)
{
	static const char *const pairs[][2] = {
		{ "nanosleep", "clock_nanosleep" },
		{ "poll", "ppoll" },
		{ "clock_gettime", "clock_gettime64" },
		{ "clock_nanosleep", "clock_nanosleep_time64" },
		{ "ppoll", "ppoll_time64" },
		{ "futex", "futex_time64" },
		{ "fstat", "newfstatat" },
		{ "newfstatat", "statx" },
		{ "open", "openat" },
		{ "timer_settime", "timer_settime64" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		unsigned who[2] = { 0 };

		for (const struct sandbox_row *r = sandbox_table; r->who; r++) {
			for (int k = 0; k < 2; k++)
				who[k] |= strcmp(r->rule.call, pairs[i][k]) ? 0 : r->who;
		}
		if (!who[0] || who[0] != who[1])
			fail_msg("%s: 0x%x, %s: 0x%x", pairs[i][0], who[0], pairs[i][1], who[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_process_of_a_run_does_kills_every_kind_of_them),
		cmocka_unit_test(a_holder_may_only_what_its_kind_of_change_needs),
		cmocka_unit_test(a_holder_may_ask_what_only_some_systems_are_asked),
		cmocka_unit_test(every_kind_can_live_and_abort),
#ifdef __x86_64__
		cmocka_unit_test(other_gates_to_the_kernel_are_closed),
#endif
		cmocka_unit_test(the_filter_holds_for_threads_that_ran_before_it),
		cmocka_unit_test(every_name_in_the_tables_is_a_system_call),
		cmocka_unit_test(old_and_new_names_of_one_call_go_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
