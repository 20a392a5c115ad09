/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer tests/fakes/fake_arena.c */
/* fuzz: -max_len=512 -dict=tests/fuzz/words.dict */
/*
 * What a person types: units, endpoints, a whole command line (words between bytes 1E), the fields
 * of a fault as `brink try` binds them, what `brink explain` and `brink halt` look up.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ulid.h"
#include "base/units.h"
#include "inject/endpoint.h"
#include "inject/fault.h"
#include "runner/explain.h"
#include "runner/options.h"
#include "tests/fuzz/fuzz.h"

#define BETWEEN  0x1e
#define ARGS_MAX 16

static void durations(const char *s)
{
	char shown[64];
	struct text t = text_on(shown, sizeof(shown));
	struct err e = { 0 };
	int64_t ns, again;

	if (units_duration(s, &ns, &e) < 0) {
		fuzz_error_must_be_safe(&e);
		return;
	}
	FUZZ_MUST(ns >= 0 && ns <= 366 * INT64_C(86400) * 1000000000);
	units_add_duration(&t, ns); /* what is shown can be typed and means the same */
	FUZZ_MUST(!t.cut && units_duration(shown, &again, &e) == 0 && again == ns);
}

static void sizes(const char *s)
{
	char shown[64];
	struct text t = text_on(shown, sizeof(shown));
	struct err e = { 0 };
	uint64_t n;
	uint32_t ppm, again;

	if (units_size(s, &n, &e) == 0) {
		units_add_size(&t, n);
		FUZZ_MUST(!t.cut && t.len > 1);
	}
	t = text_on(shown, sizeof(shown));
	if (units_rate(s, &n, &e) == 0) {
		units_add_rate(&t, n);
		FUZZ_MUST(!t.cut && units_rate(shown, &n, &e) == 0);
	}
	if (units_percent(s, &ppm, &e) == 0) {
		FUZZ_MUST(ppm <= 1000000);
		units_add_percent(&t, ppm);
		FUZZ_MUST(units_percent(shown, &again, &e) == 0 && again == ppm);
	}
}

static void endpoints(const char *s)
{
	char shown[ENDPOINT_PREFIXES * 64];
	struct text t = text_on(shown, sizeof(shown));
	struct endpoint ep;
	struct err e = { 0 };

	if (endpoint_syntax(s, &ep, &e) < 0) {
		fuzz_error_must_be_safe(&e);
		return;
	}
	FUZZ_MUST(ep.n_prefixes <= ENDPOINT_PREFIXES && ep.port_lo <= ep.port_hi);
	for (unsigned i = 0; i < ep.n_prefixes; i++) {
		const struct net_prefix *p = &ep.prefix[i];

		FUZZ_MUST(p->family == 0 || (p->family == 4 && p->len <= 32) ||
			  (p->family == 6 && p->len <= 128));
	}
	endpoint_add(&t, &ep);
}

static void others(const char *s)
{
	struct explain_place places[EXPLAIN_PLACES];
	struct compare c;
	struct err e = { 0 };
	int64_t n;
	int sig;

	if (units_compare(s, &c, &e) == 0)
		FUZZ_MUST(c.failing || isfinite(c.value));
	if (units_signal(s, &sig, &e) == 0)
		FUZZ_MUST(sig > 0 && sig < 65 && units_signal_name(sig)[0]);
	units_int(s, &n, &e);
	endpoints(s);
	FUZZ_MUST(!ulid_is_suffix(s) || strlen(s) <= ULID_LEN);
	FUZZ_MUST(explain_find(s, places) <= EXPLAIN_PLACES);
	explain_nearest(s);
}

static void fields(char *const *word, unsigned n)
{
	for (const struct fault_ops *const *f = fault_registry; *f; f++) {
		AUTO(arena_done) struct arena arena = { 0 };
		const struct field_table *t = (*f)->fields;
		void *spec = calloc(1, t->size);
		struct err e = { 0 };

		FUZZ_MUST(spec && fields_defaults(t, spec, &arena, &e) == 0);
		for (unsigned i = 0; i < n; i++) {
			char *eq = strchr(word[i], '=');
			const struct field *field;

			if (!eq)
				continue;
			*eq = '\0';
			field = fields_find(t, word[i]);
			if (!field)
				fields_nearest(t, word[i]);
			else if (field_set(t, spec, field, eq + 1, &arena, &e) < 0)
				FUZZ_MUST(e.code > 0);
			*eq = '=';
		}
		fields_complete(t, spec, &e);
		free(spec);
	}
}

static void command_line(int n, char *const *word)
{
	struct options o = { 0 };
	struct err e = { 0 };
	int r = options_parse(n, word, &o, &e);

	FUZZ_MUST(r == 0 || e.code == -r);
	options_done(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[] = "brink";
	char *word[ARGS_MAX + 2] = { name };
	struct feed f = { data, size };
	int n = 1;

	while (f.left && n <= ARGS_MAX) {
		struct feed one = feed_until(&f, BETWEEN);

		word[n++] = feed_string(&one);
	}
	for (int i = 1; i < n; i++) {
		durations(word[i]);
		sizes(word[i]);
		others(word[i]);
	}
	fields(word + 1, (unsigned)n - 1);
	command_line(n, word);
	while (n > 1)
		free(word[--n]);
	return FUZZ_KEEP;
}
