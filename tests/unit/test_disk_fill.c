/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "inject/change/fill.h"
#include "inject/faults.h"
#include "tests/support/test.h"

#define MIB ((uint64_t)1 << 20)

struct fixture {
	struct arena arena;
	void *spec;
	struct target target;
	struct targets targets;
	struct plan_context ctx;
	struct plan plan;
	struct err e;
	char dir[64], link[72], file[72];
	struct statvfs fs;
	struct stat st;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->spec = arena_zalloc(&f->arena, disk_fill_fault.fields->size);
	assert_int_equal(fields_defaults(disk_fill_fault.fields, f->spec, &f->arena, &f->e), 0);
	snprintf(f->dir, sizeof(f->dir), "/tmp/brink-plan-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->link, sizeof(f->link), "%s/link", f->dir);
	snprintf(f->file, sizeof(f->file), "%s/file", f->dir);
	f->target = (struct target){ .name = "spool", .kind = TARGET_PATH, .path.path = f->dir };
	f->targets = (struct targets){ .n = 1, .at = &f->target };
	f->ctx = (struct plan_context){ .run_id = "01JD3W9K7Q0000000000000000",
					.targets = &f->targets,
					.for_ns = NS_PER_S,
					.lease_ms = 3000 };
	assert_int_equal(statvfs(f->dir, &f->fs), 0);
	assert_int_equal(stat(f->dir, &f->st), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->link);
	unlink(f->file);
	rmdir(f->dir);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static void give(struct fixture *f, const char *key, const char *value)
{
	const struct field *row = fields_find(disk_fill_fault.fields, key);

	assert_non_null(row);
	assert_int_equal(field_set(disk_fill_fault.fields, f->spec, row, value, &f->arena, &f->e),
			 0);
}

static int plan(struct fixture *f)
{
	int rc;

	memset(&f->plan, 0, sizeof(f->plan));
	memset(&f->e, 0, sizeof(f->e));
	rc = disk_fill_fault.plan(f->spec, &f->ctx, &f->plan, &f->e);
	if (rc == 0)
		assert_int_equal(change_spec_check(&f->plan.change[0], 0, &f->e), 0);
	return rc;
}

static bool says(const struct fixture *f, const char *part)
{
	char text[1024];

	if (!strstr(err_format(&f->e, text, sizeof(text)), part))
		print_message("    \"%s\" is not in: %s\n", part, text);
	return strstr(text, part) != NULL;
}

static uint64_t avail(const struct fixture *f)
{
	return (uint64_t)f->fs.f_bavail * f->fs.f_frsize;
}

static uint64_t used(const struct fixture *f)
{
	return ((uint64_t)f->fs.f_blocks - f->fs.f_bfree) * f->fs.f_frsize;
}

static uint64_t reserve_of(const struct fixture *f)
{
	int dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t reserve = fill_reserve(dir, &f->fs, NULL);

	close(dir);
	return reserve;
}

/* As df(1): used / (used + available). 99.5 % because the disk of the machine may be nearly full.
 */
static void until_is_the_share_that_df_shows(void **state)
{
	struct fixture *f = *state;
	const struct fill_spec *s = &f->plan.change[0].u.fill;
	uint64_t want = (used(f) + avail(f)) / 200, reserve = reserve_of(f);

	give(f, "path", f->dir);
	give(f, "until", "99.5%");
	assert_int_equal(plan(f), 0);
	assert_int_equal(f->plan.change[0].kind, CHANGE_FILL);
	assert_string_equal(s->path, f->dir);
	assert_int_equal(s->dev, f->st.st_dev);
	assert_int_equal(s->ino, f->st.st_ino);
	assert_true(s->size_bytes == UINT64_MAX);
	if (want < reserve)
		want = reserve;
	/* others write meanwhile */
	assert_true(s->leave_bytes + 64 * MIB > want && s->leave_bytes < want + 64 * MIB);
	assert_non_null(strstr(f->plan.summary, "until 99.5%"));
}

static void size_and_leave_are_bounds_of_their_own(void **state)
{
	struct fixture *f = *state;
	uint64_t reserve = reserve_of(f);

	give(f, "target", "spool");
	give(f, "size", "1MiB");
	assert_int_equal(plan(f), 0);
	assert_int_equal(f->plan.change[0].u.fill.size_bytes, MIB);
	assert_int_equal(f->plan.change[0].u.fill.leave_bytes, reserve);
	assert_non_null(strstr(f->plan.summary, "+1MiB"));
	assert_int_equal(f->plan.n_notes, reserve ? 1 : 0);
	if (reserve)
		assert_non_null(strstr(f->plan.note[0], "reserve"));
	assert_int_equal(f->plan.files, 1);
}

static void a_level_that_is_reached_already_is_an_error(void **state)
{
	struct fixture *f = *state;

	give(f, "path", f->dir);
	give(f, "leave", "8000TiB");
	assert_int_equal(plan(f), -EALREADY);
	assert_true(says(f, "full: nothing is left to take"));
}

static void more_than_there_is_is_an_error(void **state)
{
	struct fixture *f = *state;

	give(f, "path", f->dir);
	give(f, "size", "8000TiB");
	assert_int_equal(plan(f), -ENOSPC);
}

static void a_symbolic_link_is_planned_as_what_it_names(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink(f->dir, f->link), 0);
	give(f, "path", f->link);
	give(f, "size", "1MiB");
	assert_int_equal(plan(f), 0);
	assert_string_equal(f->plan.change[0].u.fill.path, f->dir);
}

static void only_directories_of_file_systems_with_a_size_are_filled(void **state)
{
	static const struct {
		const char *path;
		int rc;
	} bad[] = { { "/proc/sys", -EOPNOTSUPP },
		    { "/sys/kernel", -EOPNOTSUPP },
		    { "relative/path", -EINVAL },
		    { "/nowhere/at/all", -ENOENT },
		    { "/tmp/\nx", -ENOENT } };
	struct fixture *f = *state;

	give(f, "size", "1MiB");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		give(f, "path", bad[i].path);
		assert_int_equal(plan(f), bad[i].rc);
	}
	close(open(f->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	give(f, "path", f->file);
	assert_int_equal(plan(f), -ENOTDIR);
}

static void exactly_one_level_and_one_place_are_required(void **state)
{
	struct fixture *f = *state;

	give(f, "path", f->dir);
	assert_true(fields_complete(disk_fill_fault.fields, f->spec, &f->e) < 0);
	give(f, "size", "1MiB");
	assert_int_equal(fields_complete(disk_fill_fault.fields, f->spec, &f->e), 0);
	give(f, "until", "90%");
	assert_true(fields_complete(disk_fill_fault.fields, f->spec, &f->e) < 0);
}

static void the_lines_of_the_plan_say_what_and_how_back(void **state)
{
	struct fixture *f = *state;
	struct change_spec s = { .kind = CHANGE_FILL,
				 .u.fill = { .path = "/srv/it's",
					     .size_bytes = UINT64_MAX,
					     .leave_bytes = 10 * MIB,
					     .dev = 7 } };
	char do_line[300], undo_line[300], key[96];
	struct text d = text_on(do_line, sizeof(do_line)),
		    u = text_on(undo_line, sizeof(undo_line));
	struct text k = text_on(key, sizeof(key));

	(void)f;
	change_ops_of(CHANGE_FILL)->print(&s, &d, &u);
	change_ops_of(CHANGE_FILL)->resource(&s, &k);
	assert_string_equal(
		do_line,
		"fallocate  a file without a name in /srv/it's, until 10MiB are available");
	assert_string_equal(
		undo_line,
		"close  the file; the kernel frees its space, also when the holder dies");
	assert_string_equal(key, "mount-7");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(until_is_the_share_that_df_shows),
		TEST(size_and_leave_are_bounds_of_their_own),
		TEST(a_level_that_is_reached_already_is_an_error),
		TEST(more_than_there_is_is_an_error),
		TEST(a_symbolic_link_is_planned_as_what_it_names),
		TEST(only_directories_of_file_systems_with_a_size_are_filled),
		TEST(exactly_one_level_and_one_place_are_required),
		TEST(the_lines_of_the_plan_say_what_and_how_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
