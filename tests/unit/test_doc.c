/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/doc.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tests/support/lang.h"
#include "tests/support/test.h"

struct fixture {
	struct arena arena;
	struct diags d;
	struct err e;
	const struct node *root;
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

static int parse_bytes(struct fixture *f, const char *text, size_t n)
{
	arena_done(&f->arena);
	diags_done(&f->d);
	f->d.text = malloc(n + 1);
	assert_non_null(f->d.text);
	memcpy(f->d.text, text, n);
	f->d.len = n;
	f->root = NULL;
	return doc_parse(&f->d, &f->arena, &f->root, &f->e);
}

static int parse(struct fixture *f, const char *text)
{
	return parse_bytes(f, text, strlen(text));
}

/* "line:col: text" of the only mistake. */
static const char *mistake(const struct fixture *f)
{
	static char buf[600];

	assert_int_equal(f->d.n, 1);
	snprintf(buf, sizeof(buf), "%u:%u: %s", f->d.at[0].at.line, f->d.at[0].at.col,
		 f->d.at[0].text);
	return buf;
}

static void nodes_carry_text_and_place(void **state)
{
	struct fixture *f = *state;
	const struct node *n;

	assert_int_equal(parse(f, "a: 1\nlist:\n  - x\n  - \"y z\"\nmap: {k: v}\n"), 0);
	assert_int_equal(f->root->type, NODE_MAP);
	assert_int_equal(f->root->n, 3);
	n = node_get(f->root, "a");
	assert_true(n->type == NODE_SCALAR && n->plain);
	assert_string_equal(n->text, "1");
	assert_true(n->at.line == 1 && n->at.col == 4 && n->at.end_col == 5);
	n = node_get(f->root, "list");
	assert_true(n->type == NODE_LIST && n->n == 2 && !n->item[1]->plain);
	assert_string_equal(n->item[1]->text, "y z");
	assert_true(n->item[1]->at.line == 4 && n->item[1]->at.col == 5 &&
		    n->item[1]->at.end_col == 10);
	n = node_get(f->root, "map");
	assert_true(n->at.line == 5 && n->at.col == 6 && n->at.end_col == 12);
	assert_null(node_get(f->root, "nope"));
}

static void columns_count_characters_not_bytes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f, "k: {\xc3\xa4\xe6\xbc\xa2: \xf0\x9f\x98\x80, z: 1}\n"), 0);
	assert_int_equal(node_get(f->root, "k")->pair[1].key->at.col, 12);
}

static void an_alias_is_the_node_of_its_anchor(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f, "a: &x [1, 2]\nb: *x\n"), 0);
	assert_ptr_equal(node_get(f->root, "a"), node_get(f->root, "b"));
}

static void empty_values_are_told_from_empty_texts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f, "a:\nb: ''\nc: ~\nd: null\ne: 'null'\n"), 0);
	assert_true(node_is_empty(node_get(f->root, "a")));
	assert_false(node_is_empty(node_get(f->root, "b")));
	assert_true(node_is_empty(node_get(f->root, "c")));
	assert_true(node_is_empty(node_get(f->root, "d")));
	assert_false(node_is_empty(node_get(f->root, "e")));
}

static void broken_yaml_is_explained_where_it_began(void **state)
{
	static const struct {
		const char *text, *mistake;
	} cases[] = {
		{ "brink: 1\n\tname: x\n",
		  "2:1: tab used for indentation; YAML allows spaces only" },
		{ "steady_state:\n\t- http: x\n",
		  "2:1: tab used for indentation; YAML allows spaces only" },
		{ "a: 1\nb: 2\nl: [a, b\nc: d\n", "3:4: '[' is never closed" },
		{ "m: {a: 1\nb: 2\n", "1:4: '{' is never closed" },
		{ "l: [a, \"b\" c]\n", "1:12: expected ',' or ']' here" },
		{ "a: \"foo\nb: 1\n", "1:4: this quote is never closed" },
		{ "a: 'foo\n", "1:4: this quote is never closed" },
		{ "name: x\n faults: 1\n",
		  "2:2: indented deeper than 'name' on line 1, which already has a value" },
		{ "l:\n  - id: a\n     b: 1\n",
		  "3:6: indented deeper than 'id' on line 2, which already has a value" },
		{ "name: a: b\n", "1:8: a second ':' in one line" },
		{ "a:\n  b: 1\n c: 2\n",
		  "3:2: this line does not fit the block that began on line 1" },
		{ "name: x\nfaults\nb: 1\n", "2:1: a word without ':' behind it" },
		{ "name: @foo\n", "1:7: a value cannot begin with '@'" },
		{ "name: `x`\n", "1:7: a value cannot begin with '`'" },
		{ "  a: 1\nb: 2\n",
		  "2:1: indented less than the first line, or behind the end of the experiment" },
		{ "a: 1\n---\nb: 1\n",
		  "2:1: a second document begins here; a file holds one experiment" },
		{ "a: &a [*a]\n", "1:8: no finished value is marked &a before this alias" },
		{ "a: *b\n", "1:4: no finished value is marked &b before this alias" },
		{ "", "1:1: the file has no content" },
		{ "# only a comment\n", "1:1: the file has no content" },
		{ "name: \xe4\n", "1:7: byte 0xe4 is not UTF-8" },
		{ "n: \xed\xa0\x80\n", "1:4: byte 0xed is not UTF-8" },
		{ "n: \xc0\x80\n", "1:4: byte 0xc0 is not UTF-8" },
		{ "\xff\xfe"
		  "b",
		  "1:1: the file is UTF-16; save it as UTF-8" },
		{ "a: 1\nb: \x1b[31m\n", "2:4: a control character" },
		{ "a: \xc2\x9b\n", "1:4: a control character" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(parse(f, cases[i].text), -EBADMSG);
		assert_string_equal(mistake(f), cases[i].mistake);
	}
}

static void where_a_bracket_was_missed_is_in_the_note(void **state)
{
	struct fixture *f = *state;

	parse(f, "a: 1\nb: 2\nl: [a, b\nc: d\n");
	assert_string_equal(f->d.at[0].note[0],
			    "note: it was noticed at 4:2, where ',' or ']' was expected");
}

static void a_nul_byte_is_found(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse_bytes(f, "a: 1\nb\0c: 2\n", 12), -EBADMSG);
	assert_string_equal(mistake(f), "2:2: a NUL character");
	assert_int_equal(parse(f, "a: \"x\\0y\"\n"), 0); /* gathered, not fatal */
	assert_string_equal(mistake(f), "1:4: a NUL character cannot be part of a value");
}

static void mistakes_that_do_not_stop_the_reading_are_gathered(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f, "a: !!str x\na: 2\nb: {<<: {c: 1}, d: 2}\n? [x]\n: 3\n"), 0);
	assert_int_equal(f->d.errors, 4);
	assert_int_equal(node_get(f->root, "b")->n, 1);
	assert_int_equal(f->root->n, 2);
	assert_string_equal(node_get(f->root, "a")->text, "x"); /* the first one stays */
}

static void duplicate_keys_name_the_first_place(void **state)
{
	struct fixture *f = *state;
	char text[4000];
	struct text t = text_on(text, sizeof(text));

	assert_int_equal(parse(f, "x:\n  faults: 1\n  name: 2\n\n  'faults': 3\n"), 0);
	assert_string_equal(mistake(f), "5:3: 'faults' is given twice; first on line 2");
	for (int i = 0; i < 100; i++) /* the same in a map that is hashed */
		text_add(&t, "k%d: 1\n", i);
	text_add(&t, "k7: 1\n");
	assert_int_equal(parse(f, text), 0);
	assert_string_equal(mistake(f), "101:1: 'k7' is given twice; first on line 8");
	assert_int_equal(f->root->n, 100);
}

static void line_numbers_agree_with_every_kind_of_line_break(void **state)
{
	struct fixture *f = *state;

	parse(f, "a: 1\r\nb: 2\rc: 3\r\nname: @x\r\n");
	assert_string_equal(mistake(f), "4:7: a value cannot begin with '@'");
}

/* Fills a text of n times unit. */
static char *repeat(const char *head, const char *unit, size_t n, size_t *ret_len)
{
	size_t h = strlen(head), u = strlen(unit);
	char *s = malloc(h + n * u + 1);

	assert_non_null(s);
	memcpy(s, head, h);
	for (size_t i = 0; i < n; i++)
		memcpy(s + h + i * u, unit, u);
	s[h + n * u] = '\0';
	*ret_len = h + n * u;
	return s;
}

static void hostile_texts_end_soon_and_small(void **state)
{
	static const struct {
		const char *head, *unit;
		size_t n;
		enum msg_code code;
	} cases[] = {
		{ "a: ", "[", 10000, MSG_DEPTH },
		{ "a: ", "[", 1000000, MSG_DEPTH },
		{ "", "{", 10000, MSG_DEPTH },
		{ "", "- ", 10000, MSG_DEPTH },
		{ "", "? ", 10000, MSG_DEPTH },
		{ "x: [", "a,", 500000, MSG_TOO_MANY },
		{ "x: [", "[],", 340000, MSG_TOO_MANY },
		{ "", "- {}\n", 205000, MSG_TOO_MANY },
		{ "", "k: 1\n", 200000, MSG_TOO_MANY },
		{ "a: &a b\nl: [", "*a,", 340000, MSG_TOO_MANY },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n;
		char *s = repeat(cases[i].head, cases[i].unit, cases[i].n, &n);
		int64_t start = clock_mono_ns();

		assert_int_equal(parse_bytes(f, s, n), -EBADMSG);
		free(s);
		assert_int_equal(f->d.at[0].code, cases[i].code);
		assert_true(f->arena.used < 64u * 1024 * 1024);
		assert_true(clock_mono_ns() - start < 10 * NS_PER_S);
	}
}

static void an_alias_bomb_is_counted_written_out(void **state)
{
	struct fixture *f = *state;
	char text[1000];
	struct text t = text_on(text, sizeof(text));

	text_add(&t, "a: &a [x,x,x,x,x,x,x,x,x]\n");
	for (char c = 'b'; c <= 'i'; c++)
		text_add(&t, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c - 1, c - 1,
			 c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
	assert_int_equal(parse(f, text), -EBADMSG);
	assert_int_equal(f->d.at[0].code, MSG_TOO_MANY);
}

static void aliases_cannot_hide_depth(void **state)
{
	struct fixture *f = *state;
	char text[4000];
	struct text t = text_on(text, sizeof(text));

	text_add(&t, "k0: &k0 [x]\n");
	for (int i = 1; i < 100; i++)
		text_add(&t, "k%d: &k%d [*k%d]\n", i, i, i - 1);
	assert_int_equal(parse(f, text), -EBADMSG);
	assert_int_equal(f->d.at[0].code, MSG_DEPTH);
}

static void sixty_four_levels_are_allowed(void **state)
{
	struct fixture *f = *state;
	char text[200] = "a: ";

	memset(text + 3, '[', 64);
	memset(text + 67, ']', 64);
	text[131] = '\0';
	assert_int_equal(parse(f, text), 0);
	memset(text + 3, '[', 65);
	memset(text + 68, ']', 65);
	text[133] = '\0';
	assert_int_equal(parse(f, text), -EBADMSG);
}

static void only_regular_files_are_read(void **state)
{
	static const struct {
		const char *path;
		int code;
		const char *text;
	} cases[] = {
		{ "nope.yaml", -ENOENT, "cannot open 'nope.yaml': No such file or directory" },
		{ ".", -EINVAL, "'.' is a directory, not a file" },
		{ "fifo", -EINVAL, "'fifo' is a FIFO, not a file" },
		{ "/dev/null", -EINVAL, "'/dev/null' is a device, not a file" },
		{ "/dev/zero", -EINVAL, "'/dev/zero' is a device, not a file" },
		{ "-", -EINVAL, "standard input is not read: give the path of a file" },
		{ "", -ENOENT, "cannot open '': No such file or directory" },
	};
	char buf[400];

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct diags d = { 0 };
		struct err e = { 0 };

		assert_int_equal(doc_read(cases[i].path, &d, &e), cases[i].code);
		assert_string_equal(err_format(&e, buf, sizeof(buf)), cases[i].text);
		assert_int_equal(d.errors, 0);
		diags_done(&d);
	}
}

static void a_file_of_100_mb_is_not_read(void **state)
{
	struct diags d = { 0 };
	struct err e = { 0 };

	(void)state;
	lang_write("big", "", 0);
	assert_int_equal(truncate("big", 100 * 1024 * 1024), 0);
	assert_int_equal(doc_read("big", &d, &e), -EBADMSG);
	assert_int_equal(d.at[0].code, MSG_TOO_BIG);
	assert_null(d.text);
	diags_done(&d);
}

static void a_byte_order_mark_is_skipped(void **state)
{
	struct diags d = { 0 };
	struct err e = { 0 };

	(void)state;
	lang_write("t.yaml",
		   "\xef\xbb\xbf"
		   "a: 1\n",
		   8);
	assert_int_equal(doc_read("t.yaml", &d, &e), 0);
	assert_int_equal(d.len, 5);
	assert_memory_equal(d.text, "a: 1\n", 5);
	diags_done(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define P(name) cmocka_unit_test_setup_teardown(name, lang_setup, lang_teardown)
	const struct CMUnitTest tests[] = {
		T(nodes_carry_text_and_place),
		T(columns_count_characters_not_bytes),
		T(an_alias_is_the_node_of_its_anchor),
		T(empty_values_are_told_from_empty_texts),
		T(broken_yaml_is_explained_where_it_began),
		T(where_a_bracket_was_missed_is_in_the_note),
		T(a_nul_byte_is_found),
		T(mistakes_that_do_not_stop_the_reading_are_gathered),
		T(duplicate_keys_name_the_first_place),
		T(line_numbers_agree_with_every_kind_of_line_break),
		T(hostile_texts_end_soon_and_small),
		T(an_alias_bomb_is_counted_written_out),
		T(aliases_cannot_hide_depth),
		T(sixty_four_levels_are_allowed),
		P(only_regular_files_are_read),
		P(a_file_of_100_mb_is_not_read),
		P(a_byte_order_mark_is_skipped),
	};
#undef T
#undef P
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
