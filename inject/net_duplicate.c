/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/faults.h"
#include "inject/net_netem.h"

static const struct field rows[] = {
	NETEM_DUPLICATE("share", FIELD_REQUIRED, "correlation"),
	NETEM_ENGINE,
	NET_FIELDS(struct net_netem),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.duplicate",
	.doc = "makes a share of chosen packets arrive twice, by netem on an own device",
	.size = sizeof(struct net_netem),
	.fields = rows,
};

static const char *const trials[] = { "to={addr}:{port} share=100% netns={netns}", NULL };

const struct fault_ops net_duplicate_fault = {
	.name = "net.duplicate",
	.summary = "a share of chosen packets arrives twice",
	.fields = &fields,
	.example = "to=localhost:5432 share=5%",
	.trials = trials,
	NETEM_OPS,
};
