/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROBE_PROBER_H
#define BRINK_PROBE_PROBER_H

#include "safety/probe/proto.h"
#include "safety/sandbox.h"

/*
 * The runner's side: a process that probes for it, a prober or a launcher (safety/launcher.h). Poll
 * fd for POLLIN. One for each network namespace (and user, for launchers) that checks name.
 */
struct prober {
	const char *name; /* "prober", "launcher": for messages. Borrowed */
	pid_t pid;
	int pidfd, fd; /* -1 after prober_stop */
};

#define PROBER_NONE                                                \
	{                                                          \
		.name = "prober", .pid = -1, .pidfd = -1, .fd = -1 \
	}

/*
 * Starts brink-prober at that path as u, in the network namespace of netns_fd (-1 = this one), and
 * waits (bounded) until it is ready: sandboxed, without any capability.
 */
int prober_start(const char *path, int netns_fd, const struct probe_user *u, struct prober *ret,
		 struct err *e);

/* One more check; `check` is the runner's own number for it. Only before START. */
int prober_add(struct prober *p, uint32_t check, const struct probe_spec *spec, struct err *e);
/* Sends START (all checks begin anew), STOP or RUN. */
int prober_tell(struct prober *p, enum probe_msg_type type, struct err *e);
/*
 * The next message (SAMPLE, EXITED, ERROR). 1: one is in *ret; 0: none now; -EPIPE: the process has
 * ended, *e says how when it is known yet; -EBADMSG: it does not speak the protocol: treat it as
 * ended.
 */
int prober_take(struct prober *p, struct probe_msg *ret, struct err *e);
/* Closes the socket, which ends it, waits (bounded; at last SIGKILL) and reaps. For one that never
 * started: nothing. */
void prober_stop(struct prober *p);

/*
 * The part that prober and launcher share: forks; the child is in the namespace, is u, has default
 * signals, no descriptor but 0 to 2 and PROBE_FD, and dies with its parent; then body(arg) runs in
 * it and its result is the exit code. Ready when body has sent PROBE_MSG_READY.
 */
struct probe_child {
	const char *name;                      /* for messages: "prober" */
	int (*open)(void *arg, struct err *e); /* with all rights still; NULL: nothing to open */
	int (*body)(void *arg, struct err *e);
	void *arg;
	int netns_fd;
	bool own_session; /* out of reach of the terminal's signals */
	const struct probe_user *user;
	int keep_fd; /* stays open for body, as PROBE_FD + 1; -1 = none */
};

int probe_child_start(const struct probe_child *c, struct prober *ret, struct err *e);

#endif
