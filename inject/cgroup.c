/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/cgroup.h"

#include <stdio.h>
#include <string.h>

#include "base/auto.h"

#define MOUNTINFO_LINE 4096

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
