/* SPDX-License-Identifier: Apache-2.0 */
#include <seccomp.h>
#include <string.h>

#include "safety/sandbox_calls.h"

static void filter_free(scmp_filter_ctx *f)
{
	if (*f)
		seccomp_release(*f);
}

/* Errors of its own, seccomp_load(3); -EFAULT is one inside of it, for want of memory as a rule. */
static const char *words(int rc)
{
	return rc == -EFAULT ? "libseccomp failed, perhaps without memory" : strerror(-rc);
}

static int filter_err(int rc, const char *what, struct err *e)
{
	return err_set(e, -rc, "cannot build the system call filter: %s: %s", what, words(rc));
}

/* A name that this architecture has not is no error: one table for all of them. */
static int rule(scmp_filter_ctx f, uint32_t action, const struct call_rule *a, struct err *e)
{
	int nr = seccomp_syscall_resolve_name(a->call);
	struct scmp_arg_cmp cmp = SCMP_CMP64(a->arg, SCMP_CMP_MASKED_EQ, a->mask, a->value);
	int r;

	if (nr == __NR_SCMP_ERROR) /* other negative ones: libseccomp resolves them for each
				      architecture */
		return 0;
	r = seccomp_rule_add_array(f, action, nr, a->mask ? 1 : 0, &cmp);
	return r && r != -EEXIST ? filter_err(r, a->call, e) : 0;
}

static int rules(scmp_filter_ctx f, uint32_t action, const struct call_rule *at, struct err *e)
{
	int r = 0;

	for (; at && at->call && !r; at++)
		r = rule(f, action, at, e);
	return r;
}

/* For all threads; whoever comes over another architecture's gate is killed like for a wrong call.
 */
static int load(scmp_filter_ctx f, struct err *e)
{
	int r = seccomp_attr_set(f, SCMP_FLTATR_API_SYSRAWRC, 1);

	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!r)
		r = seccomp_load(f);
	return r ? err_set(e, -r, "cannot load the system call filter: %s", words(r)) : 0;
}

/* What no table can say: the own number, and clone3, whose flags are out of a filter's sight (glibc
 * falls back to clone). */
static int special_rules(scmp_filter_ctx f, enum sandbox_kind kind, struct err *e)
{
	const struct call_rule own = { "tgkill", 0, WHOLE_WORD, (uint32_t)getpid() };
	static const struct call_rule clone3 = { "clone3", ANY_ARG };
	int r = rule(f, SCMP_ACT_ALLOW, &own, e);

	if (!r && kind == SANDBOX_PROBER)
		r = rule(f, SCMP_ACT_ERRNO(ENOSYS), &clone3, e);
	return r;
}

int sandbox_allow(enum sandbox_kind kind, const struct call_rule *const *more, size_t n,
		  struct err *e)
{
	AUTO(filter_free) scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = f ? 0 : err_set(e, ENOMEM, "no memory for the system call filter");

	for (const struct sandbox_row *row = sandbox_table; row->who && !r; row++) {
		if (row->who >> kind & 1)
			r = rule(f, SCMP_ACT_ALLOW, &row->rule, e);
	}
	for (size_t i = 0; i < n && !r; i++)
		r = rules(f, SCMP_ACT_ALLOW, more[i], e);
	if (!r)
		r = special_rules(f, kind, e);
	return r ? r : load(f, e);
}

/* Programs of the machine's other word size run under the same list instead of being killed. */
static int add_arches(scmp_filter_ctx f, struct err *e)
{
	static const uint32_t more[][2] = {
		{ SCMP_ARCH_X86_64, SCMP_ARCH_X86 },
		{ SCMP_ARCH_X86_64, SCMP_ARCH_X32 },
		{ SCMP_ARCH_AARCH64, SCMP_ARCH_ARM },
	};

	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		int r = more[i][0] == seccomp_arch_native() ? seccomp_arch_add(f, more[i][1]) : 0;

		if (r && r != -EEXIST)
			return filter_err(r, "architecture", e);
	}
	return 0;
}

int sandbox_deny_command(struct err *e)
{
	AUTO(filter_free) scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	static const struct call_rule clone3 = { "clone3", ANY_ARG };
	int r;

	if (!f)
		return err_set(e, ENOMEM, "no memory for the system call filter");
	r = add_arches(f, e);
	if (!r)
		r = rules(f, SCMP_ACT_ERRNO(EPERM), sandbox_denied, e);
	if (!r)
		r = rule(f, SCMP_ACT_ERRNO(ENOSYS), &clone3, e);
	return r ? r : load(f, e);
}
