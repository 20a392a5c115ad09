/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/shield.h"

#include <errno.h>

#include "inject/proc_fs.h"

static const char *role_text(uint32_t role)
{
	switch (role) {
	case SHIELD_SELF:
		return "brink itself";
	case SHIELD_SESSION:
		return "a login session";
	default:
		return "brink's own ancestor";
	}
}

bool shield_has_proc(const struct shield *s, int32_t pid, uint64_t start_ticks,
		     const char **ret_why)
{
	struct proc_stat stat;
	int r;

	if (pid == 1) {
		*ret_why = "PID 1";
		return true;
	}
	for (uint32_t i = 0; s && i < s->n_procs && i < SHIELD_PROCS; i++) {
		if (s->proc[i].pid != pid || s->proc[i].start_ticks != start_ticks)
			continue;
		*ret_why = role_text(s->proc[i].role);
		return true;
	}
	r = proc_stat_of(pid, &stat);
	if (r == -ESRCH)
		return false; /* gone: there is nothing left to shield */
	*ret_why = r ? "a process whose state cannot be read" : "a kernel thread";
	return r || proc_is_kernel(&stat);
}
