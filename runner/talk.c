/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/talk.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"

#define RING_BYTES     ((size_t)256 * 1024)
#define RESULT_ROOM    ((size_t)64 * 1024) /* kept free of progress */
#define STALL_NS       (30 * NS_PER_S)
#define LINE_MAX_BYTES 2048

/* Entries in the ring: a head, then n bytes. */
struct head {
	int fd;
	size_t n;
};

struct talk {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more, less;
	char ring[RING_BYTES];
	size_t from, used;
	unsigned dropped;
	int64_t moved_ns; /* when the thread last finished a write */
	int lost;         /* errno of the first failed write to descriptor 1 */
	bool end, broken[3];
};

static void put(struct talk *t, const void *data, size_t n)
{
	size_t at = (t->from + t->used) % RING_BYTES;
	size_t first = n < RING_BYTES - at ? n : RING_BYTES - at;

	memcpy(t->ring + at, data, first);
	memcpy(t->ring, (const char *)data + first, n - first);
	t->used += n;
}

static void get(struct talk *t, void *data, size_t n)
{
	size_t first = n < RING_BYTES - t->from ? n : RING_BYTES - t->from;

	memcpy(data, t->ring + t->from, first);
	memcpy((char *)data + first, t->ring, n - first);
	t->from = (t->from + n) % RING_BYTES;
	t->used -= n;
}

/* A wake-up that is lost costs a second: nobody hangs for ever because of one. Nor for a day
 * because the wall clock was set back, so the condition variables count by another (talk_new()). */
static void wait_a_while(struct talk *t, pthread_cond_t *what)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 1;
	pthread_cond_timedwait(what, &t->lock, &until);
}

/* Writes outside the lock; a descriptor that fails once (EPIPE, EIO of a closed terminal) is left
 * alone afterwards. */
static void write_out(struct talk *t, const struct head *h, const char *data)
{
	bool broken = t->broken[h->fd];
	int rc = 0;

	pthread_mutex_unlock(&t->lock);
	if (!broken)
		rc = io_write_full(h->fd, data, h->n);
	broken |= rc < 0;
	pthread_mutex_lock(&t->lock);
	if (rc < 0 && rc != -EPIPE && h->fd == STDOUT_FILENO)
		t->lost = -rc;
	t->broken[h->fd] = broken;
	t->moved_ns = clock_mono_ns();
	pthread_cond_broadcast(&t->less);
}

static void *writer(void *arg)
{
	struct talk *t = arg;
	static char data[RING_BYTES];

	pthread_mutex_lock(&t->lock);
	while (t->used || !t->end) {
		struct head h;

		if (!t->used) {
			wait_a_while(t, &t->more);
			continue;
		}
		get(t, &h, sizeof(h));
		get(t, data, h.n);
		write_out(t, &h, data);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

struct talk *talk_new(struct err *e)
{
	struct talk *t = calloc(1, sizeof(*t));
	pthread_condattr_t monotonic;
	sigset_t all, old;
	int rc;

	if (!t) {
		err_set(e, ENOMEM, "no memory for output");
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t->more, &monotonic);
	pthread_cond_init(&t->less, &monotonic);
	pthread_condattr_destroy(&monotonic);
	t->moved_ns = clock_mono_ns();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t->thread, NULL, writer, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		err_set(e, rc, "cannot start the output thread: %s", strerror(rc));
		free(t);
		return NULL;
	}
	return t;
}

bool talk_text(struct talk *t, int fd, enum talk_weight weight, const char *text, size_t n)
{
	struct head h = { .fd = fd, .n = n };
	size_t need = sizeof(h) + n;
	size_t limit = weight == TALK_RESULT ? RING_BYTES : RING_BYTES - RESULT_ROOM;

	bool fits;

	if (need > RING_BYTES)
		return false;
	pthread_mutex_lock(&t->lock);
	while (weight == TALK_RESULT && t->used + need > limit &&
	       clock_mono_ns() - t->moved_ns < STALL_NS)
		wait_a_while(t, &t->less);
	fits = t->used + need <= limit;
	if (fits) {
		put(t, &h, sizeof(h));
		put(t, text, n);
		pthread_cond_signal(&t->more);
	} else {
		t->dropped++;
	}
	pthread_mutex_unlock(&t->lock);
	return fits;
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

int talk_free(struct talk *t)
{
	bool drained;
	int lost;

	if (!t)
		return 0;
	pthread_mutex_lock(&t->lock);
	if (t->dropped) {
		char line[80];
		struct head h = { .fd = 2 };

		h.n = (size_t)snprintf(line, sizeof(line), "(%u lines of progress were dropped)\n",
				       t->dropped);
		if (t->used + sizeof(h) + h.n <= RING_BYTES) {
			put(t, &h, sizeof(h));
			put(t, line, h.n);
		}
	}
	t->end = true;
	t->moved_ns = clock_mono_ns();
	pthread_cond_signal(&t->more);
	while (t->used && clock_mono_ns() - t->moved_ns < STALL_NS)
		wait_a_while(t, &t->less);
	drained = !t->used;
	pthread_mutex_unlock(&t->lock);
	if (!drained)
		return ETIMEDOUT; /* the thread hangs in a write that never ends: it goes with the
				     process */
	pthread_join(t->thread, NULL);
	lost = t->lost;
	free(t);
	return lost;
}
