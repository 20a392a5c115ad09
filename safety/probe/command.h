/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROBE_COMMAND_H
#define BRINK_PROBE_COMMAND_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define COMMAND_OUT 4096
#define COMMAND_ERR 512
#define COMMAND_FDS 4

/*
 * One command under a warden: a process between it and the launcher, to which every process that
 * the command starts comes when its parent ends (PR_SET_CHILD_SUBREAPER). So a cut reaches all of
 * them, daemons too, and nobody else.
 */
struct command_end {
	int32_t exec_error; /* errno, 0 = it ran */
	int32_t code, signal;
	int64_t ended_ns; /* CLOCK_MONOTONIC */
};

struct command {
	pid_t warden; /* 0 = none */
	int pidfd, status_fd, out_fd, err_fd;
	bool over; /* end is known */
	struct command_end end;
	size_t out_len, err_len;
	char out[COMMAND_OUT]; /* the beginning of stdout */
	char err[COMMAND_ERR]; /* the end of stderr */
};

/* The signals that wardens are steered by: blocked in the launcher before the first command. */
void command_block_signals(void);
/*
 * Starts argv: a path, or a name that is looked up in PATH; never a shell. terminal: it keeps this
 * process's terminal and group and its own background processes outlive it (the command of `try`);
 * else it has its own session, no input, and its output goes to *c.
 */
int command_start(struct command *c, char *const *argv, bool terminal, struct err *e);
/* Ends it and all that it has started: SIGKILL; one with the terminal gets SIGTERM a second before.
 * Does not wait. */
void command_kill(struct command *c);
/* Passes a signal on to the command itself. */
void command_signal(struct command *c, int sig);
/* Its descriptors to poll, at most COMMAND_FDS. Returns how many. */
unsigned command_poll(const struct command *c, struct pollfd *ret);
/* Reads what is there. Returns true once: when the end has become known, with all output that came
 * before it. */
bool command_work(struct command *c);
/* Has its warden ended? Then *c is empty and can be started again. */
bool command_gone(struct command *c);

#endif
