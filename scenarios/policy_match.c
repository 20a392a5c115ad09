/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "inject/cgroup.h"
#include "inject/change/fill.h"
#include "inject/change/nft_sets.h"
#include "inject/net_overlap.h"
#include "inject/proc_fs.h"
#include "scenarios/policy_parts.h"

/* Below this a port is that of a service (ip_local_port_range begins there): the other end is its
 * client. */
#define SERVICE_PORTS 32768

static bool within(const struct net_prefix *in, const struct net_prefix *out)
{
	return in->len >= out->len && net_prefix_overlap(in, out);
}

/* One end of what a gate chooses. */
struct gate_end {
	const struct net_prefix *p;
	unsigned n;      /* 0 = any address */
	uint16_t lo, hi; /* 0, 0 = any port */
};

static bool any_prefix(const struct endpoint *d, const struct net_prefix *p,
		       bool (*test)(const struct net_prefix *, const struct net_prefix *))
{
	for (unsigned i = 0; i < d->n_prefixes; i++) {
		if (test(p, &d->prefix[i]))
			return true;
	}
	return false;
}

static bool end_may_hit(const struct endpoint *d, const struct gate_end *end)
{
	bool address = !d->n_prefixes || !end->n;

	for (unsigned i = 0; i < end->n && !address; i++)
		address = any_prefix(d, &end->p[i], net_prefix_overlap);
	return address &&
	       (!d->port_hi || !end->hi || (end->lo <= d->port_hi && d->port_lo <= end->hi));
}

static bool end_covered(const struct endpoint *d, const struct gate_end *end)
{
	if (d->n_prefixes && !end->n)
		return false;
	for (unsigned i = 0; i < end->n && d->n_prefixes; i++) {
		if (!any_prefix(d, &end->p[i], within))
			return false;
	}
	return !d->port_hi || (end->hi && end->lo >= d->port_lo && end->hi <= d->port_hi);
}

/*
 * Is an end that the fault leaves open to be taken as "any"? Not where the fault says at the other
 * end whose packets it wants: else `deny: *:22` would refuse every fault on a database, because a
 * client could sit on port 22.
 */
static bool counts(const struct endpoint *d, const struct gate_end *end,
		   const struct gate_end *other)
{
	if (d->port_hi)
		return end->hi || !other->hi || other->hi >= SERVICE_PORTS;
	return end->n || !other->n;
}

static bool has_ports(uint8_t proto)
{
	return proto != IPPROTO_ICMP && proto != IPPROTO_ICMPV6;
}

static void ends_of(const struct touch *t, struct gate_end ret[2])
{
	const struct net_match *m = t->match;

	ret[0] = (struct gate_end){ gate_list_of(t->gate, t->pool, m->dst_first, m->dst_n).at,
				    m->dst_n, m->dport_lo, m->dport_hi };
	ret[1] = (struct gate_end){ gate_list_of(t->gate, t->pool, m->src_first, m->src_n).at,
				    m->src_n, m->sport_lo, m->sport_hi };
}

static bool flow_may_hit(const struct endpoint *d, const struct touch *t)
{
	struct gate_end end[2];
	uint8_t proto;

	if (!t->match) /* netem: its packets are chosen by a gate of the same fault */
		return false;
	proto = t->match->proto;
	if (!net_protos_meet(d->proto, proto) || (d->port_hi && !has_ports(proto)))
		return false;
	ends_of(t, end);
	return (counts(d, &end[0], &end[1]) && end_may_hit(d, &end[0])) ||
	       (counts(d, &end[1], &end[0]) && end_may_hit(d, &end[1]));
}

static bool only_ipv4(const struct gate_end *end)
{
	for (unsigned i = 0; i < end->n; i++) {
		if (end->p[i].family != 4)
			return false;
	}
	return end->n > 0;
}

static bool flow_covers(const struct endpoint *d, const struct touch *t)
{
	struct gate_end end[2];

	if (!t->match)
		return true;
	ends_of(t, end);
	if (d->proto && d->proto != t->match->proto)
		return false;
	/* icmp of a fault is ICMPv6 too: no rule about one of them covers both */
	if (d->proto == IPPROTO_ICMP && !only_ipv4(&end[0]) && !only_ipv4(&end[1]))
		return false;
	return end_covered(d, &end[0]) || end_covered(d, &end[1]);
}

bool path_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool is_root_path(const char *path)
{
	return path[strspn(path, "/")] == '\0';
}

/* Without links, where it can be found. */
static const char *resolved(const char *path, char buf[PATH_MAX])
{
	return realpath(path, buf) ? buf : path;
}

/* "/": its file system, not everything; otherwise both the tree and the file system that it lies
 * on. */
static int fill_may_hit(const char *path, const struct fill_spec *f, struct err *e)
{
	char a[PATH_MAX], b[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0) {
		if (st.st_dev == f->dev || fill_same_space(path, f->path))
			return 1;
	} else if (errno != ENOENT && errno != ENOTDIR) {
		return err_sys(e, "cannot tell whether '%.80s' is touched", path);
	}
	return !is_root_path(path) && path_is_below(resolved(f->path, a), resolved(path, b));
}

/* Also where it was replaced meanwhile, as by an upgrade: proc_pid_exe(5). */
static bool runs_below(const char *path, const char *exe)
{
	static const char deleted[] = " (deleted)";
	size_t n = strlen(exe), end = sizeof(deleted) - 1;
	char buf[PATH_MAX], was[PATH_MAX];
	const char *real = resolved(path, buf);

	if (path_is_below(exe, path) || path_is_below(exe, real))
		return true;
	if (n <= end || strcmp(exe + n - end, deleted) != 0)
		return false;
	snprintf(was, sizeof(was), "%.*s", (int)(n - end), exe);
	return path_is_below(was, path) || path_is_below(was, real);
}

static int path_may_hit(const char *path, const struct touch *t, struct err *e)
{
	if (t->family == TOUCH_DISK)
		return fill_may_hit(path, t->fill, e);
	if (t->family != TOUCH_PROC || is_root_path(path))
		return 0;
	return !t->exe[0] || runs_below(path, t->exe);
}

static bool path_covers(const char *path, const struct touch *t)
{
	char a[PATH_MAX], b[PATH_MAX];

	if (t->family == TOUCH_DISK)
		return path_is_below(resolved(t->fill->path, a), resolved(path, b));
	return t->family == TOUCH_PROC && t->exe[0] && runs_below(path, t->exe);
}

/* A cgroup is named by its path in the hierarchy, or (a freezer) by its directory. Root's:
 * everything is in it. */
static int cgroup_dir(const char *cgroup, char *ret, size_t size)
{
	int rc = is_root_path(cgroup) ? -ENOENT : cgroup2_path(cgroup, ret, size);

	if (rc < 0)
		snprintf(ret, size, "%s", cgroup);
	return rc;
}

/* One that will be in t->cgroup: could it be in ours, or in one below? */
static bool later_in(const char *cgroup, const struct touch *t, bool sure)
{
	char dir[PATH_MAX], their[PATH_MAX];
	const char *at = t->cgroup;

	if (!at[0])
		return is_root_path(cgroup) || !sure;
	cgroup_dir(cgroup, dir, sizeof(dir));
	if (!path_is_below(at, dir) && cgroup_dir(at, their, sizeof(their)) == 0 &&
	    path_is_below(their, dir))
		at = their;
	return path_is_below(at, cgroup) || path_is_below(at, dir) ||
	       (!sure && (path_is_below(cgroup, at) || path_is_below(dir, at)));
}

const char *policy_cgroup(const char *rule, char buf[PATH_MAX])
{
	char top[PATH_MAX];
	size_t n = 0;

	for (const char *c = rule; *c && n + 1 < PATH_MAX; c++) {
		if (c[0] == '/' && (c[1] == '/' || (c[1] == '.' && (c[2] == '/' || !c[2])))) {
			c += c[1] == '.'; /* "/./" is "/" */
			continue;
		}
		buf[n++] = *c;
	}
	buf[n] = '\0';
	if (cgroup2_path("/x", top, sizeof(top)) == 0) {
		size_t len = strlen(top) - strlen("/x");

		top[len] = '\0';
		if (len && path_is_below(buf, top))
			memmove(buf, buf + len, n - len + 1);
	}
	return buf[0] ? buf : "/";
}

static bool cgroup_is(const char *rule, const struct touch *t, bool sure)
{
	char buf[PATH_MAX];
	const char *cgroup = policy_cgroup(rule, buf);

	if (!t->pid)
		return later_in(cgroup, t, sure);
	return t->groups[0] ? proc_cgroup_within(t->groups, cgroup) : !sure;
}

bool unit_on_the_way(const char *unit, const char *groups)
{
	char part[256];

	/* a path, or lines of cgroups(7) that have one each: "0::/system.slice/web.service"; names
	 * of units have ':' and '\\' in them */
	for (const char *at = groups; *at; at += *at != '\0') {
		size_t n;

		if (at == groups || at[-1] == '\n')
			at += strcspn(at, "/\n");
		n = strcspn(at, "/\n");
		if (n && n < sizeof(part)) {
			memcpy(part, at, n);
			part[n] = '\0';
			if (fnmatch(unit, part, FNM_NOESCAPE) == 0)
				return true;
		}
		at += n;
	}
	return false;
}

/* One that is found later may be in a cgroup below. */
static bool unit_is(const char *unit, const struct touch *t, bool sure)
{
	const char *groups = t->pid ? t->groups : t->cgroup;

	return unit_on_the_way(unit, groups) || (!sure && (!groups[0] || !t->pid));
}

/* What the rule says of users, cgroups and units. */
static bool owner_is(const struct policy_rule *r, const struct touch *t, bool sure)
{
	if (!r->user && !r->cgroup && !r->unit)
		return true;
	if (t->family == TOUCH_NET)
		return owner_fits(r, t, sure);
	if (t->family != TOUCH_PROC)
		return false;
	if (r->user && t->uid != r->uid && (sure || t->uid >= 0))
		return false;
	return (!r->cgroup || cgroup_is(r->cgroup, t, sure)) &&
	       (!r->unit || unit_is(r->unit, t, sure));
}

int rule_may_hit(const struct policy_rule *r, const struct touch *t, struct err *e)
{
	if (r->fault && fnmatch(r->fault, t->fault, 0) != 0)
		return 0;
	if (r->device &&
	    (t->family != TOUCH_NET || (t->device[0] && fnmatch(r->device, t->device, 0) != 0)))
		return 0;
	if (r->flow && (t->family != TOUCH_NET || !flow_may_hit(&r->end, t)))
		return 0;
	if (!owner_is(r, t, false))
		return 0;
	return r->path ? path_may_hit(r->path, t, e) : 1;
}

/* "*" alone fits a gate that stands on every device. */
static bool device_covers(const char *pattern, const char *device)
{
	return device[0] ? fnmatch(pattern, device, 0) == 0 : strcmp(pattern, "*") == 0;
}

bool rule_covers(const struct policy_rule *r, const struct touch *t)
{
	if (r->fault && fnmatch(r->fault, t->fault, 0) != 0)
		return 0;
	if (r->device && (t->family != TOUCH_NET || !device_covers(r->device, t->device)))
		return 0;
	if (r->flow && (t->family != TOUCH_NET || !flow_covers(&r->end, t)))
		return 0;
	if (!owner_is(r, t, true))
		return 0;
	return !r->path || path_covers(r->path, t);
}
