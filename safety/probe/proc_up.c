/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/probe/proc_up.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "inject/proc_fs.h"
#include "safety/probe/judge.h"

struct look {
	const struct probe_process *p;
	int proc_fd;
	int64_t pid;        /* the only one to look at, 0 = all */
	char exe[PATH_MAX]; /* without symbolic links; empty = not asked for */
	unsigned found, hidden;
	int32_t found_pid, hidden_pid;
};

/* Follows links as far as this user may, else the path as it was written. */
static void look_init(struct look *l, const struct probe_process *p, int proc_fd)
{
	char path[PATH_MAX];

	*l = (struct look){ .p = p, .proc_fd = proc_fd, .pid = p->pid };
	if (p->exe[0])
		snprintf(l->exe, sizeof(l->exe), "%s", realpath(p->exe, path) ? path : p->exe);
}

/* 1: it runs that program, 0: another one, -EACCES: this user may not know. " (deleted)" as after
 * an upgrade. */
static int exe_fits(const struct look *l, int dir)
{
	char link[PATH_MAX + 16];
	size_t len = strlen(l->exe);
	ssize_t n = readlinkat(dir, "exe", link, sizeof(link) - 1);

	if (n < 0)
		return errno == EPERM ? -EACCES : -errno;
	link[n] = '\0';
	return strncmp(link, l->exe, len) == 0 && (!link[len] || !strcmp(link + len, " (deleted)"));
}

static bool cgroup_fits(const struct look *l, int dir)
{
	char text[8192];

	return io_read_file(dir, "cgroup", text, sizeof(text)) >= 0 &&
	       proc_cgroup_within(text, l->p->cgroup);
}

/* Whatever cannot be read because the process has gone does not fit. */
static bool fits_but_exe(const struct look *l, int dir)
{
	const struct probe_process *p = l->p;
	struct proc_stat st;
	int32_t tgid;
	uint32_t uid;

	if (proc_stat_read(dir, "stat", &st) || proc_is_dead(&st))
		return false;
	if (p->start_ticks &&
	    st.start_ticks != p->start_ticks) /* the number belongs to another one now */
		return false;
	if (p->name[0] && strcmp(st.comm, p->name) != 0)
		return false;
	if (p->uid >= 0 && (proc_ids(dir, &tgid, &uid) || uid != (uint32_t)p->uid))
		return false;
	return !p->cgroup[0] || cgroup_fits(l, dir);
}

/* Without a name, a hidden process counts as a candidate only if it is called as the program file
 * is. */
static bool may_run(const struct look *l, int dir)
{
	const char *base = strrchr(l->exe, '/');
	struct proc_stat st;

	return !proc_stat_read(dir, "stat", &st) && !proc_is_kernel(&st) &&
	       strncmp(st.comm, base ? base + 1 : l->exe, 15) == 0;
}

static int look_at(void *arg, int32_t pid)
{
	struct look *l = arg;
	AUTO(auto_close) int dir = proc_dir_open(l->proc_fd, pid);
	int r = 1;

	if (dir < 0 || !fits_but_exe(l, dir))
		return 0;
	if (l->exe[0])
		r = exe_fits(l, dir);
	if (r > 0 && !l->found++)
		l->found_pid = pid;
	if (r == -EACCES && (l->pid || may_run(l, dir)) && !l->hidden++)
		l->hidden_pid = pid;
	return 0;
}

/* A pid file that is not there is how many services say that they are down. Returns true with
 * l->pid set. */
static bool read_pid_file(struct look *l, struct probe_sample *s)
{
	char text[64];
	ssize_t n = io_read_file(AT_FDCWD, l->p->pid_file, text, sizeof(text));
	char *end = text;
	long pid = 0;

	if (n == -ENOENT) {
		say(s, PROBE_FAIL, "the pid file is not there");
		return false;
	}
	if (n < 0) {
		say(s, PROBE_NO_DATA, "cannot read the pid file: %s", strerror((int)-n));
		return false;
	}
	errno = 0;
	pid = strtol(text, &end, 10);
	if (end == text || strspn(end, " \t\r\n") != strlen(end) || errno || pid <= 0 ||
	    pid > INT32_MAX) {
		say(s, PROBE_NO_DATA, "the pid file does not hold a process number");
		return false;
	}
	if (l->pid && l->pid != pid) {
		say(s, PROBE_FAIL, "the pid file names process %ld", pid);
		return false;
	}
	l->pid = pid;
	return true;
}

static void conclude(const struct look *l, struct probe_sample *s)
{
	s->value = l->found;
	s->has_value = 1;
	if (l->found == 1)
		say(s, PROBE_OK, "process %d is alive", l->found_pid);
	else if (l->found)
		say(s, PROBE_OK, "%u processes are alive", l->found);
	else if (l->hidden)
		say(s, PROBE_NO_DATA,
		    "may not see which program process %d runs; say name, pid_file or cgroup instead",
		    l->hidden_pid);
	else if (l->pid)
		say(s, PROBE_FAIL, "process %lld is not there, or another one", (long long)l->pid);
	else
		say(s, PROBE_FAIL, "no such process");
	if (s->verdict == PROBE_NO_DATA)
		s->has_value = 0;
}

void proc_up_probe(const struct probe_process *p, int proc_fd, struct probe_sample *s)
{
	struct look l;
	int r = 0;

	look_init(&l, p, proc_fd);
	if (p->pid_file[0] && !read_pid_file(&l, s))
		return;
	if (l.pid)
		look_at(&l, (int32_t)l.pid);
	else
		r = proc_each(proc_fd, look_at, &l);
	if (r < 0)
		say(s, PROBE_NO_DATA, "cannot read /proc: %s", strerror(-r));
	else
		conclude(&l, s);
}
