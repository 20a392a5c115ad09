/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_POOL_H
#define BRINK_NET_POOL_H

#include "inject/fault.h"
#include "inject/net_groups.h"

/* The lists of a fault that stand in the pool of the run: long ones, and those of host names, which
 * may become longer while it is held. */

bool net_pool_has_names(const struct net_groups *g);
/* Puts all addresses of g there and sets net_group.pooled. *crc: goes on over them, see
 * nft_gate_spec.pool_crc. -E2BIG, -ENOMEM. */
int net_pool_add(struct net_groups *g, struct plan_pool *pool, uint32_t *crc, struct err *e);
/* The names of pooled lists, to be looked up again. routed: as plan_name.routed. */
void net_pool_plan_names(const struct net_groups *g, bool routed, struct plan *ret);
/* Tells of them, once all are there. */
void net_pool_note_names(struct plan *ret);

#endif
