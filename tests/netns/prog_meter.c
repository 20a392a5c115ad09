/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An echo server and a meter, for tests that must see what a fault does to packets, by user-space
 * clocks. prog_meter serve ADDRESS PORT [PORT...]      UDP and TCP echo; prints "ready", ends when
 * stdin closes prog_meter udp ADDRESS PORT COUNT GAP_US [BYTES]     prints "sent N lost N min_us N
 * median_us N max_us N p10_us N p90_us N eperm N": of round trips; eperm counts refused sends; then
 * "dup N reordered N bursts N": echoes of packets that had one, echoes behind that of a later
 * packet, and runs of lost packets; "took_ms N groups N": from the first packet sent to the last
 * echo, and how many groups of echoes had 50 ms of silence before them. With BYTES as one more
 * argument the packets are so long and without a UDP checksum, and "corrupt N max_bits N" tells how
 * many came back changed, and by how many bits at most (of those that still bear their number)
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

/* Room for what comes while this process waits for a processor: what is lost must be lost by the
 * network. As root more than net.core.rmem_max. */
static void make_room(int fd)
{
	int bytes = 8 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int bound(const struct target *t, int type)
{
	int fd = socket(t->a.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (type == SOCK_DGRAM)
		make_room(fd);
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

#define PATTERN   0x5a
#define BYTES_MAX 1472
#define SILENT_NS INT64_C(50000000)
#define COPY_NS   INT64_C(500000000)

struct message {
	int64_t number, sent;
	uint8_t rest[BYTES_MAX - 16];
};

struct meter {
	int fd;
	unsigned count, got, dup, reordered, corrupt, max_bits, groups;
	size_t bytes;
	int64_t newest, first_sent, last_echo;
	int64_t sent[COUNT_MAX], took[COUNT_MAX];
};

static bool is_number(const struct meter *m, int64_t number)
{
	return number >= 0 && number < m->count && m->sent[number];
}

/* Which one it is, also when a bit of its number was turned: by its time. -1 = nobody can tell. */
static int64_t number_of(const struct meter *m, const struct message *msg)
{
	if (is_number(m, msg->number) && m->sent[msg->number] == msg->sent)
		return msg->number;
	for (unsigned i = 0; i < m->count; i++) {
		if (m->sent[i] == msg->sent)
			return i;
	}
	return is_number(m, msg->number) ? msg->number : -1;
}

/* How many bits of a message are not as they were sent. */
static unsigned wrong_bits(const struct meter *m, const struct message *msg, int64_t number)
{
	unsigned n =
		(unsigned)__builtin_popcountll((unsigned long long)(msg->sent ^ m->sent[number]));

	n += (unsigned)__builtin_popcountll((unsigned long long)(msg->number ^ number));
	for (size_t i = 16; i < m->bytes; i++)
		n += (unsigned)__builtin_popcount(msg->rest[i - 16] ^ PATTERN);
	return n;
}

static void take(struct meter *m, const struct message *msg, int64_t now)
{
	int64_t number = number_of(m, msg);
	unsigned bits;

	m->groups += now - m->last_echo > SILENT_NS;
	m->last_echo = now;
	if (number < 0) {
		m->corrupt++;
		return;
	}
	bits = wrong_bits(m, msg, number);
	m->corrupt += bits > 0;
	m->max_bits = bits > m->max_bits ? bits : m->max_bits;
	if (m->took[number] >= 0) {
		m->dup++;
		return;
	}
	m->reordered += number < m->newest;
	m->newest = number > m->newest ? number : m->newest;
	m->took[number] = now - m->sent[number];
	m->got++;
}

/* Takes echoes until `until` or until each of `enough` packets has one. */
static void collect(struct meter *m, int64_t until, unsigned enough)
{
	struct pollfd p = { .fd = m->fd, .events = POLLIN };
	struct message msg;

	while (m->got < enough) {
		int64_t left = until - now_ns();
		struct timespec t = { left / 1000000000, left % 1000000000 };

		if (left <= 0 || ppoll(&p, 1, &t, NULL) <= 0)
			return;
		while (recv(m->fd, &msg, sizeof(msg), MSG_DONTWAIT) == (ssize_t)m->bytes)
			take(m, &msg, now_ns());
	}
}

static void send_one(struct meter *m, unsigned i, unsigned *eperm)
{
	struct message msg = { .number = i, .sent = now_ns() };

	memset(msg.rest, PATTERN, sizeof(msg.rest));
	m->sent[i] = msg.sent;
	/* an error of a refused packet counts as lost */
	if (send(m->fd, &msg, m->bytes, 0) < 0 && errno == EPERM)
		++*eperm;
}

static unsigned lost_runs(const struct meter *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->count; i++)
		n += m->took[i] < 0 && (i == 0 || m->took[i - 1] >= 0);
	return n;
}

/* Of n sorted times; -1 when there are none. */
static long long quantile_us(const int64_t *took, unsigned n, unsigned percent)
{
	unsigned at = n * percent / 100;

	return n ? (long long)took[at < n ? at : n - 1] / 1000 : -1;
}

static int measure(int argc, char **argv)
{
	struct target t = target_of(argv[2], argv[3]);
	static struct meter m;
	static int64_t took[COUNT_MAX];
	int64_t gap = atoll(argv[5]) * 1000, next = now_ns(), last;
	unsigned n = 0, eperm = 0, bursts;
	int on = 1;

	m = (struct meter){ .fd = socket(t.a.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0),
			    .count = (unsigned)atoi(argv[4]),
			    .bytes = argc > 6 ? (size_t)atoi(argv[6]) : 16,
			    .newest = -1 };
	if (m.count < 1 || m.count > COUNT_MAX || m.bytes < 16 || m.bytes > BYTES_MAX ||
	    connect(m.fd, (struct sockaddr *)&t.a, t.len) < 0)
		return 2;
	make_room(m.fd);
	if (argc > 6)
		setsockopt(m.fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on));
	memset(m.took, 0xff, sizeof(m.took));
	m.first_sent = next;
	for (unsigned i = 0; i < m.count; i++) {
		send_one(&m, i, &eperm);
		next += gap;
		collect(&m, next, m.count + 1); /* + 1: waits for the time, not for a full set */
	}
	do { /* as long as any come */
		last = m.last_echo;
		collect(&m, now_ns() + TAIL_NS, m.count);
	} while (m.got < m.count && m.last_echo != last);
	if (m.dup) /* the copy of the last one is still to come */
		collect(&m, now_ns() + COPY_NS, m.count + 1);
	for (unsigned i = 0; i < m.count; i++) {
		if (m.took[i] >= 0)
			took[n++] = m.took[i];
	}
	bursts = lost_runs(&m);
	qsort(took, n, sizeof(took[0]), by_value);
	printf("sent %u lost %u min_us %lld median_us %lld max_us %lld", m.count, m.count - n,
	       quantile_us(took, n, 0), quantile_us(took, n, 50), quantile_us(took, n, 100));
	printf(" p10_us %lld p90_us %lld eperm %u", quantile_us(took, n, 10),
	       quantile_us(took, n, 90), eperm);
	printf(" dup %u reordered %u bursts %u took_ms %lld groups %u corrupt %u max_bits %u\n",
	       m.dup, m.reordered, bursts, (long long)(m.last_echo - m.first_sent) / 1000000,
	       m.groups, m.corrupt, m.max_bits);
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
	if ((argc == 6 || argc == 7) && strcmp(argv[1], "udp") == 0)
		return measure(argc, argv);
	if (argc == 5 && strcmp(argv[1], "connect") == 0)
		return connects(argv);
	if (argc == 7 && strcmp(argv[1], "burst") == 0)
		return burst(argv);
	if (argc == 4 && strcmp(argv[1], "stream") == 0)
		return stream(argv);
	fputs("see the comment at the top of prog_meter.c\n", stderr);
	return 2;
}
