/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prog_stop_at PID CALL [N]: attaches to the process, says "ready", and leaves it stopped (SIGSTOP)
 * behind that system call, the Nth time. CALL "fork": where a child of its is born; the child is
 * left stopped and the process is killed, before it can write down whom it made. Prints the stopped
 * one's PID.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned long nr;
} calls[] = { { "unlinkat", SYS_unlinkat },
	      { "pwrite64", SYS_pwrite64 },
	      { "seccomp", SYS_seccomp } };

static int leave_stopped(pid_t pid)
{
	printf("%d\n", pid);
	fflush(stdout);
	kill(pid, SIGSTOP); /* pending: it comes no further than the end of its call */
	return ptrace(PTRACE_DETACH, pid, NULL, 0) < 0;
}

static int until_call(pid_t pid, unsigned long nr, int times)
{
	int status;

	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
		struct __ptrace_syscall_info info;
		int sig =
			WSTOPSIG(status) == (SIGTRAP | 0x80) || status >> 16 ? 0 : WSTOPSIG(status);

		if (WSTOPSIG(status) == (SIGTRAP | 0x80) &&
		    ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == nr && --times <= 0)
			return leave_stopped(pid);
		if (ptrace(PTRACE_SYSCALL, pid, NULL, sig) < 0)
			break;
	}
	return 1;
}

static int until_fork(pid_t pid)
{
	unsigned long child;
	int status;

	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_FORK << 8))) {
			ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child);
			waitpid((pid_t)child, &status, __WALL);
			kill(pid, SIGKILL);
			return leave_stopped((pid_t)child);
		}
		ptrace(PTRACE_CONT, pid, NULL, status >> 16 ? 0 : WSTOPSIG(status));
	}
	return 1;
}

int main(int argc, char **argv)
{
	long options = PTRACE_O_TRACESYSGOOD;
	pid_t pid = argc >= 3 ? (pid_t)atoi(argv[1]) : 0;
	unsigned i = 0;

	if (pid <= 0)
		return 2;
	if (strcmp(argv[2], "fork") == 0)
		options = PTRACE_O_TRACEFORK;
	else
		while (i < sizeof(calls) / sizeof(calls[0]) && strcmp(calls[i].name, argv[2]) != 0)
			i++;
	if (i == sizeof(calls) / sizeof(calls[0]) || ptrace(PTRACE_SEIZE, pid, NULL, options) < 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0) {
		perror("cannot trace");
		return 2;
	}
	puts("ready");
	fflush(stdout);
	return options == PTRACE_O_TRACEFORK ?
		       until_fork(pid) :
		       until_call(pid, calls[i].nr, argc > 3 ? atoi(argv[3]) : 1);
}
