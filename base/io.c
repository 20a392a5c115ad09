/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>

#include "base/clock.h"

ssize_t io_read_full(int fd, void *buf, size_t size)
{
	size_t done = 0;
	unsigned times = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)buf + done, size - done);

		if (n < 0 && io_again(&times))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_write_full(int fd, const void *buf, size_t size)
{
	size_t done = 0;
	unsigned times = 0;

	while (done < size) {
		ssize_t n = write(fd, (const char *)buf + done, size - done);

		if (n < 0 && io_again(&times))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) /* POSIX allows it for a zero size only: a device that does this would
			       loop us */
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

ssize_t io_read_file(int dirfd, const char *path, char *buf, size_t size)
{
	AUTO(auto_close) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = io_read_full(fd, buf, size);
	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EFBIG;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

#define SELECT_FDS 4096

struct select_set {
	fd_set part[SELECT_FDS / FD_SETSIZE];
};

static fd_set *part_of(struct select_set *s, int fd)
{
	return &s->part[fd / FD_SETSIZE];
}

/* select(2) knows no limit. What hangs up is readable there. */
static int poll_by_select(struct pollfd *p, nfds_t n, const struct timespec *t)
{
	struct select_set in, out;
	int top = -1, ready = 0;

	memset(&in, 0, sizeof(in));
	memset(&out, 0, sizeof(out));
	for (nfds_t i = 0; i < n; i++) {
		p[i].revents = 0;
		if (p[i].fd < 0 || p[i].fd >= SELECT_FDS)
			continue;
		if (p[i].events & POLLIN)
			FD_SET(p[i].fd % FD_SETSIZE, part_of(&in, p[i].fd));
		if (p[i].events & POLLOUT)
			FD_SET(p[i].fd % FD_SETSIZE, part_of(&out, p[i].fd));
		top = p[i].fd > top ? p[i].fd : top;
	}
	if (pselect(top + 1, in.part, out.part, NULL, t, NULL) < 0)
		return -1;
	for (nfds_t i = 0; i < n; i++) {
		if (p[i].fd < 0 || p[i].fd >= SELECT_FDS)
			continue;
		if (FD_ISSET(p[i].fd % FD_SETSIZE, part_of(&in, p[i].fd)))
			p[i].revents |= POLLIN;
		if (FD_ISSET(p[i].fd % FD_SETSIZE, part_of(&out, p[i].fd)))
			p[i].revents |= POLLOUT;
		ready += p[i].revents != 0;
	}
	return ready;
}

int io_realpath(const char *path, char *ret, struct stat *ret_st)
{
	struct stat given;

	if (!realpath(path, ret) || stat(path, &given) < 0 || stat(ret, ret_st) < 0)
		return -errno;
	return given.st_dev == ret_st->st_dev && given.st_ino == ret_st->st_ino ? 0 : -EXDEV;
}

int io_poll(struct pollfd *p, nfds_t n, const struct timespec *t)
{
	int rc = ppoll(p, n, t, NULL);

	return rc < 0 && errno == EINVAL ? poll_by_select(p, n, t) : rc;
}

int io_wait(int fd, short events, int64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (unsigned times = 0;;) {
		int64_t left = deadline_ns - clock_mono_ns();
		struct timespec t = { 0 };
		int n;

		if (left > 0)
			t = (struct timespec){ left / NS_PER_S, left % NS_PER_S };
		n = io_poll(&p, 1, &t);
		if (n > 0)
			return p.revents;
		if (n == 0)
			return 0;
		if (!io_again(&times))
			return -errno;
	}
}
