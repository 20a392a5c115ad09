/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_NETNS_H
#define BRINK_CHANGE_NETNS_H

#include "inject/change/change.h"
#include "inject/change/nlsock.h"

/*
 * Fills a reference: name is "" (the current namespace), a path, the name of one made by
 * ip-netns(8), or "pid:N". ENOENT: there is none. Another namespace than the current one needs
 * CAP_SYS_ADMIN.
 */
int netns_identify(const char *name, struct netns_ref *ret, struct err *e);

/* 1 = this process stands in it, 0 = it does not, or -errno. */
int netns_is_own(const struct netns_ref *ref, struct err *e);

/*
 * Opens the namespace: by its path, then, where the path is gone or leads to another one, by the
 * cookie among all processes and mounts that this process sees. -ENOENT: it does not exist any more
 * (and with it whatever was in it). The caller closes *ret_fd.
 */
int netns_open(const struct netns_ref *ref, int *ret_fd, struct err *e);

/* The path under which this process finds it now; "": it stands in it. The path of the record may
 * be gone by then, or lead to another one of that name. -ENOENT: it does not exist any more. */
int netns_where(const struct netns_ref *ref, struct text *ret, struct err *e);

/*
 * Calls fn inside every network namespace that a process or a mount has, as far as this process may
 * enter it, until fn returns another value than 0, which is then returned. Not for the undo path.
 */
int netns_each(int (*fn)(void *arg, struct err *e), void *arg, struct err *e);

/*
 * A netlink socket in that namespace, opened once and kept for this process: undo and read-back
 * must find it without opening or allocating anything. Borrowed. -ENOENT: the namespace is gone.
 */
int netns_sock(const struct netns_ref *ref, int protocol, struct nlsock **ret, struct err *e);

/* A small file below /proc/sys/net, as it is in that namespace. As io_read_file(), with *e. */
ssize_t netns_read(const struct netns_ref *ref, const char *path, char *buf, size_t size,
		   struct err *e);

/* In a forked child: the parent's sockets are not ours. Closes our copies. */
void netns_forget(void);

#endif
