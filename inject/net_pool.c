/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_pool.h"

#include <stdio.h>

#include "base/crc32c.h"

bool net_pool_has_names(const struct net_groups *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		if (g->at[i].n_names)
			return true;
	}
	return false;
}

int net_pool_add(struct net_groups *g, struct plan_pool *pool, uint32_t *crc, struct err *e)
{
	for (unsigned i = 0; i < g->n; i++) {
		struct net_group *one = &g->at[i];
		uint32_t chain[2];
		int64_t first;

		if (!one->n_prefixes)
			continue;
		first = plan_pool_add(pool, one->prefix, one->n_prefixes, e);
		if (first < 0)
			return (int)first;
		one->pooled = (uint32_t)first + GATE_PREFIXES;
		chain[0] = *crc;
		chain[1] = crc32c(one->prefix, one->n_prefixes * sizeof(*one->prefix));
		*crc = crc32c(chain, sizeof(chain));
	}
	return 0;
}

void net_pool_plan_names(const struct net_groups *g, bool routed, struct plan *ret)
{
	for (unsigned i = 0; i < g->n; i++) {
		const struct net_group *one = &g->at[i];

		for (uint32_t k = 0; one->pooled && k < one->n_names; k++) {
			struct plan_name *name = &ret->name[ret->n_names];

			if (ret->n_names == PLAN_NAMES) {
				plan_note(ret, "only the first %d names are looked up again",
					  PLAN_NAMES);
				return;
			}
			*name = (struct plan_name){ .routed = routed, .list = one->pooled };
			snprintf(name->name, sizeof(name->name), "%s", one->name[k]);
			ret->n_names++;
		}
	}
}

void net_pool_note_names(struct plan *ret)
{
	if (ret->n_names)
		plan_note(ret,
			  "host names are looked up again while it holds: what they come to mean "
			  "joins it, what they meant stays");
}
