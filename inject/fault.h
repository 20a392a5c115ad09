/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_FAULT_H
#define BRINK_FAULT_H

#include "base/fields.h"
#include "inject/change/change.h"
#include "inject/target.h"

#define PLAN_CHANGES 16
#define PLAN_NOTES   8
#define PLAN_NAMES   64 /* that are looked up again; more of them mean what they meant at first */

/* A host name among the addresses of a fault: what it comes to mean while the fault is held joins
 * the list. */
struct plan_name {
	char name[254];
	bool routed;   /* the devices of the fault are those on the way to its addresses */
	uint32_t list; /* see struct gate_join */
};

/* What a fault is going to do: changes in the order in which they are armed. Pure data. */
struct plan {
	unsigned n_changes;
	struct change_spec change[PLAN_CHANGES];
	char summary[160]; /* "to 127.0.0.1:5432/tcp +200ms" */
	unsigned n_notes;
	char note[PLAN_NOTES]
		 [160]; /* lasting effects, exemptions, limits that the user must know */
	unsigned devices, processes, files; /* touched, for the plan's last lines */
	unsigned n_names;
	struct plan_name name[PLAN_NAMES];
	bool one_shot; /* this one holds for no time and there is nothing to take back */
};

/* The addresses of a run that find no room in the messages of changes, while it is planned: see
 * inject/change/pool.h. Zeroed = empty; `at` is to be freed. */
struct plan_pool {
	uint32_t n, room;
	struct net_prefix *at;
};

/* Who plans: filled by the runner, the same for every fault of a run. */
struct plan_context {
	const char *run_id; /* ULID, 26 characters */
	unsigned fault_index;
	const struct targets *targets;
	int64_t for_ns; /* how long the fault holds; 0 for one-shot ones */
	uint32_t lease_ms;
	struct plan_pool *pool; /* NULL: there is none, long lists are refused */
};

struct fault_ops {
	const char *name;    /* "net.delay" */
	const char *summary; /* one line for brink list */
	const struct field_table *fields;
	/* For brink list, explain and the manual: "self-ending"; how it is taken back; "to=…
	 * delay=200ms" */
	const char *class_words, *undo_words, *example;
	/*
	 * How the lanes of tests/crash try it, in the form of `example`, NULL-terminated: each line
	 * is felt by the world that fills in its places. {netns}, {dev}, {addr}, {port}: a
	 * namespace, a device of it, and a TCP and UDP echo that is reached over it; {pid},
	 * {cgroup}: a process that counts, and the cgroup that it is alone in; {dir}: the directory
	 * of a small file system.
	 */
	const char *const *trials;
	bool one_shot; /* has no duration and nothing to take back (unless repeated: see
			  plan.one_shot) */
	/*
	 * What is wrong with it whatever the system looks like: touches nothing, resolves nothing.
	 * NULL: nothing to check. plan() refuses the same by the same code.
	 */
	int (*check)(const void *spec, struct err *e);
	/*
	 * Reads the system (routes, processes, names), writes nothing. spec is bound from fields.
	 * Errors: EINVAL for contradictions, ENOENT for a target that is not there, EPERM for a
	 * shielded one.
	 */
	int (*plan)(const void *spec, const struct plan_context *ctx, struct plan *ret,
		    struct err *e);
};

/* The registry: one line a fault, in the order of brink list. NULL-terminated. */
extern const struct fault_ops *const fault_registry[];
const struct fault_ops *fault_find(const char *name);

/* Appends addresses to the pool. Returns the index of the first one. -E2BIG, -ENOMEM. */
int64_t plan_pool_add(struct plan_pool *pool, const struct net_prefix *at, uint32_t n,
		      struct err *e);
/* Appends a note to the plan; a full list is no error, the last one says so. */
void plan_note(struct plan *p, const char *fmt, ...) PRINTF_FMT(2, 3);
/* The next change of the plan, zeroed and filled with the kind and fault index; NULL + E2BIG when
 * full. */
struct change_spec *plan_add(struct plan *p, const struct plan_context *ctx, enum change_kind kind,
			     struct err *e);

#endif
