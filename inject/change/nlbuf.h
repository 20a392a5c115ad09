/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_NLBUF_H
#define BRINK_CHANGE_NLBUF_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NLBUF_MESSAGES 192

/*
 * One datagram of netlink messages in memory that the caller owns. Nothing here can fail on the
 * way: what does not fit sets `full`, and nlsock_talk() refuses to send such a buffer. netlink(7),
 * RFC 3549.
 */
struct nlbuf {
	char *data;
	size_t size, len;
	bool full;
	struct nlmsghdr *msg; /* the open message */
	unsigned n; /* messages so far; their sequence numbers are 0..n-1 until they are sent */
	const char *what[NLBUF_MESSAGES]; /* what each message does, for errors; static text */
};

/* An empty buffer on data, which must be aligned for struct nlmsghdr. */
struct nlbuf nlbuf_on(void *data, size_t size);
/* Opens a message: header and a fixed part of n bytes (may be NULL, 0). NLM_F_REQUEST is added. */
void nlbuf_msg(struct nlbuf *b, uint16_t type, uint16_t flags, const void *fixed, size_t n,
	       const char *what);
void nlbuf_attr(struct nlbuf *b, uint16_t type, const void *data, size_t n);
void nlbuf_str(struct nlbuf *b, uint16_t type, const char *s);
void nlbuf_u8(struct nlbuf *b, uint16_t type, uint8_t v);
void nlbuf_u16(struct nlbuf *b, uint16_t type, uint16_t v);
void nlbuf_u32(struct nlbuf *b, uint16_t type, uint32_t v);
void nlbuf_be32(struct nlbuf *b, uint16_t type, uint32_t v);
void nlbuf_be64(struct nlbuf *b, uint16_t type, uint64_t v);
/* Appends bytes to the open message or attribute, padded to 4 (a struct before attributes, as netem
 * wants it). */
void nlbuf_raw(struct nlbuf *b, const void *data, size_t n);
/* A nested attribute: start returns its place, end closes it. */
size_t nlbuf_nest(struct nlbuf *b, uint16_t type);
void nlbuf_end(struct nlbuf *b, size_t nest);

#endif
