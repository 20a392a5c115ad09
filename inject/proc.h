/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROC_H
#define BRINK_PROC_H

#include "inject/fault.h"
#include "inject/target_fields.h"

/* What every process fault has: which processes. Stands first in its spec. */
struct proc_spec {
	struct bound bound;
	const char *target; /* a process of `targets:`, in place of the keys below */
	struct proc_select select;
};

/* The rows of a fault's field table; T is a struct that begins with `struct proc_spec proc`. */
#define PROC_FIELDS(T) \
	TARGET_KEY(T, proc.target, TARGET_PROCESS, FIELD_LEAST_ONE), PROC_KEYS(T, proc.select.)

/* The selector: the fault's own keys, or those of the target that it names, with its pick.
 * Borrowed. */
struct proc_aim {
	const struct proc_select *select;
	const struct pick *pick; /* NULL = all */
};

/* The selector itself, before anything is looked up: see fault_ops.check. */
int proc_check(const struct proc_spec *s, struct err *e);
int proc_aim(const struct proc_spec *s, const struct plan_context *ctx, struct proc_aim *ret,
	     struct err *e);
/* The processes, brink's own and shielded ones refused. Count > 0 or -errno. */
int proc_find(const struct proc_aim *aim, const struct plan_context *ctx, struct proc_id *ret,
	      size_t max, struct err *e);
/* "nginx(4242), nginx(4243), 3 more" */
void proc_summarise(struct text *t, const struct proc_id *id, unsigned n);

#endif
