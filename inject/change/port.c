/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "inject/change/kinds.h"
#include "inject/change/netns.h"
#include "inject/change/proc_state.h"
#include "inject/change/sock_diag.h"
#include "inject/proc_fs.h"
#include "inject/target.h"

/*
 * A port that is taken: a socket of this process is bound to it, so that nobody else can be. It
 * goes with the process. A TCP socket listens: only then nobody can be bound beside it, whatever he
 * says (SO_REUSEADDR: inet_csk_bind_conflict() in net/ipv4/inet_connection_sock.c), and only then
 * every kernel shows it. So who connects gets a connection and never a word; a datagram is never
 * answered.
 */
#define IN_THE_WAY 64

struct port_live {
	int fd;
	bool held;
};

static const struct port_spec *spec_of(const struct change *c)
{
	return &c->spec->u.port;
}

void port_add(struct text *t, const struct port_addr *p)
{
	char name[INET6_ADDRSTRLEN] = "*";

	if (p->family)
		inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, name, sizeof(name));
	text_add(t, p->family == 6 ? "[%s]:%u/%s" : "%s:%u/%s", name, p->port,
		 p->proto == IPPROTO_TCP ? "tcp" : "udp");
}

/* ---- who has it ---- */

struct sockets {
	const struct port_addr *port;
	unsigned n;
	uint64_t inode[IN_THE_WAY];
	bool more;
};

static bool is_any(const uint8_t *addr, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (addr[i])
			return false;
	}
	return true;
}

/* Could both be bound? A socket of IPv6 without an address mostly takes IPv4 too; whether this one
 * does is not told, so it does. */
static bool overlaps(const struct port_addr *p, const struct sock_seen *s)
{
	size_t n = s->family == 4 ? 4 : 16;
	bool any = is_any(s->local, n);

	if (!p->family || (any && s->family == 6))
		return true;
	if (p->family != s->family) /* brink's own sockets of IPv6 are of IPv6 only */
		return false;
	return any || is_any(p->addr, n) || memcmp(p->addr, s->local, n) == 0;
}

static int note(const struct sock_seen *s, void *arg, struct err *e)
{
	struct sockets *found = arg;

	(void)e;
	if (!overlaps(found->port, s))
		return 0;
	if (found->n == IN_THE_WAY)
		found->more = true;
	else
		found->inode[found->n++] = s->inode;
	return 0;
}

/* All sockets that have the port: TCP's that listen, UDP's of any sort. */
static int find_sockets(const struct netns_ref *ns, const struct port_addr *p, struct sockets *ret,
			struct err *e)
{
	uint32_t states = p->proto == IPPROTO_TCP ? SOCK_LISTEN : SOCK_CLOSE | SOCK_ESTABLISHED;
	struct nlsock *s = NULL;
	int rc = netns_sock(ns, NETLINK_SOCK_DIAG, &s, e);

	*ret = (struct sockets){ .port = p };
	return rc < 0 ? rc :
			sock_list(s, &(struct sock_query){ p->proto, states, p->port }, note, ret,
				  e);
}

static int is_among(void *arg, uint64_t inode)
{
	const struct sockets *s = arg;

	for (unsigned i = 0; i < s->n; i++) {
		if (s->inode[i] == inode)
			return 1;
	}
	return 0;
}

struct search {
	struct sockets *sockets;
	int proc;
	bool holders_only;
	int32_t pid; /* who has one of them; 0 = nobody in sight */
	int hidden;  /* -errno of one that could not be looked at */
};

static int search_in(void *arg, int32_t pid)
{
	struct search *s = arg;
	int rc = s->holders_only ? proc_is_holder(pid) : 1;

	if (rc > 0)
		rc = proc_sockets(s->proc, pid, is_among, s->sockets);
	if (rc < 0 && rc != -ESRCH)
		s->hidden = rc;
	if (rc > 0)
		s->pid = pid;
	return rc > 0;
}

static int find_owner(struct search *s, struct err *e)
{
	AUTO(auto_close) int proc = proc_fs_open(e);
	int rc;

	if (proc < 0)
		return proc;
	s->proc = proc;
	rc = proc_each(proc, search_in, s);
	return rc < 0 ? err_set(e, -rc, "cannot list '/proc': %s", strerror(-rc)) : 0;
}

int port_is_free(const struct port_spec *s, struct err *e)
{
	struct sockets found;
	struct search who = { .sockets = &found };
	struct err ignored;
	char port[80], name[80];
	struct text t = text_on(port, sizeof(port));
	int rc = find_sockets(&s->netns, &s->at, &found, e);

	if (rc < 0 || !found.n)
		return rc;
	port_add(&t, &s->at);
	if (find_owner(&who, &ignored) == 0 && who.pid)
		return err_set(e, EADDRINUSE, "%s is in use already, by process %d (%s)", port,
			       who.pid, proc_name(who.pid, name, sizeof(name)));
	return err_set(e, EADDRINUSE,
		       "%s is in use already, by a process that cannot be seen from here", port);
}

/* ---- the socket ---- */

static int port_prepare(struct change *c, struct undo *ret, struct err *e)
{
	const struct port_spec *s = spec_of(c);
	struct text by_hand = text_on(ret->by_hand, sizeof(ret->by_hand));
	int rc = port_is_free(s, e);

	if (rc < 0)
		return rc;
	ret->netns = s->netns;
	ret->u.port = s->at;
	text_add(&by_hand,
		 "sh -c \"ss -Hlnp%c 'sport = :%u' | sed -n "
		 "'s/.*\\\"" HOLDER_COMM "\\\",pid=\\\\([0-9]*\\\\).*/\\\\1/p' | "
		 "xargs -r kill -KILL\"",
		 s->at.proto == IPPROTO_TCP ? 't' : 'u', s->at.port);
	return 0;
}

/* A socket bound to the address, and to that port. */
static int bind_socket(const struct port_addr *p, sa_family_t family, uint16_t port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool tcp = p->proto == IPPROTO_TCP, v6 = family == AF_INET6;
	AUTO(auto_close)
	int fd = socket(family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	const int only = p->family == 6, on = 1;
	int rc;

	if (fd < 0)
		return -errno;
	if (p->family == 4)
		memcpy(&a4.sin_addr, p->addr, sizeof(a4.sin_addr));
	if (p->family == 6)
		memcpy(&a6.sin6_addr, p->addr, sizeof(a6.sin6_addr));
	/* over connections of the service that has gone; UDP's would share the port */
	if (tcp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
		return -errno;
	rc = v6 ? bind(fd, (struct sockaddr *)&a6, sizeof(a6)) :
		  bind(fd, (struct sockaddr *)&a4, sizeof(a4));
	if (rc == 0 && tcp && port)
		rc = listen(fd, SOMAXCONN);
	return rc < 0 ? -errno : take_fd(&fd);
}

/* Of both families where none is said; a system without IPv6 has one. */
static int take_port(const struct port_addr *p, uint16_t port)
{
	int fd = bind_socket(p, p->family == 4 ? AF_INET : AF_INET6, port);

	if (!p->family && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL))
		fd = bind_socket(p, AF_INET, port);
	return fd;
}

static int not_taken(const struct port_spec *s, int rc, struct err *e)
{
	char port[80];
	struct text t = text_on(port, sizeof(port));

	port_add(&t, &s->at);
	errno = -rc;
	return err_right(e, "CAP_NET_BIND_SERVICE: root, or a port of 1024 and above",
			 "cannot take %s", port);
}

/* With a port that the kernel chooses, and that is given back: is it an address of this machine? */
static int port_arm(struct change *c, struct err *e)
{
	const struct port_spec *s = spec_of(c);
	struct port_live *l = calloc(1, sizeof(*l));
	int fd;

	if (!l)
		return err_set(e, ENOMEM, "no memory for a port");
	c->live = l;
	l->fd = -1;
	fd = take_port(&s->at, 0);
	if (fd < 0)
		return not_taken(s, fd, e);
	close(fd);
	return 0;
}

static int port_fire(struct change *c, struct err *e)
{
	const struct port_spec *s = spec_of(c);
	struct port_live *l = c->live;
	int fd = take_port(&s->at, s->at.port);

	if (fd < 0)
		return not_taken(s, fd, e);
	l->fd = fd;
	l->held = true;
	return 0;
}

/* Others can end a listening socket too: ss -K. */
static int port_refresh(struct change *c, struct err *e)
{
	const struct port_spec *s = spec_of(c);
	struct port_live *l = c->live;
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (l->fd < 0 || s->at.proto != IPPROTO_TCP)
		return 0;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return err_sys(e, "cannot look at the socket on port %u", s->at.port);
	if (!listens)
		return err_set(e, ENOENT, "somebody has ended the socket on port %u", s->at.port);
	return 0;
}

static int port_quiet(struct change *c, struct err *e)
{
	struct port_live *l = c->live;

	(void)e;
	if (l && l->fd >= 0) {
		auto_close(&l->fd);
		l->fd = -1;
	}
	return 0;
}

/* So far: it stays said when it is over. */
static int port_effect(struct change *c, struct effect *ret, struct err *e)
{
	const struct port_live *l = c->live;

	(void)e;
	*ret = (struct effect){ .hits = l && l->held };
	return 0;
}

/* ---- from the record alone ---- */

static int port_ready(const struct undo *u, struct err *e)
{
	struct nlsock *sock;
	int rc = netns_sock(&u->netns, NETLINK_SOCK_DIAG, &sock, e);

	return rc == -ENOENT ? 0 : rc;
}

/* The kernel closes it when the holder ends; that the holder ends is the business of whoever
 * recovers. */
static int port_undo(const struct undo *u, struct err *e)
{
	(void)u;
	(void)e;
	return 0;
}

/* A service that took the port meanwhile is no leftover: whose socket is it? */
static int port_gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	struct sockets found;
	struct search holder = { .sockets = &found, .holders_only = true };
	int rc = find_sockets(&u->netns, &u->u.port, &found, e);

	if (rc == -ENOENT) /* the namespace took it along */
		return 0;
	if (rc == 0 && found.n)
		rc = find_owner(&holder, e);
	if (rc < 0 || (!holder.pid && !holder.hidden && !found.more))
		return rc;
	if (!holder.pid)
		return err_set(e, EIO, "cannot tell who has port %u", u->u.port.port);
	port_add(ret_left, &u->u.port);
	text_add(ret_left, " is held by process %d", holder.pid);
	return 1;
}

static int port_resource(const struct change_spec *s, struct text *ret_key)
{
	const struct port_spec *p = &s->u.port;

	text_add(ret_key, "port-%llx-%s-%u", (unsigned long long)p->netns.cookie,
		 p->at.proto == IPPROTO_TCP ? "tcp" : "udp", p->at.port);
	return 0;
}

static int port_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	const struct port_spec *s = &cs->u.port;

	text_add(ret_do, "bind%s  ", s->at.proto == IPPROTO_TCP ? ", listen" : "");
	port_add(ret_do, &s->at);
	text_add(ret_do, " by a holder process");
	text_add(ret_undo, "close  ");
	port_add(ret_undo, &s->at);
	text_add(ret_undo, "; the kernel does it when the holder ends");
	return 0;
}

/* Sockets of exactly the two families. */
static const struct call_rule holder_calls[] = {
	{ "socket", 0, WHOLE_WORD, AF_INET },
	{ "socket", 0, WHOLE_WORD, AF_INET6 },
	{ "bind", ANY_ARG },
	{ "listen", ANY_ARG },
	{ "setsockopt", ANY_ARG },
	{ "getsockopt", ANY_ARG },
	{ 0 },
};

const struct change_ops port_ops = {
	.kind = "port",
	.class = CLASS_SELF_ENDING,
	.by_holder = true,
	.holder = { CAP_BIT(NET_BIND_SERVICE), holder_calls },
	.undoer = { CAP_BIT(SYS_PTRACE), NULL }, /* whose descriptors they are */
	.prepare = port_prepare,
	.arm = port_arm,
	.fire = port_fire,
	.refresh = port_refresh,
	.quiet = port_quiet,
	.unit = { "port", "ports" },
	.effect = port_effect,
	.ready = port_ready,
	.undo = port_undo,
	.ended = port_gone,
	.gone = port_gone,
	.resource = port_resource,
	.print = port_print,
};
