/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fields.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/codes.h"
#include "tests/support/test.h"

struct inner {
	struct bound bound;
	const char *within;
	int64_t n;
};

struct thing {
	struct bound bound;
	const char *text, *blank, *ref;
	bool flag;
	int64_t count, wait_ns;
	uint64_t bytes;
	uint32_t share_ppm;
	int word, sig;
	struct strings list, argv;
	struct compare is;
	struct inner inner;
	const char *a, *b, *c, *d, *g, *h;
};

static const char *const words[] = { "none", "reset", "unreachable", NULL };

static const struct field_table inner_fields = {
	.name = "inner",
	.size = sizeof(struct inner),
	.scalar = "within",
	.fields =
		(const struct field[]){
			{ "within", FIELD_STRING, FIELD_REQUIRED, offsetof(struct inner, within),
			  .doc = "x" },
			{ "n", FIELD_INT, 0, offsetof(struct inner, n), .dflt = "7" },
			{ 0 },
		},
};

#define AT(m) offsetof(struct thing, m)

static const struct field_table thing_fields = {
	.name = "thing",
	.size = sizeof(struct thing),
	.fields =
		(const struct field[]){
			{ "text", FIELD_STRING, FIELD_REQUIRED, AT(text), .doc = "x" },
			{ "blank", FIELD_STRING, FIELD_EMPTY, AT(blank), .doc = "x" },
			{ "ref", FIELD_REF, 0, AT(ref), 3, 3, .doc = "x" },
			{ "flag", FIELD_BOOL, 0, AT(flag), .dflt = "true" },
			{ "count", FIELD_INT, 0, AT(count), 1, 10, .dflt = "3" },
			{ "wait", FIELD_DURATION, 0, AT(wait_ns), 1000000, 0, .dflt = "1s" },
			{ "bytes", FIELD_SIZE, 0, AT(bytes), 1024, 1048576, .doc = "x" },
			{ "share", FIELD_PERCENT, 0, AT(share_ppm), 1, 1000000, .dflt = "100%" },
			{ "word", FIELD_ENUM, 0, AT(word), .words = words, .dflt = "reset" },
			{ "signal", FIELD_SIGNAL, 0, AT(sig), .dflt = "KILL" },
			{ "list", FIELD_STRINGS, 0, AT(list), .dflt = "200" },
			{ "argv", FIELD_ARGV, 0, AT(argv), .doc = "x" },
			{ "is", FIELD_COMPARE, 0, AT(is), .doc = "x" },
			{ "inner", FIELD_BLOCK, 0, AT(inner), .sub = &inner_fields },
			{ "note", FIELD_FREE, 0, 0, .doc = "x" },
			{ "ramp", FIELD_LATER, 0, 0, .doc = "x" },
			{ "a", FIELD_STRING, FIELD_GROUP_1, AT(a), .doc = "x" },
			{ "b", FIELD_STRING, FIELD_GROUP_1, AT(b), .doc = "x" },
			{ "z", FIELD_LATER, FIELD_GROUP_1, 0, .doc = "x" },
			{ "c", FIELD_STRING, FIELD_MOST_ONE, AT(c), .doc = "x" },
			{ "d", FIELD_STRING, FIELD_MOST_ONE, AT(d), .doc = "x" },
			{ "g", FIELD_STRING, FIELD_LEAST_ONE, AT(g), .doc = "x" },
			{ "h", FIELD_STRING, FIELD_LEAST_ONE, AT(h), .doc = "x" },
			{ 0 },
		},
};

struct fixture {
	struct arena arena;
	struct thing thing;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f && fields_defaults(&thing_fields, &f->thing, &f->arena, &f->e) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_done(&f->arena);
	free(f);
	return 0;
}

static int set(struct fixture *f, const char *name, const char *text)
{
	const struct field *k = fields_find(&thing_fields, name);

	assert_non_null(k);
	return field_set(&thing_fields, &f->thing, k, text, &f->arena, &f->e);
}

static void defaults_fill_the_struct_and_are_not_given(void **state)
{
	struct fixture *f = *state;

	assert_true(f->thing.flag);
	assert_int_equal(f->thing.count, 3);
	assert_int_equal(f->thing.wait_ns, 1000000000);
	assert_int_equal(f->thing.share_ppm, 1000000);
	assert_int_equal(f->thing.word, 1);
	assert_int_equal(f->thing.sig, SIGKILL);
	assert_int_equal(f->thing.list.n, 1);
	assert_int_equal(f->thing.inner.n, 7);
	assert_null(f->thing.text);
	assert_int_equal(f->thing.bound.given, 0);
	assert_false(fields_given(&thing_fields, &f->thing, "count"));
}

static void every_type_is_set_from_its_text(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, "text", "hello"), 0);
	assert_string_equal(f->thing.text, "hello");
	assert_int_equal(set(f, "flag", "false"), 0);
	assert_false(f->thing.flag);
	assert_int_equal(set(f, "count", "10"), 0);
	assert_int_equal(f->thing.count, 10);
	assert_int_equal(set(f, "wait", "2m"), 0);
	assert_int_equal(f->thing.wait_ns, 120000000000);
	assert_int_equal(set(f, "bytes", "4KiB"), 0);
	assert_int_equal(f->thing.bytes, 4096);
	assert_int_equal(set(f, "share", "5%"), 0);
	assert_int_equal(f->thing.share_ppm, 50000);
	assert_int_equal(set(f, "word", "unreachable"), 0);
	assert_int_equal(f->thing.word, 2);
	assert_int_equal(set(f, "signal", "TERM"), 0);
	assert_int_equal(f->thing.sig, SIGTERM);
	assert_int_equal(set(f, "is", "> 3"), 0);
	assert_true(f->thing.is.given);
	assert_int_equal(set(f, "ref", "db"), 0);
	assert_string_equal(f->thing.ref, "db");
	assert_int_equal(set(f, "note", "anything"), 0);
	assert_true(fields_given(&thing_fields, &f->thing, "count"));
}

static void a_list_replaces_its_default_and_then_grows(void **state)
{
	struct fixture *f = *state;
	char buf[16];

	for (int i = 0; i < 100; i++) {
		snprintf(buf, sizeof(buf), "%d", i);
		assert_int_equal(set(f, "list", buf), 0);
	}
	assert_int_equal(f->thing.list.n, 100);
	assert_string_equal(f->thing.list.at[0], "0");
	assert_string_equal(f->thing.list.at[99], "99");
	assert_int_equal(set(f, "argv", ""), 0); /* an empty argument is an argument */
	assert_int_equal(f->thing.argv.n, 1);
}

static void a_long_list_costs_memory_in_proportion(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 100000; i++)
		assert_int_equal(set(f, "list", "x"), 0);
	assert_true(f->arena.used < 8u * 1024 * 1024);
}

static void a_plain_value_in_place_of_a_block_is_its_scalar_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, "inner", "10s"), 0);
	assert_string_equal(f->thing.inner.within, "10s");
	assert_true(fields_given(&thing_fields, &f->thing, "inner"));
	assert_true(fields_given(&inner_fields, &f->thing.inner, "within"));
}

static void wrong_values_say_what_and_how_and_set_nothing(void **state)
{
	struct fixture *f = *state;
	char buf[400];

	assert_int_equal(set(f, "word", "nope"), -EINVAL);
	assert_string_equal(
		err_format(&f->e, buf, sizeof(buf)),
		"'nope' is none of the words allowed here: write one of: none, reset, unreachable");
	assert_int_equal(set(f, "count", "11"), -ERANGE);
	assert_string_equal(err_format(&f->e, buf, sizeof(buf)),
			    "11 is too large for 'count': write a value from 1 to 10");
	assert_int_equal(set(f, "wait", "1us"), -ERANGE);
	assert_string_equal(err_format(&f->e, buf, sizeof(buf)),
			    "1us is too small for 'wait': write a value of at least 1ms");
	assert_int_equal(set(f, "bytes", "2MiB"), -ERANGE);
	assert_string_equal(err_format(&f->e, buf, sizeof(buf)),
			    "2MiB is too large for 'bytes': write a value from 1KiB to 1MiB");
	assert_int_equal(set(f, "flag", "yes"), -EINVAL);
	assert_int_equal(set(f, "text", ""), -EINVAL);
	assert_int_equal(set(f, "blank", ""), 0);
	assert_int_equal(set(f, "ramp", "3s"), -ENOTSUP);
	assert_string_equal(err_format(&f->e, buf, sizeof(buf)), "'ramp' is not in this version");
	assert_int_equal(f->thing.count, 3);
	assert_false(fields_given(&thing_fields, &f->thing, "count"));
}

/* Collects all problems as one line. */
static const char *problems(const struct thing *t)
{
	static char buf[1000];
	struct text all = text_on(buf, sizeof(buf));
	struct err e;
	char one[400];

	for (unsigned at = 0; fields_problem(&thing_fields, t->bound.given, &at, &e) < 0;)
		text_add(&all, "%s; ", err_format(&e, one, sizeof(one)));
	return buf;
}

static void what_is_missing_or_too_much_is_told_one_by_one(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(
		problems(&f->thing),
		"thing needs 'text'; thing needs one of a and b; thing needs at least one of g and h; ");
	assert_int_equal(set(f, "text", "x"), 0);
	assert_int_equal(set(f, "a", "x"), 0);
	assert_int_equal(set(f, "g", "x"), 0);
	assert_int_equal(set(f, "h", "x"), 0);
	assert_string_equal(problems(&f->thing), "");
	assert_int_equal(fields_complete(&thing_fields, &f->thing, &f->e), 0);
	assert_int_equal(set(f, "b", "x"), 0);
	assert_int_equal(set(f, "c", "x"), 0);
	assert_int_equal(set(f, "d", "x"), 0);
	assert_string_equal(
		problems(&f->thing),
		"a and b exclude each other: keep one of them; c and d exclude each other: keep one of them; ");
	assert_int_equal(fields_complete(&thing_fields, &f->thing, &f->e), -EINVAL);
}

static void a_word_of_a_later_version_counts_in_its_group(void **state)
{
	struct fixture *f = *state;
	const struct field *z = fields_find(&thing_fields, "z");

	set(f, "text", "x");
	set(f, "g", "x");
	f->thing.bound.given |= UINT64_C(1) << (z - thing_fields.fields);
	assert_string_equal(problems(&f->thing), "");
	set(f, "a", "x");
	assert_string_equal(problems(&f->thing), "");
}

static void edit_distance_counts_swaps_once_and_stops_at_its_bound(void **state)
{
	char longer[200];

	(void)state;
	assert_int_equal(fields_distance("signal", "singal", 5), 1);
	assert_int_equal(fields_distance("delay", "dealy", 5), 1);
	assert_int_equal(fields_distance("delay", "dely", 5), 1);
	assert_int_equal(fields_distance("kitten", "sitting", 5), 3);
	assert_int_equal(fields_distance("", "abc", 5), 3);
	assert_int_equal(fields_distance("abc", "xyz", 1), 2);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(fields_distance(longer, "a", 500), 501);
}

/* Every two words of up to five letters of an alphabet of two: the bound changes nothing below it.
 */
static void the_bound_of_a_distance_hides_no_nearer_one(void **state)
{
	char word[62][6];
	unsigned n = 0;

	(void)state;
	for (unsigned len = 1; len <= 5; len++) {
		for (unsigned bits = 0; bits < 1u << len; bits++, n++) {
			for (unsigned i = 0; i < len; i++)
				word[n][i] = bits >> i & 1 ? 'b' : 'a';
			word[n][len] = '\0';
		}
	}
	for (unsigned a = 0; a < n; a++) {
		for (unsigned b = 0; b < n; b++) {
			unsigned d = fields_distance(word[a], word[b], 9);

			assert_true(d <= 5 && d == fields_distance(word[b], word[a], 9));
			for (unsigned max = 0; max < 5; max++)
				assert_int_equal(fields_distance(word[a], word[b], max),
						 d < max + 1 ? d : max + 1);
		}
	}
}

static void the_nearest_name_is_suggested_but_no_far_one(void **state)
{
	(void)state;
	assert_string_equal(fields_nearest(&thing_fields, "singal"), "signal");
	assert_string_equal(fields_nearest(&thing_fields, "cuont"), "count");
	assert_null(fields_nearest(&thing_fields, "completely"));
	assert_null(fields_nearest(&thing_fields, "rmap")); /* never a word that would be refused */
}

static void types_are_told_with_range_and_words(void **state)
{
	char buf[200];
	struct text t = text_on(buf, sizeof(buf));

	(void)state;
	field_add_type(fields_find(&thing_fields, "word"), &t);
	assert_string_equal(buf, "one of: none, reset, unreachable");
	t = text_on(buf, sizeof(buf));
	field_add_type(fields_find(&thing_fields, "count"), &t);
	assert_string_equal(buf, "whole number from 1 to 10");
	t = text_on(buf, sizeof(buf));
	field_add_type(fields_find(&thing_fields, "inner"), &t);
	assert_string_equal(buf, "block, or its 'within' alone");
}

static void message_codes_ascend_and_are_found_by_name(void **state)
{
	(void)state;
	for (size_t i = 1; i < msg_codes_n; i++)
		assert_true(msg_codes[i - 1].code < msg_codes[i].code);
	for (size_t i = 0; i < msg_codes_n; i++) {
		assert_ptr_equal(msg_find(msg_codes[i].code), &msg_codes[i]);
		assert_true(strlen(msg_codes[i].text) > 20);
	}
	assert_null(msg_find(1));
	assert_int_equal(msg_parse("B1042"), MSG_UNKNOWN_KEY);
	assert_int_equal(msg_parse("b1007"), MSG_DURATION);
	assert_int_equal(msg_parse("B104"), 0);
	assert_int_equal(msg_parse("B10420"), 0);
	assert_int_equal(msg_parse("1042"), 0);
	assert_int_equal(msg_parse(""), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(defaults_fill_the_struct_and_are_not_given),
		T(every_type_is_set_from_its_text),
		T(a_list_replaces_its_default_and_then_grows),
		T(a_long_list_costs_memory_in_proportion),
		T(a_plain_value_in_place_of_a_block_is_its_scalar_key),
		T(wrong_values_say_what_and_how_and_set_nothing),
		T(what_is_missing_or_too_much_is_told_one_by_one),
		T(a_word_of_a_later_version_counts_in_its_group),
		T(edit_distance_counts_swaps_once_and_stops_at_its_bound),
		T(the_bound_of_a_distance_hides_no_nearer_one),
		T(the_nearest_name_is_suggested_but_no_far_one),
		T(types_are_told_with_range_and_words),
		T(message_codes_ascend_and_are_found_by_name),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
