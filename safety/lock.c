/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/lock.h"

#include <ctype.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "base/ulid.h"

#define POLL_NS    (50 * NS_PER_MS)
#define LINE_BYTES 80 /* what a holder signs with */
#define HASH_CHARS 17 /* '-' and 16 hexadecimal digits */

char *lock_name(const char *key, char buf[static LOCK_NAME_BYTES])
{
	struct text t = text_on(buf, LOCK_NAME_BYTES - HASH_CHARS);
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (const char *p = key; *p; p++) {
		unsigned char c = (unsigned char)*p;

		hash = (hash ^ c) * UINT64_C(0x100000001b3);
		if (isalnum(c) || strchr("_:-@+", c) || (c == '.' && t.len))
			text_add(&t, "%c", c);
		else
			text_add(&t, "%%%02X", c);
	}
	if (t.cut)
		snprintf(buf + t.len, HASH_CHARS + 1, "-%016llx", (unsigned long long)hash);
	return buf;
}

static int make_dir(const char *dir, struct err *e)
{
	char copy[PATH_MAX];

	if (!mkdir(dir, 0700) || errno == EEXIST)
		return 0;
	if (errno != ENOENT || strlen(dir) >= sizeof(copy))
		return err_sys(e, "cannot make '%s'", dir);
	snprintf(copy, sizeof(copy), "%s", dir);
	if (mkdir(dirname(copy), 0755) && errno != EEXIST)
		return err_sys(e, "cannot make the folder of '%s'", dir);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_sys(e, "cannot make '%s'", dir);
	return 0;
}

/* In a folder that others can write to they could replace lock files under us, or hold them for
 * ever. */
static int open_dir(const char *dir, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	struct stat st;
	int r = make_dir(dir, e);

	if (r)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "cannot open '%s'", dir);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(e, EPERM, "'%s' is not safe: others can write to it", dir);
	return take_fd(&fd);
}

static int open_file(int dirfd, const char *name, struct err *e)
{
	AUTO(auto_close)
	int fd = openat(dirfd, name,
			O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "cannot open lock file '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EPERM, "lock file '%s' is no regular file", name);
	return take_fd(&fd);
}

/* The holder is whoever locked the file that has the name now, not one that was removed meanwhile.
 */
static bool still_named(int dirfd, const char *name, int fd)
{
	struct stat a, b;

	return !fstat(fd, &a) && !fstatat(dirfd, name, &b, AT_SYMLINK_NOFOLLOW) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* "RUN PID TIME\n", as sign() writes it. */
static int busy(int fd, struct err *e)
{
	char raw[LINE_BYTES], run[32], since[32], when[4 * sizeof(since)];
	struct text w = text_on(when, sizeof(when));
	ssize_t n = pread(fd, raw, sizeof(raw) - 1, 0);
	int pid;

	raw[n > 0 ? n : 0] = '\0';
	/* taken a moment ago, or not signed by brink */
	if (sscanf(raw, "%31s %d %31s", run, &pid, since) != 3 || strlen(run) != ULID_LEN ||
	    !ulid_is_suffix(run))
		return err_set(e, EBUSY, "another run, which starts or ends just now, holds it");
	text_add_foreign(&w, since, strlen(since));
	return err_set(e, EBUSY, "run %s (pid %d) has held it since %s; to end it: brink halt %s",
		       run, pid, when, ulid_short(run));
}

static int sign(int fd, const char *owner_run, struct err *e)
{
	char line[LINE_BYTES], when[32];
	int n;

	clock_iso(clock_wall_ns(), when, sizeof(when));
	when[strcspn(when, ".")] = '\0';
	n = snprintf(line, sizeof(line), "%.31s %d %sZ\n", owner_run, getpid(), when);
	if (ftruncate(fd, 0) || pwrite(fd, line, (size_t)n, 0) != n)
		return err_sys(e, "cannot write to the lock file");
	return 0;
}

/* Has the one we wait for gone away, or does somebody want a word? */
static bool is_over(const int stop_fd[LOCK_STOPS], int64_t deadline_ns)
{
	struct pollfd p[LOCK_STOPS];
	int64_t left = deadline_ns - clock_mono_ns();
	const struct timespec nap = { 0, left < 0 ? 0 : left < POLL_NS ? left : POLL_NS };
	int rc;

	for (size_t i = 0; i < LOCK_STOPS; i++)
		p[i] = (struct pollfd){ .fd = stop_fd[i], .events = POLLIN };
	rc = io_poll(p, LOCK_STOPS, &nap);
	if (rc < 0)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	return rc > 0;
}

int lock_take(const char *dir, const char *key, const char *owner_run, int64_t deadline_ns,
	      const int stop_fd[LOCK_STOPS], struct err *e)
{
	AUTO(auto_close) int dirfd = open_dir(dir, e);
	char name[LOCK_NAME_BYTES];
	unsigned renamed = 0;

	if (dirfd < 0)
		return dirfd;
	lock_name(key, name);
	for (;;) {
		AUTO(auto_close) int fd = open_file(dirfd, name, e);
		int r;

		if (fd < 0)
			return fd;
		if (!flock(fd, LOCK_EX | LOCK_NB)) {
			if (!still_named(dirfd, name, fd) && ++renamed < IO_INTERRUPTIONS)
				continue;
			if (renamed == IO_INTERRUPTIONS)
				return err_set(e, EAGAIN, "the lock file of '%s' does not stay",
					       key);
			r = sign(fd, owner_run, e);
			return r ? r : take_fd(&fd);
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "cannot lock '%s'", key);
		if (clock_mono_ns() >= deadline_ns)
			return busy(fd, e);
		if (is_over(stop_fd, deadline_ns))
			return err_set(e, ECANCELED, "nobody waits for '%s' any more", key);
	}
}

void lock_release(int fd)
{
	int saved = errno;

	if (fd >= 0) {
		/* unsigned before it is free, so that nobody is told of a holder that is not one */
		if (ftruncate(fd, 0))
			errno = saved;
		flock(fd, LOCK_UN);
		close(fd);
	}
	errno = saved;
}
