/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "inject/faults.h"
#include "inject/net.h"

struct net_loss {
	struct net_spec net;
	uint32_t loss_ppm, correlation_ppm;
};

static const struct field rows[] = {
	{ .name = "loss",
	  .type = FIELD_PERCENT,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .offset = offsetof(struct net_loss, loss_ppm),
	  .doc = "share of packets that never arrive" },
	{ .name = "correlation",
	  .type = FIELD_PERCENT,
	  .dflt = "0%",
	  .offset = offsetof(struct net_loss, correlation_ppm),
	  .doc = "how much each loss follows the one before" },
	NET_FIELDS(struct net_loss),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.loss",
	.doc = "loses a share of chosen packets at random, by netem on an own device",
	.size = sizeof(struct net_loss),
	.fields = rows,
};

static int check_loss(const void *spec, struct err *e)
{
	return net_check(&((const struct net_loss *)spec)->net, e);
}

static int plan_loss(const void *spec, const struct plan_context *ctx, struct plan *ret,
		     struct err *e)
{
	const struct net_loss *l = spec;
	const struct netem_side_spec netem = { .loss_ppm = l->loss_ppm,
					       .loss_corr_ppm = l->correlation_ppm,
					       .limit = net_limit(0, 0) };
	const struct net_treatment how = { .action = GATE_FWD,
					   .share_ppm = 1000000,
					   .netem = &netem };
	struct text t;
	int rc = net_plan(&l->net, &how, ctx, ret, e);

	if (rc < 0)
		return rc;
	t = (struct text){ .buf = ret->summary,
			   .size = sizeof(ret->summary),
			   .len = strlen(ret->summary) };
	text_add(&t, " loss ");
	units_add_percent(&t, l->loss_ppm);
	return 0;
}

static const char *const trials[] = { "to={addr}:{port} loss=100% netns={netns}", NULL };

const struct fault_ops net_loss_fault = {
	.name = "net.loss",
	.summary = "a share of chosen packets never arrives",
	.fields = &fields,
	.class_words = "self-ending",
	.undo_words =
		"the rules go with the process that holds them; then the ifb with netem is deleted, if it is still brink's",
	.example = "to=localhost:5432 loss=10%",
	.trials = trials,
	.check = check_loss,
	.plan = plan_loss,
};
