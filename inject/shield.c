/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/shield.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

bool shield_is_login(const char *comm)
{
	/* since OpenSSH 9.8 a session runs in sshd-session */
	static const char *const names[] = { "sshd", "sshd-session", "sshd-auth", "dropbear" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], comm))
			return true;
	return false;
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
	if (!r && s && s->all_logins && shield_is_login(stat.comm)) {
		*ret_why = role_text(SHIELD_SESSION);
		return true;
	}
	*ret_why = r ? "a process whose state cannot be read" : "a kernel thread";
	return r || proc_is_kernel(&stat);
}

static bool same_flow(const struct shield_flow *a, const struct shield_flow *b)
{
	return a->family == b->family && a->local_port == b->local_port &&
	       !memcmp(a->remote, b->remote, sizeof(a->remote)) &&
	       !memcmp(a->local, b->local, sizeof(a->local));
}

int shield_flows_add(struct shield_flows *s, const struct shield_flow *flow)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (same_flow(&s->at[i], flow))
			return 0;
	if (s->n == s->size) {
		uint32_t size = s->size ? 2 * s->size : 16;
		struct shield_flow *at = reallocarray(s->at, size, sizeof(*at));

		if (!at)
			return -ENOMEM;
		s->at = at;
		s->size = size;
	}
	s->at[s->n++] = *flow;
	return 0;
}

void shield_flows_done(struct shield_flows *s)
{
	free(s->at);
	*s = (struct shield_flows){ 0 };
}
