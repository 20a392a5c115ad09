/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the log of dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst) and puts
 * what a disk held at some moment onto a device.
 *   prog_replay LOG list                       one line an entry: number, sector, sectors, flags,
 * mark prog_replay LOG apply DEVICE FROM TO       entries FROM to TO - 1, in order prog_replay LOG
 * some DEVICE FROM TO SEED   a random part of them: writes that no flush had forced
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC 0x6a736677736872ULL

enum { FLUSH = 1, FUA = 2, DISCARD = 4, MARK = 8, METADATA = 16 };

struct super {
	uint64_t magic, version, nr_entries;
	uint32_t sectorsize;
} __attribute__((packed));

struct entry {
	uint64_t sector, nr_sectors, flags, data_len;
};

struct log {
	int fd;
	uint64_t n, at; /* next entry: number and offset */
	uint64_t unit;  /* bytes of a sector */
};

static void die(const char *what)
{
	fprintf(stderr, "prog_replay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void get(int fd, void *buf, size_t n, uint64_t at)
{
	ssize_t got = pread(fd, buf, n, (off_t)at);

	if (got != (ssize_t)n) {
		if (got >= 0)
			errno = ENODATA;
		die("the log ends too early");
	}
}

static struct log open_log(const char *path)
{
	struct log l = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
	struct super s;

	if (l.fd < 0)
		die(path);
	get(l.fd, &s, sizeof(s), 0);
	errno = EBADMSG;
	if (le64toh(s.magic) != MAGIC || le64toh(s.version) != 1)
		die(path);
	l.n = le64toh(s.nr_entries);
	l.unit = le32toh(s.sectorsize);
	l.at = l.unit;
	return l;
}

/* The entry; *ret_data: where its data stands, a mark's text right behind the entry itself. */
static struct entry next(struct log *l, uint64_t *ret_data)
{
	struct entry e;

	get(l->fd, &e, sizeof(e), l->at);
	e.sector = le64toh(e.sector);
	e.nr_sectors = le64toh(e.nr_sectors);
	e.flags = le64toh(e.flags);
	e.data_len = le64toh(e.data_len);
	*ret_data = e.flags & MARK ? l->at + sizeof(e) : l->at + l->unit;
	l->at += l->unit;
	if (!(e.flags & DISCARD))
		l->at += e.nr_sectors * l->unit;
	return e;
}

static void list(struct log *l)
{
	for (uint64_t i = 0; i < l->n; i++) {
		char mark[256] = "";
		uint64_t data;
		struct entry e = next(l, &data);

		if (e.flags & MARK)
			get(l->fd, mark, e.data_len < 255 ? e.data_len : 255, data);
		printf("%llu %llu %llu %s%s%s%s%s %s\n", (unsigned long long)i,
		       (unsigned long long)e.sector, (unsigned long long)e.nr_sectors,
		       e.flags & FLUSH ? "F" : "-", e.flags & FUA ? "U" : "-",
		       e.flags & DISCARD ? "D" : "-", e.flags & MARK ? "M" : "-",
		       e.flags & METADATA ? "m" : "-", mark);
	}
}

static void put(const struct log *l, int dev, const struct entry *e, uint64_t data)
{
	static char buf[1 << 20];
	uint64_t left = e->nr_sectors * l->unit, to = e->sector * l->unit;

	while (left) {
		size_t n = left < sizeof(buf) ? left : sizeof(buf);

		if (e->flags & DISCARD)
			memset(buf, 0, n); /* what a disk may answer then */
		else
			get(l->fd, buf, n, data);
		if (pwrite(dev, buf, n, (off_t)to) != (ssize_t)n)
			die("cannot write");
		left -= n;
		to += n;
		data += n;
	}
}

int main(int argc, char **argv)
{
	struct log l;
	uint64_t from, to;
	uint32_t random = argc == 7 ? (uint32_t)atoi(argv[6]) * 2654435761U + 1 : 0;
	int dev;

	if (argc < 3)
		return 2;
	l = open_log(argv[1]);
	if (argc < 6) {
		list(&l);
		return 0;
	}
	dev = open(argv[3], O_WRONLY | O_CLOEXEC);
	if (dev < 0)
		die(argv[3]);
	from = strtoull(argv[4], NULL, 10);
	to = strtoull(argv[5], NULL, 10);
	for (uint64_t i = 0; i < to && i < l.n; i++) {
		uint64_t data;
		struct entry e = next(&l, &data);

		random = random * 1664525U + 1013904223U;
		if (i >= from && !(e.flags & MARK) && (argc < 7 || random >> 31))
			put(&l, dev, &e, data);
	}
	if (fsync(dev) < 0)
		die("cannot write");
	return 0;
}
