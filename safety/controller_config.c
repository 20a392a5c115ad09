/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/controller_config.h"

#include <errno.h>

#include "base/clock.h"

#define MAX_TIME_NS (INT64_C(366) * 24 * 3600 * NS_PER_S)
#define MAX_COUNT   10000U

static bool is_time(int64_t ns)
{
	return ns >= 0 && ns <= MAX_TIME_NS;
}

static void give(int64_t *value, int64_t dflt)
{
	if (!*value)
		*value = dflt;
}

int ctl_check_fill(struct ctl_check *k, struct err *e)
{
	if (!k->fail_after)
		k->fail_after = 3;
	if (!k->pass_after)
		k->pass_after = 1;
	if (k->fail_after > MAX_COUNT || k->pass_after > MAX_COUNT)
		return err_set(e, EINVAL, "a count of samples is above %u", MAX_COUNT);
	if (k->every_ns <= 0 || !is_time(k->every_ns) || !is_time(k->timeout_ns))
		return err_set(e, EINVAL, "every or timeout is out of range");
	return 0;
}

static int recover_check(const struct ctl_config *cfg, const struct ctl_recover *r, struct err *e)
{
	size_t n = r->checks ? r->nchecks : 0;

	if (!r->given)
		return 0;
	if (r->within_ns <= 0 || !is_time(r->within_ns) || !is_time(r->stable_ns) ||
	    r->stable_checks > MAX_COUNT)
		return err_set(e, EINVAL, "recovers_within is out of range");
	for (size_t i = 0; r->checks && i < r->nchecks; i++) {
		if (r->checks[i] >= cfg->nchecks)
			return err_set(e, EINVAL, "recovers_within names no check");
	}
	for (size_t i = 0; !r->checks && i < cfg->nchecks; i++)
		n += cfg->checks[i].gate;
	return n ? 0 : err_set(e, EINVAL, "recovers_within has no check to watch");
}

int ctl_fault_check(const struct ctl_config *cfg, const struct ctl_fault *f, struct err *e)
{
	if (!is_time(f->after_ns) || !is_time(f->for_ns) || !is_time(f->land_ns) ||
	    !is_time(f->drain_ns))
		return err_set(e, EINVAL, "after, for, land or drain is out of range");
	if (!f->one_shot && !f->for_ns)
		return err_set(e, EINVAL, "no end");
	return recover_check(cfg, &f->recover, e);
}

int ctl_rule_check(const struct ctl_config *cfg, const struct ctl_rule *r, struct err *e)
{
	if (r->check >= cfg->nchecks)
		return err_set(e, EINVAL, "names no check");
	return is_time(r->for_ns) ? 0 : err_set(e, EINVAL, "for is out of range");
}

int64_t ctl_check_gap_ns(const struct ctl_check *k)
{
	return k->timeout_ns + 2 * k->every_ns;
}

int64_t ctl_times(int64_t n, int64_t ns)
{
	return ns > MAX_TIME_NS / n ? MAX_TIME_NS : n * ns;
}

int64_t ctl_before_default(const struct ctl_config *cfg)
{
	int64_t longest = NS_PER_S;

	for (size_t i = 0; i < cfg->nchecks; i++) {
		const struct ctl_check *k = &cfg->checks[i];
		int64_t t =
			ctl_times((int64_t)k->pass_after + k->fail_after + 1, ctl_check_gap_ns(k));

		if (k->gate && t > longest)
			longest = t;
	}
	return longest;
}

int ctl_config_fill(struct ctl_config *cfg, struct err *e)
{
	const int64_t times[] = { cfg->limit_ns, cfg->before_ns, cfg->arm_ns,  cfg->live_ns,
				  cfg->undo_ns,  cfg->finish_ns, cfg->watch_ns };

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (!is_time(times[i]))
			return err_set(e, EINVAL, "a limit of the run is out of range");
	}
	if (cfg->nchecks > CTL_MAX_ITEMS || cfg->nfaults > CTL_MAX_ITEMS ||
	    cfg->nrules > CTL_MAX_ITEMS)
		return err_set(e, EINVAL, "more than %u checks, faults or rules", CTL_MAX_ITEMS);
	if (cfg->hold_command && !cfg->limit_ns)
		return err_set(e, EINVAL, "a command without a limit");
	give(&cfg->arm_ns, 60 * NS_PER_S);
	give(&cfg->live_ns, 10 * NS_PER_S);
	give(&cfg->undo_ns, 30 * NS_PER_S);
	give(&cfg->finish_ns, 60 * NS_PER_S);
	give(&cfg->watch_ns, 15 * NS_PER_S);
	return 0;
}
