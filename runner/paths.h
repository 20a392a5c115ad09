/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PATHS_H
#define BRINK_PATHS_H

#include <stdbool.h>

#include "base/err.h"

#define PATHS_LEN    200
#define PATHS_OTHERS 2

/* Where brink keeps what it knows: as root of the machine under /run and /var/lib, else in the
 * user's own folders. */
struct paths {
	bool root;             /* root of the initial user namespace */
	char state[PATHS_LEN]; /* /run/brink, $XDG_RUNTIME_DIR/brink: journals and locks; gone at a
				  reboot */
	/* where else the records of this user's runs may be: of those that began with another
	   environment (cron, a service, a login) */
	char other[PATHS_OTHERS][PATHS_LEN];
	unsigned n_others;
	char runs[PATHS_LEN + 16]; /* /var/lib/brink/runs, $XDG_STATE_HOME/brink/runs: events */
};

/* Finds the names; makes nothing. Without $XDG_RUNTIME_DIR: /run/user/UID, else /tmp/brink-UID. */
void paths_find(struct paths *ret);
/* Is uid 0 here uid 0 of the machine? (/proc/self/uid_map, user_namespaces(7)) */
bool paths_is_root(void);
/* The folder in which the running executable stands, without a slash at the end. */
int paths_own_folder(char *ret, size_t size, struct err *e);
/* mkdir -p with mode 0755 for what is new. */
int paths_make(const char *path, struct err *e);

#endif
