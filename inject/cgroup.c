/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"

#define MOUNTINFO_LINE 4096
#define DEPTH_MAX      32

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* proc_pid_mountinfo(5): "36 35 98:0 /root /mount/point options - type source options". */
static int mount_point(char *line, char *ret, size_t size)
{
	const char *type = strstr(line, " - ");
	char root[8], point[256];

	if (!type || strncmp(type, " - cgroup2 ", strlen(" - cgroup2 ")) != 0 ||
	    sscanf(line, "%*s %*s %*s %7s %255s", root, point) != 2 || strcmp(root, "/") != 0)
		return -ENOENT;
	return snprintf(ret, size, "%s", point) < (int)size ? 0 : -ENAMETOOLONG;
}

static int find_mount(char *ret, size_t size)
{
	AUTO(close_file) FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[MOUNTINFO_LINE];

	while (f && fgets(line, sizeof(line), f)) {
		if (mount_point(line, ret, size) == 0)
			return 0;
	}
	return -ENOENT;
}

int cgroup2_path(const char *cgroup, char *ret, size_t size)
{
	char mount[256];
	size_t len = strlen(cgroup);
	int rc;

	while (len && cgroup[len - 1] == '/')
		len--;
	if (!len)
		return -ENOENT; /* the root: it has no freezer, and everything is in it */
	if (strstr(cgroup, "/../") || (len >= 3 && memcmp(cgroup + len - 3, "/..", 3) == 0))
		return -EINVAL;
	rc = find_mount(mount, sizeof(mount));
	if (rc < 0)
		return rc;
	return snprintf(ret, size, "%s%.*s", mount, (int)len, cgroup) < (int)size ? 0 :
										    -ENAMETOOLONG;
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

struct cgroup_walk {
	size_t mount_len;
	int (*fn)(void *arg, const char *path, uint64_t ino);
	void *arg;
};

/* NOLINTNEXTLINE(misc-no-recursion): as deep as cgroups are, at most DEPTH_MAX */
static int each_below(const struct cgroup_walk *w, const char *dir, unsigned depth)
{
	AUTO(close_dir) DIR *d = opendir(dir);
	const struct dirent *entry;
	int rc = 0;

	if (!d) /* it may end while it is looked at */
		return depth && errno == ENOENT ? 0 : -errno;
	if (depth == DEPTH_MAX)
		return -ELOOP;
	while (rc == 0 && (entry = readdir(d))) {
		char sub[PATH_MAX];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (snprintf(sub, sizeof(sub), "%s/%s", dir, entry->d_name) >= (int)sizeof(sub))
			return -ENAMETOOLONG;
		rc = w->fn(w->arg, sub + w->mount_len, entry->d_ino);
		if (rc == 0)
			rc = each_below(w, sub, depth + 1);
	}
	return rc;
}

int cgroup2_each(const char *path, int (*fn)(void *arg, const char *path, uint64_t ino), void *arg)
{
	char mount[256], dir[PATH_MAX];
	int rc = find_mount(mount, sizeof(mount));

	if (rc < 0)
		return rc;
	if (snprintf(dir, sizeof(dir), "%s%s", mount, path) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	return each_below(&(struct cgroup_walk){ strlen(mount), fn, arg }, dir, 0);
}

struct wanted {
	uint64_t ino;
	char *ret;
	size_t size;
};

static int is_wanted(void *arg, const char *path, uint64_t ino)
{
	const struct wanted *w = arg;

	if (ino != w->ino)
		return 0;
	return snprintf(w->ret, w->size, "%s", path) < (int)w->size ? 1 : -ENAMETOOLONG;
}

int cgroup2_find(uint64_t ino, char *ret, size_t size)
{
	int rc = cgroup2_each("", is_wanted, &(struct wanted){ ino, ret, size });

	return rc < 0 ? rc : rc ? 0 : -ENOENT;
}
