/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=pwrite,--wrap=pread,--wrap=fdatasync */
/*
 * The journal under failing, short, torn and lying input and output. What was acknowledged is found
 * again; what is found was written; nothing is ever taken for restored that was not.
 */
#include "safety/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crc32c.h"
#include "base/io.h"
#include "tests/support/test.h"

#define SLOTS    3
#define VERSIONS 16

ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __real_pread(int fd, void *buf, size_t n, off_t at);
int __real_fdatasync(int fd);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at);
int __wrap_fdatasync(int fd);

enum way { FAIL, SHORT, CUT }; /* CUT: the power goes in the middle of a write */

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
	if (trouble.way == CUT && !was_dead)
		__real_pwrite(fd, buf, trouble.cut < n ? trouble.cut : n, at);
	return failure();
}

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at)
{
	if (!turn())
		return __real_pread(fd, buf, n, at);
	return trouble.way == SHORT && n > 1 ? __real_pread(fd, buf, n / 2, at) : failure();
}

int __wrap_fdatasync(int fd)
{
	bool fails = turn() && trouble.way != SHORT;

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
		int rc = journal_add(j, &u, &at, &e);

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

static void what_is_put_is_found_again(void **state)
{
	struct story *s = *state;
	struct journal j, back;
	struct stat st;
	struct err e;

	tell(s, &j);
	journal_done(&j);
	assert_int_equal(journal_open(s->dir, false, &back, &e), 0);
	assert_int_equal(back.head.n_slots, SLOTS);
	assert_int_equal(back.head.state, HEAD_CLEAN);
	assert_string_equal(back.head.name, "a test");
	for (unsigned i = 0; i < SLOTS; i++)
		assert_memory_equal(&back.slot[i], &s->version[i][s->n[i] - 1],
				    sizeof(back.slot[i]));
	journal_done(&back);
	assert_int_equal(fstatat(s->dir, JOURNAL_FILE, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_journal_is_never_replaced_nor_reached_through_a_link(void **state)
{
	struct journal_head head = head_of();
	struct story *s = *state;
	struct journal j;
	struct err e;

	assert_int_equal(journal_open(s->dir, true, &j, &e), -ENOENT);
	assert_int_equal(symlinkat("/dev/null", s->dir, JOURNAL_FILE), 0);
	assert_int_equal(journal_create(s->dir, &head, &j, &e), -EEXIST);
	assert_int_equal(journal_open(s->dir, true, &j, &e), -ELOOP);
	unlinkat(s->dir, JOURNAL_FILE, 0);
	assert_int_equal(journal_create(s->dir, &head, &j, &e), 0);
	journal_done(&j);
	assert_int_equal(journal_create(s->dir, &head, &j, &e), -EEXIST);
}

static void one_change_too_many_is_refused(void **state)
{
	struct journal_head head = head_of();
	struct undo u = undo_of(0);
	struct story *s = *state;
	struct journal j;
	unsigned at;
	struct err e;

	assert_int_equal(journal_create(s->dir, &head, &j, &e), 0);
	for (unsigned i = 0; i < JOURNAL_SLOTS; i++)
		assert_int_equal(journal_add(&j, &u, &at, &e), 0);
	assert_int_equal(journal_add(&j, &u, &at, &e), -E2BIG);
	journal_done(&j);
	assert_int_equal(journal_open(s->dir, true, &j, &e), 0);
	assert_int_equal(j.head.n_slots, JOURNAL_SLOTS);
	journal_done(&j);
}

/* One run with trouble at one call, then a look at the medium without any. Returns whether the
 * trouble came. */
static bool with_trouble(struct story *s, unsigned at, enum way way, int code, size_t cut)
{
	struct journal j, back;
	struct err e;
	bool came;

	unlinkat(s->dir, JOURNAL_FILE, 0);
	memset(&trouble, 0, sizeof(trouble));
	trouble.fail_at = at;
	trouble.way = way;
	trouble.code = code;
	trouble.cut = cut;
	tell(s, &j);
	came = trouble.failed;
	if (code == EINTR && way == FAIL && !trouble.in_flush)
		assert_true(s->acked[0] == s->n[0] &&
			    s->acked[0] == 4); /* an interruption is no failure */
	memset(&trouble, 0, sizeof(trouble));
	if (j.fd >= 0)
		journal_done(&j);
	if (journal_open(s->dir, true, &back, &e) < 0) {
		assert_int_equal(s->acked[0],
				 0); /* no head yet: then nothing was promised either */
		return came;
	}
	compare(s, &back, true);
	journal_done(&back);
	return came;
}

static void any_call_may_fail(void **state)
{
	static const int codes[] = { EIO, ENOSPC, EINTR, EBADF, ENOMEM };
	struct story *s = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		unsigned at = 1;

		while (with_trouble(s, at, FAIL, codes[i], 0))
			at++;
		assert_true(at > 40);
	}
}

static void any_call_may_stop_half_way(void **state)
{
	struct story *s = *state;
	unsigned at = 1;
	bool came;

	do { /* no failure at all: what is short is continued */
		came = with_trouble(s, at++, SHORT, EIO, 0);
		for (unsigned i = 0; i < SLOTS; i++)
			assert_true(s->n[i] == 4 && s->acked[i] == 4);
	} while (came);
	assert_true(at > 40);
}

static void the_power_may_go_at_any_byte(void **state)
{
	static const size_t cuts[] = { 0, 1, 7, 8, 24, 100, 512, 2048, 4095, 4096 };
	struct story *s = *state;

	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		unsigned at = 1;

		while (with_trouble(s, at, CUT, EIO, cuts[i]))
			at++;
	}
}

/* A slot that cannot be read at all hurts no other one. */
static void one_bad_sector_hurts_its_own_slot_only(void **state)
{
	struct story *s = *state;
	struct journal j;
	struct err e;

	tell(s, &j);
	journal_done(&j);
	for (unsigned at = 3; at <= 2 + 2 * SLOTS; at++) { /* reads 1 and 2 are the head's */
		memset(&trouble, 0, sizeof(trouble));
		trouble.fail_at = at;
		trouble.code = EIO;
		assert_int_equal(journal_open(s->dir, true, &j, &e), 0);
		assert_int_equal(trouble.failed, 1);
		assert_int_equal(j.head.n_slots, SLOTS);
		compare(s, &j, false);
		for (unsigned i = 0; i < SLOTS; i++)
			assert_true(j.slot[i].state != SLOT_UNKNOWN); /* the other copy is there */
		journal_done(&j);
	}
	memset(&trouble, 0, sizeof(trouble));
}

/* --- a medium that was written by somebody else --- */

struct raw {
	uint32_t magic, crc;
	uint64_t gen;
	uint32_t index, size;
	unsigned char payload[JOURNAL_BLOCK - 24];
};

static int raw_open(struct story *s)
{
	int fd = openat(s->dir, JOURNAL_FILE, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void raw_get(int fd, unsigned block, struct raw *ret)
{
	assert_int_equal(__real_pread(fd, ret, sizeof(*ret), (off_t)block * JOURNAL_BLOCK),
			 sizeof(*ret));
}

static void raw_put(int fd, unsigned block, struct raw *r, bool sign)
{
	if (sign)
		r->crc = crc32c(&r->gen, JOURNAL_BLOCK - offsetof(struct raw, gen));
	assert_int_equal(__real_pwrite(fd, r, sizeof(*r), (off_t)block * JOURNAL_BLOCK),
			 sizeof(*r));
}

static void wipe(int fd, unsigned block)
{
	struct raw zero = { 0 };

	raw_put(fd, block, &zero, false);
}

static void a_flipped_byte_costs_at_most_one_copy(void **state)
{
	struct story *s = *state;
	struct journal j;
	struct err e;
	int fd;

	tell(s, &j);
	journal_done(&j);
	fd = raw_open(s);
	for (off_t at = 0; at < (off_t)(2 + 2 * SLOTS) * JOURNAL_BLOCK; at += 13) {
		unsigned char was, is;

		__real_pread(fd, &was, 1, at);
		is = was ^ (unsigned char)(1u << (at % 8));
		__real_pwrite(fd, &is, 1, at);
		assert_int_equal(journal_open(s->dir, false, &j, &e), 0);
		assert_int_equal(j.head.n_slots,
				 SLOTS); /* though the head's other copy has counted fewer */
		compare(s, &j, false);
		for (unsigned i = 0; i < SLOTS; i++)
			assert_true(j.slot[i].state != SLOT_UNKNOWN);
		journal_done(&j);
		__real_pwrite(fd, &was, 1, at);
	}
	close(fd);
}

static void a_slot_without_a_valid_copy_is_unknown_and_never_restored(void **state)
{
	struct story *s = *state;
	struct journal j;
	struct err e;
	int fd;

	tell(s, &j);
	journal_done(&j);
	fd = raw_open(s);
	wipe(fd, 4);
	wipe(fd, 5);
	assert_int_equal(journal_open(s->dir, true, &j, &e), 0);
	assert_int_equal(j.head.n_slots, SLOTS);
	assert_int_equal(j.slot[0].state, SLOT_RESTORED);
	assert_int_equal(j.slot[1].state, SLOT_UNKNOWN);
	assert_int_equal(j.slot[2].state, SLOT_RESTORED);
	journal_done(&j);
	wipe(fd, 0);
	wipe(fd, 1);
	assert_int_equal(journal_open(s->dir, true, &j, &e), -EBADMSG);
	close(fd);
}

static void a_slot_that_the_head_does_not_count_is_found(void **state)
{
	struct journal_head head = head_of();
	struct story *s = *state;
	struct undo u = undo_of(0);
	struct journal j;
	struct raw r;
	unsigned at;
	struct err e;
	int fd;

	assert_int_equal(journal_create(s->dir, &head, &j, &e), 0);
	assert_int_equal(journal_add(&j, &u, &at, &e), 0);
	journal_done(&j);
	fd = raw_open(s);
	raw_get(fd, 0, &r); /* generation 2, which counts the slot */
	assert_int_equal(r.gen, 2);
	wipe(fd, 0);
	assert_int_equal(journal_open(s->dir, true, &j, &e), 0);
	assert_int_equal(j.head.n_slots, 1);
	assert_int_equal(j.slot[0].state, SLOT_INTENT);
	journal_done(&j);
	close(fd);
}

static void forged_blocks_are_not_believed(void **state)
{
	struct story *s = *state;
	struct raw good, r;
	struct journal j;
	struct err e;
	int fd;

	tell(s, &j);
	journal_done(&j);
	fd = raw_open(s);
	raw_get(fd, 5, &good); /* slot 1, odd copy */
	for (int what = 0; what < 5; what++) {
		wipe(fd, 4);
		r = good;
		if (what == 0)
			r.magic++;
		else if (what == 1)
			r.size--;
		else if (what == 2)
			r.index = 1; /* of another slot */
		else if (what == 3)
			r.gen++; /* belongs into the other copy */
		else
			r.gen = 0;
		raw_put(fd, 5, &r, true);
		assert_int_equal(journal_open(s->dir, true, &j, &e), 0);
		assert_int_equal(j.slot[1].state, SLOT_UNKNOWN);
		journal_done(&j);
	}
	raw_put(fd, 5, &good, true);
	assert_int_equal(journal_open(s->dir, true, &j, &e), 0);
	assert_int_equal(j.slot[1].state, good.payload[0]);
	journal_done(&j);
	/* heads: another version, more slots than there can be */
	for (int what = 0; what < 2; what++) {
		struct journal_head *h = (struct journal_head *)(void *)r.payload;

		raw_get(fd, 1, &r);
		r.gen = 99;
		if (what == 0)
			h->version++;
		else
			h->n_slots = JOURNAL_SLOTS + 1;
		wipe(fd, 0);
		raw_put(fd, 1, &r, true);
		assert_int_equal(journal_open(s->dir, true, &j, &e), -EBADMSG);
	}
	close(fd);
}

static void texts_without_an_end_are_given_one(void **state)
{
	struct story *s = *state;
	struct journal_slot *slot;
	struct journal_head *h;
	struct journal j;
	struct raw r;
	struct err e;
	int fd;

	tell(s, &j);
	journal_done(&j);
	fd = raw_open(s);
	raw_get(fd, 2, &r);
	slot = (struct journal_slot *)(void *)r.payload;
	memset(&slot->undo.run_id, 'x', sizeof(slot->undo) - offsetof(struct undo, run_id));
	memset(slot->left, 'x', sizeof(slot->left));
	r.gen = 100;
	raw_put(fd, 2, &r, true);
	raw_get(fd, 0, &r);
	h = (struct journal_head *)(void *)r.payload;
	memset(h->name, 'x', sizeof(h->name));
	memset(h->run_id, 'x', sizeof(h->run_id));
	memset(h->why, 'x', sizeof(h->why));
	r.gen = 100;
	raw_put(fd, 0, &r, true);
	assert_int_equal(journal_open(s->dir, true, &j, &e), 0);
	assert_true(strlen(j.head.name) < sizeof(j.head.name));
	assert_true(strlen(j.head.run_id) < sizeof(j.head.run_id));
	assert_true(strlen(j.head.why) < sizeof(j.head.why));
	assert_true(strlen(j.slot[0].undo.run_id) < sizeof(j.slot[0].undo.run_id));
	assert_true(strlen(j.slot[0].undo.resource) < sizeof(j.slot[0].undo.resource));
	assert_true(strlen(j.slot[0].undo.by_hand) < sizeof(j.slot[0].undo.by_hand));
	assert_true(strlen(j.slot[0].left) < sizeof(j.slot[0].left));
	journal_done(&j);
	close(fd);
}

static size_t below(size_t n)
{
	return (size_t)rand() % n;
}

static void mutate(unsigned char *p, size_t size, size_t *ret_size)
{
	size_t n = 1 + below(64), at = below(size - 64), blocks = size / JOURNAL_BLOCK;

	switch (below(5)) {
	case 0:
		*ret_size = below(size + 1);
		break;
	case 1: /* one block over another */
		memmove(p + below(blocks) * JOURNAL_BLOCK, p + below(blocks) * JOURNAL_BLOCK,
			JOURNAL_BLOCK);
		break;
	case 2: /* a torn one */
		n = below(JOURNAL_BLOCK);
		memset(p + below(blocks) * JOURNAL_BLOCK + n, 0, JOURNAL_BLOCK - n);
		break;
	default:
		for (size_t i = 0; i < n; i++)
			p[at + i] = (unsigned char)rand();
	}
}

static void random_damage_is_never_taken_for_truth(void **state)
{
	static unsigned char good[(2 + 2 * SLOTS) * JOURNAL_BLOCK], bad[sizeof(good)];
	struct story *s = *state;
	unsigned opened = 0;
	struct journal j;
	struct err e;
	int fd;

	tell(s, &j);
	journal_done(&j);
	fd = raw_open(s);
	assert_int_equal(__real_pread(fd, good, sizeof(good), 0), sizeof(good));
	srand(11);
	for (int i = 0; i < 3000; i++) {
		size_t size = sizeof(good);

		memcpy(bad, good, sizeof(good));
		for (size_t k = 1 + below(3); k > 0; k--)
			mutate(bad, sizeof(bad), &size);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(__real_pwrite(fd, bad, size, 0), size);
		if (journal_open(s->dir, true, &j, &e) < 0)
			continue;
		opened++;
		compare(s, &j, false);
		journal_done(&j);
	}
	assert_true(opened > 2000);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_put_is_found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_journal_is_never_replaced_nor_reached_through_a_link, setup, teardown),
		cmocka_unit_test_setup_teardown(one_change_too_many_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(any_call_may_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(any_call_may_stop_half_way, setup, teardown),
		cmocka_unit_test_setup_teardown(the_power_may_go_at_any_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(one_bad_sector_hurts_its_own_slot_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_flipped_byte_costs_at_most_one_copy, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_slot_without_a_valid_copy_is_unknown_and_never_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slot_that_the_head_does_not_count_is_found, setup,
						teardown),
		cmocka_unit_test_setup_teardown(forged_blocks_are_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(texts_without_an_end_are_given_one, setup,
						teardown),
		cmocka_unit_test_setup_teardown(random_damage_is_never_taken_for_truth, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
