/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/faults.h"
#include "inject/net_netem.h"

static const struct field rows[] = {
	NETEM_SLOT("", FIELD_REQUIRED),
	NETEM_QUEUE_PACKETS(0),
	NET_FIELDS(struct net_netem),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.slot",
	.doc = "lets chosen packets through in bursts, as shared radio and cable links do, by netem on an own device",
	.size = sizeof(struct net_netem),
	.fields = rows,
};

static const char *const trials[] = {
	"to={addr}:{port} min_delay=400ms max_delay=400ms direction=both netns={netns}", NULL
};

const struct fault_ops net_slot_fault = {
	.name = "net.slot",
	.summary = "chosen packets pile up and arrive in bursts",
	.fields = &fields,
	.example = "to=localhost:5432 min_delay=10ms max_delay=30ms",
	.trials = trials,
	NETEM_OPS,
};
