/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/faults.h"
#include "inject/net_netem.h"

static const struct field rows[] = {
	NETEM_RATE(FIELD_REQUIRED),
	NETEM_ENGINE,
	NET_FIELDS(struct net_netem),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.rate",
	.doc = "sends chosen packets through a slow link, by netem on an own device",
	.size = sizeof(struct net_netem),
	.fields = rows,
};

static const char *const trials[] = { "to={addr}:{port} rate=2kbit queue_packets=2 netns={netns}",
				      NULL };

const struct fault_ops net_rate_fault = {
	.name = "net.rate",
	.summary = "chosen packets go through a slow link",
	.fields = &fields,
	.example = "to=localhost:5432 rate=1mbit",
	.trials = trials,
	NETEM_OPS,
};
