/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=pwrite,--wrap=pread,--wrap=fdatasync */
/* A journal that was damaged or written by somebody else: never believed, never fatal, never taken
 * for restored. */
#include "safety/journal.h"

#include "base/crc32c.h"
#include "tests/unit/journal_story.h"

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
	assert_int_equal(journal_add(&j, &u, SLOT_INTENT, &at, &e), 0);
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
	raw_get(fd, 1, &good);
	for (int what = 0; what < 2; what++) {
		struct journal_head *h = (struct journal_head *)(void *)r.payload;

		r = good;
		r.gen = 99;
		if (what == 0)
			h->version++;
		else
			h->n_slots = JOURNAL_SLOTS + 1;
		wipe(fd, 0);
		raw_put(fd, 1, &r, true);
		assert_int_equal(journal_open(s->dir, true, &j, &e),
				 what == 0 ? -ENOTSUP : -EBADMSG);
	}
	close(fd);
}

/* Version 1 had a head without the PID namespace. */
static void a_shorter_head_of_another_version_is_no_damage(void **state)
{
	struct story *s = *state;
	struct journal_head *h;
	struct journal j;
	struct raw r;
	struct err e;
	int fd;

	tell(s, &j);
	journal_done(&j);
	fd = raw_open(s);
	for (unsigned copy = 0; copy < 2; copy++) {
		raw_get(fd, copy, &r);
		h = (struct journal_head *)(void *)r.payload;
		h->version = 1;
		r.size = offsetof(struct journal_head, pidns);
		memset(r.payload + r.size, 0, sizeof(r.payload) - r.size);
		raw_put(fd, copy, &r, true);
	}
	assert_int_equal(journal_open(s->dir, true, &j, &e), -ENOTSUP);
	assert_non_null(strstr(e.msg[0], "of version 1, this brink reads"));
	r.crc++;
	raw_put(fd, 1, &r, false);
	wipe(fd, 0);
	assert_int_equal(journal_open(s->dir, true, &j, &e), -EBADMSG);
	close(fd);
}

static void the_numbers_of_another_pid_namespace_are_known_as_such(void **state)
{
	struct story *s = *state;
	struct journal j;
	struct err e;

	tell(s, &j);
	assert_false(j.elsewhere);
	assert_true(pidns_is_own(&j.head.pidns)); /* whatever the caller's head said */
	journal_done(&j);
	assert_int_equal(journal_open(s->dir, true, &j, &e), 0);
	assert_false(j.elsewhere);
	j.head.pidns.ino++;
	assert_int_equal(journal_put_head(&j, &e), 0);
	journal_done(&j);
	assert_int_equal(journal_open(s->dir, true, &j, &e), 0);
	assert_true(j.elsewhere);
	journal_again(&j);
	assert_true(j.elsewhere);
	journal_done(&j);
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
		cmocka_unit_test_setup_teardown(a_flipped_byte_costs_at_most_one_copy, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_slot_without_a_valid_copy_is_unknown_and_never_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(a_shorter_head_of_another_version_is_no_damage,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_numbers_of_another_pid_namespace_are_known_as_such, setup, teardown),
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
