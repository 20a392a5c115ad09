/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/faults.h"
#include "inject/net_netem.h"

static const struct field rows[] = {
	NETEM_CORRUPT("share", FIELD_REQUIRED, "correlation"),
	NETEM_ENGINE,
	NET_FIELDS(struct net_netem),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.corrupt",
	.doc = "turns one bit in a share of chosen packets, by netem on an own device",
	.size = sizeof(struct net_netem),
	.fields = rows,
};

static const char *const trials[] = { "to={addr}:{port} share=100% netns={netns}", NULL };

const struct fault_ops net_corrupt_fault = {
	.name = "net.corrupt",
	.summary = "a share of chosen packets has one wrong bit",
	.fields = &fields,
	.example = "to=localhost:5432 share=1%",
	.trials = trials,
	NETEM_OPS,
};
