/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/utf8.h"

void fuzz_broken(const char *file, int line, const char *function, const char *fact)
{
	fprintf(stderr, "%s:%d: %s: this does not hold: %s\n", file, line, function, fact);
	abort();
}

size_t feed_bytes(struct feed *f, void *to, size_t n)
{
	size_t have = n < f->left ? n : f->left;

	if (have)
		memcpy(to, f->at, have);
	memset((char *)to + have, 0, n - have);
	f->at += have;
	f->left -= have;
	return have;
}

uint8_t feed_u8(struct feed *f)
{
	uint8_t v;

	feed_bytes(f, &v, sizeof(v));
	return v;
}

uint16_t feed_u16(struct feed *f)
{
	uint16_t v;

	feed_bytes(f, &v, sizeof(v));
	return v;
}

uint32_t feed_u32(struct feed *f)
{
	uint32_t v;

	feed_bytes(f, &v, sizeof(v));
	return v;
}

struct feed feed_piece(struct feed *f)
{
	size_t n = feed_u16(f);
	struct feed piece = { f->at, n < f->left ? n : f->left };

	f->at += piece.left;
	f->left -= piece.left;
	return piece;
}

struct feed feed_until(struct feed *f, uint8_t end)
{
	const uint8_t *stop = f->left ? memchr(f->at, end, f->left) : NULL;
	struct feed part = { f->at, stop ? (size_t)(stop - f->at) : f->left };
	size_t used = part.left + (stop != NULL);

	f->at += used;
	f->left -= used;
	return part;
}

char *feed_string(const struct feed *f)
{
	char *s = malloc(f->left + 1);

	if (!s)
		abort();
	if (f->left)
		memcpy(s, f->at, f->left);
	s[f->left] = '\0';
	return s;
}

const char *fuzz_file(unsigned slot, const void *data, size_t n)
{
	static int fd[FUZZ_FILES] = { -1, -1, -1, -1 };
	static char path[FUZZ_FILES][32];

	if (fd[slot] < 0) {
		fd[slot] = memfd_create("input", MFD_CLOEXEC);
		if (fd[slot] < 0)
			abort();
		snprintf(path[slot], sizeof(path[slot]), "/proc/self/fd/%d", fd[slot]);
	}
	if (ftruncate(fd[slot], 0) < 0 || (n && pwrite(fd[slot], data, n, 0) != (ssize_t)n))
		abort();
	return path[slot];
}

static char dir[64];

void fuzz_remove(const char *path)
{
	DIR *list = opendir(path);
	struct dirent *d;

	while (list && (d = readdir(list))) {
		if (d->d_name[0] == '.')
			continue;
		if (unlinkat(dirfd(list), d->d_name, 0) < 0) {
			char sub[400];

			snprintf(sub, sizeof(sub), "%s/%s", path, d->d_name);
			fuzz_remove(sub);
		}
	}
	if (list)
		closedir(list);
	rmdir(path);
}

static void remove_dir(void)
{
	fuzz_remove(dir);
}

const char *fuzz_dir(void)
{
	if (!dir[0]) {
		bool shm = access("/dev/shm", W_OK) == 0;

		snprintf(dir, sizeof(dir), "%s/brink-fuzz-XXXXXX", shm ? "/dev/shm" : "/tmp");
		if (!mkdtemp(dir))
			abort();
		chmod(dir, 0755);
		atexit(remove_dir);
	}
	return dir;
}

void fuzz_write(int dirfd, const char *name, const void *data, size_t n)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || io_write_full(fd, data, n) < 0)
		abort();
	close(fd);
}

void fuzz_must_be_safe(const char *text, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned char c = (unsigned char)text[i];
		uint32_t code;
		size_t step = utf8_at(text + i, n - i, &code);

		FUZZ_MUST(step > 0);
		FUZZ_MUST(c == '\n' || (code >= 0x20 && code != 0x7f));
		FUZZ_MUST(code < 0x80 || code > 0x9f); /* C1 */
		i += step;
	}
}

void fuzz_error_must_be_safe(const struct err *e)
{
	char words[ERR_DEPTH * ERR_LINE + 64];

	FUZZ_MUST(e->code > 0 && e->depth <= ERR_DEPTH);
	err_format(e, words, sizeof(words));
	FUZZ_MUST(words[0]);
}
