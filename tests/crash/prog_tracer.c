/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prog_tracer PID: traces a process until one of both ends and lets it do all it wants, stops
 * and continuations too, so that brink, which cannot trace it any more, must use signals.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void pass_on(pid_t pid, int status)
{
	int signal = WSTOPSIG(status);

	if (status >> 16 ==
	    PTRACE_EVENT_STOP) /* SIGTRAP: continued; else: stopped with its group */
		ptrace(signal == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN, pid, 0, 0);
	else
		ptrace(PTRACE_CONT, pid, 0, (long)signal);
}

int main(int argc, char **argv)
{
	pid_t pid = argc == 2 ? atoi(argv[1]) : 0;
	int status;

	if (pid <= 0 || ptrace(PTRACE_SEIZE, pid, 0, 0) < 0) {
		perror("cannot trace");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		pass_on(pid, status);
	return 0;
}
