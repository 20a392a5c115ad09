/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SOCK_DIAG_H
#define BRINK_SOCK_DIAG_H

#include <linux/inet_diag.h>

#include "inject/change/change.h"
#include "inject/change/nlsock.h"

/* States of TCP as masks: include/net/tcp_states.h. UDP sockets have the first one when they are
 * connected, and TCP's "closed" when they are not. */
#define SOCK_ESTABLISHED (1u << 1)
#define SOCK_FIN_WAIT1   (1u << 4)
#define SOCK_FIN_WAIT2   (1u << 5)
#define SOCK_CLOSE       (1u << 7)
#define SOCK_CLOSE_WAIT  (1u << 8)
#define SOCK_LISTEN      (1u << 10)

/* One socket as sock_diag(7) tells it. */
struct sock_seen {
	uint8_t family; /* 4 or 6; IPv4 that is mapped into IPv6 is IPv4 */
	uint8_t state;
	uint16_t local_port, remote_port; /* host order */
	uint8_t local[16], remote[16];    /* network order */
	uint64_t inode;                   /* 0 = no process holds it */
	/* as the kernel wants it back */
	uint8_t diag_family, diag_proto;
	struct inet_diag_sockid id; /* with its cookie: never that of a later socket */
};

typedef int sock_each(const struct sock_seen *s, void *arg, struct err *e);

struct sock_query {
	uint8_t proto;   /* IPPROTO_TCP, IPPROTO_UDP */
	uint32_t states; /* as above */
	uint16_t port;   /* local, host order; 0 = any */
};

/*
 * Calls each() for the sockets of a protocol (IPPROTO_TCP, IPPROTO_UDP) in any of the states, of
 * both families; port: with this local port only, 0 = any. s is a socket of NETLINK_SOCK_DIAG. A
 * kernel without IPv6 has sockets of IPv4 only.
 */
int sock_list(struct nlsock *s, const struct sock_query *q, sock_each *each, void *arg,
	      struct err *e);

/*
 * Ends a connection as an error would (tcp_abort() in net/ipv4/tcp.c): its owner reads
 * ECONNABORTED, the other end gets a RST. Exactly this one, by its cookie. -ENOENT: it is gone.
 * -EOPNOTSUPP: the kernel was built without CONFIG_INET_DIAG_DESTROY.
 */
int sock_destroy(struct nlsock *s, const struct sock_seen *seen, struct err *e);
/* Would the kernel do it, for whoever has the right? Asks to end what cannot exist. */
int sock_destroy_try(struct nlsock *s, struct err *e);

#endif
