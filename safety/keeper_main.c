/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "safety/keeper.h"

/*
 * brink-keeper SOCKET PULSE: descriptors that the runner left open. Started by brink, not by people; its standard
 * streams are the runner's and it never writes to them.
 */
int main(int argc, char *argv[])
{
	if (argc == 3) {
		setsid();
		return keeper_run(atoi(argv[1]), atoi(argv[2]), getppid());
	}
	fputs("brink-keeper is started by brink; see brink(1)\n", stderr);
	return 2;
}
