/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "inject/faults.h"
#include "inject/link_aim.h"

struct link_down {
	struct bound bound;
	const char *dev, *netns;
};

static const struct field rows[] = {
	{ .name = "dev",
	  .type = FIELD_STRING,
	  .flags = FIELD_REQUIRED,
	  .offset = offsetof(struct link_down, dev),
	  .doc = "device that goes down" },
	{ .name = "netns",
	  .type = FIELD_STRING,
	  .offset = offsetof(struct link_down, netns),
	  .doc = "network namespace: a name of ip-netns(8), a path, or pid:N" },
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.link_down",
	.doc = "a network device is down, where all that it has comes back with it",
	.size = sizeof(struct link_down),
	.fields = rows,
};

static int plan_down(const void *spec, const struct plan_context *ctx, struct plan *ret,
		     struct err *e)
{
	const struct link_down *l = spec;

	return link_plan(l->dev, l->netns, 0, ctx, ret, e);
}

static const char *const trials[] = { "dev={dev} netns={netns}", NULL };

const struct fault_ops net_link_down_fault = {
	.name = "net.link_down",
	.summary = "a network device is down",
	.fields = &fields,
	.class_words = "guarded",
	.undo_words =
		"the device is set up again, if it is the same one and down; refused before where that would not bring back every address and route",
	.example = "dev=eth1",
	.trials = trials,
	.plan = plan_down,
};
