/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shop in two processes, small and real enough to be hurt:
 *
 *	shop backend ADDRESS:PORT		knows the orders: GET /stock
 *	shop gateway ADDRESS:PORT BACKEND	what customers see: GET /health, GET /orders
 *	shop ask ADDRESS:PORT PATH		one request; prints "200 text (3 ms)"
 *
 * The gateway gives the backend two tries of 450 ms, then answers from what it heard at most two
 * seconds ago, then says 503. So it lives with a backend that is somewhat slow or loses packets,
 * and not with one that is cut off. IPv4 addresses only. A server prints "ready" when it listens
 * and ends with the process that started it. ask: exit code 0 for a 200.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"

#define TRIES       2
#define TRY_NS      (450 * NS_PER_MS)
#define FRESH_NS    (2 * NS_PER_S)
#define CLIENT_NS   (2 * NS_PER_S) /* a client that is slower is left */
#define ASK_NS      (5 * NS_PER_S)
#define STACK_BYTES ((size_t)128 * 1024)
#define BUSY_MAX    16
#define TEXT_BYTES  1024

struct shop {
	int listener;
	struct sockaddr_in backend; /* port 0: this is the backend */
	atomic_uint busy, orders;
	pthread_mutex_t lock;
	char last[TEXT_BYTES]; /* what the backend said last */
	int64_t last_ns;       /* 0 = nothing yet */
};

struct customer {
	struct shop *shop;
	int fd;
};

static bool parse_address(const char *s, struct sockaddr_in *ret)
{
	char host[INET_ADDRSTRLEN];
	const char *colon = strchr(s, ':');
	int port = colon ? atoi(colon + 1) : 0;

	if (!colon || (size_t)(colon - s) >= sizeof(host) || port < 1 || port > 65535)
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - s), s);
	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

/* Reads until end (NULL: the end of the stream), the buffer's end or the deadline. Terminated;
 * false: nothing came. */
static bool read_until(int fd, const char *end, char *buf, size_t size, int64_t deadline_ns)
{
	size_t n = 0;

	buf[0] = '\0';
	while (n < size - 1 && io_wait(fd, POLLIN, deadline_ns) > 0) {
		ssize_t got = read(fd, buf + n, size - 1 - n);

		if (got <= 0)
			return got == 0 && n > 0;
		n += (size_t)got;
		buf[n] = '\0';
		if (end && strstr(buf, end))
			return true;
	}
	return false;
}

static int connect_until(const struct sockaddr_in *to, int64_t deadline_ns)
{
	AUTO(auto_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int failed = 0;
	socklen_t len = sizeof(failed);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		return -1;
	if (io_wait(fd, POLLOUT, deadline_ns) <= 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0 || failed)
		return -1;
	return take_fd(&fd);
}

/* GET path. The status, and the body in body; 0 = no answer in time. */
static int get(const struct sockaddr_in *from, const char *path, char *body, size_t size,
	       int64_t deadline_ns)
{
	AUTO(auto_close) int fd = connect_until(from, deadline_ns);
	char buf[TEXT_BYTES + 512];
	const char *text;
	int status = 0, n;

	if (fd < 0)
		return 0;
	n = snprintf(buf, sizeof(buf), "GET %s HTTP/1.0\r\n\r\n", path);
	if (n >= (int)sizeof(buf) || io_write_full(fd, buf, (size_t)n) < 0 ||
	    !read_until(fd, NULL, buf, sizeof(buf), deadline_ns))
		return 0;
	text = strstr(buf, "\r\n\r\n");
	if (!text || sscanf(buf, "HTTP/%*s %d", &status) != 1)
		return 0;
	snprintf(body, size, "%s", text + 4);
	return status;
}

static void say(int fd, int status, const char *text)
{
	char buf[TEXT_BYTES + 200];
	int n = snprintf(
		buf, sizeof(buf),
		"HTTP/1.0 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
		status, status == 200 ? "OK" : "No", strlen(text), text);

	if (n > 0 && n < (int)sizeof(buf))
		io_write_full(fd, buf, (size_t)n);
}

/* Two tries, then the last answer if it is fresh enough. */
static void say_orders(struct shop *s, int fd)
{
	char text[TEXT_BYTES - 64], out[TEXT_BYTES];
	bool fresh;

	for (int i = 0; i < TRIES; i++) {
		if (get(&s->backend, "/stock", text, sizeof(text), clock_mono_ns() + TRY_NS) != 200)
			continue;
		pthread_mutex_lock(&s->lock);
		snprintf(s->last, sizeof(s->last), "%s", text);
		s->last_ns = clock_mono_ns();
		pthread_mutex_unlock(&s->lock);
		say(fd, 200, text);
		return;
	}
	pthread_mutex_lock(&s->lock);
	fresh = s->last_ns && clock_mono_ns() - s->last_ns < FRESH_NS;
	snprintf(out, sizeof(out), "from memory: %.900s", s->last);
	pthread_mutex_unlock(&s->lock);
	if (fresh)
		say(fd, 200, out);
	else
		say(fd, 503, "the backend does not answer\n");
}

static void say_stock(struct shop *s, int fd)
{
	char text[64];

	snprintf(text, sizeof(text), "order %u, fresh from the backend\n",
		 atomic_fetch_add(&s->orders, 1) + 1);
	say(fd, 200, text);
}

static void *serve(void *arg)
{
	struct customer *c = arg;
	char buf[TEXT_BYTES], path[64] = "";

	if (read_until(c->fd, "\r\n\r\n", buf, sizeof(buf), clock_mono_ns() + CLIENT_NS) &&
	    sscanf(buf, "GET %63s ", path) == 1) {
		if (strcmp(path, "/health") == 0)
			say(c->fd, 200, "open\n");
		else if (c->shop->backend.sin_port && strcmp(path, "/orders") == 0)
			say_orders(c->shop, c->fd);
		else if (!c->shop->backend.sin_port && strcmp(path, "/stock") == 0)
			say_stock(c->shop, c->fd);
		else
			say(c->fd, 404, "/health, /orders or /stock\n");
	}
	close(c->fd);
	atomic_fetch_sub(&c->shop->busy, 1);
	free(c);
	return NULL;
}

static void accept_one(struct shop *s)
{
	struct customer *c = malloc(sizeof(*c));
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	pthread_attr_t how;
	pthread_t thread;
	bool started = false;

	if (c && fd >= 0 && atomic_fetch_add(&s->busy, 1) < BUSY_MAX) {
		*c = (struct customer){ .shop = s, .fd = fd };
		pthread_attr_init(&how);
		pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&how, STACK_BYTES);
		started = pthread_create(&thread, &how, serve, c) == 0;
		pthread_attr_destroy(&how);
	}
	if (started)
		return;
	if (c && fd >= 0)
		atomic_fetch_sub(&s->busy, 1);
	auto_close(&fd);
	free(c);
}

static int run_server(struct shop *s, const struct sockaddr_in *at)
{
	int one = 1;
	pid_t parent = getppid();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listener < 0 ||
	    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(s->listener, (const struct sockaddr *)at, sizeof(*at)) < 0 ||
	    listen(s->listener, BUSY_MAX) < 0) {
		perror("shop: cannot listen");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		accept_one(s);
}

static int ask(const struct sockaddr_in *whom, const char *path)
{
	char text[TEXT_BYTES] = "no answer\n";
	int64_t began = clock_mono_ns();
	int status = get(whom, path, text, sizeof(text), began + ASK_NS);

	text[strcspn(text, "\n")] = '\0';
	printf("%d %s (%d ms)\n", status, text, (int)((clock_mono_ns() - began) / NS_PER_MS));
	return status == 200 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct shop shop = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sockaddr_in at;
	bool good = argc > 2 && parse_address(argv[2], &at);

	if (good && argc == 3 && strcmp(argv[1], "backend") == 0)
		return run_server(&shop, &at);
	if (good && argc == 4 && strcmp(argv[1], "gateway") == 0 &&
	    parse_address(argv[3], &shop.backend))
		return run_server(&shop, &at);
	if (good && argc == 4 && strcmp(argv[1], "ask") == 0)
		return ask(&at, argv[3]);
	fputs("shop backend ADDRESS:PORT | shop gateway ADDRESS:PORT BACKEND:PORT | shop ask ADDRESS:PORT PATH\n",
	      stderr);
	return 2;
}
