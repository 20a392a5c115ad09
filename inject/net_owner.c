/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "inject/cgroup.h"

#define DEPTH_MAX     24
#define CONTAINER_MIN 8 /* characters of an id: fewer would mean many */

static unsigned count_given(const struct net_spec *s)
{
	return !!s->cgroup + !!s->unit + !!s->container + (s->pid > 0);
}

bool net_owner_given(const struct net_spec *spec)
{
	return count_given(spec) > 0;
}

int net_owner_check(const struct net_spec *spec, enum gate_action action, struct err *e)
{
	if (!net_owner_given(spec))
		return 0;
	if (count_given(spec) > 1)
		return err_set(e, EINVAL,
			       "cgroup, unit, container and pid each say whose sockets: give one");
	if (spec->direction == NET_BOTH)
		return err_set(e, EINVAL,
			       "whose sockets and 'direction: both' contradict each other: write "
			       "two faults, out and in");
	if (spec->direction == NET_IN && action == GATE_FWD)
		return err_set(e, EINVAL,
			       "what comes in is delayed or lost before it is known whose it is: "
			       "use 'direction: out', choose it by its port, or use net.drop");
	if (spec->container && strlen(spec->container) < CONTAINER_MIN)
		return err_set(e, EINVAL,
			       "'%s' is too short for the id of a container: write %d "
			       "characters of it or more",
			       spec->container, CONTAINER_MIN);
	return 0;
}

/* What a runtime calls the cgroup of a container: the id, or PREFIX-ID.scope (docker, libpod,
 * cri-containerd, crio). */
static bool is_container(const char *name, const char *id)
{
	const char *scope = strstr(name, ".scope"), *at = name;

	if (scope && !scope[strlen(".scope")]) {
		for (const char *c = name; c < scope; c++) {
			if (*c == '-')
				at = c + 1;
		}
	}
	return strncmp(at, id, strlen(id)) == 0;
}

struct search {
	const char *word;
	bool container;
	unsigned n;
	char found[PATH_MAX];
	char also[PATH_MAX];
};

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* What is below a match belongs to it. */
static void search_below(struct search *s, const char *path, unsigned depth)
{
	AUTO(close_dir) DIR *d = opendir(path);
	struct dirent *entry;

	while (d && depth < DEPTH_MAX && (entry = readdir(d))) {
		char sub[PATH_MAX];
		bool hit;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    snprintf(sub, sizeof(sub), "%s/%s", path, entry->d_name) >= (int)sizeof(sub))
			continue;
		hit = s->container ? is_container(entry->d_name, s->word) :
				     strcmp(entry->d_name, s->word) == 0;
		if (!hit)
			search_below(s, sub, depth + 1);
		else if (s->n++)
			snprintf(s->also, sizeof(s->also), "%s", sub);
		else
			snprintf(s->found, sizeof(s->found), "%s", sub);
	}
}

/* "/" of the hierarchy, wherever it is mounted. */
static int top(char *ret, size_t size, struct err *e)
{
	char x[PATH_MAX];
	int rc = cgroup2_path("/x", x, sizeof(x));

	if (rc < 0 || strlen(x) - 2 >= size)
		return err_set(e, ENOENT, "there is no cgroup v2 hierarchy here");
	snprintf(ret, size, "%.*s", (int)strlen(x) - 2, x);
	return 0;
}

static int search(const char *word, bool container, char *ret, size_t size, struct err *e)
{
	struct search s = { .word = word, .container = container };
	char path[PATH_MAX];
	int rc = top(path, sizeof(path), e);

	if (rc < 0)
		return rc;
	search_below(&s, path, 0);
	if (!s.n)
		return err_set(e, ENOENT, "no cgroup of a %s '%s' in %s: is it running?",
			       container ? "container" : "unit", word, path);
	if (s.n > 1)
		return err_set(e, ENOENT, "'%s' means more than one cgroup: '%s', '%s'", word,
			       s.found, s.also);
	snprintf(ret, size, "%s", s.found);
	return 0;
}

static bool has_below(const char *path)
{
	AUTO(close_dir) DIR *d = opendir(path);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			return true;
	}
	return false;
}

/* A socket belongs to the cgroup that it was made in: of a process that shares its own with others
 * the kernel cannot tell whose it is. */
static int alone_in(const char *path, int64_t pid, struct err *e)
{
	char file[PATH_MAX], text[256];
	unsigned others = 0;
	ssize_t n;

	if (snprintf(file, sizeof(file), "%s/cgroup.procs", path) >= (int)sizeof(file))
		return err_set(e, ENAMETOOLONG, "the cgroup of process %lld", (long long)pid);
	n = io_read_file(AT_FDCWD, file, text, sizeof(text));
	for (const char *line = text; n > 0 && *line; line += strcspn(line, "\n") + 1) {
		others += atoll(line) != pid;
		if (!line[strcspn(line, "\n")])
			break;
	}
	if (n == -EFBIG || others || has_below(path))
		return err_set(e, EBUSY,
			       "process %lld shares its cgroup '%s' with others, and their sockets "
			       "cannot be told apart: start it in one of its own (systemd-run "
			       "--scope), or say 'cgroup' to mean all of them",
			       (long long)pid, path);
	return n < 0 ? err_set(e, (int)-n, "cannot read '%s'", file) : 0;
}

static int of_process(int64_t pid, char *ret, size_t size, struct err *e)
{
	char file[64], text[8192], *v2, *end;
	int rc;

	snprintf(file, sizeof(file), "/proc/%lld/cgroup", (long long)pid);
	if (io_read_file(AT_FDCWD, file, text, sizeof(text)) <= 0)
		return err_set(e, ENOENT, "there is no process %lld", (long long)pid);
	v2 = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!v2)
		return err_set(e, ENOENT, "there is no cgroup v2 hierarchy here");
	v2 += strspn(v2, "\n") + strlen("0::");
	end = v2 + strcspn(v2, "\n");
	*end = '\0';
	rc = cgroup2_path(v2, ret, size);
	if (rc < 0)
		return err_set(e, EBUSY,
			       "process %lld is in the root cgroup with everything else: start it "
			       "in one of its own (systemd-run --scope)",
			       (long long)pid);
	return alone_in(ret, pid, e);
}

static int find_path(const struct net_spec *spec, char *ret, size_t size, struct err *e)
{
	int rc;

	if (spec->unit)
		return search(spec->unit, false, ret, size, e);
	if (spec->container)
		return search(spec->container, true, ret, size, e);
	if (spec->pid > 0)
		return of_process(spec->pid, ret, size, e);
	rc = cgroup2_path(spec->cgroup, ret, size);
	return rc < 0 ? err_set(e, -rc, "'%s' is no path of a cgroup v2 below the root",
				spec->cgroup) :
			0;
}

int net_owner_find(const struct net_spec *spec, struct gate_conditions *ret, struct err *e)
{
	char path[PATH_MAX], plain[PATH_MAX], root[PATH_MAX];
	struct stat st;
	int rc;

	if (!net_owner_given(spec))
		return 0;
	rc = top(root, sizeof(root), e);
	if (rc == 0)
		rc = find_path(spec, path, sizeof(path), e);
	if (rc < 0)
		return rc;
	if (!realpath(path, plain) || stat(plain, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_sys(e, "there is no cgroup '%s'", path);
	if (strncmp(plain, root, strlen(root)) != 0)
		return err_set(e, EINVAL, "'%s' is no path of a cgroup v2", path);
	ret->given |= GATE_CGROUP;
	ret->cgroup = st.st_ino; /* of 64 bits on cgroupfs: kernfs.h, kernfs_id() */
	ret->cgroup_level = 0;
	for (const char *c = plain + strlen(root); *c; c++)
		ret->cgroup_level += *c == '/';
	return 0;
}
