/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CONTROL_H
#define BRINK_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * /run/brink/RUN/control: HALT and nothing else, over a Unix socket, so that somebody without the
 * keeper's rights can end a run. The kernel says who calls (SO_PEERCRED, unix(7)): root, the one
 * who started the run, group brink.
 */
#define CONTROL_SOCKET "control"

struct control_msg {
	uint32_t halt; /* 1 */
	char why[120];
};

struct control_answer {
	int32_t code; /* 0 = the run is being ended */
	char text[160];
};

#define CONTROL_NOBODY UINT32_MAX

/* The number of group brink, or CONTROL_NOBODY. Asks the name service: long before anything is
 * changed. */
uint32_t control_group(void);
/* Listens in the run's directory. Returns a descriptor or -errno. */
int control_listen(int run_dir, struct err *e);
/*
 * Serves one caller. Who may not halt is refused at once; who may is waited for, briefly. 1: halt,
 * *why says by whom and why; 0: served; -errno: the caller cannot be let in and still waits.
 */
int control_serve(int fd, uint32_t starter_uid, uint32_t gid, char *why, size_t size);
/* The other end: asks a run to halt. path: of the socket. -ETIMEDOUT: asked, and not answered yet.
 */
int control_halt(const char *path, const char *why, struct control_answer *ret, struct err *e);

#endif
