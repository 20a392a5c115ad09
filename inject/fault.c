/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "inject/change/pool.h"
#include "inject/faults.h"

const struct fault_ops *const fault_registry[] = {
	&net_delay_fault,
	&net_loss_fault,
	&net_duplicate_fault,
	&net_corrupt_fault,
	&net_reorder_fault,
	&net_rate_fault,
	&net_slot_fault,
	&net_impair_fault,
	&net_drop_fault,
	&net_dns_fault,
	&net_partition_fault,
	&net_reset_fault,
	&net_port_taken_fault,
	&net_link_down_fault,
	&net_mtu_fault,
	&proc_kill_fault,
	&proc_pause_fault,
	&disk_fill_fault,
	NULL,
};

const struct fault_ops *fault_find(const char *name)
{
	for (size_t i = 0; fault_registry[i]; i++) {
		if (strcmp(fault_registry[i]->name, name) == 0)
			return fault_registry[i];
	}
	return NULL;
}

void plan_note(struct plan *p, const char *fmt, ...)
{
	va_list ap;

	if (p->n_notes == PLAN_NOTES) {
		snprintf(p->note[PLAN_NOTES - 1], sizeof(p->note[0]), "... and more");
		return;
	}
	va_start(ap, fmt);
	vsnprintf(p->note[p->n_notes++], sizeof(p->note[0]), fmt, ap);
	va_end(ap);
}

int64_t plan_pool_add(struct plan_pool *pool, const struct net_prefix *at, uint32_t n,
		      struct err *e)
{
	if (n > POOL_MAX - pool->n)
		return err_set(e, E2BIG, "more than %u addresses in one run", POOL_MAX);
	if (pool->n + n > pool->room) {
		uint32_t room = 2 * pool->room + n;
		struct net_prefix *more = reallocarray(pool->at, room, sizeof(*more));

		if (!more)
			return err_set(e, ENOMEM, "no memory for the addresses");
		pool->at = more;
		pool->room = room;
	}
	memcpy(pool->at + pool->n, at, n * sizeof(*at));
	pool->n += n;
	return pool->n - n;
}

struct change_spec *plan_add(struct plan *p, const struct plan_context *ctx, enum change_kind kind,
			     struct err *e)
{
	struct change_spec *c;

	if (p->n_changes == PLAN_CHANGES) {
		err_set(e, E2BIG, "one fault would need more than %d changes: aim at less",
			PLAN_CHANGES);
		return NULL;
	}
	c = &p->change[p->n_changes++];
	memset(c, 0, sizeof(*c));
	c->kind = (uint16_t)kind;
	c->fault = (uint16_t)ctx->fault_index;
	c->lease_ms = ctx->lease_ms;
	return c;
}
