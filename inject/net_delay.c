/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/faults.h"
#include "inject/net_netem.h"

static const struct field rows[] = {
	NETEM_DELAY(FIELD_REQUIRED),
	NETEM_JITTER("correlation"),
	NETEM_ENGINE,
	NET_FIELDS(struct net_netem),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.delay",
	.doc = "makes chosen packets arrive later, by netem on an own device",
	.size = sizeof(struct net_netem),
	.fields = rows,
};

static const char *const trials[] = {
	"to={addr}:{port} delay=300ms direction=both netns={netns}",
	"from={addr}:{port} delay=300ms direction=in engine=user netns={netns}", NULL
};

const struct fault_ops net_delay_fault = {
	.name = "net.delay",
	.summary = "chosen packets arrive later",
	.fields = &fields,
	.example = "to=localhost:5432 delay=200ms jitter=50ms",
	.trials = trials,
	NETEM_OPS,
};
