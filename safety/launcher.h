/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_LAUNCHER_H
#define BRINK_LAUNCHER_H

#include "safety/probe/prober.h"

/*
 * The launcher runs `command` checks, and the command of `brink try … -- CMD`, as one user in one
 * network namespace: a fork of brink, early, before there is anything to inherit; no capability,
 * no_new_privs, a deny-list (sandbox_deny_command) that all its commands inherit. It speaks the
 * protocol of the prober.
 *
 * argv (may be NULL) is what PROBE_MSG_RUN starts, with the terminal, folder and environment of
 * brink, in brink's process group: the terminal itself sends it SIGINT. PROBE_MSG_SIGNAL passes
 * another signal on; PROBE_MSG_EXITED tells how it ended. When the socket closes all commands are
 * killed, this one politely.
 */
int launcher_start(int netns_fd, const struct probe_user *u, char *const *argv, struct prober *ret,
		   struct err *e);
/* Passes a signal on to the command of RUN. */
int launcher_signal(struct prober *p, int sig, struct err *e);

#endif
