/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_EXECUTE_H
#define BRINK_EXECUTE_H

#include "runner/prepare.h"
#include "runner/run.h"

/* What plan, run and try share between a prepared experiment and its end. */

/* The exit code for code once --if-unable was asked: EXIT_SKIPPED for EXIT_UNABLE where it says so.
 */
int execute_code(const struct options *o, int code);
/* Prints the plan of a prepared experiment (and writes --out). Returns the exit code. */
int execute_show(const struct options *o, struct prepared *p, const char *file);
/*
 * Asks where asking is needed (an irreversible fault, no --yes), runs, and gives the outcome.
 * again: how to repeat it. Returns the exit code.
 */
int execute_run(const struct options *o, struct prepared *p, const char *again,
		struct run_outcome *ret);

#endif
