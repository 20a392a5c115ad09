/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/talk.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#define RING_BYTES     ((size_t)1024 * 1024)
#define RESULT_ROOM    ((size_t)256 * 1024) /* kept free of progress */
#define STALL_NS       (30 * NS_PER_S)
#define LOOK_NS        NS_PER_S
#define NAP_NS         (2 * NS_PER_MS)
#define LINE_MAX_BYTES 2048

/* Entries in the ring: a head, then n bytes. */
struct head {
	int fd;
	size_t n;
};

/*
 * One thread puts, one writes, and neither ever holds what the other one needs: put only moves
 * `in`, the writer only `out`, and not before the bytes are written. The descriptors wake; whoever
 * sleeps looks once a second all the same, so that a wake-up that is lost costs no more than that.
 */
struct talk {
	pthread_t thread;
	char ring[RING_BYTES];
	atomic_size_t in, out; /* bytes since the start */
	atomic_bool end;
	atomic_llong moved_ns; /* when the writer last finished a write */
	atomic_int lost;       /* errno of the first failed write to descriptor 1 */
	int more, less;        /* eventfd(2): something was put, something was written */
	bool patient;
	unsigned lines_dropped, data_dropped;
	bool broken[3]; /* the writer's */
};

static void put(struct talk *t, size_t at, const void *data, size_t n)
{
	size_t from = at % RING_BYTES;
	size_t first = n < RING_BYTES - from ? n : RING_BYTES - from;

	memcpy(t->ring + from, data, first);
	memcpy(t->ring, (const char *)data + first, n - first);
}

static void get(const struct talk *t, size_t at, void *data, size_t n)
{
	size_t from = at % RING_BYTES;
	size_t first = n < RING_BYTES - from ? n : RING_BYTES - from;

	memcpy(data, t->ring + from, first);
	memcpy((char *)data + first, t->ring, n - first);
}

static size_t used(const struct talk *t)
{
	return t->in - t->out;
}

static void wait_a_while(int fd)
{
	const struct timespec nap = { 0, NAP_NS };
	eventfd_t n;

	if (io_wait(fd, POLLIN, clock_mono_ns() + LOOK_NS) < 0)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	eventfd_read(fd, &n);
}

/* A descriptor that fails once (EPIPE, EIO of a closed terminal) is left alone afterwards. */
static void write_out(struct talk *t, const struct head *h, const char *data)
{
	int rc = t->broken[h->fd] ? 0 : io_write_full(h->fd, data, h->n);

	if (rc < 0 && rc != -EPIPE && h->fd == STDOUT_FILENO)
		t->lost = -rc;
	t->broken[h->fd] |= rc < 0;
}

static void *writer(void *arg)
{
	struct talk *t = arg;
	static char data[RING_BYTES];

	for (;;) {
		bool end = t->end; /* before the look at the ring: nothing is put after it */
		struct head h;

		if (!used(t)) {
			if (end)
				return NULL;
			wait_a_while(t->more);
			continue;
		}
		get(t, t->out, &h, sizeof(h));
		get(t, t->out + sizeof(h), data, h.n);
		write_out(t, &h, data);
		t->out += sizeof(h) + h.n;
		t->moved_ns = clock_mono_ns();
		eventfd_write(t->less, 1);
	}
}

static void forget(struct talk *t)
{
	auto_close(&t->more);
	auto_close(&t->less);
	free(t);
}

struct talk *talk_new(struct err *e)
{
	struct talk *t = calloc(1, sizeof(*t));
	sigset_t all, old;
	int rc;

	if (!t) {
		err_set(e, ENOMEM, "no memory for output");
		return NULL;
	}
	t->more = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->less = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->more < 0 || t->less < 0) {
		err_sys(e, "cannot open what wakes the output thread");
		forget(t);
		return NULL;
	}
	t->moved_ns = clock_mono_ns();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t->thread, NULL, writer, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		err_set(e, rc, "cannot start the output thread: %s", strerror(rc));
		forget(t);
		return NULL;
	}
	return t;
}

static bool stalled(const struct talk *t)
{
	return clock_mono_ns() - t->moved_ns >= STALL_NS;
}

bool talk_text(struct talk *t, int fd, enum talk_weight weight, const char *text, size_t n)
{
	struct head h = { .fd = fd, .n = n };
	size_t need = sizeof(h) + n;
	size_t limit = weight == TALK_RESULT ? RING_BYTES : RING_BYTES - RESULT_ROOM;

	while (t->patient && weight == TALK_RESULT && need <= limit && used(t) + need > limit &&
	       !stalled(t))
		wait_a_while(t->less);
	if (used(t) + need > limit) {
		*(fd == STDOUT_FILENO ? &t->data_dropped : &t->lines_dropped) += 1;
		return false;
	}
	put(t, t->in, &h, sizeof(h));
	put(t, t->in + sizeof(h), text, n);
	t->in += need;
	eventfd_write(t->more, 1);
	return true;
}

void talk_line(struct talk *t, int fd, enum talk_weight weight, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n] = '\n';
	talk_text(t, fd, weight, line, (size_t)n + 1);
}

void talk_patient(struct talk *t)
{
	t->patient = true;
	t->moved_ns = clock_mono_ns(); /* whoever did not read so far has its time from here on */
}

int talk_free(struct talk *t)
{
	int lost;

	if (!t)
		return 0;
	talk_patient(t);
	if (t->lines_dropped)
		talk_line(t, STDERR_FILENO, TALK_RESULT, "(%u lines of progress were dropped)",
			  t->lines_dropped);
	t->end = true;
	eventfd_write(t->more, 1);
	while (used(t) && !stalled(t))
		wait_a_while(t->less);
	if (used(t))
		return ETIMEDOUT; /* the thread hangs in a write that never ends: it goes with the
				     process */
	pthread_join(t->thread, NULL);
	lost = t->data_dropped ? ENOBUFS : t->lost;
	forget(t);
	return lost;
}
