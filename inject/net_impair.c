/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/faults.h"
#include "inject/net_netem.h"

static const struct field rows[] = {
	NETEM_DELAY(FIELD_LEAST_ONE),
	NETEM_JITTER("delay_correlation"),
	NETEM_LOSS(FIELD_LEAST_ONE, "loss_correlation"),
	NETEM_MODEL(FIELD_LEAST_ONE),
	NETEM_DUPLICATE("duplicate", FIELD_LEAST_ONE, "duplicate_correlation"),
	NETEM_CORRUPT("corrupt", FIELD_LEAST_ONE, "corrupt_correlation"),
	NETEM_REORDER("reorder", 0, "reorder_correlation", "reorder_gap"),
	NETEM_RATE(FIELD_LEAST_ONE),
	NETEM_SLOT("slot_", FIELD_LEAST_ONE),
	NETEM_ENGINE,
	NET_FIELDS(struct net_netem),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.impair",
	.doc = "does several of delay, loss, duplicate, corrupt, reorder, rate and slot to the same packets, by netem on an own device",
	.size = sizeof(struct net_netem),
	.fields = rows,
};

static const char *const trials[] = {
	"to={addr}:{port} delay=300ms jitter=20ms loss=50% duplicate=10% direction=both netns={netns}",
	NULL
};

const struct fault_ops net_impair_fault = {
	.name = "net.impair",
	.summary = "a bad link: delay, loss, duplicates, wrong bits, order, rate at once",
	.fields = &fields,
	.example = "to=localhost:5432 delay=80ms loss=1% rate=2mbit",
	.trials = trials,
	NETEM_OPS,
};
