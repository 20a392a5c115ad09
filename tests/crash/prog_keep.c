/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prog_keep PID: takes copies of all netlink sockets of that process, says how many, and keeps them
 * until the end of its input. What the kernel would free with the process stays: as with one in
 * uninterruptible sleep, that no signal ends.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int pidfd = argc == 2 ? pidfd_open((pid_t)strtol(argv[1], NULL, 10), 0) : -1;
	char path[32];
	struct dirent *d;
	unsigned n = 0;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%.10s/fd", argc == 2 ? argv[1] : "");
	fds = opendir(path);
	if (pidfd < 0 || !fds) {
		perror("prog_keep");
		return 2;
	}
	while ((d = readdir(fds))) {
		int copy = d->d_name[0] == '.' ?
				   -1 :
				   pidfd_getfd(pidfd, (int)strtol(d->d_name, NULL, 10), 0);
		int domain = 0;
		socklen_t len = sizeof(domain);

		if (copy < 0)
			continue;
		if (getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
		    domain == AF_NETLINK)
			n++;
		else
			close(copy);
	}
	printf("%u kept\n", n);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
