/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_REVERT_PRINT_H
#define BRINK_REVERT_PRINT_H

#include "runner/leftovers.h"

/*
 * Prints the shell commands that clean up after a dead run without brink, in the order of undoing:
 * its processes that still stand, then what the kernel does not take away with them. Reads the
 * system, changes nothing. Returns the exit code: 20 when these commands cannot do all of it.
 */
int revert_print(const struct left_run *run);

#endif
