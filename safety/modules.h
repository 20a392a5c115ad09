/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_MODULES_H
#define BRINK_MODULES_H

#include "inject/change/change.h"

/*
 * Loads the kernel modules that the changes need, before the baseline is taken: ifb with numifbs=0,
 * so that it brings no devices of its own, netem, and packet queues. They stay loaded (the plan
 * says so). A module that cannot be loaded is no error here: it may be built in; arming tells. (The
 * kernel would load most of them by itself, but while a holder waits for it, which has not the
 * time.)
 */
int modules_load(struct change_spec *const *specs, unsigned n, struct err *e);

#endif
