/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "base/clock.h"
#include "inject/faults.h"
#include "inject/net.h"

struct net_delay {
	struct net_spec net;
	int64_t delay_ns, jitter_ns;
	uint32_t correlation_ppm;
	int distribution;
};

static const char *const distribution_words[] = { "uniform", "normal", "pareto", "paretonormal",
						  NULL };

static const struct field rows[] = {
	{ .name = "delay",
	  .type = FIELD_DURATION,
	  .flags = FIELD_REQUIRED,
	  .min = NS_PER_US,
	  .max = 60 * NS_PER_S,
	  .offset = offsetof(struct net_delay, delay_ns),
	  .doc = "how much later each packet arrives" },
	{ .name = "jitter",
	  .type = FIELD_DURATION,
	  .max = 60 * NS_PER_S,
	  .dflt = "0s",
	  .offset = offsetof(struct net_delay, jitter_ns),
	  .doc = "how far the delay varies; with jitter packets may overtake each other" },
	{ .name = "correlation",
	  .type = FIELD_PERCENT,
	  .dflt = "0%",
	  .offset = offsetof(struct net_delay, correlation_ppm),
	  .doc = "how much each delay follows the one before" },
	{ .name = "distribution",
	  .type = FIELD_ENUM,
	  .words = distribution_words,
	  .dflt = "uniform",
	  .offset = offsetof(struct net_delay, distribution),
	  .doc = "of the jitter" },
	NET_FIELDS(struct net_delay),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.delay",
	.doc = "makes chosen packets arrive later, by netem on an own device",
	.size = sizeof(struct net_delay),
	.fields = rows,
};

static int check_delay(const void *spec, struct err *e)
{
	const struct net_delay *d = spec;

	if (d->jitter_ns > d->delay_ns)
		return err_set(
			e, EINVAL,
			"jitter is larger than delay: a packet cannot arrive before it was sent");
	if (!d->jitter_ns && (d->correlation_ppm || d->distribution != DIST_UNIFORM))
		return err_set(
			e, EINVAL,
			"correlation and distribution describe the jitter: give 'jitter' too");
	return net_check(&d->net, e);
}

static int plan_delay(const void *spec, const struct plan_context *ctx, struct plan *ret,
		      struct err *e)
{
	const struct net_delay *d = spec;
	const struct netem_side_spec netem = { .delay_ns = d->delay_ns,
					       .jitter_ns = d->jitter_ns,
					       .delay_corr_ppm = d->correlation_ppm,
					       .dist = (uint32_t)d->distribution,
					       .limit = net_limit(d->delay_ns, d->jitter_ns) };
	const struct net_treatment how = { .action = GATE_FWD,
					   .share_ppm = 1000000,
					   .netem = &netem };
	struct text t;
	int rc = check_delay(spec, e);

	if (rc == 0)
		rc = net_plan(&d->net, &how, ctx, ret, e);
	if (rc < 0)
		return rc;
	t = (struct text){ .buf = ret->summary,
			   .size = sizeof(ret->summary),
			   .len = strlen(ret->summary) };
	text_add(&t, " +");
	units_add_duration(&t, d->delay_ns);
	if (d->jitter_ns) {
		text_add(&t, " ±");
		units_add_duration(&t, d->jitter_ns);
	}
	return 0;
}

static const char *const trials[] = { "to={addr}:{port} delay=300ms direction=both netns={netns}",
				      NULL };

const struct fault_ops net_delay_fault = {
	.name = "net.delay",
	.summary = "chosen packets arrive later",
	.fields = &fields,
	.class_words = "self-ending",
	.undo_words =
		"the rules go with the process that holds them; then the ifb with netem is deleted, if it is still brink's",
	.example = "to=localhost:5432 delay=200ms jitter=50ms",
	.trials = trials,
	.check = check_delay,
	.plan = plan_delay,
};
