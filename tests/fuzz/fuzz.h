/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_FUZZ_H
#define BRINK_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "inject/change/change.h"

/* What libFuzzer calls for each input. One fuzz_NAME.c for each reader of foreign bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Before the first one. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A fact that must hold whatever the input is. Not assert(3): it stands in every build. */
#define FUZZ_MUST(fact)                                                   \
	do {                                                              \
		if (!(fact))                                              \
			fuzz_broken(__FILE__, __LINE__, __func__, #fact); \
	} while (0)
void fuzz_broken(const char *file, int line, const char *function, const char *fact)
	__attribute__((noreturn));

/* An input that is taken piece by piece; when it is used up, what comes is zero. */
struct feed {
	const uint8_t *at;
	size_t left;
};

uint8_t feed_u8(struct feed *f);
uint16_t feed_u16(struct feed *f);
uint32_t feed_u32(struct feed *f);
/* Fills n bytes; those that the input lacks are zero. Returns how many it had. */
size_t feed_bytes(struct feed *f, void *to, size_t n);
/* The next piece: two bytes of length, then so many bytes or what is left. */
struct feed feed_piece(struct feed *f);
/* All up to the next byte `end`, which is skipped. */
struct feed feed_until(struct feed *f, uint8_t end);
/* A terminated copy on the heap, so that reading behind it is seen. */
char *feed_string(const struct feed *f);

/* Exactly these bytes in a regular file without a name; its path. One at a time for each slot. */
#define FUZZ_FILES 4
const char *fuzz_file(unsigned slot, const void *data, size_t n);
/* A folder of this process in memory, removed with what stands directly in it at the end. */
const char *fuzz_dir(void);
/* Removes what is in a folder, and the folder. */
void fuzz_remove(const char *path);
/* Writes a file below a folder. */
void fuzz_write(int dirfd, const char *name, const void *data, size_t n);

/*
 * Text that brink shows: valid UTF-8, terminated, and nothing in it that a terminal would obey but
 * new lines.
 */
void fuzz_must_be_safe(const char *text, size_t n);
void fuzz_error_must_be_safe(const struct err *e);

/* A change as a plan could hold it, made of the input; most of them pass change_spec_check(). */
void feed_change(struct feed *f, struct change_spec *ret);

/* Makes an input count as interesting or not: some results are not worth keeping. */
#define FUZZ_KEEP 0
#define FUZZ_DROP (-1)

#endif
