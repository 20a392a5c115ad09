/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PLAN_FILE_H
#define BRINK_PLAN_FILE_H

#include "runner/prepare.h"

/*
 * What `brink plan --out` writes and `brink run --plan` holds brink to: the experiment's path and
 * seed, and every line of every change as it was planned. A run from it plans again and refuses
 * when any line differs.
 */
struct plan_file {
	struct arena arena;
	const char *file; /* of the experiment */
	uint64_t seed;
	char run_id[ULID_LEN + 1]; /* under which the lines were made: own names carry it */
	struct strings lines, vars;
};

/* Writes a new file or replaces one that is a plan; never anything else. */
int plan_file_write(const char *path, const struct prepared *p, const char *file,
		    const struct strings *vars, struct err *e);
/* -EBADMSG: it is no plan of this version. */
int plan_file_read(const char *path, struct plan_file *ret, struct err *e);
/* Is this plan, made with the file's run id and seed, the one in the file? -ESTALE: no; *e shows
 * the first difference. */
int plan_file_compare(const struct plan_file *f, const struct run_plan *p, struct err *e);
void plan_file_done(struct plan_file *f);

#endif
