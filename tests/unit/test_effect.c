/* SPDX-License-Identifier: Apache-2.0 */
/* What a fault has hit, in words and as keys, in the unit of its kind. */
#include "tests/support/test.h"

#include <jansson.h>
#include <string.h>

#include "runner/effect.h"

static const struct {
	unsigned kind;
	struct effect x;
	const char *words, *keys, *json;
} cases[] = {
	{ CHANGE_NFT_GATE,
	  { 0, 0 },
	  "nothing",
	  "packets=0 bytes=0",
	  "{\"packets\":0,\"bytes\":0}" },
	{ CHANGE_NFT_GATE, { 1, 1 }, "1 packet, 1 byte", "packets=1 bytes=1", NULL },
	{ CHANGE_NFT_GATE,
	  { 20, 10239 },
	  "20 packets, 10239 bytes",
	  "packets=20 bytes=10239",
	  "{\"packets\":20,\"bytes\":10239}" },
	{ CHANGE_NFT_GATE, { 2, 10240 }, "2 packets, 10KiB", "packets=2 bytes=10240", NULL },
	{ CHANGE_FILL, { 0, 0 }, "nothing", "bytes=0", "{\"bytes\":0}" },
	{ CHANGE_FILL, { 900, 0 }, "900 bytes", "bytes=900", "{\"bytes\":900}" },
	{ CHANGE_FILL, { 64ull << 20, 0 }, "64MiB", "bytes=67108864", "{\"bytes\":67108864}" },
	{ CHANGE_PAUSE, { 1, 0 }, "1 process", "processes=1", "{\"processes\":1}" },
	{ CHANGE_FREEZE, { 3, 0 }, "3 processes", "processes=3", NULL },
	{ CHANGE_STOP, { 1, 0 }, "1 process", "processes=1", NULL },
	{ CHANGE_SIGNAL, { 2, 0 }, "2 signals", "signals=2", NULL },
	{ CHANGE_SOCK_RESET, { 1, 0 }, "1 connection", "connections=1", NULL },
	{ CHANGE_PORT, { 1, 0 }, "1 port", "ports=1", NULL },
	{ CHANGE_LINK, { 1, 0 }, "1 device", "devices=1", NULL },
};

static void each_kind_says_what_it_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct change_ops *ops = change_ops_of(cases[i].kind);
		char words[80], keys[80];
		struct text w = text_on(words, sizeof(words)), k = text_on(keys, sizeof(keys));
		json_t *o = json_object();
		char *json;

		effect_add(&w, ops, &cases[i].x);
		effect_add_keys(&k, ops, &cases[i].x);
		effect_set(o, ops, &cases[i].x);
		json = json_dumps(o, JSON_COMPACT);
		assert_string_equal(words, cases[i].words);
		assert_string_equal(keys, cases[i].keys);
		if (cases[i].json)
			assert_string_equal(json, cases[i].json);
		free(json);
		json_decref(o);
	}
}

/* What counts must say in which unit, or the end of a run could not. */
static void whatever_counts_has_a_unit(void **state)
{
	(void)state;
	for (unsigned kind = 1; kind < CHANGE_KIND_COUNT; kind++) {
		const struct change_ops *ops = change_ops_of(kind);

		assert_int_equal(!!ops->effect, !!ops->unit[0]);
		assert_int_equal(!!ops->effect, !!ops->unit[1]);
	}
}

static void the_change_that_counts_speaks_for_the_fault(void **state)
{
	struct change_spec c[] = { { .kind = CHANGE_NETEM_SIDE }, { .kind = CHANGE_NFT_GATE } };
	struct planned_fault f = { .n_changes = 2, .change = c };

	(void)state;
	assert_string_equal(effect_counter(&f)->unit[1], "packets");
	f.n_changes = 1;
	assert_null(effect_counter(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_says_what_it_counts),
		cmocka_unit_test(whatever_counts_has_a_unit),
		cmocka_unit_test(the_change_that_counts_speaks_for_the_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
