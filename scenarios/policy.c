/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "scenarios/bind.h"
#include "scenarios/policy_parts.h"

const struct policy_place policy_place = { POLICY_DIR, 0 };

/* In a user namespace that does not map root, root's files seem to be the overflow user's:
 * user_namespaces(7). */
static bool is_unmapped_root(uid_t uid)
{
	unsigned inside = 0, outside = 0, overflow = 65534;
	char buf[64];

	if (io_read_file(AT_FDCWD, "/proc/self/uid_map", buf, sizeof(buf)) <= 0 ||
	    sscanf(buf, "%u %u", &inside, &outside) != 2 || outside == 0)
		return false;
	if (io_read_file(AT_FDCWD, "/proc/sys/kernel/overflowuid", buf, sizeof(buf)) > 0)
		sscanf(buf, "%u", &overflow);
	return uid == overflow;
}

/*
 * Root's own, and no one else can write it. With that of each folder it cannot be exchanged between
 * this look and the reading. 1 = there is none.
 */
static int check_owner(const struct policy_place *where, const char *path, mode_t type,
		       struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 1;
		return err_sys(e, "cannot look at the policy '%.80s'", path);
	}
	if ((st.st_mode & S_IFMT) != type)
		return err_set(e, EPERM, "the policy '%.80s' is no %s (links are not followed)",
			       path, type == S_IFDIR ? "folder" : "file");
	if (st.st_uid != where->owner && !(where->owner == 0 && is_unmapped_root(st.st_uid)))
		return err_set(e, EPERM, "the policy '%.80s' belongs to user %u, not to root", path,
			       (unsigned)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, EPERM,
			       "the policy '%.80s' can be written by others than root: chmod go-w",
			       path);
	return 0;
}

static int no_memory(struct err *e)
{
	return err_set(e, ENOMEM, "no memory for the policy");
}

/* Is it a file of this format at all? Mistakes in a newer one would be nonsense. */
static bool check_version(const struct node *root, struct diags *d)
{
	const struct node *n = root->type == NODE_MAP ? node_get(root, "brink_policy") : NULL;
	int64_t version = 0;
	struct err unused;

	if (!n || n->type != NODE_SCALAR || units_int(n->text, &version, &unused) < 0 ||
	    version == POLICY_LANGUAGE)
		return true;
	diag_add(d, DIAG_ERROR, MSG_LANGUAGE, n->at,
		 "there is no version %lld of the policy here; this brink reads %d",
		 (long long)version, POLICY_LANGUAGE);
	return false;
}

struct reader {
	const struct policy_place *where;
	const struct fault_ops *const *faults;
	struct policy *p;
	struct diags *d;
	struct err *e;
};

static int read_nodes(struct reader *r, const char *path, struct policy_file *f)
{
	AUTO(arena_done) struct arena scratch = { 0 };
	struct vars vars = { .frozen = true };
	struct binder b = {
		.arena = &r->p->arena, .d = r->d, .vars = &vars, .file = path, .e = r->e
	};
	const struct node *root;
	int rc = doc_read(path, r->d, r->e);

	if (rc == 0)
		rc = doc_parse(r->d, &scratch, &root, r->e);
	if (rc == 0 && check_version(root, r->d)) {
		rc = bind_block(&b, root, &policy_fields, f);
		if (rc == 0 && root->type == NODE_MAP)
			policy_understand(f, root, r->faults, r->d);
	}
	if (rc == -EBADMSG || (rc == 0 && r->d->errors))
		rc = err_set(r->e, EBADMSG, "the policy '%.100s' cannot be understood", path);
	return rc;
}

static int read_file(struct reader *r, const char *path)
{
	struct policy *p = r->p;
	struct policy_file *f;
	const char *name;
	int rc = check_owner(r->where, path, S_IFREG, r->e);

	if (rc)
		return rc < 0 ? rc : 0;
	if (p->n_files == POLICY_FILES)
		return err_set(r->e, E2BIG, "the policy has more than %d files", POLICY_FILES);
	f = arena_zalloc(&p->arena, sizeof(*f));
	name = arena_strndup(&p->arena, path, strlen(path));
	if (!f || !name)
		return no_memory(r->e);
	diags_done(r->d); /* of the file before, which was good */
	rc = read_nodes(r, name, f);
	if (rc < 0)
		return rc;
	p->name[p->n_files] = name;
	p->file[p->n_files++] = f;
	return 0;
}

/* What is read below policy.d. Another ending is most often a file put aside; .yml is a mistake to
 * be told. */
static int wanted(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && ((n > 5 && strcmp(d->d_name + n - 5, ".yaml") == 0) ||
				       (n > 4 && strcmp(d->d_name + n - 4, ".yml") == 0));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* not by locale: the same order for everyone */
}

static int read_folder(struct reader *r, const char *dir)
{
	struct dirent **list = NULL;
	char path[PATH_MAX];
	int n, rc = check_owner(r->where, dir, S_IFDIR, r->e);

	if (rc)
		return rc < 0 ? rc : 0;
	n = scandir(dir, &list, wanted, by_name);
	if (n < 0)
		return err_sys(r->e, "cannot read the policy '%.80s'", dir);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (rc == 0 && name[strlen(name) - 4] == '.')
			rc = err_set(
				r->e, EPERM,
				"'%.60s/%.60s' ends in .yml: the policy is read from .yaml only",
				dir, name);
		if (rc == 0 && snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path))
			rc = read_file(r, path);
		free(list[i]);
	}
	free(list);
	return rc;
}

static int read_all(struct reader *r)
{
	char path[PATH_MAX];
	int rc = check_owner(r->where, r->where->dir, S_IFDIR, r->e);

	if (rc)
		return rc < 0 ? rc : 0;
	snprintf(path, sizeof(path), "%s/policy.yaml", r->where->dir);
	rc = read_file(r, path);
	if (rc == 0) {
		snprintf(path, sizeof(path), "%s/policy.d", r->where->dir);
		rc = read_folder(r, path);
	}
	return rc;
}

static void lower(struct policy_limit *l, int64_t value, struct src_pos at)
{
	if (value && (!l->at.file || value < l->value))
		*l = (struct policy_limit){ value, at };
}

static void merge(struct policy *p)
{
	p->fault_ns.value = POLICY_FAULT_NS;
	p->run_ns.value = POLICY_RUN_NS;
	for (unsigned i = 0; i < p->n_files; i++) {
		const struct policy_file *f = p->file[i];

		p->has_allow |= f->allow.n > 0;
		lower(&p->fault_ns, f->max.fault_ns, f->max.fault_at);
		lower(&p->run_ns, f->max.run_ns, f->max.run_at);
		lower(&p->processes, f->max.processes, f->max.processes_at);
		lower(&p->faults, f->max.faults, f->max.faults_at);
	}
}

int policy_load(const struct policy_place *where, const struct fault_ops *const *faults,
		struct policy *ret, struct diags *d, struct err *e)
{
	struct policy p = { 0 };
	struct reader r = {
		.where = where, .faults = faults ? faults : fault_registry, .p = &p, .d = d, .e = e
	};
	int rc = read_all(&r);

	if (rc < 0) {
		policy_done(&p);
		return rc;
	}
	merge(&p);
	*ret = p;
	return 0;
}

void policy_done(struct policy *p)
{
	arena_done(&p->arena);
	*p = (struct policy){ 0 };
}

int64_t policy_max_processes(const struct policy *p, const struct limits *l)
{
	int64_t a = p->processes.value, b = l->processes;

	return a && (!b || a < b) ? a : b;
}
