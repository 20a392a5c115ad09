/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=sendto,--wrap=recvfrom,--wrap=io_wait,--wrap=clock_mono_ns */
/* Answers of the kernel as they should not be, but can be: late, foreign, torn, refused half way.
 */
#include "inject/change/nlsock.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "tests/support/test.h"

ssize_t __wrap_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		      socklen_t len);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			socklen_t *len);
ssize_t __real_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		      socklen_t len);
ssize_t __real_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			socklen_t *len);
int __wrap_io_wait(int fd, short events, int64_t deadline_ns);
int __real_io_wait(int fd, short events, int64_t deadline_ns);
int64_t __wrap_clock_mono_ns(void);

#define DATAGRAMS 16

/* What the kernel will say: datagrams in order; code != 0: recvfrom fails so; sender 0 is the
 * kernel. */
static struct {
	bool real;
	int noise; /* for ever: recvfrom fails so; 0: what others say */
	int64_t now_ns, noise_until_ns;
	unsigned n, next, sent;
	struct {
		size_t len, claimed;
		int code;
		uint32_t sender;
		_Alignas(16) char data[40000];
	} at[DATAGRAMS];
	_Alignas(16) char last_sent[512];
} kernel;

int __wrap_io_wait(int fd, short events, int64_t deadline_ns)
{
	if (kernel.real)
		return __real_io_wait(fd, events, deadline_ns);
	if (kernel.noise_until_ns)
		return POLLIN;
	return kernel.next < kernel.n ? POLLIN : 0; /* nothing more comes: the deadline passes */
}

int64_t __wrap_clock_mono_ns(void)
{
	return kernel.now_ns;
}

/* A millisecond each time. */
static ssize_t make_noise(void *buf, size_t n, struct sockaddr *from)
{
	kernel.now_ns += NS_PER_MS;
	assert_true(kernel.now_ns < kernel.noise_until_ns);
	if (kernel.noise) {
		errno = kernel.noise;
		return -1;
	}
	memset(buf, 0, n);
	((struct sockaddr_nl *)(void *)from)->nl_pid = 4711;
	return (ssize_t)sizeof(struct nlmsghdr);
}

ssize_t __wrap_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		      socklen_t len)
{
	if (kernel.real)
		return __real_sendto(fd, buf, n, flags, to, len);
	kernel.sent++;
	memcpy(kernel.last_sent, buf, n < sizeof(kernel.last_sent) ? n : sizeof(kernel.last_sent));
	return (ssize_t)n;
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			socklen_t *len)
{
	unsigned i = kernel.next++;

	if (kernel.real) {
		kernel.next = 0;
		return __real_recvfrom(fd, buf, n, flags, from, len);
	}
	if (kernel.noise_until_ns)
		return make_noise(buf, n, from);
	assert_true(i < kernel.n);
	((struct sockaddr_nl *)(void *)from)->nl_pid = kernel.at[i].sender;
	if (kernel.at[i].code) {
		errno = kernel.at[i].code;
		return -1;
	}
	memcpy(buf, kernel.at[i].data, kernel.at[i].len < n ? kernel.at[i].len : n);
	return (ssize_t)(kernel.at[i].claimed ? kernel.at[i].claimed : kernel.at[i].len);
}

static int setup(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	return 0;
}

static struct nlbuf datagram(void)
{
	unsigned i = kernel.n++;

	assert_true(i < DATAGRAMS);
	return nlbuf_on(kernel.at[i].data, sizeof(kernel.at[i].data));
}

static void finish(const struct nlbuf *b)
{
	kernel.at[kernel.n - 1].len = b->len;
}

static struct nlmsghdr *put(struct nlbuf *b, uint16_t type, uint32_t seq, uint16_t flags,
			    const void *p, size_t n)
{
	nlbuf_msg(b, type, flags, p, n, "");
	b->msg->nlmsg_seq = seq;
	b->msg->nlmsg_flags = flags;
	return b->msg;
}

/* The verdict on message seq; text may be NULL. */
static void put_verdict(struct nlbuf *b, uint32_t seq, int code, const char *text)
{
	struct nlmsgerr v = { .error = -code, .msg = { .nlmsg_len = sizeof(struct nlmsghdr) } };

	put(b, NLMSG_ERROR, seq, text ? NLM_F_ACK_TLVS | NLM_F_CAPPED : 0, &v, sizeof(v));
	if (text)
		nlbuf_str(b, NLMSGERR_ATTR_MSG, text);
}

static void answer_verdict(uint32_t seq, int code, const char *text)
{
	struct nlbuf b = datagram();

	put_verdict(&b, seq, code, text);
	finish(&b);
}

static _Alignas(16) char request_bytes[512];

/* A batch of three that wants three answers; numbered from 10. */
static struct nlbuf three(struct nlsock *s)
{
	struct nlbuf b = nlbuf_on(request_bytes, sizeof(request_bytes));

	*s = (struct nlsock){ .fd = 99, .seq = 10 };
	nlbuf_msg(&b, 16, 0, NULL, 0, "begin");
	nlbuf_msg(&b, 100, NLM_F_ACK, NULL, 0, "first");
	nlbuf_msg(&b, 101, NLM_F_ACK, NULL, 0, "second");
	nlbuf_msg(&b, 102, NLM_F_ACK, NULL, 0, "third");
	nlbuf_msg(&b, 17, 0, NULL, 0, "end");
	return b;
}

static void all_verdicts_are_awaited(void **state)
{
	struct nlsock s;
	struct nlbuf b = three(&s);
	struct err e;

	(void)state;
	answer_verdict(11, 0, NULL);
	answer_verdict(12, 0, NULL);
	assert_int_equal(nlsock_talk(&s, &b, &e), -ETIMEDOUT); /* the third never comes */
	setup(NULL);
	b = three(&s);
	answer_verdict(11, 0, NULL);
	answer_verdict(12, 0, NULL);
	answer_verdict(13, 0, NULL);
	assert_int_equal(nlsock_talk(&s, &b, &e), 0);
	assert_int_equal(kernel.sent, 1);
	assert_int_equal(((struct nlmsghdr *)(void *)kernel.last_sent)->nlmsg_seq, 10);
	assert_int_equal(s.seq, 15);
}

static void the_first_refusal_is_told_in_the_kernels_words(void **state)
{
	struct nlsock s;
	struct nlbuf b = three(&s);
	struct err e;

	(void)state;
	answer_verdict(11, 0, NULL);
	answer_verdict(12, EINVAL, "Chain type is not supported");
	answer_verdict(13, ENOENT, NULL);
	assert_int_equal(nlsock_talk(&s, &b, &e), -EINVAL);
	assert_string_equal(e.msg[0], "second: Invalid argument (Chain type is not supported)");
}

static void a_refused_begin_is_the_only_answer(void **state)
{
	struct nlsock s;
	struct nlbuf b = three(&s);
	struct err e;

	(void)state;
	answer_verdict(10, EPERM, NULL);
	assert_int_equal(nlsock_talk(&s, &b, &e), -EPERM);
	assert_string_equal(e.msg[0], "begin: Operation not permitted");
}

static void what_is_late_or_foreign_or_no_verdict_does_not_count(void **state)
{
	struct nlsock s;
	struct nlbuf b = three(&s), d;
	struct err e;

	(void)state;
	answer_verdict(9, EBUSY, NULL);  /* of the batch before */
	answer_verdict(15, EBUSY, NULL); /* not sent yet */
	answer_verdict(11, EBUSY, NULL);
	kernel.at[2].sender = 4711; /* another process pretends */
	kernel.at[kernel.n++].code = EINTR;
	kernel.at[kernel.n++].code = EAGAIN;
	d = datagram();
	put(&d, NLMSG_NOOP, 11, 0, NULL, 0);
	put_verdict(&d, 11, 0, NULL);
	put_verdict(&d, 12, 0, NULL);
	put_verdict(&d, 13, 0, NULL); /* three in one datagram */
	finish(&d);
	assert_int_equal(nlsock_talk(&s, &b, &e), 0);
	assert_int_equal(kernel.next, kernel.n);
}

static void no_noise_keeps_it_waiting_beyond_its_time(void **state)
{
	static const int noises[] = { EAGAIN, EINTR, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(noises); i++) {
		struct nlsock s;
		struct nlbuf b = three(&s);
		struct err e;

		kernel.noise = noises[i];
		kernel.now_ns = 0;
		kernel.noise_until_ns = 10 * NS_PER_S;
		assert_int_equal(nlsock_talk(&s, &b, &e), -ETIMEDOUT);
		assert_string_equal(e.msg[0], "the kernel does not answer on netlink");
	}
}

static void broken_answers_are_errors(void **state)
{
	struct nlsock s;
	struct nlbuf b = three(&s), d;
	struct err e;

	(void)state;
	kernel.at[kernel.n++].code = ENOBUFS; /* answers were lost */
	assert_int_equal(nlsock_talk(&s, &b, &e), -ENOBUFS);
	setup(NULL);
	b = three(&s);
	d = datagram();
	put(&d, NLMSG_ERROR, 11, 0, "abcd", 4); /* shorter than a verdict */
	finish(&d);
	assert_int_equal(nlsock_talk(&s, &b, &e), -EBADMSG);
	setup(NULL);
	b = three(&s);
	answer_verdict(11, 0, NULL);
	kernel.at[0].claimed = 100000; /* MSG_TRUNC: it was longer than the buffer */
	assert_int_equal(nlsock_talk(&s, &b, &e), -EMSGSIZE);
}

static void a_buffer_that_was_too_small_is_never_sent(void **state)
{
	_Alignas(16) char bytes[20];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct nlsock s = { .fd = 99 };
	struct err e;

	(void)state;
	assert_int_equal(nlsock_talk(&s, &b, &e), -EMSGSIZE); /* empty */
	nlbuf_msg(&b, 16, NLM_F_ACK, NULL, 0, "long");
	nlbuf_str(&b, 1, "does not fit");
	assert_int_equal(nlsock_talk(&s, &b, &e), -EMSGSIZE);
	assert_int_equal(kernel.sent, 0);
}

/* --- dumps --- */

static struct nlbuf question(struct nlsock *s)
{
	struct nlbuf b = nlbuf_on(request_bytes, sizeof(request_bytes));

	*s = (struct nlsock){ .fd = 99, .seq = 50 };
	nlbuf_msg(&b, 18, NLM_F_DUMP, NULL, 0, "cannot read the list");
	return b;
}

static int count(const struct nlmsghdr *h, void *arg, struct err *e)
{
	++*(int *)arg;
	return h->nlmsg_type == 666 ? err_set(e, EPROTO, "stop") : 0;
}

static void zero(void *arg)
{
	*(int *)arg = 0;
}

static void answer_list(uint32_t seq, uint16_t type, unsigned n, uint16_t flags)
{
	struct nlbuf b = datagram();

	for (unsigned i = 0; i < n; i++)
		put(&b, type, seq, NLM_F_MULTI | flags, NULL, 0);
	finish(&b);
}

static void answer_done(uint32_t seq, int code, uint16_t flags)
{
	struct nlbuf b = datagram();

	code = -code;
	put(&b, NLMSG_DONE, seq, NLM_F_MULTI | flags, &code, sizeof(code));
	finish(&b);
}

static void a_dump_is_read_to_its_end(void **state)
{
	struct nlsock s;
	struct nlbuf b = question(&s);
	struct err e;
	int n = 0;

	(void)state;
	answer_list(49, 16, 5, 0); /* of an older question */
	answer_list(50, 16, 3, 0);
	answer_list(50, 16, 2, 0);
	answer_done(50, 0, 0);
	assert_int_equal(nlsock_ask(&s, &b, count, zero, &n, &e), 0);
	assert_int_equal(n, 5);
}

static void a_dump_without_an_end_is_no_list(void **state)
{
	struct nlsock s;
	struct nlbuf b = question(&s);
	struct err e;
	int n = 0;

	(void)state;
	answer_list(50, 16, 3, 0);
	assert_int_equal(nlsock_ask(&s, &b, count, zero, &n, &e), -ETIMEDOUT);
}

static void a_dump_that_fails_in_its_middle_is_an_error(void **state)
{
	struct nlsock s;
	struct nlbuf b = question(&s);
	struct err e;
	int n = 0;

	(void)state;
	answer_list(50, 16, 3, 0);
	answer_done(50, ENOENT, 0);
	assert_int_equal(nlsock_ask(&s, &b, count, zero, &n, &e), -ENOENT);
	setup(NULL);
	b = question(&s);
	answer_list(50, 666, 1, 0);
	assert_int_equal(nlsock_ask(&s, &b, count, zero, &n, &e), -EPROTO);
}

static void an_interrupted_dump_is_read_again_but_not_for_ever(void **state)
{
	struct nlsock s;
	struct nlbuf b = question(&s);
	struct err e;
	int n = 0;

	(void)state;
	answer_list(50, 16, 3, NLM_F_DUMP_INTR);
	answer_done(50, 0, 0);
	answer_list(51, 16, 4, 0);
	answer_done(51, 0, 0);
	assert_int_equal(nlsock_ask(&s, &b, count, zero, &n, &e), 0);
	assert_int_equal(n, 4);
	setup(NULL);
	b = question(&s);
	for (uint32_t i = 0; i < 6; i++)
		answer_done(50 + i, 0, NLM_F_DUMP_INTR);
	assert_int_equal(nlsock_ask(&s, &b, count, zero, &n, &e), -EAGAIN);
	assert_int_equal(kernel.sent, 5);
}

static void a_single_object_ends_with_its_verdict(void **state)
{
	struct nlsock s;
	struct nlbuf b = question(&s);
	struct err e;
	int n = 0;

	(void)state;
	answer_list(50, 16, 1, 0);
	answer_verdict(50, 0, NULL);
	assert_int_equal(nlsock_ask(&s, &b, count, NULL, &n, &e), 0);
	assert_int_equal(n, 1);
	setup(NULL);
	b = question(&s);
	answer_verdict(50, ENODEV, NULL);
	assert_int_equal(nlsock_ask(&s, &b, count, NULL, &n, &e), -ENODEV);
}

static void attributes_that_lie_about_their_length_are_not_followed(void **state)
{
	_Alignas(4) unsigned char a[] = { 8, 0, 1, 0, 1, 2, 3, 4, 5, 0, 2, 0x80, 9, 0, 0, 0 };
	const struct nlattr *found;

	(void)state;
	found = nlattr_find(a, sizeof(a), 2);
	assert_non_null(found);
	assert_int_equal(nlattr_len(found), 1);
	assert_null(nlattr_find(a, sizeof(a), 3));
	assert_null(nlattr_find(a, 8, 2));
	assert_null(nlattr_find(a, 3, 1));
	a[0] = 3; /* shorter than its header: would be read for ever */
	assert_null(nlattr_find(a, sizeof(a), 2));
	a[0] = 0;
	assert_null(nlattr_find(a, sizeof(a), 2));
	a[0] = 17; /* longer than what is there */
	assert_null(nlattr_find(a, sizeof(a), 1));
	assert_false(nlattr_is(NULL, "x"));
}

static void random_answers_end_in_an_error_or_not_at_all(void **state)
{
	(void)state;
	srand(9);
	for (int i = 0; i < 20000; i++) {
		struct nlsock s;
		struct nlbuf b = i & 1 ? three(&s) : question(&s), d;
		struct err e;
		int n = 0, rc;

		kernel.n = kernel.next = 0;
		d = datagram();
		put_verdict(&d, i & 1 ? 11 : 50, rand() % 200, "some text");
		put(&d, 16, i & 1 ? 11 : 50, 0, "0123456789", 10);
		finish(&d);
		for (int k = rand() % 6; k >= 0; k--)
			kernel.at[0].data[(size_t)rand() % d.len] = (char)rand();
		kernel.at[0].len = (size_t)rand() % (d.len + 1);
		rc = i & 1 ? nlsock_talk(&s, &b, &e) : nlsock_ask(&s, &b, count, zero, &n, &e);
		assert_true(rc <= 0);
	}
}

static int find_lo(const struct nlmsghdr *h, void *arg, struct err *e)
{
	(void)e;
	*(int *)arg |= ((const struct ifinfomsg *)NLMSG_DATA(h))->ifi_index == 1;
	return 0;
}

/* The real kernel: reading needs no privilege, making something does. */
static void the_real_kernel_answers(void **state)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct ifinfomsg i = { 0 };
	struct nlsock s;
	struct err e;
	int found = 0;

	(void)state;
	kernel.real = true;
	assert_int_equal(nlsock_open(NETLINK_ROUTE, &s, &e), 0);
	nlbuf_msg(&b, RTM_GETLINK, NLM_F_DUMP, &i, sizeof(i), "cannot read the devices");
	assert_int_equal(nlsock_ask(&s, &b, find_lo, NULL, &found, &e), 0);
	assert_true(found);
	b = nlbuf_on(bytes, sizeof(bytes));
	nlbuf_msg(&b, RTM_GETLINK, NLM_F_ACK, &i, sizeof(i), "cannot read the device");
	nlbuf_str(&b, IFLA_IFNAME, "no-such-dev");
	assert_int_equal(nlsock_ask(&s, &b, find_lo, NULL, &found, &e), -ENODEV);
	nlsock_close(&s);
	nlsock_close(&s);
	assert_int_equal(s.fd, -1);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_verdicts_are_awaited),
		TEST(the_first_refusal_is_told_in_the_kernels_words),
		TEST(a_refused_begin_is_the_only_answer),
		TEST(what_is_late_or_foreign_or_no_verdict_does_not_count),
		TEST(no_noise_keeps_it_waiting_beyond_its_time),
		TEST(broken_answers_are_errors),
		TEST(a_buffer_that_was_too_small_is_never_sent),
		TEST(a_dump_is_read_to_its_end),
		TEST(a_dump_without_an_end_is_no_list),
		TEST(a_dump_that_fails_in_its_middle_is_an_error),
		TEST(an_interrupted_dump_is_read_again_but_not_for_ever),
		TEST(a_single_object_ends_with_its_verdict),
		TEST(attributes_that_lie_about_their_length_are_not_followed),
		TEST(random_answers_end_in_an_error_or_not_at_all),
		TEST(the_real_kernel_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
