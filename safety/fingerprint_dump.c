/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "safety/fingerprint_parts.h"

#define ANSWER_NS (5 * NS_PER_S)
#define ERRNO_MAX 4095 /* MAX_ERRNO, include/linux/err.h */

uint64_t fp_hash(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++) /* FNV-1a */
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

uint64_t fp_hash_u32(uint64_t h, uint32_t v)
{
	return fp_hash(h, &v, sizeof(v));
}

struct fp_attrs fp_attrs_of(const struct nlmsghdr *nh, size_t n)
{
	size_t skip = NLMSG_LENGTH(NLMSG_ALIGN(n));

	if (nh->nlmsg_len < skip)
		return (struct fp_attrs){ 0 };
	return (struct fp_attrs){ (const unsigned char *)nh + skip, nh->nlmsg_len - skip };
}

struct fp_attrs fp_attrs_in(const struct nlattr *a)
{
	if (!a)
		return (struct fp_attrs){ 0 };
	return (struct fp_attrs){ fp_attr_data(a), fp_attr_len(a) };
}

const struct nlattr *fp_attr_next(struct fp_attrs *i)
{
	const struct nlattr *a = (const void *)i->at;
	size_t step;

	if (i->left < NLA_HDRLEN || a->nla_len < NLA_HDRLEN || a->nla_len > i->left)
		return NULL;
	step = NLA_ALIGN((size_t)a->nla_len);
	step = step < i->left ? step : i->left;
	i->at += step;
	i->left -= step;
	return a;
}

unsigned fp_attr_type(const struct nlattr *a)
{
	return a->nla_type & NLA_TYPE_MASK;
}

const void *fp_attr_data(const struct nlattr *a)
{
	return (const unsigned char *)a + NLA_HDRLEN;
}

size_t fp_attr_len(const struct nlattr *a)
{
	return (size_t)a->nla_len - NLA_HDRLEN;
}

uint32_t fp_attr_u32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a && fp_attr_len(a) >= sizeof(v))
		memcpy(&v, fp_attr_data(a), sizeof(v));
	return v;
}

const struct nlattr *fp_attr_find(struct fp_attrs i, unsigned type)
{
	const struct nlattr *a;

	while ((a = fp_attr_next(&i)))
		if (fp_attr_type(a) == type)
			return a;
	return NULL;
}

const char *fp_attr_text(struct fp_attrs i, unsigned type, char buf[static 256])
{
	const struct nlattr *a = fp_attr_find(i, type);
	size_t n = a ? strnlen(fp_attr_data(a), fp_attr_len(a)) : 0;

	n = n < 255 ? n : 255;
	if (n)
		memcpy(buf, fp_attr_data(a), n);
	buf[n] = '\0';
	return buf;
}

uint64_t fp_hash_attr(uint64_t h, const struct nlattr *a)
{
	h = fp_hash_u32(h, fp_attr_type(a) << 16 | a->nla_len);
	return fp_hash(h, fp_attr_data(a), fp_attr_len(a));
}

uint64_t fp_hash_some(uint64_t h, struct fp_attrs i, uint64_t types)
{
	const struct nlattr *a;

	while ((a = fp_attr_next(&i)))
		if (fp_attr_type(a) < 64 && (types & FP_BIT(fp_attr_type(a))))
			h = fp_hash_attr(h, a);
	return h;
}

int fp_open(struct fp_take *t, int protocol)
{
	struct sockaddr_nl own = { .nl_family = AF_NETLINK };
	AUTO(auto_close) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0)
		return err_sys(t->e, "cannot open a netlink socket");
	return take_fd(&fd);
}

struct fp_request fp_request(uint16_t type, const void *header, size_t n)
{
	struct fp_request r = { 0 };

	r.nh.nlmsg_type = type;
	r.nh.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	r.nh.nlmsg_len = NLMSG_LENGTH((uint32_t)n);
	memcpy(r.body, header, n);
	return r;
}

void fp_request_attr(struct fp_request *r, uint16_t type, const void *data, size_t n)
{
	size_t at = NLMSG_ALIGN(r->nh.nlmsg_len) - NLMSG_HDRLEN;
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };

	if (at + NLA_ALIGN(a.nla_len) > sizeof(r->body))
		abort();
	memcpy(r->body + at, &a, sizeof(a));
	memcpy(r->body + at + NLA_HDRLEN, data, n);
	r->nh.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + at + NLA_ALIGN((uint32_t)a.nla_len));
}

/* Of the one message that ends a dump, or that refuses it: 0 or -errno. */
static int final_code(const struct nlmsghdr *nh)
{
	int code = 0;

	if (nh->nlmsg_len >= NLMSG_LENGTH(sizeof(code)))
		memcpy(&code, NLMSG_DATA(nh), sizeof(code));
	if (code < -ERRNO_MAX)
		return -EBADMSG;
	return code < 0 ? code : 0;
}

/* What one dump has brought so far. */
struct dump {
	uint32_t seq;
	bool done, interrupted;
	int (*fn)(struct fp_take *t, const struct nlmsghdr *nh, void *arg);
	void *arg;
};

static int read_message(struct fp_take *t, struct dump *d, const struct nlmsghdr *nh)
{
	if (nh->nlmsg_seq != d->seq || nh->nlmsg_type == NLMSG_NOOP)
		return 0;
	if (nh->nlmsg_flags & NLM_F_DUMP_INTR)
		d->interrupted = true;
	if (nh->nlmsg_type != NLMSG_DONE && nh->nlmsg_type != NLMSG_ERROR)
		return d->fn(t, nh, d->arg);
	d->done = true;
	return final_code(nh);
}

static int read_messages(struct fp_take *t, struct dump *d, const unsigned char *at, size_t left)
{
	while (!d->done && left >= NLMSG_HDRLEN) {
		const struct nlmsghdr *nh = (const void *)at;
		size_t step = NLMSG_ALIGN((size_t)nh->nlmsg_len);
		int r;

		if (nh->nlmsg_len < NLMSG_HDRLEN || nh->nlmsg_len > left)
			return err_set(t->e, EBADMSG, "a netlink message is damaged");
		r = read_message(t, d, nh);
		if (r)
			return r;
		step = step < left ? step : left;
		at += step;
		left -= step;
	}
	return 0;
}

/* One datagram of the kernel's. Truncated ones are errors. */
static ssize_t receive(struct fp_take *t, int fd, void *buf, size_t size)
{
	int64_t deadline = clock_mono_ns() + ANSWER_NS;

	do {
		struct sockaddr_nl from = { 0 };
		struct iovec iov = { .iov_base = buf, .iov_len = size };
		struct msghdr m = { .msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &iov,
				    .msg_iovlen = 1 };
		ssize_t n;

		if (io_wait(fd, POLLIN, deadline) == 0)
			break;
		n = recvmsg(fd, &m, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(t->e, "cannot receive a netlink dump");
		if (m.msg_flags & MSG_TRUNC)
			return err_set(t->e, EMSGSIZE, "a netlink dump was cut");
		if (from.nl_pid == 0) /* only the kernel's word counts: netlink(7) */
			return n;
	} while (clock_mono_ns() < deadline);
	return err_set(t->e, ETIMEDOUT, "the kernel does not answer a netlink dump");
}

int fp_dump(struct fp_take *t, int fd, struct fp_request *r,
	    int (*fn)(struct fp_take *t, const struct nlmsghdr *nh, void *arg), void *arg)
{
	alignas(struct nlmsghdr) unsigned char buf[FP_BUF];
	struct dump d = { .seq = ++t->seq, .fn = fn, .arg = arg };

	r->nh.nlmsg_seq = d.seq;
	if (send(fd, r, r->nh.nlmsg_len, MSG_NOSIGNAL) < 0) /* to the kernel: the default */
		return err_sys(t->e, "cannot send a netlink request");
	while (!d.done) {
		ssize_t n = receive(t, fd, buf, sizeof(buf));
		int code;

		if (n < 0)
			return (int)n;
		code = read_messages(t, &d, buf, (size_t)n);
		if (code)
			return code;
	}
	return d.interrupted ? -EAGAIN : 0;
}
