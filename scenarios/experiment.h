/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_EXPERIMENT_H
#define BRINK_EXPERIMENT_H

#include "base/arena.h"
#include "inject/fault.h"
#include "inject/target.h"
#include "safety/probe/check.h"
#include "scenarios/diag.h"

#define EXPERIMENT_LANGUAGE 1
/* How long a fault holds when its `for` is not written; shown in every plan. */
#define EXPERIMENT_FOR "30s"

/* `recovers_within: 10s`, or a block. The clock starts when the fault is verified reverted. */
struct recovery {
	struct bound bound;
	struct strings checks;                 /* ids; n == 0 = every gating check */
	const struct check_spec *const *check; /* the same, found; checks.n of them */
	int64_t within_ns;
	int64_t stable_ns; /* 0 = three passing checks in a row */
};

/* One item of `faults:`. */
struct fault_item {
	struct bound bound;
	const char *id; /* given, or made from the kind ("net-delay", "net-delay-2") */
	const struct fault_ops *ops;
	void *spec;                  /* of ops->fields->size, bound from ops->fields */
	const struct target *target; /* what its `target:` names; NULL = no such key */
	int64_t for_ns;              /* 0 for a one-shot fault */
	int64_t after_ns;
	bool has_recovery;
	struct recovery recovers_within;
};

/* One item of `abort.when`. */
struct abort_rule {
	struct bound bound;
	const char *check_id;
	const struct check_spec *check;
	struct compare is; /* on the check's number, or .failing */
	int64_t for_ns;    /* it must hold this long; 0 = one sample is enough */
};

struct abort_block {
	struct bound bound;
	struct list when;         /* of struct abort_rule */
	int64_t revert_within_ns; /* 0 = not given */
};

struct deny {
	struct bound bound;
	struct strings paths, flows, users, cgroups;
};

struct limits {
	struct bound bound;
	int64_t duration_ns; /* 0 = not given */
	int64_t processes;   /* 0 = not given */
	struct deny deny;
};

struct report {
	struct bound bound;
	const char *events; /* NULL = only the run's own directory */
};

/* A checked experiment. Everything in it lives in its arena; pointers between its parts stay valid
 * when it is moved. */
struct experiment {
	struct bound bound;
	struct arena arena;
	const char *file;
	int64_t brink; /* language version */
	const char *name;
	struct targets targets; /* n and at are set; shield, seed, max_processes are the runner's */
	struct list steady_state; /* of struct check_spec: see experiment_checks */
	size_t n_checks;
	const struct check_spec *checks;
	size_t n_faults;
	struct fault_item *faults;
	struct abort_block abort;
	struct limits limits;
	struct report report;
};

struct load_options {
	size_t n_vars, n_var_files;
	const char *const *vars;      /* "name=value" each: --var, the last one wins */
	const char *const *var_files; /* --var-file: lines of the same form, # comments; --var wins
					 over them */
	const char *run_id;           /* for ${run.id}; NULL: a stand-in */
	const char *host_name;        /* for ${host.name}; NULL: asked of the system */
	const struct fault_ops *const *faults; /* NULL: fault_registry */
};

/*
 * Reads, checks and binds one file; touches nothing else. All mistakes of the file are in *d, which
 * the caller prints and frees with diags_done() in every case (it also holds the warnings of a good
 * file). 0; -EBADMSG: the content is wrong, see *d (exit code 3); any other -errno: the path, a
 * --var or the memory, see *e (exit code 2). *ret is to be freed with experiment_done() only after
 * 0.
 */
int experiment_load(const char *path, const struct load_options *o, struct experiment *ret,
		    struct diags *d, struct err *e);
void experiment_done(struct experiment *x);

/* The check of that id, or NULL. */
const struct check_spec *experiment_check(const struct experiment *x, const char *id);

/* The tables of all blocks of the language, for brink explain and the man page; NULL-terminated. */
extern const struct field_table *const experiment_tables[];

#endif
