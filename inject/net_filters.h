/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_FILTERS_H
#define BRINK_NET_FILTERS_H

#include "inject/net.h"

/*
 * Notes which tc filters of the host's own stand on that device, and what they miss when packets on
 * the way out are taken off it by `action` and come back. They are never changed.
 */
int net_note_filters(const struct netns_ref *ns, const char *dev, enum net_direction dir,
		     enum gate_action action, struct plan *ret, struct err *e);

#endif
