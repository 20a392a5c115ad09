/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prog_foreign PID: makes the next system call of that process another one, mkdirat(2) with no
 * path, which harms nobody where it is allowed. Prints how that went on: "killed by SIGSYS",
 * "killed by signal N", "answered N" (the call's result). Exit 0; 1 when it could not be done.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_S 20

#if defined(__x86_64__)
static int make_foreign(pid_t pid)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &r))
		return -1;
	r.orig_rax = SYS_mkdirat;
	r.rdi = (unsigned long long)-1;
	r.rsi = 0;
	return (int)ptrace(PTRACE_SETREGS, pid, NULL, &r);
}

static long long result(pid_t pid)
{
	struct user_regs_struct r = { 0 };

	ptrace(PTRACE_GETREGS, pid, NULL, &r);
	return (long long)r.rax;
}
#elif defined(__aarch64__)
static int make_foreign(pid_t pid)
{
	struct user_regs_struct r;
	struct iovec v = { &r, sizeof(r) };
	int nr = SYS_mkdirat;
	struct iovec n = { &nr, sizeof(nr) };

	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &v))
		return -1;
	r.regs[0] = (unsigned long long)-1;
	r.regs[1] = 0;
	return (int)(ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &v) |
		     ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &n));
}

static long long result(pid_t pid)
{
	struct user_regs_struct r = { 0 };
	struct iovec v = { &r, sizeof(r) };

	ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &v);
	return (long long)r.regs[0];
}
#endif

static void cannot(const char *what)
{
	fprintf(stderr, "prog_foreign: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The next stop, or its end: then it says so and is done. */
static int next_stop(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0) {
		if (errno != EINTR)
			cannot("waitpid");
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		puts("killed by SIGSYS");
	else if (WIFSIGNALED(status))
		printf("killed by signal %d\n", WTERMSIG(status));
	else if (WIFEXITED(status))
		printf("exited %d\n", WEXITSTATUS(status));
	if (!WIFSTOPPED(status))
		exit(0);
	return status;
}

/* Goes on until the next entry to, or return from, a system call. */
static void to_call(pid_t pid)
{
	int sig = 0;

	for (;;) {
		int status;

		if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig))
			cannot("PTRACE_SYSCALL");
		status = next_stop(pid);
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			return;
		sig = status >> 16 ? 0 : WSTOPSIG(status);
	}
}

int main(int argc, char *argv[])
{
	pid_t pid = argc == 2 ? atoi(argv[1]) : 0;
	long long got;

	if (pid <= 1)
		return 2;
	alarm(DEADLINE_S);
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD))
		cannot("PTRACE_SEIZE");
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL))
		cannot("PTRACE_INTERRUPT");
	next_stop(pid);
	to_call(pid);
	if (make_foreign(pid))
		cannot("another call");
	to_call(pid); /* its return; who was killed for it comes by here, too, and dies next */
	got = result(pid);
	to_call(pid);
	printf("answered %lld\n", got);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return 0;
}
