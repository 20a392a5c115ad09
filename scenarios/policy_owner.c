/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>

#include "base/io.h"
#include "inject/cgroup.h"
#include "inject/proc_fs.h"
#include "scenarios/policy_parts.h"

/*
 * A network fault that is aimed at sockets: of a user, of a cgroup (a unit, a container, a process
 * are found as cgroups), or of the user's in the cgroup.
 */
struct aim {
	bool by_user, by_cgroup;
	uint32_t uid;
	const char *cgroup;
};

static struct aim aim_of(const struct touch *t)
{
	uint32_t given = t->gate->only.given;

	return (struct aim){ .by_user = given & GATE_USER,
			     .by_cgroup = given & GATE_CGROUP,
			     .uid = t->gate->only.uid,
			     .cgroup = t->owner ? t->owner : "" };
}

struct looking {
	const struct aim *aim;
	const struct policy_rule *r; /* one of its keys is asked for */
	char key;
	int proc;
};

static bool is_asked_for(const struct looking *k, uint32_t uid, const char *groups)
{
	switch (k->key) {
	case 'u':
		return uid == k->r->uid;
	case 'c':
		return proc_cgroup_within(groups, k->r->cgroup);
	default:
		return unit_on_the_way(k->r->unit, groups);
	}
}

/* One that has gone meanwhile is none. */
static int look_at(void *arg, int32_t pid)
{
	const struct looking *k = arg;
	AUTO(auto_close) int dir = proc_dir_open(k->proc, pid);
	char groups[8192];
	int32_t tgid;
	uint32_t uid;

	if (dir < 0 || proc_ids(dir, &tgid, &uid) < 0 ||
	    io_read_file(dir, "cgroup", groups, sizeof(groups)) <= 0)
		return 0;
	if ((k->aim->by_user && uid != k->aim->uid) ||
	    (k->aim->by_cgroup && !proc_cgroup_within(groups, k->aim->cgroup)))
		return 0;
	return is_asked_for(k, uid, groups);
}

/* Is any process, of those whose sockets are aimed at, one of the rule's now? Where it cannot be
 * told, it is. */
static bool has_process(const struct aim *aim, const struct policy_rule *r, char key)
{
	struct err ignored;
	AUTO(auto_close) int proc = proc_fs_open(&ignored);
	struct looking k = { aim, r, key, proc };

	return proc < 0 || proc_each(proc, look_at, &k) != 0;
}

static bool user_fits(const struct aim *aim, const struct policy_rule *r, bool sure)
{
	if (aim->by_user)
		return aim->uid == r->uid;
	return !sure && (!aim->cgroup[0] || has_process(aim, r, 'u'));
}

/* A fault on a cgroup is one on all below it. */
static bool related(const char *aim, const char *rule, bool sure)
{
	return path_is_below(aim, rule) || (!sure && path_is_below(rule, aim));
}

static bool cgroup_fits(const struct aim *aim, const struct policy_rule *r, bool sure)
{
	char buf[PATH_MAX];

	if (!aim->by_cgroup)
		return !sure && has_process(aim, r, 'c');
	if (!aim->cgroup[0])
		return !sure;
	return related(aim->cgroup, policy_cgroup(r->cgroup, buf), sure);
}

struct unit_search {
	const char *unit, *within;
	bool runs;
};

static int find_unit(void *arg, const char *path, uint64_t ino)
{
	struct unit_search *s = arg;
	const char *name = strrchr(path, '/');

	(void)ino;
	if (!name || fnmatch(s->unit, name + 1, FNM_NOESCAPE) != 0)
		return 0;
	s->runs = true;
	return path_is_below(path, s->within);
}

/* systemd starts units in slices only: systemd.slice(5). One that runs elsewhere will not be in
 * this one. */
static bool unit_may_be_below(const char *unit, const char *cgroup)
{
	struct unit_search s = { .unit = unit, .within = cgroup };
	size_t len = strlen(cgroup), end = strlen(".slice");
	bool slice = len >= end && strcmp(cgroup + len - end, ".slice") == 0,
	     one = !strpbrk(unit, "*?[");

	if (cgroup2_each("", find_unit, &s) != 0)
		return true;
	return slice && !(one && s.runs);
}

static bool unit_fits(const struct aim *aim, const struct policy_rule *r, bool sure)
{
	if (!aim->by_cgroup)
		return !sure && has_process(aim, r, 'n');
	if (!aim->cgroup[0])
		return !sure;
	return unit_on_the_way(r->unit, aim->cgroup) ||
	       (!sure && unit_may_be_below(r->unit, aim->cgroup));
}

bool owner_fits(const struct policy_rule *r, const struct touch *t, bool sure)
{
	struct aim aim;

	/* netem, and a gate that asks for a tag: another gate of the same fault knows whose */
	if (!t->gate || (t->gate->tag && t->gate->action != GATE_TAG))
		return sure;
	aim = aim_of(t);
	if (!aim.by_user && !aim.by_cgroup)
		return false;
	return (!r->user || user_fits(&aim, r, sure)) &&
	       (!r->cgroup || cgroup_fits(&aim, r, sure)) && (!r->unit || unit_fits(&aim, r, sure));
}
