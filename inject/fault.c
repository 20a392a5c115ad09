/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "inject/faults.h"

const struct fault_ops *const fault_registry[] = {
	&net_delay_fault,
	&net_loss_fault,
	&net_drop_fault,
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
