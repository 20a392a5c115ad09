/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_H
#define BRINK_NET_H

#include "inject/fault.h"

/* What every network fault has: whose packets, on which path. Stands first in its spec. */
struct net_spec {
	struct bound bound;
	const char *target; /* a flow of `targets:`, in place of the keys below */
	struct strings to, from;
	const char *proto, *dev, *netns;
	int direction; /* enum net_direction */
};

enum net_direction { NET_OUT, NET_IN, NET_BOTH };
extern const char *const net_direction_words[];

/* The rows of a fault's field table; T is a struct that begins with `struct net_spec net`. */
#define NET_FIELDS(T)                                                                                       \
	{ .name = "target",                                                                                 \
	  .type = FIELD_STRING,                                                                             \
	  .offset = offsetof(T, net.target),                                                                \
	  .doc = "a flow of targets:, in place of to, from, proto, dev and netns" },                        \
		{ .name = "to",                                                                             \
		  .type = FIELD_STRINGS,                                                                    \
		  .offset = offsetof(T, net.to),                                                            \
		  .doc = "destination: address, CIDR or host name, with :port, :port-port and /proto" },    \
		{ .name = "from",                                                                           \
		  .type = FIELD_STRINGS,                                                                    \
		  .offset = offsetof(T, net.from),                                                          \
		  .doc = "source, in the same form" },                                                      \
		{ .name = "proto",                                                                          \
		  .type = FIELD_STRING,                                                                     \
		  .offset = offsetof(T, net.proto),                                                         \
		  .doc = "tcp, udp, icmp, icmpv6, sctp or a number; a port without it means TCP and UDP" }, \
		{ .name = "direction",                                                                      \
		  .type = FIELD_ENUM,                                                                       \
		  .offset = offsetof(T, net.direction),                                                     \
		  .words = net_direction_words,                                                             \
		  .dflt = "out",                                                                            \
		  .doc = "out, in, or both: out, and the packets that come back on the same flow" },        \
		{ .name = "dev",                                                                            \
		  .type = FIELD_STRING,                                                                     \
		  .offset = offsetof(T, net.dev),                                                           \
		  .doc = "device; without it the one that the route to the target uses" },                  \
	{                                                                                                   \
		.name = "netns", .type = FIELD_STRING, .offset = offsetof(T, net.netns),                    \
		.doc = "network namespace: a name of ip-netns(8), a path, or pid:N"                         \
	}

/* How the packets are to be treated, before it is known on which devices. */
struct net_treatment {
	enum gate_action action;
	uint32_t share_ppm;
	bool of_connections;
	const struct netem_side_spec *netem; /* GATE_FWD: template for the ifb of each device */
};

/* The selector itself, before anything is looked up: see fault_ops.check. */
int net_check(const struct net_spec *spec, struct err *e);
/* The same for a flow of `targets:`. */
int net_check_flow(const struct flow_select *flow, struct err *e);

/*
 * Adds for each device concerned the changes that treat the chosen packets so, and writes the
 * selector part of ret->summary ("to 127.0.0.1:5432/tcp"). Shielded flows get an exemption, told in
 * a note.
 */
int net_plan(const struct net_spec *spec, const struct net_treatment *how,
	     const struct plan_context *ctx, struct plan *ret, struct err *e);

#endif
