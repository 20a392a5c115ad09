/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_POLICY_PARTS_H
#define BRINK_POLICY_PARTS_H

#include <limits.h>

#include "scenarios/doc.h"
#include "scenarios/policy.h"

/* Inside scenarios/: what the files of the policy share. */

/* A file as it is bound. */
struct policy_rule {
	struct bound bound;
	const char *fault;  /* pattern as in fnmatch(3), as device; NULL here and below: any */
	const char *device; /* packets there, in any network namespace */
	const char *path;   /* file systems and trees; programs of processes */
	const char *user, *cgroup; /* processes, and the packets of faults aimed at their sockets */
	const char *unit; /* of systemd, pattern as in fnmatch(3): by the name of its cgroup */
	const char *flow; /* packets with such an end, either way */
	const char *why;
	uint32_t uid;
	struct endpoint end;
};

struct policy_max {
	struct bound bound;
	int64_t fault_ns, run_ns, processes, faults; /* 0 = not given */
	struct src_pos fault_at, run_at, processes_at, faults_at;
};

struct policy_file {
	struct bound bound;
	int64_t brink_policy;
	struct list allow, deny; /* of struct policy_rule */
	struct policy_max max;
};

/* policy_fields.c */
extern const struct field_table policy_fields, policy_rule_fields, policy_max_fields;
/* All rules of a bound file (named f->bound.pos.file) made ready; mistakes go to *d. */
void policy_understand(struct policy_file *f, const struct node *root,
		       const struct fault_ops *const *faults, struct diags *d);

/* What a change can touch. */
enum touch_family { TOUCH_NET = 1, TOUCH_DISK = 2, TOUCH_PROC = 4, TOUCH_ANY = 7 };

/* One thing that a fault touches, as far as it is known. */
struct touch {
	const char *fault; /* kind */
	enum touch_family family;
	/* TOUCH_NET */
	const char *device;               /* "" = any */
	const struct nft_gate_spec *gate; /* NULL: packets are chosen elsewhere */
	const struct net_match *match;
	const struct address_pool *pool; /* what the match refers to outside of gate */
	const char *owner; /* cgroup whose sockets the gate asks for; "" = it cannot be found */
	/* TOUCH_DISK */
	const struct fill_spec *fill;
	/* TOUCH_PROC */
	int32_t pid;        /* 0 = one that is not known yet */
	int64_t uid;        /* -1 = not known */
	const char *exe;    /* "" = not known */
	const char *groups; /* /proc/PID/cgroup; "" = not known */
	const char *cgroup; /* pid == 0: it will be in this one; "" = not known */
};

/* policy_touch.c. Calls fn for each until it returns non-zero, which is then the result. -errno
 * with *e: cannot tell. */
int touch_each(const char *fault, const struct change_spec *c, const struct address_pool *pool,
	       int (*fn)(void *arg, const struct touch *t, struct err *e), void *arg,
	       struct err *e);
/* "packets to 127.0.0.1:5432/tcp on lo", "process 4242 (nginx)" */
void touch_describe(const struct touch *t, struct text *ret);

/* Inside policy_match.c and policy_owner.c: is path the folder or below it? Everything is below
 * "/".
 */
bool path_is_below(const char *path, const char *dir);
/* The cgroup of a rule as cgroups(7) writes it: without "//", "/./" and the directory of the
 * hierarchy. Returns buf, or what needs none. */
const char *policy_cgroup(const char *rule, char buf[PATH_MAX]);
/* Is one of the folders on the way to a cgroup the unit's? systemd names them after it. */
bool unit_on_the_way(const char *unit, const char *groups);
/* policy_owner.c. Does the user, cgroup or unit of the rule, all that it has of them, mean the
 * sockets that a network fault is aimed at? sure: certainly, not only perhaps. */
bool owner_fits(const struct policy_rule *r, const struct touch *t, bool sure);

/* policy_match.c. Could the rule mean this? 1, 0, or -errno with *e. */
int rule_may_hit(const struct policy_rule *r, const struct touch *t, struct err *e);
/* Does the rule certainly mean this? */
bool rule_covers(const struct policy_rule *r, const struct touch *t);

#endif
