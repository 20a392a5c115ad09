/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/session.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "inject/proc_fs.h"
#include "inject/target.h"

#define TCP_ESTABLISHED_HEX 1 /* include/net/tcp_states.h */
#define SSH_PORT            22
#define LOGIN_DEPTH         4 /* listener, session, its unprivileged half */

/* A socket and the process in whose descriptors it was found. */
struct owned {
	uint64_t inode;
	int32_t pid;
};

struct finder {
	struct shield *s;
	struct shield_flows *flows;
	struct text *note;
	struct err *e;
	int proc_fd;
	char own_netns[64];
	size_t n_sockets, room;
	struct owned *socket;
	size_t n_near, near_room;
	struct session_row *near; /* the connections of brink's own network namespace */
	bool near_known;
	bool no_memory;
	uint32_t unseen; /* processes whose sockets cannot be read */
	int32_t first_unseen;
	bool stranger; /* a connection on the port of logins is not known to belong to anybody */
};

static void say(struct finder *f, const char *fmt, ...) PRINTF_FMT(2, 3);

static void say(struct finder *f, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text_add(f->note, "%s%s", f->note->len ? "; " : "", line);
}

static int add_proc(struct finder *f, const struct proc_stat *stat, uint32_t role)
{
	struct shield *s = f->s;
	uint32_t room = role == SHIELD_SESSION ? SHIELD_PROCS - SHIELD_LATER : SHIELD_PROCS;

	for (uint32_t i = 0; i < s->n_procs; i++)
		if (s->proc[i].pid == stat->pid)
			return 0;
	if (s->n_procs >= room)
		return -E2BIG;
	s->proc[s->n_procs++] = (struct shield_proc){
		.pid = stat->pid,
		.role = role,
		.start_ticks = stat->start_ticks,
	};
	return 0;
}

/* -ESRCH: one of them ended meanwhile, or hidepid= hides it; *ret_at is its PID. */
static int walk_up(struct finder *f, int32_t *ret_at)
{
	int32_t pid = getpid();

	f->s->n_procs = 0;
	/* the parent of PID 1, or of the first one of a PID namespace, is 0 */
	for (unsigned i = 0; pid > 0; i++) {
		struct proc_stat stat;
		int r;

		*ret_at = pid;
		r = proc_stat_of(pid, &stat);
		if (r == -ESRCH)
			return r;
		if (r)
			return err_set(f->e, -r, "cannot read ancestor %d: %s", pid, strerror(-r));
		/* counted: numbers that change hands meanwhile can make a circle */
		r = i < SHIELD_PROCS ? add_proc(f, &stat, i ? SHIELD_ANCESTOR : SHIELD_SELF) :
				       -E2BIG;
		if (r)
			return err_set(f->e, -r, "brink has more than %d ancestors", SHIELD_PROCS);
		pid = stat.ppid;
	}
	return 0;
}

static int find_ancestors(struct finder *f)
{
	int32_t at = 0;
	int r = -ESRCH;

	for (int i = 0; i < 3 && r == -ESRCH; i++) /* who loses a parent gets another one */
		r = walk_up(f, &at);
	if (r != -ESRCH)
		return r;
	if (at == getpid())
		return err_set(f->e, ESRCH, "cannot see brink itself in '/proc'");
	say(f, "process %d and the ancestors above it cannot be seen", at);
	return 0;
}

static bool hex_address(const char *hex, size_t n, uint8_t ret[static 16])
{
	if (strlen(hex) != n || (n != 8 && n != 32))
		return false;
	for (size_t i = 0; i < n / 8; i++) { /* words as this machine stores them */
		char word[9] = { 0 };
		uint32_t v;

		memcpy(word, hex + 8 * i, 8);
		v = (uint32_t)strtoul(word, NULL, 16);
		memcpy(ret + 4 * i, &v, sizeof(v));
	}
	return true;
}

bool session_parse_row(const char *line, struct session_row *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct session_row row = { 0 };
	struct shield_flow *flow = &row.flow;
	char local[33], remote[33];
	unsigned local_port, state;
	unsigned long long inode;

	if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %llu",
		   local, &local_port, remote, &state, &inode) != 5)
		return false;
	if (local_port > UINT16_MAX || !hex_address(local, strlen(local), flow->local) ||
	    !hex_address(remote, strlen(local), flow->remote))
		return false;
	row.established = state == TCP_ESTABLISHED_HEX;
	row.inode = inode;
	flow->local_port = (uint16_t)local_port;
	flow->family = strlen(local) == 8 ? 4 : 6;
	if (flow->family == 6 && !memcmp(flow->local, mapped, 12) &&
	    !memcmp(flow->remote, mapped, 12)) {
		struct shield_flow v4 = { .family = 4, .local_port = flow->local_port };

		memcpy(v4.local, flow->local + 12, 4);
		memcpy(v4.remote, flow->remote + 12, 4);
		*flow = v4;
	}
	*ret = row;
	return true;
}

static void add_flow(struct finder *f, const struct shield_flow *flow)
{
	if (shield_flows_add(f->flows, flow))
		f->no_memory = true;
}

static int by_inode(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static void sort_sockets(struct finder *f)
{
	if (f->n_sockets)
		qsort(f->socket, f->n_sockets, sizeof(*f->socket), by_inode);
}

static const struct owned *owner_of(const struct finder *f, uint64_t inode)
{
	const struct owned key = { .inode = inode };

	return f->n_sockets ? bsearch(&key, f->socket, f->n_sockets, sizeof(*f->socket), by_inode) :
			      NULL;
}

/* With it the servers above it: without them nobody who is cut off comes back. */
static void take_owner(struct finder *f, int32_t pid)
{
	struct proc_stat stat;
	bool login = true;

	for (unsigned up = 0; login && up < LOGIN_DEPTH && !proc_stat_of(pid, &stat); up++) {
		login = !up || shield_is_login(stat.comm);
		if (login && add_proc(f, &stat, SHIELD_SESSION))
			f->s->all_logins = true;
		pid = stat.ppid;
	}
}

/* The sockets are sorted. A session has more than one process: sshd's of root and of the user. */
static void take_row(struct finder *f, const struct session_row *row)
{
	const struct owned *owner = owner_of(f, row->inode), *end = f->socket + f->n_sockets;

	if (!owner)
		return;
	add_flow(f, &row->flow);
	while (owner > f->socket && owner[-1].inode == row->inode)
		owner--;
	for (; owner < end && owner->inode == row->inode; owner++)
		take_owner(f, owner->pid);
}

/* Calls fn for each established connection of a file like /proc/PID/net/tcp. 0 or -errno. */
static int each_row(struct finder *f, const char *path,
		    void (*fn)(struct finder *f, const struct session_row *row))
{
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[16384];
	size_t used = 0;

	if (fd < 0)
		return -errno;
	for (unsigned times = 0;;) {
		ssize_t n = read(fd, buf + used, sizeof(buf) - 1 - used);
		char *line = buf, *end;

		if (n < 0 && io_again(&times))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		used += (size_t)n;
		buf[used] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			struct session_row row;

			*end = '\0';
			if (session_parse_row(line, &row) && row.established && row.inode)
				fn(f, &row);
		}
		used -= (size_t)(line - buf);
		memmove(buf, line, used);
		if (used == sizeof(buf) - 1)
			return -EBADMSG;
	}
}

/* Both files of the namespace of this process. A kernel without IPv6 has one of them only. */
static void read_connections(struct finder *f, int32_t pid,
			     void (*fn)(struct finder *f, const struct session_row *row))
{
	static const char *const names[] = { "tcp", "tcp6" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[48];
		int r;

		snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, names[i]);
		r = each_row(f, path, fn);
		if (r && r != -ENOENT && r != -ESRCH && r != -EINVAL)
			say(f, "'%s' cannot be read: %s", path, strerror(-r));
	}
}

/* In brink's own network namespace? Unknown counts as yes. */
static bool is_near(const struct finder *f, int32_t pid)
{
	char path[32], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/ns/net", pid);
	n = readlinkat(f->proc_fd, path, link, sizeof(link) - 1);
	if (n <= 0)
		return true;
	link[n] = '\0';
	return !strcmp(link, f->own_netns);
}

static void keep_row(struct finder *f, const struct session_row *row)
{
	if (f->n_near == f->near_room) {
		size_t room = f->near_room ? 2 * f->near_room : 64;
		struct session_row *more = reallocarray(f->near, room, sizeof(*more));

		f->no_memory |= !more;
		if (!more)
			return;
		f->near = more;
		f->near_room = room;
	}
	f->near[f->n_near++] = *row;
}

/*
 * The connections of brink's own namespace are read once: the kernel walks its whole table for
 * each read(2) of these files (established_get_first() in net/ipv4/tcp_ipv4.c), 2 ms for the
 * 262,144 buckets of an idle machine with 24 GiB.
 */
static void each_connection(struct finder *f, int32_t pid,
			    void (*fn)(struct finder *f, const struct session_row *row))
{
	if (!is_near(f, pid)) {
		read_connections(f, pid, fn);
		return;
	}
	if (!f->near_known)
		read_connections(f, getpid(), keep_row);
	f->near_known = true;
	for (size_t i = 0; i < f->n_near; i++)
		fn(f, &f->near[i]);
}

struct visit {
	struct finder *f;
	int32_t pid;
};

static int add_socket(void *arg, uint64_t inode)
{
	const struct visit *v = arg;
	struct finder *f = v->f;

	if (f->n_sockets == f->room) {
		size_t room = f->room ? 2 * f->room : 256;
		struct owned *more = reallocarray(f->socket, room, sizeof(*more));

		f->no_memory |= !more;
		if (!more)
			return 0;
		f->socket = more;
		f->room = room;
	}
	f->socket[f->n_sockets++] = (struct owned){ inode, v->pid };
	return 0;
}

/* r: what reading something of it came to. */
static void count_unseen(struct finder *f, int32_t pid, int r)
{
	if (r < 0 && r != -ESRCH && !f->unseen++)
		f->first_unseen = pid;
}

/* Adds all sockets of one process; what cannot be read is counted. */
static void add_sockets(struct finder *f, int32_t pid)
{
	struct visit v = { f, pid };

	count_unseen(f, pid, proc_sockets(f->proc_fd, pid, add_socket, &v));
}

/* An ancestor that owns an established connection may carry the operator: all of them, an agent on
 * the way has one of its own. */
static void find_operator(struct finder *f)
{
	uint32_t n = f->s->n_procs;

	for (uint32_t i = 0; i < n; i++) {
		f->n_sockets = 0;
		add_sockets(f, f->s->proc[i].pid);
		sort_sockets(f);
		if (f->n_sockets)
			each_connection(f, f->s->proc[i].pid, take_row);
	}
}

/* 1, 0 or -errno. */
static int is_login(const struct finder *f, int32_t pid)
{
	struct proc_stat stat;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "%d/stat", pid);
	r = proc_stat_read(f->proc_fd, path, &stat);
	return r ? r : shield_is_login(stat.comm);
}

/* Those of brink's own namespace are looked up at once, in one reading of a long file. */
static int visit_near_login(void *arg, int32_t pid)
{
	struct finder *f = arg;
	int r = is_login(f, pid);

	count_unseen(f, pid, r); /* it may be one */
	if (r > 0 && is_near(f, pid))
		add_sockets(f, pid);
	return 0;
}

static int visit_far_login(void *arg, int32_t pid)
{
	struct finder *f = arg;

	if (is_login(f, pid) <= 0 || is_near(f, pid))
		return 0;
	f->n_sockets = 0;
	add_sockets(f, pid);
	sort_sockets(f);
	if (f->n_sockets)
		each_connection(f, pid, take_row);
	return 0;
}

static void see_stranger(struct finder *f, const struct session_row *row)
{
	f->stranger |= row->flow.local_port == SSH_PORT && !owner_of(f, row->inode);
}

static void take_stranger(struct finder *f, const struct session_row *row)
{
	if (row->flow.local_port == SSH_PORT && !owner_of(f, row->inode))
		add_flow(f, &row->flow);
}

static int visit_any(void *arg, int32_t pid)
{
	add_sockets(arg, pid);
	return 0;
}

/*
 * A login server that may not be looked into, or that stands in another PID namespace and shares
 * this network: what nobody in sight owns and came in on its port is a session.
 */
static void find_strangers(struct finder *f)
{
	uint32_t unseen = f->unseen;

	each_connection(f, getpid(), see_stranger); /* the sockets are those of all logins here */
	if (!f->stranger)
		return;
	f->n_sockets = 0;
	if (proc_each(f->proc_fd, visit_any, f))
		f->n_sockets = 0;
	f->unseen = unseen;
	sort_sockets(f);
	each_connection(f, getpid(), take_stranger);
}

static void find_logins(struct finder *f)
{
	int r;

	f->n_sockets = 0;
	r = proc_each(f->proc_fd, visit_near_login, f);
	sort_sockets(f);
	if (f->n_sockets)
		each_connection(f, getpid(), take_row);
	find_strangers(f);
	if (!r)
		r = proc_each(f->proc_fd, visit_far_login, f);
	if (r)
		say(f, "'/proc' cannot be searched for logins: %s", strerror(-r));
}

/* Only the local port and the remote address count, and only of a connection that is there. */
static void take_hinted(struct finder *f, const struct session_row *row)
{
	const char *hint = getenv("SSH_CONNECTION");
	char remote[64], text[INET6_ADDRSTRLEN];
	unsigned port;

	if (!hint || sscanf(hint, "%63s %*u %*s %u", remote, &port) != 2 ||
	    port != row->flow.local_port)
		return;
	if (inet_ntop(row->flow.family == 4 ? AF_INET : AF_INET6, row->flow.remote, text,
		      sizeof(text)) &&
	    !strcmp(text, remote))
		add_flow(f, &row->flow);
}

static int add_paths(struct finder *f, const char *const *paths, size_t n)
{
	struct shield *s = f->s;

	for (size_t i = 0; i < n; i++) {
		if (s->n_paths == SHIELD_PATHS || strlen(paths[i]) >= sizeof(s->path[0]))
			return err_set(f->e, E2BIG, "cannot shield the path '%s'", paths[i]);
		snprintf(s->path[s->n_paths++], sizeof(s->path[0]), "%s", paths[i]);
	}
	return 0;
}

static void say_what_is_missing(struct finder *f)
{
	char name[80];

	if (f->unseen)
		say(f, "the sockets of %u processes cannot be read, the first is %s(%d)", f->unseen,
		    proc_name(f->first_unseen, name, sizeof(name)), f->first_unseen);
	if (!f->flows->n)
		say(f, "no network session of an operator was found");
}

static int find_all(struct finder *f, const char *const *paths, size_t n_paths)
{
	int r = find_ancestors(f);

	if (!r)
		r = add_paths(f, paths, n_paths);
	if (r)
		return r;
	find_operator(f);
	each_connection(f, getpid(), take_hinted);
	find_logins(f);
	say_what_is_missing(f);
	return f->no_memory ? err_set(f->e, ENOMEM, "no memory to look for sessions") : 0;
}

int session_find(struct shield *ret, struct shield_flows *ret_flows, const char *const *paths,
		 size_t n_paths, struct text *ret_note, struct err *e)
{
	AUTO(auto_close) int proc_fd = proc_fs_open(e);
	struct finder f = {
		.s = ret, .flows = ret_flows, .note = ret_note, .e = e, .proc_fd = proc_fd
	};
	int r;

	*ret = (struct shield){ 0 };
	*ret_flows = (struct shield_flows){ 0 };
	if (proc_fd < 0)
		return proc_fd;
	if (readlink("/proc/self/ns/net", f.own_netns, sizeof(f.own_netns) - 1) < 0)
		return err_sys(e, "cannot read '/proc/self/ns/net'");
	r = find_all(&f, paths, n_paths);
	free(f.socket);
	free(f.near);
	return r;
}
