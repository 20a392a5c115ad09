/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SESSION_H
#define BRINK_SESSION_H

#include "base/err.h"
#include "base/text.h"
#include "inject/shield.h"

/*
 * Finds what no fault may touch: this process and all its ancestors, the TCP sessions of the first
 * of them that owns any (the operator's), those of every local sshd, and the given paths.
 * *ret_flows is the caller's to free, also after an error. To be called before anything is changed
 * and before any setsid or double fork: afterwards the ancestors are others. Needs no environment.
 * What cannot be seen (without root: sockets of others) is no error: it stands in *ret_note, one
 * sentence each, separated by "; ".
 */
int session_find(struct shield *ret, struct shield_flows *ret_flows, const char *const *paths,
		 size_t n_paths, struct text *ret_note, struct err *e);

/* One line of /proc/net/tcp or tcp6. */
struct session_row {
	bool established;
	uint64_t inode;
	struct shield_flow flow; /* IPv4 that is mapped into IPv6 is IPv4 */
};

/* False for the head line and for anything that is no such line. */
bool session_parse_row(const char *line, struct session_row *ret);

#endif
