/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_IO_H
#define BRINK_IO_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

#define IO_INTERRUPTIONS 1000

/*
 * A call has failed: was it only interrupted, so that it can be made again? *times: 0 before the
 * first. Not for ever, whatever the kernel answers: who loops holds up an abort.
 */
static inline bool io_again(unsigned *times)
{
	return errno == EINTR && ++*times < IO_INTERRUPTIONS;
}

/* Reads until size bytes, end of file or error; repeats on EINTR. Returns bytes read or -errno. */
ssize_t io_read_full(int fd, void *buf, size_t size);
/* Writes all of buf; repeats on EINTR. Returns 0 or -errno. */
int io_write_full(int fd, const void *buf, size_t size);
/*
 * A whole small file (/proc, /sys, pid files) into buf, terminated, trailing newline removed.
 * dirfd as in openat(2). Returns its length, or -errno; -EFBIG when it does not fit.
 */
ssize_t io_read_file(int dirfd, const char *path, char *buf, size_t size);
/*
 * realpath(3), and what is there. 0 or -errno; -EXDEV: the path leads elsewhere than the name that
 * comes of it, as through /proc/PID/root. size of ret: PATH_MAX.
 */
struct stat;
int io_realpath(const char *path, char *ret, struct stat *ret_st);
/*
 * ppoll(2) with a signal mask of NULL, which goes on working when the limit on descriptors was
 * lowered below n: ppoll refuses then, and whoever waits with it would be deaf and never sleep.
 * Descriptors from 4096 on are not looked at in that case.
 */
int io_poll(struct pollfd *p, nfds_t n, const struct timespec *t);
/* Polls one descriptor. Returns revents > 0, 0 at the deadline (CLOCK_MONOTONIC ns), or -errno. */
int io_wait(int fd, short events, int64_t deadline_ns);

#endif
