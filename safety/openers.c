/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/openers.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/proc_fs.h"

#define DEATH_NS (5 * NS_PER_S)

struct search {
	int proc_fd;
	struct stat file, exe;
	unsigned n;
};

static bool is_stopped(int dir)
{
	struct proc_stat s;

	return proc_stat_read(dir, "stat", &s) == 0 && (s.state == 'T' || s.state == 't');
}

/* brink's own, not a pager that somebody suspended. */
static bool is_ours(const struct search *s, int dir)
{
	struct stat st;

	return fstatat(dir, "exe", &st, 0) == 0 && st.st_dev == s->exe.st_dev &&
	       st.st_ino == s->exe.st_ino;
}

/* One of the descriptors in "fd" below dir? */
static bool has_open(const struct search *s, int dir)
{
	AUTO(auto_close) int fds = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	alignas(struct dirent64) char buf[4096];
	struct stat st;
	ssize_t n;

	while (fds >= 0 && (n = getdents64(fds, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(buf + at);

			at += d->d_reclen;
			if (d->d_name[0] != '.' && fstatat(fds, d->d_name, &st, 0) == 0 &&
			    st.st_dev == s->file.st_dev && st.st_ino == s->file.st_ino)
				return true;
		}
	}
	return false;
}

static int visit(void *arg, int32_t pid)
{
	struct search *s = arg;
	AUTO(auto_close) int dir = -1;
	AUTO(auto_close) int pidfd = -1;

	if (pid == getpid())
		return 0;
	dir = proc_dir_open(s->proc_fd, pid);
	if (dir < 0 || !is_stopped(dir) || !is_ours(s, dir) || !has_open(s, dir))
		return 0;
	pidfd = pidfd_open(pid, 0);
	/* dir is of the process that was looked at: still readable, it is the one of the pidfd too
	 */
	if (pidfd >= 0 && is_stopped(dir) && pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0)
		s->n += io_wait(pidfd, POLLIN, clock_mono_ns() + DEATH_NS) > 0;
	return 0;
}

unsigned openers_end_stopped(int fd)
{
	struct err ignored;
	AUTO(auto_close) int proc_fd = proc_fs_open(&ignored);
	struct search s = { .proc_fd = proc_fd };

	if (proc_fd < 0 || fstat(fd, &s.file) < 0 || stat("/proc/self/exe", &s.exe) < 0)
		return 0;
	proc_each(proc_fd, visit, &s);
	return s.n;
}
