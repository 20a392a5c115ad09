/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/target.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/text.h"
#include "inject/proc_fs.h"

#define PID_LIMIT (1 << 22) /* the greatest PID there can be: PID_MAX_LIMIT in the kernel */
#define COMM_LEN  15

const struct target *targets_find(const struct targets *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->at[i].name, name))
			return &t->at[i];
	return NULL;
}

/* A selector made ready for many comparisons. */
struct wanted {
	const struct proc_select *s;
	char text[120]; /* "name 'worker', user 'app'" */
	int32_t pid;    /* 0 = all processes are candidates */
	char comm[COMM_LEN + 1];
	uint32_t uid, file_uid; /* file_uid: who may write pid_file, 0 = only root */
	bool exe_exists;
	dev_t exe_dev;
	ino_t exe_ino;
	char exe_path[PATH_MAX]; /* without symbolic links */
};

/* What matched, in the order found. */
struct found {
	const struct wanted *w;
	int proc_fd;
	size_t n, size;
	struct proc_id *id;
	size_t unreadable; /* processes that may match but cannot be read */
	int32_t unreadable_pid;
	const char *unequal; /* why the last process compared does not match */
	struct err *e;
};

static void wanted_describe(struct wanted *w)
{
	const struct proc_select *s = w->s;
	const struct {
		const char *key, *value;
	} part[] = { { "exe", s->exe },
		     { "name", s->name },
		     { "pid_file", s->pid_file },
		     { "cgroup", s->cgroup },
		     { "user", s->user } };
	struct text t = text_on(w->text, sizeof(w->text));

	if (s->pid)
		text_add(&t, "pid %lld", (long long)s->pid);
	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		if (!part[i].value)
			continue;
		text_add(&t, "%s%s '", t.len ? ", " : "", part[i].key);
		text_add_foreign(&t, part[i].value, strlen(part[i].value));
		text_add(&t, "'");
	}
}

#define LINKS_MAX 40 /* MAXSYMLINKS of the kernel */

/* A link that somebody else made on the way to the file: then it is he who names it. *ret stays
 * where there is none. */
static int link_owner(const char *path, uint32_t *ret, struct err *e)
{
	char at[PATH_MAX], link[PATH_MAX], rest[PATH_MAX];
	size_t from = 0;

	snprintf(at, sizeof(at), "%s", path);
	for (unsigned links = 0; at[from];) {
		size_t end = from + strspn(at + from, "/");
		const char *sep;
		struct stat st;
		ssize_t n;
		bool last;

		end += strcspn(at + end, "/");
		last = !at[end];
		snprintf(rest, sizeof(rest), "%s", at + end);
		at[end] = '\0';
		if (lstat(at, &st) < 0)
			return err_sys(e, "cannot look at '%.200s'", at);
		if (!S_ISLNK(st.st_mode)) {
			from = end;
			if (!last)
				snprintf(at + end, sizeof(at) - end, "%s", rest);
			continue;
		}
		if (st.st_uid != 0)
			*ret = st.st_uid;
		n = readlink(at, link, sizeof(link) - 1);
		if (n < 0 || ++links > LINKS_MAX)
			return err_set(e, ELOOP, "cannot follow '%.200s'", at);
		link[n] = '\0';
		sep = link[0] == '/' || (!from && at[0] != '/') ? "" : "/";
		from = link[0] == '/' ? 0 : from;
		if (snprintf(at + from, sizeof(at) - from, "%s%s%s", sep, link, rest) >=
		    (int)(sizeof(at) - from))
			return err_set(e, ENAMETOOLONG, "'%.200s' is too long", path);
	}
	return 0;
}

/*
 * Who may write the file says which process is meant, also between two looks of a running
 * experiment. To root's brink he may name his own only. (Without root the kernel sees to that.)
 */
static int pid_file_owner(int fd, const char *path, uint32_t *ret, struct err *e)
{
	struct stat st;

	*ret = 0;
	if (geteuid() != 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "cannot read pid_file '%s': %s", path, strerror(errno));
	if (st.st_mode & S_IWOTH || (st.st_mode & S_IWGRP && st.st_gid != 0))
		return err_set(e, EPERM,
			       "pid_file '%s' can be written by others than its owner (mode %04o): "
			       "whoever does says what is hit. Take that right away, or write exe, "
			       "name or cgroup instead",
			       path, st.st_mode & 07777);
	*ret = st.st_uid;
	return link_owner(path, ret, e);
}

static int read_pid_file(const char *path, int32_t *ret, uint32_t *ret_uid, struct err *e)
{
	AUTO(auto_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char buf[64];
	char *end = NULL;
	ssize_t n = fd < 0 ? -errno : io_read_full(fd, buf, sizeof(buf));
	long pid;

	if (n == sizeof(buf))
		return err_set(e, EINVAL, "pid_file '%s' is too long to hold one number", path);
	if (n < 0)
		return err_set(e, (int)-n, "cannot read pid_file '%s': %s", path,
			       strerror((int)-n));
	buf[n] = '\0';
	errno = 0;
	pid = strtol(buf, &end, 10);
	if (!isdigit((unsigned char)buf[0]) || errno || pid < 1 || pid > PID_LIMIT ||
	    end[strspn(end, " \t\r\n")])
		return err_set(e, EINVAL, "pid_file '%s' does not hold a process number", path);
	*ret = (int32_t)pid;
	return pid_file_owner(fd, path, ret_uid, e);
}

int user_find(const char *user, uint32_t *ret, struct err *e)
{
	struct passwd p, *found = NULL;
	char buf[16384];
	char *end = NULL;
	unsigned long uid;
	int r;

	errno = 0;
	uid = strtoul(user, &end, 10);
	if (isdigit((unsigned char)user[0]) && !*end) {
		if (errno || uid >= UINT32_MAX)
			return err_set(e, EINVAL, "'%s' is no user number", user);
		*ret = (uint32_t)uid;
		return 0;
	}
	r = getpwnam_r(user, &p, buf, sizeof(buf), &found);
	if (r)
		return err_set(e, r, "cannot look up user '%s': %s", user, strerror(r));
	if (!found)
		return err_set(e, ENOENT, "there is no user '%s'", user);
	*ret = p.pw_uid;
	return 0;
}

static int wanted_exe(struct wanted *w, struct err *e)
{
	const char *exe = w->s->exe;
	struct stat st;
	int rc = io_realpath(exe, w->exe_path, &st);

	if (rc == -ENOENT && strlen(exe) < sizeof(w->exe_path)) {
		/* it may have been removed or exist only in another mount namespace: compared by
		 * name alone */
		memcpy(w->exe_path, exe, strlen(exe) + 1);
		return 0;
	}
	if (rc == -EXDEV)
		return err_set(
			e, EINVAL,
			"exe '%s' leads elsewhere than its name: into another mount namespace?",
			exe);
	if (rc < 0)
		return err_sys(e, "cannot find exe '%s'", exe);
	w->exe_exists = true;
	w->exe_dev = st.st_dev;
	w->exe_ino = st.st_ino;
	return 0;
}

int proc_select_check(const struct proc_select *s, struct err *e)
{
	if (s->pid < 0 || s->pid > PID_LIMIT)
		return err_set(e, EINVAL, "%lld is no process number", (long long)s->pid);
	if (s->name && !s->name[0])
		return err_set(e, EINVAL, "name is empty");
	if (s->cgroup && s->cgroup[0] != '/')
		return err_set(e, EINVAL, "cgroup '%s' does not start with '/'", s->cgroup);
	if (s->exe && s->exe[0] != '/')
		return err_set(e, EINVAL, "exe '%s' is not an absolute path", s->exe);
	return 0;
}

static int wanted_init(struct wanted *w, const struct proc_select *s, struct err *e)
{
	int32_t pid = 0;
	int r = 0;

	*w = (struct wanted){ .s = s, .pid = (int32_t)s->pid };
	wanted_describe(w);
	if (!w->text[0])
		return err_set(e, EINVAL,
			       "say which processes: pid, exe, name, pid_file, cgroup or user");
	r = proc_select_check(s, e);
	if (!r && s->name)
		memcpy(w->comm, s->name, strnlen(s->name, COMM_LEN));
	if (!r && s->exe)
		r = wanted_exe(w, e);
	if (!r && s->user)
		r = user_find(s->user, &w->uid, e);
	if (!r && s->pid_file)
		r = read_pid_file(s->pid_file, &pid, &w->file_uid, e);
	if (r)
		return r;
	if (pid && w->pid && pid != w->pid)
		return err_set(e, ENOENT, "pid_file '%s' names process %d, not %d", s->pid_file,
			       pid, w->pid);
	if (pid)
		w->pid = pid;
	return 0;
}

/*
 * 1 when the process runs the wanted file. Name and file must both agree: hard links share a file,
 * containers share names. " (deleted)" is what the kernel appends when the file was replaced, as by
 * an upgrade: then the name alone counts, on the same file system.
 */
static int exe_matches(const struct wanted *w, int dir)
{
	static const char deleted[] = " (deleted)";
	char link[PATH_MAX + sizeof(deleted)];
	ssize_t n = readlinkat(dir, "exe", link, sizeof(link) - 1);
	size_t len = strlen(w->exe_path);
	struct stat st;

	if (n < 0)
		return errno == ENOENT ?
			       0 :
			       -errno; /* ENOENT: it is exiting, it runs nothing any more */
	link[n] = '\0';
	if (strncmp(link, w->exe_path, len) != 0 || (link[len] && strcmp(link + len, deleted) != 0))
		return 0;
	if (!w->exe_exists)
		return 1;
	if (fstatat(dir, "exe", &st, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return st.st_dev == w->exe_dev && (link[len] || st.st_ino == w->exe_ino);
}

static bool has_long_name(const struct wanted *w)
{
	return w->s->name && strlen(w->s->name) > COMM_LEN;
}

static bool ends_with_name(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, name) == 0;
}

/* The kernel keeps 15 bytes of a name, and others may begin so. The whole of it stands in the
 * command line: what was called, or, of a script, its interpreter's first argument. */
static int long_name_matches(const struct wanted *w, int dir)
{
	char text[8192];
	ssize_t n = io_read_file(dir, "cmdline", text, sizeof(text));
	size_t first;

	if (n < 0)
		return n == -ENOENT || n == -ESRCH ? 0 : (int)n;
	first = strnlen(text, (size_t)n) + 1;
	return ends_with_name(text, w->s->name) ||
	       (first < (size_t)n && ends_with_name(text + first, w->s->name));
}

static int cgroup_matches(const struct wanted *w, int dir)
{
	char text[8192];
	ssize_t n = io_read_file(dir, "cgroup", text, sizeof(text));

	return n < 0 ? (int)n : proc_cgroup_within(text, w->s->cgroup);
}

/* 1, 0 with *ret_unequal, or -errno: the parts of the comparison that stat does not hold. */
static int dir_matches(const struct wanted *w, int dir, int32_t pid, const char **ret_unequal)
{
	int32_t tgid = 0;
	uint32_t uid = 0;
	int r;

	if (w->s->user || w->pid) {
		r = proc_ids(dir, &tgid, &uid);
		if (r)
			return r;
		*ret_unequal = "it is a thread of another process";
		if (tgid != pid)
			return 0;
		*ret_unequal = "its user is another one";
		if (w->s->user && uid != w->uid)
			return 0;
		*ret_unequal = "pid_file belongs to another user";
		if (w->file_uid && uid != w->file_uid)
			return 0;
	}
	*ret_unequal = "its name only begins so";
	r = has_long_name(w) ? long_name_matches(w, dir) : 1;
	if (r <= 0)
		return r;
	*ret_unequal = "its control group is another one";
	r = w->s->cgroup ? cgroup_matches(w, dir) : 1;
	if (r <= 0)
		return r;
	*ret_unequal = "it runs another file";
	return w->s->exe ? exe_matches(w, dir) : 1;
}

static bool stat_matches(const struct wanted *w, const struct proc_stat *stat,
			 const char **ret_unequal)
{
	*ret_unequal = "it has ended";
	if (proc_is_dead(stat))
		return false;
	*ret_unequal = "it is a kernel thread";
	if (proc_is_kernel(stat))
		return false;
	*ret_unequal = "its name is another one";
	return !w->s->name || !strcmp(stat->comm, w->comm);
}

/* 1 with *ret_stat, 0, or -errno; -ESRCH when it has gone. */
static int matches(struct found *f, int32_t pid, struct proc_stat *ret_stat)
{
	const struct wanted *w = f->w;
	AUTO(auto_close) int dir = -1;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "%d/stat", pid);
	r = proc_stat_read(f->proc_fd, path, ret_stat);
	if (r)
		return r;
	if (!stat_matches(w, ret_stat, &f->unequal))
		return 0;
	if (!w->pid && !w->s->exe && !w->s->cgroup && !w->s->user && !has_long_name(w))
		return 1; /* name and start time came from one read */
	dir = proc_dir_open(f->proc_fd, pid);
	if (dir < 0)
		return dir;
	/* again below the directory: the PID may have changed hands since */
	r = proc_stat_read(dir, "stat", ret_stat);
	if (r)
		return r;
	if (!stat_matches(w, ret_stat, &f->unequal))
		return 0;
	return dir_matches(w, dir, pid, &f->unequal);
}

static int found_add(struct found *f, const struct proc_stat *stat)
{
	if (f->n == f->size) {
		size_t size = f->size ? 2 * f->size : 64;
		struct proc_id *id = reallocarray(f->id, size, sizeof(*id));

		if (!id)
			return err_sys(f->e, "cannot keep %zu processes", size);
		f->id = id;
		f->size = size;
	}
	f->id[f->n++] = (struct proc_id){ .pid = stat->pid, .start_ticks = stat->start_ticks };
	return 0;
}

static int consider(void *arg, int32_t pid)
{
	struct found *f = arg;
	struct proc_stat stat;
	int r = matches(f, pid, &stat);

	if (r == 1)
		return found_add(f, &stat);
	if (r == 0 || r == -ESRCH)
		return 0;
	if (r != -EACCES && r != -EPERM)
		return err_set(f->e, -r, "cannot read process %d: %s", pid, strerror(-r));
	/* PID 1 can be unreadable even for root, and is never a target */
	if (pid != 1 && !f->unreadable++)
		f->unreadable_pid = pid;
	return 0;
}

static int find_one(struct found *f)
{
	const struct wanted *w = f->w;
	struct proc_stat stat;
	char name[80];
	int r = matches(f, w->pid, &stat);

	if (r == 1)
		return found_add(f, &stat);
	if (r == -ESRCH && w->s->pid_file)
		return err_set(f->e, ENOENT, "there is no process %d, which pid_file '%s' names",
			       w->pid, w->s->pid_file);
	if (r == -ESRCH)
		return err_set(f->e, ENOENT, "there is no process %d", w->pid);
	if (r < 0)
		return err_set(f->e, -r, "cannot read process %d: %s", w->pid, strerror(-r));
	return err_set(f->e, ENOENT, "process %d (%s) is no target: %s", w->pid,
		       proc_name(w->pid, name, sizeof(name)), f->unequal);
}

static int find_all(struct found *f)
{
	int r = proc_each(f->proc_fd, consider, f);

	/* consider has said why, a failed read of the directory has not */
	if (r && !f->e->code)
		return err_set(f->e, -r, "cannot read '/proc': %s", strerror(-r));
	return r;
}

static int found_none(const struct found *f)
{
	if (f->unreadable) /* not seen is not absent */
		return err_set(f->e, EACCES,
			       "no process matches %s, but %zu cannot be read, the first is %d",
			       f->w->text, f->unreadable, f->unreadable_pid);
	return err_set(f->e, ENOENT, "no process matches %s", f->w->text);
}

static int refuse_shielded(const struct found *f, const struct shield *shield)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct proc_id *id = &f->id[i];
		const char *why;
		char name[80];

		if (!shield_has_proc(shield, id->pid, id->start_ticks, &why))
			continue;
		proc_name(id->pid, name, sizeof(name));
		if (f->n == 1)
			return err_set(f->e, EPERM, "process %d (%s) is shielded: it is %s",
				       id->pid, name, why);
		return err_set(f->e, EPERM, "%s matches %zu processes, one of them is %s %s(%d)",
			       f->w->text, f->n, why, name, id->pid);
	}
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	const struct proc_id *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->start_ticks > y->start_ticks) - (x->start_ticks < y->start_ticks);
}

/* Vigna's splitmix64: public domain, the same numbers on every machine. */
static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A number below n without the bias of a bare remainder. */
static uint64_t random_below(uint64_t *state, uint64_t n)
{
	uint64_t least = -n % n, v;

	do
		v = splitmix64(state);
	while (v < least);
	return v % n;
}

/* Keeps count of the ids, chosen by the first steps of a Fisher-Yates shuffle. */
static void shuffle_pick(struct found *f, size_t count, uint64_t seed)
{
	for (size_t i = 0; i < count; i++) {
		size_t j = i + (size_t)random_below(&seed, f->n - i);
		struct proc_id kept = f->id[i];

		f->id[i] = f->id[j];
		f->id[j] = kept;
	}
	f->n = count;
	qsort(f->id, f->n, sizeof(*f->id), by_pid);
}

static int apply_pick(struct found *f, const struct pick *pick, uint64_t run_seed)
{
	bool own = fields_given(&pick_fields, pick, "seed");
	size_t count = (size_t)pick->count;

	if (pick->count < 0 || (!pick->count && !pick->percent_ppm))
		return err_set(f->e, EINVAL, "pick chooses no process: give a count or a percent");
	if (!pick->count) {
		count = (size_t)(((uint64_t)f->n * pick->percent_ppm + 999999) / 1000000);
	}
	if (count > f->n)
		return err_set(f->e, ENOENT, "%s matches %zu processes, pick asks for %zu",
			       f->w->text, f->n, count);
	shuffle_pick(f, count, own ? (uint64_t)pick->seed : run_seed);
	return 0;
}

static int too_many(const struct found *f, size_t limit)
{
	char names[ERR_LINE], name[80];
	struct text t = text_on(names, sizeof(names));

	for (size_t i = 0; i < f->n && i < 8; i++)
		text_add(&t, "%s%s(%d)", i ? ", " : "", proc_name(f->id[i].pid, name, sizeof(name)),
			 f->id[i].pid);
	err_set(f->e, E2BIG, "%s%s", names, f->n > 8 ? ", ..." : "");
	return err_ctx(f->e, "%s matches %zu processes, %zu are allowed", f->w->text, f->n, limit);
}

/* Writes those that are left after all checks to ret. */
static int find_within_limits(struct found *f, const struct pick *pick, const struct targets *t,
			      struct proc_id *ret, size_t max)
{
	size_t limit = max;
	int r = f->w->pid ? find_one(f) : find_all(f);

	if (r)
		return r;
	if (!f->id)
		return found_none(f);
	qsort(f->id, f->n, sizeof(*f->id), by_pid);
	r = refuse_shielded(f, t->shield);
	if (!r && pick)
		r = apply_pick(f, pick, t->seed);
	if (r)
		return r;
	if (t->max_processes > 0 && (uint64_t)t->max_processes < limit)
		limit = (size_t)t->max_processes;
	if (f->n > limit)
		return too_many(f, limit);
	memcpy(ret, f->id, f->n * sizeof(*ret));
	return (int)f->n;
}

int proc_resolve(const struct proc_select *s, const struct pick *pick, const struct targets *t,
		 struct proc_id *ret, size_t max, struct err *e)
{
	AUTO(auto_close) int proc_fd = -1;
	struct wanted w;
	struct found f;
	int r = wanted_init(&w, s, e);

	if (r)
		return r;
	proc_fd = proc_fs_open(e);
	if (proc_fd < 0)
		return proc_fd;
	e->code = 0; /* set by whoever fails inside the scan */
	f = (struct found){ .w = &w, .proc_fd = proc_fd, .e = e };
	r = find_within_limits(&f, pick, t, ret, max);
	free(f.id);
	return r;
}

int proc_start_ticks(pid_t pid, uint64_t *ret, struct err *e)
{
	struct proc_stat stat;
	int r = proc_stat_of(pid, &stat);

	if (r == -ESRCH || (!r && proc_is_dead(&stat)))
		return err_set(e, ESRCH, "process %d is gone", pid);
	if (r)
		return err_set(e, -r, "cannot read process %d: %s", pid, strerror(-r));
	*ret = stat.start_ticks;
	return 0;
}

int proc_open(const struct proc_id *id, struct err *e)
{
	AUTO(auto_close) int fd = pidfd_open(id->pid, 0);
	uint64_t start = 0;
	int r;

	/* EINVAL (ENOENT in newer kernels): the number is a thread's now, so the process of that
	 * number is gone */
	if (fd < 0 && (errno == ESRCH || errno == EINVAL || errno == ENOENT))
		return err_set(e, ESRCH, "process %d is gone", id->pid);
	if (fd < 0)
		return err_sys(e, "cannot open process %d", id->pid);
	r = proc_start_ticks(id->pid, &start, e);
	if (r)
		return r;
	if (start != id->start_ticks)
		return err_set(e, ESRCH, "process %d is gone, its number is another's now",
			       id->pid);
	return take_fd(&fd);
}

const char *proc_name(pid_t pid, char *buf, size_t size)
{
	char path[32], comm[64];
	struct text t = text_on(buf, size);
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	n = io_read_file(AT_FDCWD, path, comm, sizeof(comm));
	if (n > 0)
		text_add_foreign(&t, comm, (size_t)n);
	else
		text_add(&t, "?");
	return buf;
}
