/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_POLICY_H
#define BRINK_POLICY_H

#include <sys/types.h>

#include "inject/endpoint.h"
#include "scenarios/experiment.h"

/*
 * What is allowed on this machine: /etc/brink/policy.yaml, then the *.yaml of /etc/brink/policy.d
 * in the order of their names. Only root owns and writes them; a file that others could write, or
 * that cannot be understood, refuses everything. No flag, variable or experiment can widen a
 * policy: its place is not a setting.
 *
 *   brink_policy: 1
 *   allow:
 *     - {fault: "net.*", device: lo, why: loopback only}
 *     - {fault: "proc.*", user: app}
 *   deny:
 *     - {flow: "*:22", why: the way in}
 *     - {path: /var/lib/etcd}
 *   max: {fault: 1h, run: 4h, processes: 10, faults: 20}
 *
 * All keys of a rule must hold. A fault is taken apart into what it touches (packets on a device, a
 * file system, a process). Deny wins, of whatever file: one thing that a deny rule may hit refuses
 * the fault. If any file has `allow`, each thing must be named by one allow rule, of whatever file.
 * Where something cannot be told, deny rules hit and allow rules do not. Of each maximum the
 * smallest of all files counts; without any, the built-in one. So a file can raise a built-in
 * maximum and no file can raise that of another.
 */

#define POLICY_LANGUAGE 1
#define POLICY_DIR      "/etc/brink"
#define POLICY_FILES    64

/* Without a file. A number that is 0 is no limit. */
#define POLICY_FAULT_NS (30 * INT64_C(60000000000))
#define POLICY_RUN_NS   (120 * INT64_C(60000000000))

/* One maximum in force; at.file == NULL: built in. */
struct policy_limit {
	int64_t value; /* 0 = none */
	struct src_pos at;
};

struct policy_file;

/* Everything in force. Pointers stay valid when it is moved. */
struct policy {
	struct arena arena;
	unsigned n_files;
	bool has_allow;
	const char *name[POLICY_FILES];
	struct policy_file *file[POLICY_FILES];
	struct policy_limit fault_ns, run_ns, processes, faults;
};

/* Where it is and who must own it. Never from a setting: the place of tests is a parameter of
 * theirs. */
struct policy_place {
	const char *dir;
	uid_t owner;
};
extern const struct policy_place policy_place; /* POLICY_DIR, root */

/*
 * Reads all files. No file at all: the built-in limits. -EBADMSG: a file cannot be understood, its
 * mistakes are in *d; -EPERM: a file or folder is not root's alone; any other -errno: it cannot be
 * read. After each of them everything is refused (exit code 4). faults: NULL = fault_registry. *ret
 * is to be freed with policy_done() only after 0, *d with diags_done() always.
 */
int policy_load(const struct policy_place *where, const struct fault_ops *const *faults,
		struct policy *ret, struct diags *d, struct err *e);
void policy_done(struct policy *p);

/* The smaller of the policy's and the experiment's, 0 = none: for struct targets. */
int64_t policy_max_processes(const struct policy *p, const struct limits *l);
/* Adds to "too many processes" whose limit that is. */
void policy_ctx_processes(const struct policy *p, const struct limits *l, struct err *e);

/* What a whole run comes to. */
struct policy_run {
	size_t n_faults;
	int64_t hold_ns;    /* until the last fault ends */
	int64_t longest_ns; /* with the longest recovery */
};

/*
 * Both checks: 0; -EPERM: refused, by the policy or by the experiment's own limits, *e names the
 * rule, its file and line, and who may change it; -EINVAL: limits.deny cannot be understood; any
 * other -errno: it could not be found out.
 */
int policy_check_run(const struct policy *p, const struct limits *l, const struct policy_run *run,
		     struct err *e);

struct policy_verdict {
	struct src_pos at; /* of the rule; file == NULL: none was needed */
	char text[200];    /* "allowed by /etc/brink/policy.yaml:12 (net.* on lo, at most 30m)" */
};

/* A planned fault. */
struct policy_fault {
	const char *kind; /* "net.delay" */
	int64_t for_ns;
	const struct change_spec *change;
	unsigned n_changes;
	struct address_pool pool; /* of the run, where its changes refer to one */
};

int policy_check_fault(const struct policy *p, const struct limits *l, const struct policy_fault *f,
		       struct policy_verdict *ret, struct err *e);

/*
 * The same for what comes later, when names cannot be looked up any more: limits.deny is understood
 * once. Borrows both; to be freed with policy_judge_done() after 0.
 */
struct policy_judge {
	const struct policy *p;
	const struct limits *l;
	struct policy_rule *own;
	size_t n_own;
};
int policy_judge_make(const struct policy *p, const struct limits *l, struct policy_judge *ret,
		      struct err *e);
int policy_judge_fault(const struct policy_judge *j, const struct policy_fault *f,
		       struct policy_verdict *ret, struct err *e);
void policy_judge_done(struct policy_judge *j);

/* The tables of its blocks, for the man page; NULL-terminated. */
extern const struct field_table *const policy_tables[];

#endif
