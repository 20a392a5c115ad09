/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/proc_fs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"

/* include/linux/sched.h; stable since it stands in field 9 of stat */
#define PF_KTHREAD 0x00200000U

/* The decimal number at *at, which is moved behind it and one space. */
static bool next_number(const char **at, uint64_t *ret)
{
	char *end = NULL;

	*ret = strtoull(*at, &end, 10);
	if (end == *at)
		return false;
	*at = *end == ' ' ? end + 1 : end;
	return true;
}

int proc_stat_parse(const char *text, struct proc_stat *ret)
{
	/* field numbers of proc(5), from 4 (the first after the state) to 22 */
	enum { PPID = 4, FLAGS = 9, THREADS = 20, START = 22 };
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	uint64_t field[START + 1] = { 0 };
	struct proc_stat s = { 0 };
	size_t len;

	if (!open || !close || close < open || close[1] != ' ' || !close[2] || close[3] != ' ')
		return -EBADMSG;
	s.pid = (int32_t)strtol(text, NULL, 10);
	len = (size_t)(close - open - 1);
	if (s.pid <= 0 || len >= sizeof(s.comm))
		return -EBADMSG;
	memcpy(s.comm, open + 1, len);
	s.state = close[2];
	text = close + 4;
	for (unsigned i = PPID; i <= START; i++)
		if (!next_number(&text, &field[i]))
			return -EBADMSG;
	s.ppid = (int32_t)field[PPID];
	s.flags = (uint32_t)field[FLAGS];
	s.threads = (uint32_t)field[THREADS];
	s.start_ticks = field[START];
	*ret = s;
	return 0;
}

/* Everywhere below /proc/PID a process that has gone is ENOENT before, ESRCH after the directory
 * was found. */
static int gone(int error)
{
	return error == -ENOENT ? -ESRCH : error;
}

int proc_stat_read(int dirfd, const char *path, struct proc_stat *ret)
{
	char buf[1024];
	ssize_t n = io_read_file(dirfd, path, buf, sizeof(buf));

	if (n < 0)
		return gone((int)n);
	return n ? proc_stat_parse(buf, ret) : -ESRCH;
}

int proc_stat_of(int32_t pid, struct proc_stat *ret)
{
	char path[32];

	if (pid <= 0)
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return proc_stat_read(AT_FDCWD, path, ret);
}

bool proc_is_kernel(const struct proc_stat *s)
{
	return s->flags & PF_KTHREAD;
}

bool proc_is_dead(const struct proc_stat *s)
{
	return (s->state == 'Z' || s->state == 'X' || s->state == 'x') && s->threads <= 1;
}

int proc_fs_open(struct err *e)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "cannot open '/proc'") : fd;
}

int proc_dir_open(int proc_fd, int32_t pid)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%d", pid);
	fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? gone(-errno) : fd;
}

static int each_of(const char *buf, ssize_t n, int (*fn)(void *arg, int32_t pid), void *arg)
{
	for (ssize_t at = 0; at < n;) {
		const struct dirent64 *d = (const struct dirent64 *)(const void *)(buf + at);
		int r;

		at += d->d_reclen;
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		r = fn(arg, (int32_t)strtol(d->d_name, NULL, 10));
		if (r)
			return r;
	}
	return 0;
}

int proc_each(int proc_fd, int (*fn)(void *arg, int32_t pid), void *arg)
{
	_Alignas(struct dirent64) char buf[16384];

	if (lseek(proc_fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t n = getdents64(proc_fd, buf, sizeof(buf));
		int r;

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		r = each_of(buf, n, fn, arg);
		if (r)
			return r;
	}
}

int proc_ids(int proc_dir, int32_t *ret_tgid, uint32_t *ret_euid)
{
	AUTO(auto_close) int fd = openat(proc_dir, "status", O_RDONLY | O_CLOEXEC);
	/* both lines stand before the first one of unbounded length (Groups) */
	char buf[1024];
	const char *tgid, *uid;
	uint64_t v[2];
	ssize_t n;

	if (fd < 0)
		return gone(-errno);
	n = io_read_full(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return n ? gone((int)n) : -ESRCH;
	buf[n] = '\0';
	tgid = strstr(buf, "\nTgid:\t");
	uid = strstr(buf, "\nUid:\t");
	if (!tgid || !uid)
		return -EBADMSG;
	tgid += strlen("\nTgid:\t");
	uid += strlen("\nUid:\t");
	uid += strcspn(uid, "\t\n"); /* real, then effective */
	if (!next_number(&tgid, &v[0]) || *uid != '\t' || !next_number(&uid, &v[1]))
		return -EBADMSG;
	*ret_tgid = (int32_t)v[0];
	*ret_euid = (uint32_t)v[1];
	return 0;
}

int proc_find_line(int fd, const char *key, char *ret, size_t size)
{
	size_t have = 0, keep, len = strlen(key);
	char buf[1024];
	ssize_t n;

	while ((n = io_read_full(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		const char *at, *end;

		have += (size_t)n;
		buf[have] = '\0';
		at = strstr(buf, key);
		end = at ? strchr(at + len, '\n') : NULL;
		if (end && (size_t)(end - at) - len < size) {
			memcpy(ret, at + len, (size_t)(end - at) - len);
			ret[(size_t)(end - at) - len] = '\0';
			return 0;
		}
		keep = at ? (size_t)(buf + have - at) : have < len ? have : len;
		if (end || keep == sizeof(buf) - 1)
			return -EFBIG;
		memmove(buf, buf + have - keep, keep);
		have = keep;
	}
	return n < 0 ? (int)n : -ENOENT;
}

/* The inode in "socket:[12345]"; 0 = it is something else. */
static uint64_t socket_inode(int dir, const char *name)
{
	static const char head[] = "socket:[";
	char link[64];
	ssize_t len = readlinkat(dir, name, link, sizeof(link) - 1);
	uint64_t inode = 0;
	const char *at = link + sizeof(head) - 1;

	if (len < (ssize_t)sizeof(head))
		return 0;
	link[len] = '\0';
	if (strncmp(link, head, sizeof(head) - 1) != 0 || !next_number(&at, &inode))
		return 0;
	return *at == ']' ? inode : 0;
}

int proc_sockets(int proc_fd, int32_t pid, int (*fn)(void *arg, uint64_t inode), void *arg)
{
	_Alignas(struct dirent64) char buf[8192];
	AUTO(auto_close) int fd = -1;
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/fd", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return gone(-errno);
	while ((n = getdents64(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(buf + at);
			uint64_t inode = socket_inode(fd, d->d_name);
			int r = inode ? fn(arg, inode) : 0;

			at += d->d_reclen;
			if (r)
				return r;
		}
	}
	return n < 0 ? gone(-errno) : 0;
}

bool proc_cgroup_within(const char *text, const char *path)
{
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	while (*text) {
		size_t line = strcspn(text, "\n");
		const char *end = text + line, *at = memchr(text, ':', line);

		at = at ? memchr(at + 1, ':', (size_t)(end - at - 1)) :
			  NULL; /* "4:memory:/a", "0::/a" */
		if (at && (size_t)(end - at - 1) >= len && !memcmp(at + 1, path, len) &&
		    (at + 1 + len == end || at[1 + len] == '/'))
			return true;
		text = *end ? end + 1 : end;
	}
	return false;
}
