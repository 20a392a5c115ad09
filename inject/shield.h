/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SHIELD_H
#define BRINK_SHIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHIELD_PROCS 64
#define SHIELD_FLOWS 16
#define SHIELD_PATHS 8

enum shield_role { SHIELD_ANCESTOR, SHIELD_SELF, SHIELD_SESSION };

/*
 * What no fault may touch. Found by safety/session.c before anything is changed and before any
 * setsid; asked by inject/. Plain data: it travels to the keeper as it is.
 */
struct shield_proc {
	int32_t pid;
	uint32_t role; /* enum shield_role: for texts only */
	uint64_t start_ticks;
};

/* An established session of the operator (or of a local sshd): exempted are remote address + local
 * port. */
struct shield_flow {
	uint8_t family; /* 4 or 6 */
	uint8_t pad;
	uint16_t local_port; /* host order */
	uint8_t local[16], remote[16];
};

struct shield {
	uint32_t n_procs, n_flows, n_paths;
	struct shield_proc proc[SHIELD_PROCS];
	struct shield_flow flow[SHIELD_FLOWS];
	char path[SHIELD_PATHS][256]; /* where brink keeps its state */
};

/* Is this process shielded: listed, PID 1, or a kernel thread? *ret_why (static text) says which.
 */
bool shield_has_proc(const struct shield *s, int32_t pid, uint64_t start_ticks,
		     const char **ret_why);

#endif
