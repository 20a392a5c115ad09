/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A meter of one way, by the one clock that both ends have: CLOCK_MONOTONIC is that of the machine,
 * not of a network namespace.
 *
 * prog_oneway FROM TO ADDRESS PORT COUNT GAP_US BYTES [SHAPE MIDDLE_US JITTER_US]
 *
 * sends UDP packets of so many bytes from the network namespace FROM (a name of ip-netns(8)) to
 * ADDRESS:PORT in TO and prints "sent N got N min_us N p50_us N p99_us N max_us N bits N": one way
 * from before sendto(2) to after recv(2); bits: per second, of the IP packets and their Ethernet
 * headers, from the first that came to the last. With a SHAPE (uniform, normal, pareto,
 * paretonormal) also "ks N": the Kolmogorov distance, in millionths, between what was seen and what
 * that shape says; MIDDLE_US is what was asked for and the floor together.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 200000
#define BYTES_MAX 1472
#define HEADERS   42 /* Ethernet, IPv4, UDP: what netem counts (sch_netem.c: qdisc_pkt_len()) */
#define QUIET_NS \
	INT64_C(2500000000) /* no more come when none came for so long after the last was sent */

struct message {
	int64_t number, sent;
	uint8_t rest[BYTES_MAX - 16];
};

/* Both processes see it. */
struct results {
	volatile bool all_sent;
	unsigned got;
	int64_t first, last;     /* arrivals */
	int64_t took[COUNT_MAX]; /* in the order of arrival */
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* A UDP socket of that network namespace; it stays there when this process leaves. */
static int socket_in(const char *netns)
{
	char path[256];
	int fd, ns, bytes = 8 << 20;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(path);
	close(ns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		die("prog_oneway: socket");
	return fd;
}

static void receive(int fd, unsigned count, struct results *r)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct message m;
	int64_t heard = now_ns();

	while (r->got < count && (!r->all_sent || now_ns() - heard < QUIET_NS)) {
		if (poll(&p, 1, 100) <= 0)
			continue;
		if (recv(fd, &m, sizeof(m), MSG_DONTWAIT) < 16)
			continue;
		heard = r->last = now_ns();
		if (!r->got)
			r->first = r->last;
		r->took[r->got++] = r->last - m.sent;
	}
}

static void send_all(int fd, unsigned count, int64_t gap, size_t bytes)
{
	static struct message m;
	int64_t next = now_ns();

	for (unsigned i = 0; i < count; i++) {
		const struct timespec at = { next / 1000000000, next % 1000000000 };

		while (gap && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
			;
		m.number = i;
		m.sent = now_ns();
		if (send(fd, &m, bytes, 0) < 0)
			die("prog_oneway: send");
		next += gap;
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double normal_cdf(double z)
{
	return erfc(-z / sqrt(2)) / 2;
}

/* The p that f gives z for; f grows. */
static double inverse(double (*f)(double p), double z)
{
	double lo = 0, hi = 1;

	for (int i = 0; i < 50; i++) {
		double middle = (lo + hi) / 2;

		if (f(middle) < z)
			lo = middle;
		else
			hi = middle;
	}
	return lo;
}

static double normal_quantile(double p)
{
	double lo = -9, hi = 9;

	for (int i = 0; i < 50; i++) {
		double middle = (lo + hi) / 2;

		if (normal_cdf(middle) < p)
			lo = middle;
		else
			hi = middle;
	}
	return lo;
}

/* Shape 3, moved to mean 0 and scaled to deviation 1, as inject/change/tc_msg.c says. */
static double pareto_quantile(double p)
{
	return (cbrt(1 / (1 - p)) - 1.5) / (sqrt(3) / 2);
}

static double mixed_quantile(double p)
{
	return normal_quantile(p) / 4 + pareto_quantile(p) * 3 / 4;
}

static double uniform_cdf(double z)
{
	return z < -1 ? 0 : z > 1 ? 1 : (z + 1) / 2;
}

static double pareto_cdf(double z)
{
	return inverse(pareto_quantile, z);
}

static double mixed_cdf(double z)
{
	return inverse(mixed_quantile, z);
}

static const struct shape {
	const char *name;
	double (*cdf)(double z);
} shapes[] = {
	{ "uniform", uniform_cdf },
	{ "normal", normal_cdf },
	{ "pareto", pareto_cdf },
	{ "paretonormal", mixed_cdf },
};

/* took is sorted, in ns */
static double kolmogorov(const struct results *r, double (*cdf)(double z), double middle,
			 double jitter)
{
	double d = 0;

	for (unsigned i = 0; i < r->got; i++) {
		double f = cdf(((double)r->took[i] - middle) / jitter);
		double below = fabs(f - (double)i / r->got),
		       above = fabs(f - (double)(i + 1) / r->got);

		d = fmax(d, fmax(below, above));
	}
	return d;
}

static long long quantile_us(const struct results *r, double q)
{
	return r->got ? (long long)r->took[(unsigned)(q * (r->got - 1) + 0.5)] / 1000 : -1;
}

static void say_shape(const struct results *r, char **argv)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(argv[0], shapes[i].name) == 0)
			printf(" ks %.0f", 1e6 * kolmogorov(r, shapes[i].cdf, atof(argv[1]) * 1e3,
							    atof(argv[2]) * 1e3));
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const struct sched_param real_time = { .sched_priority = 1 };
	struct results *r =
		mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned count = argc > 5 ? (unsigned)atoi(argv[5]) : 0;
	size_t bytes = argc > 7 ? (size_t)atoi(argv[7]) : 0;
	int in, out;
	pid_t child;

	if ((argc != 8 && argc != 11) || r == MAP_FAILED || !count || count > COUNT_MAX ||
	    bytes < 16 || bytes > BYTES_MAX || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		fputs("see the comment at the top of prog_oneway.c\n", stderr);
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[4]));
	in = socket_in(argv[2]);
	if (bind(in, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("prog_oneway: bind");
	out = socket_in(argv[1]);
	if (connect(out, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("prog_oneway: connect");
	/* in turn before whatever else runs, where that is allowed */
	sched_setscheduler(0, SCHED_FIFO, &real_time);
	child = fork();
	if (child < 0)
		die("prog_oneway: fork");
	if (child == 0) {
		receive(in, count, r);
		_exit(0);
	}
	send_all(out, count, atoll(argv[6]) * 1000, bytes);
	r->all_sent = true;
	waitpid(child, NULL, 0);
	qsort(r->took, r->got, sizeof(r->took[0]), by_value);
	printf("sent %u got %u min_us %lld p50_us %lld p99_us %lld max_us %lld bits %.0f", count,
	       r->got, quantile_us(r, 0), quantile_us(r, 0.5), quantile_us(r, 0.99),
	       quantile_us(r, 1),
	       r->last > r->first ? (double)((r->got - 1) * (bytes + HEADERS)) * 8e9 /
					    (double)(r->last - r->first) :
				    0);
	if (argc == 11)
		say_shape(r, argv + 8);
	puts("");
	return 0;
}
