/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/queue_msg.h"

#include <string.h>

#include <linux/netfilter/nfnetlink_queue.h>

#include "tests/support/test.h"

#define ACCEPT 1u /* NF_ACCEPT */

static _Alignas(16) char bytes[512];

static struct nlbuf fresh(void)
{
	memset(bytes, 0x55, sizeof(bytes));
	return nlbuf_on(bytes, sizeof(bytes));
}

/* What stands behind the header of the only message. */
static void holds(const struct nlbuf *b, uint8_t type, bool ack, const unsigned char *want,
		  size_t n)
{
	const struct nlmsghdr *h = (const void *)bytes;

	assert_false(b->full);
	assert_int_equal(b->n, 1);
	assert_int_equal(h->nlmsg_type, NFNL_SUBSYS_QUEUE << 8 | type);
	assert_int_equal((h->nlmsg_flags & NLM_F_ACK) != 0, ack);
	assert_int_equal(h->nlmsg_len, NLMSG_HDRLEN + n);
	assert_memory_equal(bytes + NLMSG_HDRLEN, want, n);
}

static void a_queue_is_taken_given_up_and_asked_for(void **state)
{
	static const unsigned char bind[] = { 0, 0, 0x12, 0x34, 8, 0, 1, 0, 1, 0, 0, 0 };
	static const unsigned char unbind[] = { 0, 0, 0x12, 0x34, 8, 0, 1, 0, 2, 0, 0, 0 };
	static const unsigned char right[] = { 0, 0, 0, 0, 8, 0, 1, 0, 3, 0, 0, 0 };
	static const unsigned char ask[] = { 0, 0, 0x12, 0x34 };
	struct nlbuf b = fresh();

	(void)state;
	queue_bind(&b, 0x1234);
	holds(&b, NFQNL_MSG_CONFIG, true, bind, sizeof(bind));
	b = fresh();
	queue_unbind(&b, 0x1234);
	holds(&b, NFQNL_MSG_CONFIG, true, unbind, sizeof(unbind));
	b = fresh();
	queue_ask_right(&b);
	holds(&b, NFQNL_MSG_CONFIG, true, right, sizeof(right));
	b = fresh();
	queue_ask(&b, 0x1234);
	holds(&b, NFQNL_MSG_CONFIG, true, ask, sizeof(ask));
}

static void it_is_set_up_to_fail_open(void **state)
{
	unsigned char want[] = {
		0, 0, 0, 7,                         /* queue 7 */
		9, 0, 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, /* one byte; numbers only */
		8, 0, 3, 0, 0, 1, 0, 0,             /* 65,536 at most */
		8, 0, 4, 0, 0, 0, 0, 5,             /* these flags: */
		8, 0, 5, 0, 0, 0, 0, 5,             /* fail open, large packets as they are */
	};
	struct nlbuf b = fresh();

	(void)state;
	queue_configure(&b, 7, QUEUE_NUMBERS, 65536);
	holds(&b, NFQNL_MSG_CONFIG, true, want, sizeof(want));
	want[12] = NFQNL_COPY_PACKET;
	b = fresh();
	queue_configure(&b, 7, QUEUE_LENGTHS, 65536);
	holds(&b, NFQNL_MSG_CONFIG, true, want, sizeof(want));
	want[10] = want[11] = 0xff;
	want[39] = 1; /* cut up */
	b = fresh();
	queue_configure(&b, 7, QUEUE_WHOLE, 65536);
	holds(&b, NFQNL_MSG_CONFIG, true, want, sizeof(want));
}

static void verdicts_name_their_packets(void **state)
{
	unsigned char want[] = { 0, 0, 0, 7, 12, 0, 2,  0, 0,   0,   0,   1,
				 1, 2, 3, 4, 7,  0, 10, 0, 'a', 'b', 'c', 0 };
	size_t plain = 16;
	struct nlbuf b = fresh();

	(void)state;
	queue_verdict(&b, 7, 0x01020304, ACCEPT);
	holds(&b, NFQNL_MSG_VERDICT, false, want, plain);
	b = fresh();
	queue_accept_until(&b, 7, 0x01020304);
	holds(&b, NFQNL_MSG_VERDICT_BATCH, false, want, plain);
	b = fresh();
	queue_replace(&b, 7, 0x01020304, "abc", 3);
	holds(&b, NFQNL_MSG_VERDICT, false, want, sizeof(want));
	want[11] = 0;
	b = fresh();
	queue_verdict(&b, 7, 0x01020304, 0);
	holds(&b, NFQNL_MSG_VERDICT, false, want, plain);
}

static struct nlbuf packet(uint16_t type)
{
	const unsigned char fixed[4] = { 2, 0, 0, 7 };
	struct nlbuf b = fresh();

	nlbuf_msg(&b, type, 0, fixed, sizeof(fixed), "test");
	return b;
}

static void a_packet_is_read(void **state)
{
	const uint16_t type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
	const unsigned char header[7] = { 1, 2, 3, 4, 8, 0, 0 };
	const struct nlmsghdr *h = (const void *)bytes;
	struct queue_packet p;
	struct nlbuf b = packet(type);

	(void)state;
	assert_false(queue_read(h, &p)); /* nothing in it */
	nlbuf_attr(&b, NFQA_PACKET_HDR, header, 3);
	assert_false(queue_read(h, &p)); /* cut short */
	b = packet(type);
	nlbuf_attr(&b, NFQA_PACKET_HDR, header, sizeof(header));
	assert_true(queue_read(h, &p));
	assert_int_equal(p.id, 0x01020304);
	assert_int_equal(p.bytes, 0);
	assert_null(p.payload);
	nlbuf_attr(&b, NFQA_PAYLOAD, "abc", 3);
	assert_true(queue_read(h, &p));
	assert_int_equal(p.bytes, 3);
	assert_int_equal(p.n, 3);
	assert_memory_equal(p.payload, "abc", 3);
	nlbuf_be32(&b, NFQA_CAP_LEN, 1500);
	assert_true(queue_read(h, &p));
	assert_int_equal(p.bytes, 1500);
	assert_int_equal(p.n, 3);
	b = packet(NLMSG_ERROR);
	nlbuf_attr(&b, NFQA_PACKET_HDR, header, sizeof(header));
	assert_false(queue_read(h, &p));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_is_taken_given_up_and_asked_for),
		cmocka_unit_test(it_is_set_up_to_fail_open),
		cmocka_unit_test(verdicts_name_their_packets),
		cmocka_unit_test(a_packet_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
