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

/* Of what the runner and its caller had open only these two stay, and nothing that the keeper
 * starts gets them. */
static void keep_only(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	fcntl(low, F_SETFD, FD_CLOEXEC);
	fcntl(high, F_SETFD, FD_CLOEXEC);
	if (low > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, UINT_MAX, 0);
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
 * brink-keeper SOCKET PULSE: descriptors that the runner left open. Started by brink, not by
 * people; its standard streams are the runner's and it never writes to them. Both leave by
 * _exit(): there is nothing to flush, and what others do at exit (a sanitizer clones a process to
 * look for leaks) is in no filter.
 */
int main(int argc, char *argv[])
{
	if (argc == 3 && strcmp(argv[1], "recover") != 0) {
		int sock = atoi(argv[1]), pulse = atoi(argv[2]);

		keep_only(sock, pulse);
		setsid();
		_exit(keeper_run(sock, pulse, runner_of(sock)));
	}
	if (argc > 1 && strcmp(argv[1], "recover") == 0)
		_exit(recover_main(argc - 1, argv + 1));
	fputs("brink-keeper is started by brink; see brink(1)\n", stderr);
	return 2;
}
