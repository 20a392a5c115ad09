/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer tests/fakes/fake_arena.c */
/* fuzz: -max_len=8192 -dict=tests/fuzz/plan.dict */
/* The file of `brink run --plan`. */
#include <string.h>

#include "runner/plan_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_plan none = { 0 };
	struct plan_file f;
	struct err e = { 0 };
	int r = plan_file_read(fuzz_file(0, data, size), &f, &e);

	FUZZ_MUST(r == 0 || (r < 0 && e.code == -r));
	if (r < 0) {
		fuzz_error_must_be_safe(&e);
		return FUZZ_KEEP;
	}
	FUZZ_MUST(f.file && strlen(f.run_id) == ULID_LEN);
	for (size_t i = 0; i < f.lines.n; i++)
		FUZZ_MUST(f.lines.at[i]);
	for (size_t i = 0; i < f.vars.n; i++)
		FUZZ_MUST(f.vars.at[i]);
	/* a plan of nothing equals only a file without lines */
	FUZZ_MUST((plan_file_compare(&f, &none, &e) == 0) == (f.lines.n == 0));
	plan_file_done(&f);
	return FUZZ_KEEP;
}
