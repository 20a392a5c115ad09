/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_NLSOCK_H
#define BRINK_CHANGE_NLSOCK_H

#include <netlink/netlink.h>

#include "base/err.h"
#include "inject/change/nlbuf.h"

/*
 * A netlink socket of libnl-3 with our own send and receive: libnl's sequence and ACK handling does
 * not cope with nf_tables batches. It acts for ever on the network namespace in which it was
 * opened.
 */
struct nlsock {
	struct nl_sock *sk;
	int fd;
	uint32_t seq;
};

/* protocol: NETLINK_ROUTE, NETLINK_NETFILTER. Extended ACKs are on; answers are awaited at most 2
 * s. */
int nlsock_open(int protocol, struct nlsock *ret, struct err *e);
void nlsock_close(struct nlsock *s);

/*
 * Sends the whole buffer as one datagram and reads one verdict for each message with NLM_F_ACK. The
 * first refusal becomes *e: "what: kernel's own words". A batch that the kernel refuses at
 * BATCH_BEGIN has that single answer. The buffer stays as it was and can be sent again.
 */
int nlsock_talk(struct nlsock *s, struct nlbuf *b, struct err *e);

/* Called for each message of an answer; -errno (with *e) ends the reading. */
typedef int nlsock_each(const struct nlmsghdr *h, void *arg, struct err *e);

/*
 * Sends one request (the only message of b) and reads its answer: a dump to its end (repeated from
 * the start when the kernel says NLM_F_DUMP_INTR, up to 5 times: each() must cope, on_restart(arg)
 * is called before), or a single object and the ACK.
 */
int nlsock_ask(struct nlsock *s, struct nlbuf *b, nlsock_each *each, void (*on_restart)(void *arg),
	       void *arg, struct err *e);

/* The attribute of that type among [at, at + len), or NULL. NLA_F_NESTED and NLA_F_NET_BYTEORDER
 * are ignored. */
const struct nlattr *nlattr_find(const void *at, size_t len, uint16_t type);
static inline const void *nlattr_data(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}
static inline size_t nlattr_len(const struct nlattr *a)
{
	return (size_t)a->nla_len - NLA_HDRLEN;
}
/* The same behind the fixed part of a message, which may be too short for it. */
const struct nlattr *nlattr_of(const struct nlmsghdr *h, size_t fixed, uint16_t type);
/* The same within another one. NULL has none. */
const struct nlattr *nlattr_in(const struct nlattr *a, uint16_t type);
/* 0 when there is none, or a shorter one. */
uint32_t nlattr_u32(const struct nlattr *a);
/* Is it a terminated string equal to s? NULL is not. */
int nlattr_is(const struct nlattr *a, const char *s);

#endif
