/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SHIELD_H
#define BRINK_SHIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHIELD_PROCS 64
#define SHIELD_LATER 16 /* of these: for processes that brink itself starts afterwards */
#define SHIELD_PATHS 8

enum shield_role { SHIELD_ANCESTOR, SHIELD_SELF, SHIELD_SESSION };

/*
 * What no fault may touch. Found by safety/session.c before anything is changed and before any
 * setsid; asked by inject/. Processes and paths are plain data: they travel to the keeper.
 */
struct shield_proc {
	int32_t pid;
	uint32_t role; /* enum shield_role: for texts only */
	uint64_t start_ticks;
};

struct shield {
	uint32_t n_procs, n_paths;
	/* more sessions than proc[] has room for: then every process of a login server is one */
	uint32_t all_logins;
	struct shield_proc proc[SHIELD_PROCS];
	char path[SHIELD_PATHS][256]; /* where brink keeps its state */
};

/* Is this process shielded: listed, PID 1, or a kernel thread? *ret_why (static text) says which.
 */
bool shield_has_proc(const struct shield *s, int32_t pid, uint64_t start_ticks,
		     const char **ret_why);
/* Is this the name of a program that holds login sessions? */
bool shield_is_login(const char *comm);

/* An established session of the operator (or of a local sshd): exempted are remote address + local
 * port. */
struct shield_flow {
	uint8_t family; /* 4 or 6 */
	uint8_t pad;
	uint16_t local_port; /* host order */
	uint8_t local[16], remote[16];
};

/* All of them, however many. They are asked for when a fault is planned, so they stay in the
 * runner. Zeroed = none. */
struct shield_flows {
	uint32_t n, size;
	struct shield_flow *at;
};

/* Those that share both addresses and the local port are one. 0 or -ENOMEM. */
int shield_flows_add(struct shield_flows *s, const struct shield_flow *flow);
void shield_flows_done(struct shield_flows *s);

#endif
