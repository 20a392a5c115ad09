/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "inject/faults.h"
#include "inject/link_aim.h"

#define MTU_MIN 68 /* RFC 791 section 3.2 */
#define MTU_MAX 65535

struct mtu {
	struct bound bound;
	const char *dev, *netns;
	int64_t mtu;
};

static const struct field rows[] = {
	{ .name = "mtu",
	  .type = FIELD_INT,
	  .flags = FIELD_REQUIRED,
	  .min = MTU_MIN,
	  .max = MTU_MAX,
	  .offset = offsetof(struct mtu, mtu),
	  .doc = "bytes of the largest packet, lower than now; at least 1280 where the device has IPv6" },
	{ .name = "dev",
	  .type = FIELD_STRING,
	  .flags = FIELD_REQUIRED,
	  .offset = offsetof(struct mtu, dev),
	  .doc = "device" },
	{ .name = "netns",
	  .type = FIELD_STRING,
	  .offset = offsetof(struct mtu, netns),
	  .doc = "network namespace: a name of ip-netns(8), a path, or pid:N" },
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.mtu",
	.doc = "the largest packet of a network device is smaller than before",
	.size = sizeof(struct mtu),
	.fields = rows,
};

static int plan_mtu(const void *spec, const struct plan_context *ctx, struct plan *ret,
		    struct err *e)
{
	const struct mtu *m = spec;

	return link_plan(m->dev, m->netns, (uint32_t)m->mtu, ctx, ret, e);
}

static const char *const trials[] = { "dev={dev} mtu=1280 netns={netns}", NULL };

const struct fault_ops net_mtu_fault = {
	.name = "net.mtu",
	.summary = "a network device takes smaller packets only",
	.fields = &fields,
	.class_words = "guarded",
	.undo_words = "the MTU is set as it was, if it is still the one that brink set",
	.example = "dev=eth1 mtu=1300",
	.trials = trials,
	.plan = plan_mtu,
};
