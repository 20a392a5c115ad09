/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the world from outside, with nothing of brink's: does anybody feel a fault?
 *   prog_felt worker FILE      a process that does something: counts in FILE until it is killed
 *   prog_felt normal|fault MS NETNS ADDRESS PORT DIR KIB FILE PID
 *     waits, at most so long, until everything is normal (something is felt): TCP connects, a
 *     connection stays, UDP comes back soon and as it was, a service can have port 7010, a large
 * packet goes, DIR has KIB free, FILE is counted in, PID lives. PID 0: nobody must live and count.
 * Prints what is felt and for how long; exit code 1 when the time is over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS 150
#define ECHO_MS    150
#define COUNT_MS   100
#define TWICE_MS   20 /* a copy comes right behind the first */
#define STEP_MS    4
#define PAUSE_MS   10

#define SERVICE_PORT 7010
#define LARGE        1400

enum sense {
	SENSE_TCP,
	SENSE_STAYS,
	SENSE_UDP,
	SENSE_PORT,
	SENSE_SIZE,
	SENSE_SPACE,
	SENSE_WORK,
	SENSE_LIFE,
	SENSES
};
static const char *const sense_names[SENSES] = { "tcp",  "connection", "udp",  "port",
						 "size", "space",      "work", "life" };

struct world {
	struct sockaddr_in to;
	const char *dir, *file;
	uint64_t kib;
	pid_t pid;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static _Atomic uint64_t *map_count(const char *file, int flags)
{
	int fd = open(file, flags | O_CLOEXEC, 0600);
	void *p;

	if (fd < 0 || ((flags & O_CREAT) && ftruncate(fd, sizeof(uint64_t)) < 0)) {
		perror(file);
		exit(2);
	}
	p = mmap(NULL, sizeof(uint64_t), flags & O_RDWR ? PROT_READ | PROT_WRITE : PROT_READ,
		 MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		perror(file);
		exit(2);
	}
	return p;
}

static void work(const char *file) __attribute__((noreturn));

static void work(const char *file)
{
	_Atomic uint64_t *count = map_count(file, O_RDWR | O_CREAT);

	prctl(PR_SET_NAME, "step-worker");
	for (;;) {
		(*count)++;
		pause_ms(STEP_MS);
	}
}

/* A new connection in *ret; its owner closes it in any case. */
static bool connects(const struct world *w, int *ret)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(err);
	bool ok = connect(fd, (const struct sockaddr *)&w->to, sizeof(w->to)) == 0 ||
		  (errno == EINPROGRESS && poll(&p, 1, CONNECT_MS) == 1 &&
		   getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0);

	*ret = fd;
	return ok;
}

static bool tcp_is_normal(const struct world *w)
{
	int fd;
	bool ok = connects(w, &fd);

	close(fd);
	return ok;
}

/* The connection of the look before; that there is none is for the sense above to say. */
static bool connection_stays(const struct world *w)
{
	static int fd = -1;
	char c;
	bool ok = fd < 0 || (recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);

	if (fd >= 0 && ok)
		return true;
	close(fd);
	if (!connects(w, &fd)) {
		close(fd);
		fd = -1;
	}
	return ok;
}

static bool udp_is_normal(const struct world *w)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	/* whoever looks at names takes it for the response about felt.test: RFC 1035 */
	static const char sent[] = "ab\x80\0\0\1\0\0\0\0\0\0\4felt\4test\0\0\1\0";
	char got[sizeof(sent)];
	bool ok = connect(fd, (const struct sockaddr *)&w->to, sizeof(w->to)) == 0 &&
		  send(fd, sent, sizeof(sent), 0) == (ssize_t)sizeof(sent) &&
		  poll(&p, 1, ECHO_MS) == 1 &&
		  recv(fd, got, sizeof(got), 0) == (ssize_t)sizeof(sent) &&
		  memcmp(got, sent, sizeof(sent)) == 0 && poll(&p, 1, TWICE_MS) == 0;

	close(fd);
	return ok;
}

static bool can_serve(int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(SERVICE_PORT) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	bool ok = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return ok;
}

static bool takes_large(const struct world *w)
{
	static const char bytes[LARGE];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), whole = IP_PMTUDISC_DO;
	bool ok;

	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof(whole));
	ok = sendto(fd, bytes, sizeof(bytes), 0, (const struct sockaddr *)&w->to, sizeof(w->to)) >=
		     0 ||
	     errno != EMSGSIZE;
	close(fd);
	return ok;
}

static bool has_space(const struct world *w)
{
	struct statvfs fs;

	return statvfs(w->dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_bsize / 1024 >= w->kib;
}

static bool counts(const struct world *w)
{
	int64_t until = now_ms() + COUNT_MS;
	_Atomic uint64_t *count = map_count(w->file, O_RDONLY);
	uint64_t was = *count;

	while (*count == was && now_ms() < until)
		pause_ms(1);
	was = *count - was;
	munmap((void *)(uintptr_t)count, sizeof(uint64_t));
	return was > 0;
}

static bool lives(const struct world *w)
{
	char path[40], text[200] = "";
	const char *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", w->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	state = strrchr(text, ')');
	return state && state[1] && !strchr("ZXxTt", state[2]);
}

/* Bit mask of what is not normal. */
static unsigned feel(const struct world *w)
{
	unsigned felt = 0;

	felt |= tcp_is_normal(w) ? 0 : 1U << SENSE_TCP;
	felt |= connection_stays(w) ? 0 : 1U << SENSE_STAYS;
	felt |= udp_is_normal(w) ? 0 : 1U << SENSE_UDP;
	felt |= can_serve(SOCK_STREAM) && can_serve(SOCK_DGRAM) ? 0 : 1U << SENSE_PORT;
	felt |= takes_large(w) ? 0 : 1U << SENSE_SIZE;
	felt |= has_space(w) ? 0 : 1U << SENSE_SPACE;
	felt |= !w->pid || counts(w) ? 0 : 1U << SENSE_WORK;
	felt |= !w->pid || lives(w) ? 0 : 1U << SENSE_LIFE;
	return felt;
}

static int await(const struct world *w, bool normal, int64_t ms)
{
	int64_t began = now_ms();
	unsigned felt = feel(w);

	while ((felt == 0) != normal && now_ms() - began < ms) {
		pause_ms(PAUSE_MS);
		felt = feel(w);
	}
	printf("%lld ms:", (long long)(now_ms() - began));
	for (int i = 0; i < SENSES; i++)
		printf("%s%s", felt & 1U << i ? " " : "", felt & 1U << i ? sense_names[i] : "");
	printf("%s\n", felt ? "" : " normal");
	return (felt == 0) != normal;
}

static void enter(const char *netns)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
		perror(netns);
		exit(2);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct world w = { .to = { .sin_family = AF_INET } };

	if (argc == 3 && strcmp(argv[1], "worker") == 0)
		work(argv[2]);
	if (argc != 10) {
		fputs("see the comment at the top of prog_felt.c\n", stderr);
		return 2;
	}
	enter(argv[3]);
	inet_pton(AF_INET, argv[4], &w.to.sin_addr);
	w.to.sin_port = htons((uint16_t)atoi(argv[5]));
	w.dir = argv[6];
	w.kib = strtoull(argv[7], NULL, 10);
	w.file = argv[8];
	w.pid = atoi(argv[9]);
	return await(&w, strcmp(argv[1], "normal") == 0, atoll(argv[2]));
}
