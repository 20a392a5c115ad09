/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "safety/fingerprint_parts.h"

#define DEPTH 8

/*
 * Sysctls that move by themselves, that do something when they are read, or that show the last
 * command written to them. Paths below /proc/sys; a last '*' stands for any ending.
 */
static const char *const skipped[] = {
	"fs/aio-nr",
	"fs/binfmt_misc*",
	"fs/dentry-state",
	"fs/file-nr",
	"fs/inode-nr",
	"fs/inode-state",
	"fs/quota*",
	"kernel/cad_pid",
	"kernel/firmware_config*",
	"kernel/hung_task_detect_count",
	"kernel/keys*",
	"kernel/ns_last_pid",
	"kernel/perf_event_max_sample_rate",
	"kernel/pty/nr",
	"kernel/random*",
	"kernel/sched_domain*",
	"kernel/spl*",
	"kernel/usermodehelper*",
	"net/ipv4/route/flush",
	"net/ipv6/route/flush",
	"net/netfilter/nf_conntrack_count",
	"vm/compact_memory",
	"vm/drop_caches",
	"vm/stat_refresh",
};

static bool is_skipped(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < ARRAY_LEN(skipped); i++) {
		size_t n = strlen(skipped[i]);
		bool any = skipped[i][n - 1] == '*';

		n -= any;
		if (len >= n && !memcmp(path, skipped[i], n) && (any || len == n))
			return true;
	}
	/* net/ipv6/conf/DEV/stable_secret: unreadable until it is set */
	return len > 14 && !strcmp(path + len - 14, "/stable_secret");
}

/* Hashes a whole file, or the reason why it cannot be read: that is a property too. -ENOENT: it has
 * gone. */
static int hash_file(int dirfd, const char *name, uint64_t *ret)
{
	AUTO(auto_close)
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	uint64_t h = FP_SEED;
	char buf[4096];
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0) {
		*ret = (uint64_t)errno;
		return 0;
	}
	for (unsigned times = 0;;) {
		n = read(fd, buf, sizeof(buf));
		if (n < 0 && io_again(&times))
			continue;
		if (n < 0)
			h = fp_hash_u32(h, (uint32_t)errno);
		else
			h = fp_hash(h, buf, (size_t)n);
		if (n < (ssize_t)sizeof(buf)) /* a sysctl gives all it has in one read */
			break;
	}
	*ret = h;
	return 0;
}

static int walk(struct fp_take *t, int dirfd, struct text *path, unsigned depth);

static int visit(struct fp_take *t, int dirfd, struct text *path, const struct dirent64 *d,
		 unsigned depth)
{
	AUTO(auto_close) int sub = -1;
	size_t before = path->len;
	uint64_t hash;
	int r = 0;

	if (d->d_name[0] == '.')
		return 0;
	text_add(path, "/%s", d->d_name);
	if (path->cut)
		return err_set(t->e, ENAMETOOLONG, "the sysctl path '%s' is too long", path->buf);
	if (is_skipped(path->buf)) {
		r = 0;
	} else if (d->d_type == DT_DIR) {
		sub = openat(dirfd, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub >= 0)
			r = walk(t, sub, path, depth + 1);
		else if (errno != ENOENT)
			r = err_sys(t->e, "cannot open '/proc/sys/%s'", path->buf);
	} else if (!hash_file(dirfd, d->d_name, &hash)) {
		r = fp_add(t, fp_hash(FP_SEED, path->buf, path->len), hash, "sysctl %s", path->buf);
	}
	path->len = before;
	path->buf[before] = '\0';
	return r;
}

static int walk(struct fp_take *t, int dirfd, struct text *path, unsigned depth)
{
	alignas(struct dirent64) char buf[8192];

	if (depth > DEPTH)
		return err_set(t->e, ELOOP, "'/proc/sys/%s' is too deep", path->buf);
	for (;;) {
		ssize_t n = getdents64(dirfd, buf, sizeof(buf));

		if (n < 0 && errno != ENOENT)
			return err_sys(t->e, "cannot list '/proc/sys/%s'", path->buf);
		if (n <= 0)
			return 0;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(buf + at);
			int r = visit(t, dirfd, path, d, depth);

			if (r)
				return r;
			at += d->d_reclen;
		}
	}
}

int fp_sysctls(struct fp_take *t)
{
	static const char *const roots[] = { "net", "kernel", "vm", "fs" };
	/* what is not below net is of the machine, not of a network namespace */
	size_t n = t->scope[0] ? 1 : ARRAY_LEN(roots);

	for (size_t i = 0; i < n; i++) {
		AUTO(auto_close) int fd = -1;
		char buf[256], name[32];
		struct text path = text_on(buf, sizeof(buf));
		int r;

		snprintf(name, sizeof(name), "/proc/sys/%s", roots[i]);
		fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(t->e, "cannot open '%s'", name);
		text_add(&path, "%s", roots[i]);
		r = walk(t, fd, &path, 0);
		if (r)
			return r;
	}
	return 0;
}
