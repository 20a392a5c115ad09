/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/proto.h"

#include <sys/socket.h>

#include "base/io.h"

#define SEND_BUFFER (256 * 1024)

int proto_pair(int ret_fd[2], struct err *e)
{
	int size = SEND_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fd) < 0)
		return err_sys(e, "cannot make a socketpair");
	for (int i = 0; i < 2; i++) /* smaller is slower, not wrong: no error */
		setsockopt(ret_fd[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

int proto_send(int fd, const void *msg, size_t size, bool wait)
{
	for (unsigned times = 0;;) {
		ssize_t n = send(fd, msg, size, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));

		if (n == (ssize_t)size)
			return 0;
		if (n >= 0)
			return -EMSGSIZE;
		if (errno == ECONNRESET)
			return -EPIPE;
		if (!io_again(&times))
			return -errno;
	}
}

/*
 * A peer that ends with unread packets leaves ECONNRESET before the packets that it sent itself:
 * reported once, then those come, then the end.
 */
int proto_recv(int fd, void *ret_msg, size_t size)
{
	bool reset = false;

	for (unsigned times = 0;;) {
		ssize_t n = recv(fd, ret_msg, size, MSG_DONTWAIT | MSG_TRUNC);

		if (n == (ssize_t)size)
			return 1;
		if (n == 0)
			return -EPIPE;
		if (n > 0)
			return -EBADMSG;
		if (errno == EAGAIN)
			return 0;
		if (errno == ECONNRESET && reset)
			return -EPIPE;
		if (!io_again(&times) && errno != ECONNRESET)
			return -errno;
		reset |= errno == ECONNRESET;
	}
}

int proto_await(int fd, void *ret_msg, size_t size, int64_t deadline_ns)
{
	for (unsigned times = 0; times < IO_INTERRUPTIONS; times++) {
		int rc = io_wait(fd, POLLIN, deadline_ns);

		if (rc <= 0)
			return rc;
		rc = proto_recv(fd, ret_msg, size);
		if (rc != 0)
			return rc;
	}
	return -EAGAIN;
}
