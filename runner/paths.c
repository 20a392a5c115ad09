/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/paths.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"

bool paths_is_root(void)
{
	char map[64];
	unsigned inside = 1, outside = 1;

	if (geteuid() != 0)
		return false;
	if (io_read_file(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) <= 0)
		return true; /* a kernel without user namespaces */
	return sscanf(map, "%u %u", &inside, &outside) == 2 && inside == 0 && outside == 0;
}

static bool usable(const char *dir)
{
	struct stat st;

	return dir && dir[0] == '/' && strlen(dir) < PATHS_LEN - 32 && stat(dir, &st) == 0 &&
	       S_ISDIR(st.st_mode) && access(dir, W_OK) == 0;
}

/* The uid outside a user namespace, so that a demo's own namespace finds its user's folder. */
static unsigned real_uid(void)
{
	char map[64];
	unsigned inside = 0, outside = 0;

	if (geteuid() == 0 && io_read_file(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) > 0 &&
	    sscanf(map, "%u %u", &inside, &outside) == 2)
		return outside;
	return geteuid();
}

/* The first one is where new runs go. */
static void add_state(struct paths *p, const char *dir)
{
	if (!p->state[0])
		snprintf(p->state, PATHS_LEN, "%s", dir);
	else if (strcmp(p->state, dir) != 0)
		snprintf(p->other[p->n_others++], PATHS_LEN, "%s", dir);
}

static void find_states(struct paths *p)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char dir[PATHS_LEN];

	if (usable(runtime)) {
		snprintf(dir, sizeof(dir), "%s/brink", runtime);
		add_state(p, dir);
	}
	snprintf(dir, sizeof(dir), "/run/user/%u", real_uid());
	if (usable(dir)) {
		snprintf(dir, sizeof(dir), "/run/user/%u/brink", real_uid());
		add_state(p, dir);
	}
	snprintf(dir, sizeof(dir), "/tmp/brink-%u", real_uid());
	add_state(p, dir);
}

void paths_find(struct paths *ret)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	*ret = (struct paths){ .root = paths_is_root() };
	if (ret->root) {
		snprintf(ret->state, PATHS_LEN, "/run/brink");
		snprintf(ret->runs, sizeof(ret->runs), "/var/lib/brink/runs");
		return;
	}
	find_states(ret);
	if (state && state[0] == '/' && strlen(state) < PATHS_LEN - 32)
		snprintf(ret->runs, sizeof(ret->runs), "%s/brink/runs", state);
	else if (usable(home))
		snprintf(ret->runs, sizeof(ret->runs), "%s/.local/state/brink/runs", home);
	else
		snprintf(ret->runs, sizeof(ret->runs), "%s/runs", ret->state);
}

int paths_own_folder(char *ret, size_t size, struct err *e)
{
	ssize_t n = readlink("/proc/self/exe", ret, size - 1);
	char *slash;

	if (n < 0)
		return err_sys(e, "cannot read '/proc/self/exe'");
	ret[n] = '\0';
	slash = strrchr(ret, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

int paths_make(const char *path, struct err *e)
{
	char part[PATHS_LEN + 64];

	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return err_set(e, ENAMETOOLONG, "the path '%s' is too long", path);
	for (char *p = part + 1;; p++) {
		char was = *p;

		if (was && was != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "cannot create the directory '%s'", part);
		*p = was;
		if (!was)
			return 0;
	}
}
