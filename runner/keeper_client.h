/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_KEEPER_CLIENT_H
#define BRINK_KEEPER_CLIENT_H

#include <sys/types.h>

#include "safety/proto.h"

#define KEEPER_CLIENT_UNSENT 16

/* The runner's end of its keeper. Poll sock and pidfd for POLLIN. */
struct keeper_client {
	pid_t pid;
	int pidfd, sock; /* -1 after keeper_client_done */
	int stop_fd;     /* readable: nobody waits for an answer any more; -1 = none */
	struct pulse *pulse;
	struct kmsg unsent[KEEPER_CLIENT_UNSENT]; /* in their order */
	unsigned n_unsent;
};

#define KEEPER_CLIENT_NONE                                        \
	{                                                         \
		.pid = -1, .pidfd = -1, .sock = -1, .stop_fd = -1 \
	}

/*
 * The path of one of brink's own executables: beside the running one, else in the installed
 * LIBEXECDIR. -ENOENT with both places named.
 */
int own_executable(const char *name, char *ret, size_t size, struct err *e);
/* Starts brink-keeper with all rights that this process has now. */
int keeper_client_start(struct keeper_client *ret, int pool, struct err *e);
/*
 * Sends a request; the answer (KMSG_DONE) comes later. Never waits: what cannot be sent now is
 * kept, and sent before anything else by the next call of this or of keeper_client_flush(). To a
 * keeper that is gone nothing is sent, which is no error: its end shows at the other end of its
 * socket, after whatever it still said. -ENOBUFS: too much is kept, and m is not.
 */
int keeper_client_send(struct keeper_client *k, const struct kmsg *m);
/* Sends what was kept, as far as that goes now. */
void keeper_client_flush(struct keeper_client *k);
/*
 * Sends a request and waits for its answer until deadline_ns (CLOCK_MONOTONIC), or until stop_fd is
 * readable (-ECANCELED). Other messages that come before it go to other() (may be NULL:
 * dropped). The keeper's refusal is returned as our error.
 */
int keeper_client_ask(struct keeper_client *k, struct kmsg *m, int64_t deadline_ns,
		      void (*other)(void *arg, const struct kmsg *m), void *arg, struct err *e);
/* Closes the socket: from then on the keeper expects no beat of ours. */
void keeper_client_leave(struct keeper_client *k);
/* Closes the socket and reaps: the keeper ends by itself, bounded wait. */
void keeper_client_done(struct keeper_client *k);

#endif
