/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/nlbuf.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

struct nlbuf nlbuf_on(void *data, size_t size)
{
	return (struct nlbuf){ .data = data, .size = size };
}

/* n zeroed bytes at the end, length padded to 4; NULL when they do not fit. */
static void *grow(struct nlbuf *b, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);
	char *at = b->data + b->len;

	if (b->full || padded < n || b->size - b->len < padded) {
		b->full = true;
		return NULL;
	}
	memset(at, 0, padded);
	b->len += padded;
	if (b->msg)
		b->msg->nlmsg_len = (uint32_t)(b->data + b->len - (char *)b->msg);
	return at;
}

void nlbuf_msg(struct nlbuf *b, uint16_t type, uint16_t flags, const void *fixed, size_t n,
	       const char *what)
{
	struct nlmsghdr *h;

	b->msg = NULL;
	h = grow(b, sizeof(*h));
	if (!h || b->n == NLBUF_MESSAGES) {
		b->full = true;
		return;
	}
	*h = (struct nlmsghdr){ .nlmsg_len = sizeof(*h),
				.nlmsg_type = type,
				.nlmsg_flags = flags | NLM_F_REQUEST,
				.nlmsg_seq = b->n };
	b->msg = h;
	b->what[b->n++] = what;
	nlbuf_raw(b, fixed, n);
}

void nlbuf_raw(struct nlbuf *b, const void *data, size_t n)
{
	void *at = n ? grow(b, n) : NULL;

	if (at)
		memcpy(at, data, n);
}

void nlbuf_attr(struct nlbuf *b, uint16_t type, const void *data, size_t n)
{
	struct nlattr *a;

	if (n > UINT16_MAX - NLA_HDRLEN) { /* nla_len has 16 bits */
		b->full = true;
		return;
	}
	a = grow(b, NLA_HDRLEN + n);
	if (!a)
		return;
	*a = (struct nlattr){ .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };
	if (n)
		memcpy((char *)a + NLA_HDRLEN, data, n);
}

void nlbuf_str(struct nlbuf *b, uint16_t type, const char *s)
{
	nlbuf_attr(b, type, s, strlen(s) + 1);
}

void nlbuf_u8(struct nlbuf *b, uint16_t type, uint8_t v)
{
	nlbuf_attr(b, type, &v, sizeof(v));
}

void nlbuf_u16(struct nlbuf *b, uint16_t type, uint16_t v)
{
	nlbuf_attr(b, type, &v, sizeof(v));
}

void nlbuf_u32(struct nlbuf *b, uint16_t type, uint32_t v)
{
	nlbuf_attr(b, type, &v, sizeof(v));
}

void nlbuf_be32(struct nlbuf *b, uint16_t type, uint32_t v)
{
	nlbuf_u32(b, type, htonl(v));
}

void nlbuf_be64(struct nlbuf *b, uint16_t type, uint64_t v)
{
	v = htobe64(v);
	nlbuf_attr(b, type, &v, sizeof(v));
}

size_t nlbuf_nest(struct nlbuf *b, uint16_t type)
{
	size_t at = b->len;

	nlbuf_attr(b, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void nlbuf_end(struct nlbuf *b, size_t nest)
{
	struct nlattr *a = (struct nlattr *)(void *)(b->data + nest);

	if (b->full)
		return;
	if (b->len - nest > UINT16_MAX)
		b->full = true;
	else
		a->nla_len = (uint16_t)(b->len - nest);
}
