/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/rights.h"

#include <sched.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>

/*
 * Another network namespace: the fingerprint is taken inside it once more at the end, and it is
 * looked for by its cookie in every process when its name is gone.
 */
#define CAPS_ELSEWHERE (CAP_BIT(SYS_ADMIN) | CAP_BIT(SYS_PTRACE) | CAP_BIT(DAC_READ_SEARCH))
static const struct call_rule calls_elsewhere[] = { { "setns", 1, WHOLE_WORD, CLONE_NEWNET },
						    { 0 } };

static void add(struct rights_sum *s, uint64_t caps, const struct call_rule *calls)
{
	s->caps |= caps;
	for (size_t i = 0; i < s->n; i++) {
		if (s->calls[i] == calls)
			return;
	}
	if (calls && s->n < sizeof(s->calls) / sizeof(s->calls[0]))
		s->calls[s->n++] = calls;
}

static void add_undoer(struct rights_sum *s, const struct change_ops *ops)
{
	add(s, ops->undoer.caps, ops->undoer.calls);
}

void rights_add_all(struct rights_sum *s)
{
	for (unsigned kind = 0; kind < CHANGE_KIND_COUNT; kind++) {
		if (change_ops_of(kind))
			add_undoer(s, change_ops_of(kind));
	}
	add(s, CAPS_ELSEWHERE, calls_elsewhere);
}

void rights_add_holder(struct rights_sum *s, const struct change_spec *c)
{
	const struct rights *r = &change_ops_of(c->kind)->holder;

	add(s, r->caps, r->calls);
}

void rights_add_keeper(struct rights_sum *s, const struct change_spec *c)
{
	const struct netns_ref *ns = change_netns(c);

	add_undoer(s, change_ops_of(c->kind));
	if (ns && ns->path[0])
		add(s, CAPS_ELSEWHERE, calls_elsewhere);
}

uint64_t rights_memory(void)
{
	struct rlimit memory, all = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &all); /* may be forbidden: what counts is what stands then */
	if (getrlimit(RLIMIT_MEMLOCK, &memory) == 0 && memory.rlim_cur == RLIM_INFINITY)
		return 0;
	return CAP_BIT(IPC_LOCK); /* or what is mapped later is refused */
}

uint64_t rights_any(void)
{
	struct rights_sum s = RIGHTS_KEEPER;
	const struct change_ops *ops;

	for (unsigned kind = 0; kind < CHANGE_KIND_COUNT; kind++) {
		ops = change_ops_of(kind);
		if (ops)
			s.caps |= ops->holder.caps | ops->undoer.caps;
	}
	return s.caps | CAPS_ELSEWHERE | RIGHTS_GUARD;
}

void rights_print(uint64_t caps, struct text *t)
{
	const char *gap = "";

	for (unsigned n = 0; n < 64; n++) {
		char *name = caps >> n & 1 ? cap_to_name((cap_value_t)n) : NULL;

		if (!name)
			continue;
		text_add(t, "%s%s", gap, strncmp(name, "cap_", 4) == 0 ? name + 4 : name);
		gap = " ";
		cap_free(name);
	}
	if (!caps)
		text_add(t, "none");
}
