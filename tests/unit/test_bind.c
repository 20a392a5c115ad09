/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/bind.h"

#include <string.h>

#include "tests/support/test.h"

struct leaf {
	struct bound bound;
	const char *name;
	int64_t n;
};

struct tree {
	struct bound bound;
	const char *text;
	int64_t wait_ns, count;
	struct strings list, argv;
	struct compare is;
	struct leaf leaf, only_block;
	struct list leaves;
};

static const struct field_table leaf_fields = {
	.name = "leaf",
	.size = sizeof(struct leaf),
	.scalar = "name",
	.fields =
		(const struct field[]){
			{ "name", FIELD_STRING, FIELD_REQUIRED, offsetof(struct leaf, name),
			  .doc = "x" },
			{ "n", FIELD_INT, 0, offsetof(struct leaf, n), .dflt = "5" },
			{ 0 },
		},
};

static const struct field_table block_fields = {
	.name = "only_block",
	.size = sizeof(struct leaf),
	.fields =
		(const struct field[]){
			{ "name", FIELD_STRING, FIELD_REQUIRED, offsetof(struct leaf, name),
			  .doc = "x" },
			{ 0 },
		},
};

static const struct field_table tree_fields = {
	.name = "tree",
	.size = sizeof(struct tree),
	.fields =
		(const struct field[]){
			{ "text", FIELD_STRING, 0, offsetof(struct tree, text), .doc = "x" },
			{ "wait", FIELD_DURATION, 0, offsetof(struct tree, wait_ns), .dflt = "1s" },
			{ "count", FIELD_INT, 0, offsetof(struct tree, count), 1, 9, .doc = "x" },
			{ "list", FIELD_STRINGS, 0, offsetof(struct tree, list), .dflt = "one" },
			{ "argv", FIELD_ARGV, 0, offsetof(struct tree, argv), .doc = "x" },
			{ "is", FIELD_COMPARE, 0, offsetof(struct tree, is), .doc = "x" },
			{ "leaf", FIELD_BLOCK, 0, offsetof(struct tree, leaf),
			  .sub = &leaf_fields },
			{ "only_block", FIELD_BLOCK, 0, offsetof(struct tree, only_block),
			  .sub = &block_fields },
			{ "leaves", FIELD_LIST, 0, offsetof(struct tree, leaves),
			  .sub = &leaf_fields },
			{ "note", FIELD_FREE, 0, 0, .doc = "x" },
			{ "ramp", FIELD_LATER, 0, 0, .doc = "a slow rise" },
			{ 0 },
		},
};

struct fixture {
	struct arena arena;
	struct diags d;
	struct err e;
	struct vars vars;
	struct tree tree;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_done(&f->arena);
	diags_done(&f->d);
	free(f);
	return 0;
}

/* Binds a text and returns how many mistakes it has. */
static unsigned bind(struct fixture *f, const char *text)
{
	struct binder b = {
		.arena = &f->arena, .d = &f->d, .vars = &f->vars, .file = "f", .e = &f->e
	};
	const struct node *root = NULL;

	diags_done(&f->d);
	memset(&f->tree, 0, sizeof(f->tree));
	f->d.text = strdup(text);
	assert_non_null(f->d.text);
	f->d.len = strlen(text);
	assert_int_equal(doc_parse(&f->d, &f->arena, &root, &f->e), 0);
	assert_int_equal(bind_block(&b, root, &tree_fields, &f->tree), 0);
	return f->d.errors;
}

static bool said(const struct fixture *f, enum msg_code code, unsigned line, unsigned col,
		 const char *text)
{
	for (unsigned i = 0; i < f->d.n; i++) {
		const struct diag *g = &f->d.at[i];

		if (g->code == code && g->at.line == line && g->at.col == col &&
		    strcmp(g->text, text) == 0)
			return true;
	}
	for (unsigned i = 0; i < f->d.n; i++)
		fprintf(stderr, "B%u %u:%u %s\n", (unsigned)f->d.at[i].code, f->d.at[i].at.line,
			f->d.at[i].at.col, f->d.at[i].text);
	return false;
}

static void a_block_is_bound_with_defaults_and_places(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f,
			      "text: a\nlist: [x, y]\nargv: [ls, '']\nis: '> 3'\nleaf:\n  name: b\n"
			      "leaves: [{name: c, n: 8}, d]\nx-mine: [1]\nnote: {any: thing}\n"),
			 0);
	assert_string_equal(f->tree.text, "a");
	assert_int_equal(f->tree.wait_ns, 1000000000);
	assert_int_equal(f->tree.list.n, 2);
	assert_string_equal(f->tree.list.at[0], "x");
	assert_int_equal(f->tree.argv.n, 2);
	assert_true(f->tree.is.given);
	assert_string_equal(f->tree.leaf.name, "b");
	assert_int_equal(f->tree.leaf.n, 5);
	assert_int_equal(f->tree.leaf.bound.pos.line, 6);
	assert_string_equal(f->tree.leaf.bound.pos.file, "f");
	assert_int_equal(f->tree.leaves.n, 2);
	assert_int_equal(((struct leaf *)f->tree.leaves.at)[0].n, 8);
	assert_string_equal(((struct leaf *)f->tree.leaves.at)[1].name, "d");
	assert_int_equal(((struct leaf *)f->tree.leaves.at)[1].n, 5);
	assert_true(fields_given(&tree_fields, &f->tree, "leaf"));
	assert_false(fields_given(&tree_fields, &f->tree, "wait"));
}

static void a_plain_value_stands_for_the_blocks_main_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, "leaf: b\n"), 0);
	assert_string_equal(f->tree.leaf.name, "b");
	assert_int_equal(f->tree.leaf.n, 5);
	assert_int_equal(bind(f, "only_block: b\n"), 1);
	assert_true(said(f, MSG_SHAPE, 1, 13, "'only_block' cannot be a plain value"));
}

static void all_mistakes_are_found_at_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		bind(f,
		     "txet: a\nwait: 10\ncount: 99\nramp: 3s\nleaf: {}\nleaves: {name: x}\nis: {p99: 3}\n"
		     "argv: ls -l\nlist: []\ntext: [a]\n"),
		10);
	assert_true(said(f, MSG_UNKNOWN_KEY, 1, 1, "unknown key 'txet' in tree"));
	assert_true(said(f, MSG_DURATION, 2, 7, "'10' is not a duration"));
	assert_true(said(f, MSG_RANGE, 3, 8, "99 is too large for 'count'"));
	assert_true(said(f, MSG_LATER, 4, 1, "'ramp' is not in this version"));
	assert_true(said(f, MSG_MISSING, 5, 7, "leaf needs 'name'"));
	assert_true(said(f, MSG_SHAPE, 6, 9, "'leaves' cannot be a block"));
	assert_true(
		said(f, MSG_LATER, 7, 5, "percentiles and error ratios are not in this version"));
	assert_true(said(f, MSG_SHAPE, 8, 7, "'argv' cannot be a plain value"));
	assert_true(said(f, MSG_NO_VALUE, 9, 7, "'list' is an empty list"));
	assert_true(said(f, MSG_SHAPE, 10, 7, "'text' cannot be a list"));
}

static void a_key_without_value_is_a_mistake(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, "text:\nwait: ~\nleaf: null\nlist: [a, ]\nleaves: [~]\n"), 4);
	assert_true(said(f, MSG_NO_VALUE, 1, 1, "'text' has no value"));
	assert_true(said(f, MSG_NO_VALUE, 2, 1, "'wait' has no value"));
	assert_true(said(f, MSG_NO_VALUE, 3, 1, "'leaf' has no value"));
	assert_true(said(f, MSG_NO_VALUE, 5, 10, "an empty leaf"));
	assert_int_equal(bind(f, "text: ''\n"), 1);
	assert_true(said(f, MSG_NO_VALUE, 1, 7, "an empty text"));
}

static void a_wrong_value_is_not_also_missing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, "leaf: {name: [a]}\n"), 1);
}

static void keys_written_one_level_too_deep_are_recognised(void **state)
{
	struct fixture *f = *state;
	struct binder b = { .arena = &f->arena,
			    .d = &f->d,
			    .vars = &f->vars,
			    .file = "f",
			    .outer = &tree_fields,
			    .e = &f->e };
	const struct node key = {
		.type = NODE_SCALAR, .text = "wait", .len = 4, .at = { 1, 1, 5 }
	};

	bind_unknown(&b, &key, &leaf_fields);
	assert_string_equal(f->d.at[0].caret, "it stands beside leaf, not inside");
	assert_string_equal(f->d.at[0].note[0],
			    "help: keys of leaf are name, n. See: brink explain leaf");
}

static void names_from_outside_are_escaped_and_cut(void **state)
{
	struct fixture *f = *state;
	char buf[300];

	assert_int_equal(bind(f, "\"\\e[31mred\": 1\n"), 1);
	assert_true(said(f, MSG_UNKNOWN_KEY, 1, 1, "unknown key '\\x1b[31mred' in tree"));
	assert_string_equal(
		bind_shown("0123456789012345678901234567890123456789012345678901234567890", buf,
			   sizeof(buf)),
		"012345678901234567890123456789012345678901234567...");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_block_is_bound_with_defaults_and_places),
		T(a_plain_value_stands_for_the_blocks_main_key),
		T(all_mistakes_are_found_at_once),
		T(a_key_without_value_is_a_mistake),
		T(a_wrong_value_is_not_also_missing),
		T(keys_written_one_level_too_deep_are_recognised),
		T(names_from_outside_are_escaped_and_cut),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
