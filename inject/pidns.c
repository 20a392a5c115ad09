/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/pidns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inject/proc_fs.h"

#define INITIAL_INO 0xEFFFFFFCu /* PROC_PID_INIT_INO in include/linux/proc_ns.h */
#define LEVELS_TEXT 512         /* 33 numbers, MAX_PID_NS_LEVEL */

/* 0 where the kernel has no such namespaces. dev: the same for all of them. */
static int look(const char *path, uint64_t *ret_dev, uint64_t *ret_ino)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : -1;
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return 0;
}

int pidns_own(struct pidns_ref *ret, struct err *e)
{
	char self[16];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	if (n < 0)
		return err_sys(e, "cannot read '/proc/self'");
	self[n] = '\0';
	if (strtol(self, NULL, 10) != getpid())
		return err_set(e, EXDEV,
			       "'/proc' is that of another PID namespace: mount this one's there "
			       "(unshare --mount-proc)");
	*ret = (struct pidns_ref){ 0 };
	if (look("/proc/self/ns/pid", &ret->dev, &ret->ino) < 0 ||
	    look("/proc/self/ns/time", &ret->dev, &ret->time) < 0)
		return err_sys(e, "cannot look at the namespaces below '/proc/self/ns'");
	return 0;
}

bool pidns_is_own(const struct pidns_ref *p)
{
	struct pidns_ref own;
	struct err ignored;

	return pidns_own(&own, &ignored) == 0 && own.dev == p->dev && own.ino == p->ino &&
	       own.time == p->time;
}

/* Is it among "1234\t56\t7", the numbers of one process from here inwards? */
static bool has_number(const char *numbers, int32_t pid)
{
	char *end;

	for (; *numbers; numbers = *end ? end + 1 : end) {
		if (strtol(numbers, &end, 10) == pid)
			return true;
		if (end == numbers) /* not as proc(5) has it: it may be anybody */
			return true;
	}
	return false;
}

struct pidns_search {
	int proc_fd;
	int32_t pid;
	uint64_t start_ticks;
};

/* 1: it may be this one. */
static int may_be(void *arg, int32_t pid)
{
	const struct pidns_search *s = arg;
	AUTO(auto_close) int dir = proc_dir_open(s->proc_fd, pid);
	AUTO(auto_close) int status = -1;
	struct proc_stat now;
	char numbers[LEVELS_TEXT];
	int rc = dir < 0 ? dir : proc_stat_read(dir, "stat", &now);

	if (rc < 0)
		return rc == -ESRCH ? 0 : rc;
	if (now.start_ticks != s->start_ticks || proc_is_dead(&now))
		return 0;
	status = openat(dir, "status", O_RDONLY | O_CLOEXEC);
	if (status < 0)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	rc = proc_find_line(status, "\nNSpid:\t", numbers, sizeof(numbers));
	if (rc < 0)
		return rc == -ESRCH ? 0 : rc;
	return has_number(numbers, s->pid);
}

/* hidepid= of proc(5) takes processes out of the list, for some. */
static int sees_all(void)
{
	AUTO(auto_close) int mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	char how[64];
	int rc = mounts < 0 ? -errno : proc_find_line(mounts, "hidepid=", how, sizeof(how));

	if (rc == 0)
		return -EACCES;
	return rc == -ENOENT && mounts >= 0 ? 0 : rc;
}

int pidns_has_ended(const struct pidns_ref *there, int32_t pid, uint64_t start_ticks)
{
	struct pidns_search s = { .pid = pid, .start_ticks = start_ticks };
	AUTO(auto_close) int proc_fd = -1;
	struct pidns_ref own;
	struct err ignored;
	int rc = pidns_own(&own, &ignored);

	if (rc == 0 && ((own.ino && own.ino != INITIAL_INO) || own.time != there->time))
		rc = -EXDEV;
	if (rc == 0)
		rc = sees_all();
	if (rc < 0)
		return rc;
	proc_fd = s.proc_fd = proc_fs_open(&ignored);
	rc = proc_fd < 0 ? proc_fd : proc_each(proc_fd, may_be, &s);
	return rc < 0 ? rc : !rc;
}
