/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_KERNEL_HAS_H
#define BRINK_KERNEL_HAS_H

#include <stdbool.h>

#include "base/err.h"

/*
 * What the kernel can do, before anything is changed: found by doing it in a new network namespace
 * that ends with the child that made it. No module is loaded for it: what one would be loaded for
 * counts as there. Where that cannot be tried (no namespace may be made) nothing is said against
 * it: arming tells.
 */
bool kernel_lacks_netem(void);
/* A packet queue and nft rules that lead to it. 0, or -EOPNOTSUPP and what is missing. */
int kernel_has_queue(struct err *e);

/* Would the first use of it load a module? modprobe's dry run: "insmod ..." when so, silence when
 * it is there already, or built in, or missing. */
bool module_would_load(const char *module);

#endif
