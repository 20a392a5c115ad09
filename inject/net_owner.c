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
#define PROCS_MAX     256

static unsigned count_given(const struct net_spec *s)
{
	return !!s->cgroup + !!s->unit + !!s->container + (s->pid > 0) + !!s->exe + !!s->name;
}

static struct proc_select processes(const struct net_spec *s)
{
	return (struct proc_select){ .pid = s->pid, .exe = s->exe, .name = s->name };
}

bool net_owner_given(const struct net_spec *spec)
{
	return count_given(spec) > 0;
}

int net_owner_check(const struct net_spec *spec, struct err *e)
{
	const struct proc_select procs = processes(spec);

	if (!net_owner_given(spec))
		return 0;
	if (count_given(spec) > 1)
		return err_set(e, EINVAL,
			       "cgroup, unit, container, pid, exe and name each say whose sockets: "
			       "give one");
	if (spec->container && strlen(spec->container) < CONTAINER_MIN)
		return err_set(e, EINVAL,
			       "'%s' is too short for the id of a container: write %d "
			       "characters of it or more",
			       spec->container, CONTAINER_MIN);
	return proc_select_check(&procs, e);
}

/*
 * What a runtime calls the cgroup of a container: the id (docker, containerd), PREFIX-ID (libpod,
 * crio), or under systemd PREFIX-ID.scope (docker, libpod, cri-containerd, crio). The one of
 * podman's and CRI-O's monitor, which has no sockets of the container, is PREFIX-conmon-ID.scope.
 */
static bool is_container(const char *name, const char *id)
{
	static const char monitor[] = "conmon-";
	const char *dash = strrchr(name, '-'), *at = dash ? dash + 1 : name;
	size_t before = (size_t)(at - name), n = strspn(at, "0123456789abcdef");

	if (strcmp(name, id) == 0)
		return true;
	if (before >= sizeof(monitor) - 1 &&
	    strncmp(at - (sizeof(monitor) - 1), monitor, sizeof(monitor) - 1) == 0)
		return false;
	return n >= strlen(id) && (!at[n] || strcmp(at + n, ".scope") == 0) &&
	       strncmp(at, id, strlen(id)) == 0;
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

/* The processes that are meant, in words and one by one. */
struct owners {
	char words[100]; /* "process 12 (db)", "the 3 processes of name 'db'" */
	size_t n;
	struct proc_id at[PROCS_MAX];
};

static bool is_one_of(const struct owners *o, int64_t pid)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->at[i].pid == pid)
			return true;
	}
	return false;
}

static int find_owners(const struct net_spec *spec, const struct targets *t, struct owners *ret,
		       struct err *e)
{
	const struct proc_select procs = processes(spec);
	struct targets unlimited = *t; /* no process is touched: limits are not about these */
	struct text words = text_on(ret->words, sizeof(ret->words));
	const char *of = spec->exe ? spec->exe : spec->name;
	char name[80];
	int n;

	unlimited.max_processes = 0;
	n = proc_resolve(&procs, NULL, &unlimited, ret->at, PROCS_MAX, e);
	if (n < 0)
		return n;
	ret->n = (size_t)n;
	if (n == 1) {
		text_add(&words, "process %d (%s)", ret->at[0].pid,
			 proc_name(ret->at[0].pid, name, sizeof(name)));
		return 0;
	}
	text_add(&words, "the %d processes of %s '", n, spec->exe ? "exe" : "name");
	text_add_foreign(&words, of, strnlen(of, 64));
	text_add(&words, "'");
	return 0;
}

/* The path below the root of the hierarchy, as 'cgroup' takes it. */
static const char *key_of(const char *path)
{
	char root[PATH_MAX];
	struct err ignored;

	return top(root, sizeof(root), &ignored) < 0 ? path : path + strlen(root);
}

/* A socket belongs to the cgroup that it was made in: of processes that share theirs with others
 * the kernel cannot tell whose it is. */
static int alone_in(const char *path, const struct owners *o, struct err *e)
{
	char file[PATH_MAX], text[16 * PROCS_MAX];
	unsigned others = 0;
	ssize_t n;

	if (snprintf(file, sizeof(file), "%s/cgroup.procs", path) >= (int)sizeof(file))
		return err_set(e, ENAMETOOLONG, "the cgroup of %s", o->words);
	n = io_read_file(AT_FDCWD, file, text, sizeof(text));
	for (const char *line = text; n > 0 && *line; line += strcspn(line, "\n") + 1) {
		others += !is_one_of(o, atoll(line));
		if (!line[strcspn(line, "\n")])
			break;
	}
	if (n == -EFBIG || others || has_below(path)) {
		err_set(e, EBUSY,
			"start %s in an own one (systemd-run --scope), or say 'cgroup: %s' or "
			"'unit' to mean all of it",
			o->n == 1 ? "it" : "them", key_of(path));
		return err_ctx(e, "%s share%s a cgroup with others, whose sockets look the same",
			       o->words, o->n == 1 ? "s" : "");
	}
	return n < 0 ? err_set(e, (int)-n, "cannot read '%s'", file) : 0;
}

static int cgroup_of(int32_t pid, char *ret, size_t size, struct err *e)
{
	char file[64], text[8192], *v2, *end;
	int rc;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	if (io_read_file(AT_FDCWD, file, text, sizeof(text)) <= 0)
		return err_set(e, ENOENT, "there is no process %d any more", pid);
	v2 = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!v2)
		return err_set(e, ENOENT, "there is no cgroup v2 hierarchy here");
	v2 += strspn(v2, "\n") + strlen("0::");
	end = v2 + strcspn(v2, "\n");
	*end = '\0';
	rc = cgroup2_path(v2, ret, size);
	return rc < 0 ? err_set(e, EBUSY,
				"process %d is in the root cgroup with everything else: start it "
				"in one of its own (systemd-run --scope)",
				pid) :
			0;
}

/* All of them in one cgroup, and nobody else. */
static int of_processes(const struct net_spec *spec, const struct targets *t, char *ret,
			size_t size, struct err *e)
{
	char also[PATH_MAX];
	struct owners o;
	int rc = find_owners(spec, t, &o, e);

	if (rc == 0)
		rc = cgroup_of(o.at[0].pid, ret, size, e);
	for (size_t i = 1; i < o.n && rc == 0; i++) {
		rc = cgroup_of(o.at[i].pid, also, sizeof(also), e);
		if (rc == 0 && strcmp(ret, also) != 0) {
			err_set(e, EBUSY,
				"write a fault for each ('cgroup: %s', 'cgroup: %s'), or start "
				"them in one (systemd-run --scope)",
				key_of(ret), key_of(also));
			rc = err_ctx(e, "%s are in several cgroups", o.words);
		}
	}
	return rc < 0 ? rc : alone_in(ret, &o, e);
}

static int find_path(const struct net_spec *spec, const struct targets *t, char *ret, size_t size,
		     struct err *e)
{
	int rc;

	if (spec->unit)
		return search(spec->unit, false, ret, size, e);
	if (spec->container)
		return search(spec->container, true, ret, size, e);
	if (!spec->cgroup)
		return of_processes(spec, t, ret, size, e);
	rc = cgroup2_path(spec->cgroup, ret, size);
	return rc < 0 ? err_set(e, -rc, "'%s' is no path of a cgroup v2 below the root",
				spec->cgroup) :
			0;
}

int net_owner_find(const struct net_spec *spec, const struct targets *t,
		   struct gate_conditions *ret, struct err *e)
{
	char path[PATH_MAX], plain[PATH_MAX], root[PATH_MAX];
	struct stat st;
	int rc;

	if (!net_owner_given(spec))
		return 0;
	rc = top(root, sizeof(root), e);
	if (rc == 0)
		rc = find_path(spec, t, path, sizeof(path), e);
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
