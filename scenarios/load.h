/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_LOAD_H
#define BRINK_LOAD_H

#include "scenarios/bind.h"
#include "scenarios/experiment.h"

/* Inside scenarios/: what the steps of experiment_load() share, and the tables. */

/* One entry of `targets:` as it is written; becomes a struct target. */
struct target_item {
	struct bound bound;
	struct proc_select process;
	struct flow_select flow;
	struct path_select path;
	struct pick pick;
};

/* One entry of `vars:` as a block. */
struct var_item {
	struct bound bound;
	const char *dflt, *env;
	struct strings one_of;
	bool required;
};

extern const struct field_table experiment_fields, var_fields, target_fields, fault_fields,
	recovery_fields, abort_fields, abort_rule_fields, limits_fields, deny_fields, report_fields;

/* Kinds of faults that the language names and this version has not; NULL-terminated. */
extern const char *const load_later_kinds[];

struct target_use {
	const struct target *target;
	struct span at;
	bool used;
};

struct loader {
	const struct load_options *o;
	struct experiment *x;
	struct diags *d;
	struct err *e;
	struct arena scratch; /* nodes and names: freed when loading is done */
	const struct node *root;
	struct binder binder;
	struct vars vars;
	struct names overrides; /* --var and --var-file, of struct override */
	struct override *override_list;
	struct names targets;   /* of struct target_use */
	struct target_use *use; /* in the order of x->targets */
	struct names checks;    /* of struct check_spec */
	struct names faults;    /* of struct fault_item */
	struct names counters;  /* kind to the last number in a made id */
};

/* Each step: 0 (mistakes are in *d), or -errno with *e when loading cannot go on. */

/* Reads --var and --var-file into l->overrides. Before the file is read. */
int load_overrides(struct loader *l);
/* Binds `vars:` and gives each variable its value. */
int load_vars(struct loader *l);
/* -EINVAL when an override names no variable of the file. */
int load_overrides_known(struct loader *l);
int load_targets(struct loader *l);
int load_checks(struct loader *l);
int load_faults(struct loader *l);
int load_abort(struct loader *l);

/* The declared target of this kind, or NULL and a mistake at `at`. Marks it used. */
const struct target *load_find_target(struct loader *l, const char *name, enum target_kind kind,
				      struct span at);
/* The check of that id, or NULL and a mistake. */
const struct check_spec *load_find_check(struct loader *l, const char *id, struct span at);
/*
 * Enters an id: *id as given (checked for form and against `taken`), or made from base when *id is
 * NULL. item is what the name stands for; at is for messages.
 */
int load_id(struct loader *l, struct names *taken, const char **id, const char *base,
	    const void *item, struct span at);
/* Letters, digits, - and _, beginning with a letter, at most 63; says so if not. lower: no
 * capitals, no _. */
bool load_name_ok(struct loader *l, const char *name, bool lower, struct span at);
int load_no_memory(struct loader *l);

#endif
