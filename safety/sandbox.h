/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SANDBOX_H
#define BRINK_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
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
/* The user of a check's `user:` key (a name or a number). EACCES without root, unless it is the
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
/* Keeps those of them that are permitted: without root, what there is. */
int sandbox_keep_permitted(uint64_t caps, struct err *e);
/*
 * Of the permitted capabilities these are in effect for a while, UINT64_MAX = all of them: text
 * from outside is parsed with none.
 */
int sandbox_effect(uint64_t caps, struct err *e);
/*
 * Becomes that user for ever: bounding set emptied, groups, gids and uids changed and read back, no
 * capability in any set, no_new_privs. PR_SET_DUMPABLE is left to the caller (exec sets it anew).
 */
int sandbox_become(const struct probe_user *u, struct err *e);

/* The processes that have an allow-list of system calls: safety/sandbox_calls.c. */
enum sandbox_kind {
	SANDBOX_PROBER,
	SANDBOX_RUNNER,
	SANDBOX_KEEPER,
	SANDBOX_SPARE,
	SANDBOX_RECOVERY,
	SANDBOX_HOLDER,
	SANDBOX_KIND_COUNT
};

struct call_rule;
/*
 * From now on, in all threads and for ever: what the table gives this kind, and n more lists; any
 * other call, and any over another architecture's gate, kills the process (SIGSYS). Sets
 * no_new_privs. Allocates.
 */
int sandbox_allow(enum sandbox_kind kind, const struct call_rule *const *more, size_t n,
		  struct err *e);
/* The filter of the launcher and of every command under it: what changes the machine or other
 * processes gets EPERM. */
int sandbox_deny_command(struct err *e);

#endif
