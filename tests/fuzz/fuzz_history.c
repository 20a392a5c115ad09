/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer */
/* fuzz: -max_len=200000 -dict=tests/fuzz/history.dict -len_control=20 */
/*
 * events.ndjson as an earlier run, or anybody who may write it, left it: `brink runs`, and the line
 * that `brink revert` adds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/history.h"
#include "tests/fuzz/fuzz.h"

#define RUN "01ARZ3NDEKTSV4RRFFQ69G5FAV"

static void must_be_safe(const struct past_run *r)
{
	FUZZ_MUST(strnlen(r->name, sizeof(r->name)) < sizeof(r->name));
	FUZZ_MUST(strcmp(r->id, RUN) == 0);
	for (const char *c = r->name; *c; c++)
		FUZZ_MUST((unsigned char)*c >= 0x20);
	for (const char *c = r->why; *c; c++)
		FUZZ_MUST((unsigned char)*c >= 0x20);
	for (const char *c = r->verdict; *c; c++)
		FUZZ_MUST((unsigned char)*c >= 0x20);
	for (const char *c = r->started; *c; c++)
		FUZZ_MUST((unsigned char)*c >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1;
	struct past_run r, after;
	struct history h;
	struct err e = { 0 };

	if (dir < 0) {
		dir = open(fuzz_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		FUZZ_MUST(dir >= 0 && mkdirat(dir, RUN, 0755) == 0);
	}
	fuzz_write(dir, RUN "/events.ndjson", data, size);
	FUZZ_MUST(history_read_run(fuzz_dir(), RUN, &r) == 0);
	must_be_safe(&r);
	FUZZ_MUST(history_read(fuzz_dir(), &h, &e) == 0 && h.n == 1);
	FUZZ_MUST(h.at[0].last_seq == r.last_seq && h.at[0].clean == r.clean);
	history_done(&h);
	history_add_recovery(fuzz_dir(), RUN, 3, true);
	FUZZ_MUST(history_read_run(fuzz_dir(), RUN, &after) == 0);
	must_be_safe(&after);
	FUZZ_MUST(after.recovered && after.clean); /* whatever stood there, torn lines too */
	return FUZZ_KEEP;
}
