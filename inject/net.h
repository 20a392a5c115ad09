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
	/* these narrow a flow of `targets:` too */
	struct strings not ;
	const char *mark, *dscp, *user;
	const char *cgroup, *unit, *container; /* whose sockets: net_owner.h */
	int64_t pid;
	const char *exe, *name;
};

enum net_direction { NET_OUT, NET_IN, NET_BOTH };
extern const char *const net_direction_words[];

/* The rows that leave out some of the packets: what is given must hold too. */
#define NET_NARROWING(T)                                                                              \
	{ .name = "not",                                                                              \
	  .type = FIELD_STRINGS,                                                                      \
	  .offset = offsetof(T, net.not ),                                                            \
	  .doc = "packets to or from these pass untouched; in the form of to" },                      \
		{ .name = "mark",                                                                     \
		  .type = FIELD_STRING,                                                               \
		  .offset = offsetof(T, net.mark),                                                    \
		  .doc = "packets with this mark (SO_MARK, nft, tc), with /MASK or not" },            \
		{ .name = "dscp",                                                                     \
		  .type = FIELD_STRING,                                                               \
		  .offset = offsetof(T, net.dscp),                                                    \
		  .doc = "packets with this DSCP: 0 to 63, ef, cs0-cs7, af11-af43, be, le" },         \
		{ .name = "user",                                                                     \
		  .type = FIELD_STRING,                                                               \
		  .offset = offsetof(T, net.user),                                                    \
		  .doc = "outgoing packets of sockets that this user opened: a name or a number" },   \
		{ .name = "cgroup",                                                                   \
		  .type = FIELD_STRING,                                                               \
		  .offset = offsetof(T, net.cgroup),                                                  \
		  .doc = "packets of sockets made in this cgroup v2 or below it" },                   \
		{ .name = "unit",                                                                     \
		  .type = FIELD_STRING,                                                               \
		  .offset = offsetof(T, net.unit),                                                    \
		  .doc = "the same for a systemd unit: nginx.service" },                              \
		{ .name = "container",                                                                \
		  .type = FIELD_STRING,                                                               \
		  .offset = offsetof(T, net.container),                                               \
		  .doc = "the same for a container of docker, podman, containerd or CRI-O: its id" }, \
		{ .name = "pid",                                                                      \
		  .type = FIELD_INT,                                                                  \
		  .offset = offsetof(T, net.pid),                                                     \
		  .min = 1,                                                                           \
		  .max = 4194304,                                                                     \
		  .doc = "the same for a process that is alone in its cgroup" },                      \
		{ .name = "exe",                                                                      \
		  .type = FIELD_STRING,                                                               \
		  .offset = offsetof(T, net.exe),                                                     \
		  .doc = "the same for all processes of this program, an absolute path" },            \
	{                                                                                             \
		.name = "name", .type = FIELD_STRING, .offset = offsetof(T, net.name),                \
		.doc = "the same for all processes of this name, as in /proc/PID/comm"                \
	}

/* Rows of a fault's field table; T is a struct that begins with `struct net_spec net`. Of a flow:
 */
#define NET_FLOW_FIELDS(T)                                                                                                    \
	{ .name = "target",                                                                                                   \
	  .type = FIELD_STRING,                                                                                               \
	  .offset = offsetof(T, net.target),                                                                                  \
	  .doc = "a flow of targets:, in place of to, from, proto, dev and netns" },                                          \
		{ .name = "to",                                                                                               \
		  .type = FIELD_STRINGS,                                                                                      \
		  .offset = offsetof(T, net.to),                                                                              \
		  .doc = "destination: address, CIDR or host name, with :port, :port-port and /proto; @FILE: one a line" },   \
		{ .name = "from",                                                                                             \
		  .type = FIELD_STRINGS,                                                                                      \
		  .offset = offsetof(T, net.from),                                                                            \
		  .doc = "source, in the same form" },                                                                        \
		{ .name = "proto",                                                                                            \
		  .type = FIELD_STRING,                                                                                       \
		  .offset = offsetof(T, net.proto),                                                                           \
		  .doc = "tcp, udp, icmp (in IPv6: ICMPv6), icmpv6, sctp or a number; a port without it means TCP and UDP" }, \
		{ .name = "direction",                                                                                        \
		  .type = FIELD_ENUM,                                                                                         \
		  .offset = offsetof(T, net.direction),                                                                       \
		  .words = net_direction_words,                                                                               \
		  .dflt = "out",                                                                                              \
		  .doc = "out, in, or both: out, and the packets that come back on the same flow" },                          \
		{ .name = "dev",                                                                                              \
		  .type = FIELD_STRING,                                                                                       \
		  .offset = offsetof(T, net.dev),                                                                             \
		  .doc = "device; without it the one that the route to the target uses" },                                    \
	{                                                                                                                     \
		.name = "netns", .type = FIELD_STRING, .offset = offsetof(T, net.netns),                                      \
		.doc = "network namespace: a name of ip-netns(8), a path, or pid:N"                                           \
	}

/* Of packets. */
#define NET_FIELDS(T) NET_FLOW_FIELDS(T), NET_NARROWING(T)

/* How the packets are to be treated, before it is known on which devices. */
struct net_treatment {
	enum gate_action action;
	uint32_t share_ppm;
	uint32_t every; /* > 0: each packet of this number only */
	bool of_flows;  /* the share is one of flows */
	bool between;   /* see net_select.between */
	struct gate_conditions only;
	uint16_t port; /* of the far end where none is said; 0 = any */
	const struct dns_select *dns;
	/* GATE_FWD: template for the ifb of each device; GATE_QUEUE: for the queue of each */
	const struct netem_side_spec *netem;
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
