/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "safety/keeper.h"
#include "safety/recover_main.h"

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Of what the runner and its caller had open only these stay, and nothing that the keeper starts
 * gets them. Negative ones are none. */
static void keep_only(int fd[], size_t n)
{
	unsigned from = STDERR_FILENO + 1;

	qsort(fd, n, sizeof(*fd), by_number);
	for (size_t i = 0; i < n; i++) {
		if (fd[i] < (int)from)
			continue;
		fcntl(fd[i], F_SETFD, FD_CLOEXEC);
		if (fd[i] > (int)from)
			close_range(from, (unsigned)fd[i] - 1, 0);
		from = (unsigned)fd[i] + 1;
	}
	close_range(from, UINT_MAX, 0);
}

/* Who made the socket: not getppid(2), which is somebody else once the runner has died. */
static pid_t runner_of(int sock)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.pid : 0;
}

/*
 * brink-keeper recover ...: see safety/recover_main.h.
 * brink-keeper SOCKET PULSE [POOL]: descriptors that the runner left open. Started by brink, not by
 * people; its standard streams are the runner's and it never writes to them. Both leave by
 * _exit(): there is nothing to flush, and what others do at exit (a sanitizer clones a process to
 * look for leaks) is in no filter.
 */
int main(int argc, char *argv[])
{
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "recover") != 0) {
		int sock = atoi(argv[1]), pulse = atoi(argv[2]),
		    pool = argc == 4 ? atoi(argv[3]) : -1;

		keep_only((int[]){ sock, pulse, pool }, 3);
		setsid();
		_exit(keeper_run(sock, pulse, pool, runner_of(sock)));
	}
	if (argc > 1 && strcmp(argv[1], "recover") == 0)
		_exit(recover_main(argc - 1, argv + 1));
	fputs("brink-keeper is started by brink; see brink(1)\n", stderr);
	return 2;
}
