/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/faults.h"
#include "inject/net_netem.h"

static const struct field rows[] = {
	NETEM_LOSS(FIELD_LEAST_ONE, "correlation"),
	NETEM_MODEL(FIELD_LEAST_ONE),
	NETEM_ENGINE,
	NET_FIELDS(struct net_netem),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.loss",
	.doc = "loses a share of chosen packets at random, by netem on an own device",
	.size = sizeof(struct net_netem),
	.fields = rows,
};

static const char *const trials[] = {
	"to={addr}:{port} loss=100% netns={netns}",
	"to={addr}:{port} model=gilbert_elliott good_to_bad=100% bad_to_good=0.01% netns={netns}",
	NULL
};

const struct fault_ops net_loss_fault = {
	.name = "net.loss",
	.summary = "a share of chosen packets never arrives",
	.fields = &fields,
	.example = "to=localhost:5432 loss=10%",
	.trials = trials,
	NETEM_OPS,
};
