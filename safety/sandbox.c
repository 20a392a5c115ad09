/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "base/io.h"

#define UID_NOBODY 65534

/* user_namespaces(7): "first-id-inside first-id-outside count" lines. Unreadable counts as mapped:
 * the kernel decides. */
static bool id_mapped(const char *map_path, uint32_t id)
{
	char map[4096];
	unsigned long inside, count;

	if (io_read_file(AT_FDCWD, map_path, map, sizeof(map)) < 0)
		return true;
	for (const char *line = map; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%lu %*u %lu", &inside, &count) == 2 && id >= inside &&
		    id - inside < count)
			return true;
	}
	return false;
}

static int user_fill(struct probe_user *u, const struct passwd *pw, struct err *e)
{
	int n = PROBE_GROUPS;

	*u = (struct probe_user){ .uid = pw->pw_uid, .gid = pw->pw_gid };
	snprintf(u->name, sizeof(u->name), "%s", pw->pw_name);
	if (getgrouplist(pw->pw_name, pw->pw_gid, u->groups, &n) < 0)
		return err_set(e, E2BIG, "user '%s' is in more than %d groups", u->name,
			       PROBE_GROUPS);
	u->n_groups = (uint32_t)n;
	return 0;
}

/* A user without a name in the user database. */
static void user_number(struct probe_user *u, uid_t uid, gid_t gid)
{
	*u = (struct probe_user){ .uid = uid, .gid = gid };
	snprintf(u->name, sizeof(u->name), "%u", uid);
}

/* The caller, with the groups that it has now. */
static int user_self(struct probe_user *u, struct err *e)
{
	const struct passwd *pw = getpwuid(geteuid());
	int n;

	user_number(u, geteuid(), getegid());
	if (pw)
		snprintf(u->name, sizeof(u->name), "%s", pw->pw_name);
	n = getgroups(PROBE_GROUPS, u->groups);
	if (n < 0 &&
	    errno != EINVAL) /* EINVAL: more than fit; they are kept anyway, see become_ids */
		return err_sys(e, "cannot read the groups of this process");
	u->n_groups = n < 0 ? 0 : (uint32_t)n;
	return 0;
}

/* A decimal ID from 1 up; 0 when s is none. */
static uint32_t id_parse(const char *s)
{
	char *end;
	unsigned long v;

	if (!s || *s < '0' || *s > '9')
		return 0;
	errno = 0;
	v = strtoul(s, &end, 10);
	return *end || errno || v >= UINT32_MAX ? 0 : (uint32_t)v;
}

int probe_user_find(struct probe_user *ret, struct err *e)
{
	uid_t uid = id_parse(getenv("SUDO_UID"));
	gid_t gid = id_parse(getenv("SUDO_GID"));
	const struct passwd *pw;

	if (geteuid() != 0)
		return user_self(ret, e);
	if (!uid || !id_mapped("/proc/self/uid_map", uid)) {
		pw = getpwnam("nobody");
		uid = pw ? pw->pw_uid : UID_NOBODY;
		gid = pw ? pw->pw_gid : UID_NOBODY;
	}
	if (!id_mapped("/proc/self/uid_map", uid))
		return user_self(ret, e);
	pw = getpwuid(uid);
	if (pw)
		return user_fill(ret, pw, e);
	user_number(ret, uid, gid ? gid : UID_NOBODY);
	return 0;
}

int probe_user_named(const char *name, struct probe_user *ret, struct err *e)
{
	const struct passwd *pw = getpwnam(name);
	uint32_t uid = id_parse(name);

	if (!pw && uid)
		pw = getpwuid(uid);
	if (!pw)
		return err_set(e, ENOENT, "there is no user '%s'", name);
	if (pw->pw_uid == geteuid())
		return user_self(ret, e);
	if (geteuid() != 0)
		return err_set(e, EACCES, "only root can run a check as '%s' (needs CAP_SETUID)",
			       name); /* EPERM is what a policy or the shield says */
	return user_fill(ret, pw, e);
}

/* The capability's name: static storage in libcap's way is heap, so a small buffer. */
static const char *cap_word(unsigned n, char *buf, size_t size)
{
	char *name = cap_to_name((cap_value_t)n);

	snprintf(buf, size, "%s", name ? name : "?");
	cap_free(name);
	return buf;
}

static void caps_free(cap_t *c)
{
	int saved = errno;

	cap_free(*c);
	errno = saved;
}

/*
 * Takes what is not in caps out of the bounding set. Without CAP_SETPCAP that cannot be done: then
 * no_new_privs, by which exec gives nothing.
 */
static int bounding_keep(uint64_t caps, struct err *e)
{
	AUTO(caps_free) cap_t now = cap_get_proc();
	cap_flag_value_t may = CAP_CLEAR;
	char word[32];

	if (!now || cap_get_flag(now, CAP_SETPCAP, CAP_EFFECTIVE, &may))
		return err_sys(e, "cannot read the capabilities of this process");
	if (may != CAP_SET) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
			return err_sys(e, "cannot set no_new_privs");
		return 0;
	}
	for (unsigned n = 0; cap_get_bound((cap_value_t)n) >= 0; n++) {
		if (n < 64 && caps >> n & 1)
			continue;
		if (cap_get_bound((cap_value_t)n) && cap_drop_bound((cap_value_t)n))
			return err_sys(e, "cannot take '%s' out of the bounding set",
				       cap_word(n, word, sizeof(word)));
	}
	return 0;
}

static int caps_set(uint64_t caps, struct err *e)
{
	AUTO(caps_free) cap_t set = cap_init();
	char word[32];

	if (!set)
		return err_sys(e, "cannot make a capability set");
	for (unsigned n = 0; n < 64; n++) {
		cap_value_t v = (cap_value_t)n;

		if (!(caps >> n & 1))
			continue;
		if (cap_set_flag(set, CAP_PERMITTED, 1, &v, CAP_SET) ||
		    cap_set_flag(set, CAP_EFFECTIVE, 1, &v, CAP_SET))
			return err_sys(e, "cannot name '%s'", cap_word(n, word, sizeof(word)));
	}
	/* Ambient first: kernels before 4.3 do not know it (EINVAL) and have none. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && errno != EINVAL)
		return err_sys(e, "cannot empty the ambient capabilities");
	if (cap_set_proc(set))
		return err_sys(e, "cannot keep only the capabilities 0x%llx",
			       (unsigned long long)caps);
	return 0;
}

/* What the kernel says now, bit by bit. */
static int caps_verify(uint64_t caps, struct err *e)
{
	static const cap_flag_t flags[] = { CAP_PERMITTED, CAP_EFFECTIVE, CAP_INHERITABLE };
	AUTO(caps_free) cap_t now = cap_get_proc();
	char word[32];

	if (!now)
		return err_sys(e, "cannot read the capabilities of this process");
	for (unsigned n = 0; n < 64; n++) {
		for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
			bool want = flags[i] != CAP_INHERITABLE && caps >> n & 1;
			cap_flag_value_t has = CAP_CLEAR;

			if (cap_get_flag(now, (cap_value_t)n, flags[i],
					 &has)) /* no such capability */
				has = CAP_CLEAR;
			if ((has == CAP_SET) != want)
				return err_set(e, EPERM, "capability '%s' is %s after dropping",
					       cap_word(n, word, sizeof(word)),
					       want ? "missing" : "left");
		}
	}
	return 0;
}

int sandbox_keep_caps(uint64_t caps, struct err *e)
{
	int r = bounding_keep(caps, e);

	if (!r)
		r = caps_set(caps, e);
	return r ? r : caps_verify(caps, e);
}

static bool is_user(const struct probe_user *u)
{
	uid_t r, ef, s;
	gid_t gr, ge, gs;

	return !getresuid(&r, &ef, &s) && !getresgid(&gr, &ge, &gs) && r == u->uid &&
	       ef == u->uid && s == u->uid && gr == u->gid && ge == u->gid && gs == u->gid;
}

int sandbox_permitted(uint64_t *ret, struct err *e)
{
	AUTO(caps_free) cap_t now = cap_get_proc();
	uint64_t set = 0;

	if (!now) /* not "none": that would be given up for ever */
		return err_sys(e, "cannot read the capabilities of this process");
	for (cap_value_t c = 0; c < 64; c++) {
		cap_flag_value_t on = CAP_CLEAR;

		if (cap_get_flag(now, c, CAP_PERMITTED, &on) == 0 && on == CAP_SET)
			set |= UINT64_C(1) << c;
	}
	*ret = set;
	return 0;
}

int sandbox_keep_permitted(uint64_t caps, struct err *e)
{
	uint64_t permitted = 0;
	int r = sandbox_permitted(&permitted, e);

	return r ? r : sandbox_keep_caps(caps & permitted, e);
}

int sandbox_effect(uint64_t caps, struct err *e)
{
	AUTO(caps_free) cap_t now = cap_get_proc();
	uint64_t on = 0;
	int r = sandbox_permitted(&on, e);

	if (r)
		return r;
	on &= caps;
	if (!now || cap_clear_flag(now, CAP_EFFECTIVE))
		return err_sys(e, "cannot read the capabilities of this process");
	for (cap_value_t c = 0; c < 64; c++) {
		if ((on >> c & 1) && cap_set_flag(now, CAP_EFFECTIVE, 1, &c, CAP_SET))
			return err_sys(e, "cannot name a capability");
	}
	return cap_set_proc(now) ? err_sys(e, "cannot change the effective capabilities") : 0;
}

static int become_ids(const struct probe_user *u, struct err *e)
{
	if (is_user(u)) /* its groups are its own already; a user namespace may forbid to set them
			 */
		return 0;
	if ((u->uid != geteuid() || u->gid != getegid()) && setgroups(u->n_groups, u->groups))
		return err_sys(e, "cannot take the groups of '%s'", u->name);
	if (setresgid(u->gid, u->gid, u->gid) || setresuid(u->uid, u->uid, u->uid))
		return err_sys(e, "cannot become '%s'", u->name);
	return is_user(u) ? 0 : err_set(e, EPERM, "did not become '%s'", u->name);
}

int sandbox_become(const struct probe_user *u, struct err *e)
{
	int r = bounding_keep(0, e); /* needs CAP_SETPCAP, which goes with the uid */

	if (!r)
		r = become_ids(u, e);
	if (!r)
		r = sandbox_keep_caps(0, e);
	if (r)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return err_sys(e, "cannot set no_new_privs");
	return 0;
}
