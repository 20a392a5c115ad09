/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_LINK_AIM_H
#define BRINK_LINK_AIM_H

#include "inject/fault.h"

/* Adds the one change of a device; mtu 0: it goes down. -EPERM: it carries what is shielded. */
int link_plan(const char *dev, const char *netns, uint32_t mtu, const struct plan_context *ctx,
	      struct plan *ret, struct err *e);

#endif
