/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PLAN_PRINT_H
#define BRINK_PLAN_PRINT_H

#include <stdio.h>

#include "runner/prepare.h"
#include "safety/probe/proto.h"

/* The plan for people. now[i]: the first sample of check i; seq UINT32_MAX = none came. */
void plan_print(const struct prepared *p, const struct probe_sample *now, const char *file,
		FILE *out);
/* The same as one JSON document. */
void plan_print_json(const struct prepared *p, const struct probe_sample *now, const char *file,
		     FILE *out);

#endif
