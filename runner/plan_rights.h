/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PLAN_RIGHTS_H
#define BRINK_PLAN_RIGHTS_H

#include <jansson.h>
#include <stdio.h>

#include "runner/planner.h"

/* What each process of the run will hold while the faults are held, cut down to what the caller
 * has; from the tables by which keeper and holders drop the rest. */
void plan_rights_print(const struct run_plan *p, FILE *out);
/* {"keeper": ["net_admin"], "holders": {"slow-db": ["net_admin"]}, "not_held": []}; NULL = no
 * memory */
json_t *plan_rights_json(const struct run_plan *p);

#endif
