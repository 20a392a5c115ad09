/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=recvmsg,--wrap=clock_mono_ns */
#include "safety/fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "safety/fingerprint_parts.h"

int64_t __wrap_clock_mono_ns(void);
int64_t __real_clock_mono_ns(void);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);

static struct fingerprint before, after;
static int64_t later_ns;
static bool noisy; /* what comes is interrupted, or not of the kernel, and takes a second */

int64_t __wrap_clock_mono_ns(void)
{
	return __real_clock_mono_ns() + later_ns;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	if (!noisy)
		return __real_recvmsg(fd, m, flags);
	later_ns += NS_PER_S;
	assert_true(later_ns < 60 * NS_PER_S);
	if (later_ns / NS_PER_S % 2) {
		errno = EINTR;
		return -1;
	}
	((struct sockaddr_nl *)m->msg_name)->nl_pid = 4711;
	return 20;
}

static int setup(void **state)
{
	(void)state;
	before.n = 0;
	after.n = 0;
	return 0;
}

/* In the order of fingerprint_take: by name, key, value. */
static void add(struct fingerprint *fp, const char *name, uint64_t key, uint64_t value)
{
	struct fp_entry *e = &fp->entry[fp->n++];

	*e = (struct fp_entry){ .key = key, .value = value };
	snprintf(e->name, sizeof(e->name), "%s", name);
}

static void add_text(void *arg, enum fp_change what, const struct fp_entry *entry)
{
	char *all = arg;
	size_t used = strlen(all);

	snprintf(all + used, 256 - used, "%c%s ", "+-~"[what], entry -> name);
}

static void expect(const char *text, uint32_t n)
{
	char all[256] = "";

	assert_int_equal(fingerprint_diff(&before, &after, add_text, all), n);
	assert_string_equal(all, text);
	assert_int_equal(fingerprint_diff(&before, &after, NULL, NULL), n);
}

static void nothing_differs_from_itself(void **state)
{
	(void)state;
	expect("", 0);
	add(&before, "a", 1, 1);
	add(&after, "a", 1, 1);
	expect("", 0);
}

static void each_kind_of_difference_is_named_in_order(void **state)
{
	(void)state;
	add(&before, "a", 1, 1);
	add(&before, "b", 2, 1);
	add(&before, "d", 4, 1);
	add(&after, "b", 2, 9);
	add(&after, "c", 3, 1);
	add(&after, "d", 4, 1);
	expect("-a ~b +c ", 3);
}

static void objects_of_one_name_are_told_apart_by_their_keys(void **state)
{
	(void)state;
	add(&before, "r", 1, 1);
	add(&before, "r", 3, 1);
	add(&after, "r", 1, 1);
	add(&after, "r", 2, 1);
	add(&after, "r", 3, 1);
	expect("+r ", 1);
}

static void equal_objects_are_counted(void **state)
{
	(void)state;
	add(&before, "r", 1, 5);
	add(&before, "r", 1, 5);
	add(&before, "r", 1, 7);
	add(&after, "r", 1, 5);
	expect("-r -r ", 2);
	add(&after, "r", 1, 6);
	expect("~r -r ", 2);
	add(&after, "r", 1, 7);
	expect("~r ", 1);
}

static void damaged_attributes_are_never_read_beyond_their_end(void **state)
{
	static const struct {
		uint16_t len;
		size_t given;
	} bad[] = { { 0, 8 }, { 3, 8 }, { 9, 8 }, { 65535, 64 }, { 4, 3 }, { 0, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		alignas(4) unsigned char buf[64] = { 0 };
		struct nlattr a = { .nla_len = bad[i].len, .nla_type = 1 };
		struct fp_attrs attrs = { buf, bad[i].given };

		memcpy(buf, &a, sizeof(a));
		assert_null(fp_attr_next(&attrs));
	}
}

static void attributes_are_read_in_order_whatever_their_padding(void **state)
{
	struct fp_request q = fp_request(1, "hdr", 4);
	struct fp_attrs i;
	char text[256];

	(void)state;
	fp_request_attr(&q, 1, "a", 2);
	fp_request_attr(&q, 2, "bcd", 3); /* not terminated */
	fp_request_attr(&q, 3 | NLA_F_NESTED, &(uint32_t){ 7 }, 4);
	i = fp_attrs_of(&q.nh, 4);
	assert_string_equal(fp_attr_text(i, 1, text), "a");
	assert_string_equal(fp_attr_text(i, 2, text), "bcd");
	assert_string_equal(fp_attr_text(i, 9, text), "");
	assert_int_equal(fp_attr_u32(fp_attr_find(i, 3)), 7);
	assert_int_equal(fp_attr_u32(fp_attr_find(i, 1)), 0); /* too short for a number */
	assert_int_equal(fp_attr_u32(NULL), 0);
	assert_int_equal(fp_attrs_in(NULL).left, 0);
}

static void only_the_chosen_attributes_count(void **state)
{
	struct fp_request a = fp_request(1, "hdr", 4), b = a;

	(void)state;
	fp_request_attr(&a, 1, "same", 5);
	fp_request_attr(&a, 2, "this", 5);
	fp_request_attr(&b, 1, "same", 5);
	fp_request_attr(&b, 2, "that", 5);
	assert_true(fp_hash_some(FP_SEED, fp_attrs_of(&a.nh, 4), FP_BIT(1)) ==
		    fp_hash_some(FP_SEED, fp_attrs_of(&b.nh, 4), FP_BIT(1)));
	assert_false(fp_hash_some(FP_SEED, fp_attrs_of(&a.nh, 4), FP_BIT(2)) ==
		     fp_hash_some(FP_SEED, fp_attrs_of(&b.nh, 4), FP_BIT(2)));
}

static void a_fingerprint_is_sorted_and_holds_the_machine(void **state)
{
	struct err e = { 0 };
	bool sysctl = false, link = false;
	char text[1024];

	(void)state;
	if (fingerprint_take(&after, "", &e))
		fail_msg("%s", err_format(&e, text, sizeof(text)));
	for (uint32_t i = 0; i < after.n; i++) {
		sysctl = sysctl || !strcmp(after.entry[i].name, "sysctl kernel/ostype");
		link = link || !strcmp(after.entry[i].name, "link lo");
		assert_true(!i || strcmp(after.entry[i - 1].name, after.entry[i].name) <= 0);
	}
	assert_true(sysctl && link);
}

/* A dump over a socket pair in place of netlink: what the "kernel" will say is written beforehand.
 */
struct talk {
	int fd[2];
	struct fp_take take;
	struct err e;
	unsigned seen;
};

static struct talk talk;

static int open_talk(void **state)
{
	*state = &talk;
	talk.seen = 0;
	talk.take = (struct fp_take){ .fp = &after, .scope = "", .e = &talk.e };
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, talk.fd);
}

static int close_talk(void **state)
{
	(void)state;
	close(talk.fd[0]);
	close(talk.fd[1]);
	return 0;
}

/* One message with a number behind its header; len 0 = as long as it is. seq 1 is the first of a
 * fp_take. */
static void say(uint16_t type, uint16_t flags, uint32_t seq, uint32_t len, int32_t number)
{
	struct {
		struct nlmsghdr nh;
		int32_t number;
	} m = { .number = number };

	m.nh = (struct nlmsghdr){ .nlmsg_len = len ? len : sizeof(m),
				  .nlmsg_type = type,
				  .nlmsg_flags = flags,
				  .nlmsg_seq = seq };
	assert_int_equal(send(talk.fd[1], &m, sizeof(m), 0), sizeof(m));
}

static int count(struct fp_take *t, const struct nlmsghdr *nh, void *arg)
{
	(void)t;
	(void)nh;
	(*(unsigned *)arg)++;
	return 0;
}

static int dump(void)
{
	struct fp_request q = fp_request(99, "hdr", 4);

	return fp_dump(&talk.take, talk.fd[0], &q, count, &talk.seen);
}

static void a_dump_ends_with_done_and_skips_answers_to_others(void **state)
{
	(void)state;
	say(16, 0, 1, 0, 0);
	say(16, 0, 77, 0, 0); /* of an earlier request */
	say(16, 0, 1, 0, 0);
	say(NLMSG_DONE, 0, 1, 0, 0);
	assert_int_equal(dump(), 0);
	assert_int_equal(talk.seen, 2);
}

static void an_interrupted_dump_is_no_result(void **state)
{
	(void)state;
	say(16, NLM_F_DUMP_INTR, 1, 0, 0);
	say(16, 0, 1, 0, 0);
	say(NLMSG_DONE, 0, 1, 0, 0);
	assert_int_equal(dump(), -EAGAIN);
	say(16, 0, 2, 0, 0);
	say(NLMSG_DONE, NLM_F_DUMP_INTR, 2, 0, 0); /* noticed only at the end */
	assert_int_equal(dump(), -EAGAIN);
	say(NLMSG_DONE, 0, 3, 0, 0); /* and the socket is ready for the next one */
	assert_int_equal(dump(), 0);
}

static void a_failed_dump_is_an_error_not_an_empty_result(void **state)
{
	(void)state;
	say(NLMSG_ERROR, 0, 1, 0, -EPERM);
	assert_int_equal(dump(), -EPERM);
	say(16, 0, 2, 0, 0);
	say(NLMSG_DONE, 0, 2, 0, -ENOMEM);
	assert_int_equal(dump(), -ENOMEM);
}

static void damaged_and_cut_answers_are_errors(void **state)
{
	static unsigned char big[FP_BUF + 64];

	(void)state;
	say(16, 0, 1, 4, 0);
	assert_int_equal(dump(), -EBADMSG);
	say(16, 0, 2, 4000, 0);
	assert_int_equal(dump(), -EBADMSG);
	assert_int_equal(send(talk.fd[1], big, sizeof(big), 0), sizeof(big));
	assert_int_equal(dump(), -EMSGSIZE);
}

static void no_noise_keeps_a_dump_waiting_beyond_its_time(void **state)
{
	(void)state;
	say(16, NLM_F_MULTI, 1, 0, 1); /* never read: there is always something */
	noisy = true;
	assert_int_equal(dump(), -ETIMEDOUT);
	noisy = false;
}

#define TALK(fn) cmocka_unit_test_setup_teardown(fn, open_talk, close_talk)
#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(nothing_differs_from_itself),
		TEST(each_kind_of_difference_is_named_in_order),
		TEST(objects_of_one_name_are_told_apart_by_their_keys),
		TEST(equal_objects_are_counted),
		TEST(damaged_attributes_are_never_read_beyond_their_end),
		TEST(attributes_are_read_in_order_whatever_their_padding),
		TEST(only_the_chosen_attributes_count),
		TALK(no_noise_keeps_a_dump_waiting_beyond_its_time),
		TALK(a_dump_ends_with_done_and_skips_answers_to_others),
		TALK(an_interrupted_dump_is_no_result),
		TALK(a_failed_dump_is_an_error_not_an_empty_result),
		TALK(damaged_and_cut_answers_are_errors),
		TEST(a_fingerprint_is_sorted_and_holds_the_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
