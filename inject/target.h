/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TARGET_H
#define BRINK_TARGET_H

#include <sys/types.h>

#include "base/fields.h"
#include "inject/shield.h"

/* A process, for ever: a PID alone may be reused. proc(5): field 22 of /proc/PID/stat, in clock
 * ticks. */
struct proc_id {
	int32_t pid;
	uint32_t pad;
	uint64_t start_ticks;
};

/* Which processes: every key that is given must hold (AND). Bound from `process {…}` and from
 * proc.* faults. */
struct proc_select {
	struct bound bound;
	int64_t pid; /* 0 = not given */
	const char *exe, *name, *pid_file, *cgroup, *user;
};

struct pick {
	struct bound bound;
	int64_t count;
	uint32_t percent_ppm;
	int64_t seed;
};

/* The flow selector of network faults; the same keys stand in the faults themselves. */
struct flow_select {
	struct bound bound;
	struct strings to, from; /* endpoints: see inject/endpoint.h */
	const char *proto, *dev, *netns;
};

struct path_select {
	struct bound bound;
	const char *path;
};

enum target_kind { TARGET_PROCESS = 1, TARGET_FLOW, TARGET_PATH };

/* One entry of `targets:`. */
struct target {
	const char *name;
	struct src_pos pos;
	enum target_kind kind;
	struct proc_select process;
	struct flow_select flow;
	struct path_select path;
	bool has_pick;
	struct pick pick;
};

struct targets {
	size_t n;
	const struct target *at;
	const struct shield *shield;
	const struct shield_flows *flows; /* NULL = none */
	uint64_t seed;                    /* of the run; a pick's own seed wins */
	int64_t max_processes;            /* limits; 0 = none */
};

extern const struct field_table proc_select_fields, pick_fields, flow_select_fields,
	path_select_fields;

/* The named target, or NULL. */
const struct target *targets_find(const struct targets *t, const char *name);

/* What is wrong with a selector whatever runs here. EINVAL. Looks nothing up. */
int proc_select_check(const struct proc_select *s, struct err *e);
/*
 * Resolves a selector to processes, shielded ones refused by name, in ascending PID order; pick
 * (may be NULL) applied with the seed. No match, more than max, an unreadable /proc: an error that
 * says what matched. Writes at most max ids. Returns the count > 0 or -errno.
 */
int proc_resolve(const struct proc_select *s, const struct pick *pick, const struct targets *t,
		 struct proc_id *ret, size_t max, struct err *e);

/* Start ticks of a live process. -ESRCH: it is gone (and only then). */
int proc_start_ticks(pid_t pid, uint64_t *ret, struct err *e);
/*
 * A pidfd of exactly this process: opened first, identity compared afterwards. -ESRCH when it is
 * gone or the PID belongs to another process now.
 */
int proc_open(const struct proc_id *id, struct err *e);
/* A user by name or number. -ENOENT: there is none of that name. */
int user_find(const char *user, uint32_t *ret, struct err *e);
/* comm of a process, made safe to print, into buf; "?" when it cannot be read. */
const char *proc_name(pid_t pid, char *buf, size_t size);

#endif
