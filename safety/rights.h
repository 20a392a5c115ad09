/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SAFETY_RIGHTS_H
#define BRINK_SAFETY_RIGHTS_H

#include <stddef.h>

#include "inject/change/change.h"

/* What one process of a run holds while faults are held: the sum over the changes that it works
 * on. From the same tables in the plan, the keeper and the holders. */
struct rights_sum {
	uint64_t caps;
	size_t n;
	const struct call_rule *calls[CHANGE_KIND_COUNT + 1];
};

/* A holder begins with nothing, keeper and spare with RIGHTS_KEEPER. */
#define RIGHTS_KEEPER                                          \
	{                                                      \
		CAP_BIT(NET_ADMIN), 0,                         \
		{                                              \
			NULL                                   \
		} /* the nftables ruleset, before and after */ \
	}
void rights_add_holder(struct rights_sum *s, const struct change_spec *c);
void rights_add_keeper(struct rights_sum *s, const struct change_spec *c);

/* Of whoever recovers, who does not know yet what the record names. */
void rights_add_all(struct rights_sum *s);

/*
 * Raises RLIMIT_MEMLOCK of this process. What it takes to lock memory beyond what that came to, for
 * the keeper and for the plan that tells of it: CAP_IPC_LOCK, or 0 when there is no limit any more.
 */
uint64_t rights_memory(void);

/* What the keeper's start, the guard and the start of holders need beyond that; given up before
 * the first fire. */
#define RIGHTS_GUARD (CAP_BIT(SETPCAP) | CAP_BIT(SYS_MODULE))
/* Everything that a keeper may need before its plan is known. */
uint64_t rights_any(void);

/* "net_admin sys_admin", in the order of their numbers; "none" */
void rights_print(uint64_t caps, struct text *t);

#endif
