/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_UNIT_JOURNAL_STORY_H
#define BRINK_TESTS_UNIT_JOURNAL_STORY_H

/*
 * For test_journal.c and test_journal_damage.c: a journal that is written as a run writes it, on a
 * medium that can be made to fail, and the comparison of what is found with what was said. Link
 * with --wrap of pwrite, pread, fdatasync.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "safety/journal.h"
#include "tests/support/test.h"

#define SLOTS    3
#define VERSIONS 16

ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __real_pread(int fd, void *buf, size_t n, off_t at);
int __real_fdatasync(int fd);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at);
int __wrap_fdatasync(int fd);

enum way {
	FAIL,
	SHORT,
	CUT,
	LIE
}; /* CUT: the power goes in a write; LIE: it says yes and does nothing */

static struct {
	unsigned calls, fail_at, failed;
	int code;
	enum way way;
	size_t cut; /* bytes that still reach the medium */
	bool dead, in_flush;
} trouble;

static bool turn(void)
{
	if (trouble.dead)
		return true;
	if (++trouble.calls != trouble.fail_at)
		return false;
	trouble.failed++;
	trouble.dead = trouble.way == CUT;
	return true;
}

static int failure(void)
{
	errno = trouble.code;
	return -1;
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at)
{
	bool was_dead = trouble.dead;

	if (!turn())
		return __real_pwrite(fd, buf, n, at);
	if (trouble.way == SHORT && n > 1)
		return __real_pwrite(fd, buf, n / 2, at);
	if (trouble.way == LIE)
		return (ssize_t)n;
	if (trouble.way == CUT && !was_dead)
		__real_pwrite(fd, buf, trouble.cut < n ? trouble.cut : n, at);
	return failure();
}

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at)
{
	if (!turn() || trouble.way == LIE)
		return __real_pread(fd, buf, n, at);
	return trouble.way == SHORT && n > 1 ? __real_pread(fd, buf, n / 2, at) : failure();
}

int __wrap_fdatasync(int fd)
{
	bool fails = turn() && trouble.way != SHORT && trouble.way != LIE;

	trouble.in_flush |= fails;
	return fails ? failure() : __real_fdatasync(fd);
}

/* Everything that was ever handed to the journal for a slot, in order; the last acknowledged one.
 */
struct story {
	char path[64];
	int dir;
	unsigned n[SLOTS], acked[SLOTS]; /* acked: 1 + version, 0 = none */
	struct journal_slot version[SLOTS][VERSIONS];
};

static int setup(void **state)
{
	struct story *s = calloc(1, sizeof(*s));

	memset(&trouble, 0, sizeof(trouble));
	if (!s)
		return -1;
	strcpy(s->path, "/tmp/brink-journal-XXXXXX");
	if (!mkdtemp(s->path))
		return -1;
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = s;
	return s->dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct story *s = *state;

	memset(&trouble, 0, sizeof(trouble));
	unlinkat(s->dir, JOURNAL_FILE, 0);
	close(s->dir);
	rmdir(s->path);
	free(s);
	return 0;
}

static struct journal_head head_of(void)
{
	return (struct journal_head){
		.version = JOURNAL_VERSION, .state = HEAD_OPEN, .run_id = "RUN", .name = "a test"
	};
}

static struct undo undo_of(unsigned i)
{
	struct undo u = { .kind = CHANGE_NFT_GATE, .fault = (uint16_t)i, .run_id = "RUN" };

	snprintf(u.by_hand, sizeof(u.by_hand), "nft delete table netdev brink_%u", i);
	return u;
}

static void note(struct story *s, unsigned i, const struct journal_slot *slot, int rc)
{
	s->version[i][s->n[i]++] = *slot;
	if (rc == 0)
		s->acked[i] = s->n[i];
}

/* A whole run's worth of writing; each step may fail, the next ones go on as the keeper's would. */
static void tell(struct story *s, struct journal *j)
{
	struct journal_head head = head_of();
	struct err e;

	memset(s->n, 0, sizeof(s->n));
	memset(s->acked, 0, sizeof(s->acked));
	j->fd = -1;
	if (journal_create(s->dir, &head, j, &e) < 0)
		return;
	for (unsigned i = 0; i < SLOTS; i++) {
		struct undo u = undo_of(i);
		unsigned at = 0;
		int rc = journal_add(j, &u, SLOT_INTENT, &at, &e);

		note(s, i, &(struct journal_slot){ .state = SLOT_INTENT, .undo = u }, rc);
		if (rc < 0)
			return; /* refused: the run ends before it has begun */
		assert_int_equal(at, i);
	}
	for (unsigned step = 0; step < 3; step++) {
		for (unsigned i = SLOTS; i-- > 0;) {
			struct journal_slot *slot = &j->slot[i];

			slot->attempts++;
			slot->state = step < 2 ? SLOT_INTENT : SLOT_RESTORED;
			note(s, i, slot, journal_put(j, i, &e));
		}
	}
	j->head.state = HEAD_CLEAN;
	journal_put_head(j, &e);
}

/* What is on the medium, against the story. all: every acknowledged version must be there, or a
 * newer one. */
static void compare(struct story *s, const struct journal *j, bool all)
{
	for (unsigned i = 0; i < j->head.n_slots; i++) {
		unsigned k = 0;

		if (j->slot[i].state == SLOT_UNKNOWN) {
			if (all && i < SLOTS && s->acked[i])
				fail_msg("slot %u: acknowledged, and now unknown", i);
			continue;
		}
		assert_true(i < SLOTS);
		while (k < s->n[i] &&
		       memcmp(&s->version[i][k], &j->slot[i], sizeof(j->slot[i])) != 0)
			k++;
		if (k == s->n[i])
			fail_msg("slot %u: nobody wrote this (state %u)", i, j->slot[i].state);
		if (all && k + 1 < s->acked[i])
			fail_msg("slot %u: version %u was acknowledged, found %u", i, s->acked[i],
				 k + 1);
	}
	for (unsigned i = 0; all && i < SLOTS; i++)
		assert_true(!s->acked[i] || i < j->head.n_slots);
}

#endif
