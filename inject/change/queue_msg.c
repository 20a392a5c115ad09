/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/queue_msg.h"

#include <arpa/inet.h>
#include <netinet/in.h> /* before linux/netfilter.h, which would define the same names */
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include "inject/change/nlsock.h"

#define WHOLE_PACKET 65535u
#define ONE_BYTE     1u /* the kernel tells the length only of packets of which it copies a part */

static void message(struct nlbuf *b, uint16_t number, uint8_t type, uint16_t flags,
		    const char *what)
{
	const struct nfgenmsg g = { .nfgen_family = AF_UNSPEC,
				    .version = NFNETLINK_V0,
				    .res_id = htons(number) };

	nlbuf_msg(b, (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type), flags, &g, sizeof(g), what);
}

static void command(struct nlbuf *b, uint16_t number, uint8_t cmd, const char *what)
{
	const struct nfqnl_msg_config_cmd c = { .command = cmd };

	message(b, number, NFQNL_MSG_CONFIG, NLM_F_ACK, what);
	nlbuf_attr(b, NFQA_CFG_CMD, &c, sizeof(c));
}

void queue_bind(struct nlbuf *b, uint16_t number)
{
	command(b, number, NFQNL_CFG_CMD_BIND, "cannot bind a packet queue");
}

void queue_unbind(struct nlbuf *b, uint16_t number)
{
	command(b, number, NFQNL_CFG_CMD_UNBIND, "cannot give up a packet queue");
}

void queue_configure(struct nlbuf *b, uint16_t number, enum queue_copy copy, uint32_t max)
{
	const uint32_t range = copy == QUEUE_WHOLE ? WHOLE_PACKET : ONE_BYTE;
	const struct nfqnl_msg_config_params p = {
		.copy_range = htonl(range),
		.copy_mode = copy == QUEUE_NUMBERS ? NFQNL_COPY_META : NFQNL_COPY_PACKET,
	};
	uint32_t gso = copy == QUEUE_WHOLE ? 0 : NFQA_CFG_F_GSO;

	message(b, number, NFQNL_MSG_CONFIG, NLM_F_ACK, "cannot set up a packet queue");
	nlbuf_attr(b, NFQA_CFG_PARAMS, &p, sizeof(p));
	nlbuf_be32(b, NFQA_CFG_QUEUE_MAXLEN, max);
	nlbuf_be32(b, NFQA_CFG_MASK, NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO);
	nlbuf_be32(b, NFQA_CFG_FLAGS, NFQA_CFG_F_FAIL_OPEN | gso);
}

/* A command that has no meaning any more: nfqnl_recv_config() answers it before it looks for the
 * queue, but after the capability was asked for. */
void queue_ask_right(struct nlbuf *b)
{
	command(b, 0, NFQNL_CFG_CMD_PF_BIND, "packet queues may not be used");
}

/* A configuration with nothing in it. */
void queue_ask(struct nlbuf *b, uint16_t number)
{
	message(b, number, NFQNL_MSG_CONFIG, NLM_F_ACK, "cannot look at a packet queue");
}

static void verdict(struct nlbuf *b, uint16_t number, uint8_t type, uint32_t id, uint32_t word)
{
	const struct nfqnl_msg_verdict_hdr v = { .verdict = htonl(word), .id = htonl(id) };

	message(b, number, type, 0, "cannot judge a packet");
	nlbuf_attr(b, NFQA_VERDICT_HDR, &v, sizeof(v));
}

void queue_verdict(struct nlbuf *b, uint16_t number, uint32_t id, uint32_t word)
{
	verdict(b, number, NFQNL_MSG_VERDICT, id, word);
}

void queue_replace(struct nlbuf *b, uint16_t number, uint32_t id, const void *payload, size_t n)
{
	verdict(b, number, NFQNL_MSG_VERDICT, id, NF_ACCEPT);
	nlbuf_attr(b, NFQA_PAYLOAD, payload, n);
}

void queue_accept_until(struct nlbuf *b, uint16_t number, uint32_t id)
{
	verdict(b, number, NFQNL_MSG_VERDICT_BATCH, id, NF_ACCEPT);
}

bool queue_read(const struct nlmsghdr *h, struct queue_packet *ret)
{
	size_t fixed = NLMSG_LENGTH(sizeof(struct nfgenmsg));
	const struct nlattr *hdr, *len, *payload;
	struct nfqnl_msg_packet_hdr p;
	const char *at = (const char *)h + fixed;
	uint32_t bytes = 0;

	if (h->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) || h->nlmsg_len < fixed)
		return false;
	hdr = nlattr_find(at, h->nlmsg_len - fixed, NFQA_PACKET_HDR);
	len = nlattr_find(at, h->nlmsg_len - fixed, NFQA_CAP_LEN);
	payload = nlattr_find(at, h->nlmsg_len - fixed, NFQA_PAYLOAD);
	if (!hdr || nlattr_len(hdr) < sizeof(p))
		return false;
	memcpy(&p, nlattr_data(hdr), sizeof(p));
	if (len && nlattr_len(len) == sizeof(bytes))
		memcpy(&bytes, nlattr_data(len), sizeof(bytes));
	*ret = (struct queue_packet){ .id = ntohl(p.packet_id), .bytes = ntohl(bytes) };
	if (payload) {
		ret->payload = nlattr_data(payload);
		ret->n = nlattr_len(payload);
	}
	if (!ret->bytes) /* said only where more than the copy has */
		ret->bytes = (uint32_t)ret->n;
	return true;
}
