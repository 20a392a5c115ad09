/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NOTIFY_H
#define BRINK_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * What a service says to the service manager, sd_notify(3): that it runs, that it lives, what it
 * does. Only the process that the manager itself has started and watches (WATCHDOG_PID) speaks: a
 * brink inside somebody else's service must not call that one ready. Never waits, never fails.
 */
struct notify {
	int fd; /* -1: nobody wants to hear */
	socklen_t to_len;
	struct sockaddr_un to;
	int64_t every_ns, next_ns; /* CLOCK_MONOTONIC */
};

/* Reads the environment. */
void notify_begin(struct notify *n);
/* "READY=1" */
void notify_say(struct notify *n, const char *text);
/* "WATCHDOG=1", when it is time for it. */
void notify_beat(struct notify *n);
void notify_end(struct notify *n);

#endif
