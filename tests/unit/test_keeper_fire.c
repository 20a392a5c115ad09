/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=change_ops_of,--wrap=proto_send */
/* What the record says at the moment in which the order to fire goes out. */
#include "safety/keeper.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

#define BEFORE 3 /* what a change had at the start of the run, and right before the shot */
#define NOW    8

const struct change_ops *__wrap_change_ops_of(unsigned kind);
int __wrap_proto_send(int fd, const void *msg, size_t size, bool wait);

static struct {
	char path[64];
	int dir, code; /* code: of the look */
	unsigned orders;
	struct journal_slot on_disk;
} world;

static int fake_recount(struct undo *u, struct err *e)
{
	if (world.code)
		return err_set(e, -world.code, "the look fails");
	u->u.link.had = NOW;
	return 0;
}

const struct change_ops *__wrap_change_ops_of(unsigned kind)
{
	static const struct change_ops ops = { .class = CLASS_GUARDED, .recount = fake_recount };

	(void)kind;
	return &ops;
}

static void read_record(void)
{
	struct journal j;
	struct err e;

	assert_int_equal(journal_open(world.dir, false, &j, &e), 0);
	world.on_disk = j.slot[0];
	journal_done(&j);
}

int __wrap_proto_send(int fd, const void *msg, size_t size, bool wait)
{
	(void)fd;
	(void)msg;
	(void)size;
	(void)wait;
	world.orders++;
	read_record();
	return 0;
}

struct fixture {
	struct keeper k;
	struct pulse pulse;
	struct keeper_fault fault;
	struct kmsg_list list;
};

static int setup(void **state)
{
	static struct fixture f;
	struct journal_head head = { .version = JOURNAL_VERSION, .state = HEAD_OPEN };
	struct undo u = { .kind = CHANGE_LINK, .u.link.had = BEFORE };
	unsigned slot;
	struct err e;

	memset(&world, 0, sizeof(world));
	f = (struct fixture){ .k = KEEPER_NONE };
	f.fault = (struct keeper_fault){ .state = FAULT_ARMED, .n = 1, .pid = -1, .pidfd = -1 };
	f.list.n = 1;
	f.k.stage = STAGE_ARMED;
	f.k.n_faults = f.k.n_changes = 1;
	f.k.fault = &f.fault;
	f.k.pulse = &f.pulse;
	strcpy(world.path, "/tmp/brink-fire-XXXXXX");
	if (!mkdtemp(world.path))
		return -1;
	world.dir = open(world.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal_create(world.dir, &head, &f.k.journal, &e) < 0 ||
	    journal_add(&f.k.journal, &u, SLOT_PLANNED, &slot, &e) < 0)
		return -1;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	journal_done(&f->k.journal);
	unlinkat(world.dir, JOURNAL_FILE, 0);
	close(world.dir);
	return rmdir(world.path);
}

static void what_is_there_then_stands_in_it_before_the_order(void **state)
{
	struct fixture *f = *state;
	struct err e;

	assert_int_equal(keeper_fire(&f->k, &f->list, &e), 0);
	assert_int_equal(world.orders, 1);
	assert_int_equal(world.on_disk.state, SLOT_INTENT);
	assert_int_equal(world.on_disk.undo.u.link.had, NOW);
}

static void what_cannot_be_looked_at_is_not_fired(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	world.code = -EIO;
	assert_int_equal(keeper_fire(&f->k, &f->list, &e), -EIO);
	assert_int_equal(world.orders, 0);
	assert_int_equal(f->fault.state, FAULT_ARMED);
	read_record();
	assert_int_equal(world.on_disk.state, SLOT_PLANNED);
	assert_int_equal(world.on_disk.undo.u.link.had, BEFORE);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_there_then_stands_in_it_before_the_order),
		TEST(what_cannot_be_looked_at_is_not_fired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
