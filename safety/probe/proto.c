/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/probe/proto.h"

#include <string.h>
#include <sys/socket.h>

#define UP_TO(member) (offsetof(struct probe_msg, member) + sizeof(((struct probe_msg *)0)->member))

size_t probe_msg_size(uint32_t type)
{
	static const size_t bytes[] = {
		[PROBE_MSG_READY] = UP_TO(check),   [PROBE_MSG_ERROR] = UP_TO(err),
		[PROBE_MSG_SPEC] = UP_TO(spec),     [PROBE_MSG_START] = UP_TO(check),
		[PROBE_MSG_STOP] = UP_TO(check),    [PROBE_MSG_SAMPLE] = UP_TO(sample),
		[PROBE_MSG_RUN] = UP_TO(check),     [PROBE_MSG_SIGNAL] = UP_TO(signal),
		[PROBE_MSG_EXITED] = UP_TO(exited),
	};

	return type < ARRAY_LEN(bytes) ? bytes[type] : 0;
}

int probe_msg_send(int fd, const struct probe_msg *m, bool wait)
{
	size_t size = probe_msg_size(m->type);

	if (!size)
		return -EBADMSG;
	while (send(fd, m, size, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) < 0) {
		if (errno == ECONNRESET)
			return -EPIPE;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* The peer is trusted less than we are: whatever it sent, no text runs over its end. */
static void terminate(struct probe_msg *m)
{
	if (m->type == PROBE_MSG_SAMPLE)
		m->sample.text[PROBE_TEXT - 1] = '\0';
	if (m->type == PROBE_MSG_EXITED)
		m->exited.text[PROBE_TEXT - 1] = '\0';
	if (m->type != PROBE_MSG_ERROR)
		return;
	m->err.pos = (struct src_pos){ 0 };
	if (m->err.depth > ERR_DEPTH)
		m->err.depth = ERR_DEPTH;
	for (unsigned i = 0; i < ERR_DEPTH; i++)
		m->err.msg[i][ERR_LINE - 1] = '\0';
}

int probe_msg_recv(int fd, struct probe_msg *ret)
{
	ssize_t n;

	do
		n = recv(fd, ret, sizeof(*ret), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	if ((size_t)n < UP_TO(check) || (size_t)n != probe_msg_size(ret->type))
		return -EBADMSG;
	terminate(ret);
	return 1;
}
