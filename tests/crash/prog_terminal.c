/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program on an output that nobody reads, filled before it starts, so that every write of it
 * would block. prog_terminal pty PIDFILE COMMAND...    a pseudo-terminal as its controlling
 * terminal, in, out and error prog_terminal pipe PIDFILE COMMAND...   a pipe as out and error
 * PIDFILE gets the program's pid. Ends with its exit code; what was stuck is read only then. On
 * SIGUSR1 the terminal goes away (its master is closed): the program gets SIGHUP.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t hang_up;

static void on_signal(int sig)
{
	(void)sig;
	hang_up = 1;
}

/* Until not one more byte fits. */
static void fill(int fd)
{
	static const char junk[256] = { [0 ... 255] = '.' };
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	for (size_t n = sizeof(junk); n; n /= 2) {
		while (write(fd, junk, n) > 0)
			;
	}
	fcntl(fd, F_SETFL, flags);
}

static void run(char **argv, int fd, int terminal)
{
	setsid();
	if (terminal)
		ioctl(fd, TIOCSCTTY, 0);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (terminal)
		dup2(fd, STDIN_FILENO);
	for (int i = 3; i < 64; i++)
		close(i);
	execv(argv[0], argv);
	_exit(127);
}

static int open_output(const char *kind, int *ret_ours, int *ret_theirs)
{
	int pair[2];

	if (strcmp(kind, "pty") == 0)
		return openpty(ret_ours, ret_theirs, NULL, NULL, NULL);
	if (pipe(pair) < 0)
		return -1;
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int ours = -1, theirs = -1, status;
	FILE *f;
	pid_t pid;

	if (argc < 4 || open_output(argv[1], &ours, &theirs) < 0) {
		fputs("see the comment at the top of prog_terminal.c\n", stderr);
		return 2;
	}
	fill(theirs);
	sigaction(SIGUSR1, &sa, NULL); /* no SA_RESTART: waitpid returns */
	pid = fork();
	if (pid == 0)
		run(argv + 3, theirs, strcmp(argv[1], "pty") == 0);
	close(theirs);
	f = fopen(argv[2], "w");
	if (!f)
		return 2;
	fprintf(f, "%d\n", pid);
	fclose(f);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return 2;
		if (hang_up && ours >= 0) {
			close(ours);
			ours = -1;
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
