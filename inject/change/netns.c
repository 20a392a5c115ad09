/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/io.h"
#include "inject/proc_fs.h"

#define SOCKS_MAX    48
#define SOCKS_OF_ONE 3 /* protocols in use: routes, nf_tables, sock_diag */

/*
 * The one mutable table outside the log level: sockets that undo will need, opened while opening
 * was still allowed to fail. Keyed by cookie and protocol.
 */
static struct {
	uint64_t cookie;
	int protocol;
	struct nlsock sock;
} socks[SOCKS_MAX];
static unsigned n_socks;

/* SO_NETNS_COOKIE (kernel 5.14) of the namespace that this thread is in. Never reused, unlike the
 * inode. */
static int current_cookie(uint64_t *ret, struct err *e)
{
	AUTO(auto_close) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	socklen_t len = sizeof(*ret);

	if (fd < 0)
		return err_sys(e, "cannot open a socket to identify the network namespace");
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len) < 0)
		return err_sys(e, "cannot identify the network namespace (needs kernel 5.14)");
	return 0;
}

static int open_own(struct err *e)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) /* no /proc: that must not read as "the namespace is gone" */
		errno = EIO;
	return fd >= 0 ? fd : err_sys(e, "cannot open '/proc/self/ns/net'");
}

/* Goes into fd's namespace, calls fn there, and comes back. A process that cannot come back must
 * not go on. */
static int inside(int fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	AUTO(auto_close) int home = open_own(e);
	int rc;

	if (home < 0)
		return home;
	if (setns(fd, CLONE_NEWNET) < 0) {
		if (errno == EPERM) /* EPERM is what a policy or the shield says */
			errno = EACCES;
		return err_right(e, "CAP_SYS_ADMIN: root, or start brink inside it",
				 "cannot enter the network namespace");
	}
	rc = fn(arg, e);
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return rc;
}

static int cookie_here(void *arg, struct err *e)
{
	return current_cookie(arg, e);
}

static int cookie_of(int fd, uint64_t *ret, struct err *e)
{
	struct stat theirs, own;

	if (fstat(fd, &theirs) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
	    theirs.st_ino == own.st_ino && theirs.st_dev == own.st_dev)
		return current_cookie(ret, e); /* needs no privilege */
	return inside(fd, cookie_here, ret, e);
}

static int full_path(const char *name, char *buf, size_t size, struct err *e)
{
	int n;

	if (strncmp(name, "pid:", 4) == 0 && (!name[4] || name[4 + strspn(name + 4, "0123456789")]))
		return err_set(e, EINVAL, "'%.40s' is no process: write pid:N", name);
	if (strncmp(name, "pid:", 4) == 0)
		n = snprintf(buf, size, "/proc/%s/ns/net", name + 4);
	else if (strchr(name, '/'))
		n = snprintf(buf, size, "%s", name);
	else
		n = snprintf(buf, size, "/run/netns/%s", name);
	if (n < 0 || (size_t)n >= size)
		return err_set(e, ENAMETOOLONG,
			       "the network namespace '%.40s...' has too long a name", name);
	return 0;
}

int netns_identify(const char *name, struct netns_ref *ret, struct err *e)
{
	struct netns_ref ref = { 0 };
	AUTO(auto_close) int fd = -1;
	int rc;

	if (!*name) {
		rc = current_cookie(&ref.cookie, e);
	} else {
		rc = full_path(name, ref.path, sizeof(ref.path), e);
		if (rc < 0)
			return rc;
		fd = open(ref.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			return err_sys(e, "cannot open the network namespace '%s'", ref.path);
		rc = cookie_of(fd, &ref.cookie, e);
		if (rc == -EINVAL) /* setns(2) on any other file */
			return err_set(e, EINVAL, "'%s' is no network namespace", ref.path);
	}
	if (rc == 0)
		*ret = ref;
	return rc;
}

/* A namespace, open, and where it was found; "" where that is too long for a reference. */
struct place {
	int fd;
	char path[sizeof(((struct netns_ref *)0)->path)];
};

/* Called for the paths of namespaces: 1 = no more are needed, 0 = go on, -errno: it cannot be
 * looked at. */
typedef int path_fn(void *arg, const char *path, struct err *e);

struct wanted {
	uint64_t cookie;
	struct place *ret;
};

/* Opens path when it is the namespace that is wanted. 0 = it is another one or is not there. */
static int is_wanted(void *arg, const char *path, struct err *e)
{
	const struct wanted *w = arg;
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t found = 0;

	if (fd < 0 && (errno == ENOENT || errno == ESRCH || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return err_sys(e, "cannot open the network namespace '%s'", path);
	if (cookie_of(fd, &found, e) < 0)
		return e->code == EINVAL ?
			       0 :
			       -e->code; /* EINVAL: a plain file where a bind mount was */
	if (found != w->cookie)
		return 0;
	w->ret->fd = take_fd(&fd);
	if (snprintf(w->ret->path, sizeof(w->ret->path), "%s", path) >= (int)sizeof(w->ret->path))
		w->ret->path[0] = '\0';
	return 1;
}

/* Gone between two looks at it: it holds no namespace any more. */
static bool is_gone(int code)
{
	return code == ENOENT || code == ESRCH;
}

struct hunt {
	path_fn *fn;
	void *arg;
	uint64_t seen_ino;
	unsigned processes;
	struct err hidden; /* of the first process that may not be looked at */
};

static int hunt_in(void *arg, int32_t pid)
{
	struct hunt *h = arg;
	char path[64];
	struct stat st;
	struct err e;
	int rc = 0;

	h->processes++;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat(path, &st) < 0) {
		rc = is_gone(errno) ? 0 : err_sys(&e, "cannot look at '%s'", path);
	} else if (st.st_ino != h->seen_ino) { /* neighbours mostly share one: ask once */
		h->seen_ino = st.st_ino;
		rc = h->fn(h->arg, path, &e);
	}
	/* a container's PID 1 may be closed even to its root; those that it started share
	 * its namespace */
	if (rc < 0 && !h->hidden.code && pid != 1)
		h->hidden = e;
	return rc > 0;
}

/* "\040" stands for a space: proc_pid_mountinfo(5). In place. */
static void unescape(char *path)
{
	char *to = path;

	for (const char *from = path; *from; to++) {
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* A line of mountinfo: "36 35 0:4 net:[4026532281] /run/netns/blue rw - nsfs nsfs
 * rw". */
static int try_mount(char *line, path_fn *fn, void *arg, struct err *e)
{
	char *rest = line, *field[5];

	for (size_t i = 0; i < ARRAY_LEN(field); i++) {
		field[i] = strsep(&rest, " ");
		if (!rest)
			return 0;
	}
	if (strncmp(field[3], "net:[", 5) != 0 || !strstr(rest, " - nsfs "))
		return 0;
	unescape(field[4]);
	return fn(arg, field[4], e);
}

/*
 * A namespace needs no process: ip-netns(8) and container engines keep theirs by a mount. Those of
 * this mount namespace. A mount that cannot be looked at goes into h->hidden.
 */
static int search_mounts(struct hunt *h, struct err *e)
{
	AUTO(auto_close) int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	char buf[2048];
	size_t have = 0;
	bool cut = false; /* the rest of a line that is longer than any of nsfs */
	ssize_t n;

	if (fd < 0)
		return err_set(e, EIO, "cannot open '/proc/self/mountinfo': %s", strerror(errno));
	while ((n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		char *line = buf, *end;

		buf[have + (size_t)n] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1, cut = false) {
			struct err trouble;
			int rc;

			*end = '\0';
			rc = cut ? 0 : try_mount(line, h->fn, h->arg, &trouble);
			if (rc > 0)
				return rc;
			if (rc < 0 && !h->hidden.code)
				h->hidden = trouble;
		}
		have = strlen(line);
		memmove(buf, line, have + 1);
		if (have == sizeof(buf) - 1) {
			have = 0;
			cut = true;
		}
	}
	return n < 0 ? err_set(e, EIO, "cannot read '/proc/self/mountinfo': %s", strerror(errno)) :
		       0;
}

/*
 * Every network namespace that a process or a mount has, some of them more than once, until fn has
 * what it wants. 1 = it has, 0 = none is it. One that cannot be looked at may be it: then 0 is an
 * error. Allocates nothing: the undo path.
 */
static int search(path_fn *fn, void *arg, struct err *e)
{
	AUTO(auto_close) int proc = proc_fs_open(e);
	struct hunt h = { .fn = fn, .arg = arg };
	int rc;

	if (proc < 0) /* never ENOENT, which reads as "the namespace is gone" */
		return err_set(e, EIO, "cannot read '/proc': %s", strerror(-proc));
	rc = proc_each(proc, hunt_in, &h);
	if (rc < 0)
		return err_set(e, EIO, "cannot list '/proc': %s", strerror(-rc));
	if (rc > 0)
		return 1;
	rc = search_mounts(&h, e);
	if (rc != 0)
		return rc;
	if (h.hidden.code) {
		*e = h.hidden;
		return err_ctx(e, "cannot tell whether the network namespace is still there");
	}
	if (!h.processes) /* an empty /proc is none: nothing can be told from it */
		return err_set(e, EIO, "'/proc' shows no process");
	return 0;
}

int netns_is_own(const struct netns_ref *ref, struct err *e)
{
	uint64_t own = 0;
	int rc = current_cookie(&own, e);

	return rc < 0 ? rc : own == ref->cookie;
}

/* By its path, then wherever it is. */
static int find(const struct netns_ref *ref, struct place *ret, struct err *e)
{
	struct wanted w = { ref->cookie, ret };
	int rc = ref->path[0] ? is_wanted(&w, ref->path, e) : 0;

	if (rc == 0)
		rc = search(is_wanted, &w, e);
	if (rc == 0)
		return err_set(e, ENOENT, "the network namespace '%s' is gone",
			       ref->path[0] ? ref->path : "of the run");
	return rc < 0 ? rc : 0;
}

int netns_open(const struct netns_ref *ref, int *ret_fd, struct err *e)
{
	struct place at = { .fd = -1 };
	uint64_t own = 0;
	int rc = current_cookie(&own, e);

	if (rc < 0)
		return rc;
	if (own == ref->cookie) {
		rc = open_own(e);
		if (rc >= 0)
			*ret_fd = rc;
		return rc < 0 ? rc : 0;
	}
	rc = find(ref, &at, e);
	if (rc == 0)
		*ret_fd = at.fd;
	return rc;
}

int netns_where(const struct netns_ref *ref, struct text *ret, struct err *e)
{
	struct place at = { .fd = -1 };
	int rc = netns_is_own(ref, e);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = find(ref, &at, e);
	if (rc < 0)
		return rc;
	close(at.fd);
	if (!at.path[0])
		return err_set(e, ENAMETOOLONG,
			       "the network namespace of the change has too long a path");
	text_add(ret, "%s", at.path);
	return 0;
}

struct opening {
	int protocol;
	struct nlsock *sock;
};

static int open_here(void *arg, struct err *e)
{
	struct opening *o = arg;

	return nlsock_open(o->protocol, o->sock, e);
}

int netns_sock(const struct netns_ref *ref, int protocol, struct nlsock **ret, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	struct opening o = { .protocol = protocol };
	uint64_t own = 0;
	int rc;

	for (unsigned i = 0; i < n_socks; i++) {
		if (socks[i].cookie == ref->cookie && socks[i].protocol == protocol) {
			*ret = &socks[i].sock;
			return 0;
		}
	}
	if (n_socks == SOCKS_MAX)
		return err_set(e, EMFILE, "more than %d network namespaces in one run",
			       SOCKS_MAX / SOCKS_OF_ONE);
	o.sock = &socks[n_socks].sock;
	rc = current_cookie(&own, e);
	if (rc < 0)
		return rc;
	if (own == ref->cookie) {
		rc = open_here(&o, e);
	} else {
		rc = netns_open(ref, &fd, e);
		rc = rc < 0 ? rc : inside(fd, open_here, &o, e);
	}
	if (rc < 0)
		return rc;
	socks[n_socks].cookie = ref->cookie;
	socks[n_socks].protocol = protocol;
	*ret = &socks[n_socks++].sock;
	return 0;
}

#define TOUR 1024

struct tour {
	int (*fn)(void *arg, struct err *e);
	void *arg;
	unsigned n;
	ino_t seen[TOUR]; /* beyond that many they are visited again */
	int rc;
	struct err *e;
};

static int visit(void *arg, const char *path, struct err *e)
{
	struct tour *t = arg;
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	for (unsigned i = 0; i < t->n; i++) {
		if (t->seen[i] == st.st_ino)
			return 0;
	}
	if (t->n < TOUR)
		t->seen[t->n++] = st.st_ino;
	t->rc = inside(fd, t->fn, t->arg, e);
	if (t->rc == -EACCES || t->rc == -EINVAL) /* may not be entered, or is none */
		t->rc = 0;
	if (t->rc < 0)
		*t->e = *e;
	return t->rc != 0;
}

int netns_each(int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct tour *t = calloc(1, sizeof(*t));
	struct err found = { 0 };
	int rc;

	if (!t)
		return err_set(e, ENOMEM, "no memory for the list of network namespaces");
	*t = (struct tour){ .fn = fn, .arg = arg, .e = &found };
	rc = search(visit, t, e);
	if (rc == -EACCES || rc == -EPERM) /* of somebody whom this process may not look at */
		rc = 0;
	if (t->rc < 0)
		*e = found;
	rc = t->rc ? t->rc : rc < 0 ? rc : 0;
	free(t);
	return rc;
}

struct reading {
	const char *path;
	char *buf;
	size_t size;
	ssize_t n;
};

static int read_here(void *arg, struct err *e)
{
	struct reading *r = arg;

	r->n = io_read_file(AT_FDCWD, r->path, r->buf, r->size);
	return r->n < 0 ? err_set(e, (int)-r->n, "cannot read '%s'", r->path) : 0;
}

ssize_t netns_read(const struct netns_ref *ref, const char *path, char *buf, size_t size,
		   struct err *e)
{
	struct reading r = { .path = path, .buf = buf, .size = size };
	AUTO(auto_close) int fd = -1;
	int rc = netns_is_own(ref, e);

	if (rc > 0)
		rc = read_here(&r, e);
	else if (rc == 0 && (rc = netns_open(ref, &fd, e)) == 0)
		rc = inside(fd, read_here, &r, e);
	return rc < 0 ? rc : r.n;
}

void netns_forget(void)
{
	while (n_socks)
		nlsock_close(&socks[--n_socks].sock);
}
