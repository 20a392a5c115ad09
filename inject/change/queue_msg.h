/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_QUEUE_MSG_H
#define BRINK_QUEUE_MSG_H

#include <stdbool.h>

#include "inject/change/nlbuf.h"

/* Messages of nfnetlink_queue (linux/netfilter/nfnetlink_queue.h; net/netfilter/nfnetlink_queue.c).
 * All are about one queue of the namespace that the socket is of. */

enum queue_copy {
	QUEUE_NUMBERS, /* a packet's number only */
	QUEUE_LENGTHS, /* and how long it is */
	QUEUE_WHOLE,   /* all of it, cut up into packets that are no longer than the MTU and whose
			  checksums are right, as netem does before it corrupts one */
};

/* Takes the queue for this socket. EBUSY: it has it already; EPERM: another one has. */
void queue_bind(struct nlbuf *b, uint16_t number);
void queue_unbind(struct nlbuf *b, uint16_t number);
/* What the packets come with, and how many may wait; more pass untouched (fail open). */
void queue_configure(struct nlbuf *b, uint16_t number, enum queue_copy copy, uint32_t max);
/* Two messages that change nothing: who may not use queues gets EPERM for the first one already;
 * then EPERM: another socket has it; ENODEV: nobody. */
void queue_ask_right(struct nlbuf *b);
void queue_ask(struct nlbuf *b, uint16_t number);

/* NF_ACCEPT or NF_DROP. */
void queue_verdict(struct nlbuf *b, uint16_t number, uint32_t id, uint32_t verdict);
/* Accepts it with these bytes in place of its own. */
void queue_replace(struct nlbuf *b, uint16_t number, uint32_t id, const void *payload, size_t n);
/* Accepts all that wait up to this one. */
void queue_accept_until(struct nlbuf *b, uint16_t number, uint32_t id);

struct queue_packet {
	uint32_t id, bytes; /* without the link layer's header; 0 = not told */
	const void *payload;
	size_t n;
};
/* False: it is no packet. The payload points into the message. */
bool queue_read(const struct nlmsghdr *h, struct queue_packet *ret);

#endif
