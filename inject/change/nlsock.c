/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/nlsock.h"

#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"

#define ANSWER_NS  (2 * NS_PER_S)
#define DUMP_TRIES 5
/* A batch is one datagram, with an answer for each of its messages, and libnl's own choice is 32
 * KiB for either way. The kernel doubles it, socket(7). */
#define BUFFER_BYTES (256 * 1024)
#define ERRNO_MAX    4095 /* MAX_ERRNO, include/linux/err.h */

int nlsock_open(int protocol, struct nlsock *ret, struct err *e)
{
	static const int options[] = { NETLINK_CAP_ACK, NETLINK_EXT_ACK };
	struct nl_sock *sk = nl_socket_alloc();
	int rc;

	if (!sk)
		return err_set(e, ENOMEM, "no memory for a netlink socket");
	rc = nl_connect(sk, protocol); /* SOCK_CLOEXEC since libnl 3.2.22 */
	if (rc < 0) {
		nl_socket_free(sk);
		return err_set(e, EIO, "cannot open a netlink socket: %s", nl_geterror(rc));
	}
	*ret = (struct nlsock){ .sk = sk, .fd = nl_socket_get_fd(sk), .seq = 1 };
	/* less is no error here: what is too long for it is refused in words */
	setsockopt(ret->fd, SOL_SOCKET, SO_SNDBUF, &(int){ BUFFER_BYTES }, sizeof(int));
	setsockopt(ret->fd, SOL_SOCKET, SO_RCVBUF, &(int){ BUFFER_BYTES }, sizeof(int));
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		int on = 1;

		if (setsockopt(ret->fd, SOL_NETLINK, options[i], &on, sizeof(on)) < 0) {
			err_sys(e, "cannot set up a netlink socket");
			nlsock_close(ret);
			return -e->code;
		}
	}
	return 0;
}

void nlsock_close(struct nlsock *s)
{
	if (s->sk)
		nl_socket_free(s->sk);
	*s = (struct nlsock){ .fd = -1 };
}

/* Numbers the messages anew and sends them. Returns the first sequence number. */
static int send_all(struct nlsock *s, struct nlbuf *b, uint32_t *ret_first, struct err *e)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)b->data;
	size_t left = b->len;

	if (b->full || !b->n)
		return err_set(e, EMSGSIZE, "%s: the netlink message is too long",
			       b->n ? b->what[0] : "netlink");
	*ret_first = s->seq;
	for (unsigned i = 0; i < b->n; i++) {
		size_t step = NLMSG_ALIGN(h->nlmsg_len);

		h->nlmsg_seq = s->seq++;
		if (step >= left)
			break;
		left -= step;
		h = (struct nlmsghdr *)(void *)((char *)h + step);
	}
	for (unsigned times = 0;;) {
		if (sendto(s->fd, b->data, b->len, 0, (struct sockaddr *)&to, sizeof(to)) >= 0)
			return 0;
		if (!io_again(&times))
			return err_sys(e, "%s: cannot send to the kernel", b->what[0]);
	}
}

/* One datagram, awaited until the deadline, whatever else comes in meanwhile. Returns its length.
 */
static ssize_t receive(struct nlsock *s, char *buf, size_t size, int64_t deadline, struct err *e)
{
	do {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		int ready = io_wait(s->fd, POLLIN, deadline);
		ssize_t n;

		if (ready == 0)
			break;
		if (ready < 0)
			return err_set(e, -ready, "cannot wait for a netlink answer");
		n = recvfrom(s->fd, buf, size, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from,
			     &from_len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_sys(e, "cannot read a netlink answer");
		if (from.nl_pid != 0) /* only the kernel's word counts: netlink(7) */
			continue;
		if ((size_t)n > size)
			return err_set(e, EMSGSIZE, "a netlink answer of %zd bytes is too long", n);
		return n;
	} while (clock_mono_ns() < deadline);
	return err_set(e, ETIMEDOUT, "the kernel does not answer on netlink");
}

/* The verdict in an NLMSG_ERROR message: 0 or an error with the kernel's own words. */
static int verdict(const struct nlmsghdr *h, const char *what, struct err *e)
{
	const struct nlmsgerr *v = NLMSG_DATA(h);
	size_t fixed = sizeof(*v);
	const struct nlattr *text = NULL;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*v)))
		return err_set(e, EBADMSG, "%s: a broken netlink answer", what);
	if (v->error == 0)
		return 0;
	if (v->error > 0 || v->error < -ERRNO_MAX)
		return err_set(e, EBADMSG, "%s: a broken netlink answer", what);
	if (!(h->nlmsg_flags & NLM_F_CAPPED) && v->msg.nlmsg_len > sizeof(v->msg))
		fixed += NLMSG_ALIGN(v->msg.nlmsg_len) - sizeof(v->msg);
	if ((h->nlmsg_flags & NLM_F_ACK_TLVS) && NLMSG_LENGTH(fixed) <= h->nlmsg_len)
		text = nlattr_find((const char *)v + fixed, h->nlmsg_len - NLMSG_LENGTH(fixed),
				   NLMSGERR_ATTR_MSG);
	if (text && nlattr_len(text))
		return err_set(e, -v->error, "%s: %s (%.*s)", what, strerror(-v->error),
			       (int)nlattr_len(text) - 1, (const char *)nlattr_data(text));
	return err_set(e, -v->error, "%s: %s", what, strerror(-v->error));
}

static unsigned acks_wanted(const struct nlbuf *b)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)b->data;
	unsigned want = 0;

	for (unsigned i = 0; i < b->n; i++) {
		want += (h->nlmsg_flags & NLM_F_ACK) != 0;
		h = (const struct nlmsghdr *)(const void *)((const char *)h +
							    NLMSG_ALIGN(h->nlmsg_len));
	}
	return want;
}

int nlsock_talk(struct nlsock *s, struct nlbuf *b, struct err *e)
{
	_Alignas(16) char answer[8192];
	unsigned want = acks_wanted(b), got = 0;
	int64_t deadline = clock_mono_ns() + ANSWER_NS;
	uint32_t first = 0;
	int rc = send_all(s, b, &first, e);

	while (rc == 0 && got < want) {
		ssize_t n = receive(s, answer, sizeof(answer), deadline, e);
		struct nlmsghdr *h = (struct nlmsghdr *)(void *)answer;

		if (n < 0)
			return (int)n;
		/* n is signed: behind a message of an odd length it is below 0 */
		for (; NLMSG_OK(h, n) && got < want; h = NLMSG_NEXT(h, n)) {
			uint32_t at = h->nlmsg_seq - first;
			int one;

			if (h->nlmsg_type != NLMSG_ERROR || at >= b->n)
				continue; /* the rest of an earlier, given-up answer */
			one = verdict(h, b->what[at], e);
			got++;
			if (one < 0)
				return one; /* a refused batch changes nothing; later answers are
					       skipped by their sequence numbers */
		}
	}
	return rc;
}

/* A dump may fail in its middle; then its end carries the error: netlink_dump_done() in
 * af_netlink.c. */
static int done_code(const struct nlmsghdr *h, const char *what, struct err *e)
{
	int code = 0;

	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(code)))
		memcpy(&code, NLMSG_DATA(h), sizeof(code));
	if (code < -ERRNO_MAX)
		return err_set(e, EBADMSG, "%s: a broken netlink answer", what);
	return code < 0 ? err_set(e, -code, "%s: %s", what, strerror(-code)) : 0;
}

/* Returns 0 at the end, 1 when the dump must be repeated, or -errno. */
static int read_answer(struct nlsock *s, const struct nlbuf *b, uint32_t seq, nlsock_each *each,
		       void *arg, struct err *e)
{
	_Alignas(16) char answer[32768] = {
		0
	}; /* the kernel never fills more: netlink_dump() in af_netlink.c */
	int interrupted = 0;

	for (;;) {
		ssize_t n = receive(s, answer, sizeof(answer), clock_mono_ns() + ANSWER_NS, e);
		struct nlmsghdr *h = (struct nlmsghdr *)(void *)answer;

		if (n < 0)
			return (int)n;
		for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			int rc;

			if (h->nlmsg_seq != seq)
				continue;
			if (h->nlmsg_type == NLMSG_ERROR)
				return verdict(h, b->what[0], e);
			interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (h->nlmsg_type == NLMSG_DONE)
				return done_code(h, b->what[0], e) < 0 ? -e->code : interrupted;
			rc = each(h, arg, e);
			if (rc < 0)
				return rc;
		}
	}
}

int nlsock_ask(struct nlsock *s, struct nlbuf *b, nlsock_each *each, void (*on_restart)(void *arg),
	       void *arg, struct err *e)
{
	for (int i = 0; i < DUMP_TRIES; i++) {
		uint32_t seq = 0;
		int rc;

		if (on_restart)
			on_restart(arg);
		rc = send_all(s, b, &seq, e);
		if (rc == 0)
			rc = read_answer(s, b, seq, each, arg, e);
		if (rc <= 0)
			return rc;
	}
	return err_set(e, EAGAIN, "%s: the kernel's list kept changing while it was read",
		       b->what[0]);
}

const struct nlattr *nlattr_find(const void *at, size_t len, uint16_t type)
{
	const char *p = at;

	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = (const struct nlattr *)(const void *)p;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		if (step > len)
			return NULL;
		p += step;
		len -= step;
	}
	return NULL;
}

const struct nlattr *nlattr_of(const struct nlmsghdr *h, size_t fixed, uint16_t type)
{
	size_t head = NLMSG_LENGTH(NLMSG_ALIGN(fixed));

	return h->nlmsg_len < head ? NULL :
				     nlattr_find((const char *)h + head, h->nlmsg_len - head, type);
}

const struct nlattr *nlattr_in(const struct nlattr *a, uint16_t type)
{
	return a ? nlattr_find(nlattr_data(a), nlattr_len(a), type) : NULL;
}

uint32_t nlattr_u32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a && nlattr_len(a) >= sizeof(v))
		memcpy(&v, nlattr_data(a), sizeof(v));
	return v;
}

int nlattr_is(const struct nlattr *a, const char *s)
{
	size_t n = strlen(s) + 1;

	return a && nlattr_len(a) == n && memcmp(nlattr_data(a), s, n) == 0;
}
