/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_RUNNER_EFFECT_H
#define BRINK_RUNNER_EFFECT_H

#include <jansson.h>

#include "runner/planner.h"

/* What a fault has hit so far, in the unit of its kind of change. */

/* Of those changes of the fault that do it; NULL: none of them counts. */
const struct change_ops *effect_counter(const struct planned_fault *f);
/* "20 packets, 2840 bytes"; "nothing". */
void effect_add(struct text *t, const struct change_ops *counter, const struct effect *x);
/* "packets=20 bytes=2840" */
void effect_add_keys(struct text *t, const struct change_ops *counter, const struct effect *x);
/* The same as keys of an object. */
void effect_set(json_t *o, const struct change_ops *counter, const struct effect *x);

#endif
