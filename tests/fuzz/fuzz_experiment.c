/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer tests/fakes/fake_arena.c */
/* fuzz: -max_len=8192 -dict=tests/fuzz/experiment.dict */
/*
 * `brink check`: an experiment, then, behind a byte 1E, a --var-file, then values for --var, one
 * behind each further 1E. What is said about it must be fit for a terminal; what is accepted must
 * be fit for the prober.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/plan_file.h"
#include "safety/probe/proto.h"
#include "scenarios/experiment.h"
#include "tests/fuzz/fuzz.h"

#define BETWEEN  0x1e
#define VARS_MAX 8

static void print(struct diags *d)
{
	char *said = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&said, &n);

	FUZZ_MUST(f);
	diags_print(d, f);
	fclose(f);
	fuzz_must_be_safe(said, n);
	free(said);
}

static void use(const struct experiment *x)
{
	FUZZ_MUST(x->n_faults > 0 && x->n_checks > 0 && x->name);
	for (size_t i = 0; i < x->n_checks; i++) {
		struct probe_spec *spec = calloc(1, sizeof(*spec));
		struct err e = { 0 };

		FUZZ_MUST(spec && x->checks[i].id);
		FUZZ_MUST(experiment_check(x, x->checks[i].id) == &x->checks[i]);
		if (probe_spec_make(&x->checks[i], spec, &e) < 0)
			FUZZ_MUST(e.code > 0);
		free(spec);
	}
	for (size_t i = 0; i < x->n_faults; i++) {
		const struct fault_item *f = &x->faults[i];

		FUZZ_MUST(f->id && f->ops && f->spec && f->for_ns >= 0 && f->after_ns >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = { data, size }, text = feed_until(&f, BETWEEN);
	struct feed file = feed_until(&f, BETWEEN);
	const char *path = fuzz_file(0, text.at, text.left);
	const char *var_file = file.left ? fuzz_file(1, file.at, file.left) : NULL;
	char *vars[VARS_MAX] = { 0 };
	struct load_options o = { .vars = (const char *const *)vars,
				  .var_files = &var_file,
				  .n_var_files = var_file != NULL,
				  .host_name = "host" };
	struct diags d = { 0 };
	struct experiment x;
	struct err e = { 0 };
	int r;

	while (f.left && o.n_vars < VARS_MAX) {
		struct feed one = feed_until(&f, BETWEEN);

		vars[o.n_vars++] = feed_string(&one);
	}
	r = experiment_load(path, &o, &x, &d, &e);
	FUZZ_MUST(r == 0 || (r < 0 && e.code == -r));
	FUZZ_MUST(r != 0 || d.errors == 0);
	FUZZ_MUST(r != -EBADMSG || d.errors > 0 || e.depth > 0);
	d.color = false;
	print(&d);
	if (r == 0) {
		use(&x);
		experiment_done(&x);
	} else {
		fuzz_error_must_be_safe(&e);
	}
	diags_done(&d);
	for (size_t i = 0; i < o.n_vars; i++)
		free(vars[i]);
	return FUZZ_KEEP;
}
