/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/fill.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/crc32c.h"
#include "base/io.h"
#include "inject/change/proc_state.h"
#include "inject/proc_fs.h"

/* What is done and read with the record alone. */

#define NOISE_BYTES ((uint64_t)1 << 20) /* what a file system takes for itself meanwhile */

void fill_spare_name(char *ret, size_t size, const struct undo *u)
{
	snprintf(ret, size, ".brink-%s-%u", u->run_id, u->fault);
}

int64_t fill_mark(const struct undo *u)
{
	uint32_t run = crc32c(u->run_id, strlen(u->run_id));

	return (int64_t)(run & 0x3fffff) << 8 | (u->fault & 0xff) | 1 << 30;
}

/* Whoever held it: see fill_drain. Only there is the disk asked for anything. */
static void sync_btrfs(const char *path)
{
	AUTO(auto_close) int dir = -1;
	struct statfs fs;

	if (statfs(path, &fs) < 0 || fs.f_type != BTRFS_SUPER_MAGIC)
		return;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		syncfs(dir);
}

int fill_undo(const struct undo *u, struct err *e)
{
	char path[sizeof(u->u.fill.path) + 64], name[64];
	struct stat st;

	if (!u->u.fill.by_path)
		return 0;
	sync_btrfs(u->u.fill.path);
	fill_spare_name(name, sizeof(name), u);
	snprintf(path, sizeof(path), "%s/%s", u->u.fill.path, name);
	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ?
			       0 :
			       err_sys(e, "cannot look for '%s'", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove '%s'", path);
	return 0;
}

/* Is this descriptor a file without a name on the device, with space in it and with our mark? */
struct held_scan {
	const struct undo *u;
	int32_t pid;
	uint64_t bytes;
	int32_t holder;
};

static bool on_device(const struct held_scan *h, int fds, const char *fd, const struct stat *st)
{
	size_t len = strlen(h->u->u.fill.path);
	char link[512];
	ssize_t n;

	if (st->st_dev == h->u->u.fill.dev)
		return true;
	/* overlayfs: a file has another device number than its directory */
	n = readlinkat(fds, fd, link, sizeof(link) - 1);
	return n > 0 && (size_t)n > len && memcmp(link, h->u->u.fill.path, len) == 0 &&
	       link[len] == '/';
}

/* 1, 0, or -errno: what cannot be read is not absent. -ENOENT: closed meanwhile. */
static int has_mark(const struct held_scan *h, int fds, const char *fd)
{
	char path[32], info[256];
	ssize_t n;

	snprintf(path, sizeof(path), "../fdinfo/%s", fd);
	n = io_read_file(fds, path, info, sizeof(info));
	if (n < 0)
		return (int)n;
	return strncmp(info, "pos:", 4) == 0 && strtoll(info + 4, NULL, 10) == fill_mark(h->u);
}

static int holds(const struct held_scan *h, int fds, int fd, uint64_t *ret_bytes)
{
	char name[16];
	struct stat st;

	snprintf(name, sizeof(name), "%d", fd);
	if (fstatat(fds, name, &st, 0) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink || !st.st_blocks || !on_device(h, fds, name, &st))
		return 0;
	*ret_bytes = (uint64_t)st.st_blocks * 512;
	return has_mark(h, fds, name);
}

struct fd_walk {
	struct held_scan *h;
	int fds;
};

static int see_fd(void *arg, int32_t fd)
{
	struct fd_walk *w = arg;
	uint64_t bytes = 0;
	int rc = holds(w->h, w->fds, fd, &bytes);

	if (rc == 1) {
		w->h->bytes += bytes;
		w->h->holder = w->h->pid;
	}
	return rc == -ENOENT || rc > 0 ? 0 : rc;
}

/* A holder of another user that we may not look into is not one of this user's runs. */
static int unreadable(int dir, int error)
{
	int32_t tgid;
	uint32_t euid;

	if (error != EACCES && error != EPERM)
		return error == ENOENT || error == ESRCH ? 0 : -error;
	return proc_ids(dir, &tgid, &euid) == 0 && euid != geteuid() ? 0 : -error;
}

static int see_process(void *arg, int32_t pid)
{
	struct held_scan *h = arg;
	AUTO(auto_close) int dir = -1;
	AUTO(auto_close) int fds = -1;
	struct fd_walk w = { .h = h };
	char path[32];
	int rc = proc_is_holder(pid);

	if (rc <= 0)
		return rc;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fds = dir < 0 ? -1 : openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fds < 0)
		return unreadable(dir, errno);
	h->pid = pid;
	w.fds = fds;
	rc = proc_each(fds, see_fd, &w);
	return rc < 0 ? unreadable(dir, -rc) : 0;
}

/*
 * The file has no name and its number was not known when the record was written: what tells is
 * whether a holder still has a nameless file with space in it on that device.
 */
int fill_ended(const struct undo *u, struct text *ret_left, struct err *e)
{
	AUTO(auto_close) int proc = proc_fs_open(e);
	struct held_scan h = { .u = u };
	int rc = proc < 0 ? proc : proc_each(proc, see_process, &h);

	if (proc < 0)
		return proc;
	if (rc < 0)
		return err_set(e, -rc, "cannot read what the holders hold: %s", strerror(-rc));
	if (!h.bytes)
		return 0;
	text_add(ret_left, "%llu bytes in '%s' are held by process %d", (unsigned long long)h.bytes,
		 u->u.fill.path, h.holder);
	return 1;
}

/*
 * A file system that became read-only frees nothing any more, not even a file that nobody holds.
 * Nobody can take space there either: what is missing is ours.
 */
static int kept_by_read_only(const struct undo *u, struct text *ret_left, struct err *e)
{
	struct statvfs fs;
	struct stat st;
	uint64_t avail;

	if (stat(u->u.fill.path, &st) < 0 || statvfs(u->u.fill.path, &fs) < 0)
		return errno == ENOENT || errno == ENOTDIR ?
			       0 :
			       err_sys(e, "cannot read the file system of '%s'", u->u.fill.path);
	if (st.st_dev != u->u.fill.dev || !(fs.f_flag & ST_RDONLY))
		return 0;
	avail = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (avail + NOISE_BYTES >= u->u.fill.bytes_before)
		return 0;
	text_add(ret_left,
		 "%llu bytes in '%s' come back when it is mounted anew: it became read-only "
		 "while they were held",
		 (unsigned long long)(u->u.fill.bytes_before - avail), u->u.fill.path);
	return 1;
}

static int named_left(const struct undo *u, struct text *ret_left, struct err *e)
{
	char path[sizeof(u->u.fill.path) + 64], name[64];
	struct stat st;

	fill_spare_name(name, sizeof(name), u);
	snprintf(path, sizeof(path), "%s/%s", u->u.fill.path, name);
	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ?
			       0 :
			       err_sys(e, "cannot look for '%s'", path);
	text_add(ret_left, "the file '%s' is still there", path);
	return 1;
}

int fill_gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	int rc = fill_ended(u, ret_left, e);

	if (rc == 0 && u->u.fill.by_path)
		rc = named_left(u, ret_left, e);
	return rc ? rc : kept_by_read_only(u, ret_left, e);
}
