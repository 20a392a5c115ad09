/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/probed.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_text(int fd, const char *s)
{
	send(fd, s, strlen(s), MSG_NOSIGNAL);
}

static void send_big(int fd, const char *end)
{
	static char block[65536];

	memset(block, 'x', sizeof(block));
	send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10485766\r\n\r\n");
	for (int i = 0; i < 160; i++) {
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
			return;
	}
	send_text(fd, end);
}

static void answer(int fd, const char *path)
{
	if (!strcmp(path, "/ok"))
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well\n");
	else if (!strcmp(path, "/500"))
		send_text(fd, "HTTP/1.1 500 \x1b[31mBad\r\nContent-Length: 3\r\n\r\nbad");
	else if (!strcmp(path, "/redirect"))
		send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
	else if (!strcmp(path, "/control"))
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\x1b[2J\x07ok\n");
	else if (!strcmp(path, "/garbage"))
		send_text(fd, "\x1b]0;title\x07 this is no HTTP\r\n\r\n");
	else if (!strcmp(path, "/big"))
		send_big(fd, "needle");
	else if (!strcmp(path, "/slow") && poll(NULL, 0, 300) == 0)
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	else if (!strcmp(path, "/never"))
		poll(NULL, 0, 60000);
	/* "/close" and all others: nothing */
}

static void *serve_http(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[4096] = "", path[64] = "";
	size_t n = 0;

	while (n < sizeof(buf) - 1 && !strstr(buf, "\r\n\r\n")) {
		ssize_t got = read(fd, buf + n, sizeof(buf) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
		buf[n] = '\0';
	}
	if (sscanf(buf, "GET %63s ", path) == 1)
		answer(fd, path);
	close(fd);
	return NULL;
}

static void *serve_banner(void *arg)
{
	int fd = (int)(intptr_t)arg;

	send_text(fd, "220 ");
	poll(NULL, 0, 50);
	send_text(fd, "mail\r\n");
	poll(NULL, 0, 1000);
	close(fd);
	return NULL;
}

int probed_listen(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 64))
		return -1;
	return fd;
}

/* Names that begin with "no" do not exist; every other question is never answered. */
static void serve_dns(int fd)
{
	unsigned char q[512];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from, &len);

	if (n < 16 || memcmp(q + 13, "no", 2) != 0)
		return;
	q[2] = 0x81; /* an answer, recursion desired */
	q[3] = 0x83; /* recursion available, no such name */
	sendto(fd, q, (size_t)n, 0, (struct sockaddr *)&from, len);
}

void probed_serve(int http, int banner, int dns)
{
	struct pollfd p[] = { { http, POLLIN, 0 }, { banner, POLLIN, 0 }, { dns, POLLIN, 0 } };

	for (;;) {
		poll(p, 3, -1);
		for (int i = 0; i < 2; i++) {
			pthread_t t;
			int fd = p[i].revents ? accept(p[i].fd, NULL, NULL) : -1;

			if (fd >= 0 && !pthread_create(&t, NULL, i ? serve_banner : serve_http,
						       (void *)(intptr_t)fd))
				pthread_detach(t);
		}
		if (p[2].revents)
			serve_dns(dns);
	}
}
