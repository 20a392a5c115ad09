/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An echo server and a meter, for tests that must see what a fault does to packets, by user-space
 * clocks. prog_meter serve ADDRESS PORT [PORT...]      UDP and TCP echo; prints "ready", ends when
 * stdin closes prog_meter udp ADDRESS PORT COUNT GAP_US     prints "sent N lost N min_us N
 * median_us N max_us N p10_us N p90_us N eperm N": of round trips; eperm counts refused sends
 *   prog_meter connect ADDRESS PORT COUNT        prints "ok N refused N timeout N other N" (200 ms
 * each) prog_meter burst ADDRESS PORT COUNT FIRST_SOURCE_PORT WAIT_MS the same, all at once, from
 * successive ports; then "map 0110..." prog_meter stream ADDRESS PORT               one TCP
 * connection; prints "open", and for each line on stdin whether a byte came back within 300 ms:
 * "ok" or "lost"
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

#define PORTS_MAX   64
#define STREAMS_MAX 1024
#define COUNT_MAX   20000
#define TAIL_NS     INT64_C(1500000000) /* how long the meter waits for the last echoes */
#define CONNECT_MS  200
#define STREAM_MS   300

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
	    (type == SOCK_STREAM && listen(fd, STREAMS_MAX) < 0)) {
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

struct server {
	nfds_t n; /* stdin, two for each port, then TCP connections */
	nfds_t fixed;
	struct pollfd p[1 + 2 * PORTS_MAX + STREAMS_MAX];
};

static void take_connections(struct server *s, int listener)
{
	int c;

	while ((c = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		if (s->n == sizeof(s->p) / sizeof(s->p[0]))
			close(c);
		else
			s->p[s->n++] = (struct pollfd){ .fd = c, .events = POLLIN };
	}
}

/* Sends back what came; false when the connection is over. */
static bool echo_stream(int fd)
{
	char data[2048];
	ssize_t n = recv(fd, data, sizeof(data), 0);

	return n > 0 ? send(fd, data, (size_t)n, 0) == n : n < 0 && errno == EAGAIN;
}

static void serve_streams(struct server *s)
{
	for (nfds_t i = s->n; i-- > s->fixed;) {
		if (!s->p[i].revents || echo_stream(s->p[i].fd))
			continue;
		close(s->p[i].fd);
		s->p[i] = s->p[--s->n];
	}
}

static int serve(int argc, char **argv)
{
	static struct server s = { .n = 1, .p = { { .fd = STDIN_FILENO, .events = POLLIN } } };

	for (int i = 3; i < argc && s.n < 2 * PORTS_MAX; i++) {
		struct target t = target_of(argv[2], argv[i]);

		s.p[s.n++] = (struct pollfd){ .fd = bound(&t, SOCK_DGRAM), .events = POLLIN };
		s.p[s.n++] = (struct pollfd){ .fd = bound(&t, SOCK_STREAM), .events = POLLIN };
	}
	s.fixed = s.n;
	puts("ready");
	fflush(stdout);
	while (poll(s.p, s.n, -1) > 0 && !s.p[0].revents) {
		serve_streams(&s);
		for (nfds_t i = 1; i < s.fixed; i += 2) {
			if (s.p[i].revents)
				echo(s.p[i].fd);
			if (s.p[i + 1].revents)
				take_connections(&s, s.p[i + 1].fd);
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

/* Of n sorted times; -1 when there are none. */
static long long quantile_us(const int64_t *took, unsigned n, unsigned percent)
{
	unsigned at = n * percent / 100;

	return n ? (long long)took[at < n ? at : n - 1] / 1000 : -1;
}

static int measure(char **argv)
{
	struct target t = target_of(argv[2], argv[3]);
	unsigned count = (unsigned)atoi(argv[4]), got = 0, n = 0, eperm = 0;
	int64_t gap = atoll(argv[5]) * 1000, next = now_ns();
	static int64_t took[COUNT_MAX];
	int fd = socket(t.a.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (count < 1 || count > COUNT_MAX || connect(fd, (struct sockaddr *)&t.a, t.len) < 0)
		return 2;
	memset(took, 0xff, sizeof(took));
	for (unsigned i = 0; i < count; i++) {
		int64_t m[2] = { i, now_ns() };

		/* an error of a refused packet counts as lost */
		if (send(fd, m, sizeof(m), 0) < 0 && errno == EPERM)
			eperm++;
		next += gap;
		collect(fd, next, took, count + 1,
			&got); /* + 1: waits for the time, not for a full set */
	}
	collect(fd, now_ns() + TAIL_NS, took, count, &got);
	for (unsigned i = 0; i < count; i++) {
		if (took[i] >= 0)
			took[n++] = took[i];
	}
	qsort(took, n, sizeof(took[0]), by_value);
	printf("sent %u lost %u min_us %lld median_us %lld max_us %lld", count, count - n,
	       quantile_us(took, n, 0), quantile_us(took, n, 50), quantile_us(took, n, 100));
	printf(" p10_us %lld p90_us %lld eperm %u\n", quantile_us(took, n, 10),
	       quantile_us(took, n, 90), eperm);
	return 0;
}

struct results {
	unsigned ok, refused, late, other;
};

static void count(struct results *r, int err)
{
	r->ok += err == 0;
	r->refused += err == ECONNREFUSED;
	r->late += err == ETIMEDOUT;
	r->other += err && err != ECONNREFUSED && err != ETIMEDOUT;
}

static void print_results(const struct results *r)
{
	printf("ok %u refused %u timeout %u other %u", r->ok, r->refused, r->late, r->other);
}

static int error_of(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

static int connects(char **argv)
{
	struct target t = target_of(argv[2], argv[3]);
	struct results r = { 0 };

	for (int i = 0; i < atoi(argv[4]); i++) {
		int fd = socket(t.a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (connect(fd, (struct sockaddr *)&t.a, t.len) < 0 && errno != EINPROGRESS)
			err = errno;
		else
			err = poll(&p, 1, CONNECT_MS) == 0 ? ETIMEDOUT : error_of(fd);
		count(&r, err);
		close(fd);
	}
	print_results(&r);
	puts("");
	return 0;
}

/* A connection under way from a port of our choice; it ends with a reset, so that the port is free
 * at once. */
static int start_from(const struct target *t, unsigned port, int *ret_err)
{
	const struct linger reset = { .l_onoff = 1 };
	struct sockaddr_storage from = { .ss_family = t->a.ss_family };
	int fd = socket(t->a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	((struct sockaddr_in *)(void *)&from)->sin_port =
		htons((uint16_t)port); /* sin6_port stands there too */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	*ret_err = 0;
	if (bind(fd, (struct sockaddr *)&from, t->len) < 0 ||
	    (connect(fd, (const struct sockaddr *)&t->a, t->len) < 0 && errno != EINPROGRESS))
		*ret_err = errno;
	return fd;
}

static int burst(char **argv)
{
	struct target t = target_of(argv[2], argv[3]);
	unsigned n = (unsigned)atoi(argv[4]), port = (unsigned)atoi(argv[5]);
	int64_t until = now_ns() + atoll(argv[6]) * 1000000;
	static struct pollfd p[STREAMS_MAX];
	static int err[STREAMS_MAX];
	struct results r = { 0 };

	if (n > STREAMS_MAX)
		return 2;
	for (unsigned i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = start_from(&t, port + i, &err[i]),
					.events = POLLOUT };
	while (now_ns() <
	       until) /* to the end: those that fail must go on failing when they are tried again */
		poll(NULL, 0, 20);
	poll(p, n, 0);
	for (unsigned i = 0; i < n; i++) {
		if (!err[i])
			err[i] = p[i].revents ? error_of(p[i].fd) : ETIMEDOUT;
		count(&r, err[i]);
		close(p[i].fd);
	}
	print_results(&r);
	printf(" map ");
	for (unsigned i = 0; i < n; i++)
		putchar(err[i] ? '1' : '0');
	puts("");
	return 0;
}

static int stream(char **argv)
{
	struct target t = target_of(argv[2], argv[3]);
	int fd = socket(t.a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char line[64];

	if (connect(fd, (struct sockaddr *)&t.a, t.len) < 0)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("open");
	while (fgets(line, sizeof(line), stdin)) {
		bool back = send(fd, line, 1, 0) == 1 && poll(&p, 1, STREAM_MS) == 1 &&
			    recv(fd, line, sizeof(line), 0) > 0;

		puts(back ? "ok" : "lost");
	}
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
	if (argc == 7 && strcmp(argv[1], "burst") == 0)
		return burst(argv);
	if (argc == 4 && strcmp(argv[1], "stream") == 0)
		return stream(argv);
	fputs("see the comment at the top of prog_meter.c\n", stderr);
	return 2;
}
