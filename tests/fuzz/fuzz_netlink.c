/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer -Wl,--wrap=fp_open,--wrap=fp_sysctls,--wrap=nlsock_open */
/* link: -Wl,--wrap=nlsock_close,--wrap=netns_sock,--wrap=io_wait,--wrap=send,--wrap=sendto */
/* link: -Wl,--wrap=recvmsg,--wrap=recvfrom,--wrap=if_nametoindex,--wrap=qdisc_watch_open */
/* fuzz: -max_len=16384 */
/*
 * Answers of the kernel, as datagrams: the first byte says which reader gets them, the second how
 * far they are made to fit; then each datagram behind its length. Messages whose sequence number is
 * below 256 get that of the request plus theirs. What cannot be read must be an error: never
 * "gone", never an empty fingerprint.
 */
#include <netinet/in.h> /* before linux/netfilter.h */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "inject/change/kinds.h"
#include "inject/change/netns.h"
#include "inject/change/tc_msg.h"
#include "inject/route.h"
#include "safety/fingerprint_parts.h"
#include "tests/fuzz/fuzz.h"

#define FOREIGN 1 /* of the second byte: every other datagram is not the kernel's */

int __wrap_fp_open(struct fp_take *t, int protocol);
int __wrap_fp_sysctls(struct fp_take *t);
int __wrap_nlsock_open(int protocol, struct nlsock *ret, struct err *e);
void __wrap_nlsock_close(struct nlsock *s);
int __wrap_qdisc_watch_open(struct err *e);
int __wrap_netns_sock(const struct netns_ref *ref, int protocol, struct nlsock **ret,
		      struct err *e);
int __wrap_io_wait(int fd, short events, int64_t deadline_ns);
ssize_t __wrap_send(int fd, const void *buf, size_t n, int flags);
ssize_t __wrap_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		      socklen_t len);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			socklen_t *len);
unsigned __wrap_if_nametoindex(const char *name);

static struct {
	struct feed f;
	uint8_t flags;
	uint32_t seq; /* of the last request's first message */
	unsigned datagrams, requests, writes;
	uint32_t errors;    /* answered by these errno (bits 0 to 31) */
	struct nlsock sock; /* never really open */
} kernel;

int __wrap_fp_open(struct fp_take *t, int protocol)
{
	(void)t;
	(void)protocol;
	return dup(STDERR_FILENO); /* the caller closes it */
}

int __wrap_fp_sysctls(struct fp_take *t)
{
	(void)t;
	return 0;
}

int __wrap_nlsock_open(int protocol, struct nlsock *ret, struct err *e)
{
	(void)protocol;
	(void)e;
	*ret = (struct nlsock){ .sk = (void *)&kernel, .fd = -1, .seq = 1 };
	return 0;
}

void __wrap_nlsock_close(struct nlsock *s)
{
	*s = (struct nlsock){ .fd = -1 };
}

/* A holder's end closes it; here thousands live in one process. */
int __wrap_qdisc_watch_open(struct err *e)
{
	(void)e;
	return STDERR_FILENO;
}

int __wrap_netns_sock(const struct netns_ref *ref, int protocol, struct nlsock **ret, struct err *e)
{
	(void)ref;
	*ret = &kernel.sock;
	return __wrap_nlsock_open(protocol, *ret, e);
}

int __wrap_io_wait(int fd, short events, int64_t deadline_ns)
{
	(void)fd;
	(void)deadline_ns;
	return kernel.f.left ? events : 0;
}

/* A request: only reading is expected, except from an undo. */
static ssize_t take_request(const void *buf, size_t n)
{
	struct nlmsghdr h;

	FUZZ_MUST(n >= sizeof(h));
	memcpy(&h, buf, sizeof(h));
	kernel.seq = h.nlmsg_seq;
	kernel.requests++;
	FUZZ_MUST(kernel.requests < 100000); /* no reader asks for ever */
	for (size_t at = 0; at + sizeof(h) <= n; at += NLMSG_ALIGN(h.nlmsg_len)) {
		memcpy(&h, (const char *)buf + at, sizeof(h));
		FUZZ_MUST(h.nlmsg_len >= sizeof(h) && h.nlmsg_len <= n - at);
		kernel.writes += h.nlmsg_type == RTM_DELLINK ||
				 h.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE);
	}
	return (ssize_t)n;
}

ssize_t __wrap_send(int fd, const void *buf, size_t n, int flags)
{
	(void)fd;
	(void)flags;
	return take_request(buf, n);
}

ssize_t __wrap_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		      socklen_t len)
{
	(void)to;
	(void)len;
	return __wrap_send(fd, buf, n, flags);
}

/* Small sequence numbers become those of the request; which errors it holds is remembered. */
static void fit(char *buf, size_t n)
{
	struct nlmsghdr h;

	for (size_t at = 0; at + sizeof(h) <= n; at += NLMSG_ALIGN(h.nlmsg_len)) {
		int code = 0;

		memcpy(&h, buf + at, sizeof(h));
		if (h.nlmsg_seq < 256) {
			h.nlmsg_seq += kernel.seq;
			memcpy(buf + at, &h, sizeof(h));
		}
		if (h.nlmsg_len < sizeof(h))
			return;
		if (at + sizeof(h) + sizeof(code) <= n)
			memcpy(&code, buf + at + sizeof(h), sizeof(code));
		if ((h.nlmsg_type == NLMSG_ERROR || h.nlmsg_type == NLMSG_DONE) && code < 0 &&
		    code > -32)
			kernel.errors |= UINT32_C(1) << -code;
		if (h.nlmsg_len > n)
			return;
	}
}

/* What a datagram of the input puts into a buffer; the length is what it would have been. */
static ssize_t answer(void *buf, size_t size, uint32_t *ret_pid)
{
	struct feed piece = feed_piece(&kernel.f);
	size_t n = piece.left < size ? piece.left : size;

	memset(buf, 'A', size); /* whoever reads behind the datagram is led far away */
	if (n)
		memcpy(buf, piece.at, n);
	fit(buf, n);
	*ret_pid = (kernel.flags & FOREIGN) && (kernel.datagrams & 1) ? 4711 : 0;
	kernel.datagrams++;
	return (ssize_t)piece.left;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	struct sockaddr_nl *from = m->msg_name;
	ssize_t n;

	(void)fd;
	(void)flags;
	*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	n = answer(m->msg_iov[0].iov_base, m->msg_iov[0].iov_len, &from->nl_pid);
	m->msg_flags = (size_t)n > m->msg_iov[0].iov_len ? MSG_TRUNC : 0;
	return m->msg_flags ? (ssize_t)m->msg_iov[0].iov_len : n;
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			socklen_t *len)
{
	struct sockaddr_nl *a = (struct sockaddr_nl *)(void *)from;

	(void)fd;
	(void)flags;
	(void)len;
	*a = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	return answer(buf, n, &a->nl_pid);
}

unsigned __wrap_if_nametoindex(const char *name)
{
	(void)name;
	return 7;
}

static void must_tell(int rc, const struct err *e)
{
	FUZZ_MUST(rc >= 0 || (e->code == -rc && e->depth));
	if (rc < 0)
		fuzz_error_must_be_safe(e);
}

static void whole(struct err *e)
{
	static struct fingerprint fp, none;
	int rc;

	fp.n = fp.unseen = 0;
	rc = fingerprint_take(&fp, "", e);
	must_tell(rc, e);
	if (rc < 0)
		return;
	FUZZ_MUST(fp.n <= FINGERPRINT_ENTRIES && kernel.datagrams >= 7);
	for (uint32_t i = 0; i < fp.n; i++)
		FUZZ_MUST(memchr(fp.entry[i].name, '\0', sizeof(fp.entry[i].name)));
	FUZZ_MUST(fingerprint_diff(&fp, &fp, NULL, NULL) == 0);
	FUZZ_MUST(fingerprint_diff(&none, &fp, NULL, NULL) == fp.n);
}

static void one_part(unsigned which, struct err *e)
{
	static int (*const parts[])(struct fp_take *) = { fp_links, fp_addresses, fp_routes,
							  fp_rules, fp_tc,        fp_neighbours,
							  fp_nft };
	static struct fingerprint fp;
	static struct fp_take t;
	int rc;

	fp.n = 0;
	t = (struct fp_take){ .fp = &fp, .scope = "scope", .e = e, .n_links = 2 };
	t.link[0] = (struct fp_link){ 1, "lo" };
	t.link[1] = (struct fp_link){ 2, "eth0" };
	e->code = 0;
	rc = parts[which % ARRAY_LEN(parts)](&t);
	FUZZ_MUST(rc <= 0);
	FUZZ_MUST(rc || kernel.datagrams > 0);
	FUZZ_MUST(t.n_links <= FP_LINKS && t.n_nodes <= FP_NODES);
}

/* A record of each net kind: what is not there was said to be not there. */
static void undo(unsigned which, struct err *e)
{
	const struct change_ops *ops = which & 1 ? &nft_gate_ops : &netem_side_ops;
	const uint32_t absent = UINT32_C(1) << (which & 1 ? ENOENT : ENODEV);
	struct undo u = { .netns.cookie = 1, .run_id = "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
	char words[256];
	struct text left = text_on(words, sizeof(words));
	int rc;

	if (which & 1) {
		u.u.gate.family = NFPROTO_NETDEV;
		snprintf(u.u.gate.table, sizeof(u.u.gate.table), "brink_abcdef");
	} else {
		snprintf(u.u.netem.ifb, sizeof(u.u.netem.ifb), "brinkabcdef");
	}
	switch (which >> 1 & 3) {
	case 0:
		rc = ops->gone(&u, &left, e);
		FUZZ_MUST(rc != 0 || (kernel.errors & absent));
		break;
	case 1:
		rc = ops->undo(&u, e);
		FUZZ_MUST(rc != 0 || kernel.writes || (kernel.errors & absent));
		break;
	default:
		rc = ops->ended ? ops->ended(&u, &left, e) : 0;
		FUZZ_MUST(rc != 0 || kernel.datagrams || !ops->ended);
	}
	must_tell(rc, e);
}

/* The life of a change with these answers. */
static void live(unsigned which, struct err *e)
{
	static struct change_spec gate = { .kind = CHANGE_NFT_GATE,
					   .lease_ms = 3000,
					   .u.gate = { .netns.cookie = 1,
						       .table = "brink_abcdef",
						       .dev = "lo",
						       .action = GATE_DROP,
						       .share_ppm = 1000000,
						       .n_matches = 1,
						       .match = { { .hook = GATE_EGRESS } } } };
	static struct change_spec netem = { .kind = CHANGE_NETEM_SIDE,
					    .lease_ms = 3000,
					    .u.netem = { .netns.cookie = 1,
							 .ifb = "brinkabcdef",
							 .dev = "lo",
							 .limit = 10,
							 .delay_ns = 1000 } };
	struct undo u = { 0 };
	struct change c = { .spec = which & 1 ? &gate : &netem, .undo = &u };
	struct effect done = { 0 };
	int rc;

	c.ops = change_ops_of(c.spec->kind);
	rc = c.ops->prepare(&c, &u, e);
	must_tell(rc, e);
	if (rc == 0)
		rc = c.ops->arm(&c, e);
	if (rc == 0 && c.ops->fire)
		rc = c.ops->fire(&c, e);
	if (rc == 0 && c.ops->effect)
		rc = c.ops->effect(&c, &done, e);
	if (rc == 0 && c.ops->drain)
		rc = c.ops->drain(&c, e);
	FUZZ_MUST(rc >= 0 || rc == -EINPROGRESS || e->code == -rc);
	free(c.live);
}

static void routes(unsigned which, struct err *e)
{
	struct netns_ref ns = { .cookie = 1 };
	struct net_prefix to = { .family = which & 1 ? 6 : 4, .len = 32 };
	struct link_info link;
	struct qdisc_info q;
	char dev[IFNAMSIZ], qdisc[16];
	int rc;

	__wrap_nlsock_open(0, &kernel.sock, e);
	switch (which >> 1 & 3) {
	case 0:
		rc = route_device(&ns, &to, dev, e);
		FUZZ_MUST(rc < 0 || memchr(dev, '\0', sizeof(dev)));
		break;
	case 1:
		rc = route_check_device(&ns, "lo", qdisc, e);
		FUZZ_MUST(rc < 0 || memchr(qdisc, '\0', sizeof(qdisc)));
		break;
	case 2:
		rc = link_find(&kernel.sock, "lo", &link, e);
		FUZZ_MUST(rc < 0 || link.ifindex);
		break;
	default:
		rc = qdisc_root(&kernel.sock, 1, &q, e);
	}
	must_tell(rc, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	uint8_t which;

	memset(&kernel, 0, sizeof(kernel));
	kernel.f = (struct feed){ data, size };
	which = feed_u8(&kernel.f);
	kernel.flags = feed_u8(&kernel.f);
	switch (which >> 5) {
	case 0:
		whole(&e);
		break;
	case 1:
	case 2:
		one_part(which & 31, &e);
		break;
	case 3:
		undo(which & 31, &e);
		break;
	case 4:
		live(which & 31, &e);
		break;
	default:
		routes(which & 31, &e);
	}
	return FUZZ_KEEP;
}
