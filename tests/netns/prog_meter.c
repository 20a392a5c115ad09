/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An echo server and a meter, for tests that must see what a fault does to packets, by user-space clocks.
 *   prog_meter serve ADDRESS PORT [PORT...]      UDP and TCP echo; prints "ready", ends when stdin closes
 *   prog_meter udp ADDRESS PORT COUNT GAP_US     prints "sent N lost N min_us N median_us N max_us N"
 *   prog_meter connect ADDRESS PORT COUNT        prints "ok N refused N timeout N other N" (200 ms each)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 8
#define COUNT_MAX 20000
#define TAIL_NS INT64_C(1500000000) /* how long the meter waits for the last echoes */
#define CONNECT_MS 200

struct target {
	struct sockaddr_storage a;
	socklen_t len;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static struct target target_of(const char *address, const char *port)
{
	struct target t = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&t.a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&t.a;
	uint16_t p = htons((uint16_t)atoi(port));

	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = p;
		t.len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = p;
		t.len = sizeof(*v6);
	} else {
		fprintf(stderr, "'%s' is no address\n", address);
		exit(2);
	}
	return t;
}

static int bound(const struct target *t, int type)
{
	int fd = socket(t->a.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&t->a, t->len) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 128) < 0)) {
		perror("prog_meter: bind");
		exit(2);
	}
	return fd;
}

static void echo(int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char data[2048];
	ssize_t n;

	while ((n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len)) >= 0) {
		sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len);
		len = sizeof(from);
	}
}

static int serve(int argc, char **argv)
{
	struct pollfd p[2 * PORTS_MAX + 1] = { { .fd = STDIN_FILENO, .events = POLLIN } };
	nfds_t n = 1;

	for (int i = 3; i < argc && n < 2 * PORTS_MAX; i++) {
		struct target t = target_of(argv[2], argv[i]);

		p[n++] = (struct pollfd){ .fd = bound(&t, SOCK_DGRAM), .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = bound(&t, SOCK_STREAM), .events = POLLIN };
	}
	puts("ready");
	fflush(stdout);
	while (poll(p, n, -1) > 0 && !p[0].revents) {
		for (nfds_t i = 1; i < n; i += 2) {
			int c;

			if (p[i].revents)
				echo(p[i].fd);
			while (p[i + 1].revents && (c = accept4(p[i + 1].fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
				close(c);
		}
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Takes echoes until `until`; each carries its number and the time at which it was sent. */
static void collect(int fd, int64_t until, int64_t *took, unsigned count, unsigned *got)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t m[2];

	while (*got < count) {
		int64_t left = until - now_ns();
		struct timespec t = { left / 1000000000, left % 1000000000 };

		if (left <= 0 || ppoll(&p, 1, &t, NULL) <= 0)
			return;
		while (recv(fd, m, sizeof(m), MSG_DONTWAIT) == sizeof(m)) {
			if (m[0] < 0 || m[0] >= count || took[m[0]] >= 0)
				continue;
			took[m[0]] = now_ns() - m[1];
			++*got;
		}
	}
}

static int measure(char **argv)
{
	struct target t = target_of(argv[2], argv[3]);
	unsigned count = (unsigned)atoi(argv[4]), got = 0, n = 0;
	int64_t gap = atoll(argv[5]) * 1000, next = now_ns();
	static int64_t took[COUNT_MAX];
	int fd = socket(t.a.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (count < 1 || count > COUNT_MAX || connect(fd, (struct sockaddr *)&t.a, t.len) < 0)
		return 2;
	memset(took, 0xff, sizeof(took));
	for (unsigned i = 0; i < count; i++) {
		int64_t m[2] = { i, now_ns() };

		send(fd, m, sizeof(m), 0); /* an error of a refused packet counts as lost */
		next += gap;
		collect(fd, next, took, count + 1, &got); /* + 1: waits for the time, not for a full set */
	}
	collect(fd, now_ns() + TAIL_NS, took, count, &got);
	for (unsigned i = 0; i < count; i++) {
		if (took[i] >= 0)
			took[n++] = took[i];
	}
	qsort(took, n, sizeof(took[0]), by_value);
	printf("sent %u lost %u min_us %lld median_us %lld max_us %lld\n", count, count - n,
	       n ? (long long)took[0] / 1000 : -1, n ? (long long)took[n / 2] / 1000 : -1,
	       n ? (long long)took[n - 1] / 1000 : -1);
	return 0;
}

static int connects(char **argv)
{
	struct target t = target_of(argv[2], argv[3]);
	unsigned count = (unsigned)atoi(argv[4]), ok = 0, refused = 0, late = 0, other = 0;

	for (unsigned i = 0; i < count; i++) {
		int fd = socket(t.a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		socklen_t len = sizeof(err);

		if (connect(fd, (struct sockaddr *)&t.a, t.len) < 0 && errno != EINPROGRESS)
			err = errno;
		else if (poll(&p, 1, CONNECT_MS) == 0)
			err = ETIMEDOUT;
		else
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
		ok += err == 0;
		refused += err == ECONNREFUSED;
		late += err == ETIMEDOUT;
		other += err && err != ECONNREFUSED && err != ETIMEDOUT;
		close(fd);
	}
	printf("ok %u refused %u timeout %u other %u\n", ok, refused, late, other);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc >= 4 && strcmp(argv[1], "serve") == 0)
		return serve(argc, argv);
	if (argc == 6 && strcmp(argv[1], "udp") == 0)
		return measure(argv);
	if (argc == 5 && strcmp(argv[1], "connect") == 0)
		return connects(argv);
	fputs("see the comment at the top of prog_meter.c\n", stderr);
	return 2;
}
