/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SANDBOX_H
#define BRINK_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define PROBE_GROUPS 32

/* Who runs probes and commands. Plain data, found while names can still be looked up. */
struct probe_user {
	uid_t uid;
	gid_t gid;
	uint32_t n_groups;
	gid_t groups[PROBE_GROUPS];
	char name[33]; /* for people; "1000" where the user has no name */
};

/*
 * The probing user: as root the user who called sudo (SUDO_UID), else nobody; otherwise the caller
 * itself. In a user namespace that does not map such a user: the caller itself.
 */
int probe_user_find(struct probe_user *ret, struct err *e);
/* The user of a check's `user:` key (a name or a number). EPERM without root, unless it is the
 * caller. */
int probe_user_named(const char *name, struct probe_user *ret, struct err *e);

/*
 * Leaves exactly these capabilities (bit n = capability n; 0 = none) permitted and effective,
 * empties the inheritable and the ambient set and takes all others out of the bounding set. A
 * process without CAP_SETPCAP cannot do the last; it gets no_new_privs instead, so that exec cannot
 * bring them back. Read back. A capability that is asked for and not permitted is an error.
 */
int sandbox_keep_caps(uint64_t caps, struct err *e);
/* The permitted set of this process, as such a bit mask. */
int sandbox_permitted(uint64_t *ret, struct err *e);
/*
 * Puts the permitted capabilities out of effect for a while (on = false), or in effect again: text
 * from outside is parsed without any.
 */
int sandbox_effect(bool on, struct err *e);
/*
 * Becomes that user for ever: bounding set emptied, groups, gids and uids changed and read back, no
 * capability in any set, no_new_privs. PR_SET_DUMPABLE is left to the caller (exec sets it anew).
 */
int sandbox_become(const struct probe_user *u, struct err *e);

/* The prober's filter: what libcurl, the resolver and the prober need; anything else kills the
 * process. */
int sandbox_allow_probe(struct err *e);
/* The filter of the launcher and of every command under it: what changes the machine or other
 * processes gets EPERM. */
int sandbox_deny_command(struct err *e);

#endif
