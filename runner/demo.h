/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_DEMO_H
#define BRINK_DEMO_H

#include <limits.h>
#include <sys/types.h>

#include "base/err.h"
#include "inject/change/nlsock.h"
#include "runner/options.h"
#include "runner/paths.h"

/* The parts of `brink demo`; the story stands in cmd_demo.c. */

enum demo_role { DEMO_GATEWAY, DEMO_BACKEND, DEMO_ROLES };

/* A process of the shop in a network namespace of its own; both end together. */
struct demo_part {
	pid_t pid; /* 0 = none */
	int pidfd;
	int go, said; /* pipes: to it, and what it prints */
};

struct demo_world {
	char shop[PATH_MAX];  /* the program */
	bool own_user;        /* in a user namespace of our own */
	bool strangers;       /* there are children that are not of the demo */
	char base[PATHS_LEN]; /* a new folder; everything that a run writes is in it */
	struct demo_part part[DEMO_ROLES];
};

extern const char *const demo_address[DEMO_ROLES]; /* "192.0.2.1:8080": RFC 5737, of nobody */

/* A shipped file: in the folder of the running executable, else in `installed`. -ENOENT names both.
 */
int demo_find(const char *name, const char *installed, char ret[static PATH_MAX], struct err *e);

/*
 * Takes this process out of the machine's network for good: into a network namespace of its own
 * and, without the rights for that, a user namespace too. -EPERM: forbidden; *e says by what and
 * what to do (as say_refused() wants it).
 */
int demo_leave(bool *ret_own_user, struct err *e);
/* Which setting under proc_sys ("/proc/sys") forbids user or network namespaces. Returns *e's code,
 * negative. */
int demo_forbidden(const char *proc_sys, struct err *e);

/* A folder of our own, in memory where there is one. */
int demo_make_base(struct demo_world *w, struct err *e);
/* Both parts, joined by a veth pair, listening. Zeroed *w but for shop and base. To be ended in
 * every case. */
int demo_start(struct demo_world *w, struct err *e);
/* One request from inside the gateway's namespace: "200 order 3, ... (1 ms)" into ret. 0, or -EIO
 * when it is no 200. */
int demo_ask(const struct demo_world *w, const char *path, char *ret, size_t size, struct err *e);
/* Ends both, waits (bounded) for every process that came from us, removes the folder. -ETIMEDOUT:
 * some still run. */
int demo_end(struct demo_world *w, struct err *e);

/* demo_net.c: rtnetlink(7). s: a NETLINK_ROUTE socket of the namespace that is meant. */
int demo_veth(struct nlsock *s, const char *name, const pid_t in[static 2], struct err *e);
/* No IPv6 address by itself: one that appears during a run would be told as changed by others. */
int demo_link_quiet(struct nlsock *s, const char *name, struct err *e);
int demo_link_up(struct nlsock *s, const char *name, struct err *e);
int demo_address_add(struct nlsock *s, const char *name, const char *address, unsigned prefix,
		     struct err *e);

/*
 * demo_try.c: can this kernel do what the experiment does? Builds its changes in the namespace
 * where they would act, without effect, and takes them back. 0; -ENOTSUP: no, *e says what is
 * missing.
 */
int demo_try(const struct demo_world *w, const struct options *o, const char *file, struct err *e);

#endif
