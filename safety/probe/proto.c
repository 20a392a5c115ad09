/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/probe/proto.h"

#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/text.h"

#define UP_TO(member) (offsetof(struct probe_msg, member) + sizeof(((struct probe_msg *)0)->member))

size_t probe_msg_size(uint32_t type)
{
	static const size_t bytes[] = {
		[PROBE_MSG_READY] = UP_TO(check),   [PROBE_MSG_ERROR] = UP_TO(err),
		[PROBE_MSG_SPEC] = UP_TO(spec),     [PROBE_MSG_START] = UP_TO(check),
		[PROBE_MSG_STOP] = UP_TO(check),    [PROBE_MSG_SAMPLE] = UP_TO(sample),
		[PROBE_MSG_RUN] = UP_TO(check),     [PROBE_MSG_SIGNAL] = UP_TO(signal),
		[PROBE_MSG_EXITED] = UP_TO(exited), [PROBE_MSG_NAME] = UP_TO(name),
	};

	return type < ARRAY_LEN(bytes) ? bytes[type] : 0;
}

int probe_msg_send(int fd, const struct probe_msg *m, bool wait)
{
	size_t size = probe_msg_size(m->type);
	unsigned times = 0;

	if (!size)
		return -EBADMSG;
	while (send(fd, m, size, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) < 0) {
		if (errno == ECONNRESET)
			return -EPIPE;
		if (!io_again(&times))
			return -errno;
	}
	return 0;
}

/* The text of an honest peer is printable already and stays as it is. */
static void make_printable(char *s, size_t size)
{
	char raw[PROBE_TEXT];
	struct text t;

	_Static_assert(ERR_LINE <= PROBE_TEXT, "a line of an error fits");

	s[size - 1] = '\0';
	memcpy(raw, s, size);
	t = text_on(s, size);
	text_add_foreign(&t, raw, strlen(raw));
}

/*
 * The peer is trusted less than we are, as it reads what services answer: whatever it sent, no text
 * runs over its end, and none reaches a terminal as it is.
 */
static void make_safe(struct probe_msg *m)
{
	if (m->type == PROBE_MSG_SAMPLE)
		make_printable(m->sample.text, sizeof(m->sample.text));
	if (m->type == PROBE_MSG_EXITED)
		make_printable(m->exited.text, sizeof(m->exited.text));
	if (m->type == PROBE_MSG_NAME) {
		make_printable(m->name.text, sizeof(m->name.text));
		make_printable(m->name.dev, sizeof(m->name.dev));
	}
	if (m->type != PROBE_MSG_ERROR)
		return;
	m->err.pos = (struct src_pos){ 0 };
	if (m->err.depth > ERR_DEPTH)
		m->err.depth = ERR_DEPTH;
	if (m->err.code <= 0) /* an error that reads as success */
		m->err.code = EPROTO;
	for (unsigned i = 0; i < ERR_DEPTH; i++)
		make_printable(m->err.msg[i], sizeof(m->err.msg[i]));
}

/* A peer that ends with unread packets leaves ECONNRESET before its last words: once. */
int probe_msg_recv(int fd, struct probe_msg *ret)
{
	unsigned times = 0;
	bool reset = false;
	ssize_t n;

	for (;;) {
		n = recv(fd, ret, sizeof(*ret), MSG_DONTWAIT);
		if (n >= 0 || (!io_again(&times) && (errno != ECONNRESET || reset)))
			break;
		reset |= errno == ECONNRESET;
	}
	if (n < 0)
		return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	if ((size_t)n < UP_TO(check) || (size_t)n != probe_msg_size(ret->type))
		return -EBADMSG;
	make_safe(ret);
	return 1;
}
