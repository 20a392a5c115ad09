/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/proc.h"

#include "inject/change/proc_state.h"

#define SUMMARY_NAMES 3

int proc_check(const struct proc_spec *s, struct err *e)
{
	const struct proc_select *own = &s->select;

	if (s->target &&
	    (own->pid || own->exe || own->name || own->pid_file || own->cgroup || own->user))
		return err_set(e, EINVAL,
			       "'target' and a selector of its own contradict each other");
	return proc_select_check(own, e);
}

int proc_aim(const struct proc_spec *s, const struct plan_context *ctx, struct proc_aim *ret,
	     struct err *e)
{
	const struct proc_select *own = &s->select;
	const struct target *t;
	int rc = proc_check(s, e);

	*ret = (struct proc_aim){ .select = own };
	if (rc < 0 || !s->target)
		return rc;
	t = targets_find(ctx->targets, s->target);
	if (!t || t->kind != TARGET_PROCESS)
		return err_set(e, ENOENT, "'%s' is no process of targets:", s->target);
	ret->select = &t->process;
	ret->pick = t->has_pick ? &t->pick : NULL;
	return 0;
}

int proc_find(const struct proc_aim *aim, const struct plan_context *ctx, struct proc_id *ret,
	      size_t max, struct err *e)
{
	int n = proc_resolve(aim->select, aim->pick, ctx->targets, ret, max, e);

	for (int i = 0; i < n; i++) {
		if (proc_is_brink(ret[i].pid))
			return err_set(e, EPERM, "process %d is shielded: it is brink itself",
				       ret[i].pid);
	}
	return n;
}

void proc_summarise(struct text *t, const struct proc_id *id, unsigned n)
{
	char name[80];

	for (unsigned i = 0; i < n && i < SUMMARY_NAMES; i++)
		text_add(t, "%s%s(%d)", i ? ", " : "", proc_name(id[i].pid, name, sizeof(name)),
			 id[i].pid);
	if (n > SUMMARY_NAMES)
		text_add(t, ", %u more", n - SUMMARY_NAMES);
}
