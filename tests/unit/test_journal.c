/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=pwrite,--wrap=pread,--wrap=fdatasync */
/*
 * The journal under failing, short, torn and lying input and output. What was acknowledged is found
 * again; what is found was written; nothing is ever taken for restored that was not.
 */
#include "safety/journal.h"

#include "tests/unit/journal_story.h"

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
		assert_int_equal(journal_add(&j, &u, SLOT_INTENT, &at, &e), 0);
	assert_int_equal(journal_add(&j, &u, SLOT_INTENT, &at, &e), -E2BIG);
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

/* What was not written was not acknowledged: every write is read back. */
static void a_medium_that_lies_is_caught(void **state)
{
	struct story *s = *state;
	unsigned at = 1;

	while (with_trouble(s, at, LIE, 0, 0))
		at++;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_put_is_found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_journal_is_never_replaced_nor_reached_through_a_link, setup, teardown),
		cmocka_unit_test_setup_teardown(one_change_too_many_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(any_call_may_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(any_call_may_stop_half_way, setup, teardown),
		cmocka_unit_test_setup_teardown(a_medium_that_lies_is_caught, setup, teardown),
		cmocka_unit_test_setup_teardown(the_power_may_go_at_any_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(one_bad_sector_hurts_its_own_slot_only, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
