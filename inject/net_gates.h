/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_GATES_H
#define BRINK_NET_GATES_H

#include "inject/net.h"
#include "inject/net_groups.h"

#define NET_DEVICES 4 /* of one fault */

/* The resolved selector of one fault. */
struct net_aim {
	struct netns_ref netns;
	enum net_direction dir;
	struct net_groups to, from, not ;
	struct gate_conditions only;
	uint32_t pool_crc; /* of what stands in the pool of the run */
	bool dev_given;    /* by the user; else by the routes */
	unsigned n_devices;
	char device[NET_DEVICES][IFNAMSIZ];
};

/*
 * What a network fault puts on the device of that number of its aim: each appends the changes to
 * *ret. A gate leads packets to the ifb or the queue that was added before it, by their names.
 * -E2BIG: no room in the plan, or in one nft table; others as of net_matches() and
 * route_check_device().
 */
int net_add_netem(const struct net_aim *aim, unsigned device, const struct netem_side_spec *netem,
		  const struct plan_context *ctx, struct plan *ret, struct err *e);
/* In place of netem: a packet queue of a holder. */
int net_add_queue(const struct net_aim *aim, unsigned device, const struct netem_side_spec *how,
		  const struct plan_context *ctx, struct plan *ret, struct err *e);
/* One gate, or those that together know whose sockets packets are of. */
int net_add_gate(const struct net_aim *aim, unsigned device, const struct net_treatment *how,
		 const struct plan_context *ctx, struct plan *ret, struct err *e);

#endif
