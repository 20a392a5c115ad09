/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PREPARE_H
#define BRINK_PREPARE_H

#include "runner/options.h"
#include "runner/paths.h"
#include "runner/planner.h"

/* An experiment ready to be shown or run: loaded, shield found, every target resolved. Zeroed =
 * nothing. */
struct prepared {
	struct experiment x;
	bool loaded;
	struct shield shield;
	struct shield_flows flows;
	char shield_note[300]; /* what of it could not be seen */
	struct paths paths;
	struct targets targets;
	struct policy policy; /* n_files == 0: the built-in limits */
	bool has_policy;
	struct run_plan plan;
	char run_id[ULID_LEN + 1];
	uint64_t seed;
};

/* Run id, paths, seed, shield. The first step: before any setsid and before anything is read from
 * the user. */
int prepare_begin(const struct options *o, struct prepared *ret, struct err *e);
/* Loads the file; what is wrong is said. Returns EXIT_PASS or the exit code. */
int prepare_load(const struct options *o, const char *path, struct prepared *p);
/* Resolves and plans. What is wrong is said, with the position of the fault. Returns EXIT_PASS or
 * the exit code. */
int prepare_plan(const struct options *o, struct prepared *p);
void prepare_done(struct prepared *p);

#endif
