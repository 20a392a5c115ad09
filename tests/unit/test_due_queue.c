/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/due_queue.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#define ROOM 64

static struct due ring[ROOM], heap[ROOM];

static struct due_queue fresh(uint32_t size)
{
	return due_queue_on(ring, heap, size);
}

static void put(struct due_queue *q, int64_t at, uint32_t id, uint32_t payload)
{
	assert_true(due_put(q, (struct due){ at, id, payload }));
}

static void expect_run(struct due_queue *q, int64_t now, uint32_t n, uint32_t last)
{
	struct due_run run = due_take(q, now);

	assert_int_equal(run.n, n);
	if (n)
		assert_int_equal(run.last.id, last);
}

static void what_comes_in_order_leaves_as_one_run(void **state)
{
	struct due_queue q = fresh(ROOM);

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		put(&q, 100 + i, i, 0);
	expect_run(&q, 99, 0, 0);
	expect_run(&q, 100, 1, 0);
	expect_run(&q, 105, 5, 5);
	assert_int_equal(due_first(&q)->at_ns, 106);
	expect_run(&q, 1000, 4, 9);
	assert_null(due_first(&q));
	expect_run(&q, 1000, 0, 0);
}

/* "All up to this number" would let go those that still wait. */
static void who_overtakes_leaves_alone(void **state)
{
	struct due_queue q = fresh(ROOM);

	(void)state;
	put(&q, 100, 1, 0);
	put(&q, 200, 2, 0);
	put(&q, 150, 3, 0); /* overtakes 2 */
	put(&q, 300, 4, 0);
	assert_int_equal(q.n_heap, 1);
	expect_run(&q, 160, 1, 1);
	expect_run(&q, 160, 1, 3);
	expect_run(&q, 160, 0, 0);
	expect_run(&q, 400, 2, 4); /* nobody is out of order any more */
}

static void packets_of_one_time_leave_by_number_also_where_it_wraps(void **state)
{
	struct due_queue q = fresh(ROOM);

	(void)state;
	put(&q, 500, UINT32_MAX - 1, 0);
	put(&q, 100, UINT32_MAX, 0);
	put(&q, 100, 0, 0);
	put(&q, 100, 1, 0);
	expect_run(&q, 100, 1, UINT32_MAX);
	expect_run(&q, 100, 1, 0);
	expect_run(&q, 100, 1, 1);
	expect_run(&q, 500, 1, UINT32_MAX - 1);
}

/* Its verdict carries its bytes. */
static void a_payload_ends_a_run(void **state)
{
	struct due_queue q = fresh(ROOM);
	struct due_run run;

	(void)state;
	put(&q, 1, 1, 0);
	put(&q, 1, 2, 7);
	put(&q, 1, 3, 0);
	put(&q, 1, 4, 0);
	expect_run(&q, 1, 1, 1);
	run = due_take(&q, 1);
	assert_int_equal(run.n, 1);
	assert_int_equal(run.last.payload, 7);
	expect_run(&q, 1, 2, 4);
}

static void a_full_one_takes_no_more(void **state)
{
	struct due_queue q = fresh(4);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		put(&q, 10 + i, i, 0);
	put(&q, 5, 3, 0);
	assert_false(due_put(&q, (struct due){ 20, 4, 0 }));
	expect_run(&q, 5, 1, 3);
	put(&q, 20, 5, 0);
	assert_false(due_put(&q, (struct due){ 20, 6, 0 }));
	assert_int_equal(due_count(&q), 4);
}

static int by_time(const void *a, const void *b)
{
	const struct due *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

/* Against sorting; and no run of more than one leaves an older packet behind. */
static void any_order_leaves_in_order(void **state)
{
	struct due all[ROOM];

	(void)state;
	srand(7);
	for (unsigned round = 0; round < 500; round++) {
		struct due_queue q = fresh(ROOM);
		unsigned left = 0;

		for (uint32_t i = 0; i < ROOM; i++) {
			all[i] = (struct due){ rand() % 40 + (round % 2 ? i * 3 : 0), i, 0 };
			assert_true(due_put(&q, all[i]));
		}
		qsort(all, ROOM, sizeof(all[0]), by_time);
		for (int64_t now = 0; left < ROOM; now += 5) {
			for (struct due_run r = due_take(&q, now); r.n; r = due_take(&q, now)) {
				assert_true(left + r.n <= ROOM);
				left += r.n;
				assert_int_equal(all[left - 1].id, r.last.id);
				assert_true(r.last.at_ns <= now);
				for (unsigned i = left; r.n > 1 && i < ROOM; i++)
					assert_true(all[i].id > r.last.id);
			}
			assert_true(left == ROOM || all[left].at_ns > now);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_in_order_leaves_as_one_run),
		cmocka_unit_test(who_overtakes_leaves_alone),
		cmocka_unit_test(packets_of_one_time_leave_by_number_also_where_it_wraps),
		cmocka_unit_test(a_payload_ends_a_run),
		cmocka_unit_test(a_full_one_takes_no_more),
		cmocka_unit_test(any_order_leaves_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
