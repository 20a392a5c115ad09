/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_RESOLV_CONF_H
#define BRINK_RESOLV_CONF_H

#include "base/arena.h"
#include "base/fields.h"

/*
 * The name servers that programs in a network namespace ask (netns as in faults, NULL = this one):
 * those of resolv.conf(5), of the file that ip-netns(8) puts there for a namespace with a name, or
 * of the process for pid:N. ENOENT: none.
 */
int resolv_conf_servers(const char *netns, struct arena *mem, struct strings *ret, struct err *e);

#endif
