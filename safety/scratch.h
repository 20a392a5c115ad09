/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SCRATCH_H
#define BRINK_SCRATCH_H

#include <stdint.h>

#include "base/err.h"

/*
 * What this machine can do, found by doing it where it harms nobody: changes in a new network
 * namespace that ends with the process that made it, ptrace on an own child, a file without a name.
 * No module is loaded for it: what a module would be loaded for is not tried.
 */
enum scratch_id {
	SCRATCH_NETNS, /* a network namespace (with a user namespace where the caller is not root)
			*/
	SCRATCH_IDENTITY, /* told from every other one by its cookie (kernel 5.14) */
	SCRATCH_OWNER,    /* an nft_gate works and disappears after SIGKILL of its owner */
	SCRATCH_EGRESS,   /* the same in a device's egress hook (kernel 5.16) */
	SCRATCH_NETEM,    /* an ifb with netem */
	SCRATCH_RESET,    /* SOCK_DESTROY of sock_diag(7) */
	SCRATCH_PTRACE,   /* seizing a process that is not one's child */
	SCRATCH_TMPFILE,  /* a file without a name on /tmp */
	SCRATCH_REALTIME,
	SCRATCH_MEMLOCK,
	SCRATCH_COUNT
};

enum scratch_state { SCRATCH_UNTRIED, SCRATCH_OK, SCRATCH_FAILED, SCRATCH_WOULD_LOAD };

struct scratch_result {
	enum scratch_state state;
	int64_t took_ns; /* SCRATCH_OWNER: from SIGKILL until the table was gone */
	char text[200];  /* why not, or which modules */
};

/* Tries everything in children, bounded. An error means that it could not even begin. */
int scratch_try(struct scratch_result ret[SCRATCH_COUNT], struct err *e);

#endif
