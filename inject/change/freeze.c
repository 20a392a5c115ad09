/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/freeze.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/change/kinds.h"
#include "inject/change/proc_state.h"
#include "inject/proc_fs.h"

/* A whole cgroup by the v2 freezer. The kernel keeps it frozen whoever dies: guarded. */
#define FREEZE_NS (2 * NS_PER_S)
#define STEP_NS   (20 * NS_PER_MS)
#define DEPTH     32
#define PID_BOUND (INT32_MAX / 10 - 1) /* one more digit fits; far above PID_MAX_LIMIT */

struct freeze_live {
	int dir, knob; /* the directory; its cgroup.freeze */
	bool written;  /* and not taken back */
	bool firing;
	unsigned n_procs; /* that it froze */
	int64_t deadline_ns;
};

static const struct freeze_spec *spec_of(const struct change *c)
{
	return &c->spec->u.freeze;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* -ESTALE: on another file system than the cgroup. */
static int check_place(int fd, uint64_t dev, uint64_t *ret_ino)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	*ret_ino = st.st_ino;
	return fs.f_type == CGROUP2_SUPER_MAGIC && st.st_dev == dev ? 0 : -ESTALE;
}

/* What there is of the path: itself, or the nearest directory above. */
static int open_nearest(const char *cgroup)
{
	char path[sizeof(((struct freeze_spec *)NULL)->cgroup)];
	size_t len = strnlen(cgroup, sizeof(path) - 1);
	int fd;

	memcpy(path, cgroup, len);
	path[len] = '\0';
	while ((fd = open_dir(path)) == -ENOENT || fd == -ENOTDIR) {
		while (len && path[len - 1] != '/')
			len--;
		if (len < 2)
			return -ESTALE;
		path[--len] = '\0';
	}
	return fd;
}

/* The highest cgroup that can be seen from here. */
static int open_top(int dir, uint64_t dev)
{
	AUTO(auto_close) int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; fd >= 0; i++) {
		AUTO(auto_close) int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		uint64_t ino;

		if (up < 0 || check_place(up, dev, &ino) < 0)
			break;
		if (i == DEPTH)
			return -ELOOP;
		close(fd);
		fd = take_fd(&up);
	}
	return fd < 0 ? -errno : take_fd(&fd);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as cgroups are, at most DEPTH */
static int find_below(int dir, uint64_t ino, unsigned depth)
{
	_Alignas(struct dirent64) char buf[4096];
	ssize_t n;

	if (depth == DEPTH)
		return -ELOOP;
	while ((n = getdents64(dir, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(buf + at);
			AUTO(auto_close) int child = -1;
			int found;

			at += d->d_reclen;
			if (d->d_type != DT_DIR || d->d_name[0] == '.')
				continue;
			child = openat(dir, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (child < 0 && (errno == ENOENT || errno == EACCES)) /* EACCES: a user */
				continue;
			if (child < 0)
				return -errno;
			found = d->d_ino == ino ? take_fd(&child) :
						  find_below(child, ino, depth + 1);
			if (found != -ENOENT)
				return found;
		}
	}
	return n < 0 && errno != ENOENT ? -errno : -ENOENT;
}

/*
 * In a cgroup namespace or below another mount it had another path: where its own does not lead to
 * it, it is looked for among all that stand on its file system.
 */
int freeze_open(const char *cgroup, uint64_t dev, uint64_t ino)
{
	AUTO(auto_close) int fd = open_nearest(cgroup);
	AUTO(auto_close) int top = -1;
	uint64_t found = 0;
	int rc;

	if (fd < 0)
		return fd;
	rc = check_place(fd, dev, &found);
	if (rc < 0)
		return rc;
	if (found == ino)
		return take_fd(&fd);
	top = open_top(fd, dev);
	return top < 0 ? top : find_below(top, ino, 0);
}

int freeze_read(int dir, bool *ret_asked, bool *ret_frozen)
{
	char knob[16], events[256];
	ssize_t n = io_read_file(dir, "cgroup.freeze", knob, sizeof(knob));

	if (n >= 0)
		n = io_read_file(dir, "cgroup.events", events, sizeof(events));
	if (n < 0) /* ENODEV: removed while it was open */
		return n == -ENODEV ? -ENOENT : (int)n;
	*ret_asked = knob[0] == '1';
	*ret_frozen = strstr(events, "frozen 1") != NULL;
	if ((!*ret_asked && knob[0] != '0') || (!*ret_frozen && !strstr(events, "frozen 0")))
		return -EBADMSG;
	return 0;
}

/* Is a cgroup above this one frozen? Then it stays frozen whatever its own knob says. */
static bool frozen_above(int dir)
{
	char path[(size_t)3 * DEPTH + sizeof("cgroup.freeze")] = "";
	char knob[16];

	for (unsigned i = 0; i < DEPTH; i++) {
		size_t len = 3 * (size_t)(i + 1);

		memcpy(path + len - 3, "../", 3);
		memcpy(path + len, "cgroup.freeze", sizeof("cgroup.freeze"));
		if (io_read_file(dir, path, knob, sizeof(knob)) < 0)
			return false; /* the root has none */
		if (knob[0] == '1')
			return true;
	}
	return false;
}

static int check_pid(struct freeze_check *k, int32_t pid, struct err *e)
{
	const char *why = "brink itself";
	struct proc_stat stat;
	char name[128];
	struct text t = text_on(name, sizeof(name));
	int rc;

	k->n_procs++;
	if (!pid) /* of a PID namespace that is out of sight: who started brink may be there */
		return err_set(
			e, EPERM,
			"the cgroup holds a process that cannot be seen from here, and may be "
			"brink's own ancestor");
	rc = proc_stat_of(pid, &stat);
	if (rc == -ESRCH)
		return 0;
	if (rc < 0)
		return err_set(e, -rc, "cannot look at process %d of the cgroup: %s", pid,
			       strerror(-rc));
	if (!proc_is_brink(pid) && !shield_has_proc(k->shield, pid, stat.start_ticks, &why))
		return 0;
	text_add_foreign(&t, stat.comm, strlen(stat.comm));
	return err_set(e, EPERM, "the cgroup holds process %d (%s), which is shielded: it is %s",
		       pid, name, why);
}

/* All numbers of one cgroup.procs, one a line. */
static int check_procs(struct freeze_check *k, int dir, struct err *e)
{
	AUTO(auto_close) int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char buf[4096];
	int32_t pid = 0;
	ssize_t n = 0;
	int rc = 0;

	if (fd < 0)
		return err_sys(e, "cannot list the processes of the cgroup");
	while (rc == 0 && (n = io_read_full(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n && rc == 0; i++) {
			if (buf[i] == '\n') {
				rc = check_pid(k, pid, e);
				pid = 0;
			} else if (!isdigit((unsigned char)buf[i]) || pid > PID_BOUND) {
				rc = err_set(e, EBADMSG, "cgroup.procs holds what is no process");
			} else {
				pid = 10 * pid + (buf[i] - '0');
			}
		}
	}
	/* EOPNOTSUPP: a threaded cgroup; its processes are listed above it */
	if (rc == 0 && n < 0 && n != -EOPNOTSUPP)
		rc = err_set(e, (int)-n, "cannot list the processes of the cgroup: %s",
			     strerror((int)-n));
	return rc;
}

static int check_tree(struct freeze_check *k, int dir, unsigned depth, struct err *e);

static int check_children(struct freeze_check *k, int dir, unsigned depth, struct err *e)
{
	_Alignas(struct dirent64) char buf[4096];
	AUTO(auto_close) int list = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t n = 0;
	int rc = list < 0 ? err_sys(e, "cannot list the cgroup") : 0;

	while (rc == 0 && (n = getdents64(list, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n && rc == 0;) {
			const struct dirent64 *d = (const void *)(buf + at);
			AUTO(auto_close) int child = -1;

			at += d->d_reclen;
			if (d->d_type != DT_DIR || d->d_name[0] == '.')
				continue;
			child = openat(dir, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (child >= 0)
				rc = check_tree(k, child, depth + 1, e);
			else if (errno != ENOENT) /* removed meanwhile */
				rc = err_sys(e, "cannot look into '%.80s', a cgroup below",
					     d->d_name);
		}
	}
	return rc == 0 && n < 0 ? err_sys(e, "cannot list the cgroup") : rc;
}

static int check_tree(struct freeze_check *k, int dir, unsigned depth, struct err *e)
{
	int rc = check_procs(k, dir, e);

	if (rc == 0 && depth == DEPTH)
		rc = err_set(e, ELOOP, "cgroups below it are nested more than %d deep: aim deeper",
			     DEPTH - 1);
	return rc < 0 ? rc : check_children(k, dir, depth, e);
}

int freeze_check(struct freeze_check *k, int dir, struct err *e)
{
	k->n_procs = 0;
	return check_tree(k, dir, 0, e);
}

static int cannot(const char *cgroup, int rc, struct err *e)
{
	if (rc == -ENOENT)
		return err_set(e, ENOENT, "cgroup '%s' is gone", cgroup);
	if (rc == -ESTALE)
		return err_set(e, ESTALE,
			       "not to be seen from here, run brink revert where it is: cgroup '%s'",
			       cgroup);
	return err_set(e, -rc, "cannot read cgroup '%s': %s", cgroup, strerror(-rc));
}

static void add_command(struct text *t, const char *cgroup)
{
	text_add(t, "echo 0 > ");
	shell_quote(t, cgroup);
	text_add(t, "/cgroup.freeze");
}

static int freeze_prepare(struct change *c, struct undo *ret, struct err *e)
{
	const struct freeze_spec *s = spec_of(c);
	struct text by_hand = text_on(ret->by_hand, sizeof(ret->by_hand));
	AUTO(auto_close) int dir = freeze_open(s->cgroup, s->dev, s->ino);
	bool asked = false, frozen = false;
	int rc = dir < 0 ? dir : freeze_read(dir, &asked, &frozen);

	if (rc < 0)
		return cannot(s->cgroup, rc, e);
	memcpy(ret->u.freeze.cgroup, s->cgroup, sizeof(ret->u.freeze.cgroup));
	ret->u.freeze.dev = s->dev;
	ret->u.freeze.ino = s->ino;
	ret->u.freeze.was_frozen = asked;
	if (!asked)
		add_command(&by_hand, s->cgroup);
	return 0;
}

static int freeze_arm(struct change *c, struct err *e)
{
	const struct freeze_spec *s = spec_of(c);
	struct freeze_check k = { .shield = c->shield };
	struct freeze_live *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(e, ENOMEM, "no memory for a freezer");
	c->live = l;
	l->knob = -1;
	l->dir = freeze_open(s->cgroup, s->dev, s->ino);
	if (l->dir < 0)
		return cannot(s->cgroup, l->dir, e);
	l->knob = openat(l->dir, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
	if (l->knob < 0)
		return err_right(e, "CAP_DAC_OVERRIDE: root, or a cgroup delegated to this user",
				 "cannot open the freezer of cgroup '%s'", s->cgroup);
	return freeze_check(&k, l->dir, e);
}

static int write_knob(int fd, char value)
{
	unsigned times = 0;
	ssize_t n;

	do
		n = pwrite(fd, &value, 1, 0);
	while (n < 0 && io_again(&times));
	return n < 0 ? -errno : 0;
}

/* Who is in it is looked at again: processes come and go. */
static int begin(struct change *c, struct err *e)
{
	struct freeze_check k = { .shield = c->shield };
	struct freeze_live *l = c->live;
	bool asked, frozen;
	int rc = freeze_check(&k, l->dir, e);

	if (rc < 0)
		return rc;
	rc = freeze_read(l->dir, &asked, &frozen);
	if (rc < 0)
		return cannot(spec_of(c)->cgroup, rc, e);
	if (asked)
		return err_set(e, EALREADY, "cgroup '%s' was frozen by somebody else",
			       spec_of(c)->cgroup);
	l->n_procs = k.n_procs;
	l->written = c->touched = true;
	l->firing = true;
	l->deadline_ns = clock_mono_ns() + FREEZE_NS;
	rc = write_knob(l->knob, '1');
	return rc < 0 ? err_set(e, -rc, "cannot freeze cgroup '%s': %s", spec_of(c)->cgroup,
				strerror(-rc)) :
			0;
}

static int freeze_fire(struct change *c, struct err *e)
{
	struct freeze_live *l = c->live;
	int64_t step_end = clock_mono_ns() + STEP_NS;
	bool asked = false, frozen = false;
	int rc = 0;

	if (c->undo->u.freeze.was_frozen)
		return 0;
	if (!l->firing)
		rc = begin(c, e);
	while (rc == 0) {
		rc = freeze_read(l->dir, &asked, &frozen);
		if (rc < 0)
			return cannot(spec_of(c)->cgroup, rc, e);
		if (frozen)
			return 0;
		if (clock_mono_ns() > l->deadline_ns)
			return err_set(e, ETIMEDOUT,
				       "cgroup '%s' does not freeze: a process of it is in "
				       "uninterruptible sleep",
				       spec_of(c)->cgroup);
		if (clock_mono_ns() > step_end)
			return -EINPROGRESS;
		short_nap();
	}
	return rc;
}

static int freeze_refresh(struct change *c, struct err *e)
{
	struct freeze_live *l = c->live;
	bool asked = false, frozen = false;
	int rc = l->written ? freeze_read(l->dir, &asked, &frozen) : -ENOENT;

	if (rc == -ENOENT)
		return 0; /* nothing of ours, or the cgroup has gone with all that was in it */
	if (rc < 0)
		return cannot(spec_of(c)->cgroup, rc, e);
	if (!asked)
		return err_set(e, ENOENT, "cgroup '%s' was thawed by somebody else",
			       spec_of(c)->cgroup);
	return 0;
}

static int freeze_quiet(struct change *c, struct err *e)
{
	struct freeze_live *l = c->live;
	int rc;

	if (!l || !l->written)
		return 0;
	rc = write_knob(l->knob, '0');
	if (rc < 0 && rc != -ENODEV)
		return err_set(e, -rc, "cannot thaw cgroup '%s': %s", spec_of(c)->cgroup,
			       strerror(-rc));
	l->written = false;
	return 0;
}

static int freeze_effect(struct change *c, struct effect *ret, struct err *e)
{
	const struct freeze_live *l = c->live;

	(void)e;
	*ret = (struct effect){ .hits = l ? l->n_procs : 0 };
	return 0;
}

/* 0 with the two facts; 1 when there is nothing of ours to look at; -errno. */
static int read_undo(const struct undo *u, int *ret_dir, bool *ret_asked, bool *ret_frozen,
		     struct err *e)
{
	AUTO(auto_close) int dir = -1;
	int rc;

	if (u->u.freeze.was_frozen)
		return 1;
	dir = freeze_open(u->u.freeze.cgroup, u->u.freeze.dev, u->u.freeze.ino);
	rc = dir < 0 ? dir : freeze_read(dir, ret_asked, ret_frozen);
	if (rc == -ENOENT)
		return 1;
	if (rc < 0)
		return cannot(u->u.freeze.cgroup, rc, e);
	*ret_dir = take_fd(&dir);
	return 0;
}

static int freeze_undo(const struct undo *u, struct err *e)
{
	AUTO(auto_close) int dir = -1;
	AUTO(auto_close) int knob = -1;
	bool asked = false, frozen = false;
	int rc = read_undo(u, &dir, &asked, &frozen, e);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (!asked)
		return 0;
	knob = openat(dir, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
	rc = knob < 0 ? -errno : write_knob(knob, '0');
	if (rc < 0 && rc != -ENODEV && rc != -ENOENT)
		return err_set(e, -rc, "cannot thaw cgroup '%s': %s", u->u.freeze.cgroup,
			       strerror(-rc));
	return 0;
}

static int freeze_ended(const struct undo *u, struct text *ret_left, struct err *e)
{
	AUTO(auto_close) int dir = -1;
	bool asked = false, frozen = false;
	int rc = read_undo(u, &dir, &asked, &frozen, e);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (!frozen || (!asked && frozen_above(dir)))
		return 0;
	text_add(ret_left, "cgroup '%s' is frozen", u->u.freeze.cgroup);
	return 1;
}

static int freeze_gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	AUTO(auto_close) int dir = -1;
	bool asked = false, frozen = false;
	int rc = read_undo(u, &dir, &asked, &frozen, e);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (!asked)
		return 0;
	text_add(ret_left, "cgroup.freeze of '%s' is 1", u->u.freeze.cgroup);
	return 1;
}

/* By its path of now: see freeze_open(). */
static int freeze_by_hand(const struct undo *u, struct text *ret, struct err *e)
{
	AUTO(auto_close)
	int dir = freeze_open(u->u.freeze.cgroup, u->u.freeze.dev, u->u.freeze.ino);
	char link[64], path[PATH_MAX];
	ssize_t n;

	if (dir < 0)
		return cannot(u->u.freeze.cgroup, dir, e);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return err_sys(e, "cannot tell the path of cgroup '%s'", u->u.freeze.cgroup);
	path[n] = '\0';
	if (!u->u.freeze.was_frozen)
		add_command(ret, path);
	return 0;
}

static int freeze_resource(const struct change_spec *s, struct text *ret_key)
{
	text_add(ret_key, "cgroup-%llu-%llu", (unsigned long long)s->u.freeze.dev,
		 (unsigned long long)s->u.freeze.ino);
	return 0;
}

static int freeze_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	text_add(ret_do, "echo 1 > %s/cgroup.freeze", cs->u.freeze.cgroup);
	text_add(ret_undo, "echo 0 > %s/cgroup.freeze, if it is 1", cs->u.freeze.cgroup);
	return 0;
}

/* cgroup.freeze is opened for writing, never made. */
#define CALLS_KNOB                                                                    \
	{ "openat", 2, OPEN_NEW, 0 }, { "open", 1, OPEN_BITS, O_RDONLY }, CALLS_LOOK, \
	{                                                                             \
		"pwrite64", ANY_ARG                                                   \
	}
static const struct call_rule holder_calls[] = { CALLS_KNOB, { 0 } };
static const struct call_rule undoer_calls[] = { CALLS_KNOB, { 0 } };

const struct change_ops freeze_ops = {
	.kind = "freeze",
	.class = CLASS_GUARDED,
	.holder = { CAP_BIT(DAC_OVERRIDE), holder_calls },
	.undoer = { CAP_BIT(DAC_OVERRIDE), undoer_calls },
	.prepare = freeze_prepare,
	.arm = freeze_arm,
	.fire = freeze_fire,
	.refresh = freeze_refresh,
	.quiet = freeze_quiet,
	.unit = { "process", "processes" },
	.effect = freeze_effect,
	.undo = freeze_undo,
	.ended = freeze_ended,
	.gone = freeze_gone,
	.by_hand = freeze_by_hand,
	.resource = freeze_resource,
	.print = freeze_print,
};
