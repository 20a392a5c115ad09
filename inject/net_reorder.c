/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/faults.h"
#include "inject/net_netem.h"

static const struct field rows[] = {
	NETEM_REORDER("share", FIELD_REQUIRED, "correlation", "gap"),
	NETEM_DELAY(FIELD_REQUIRED),
	NETEM_ENGINE,
	NET_FIELDS(struct net_netem),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.reorder",
	.doc = "delays chosen packets, a share of them excepted, which overtake the others, by netem on an own device",
	.size = sizeof(struct net_netem),
	.fields = rows,
};

static const char *const trials[] = {
	"to={addr}:{port} share=1% delay=300ms direction=both netns={netns}", NULL
};

const struct fault_ops net_reorder_fault = {
	.name = "net.reorder",
	.summary = "a share of chosen packets overtakes the others",
	.fields = &fields,
	.example = "to=localhost:5432 share=25% delay=10ms",
	.trials = trials,
	NETEM_OPS,
};
