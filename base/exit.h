/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_EXIT_H
#define BRINK_EXIT_H

#include <stddef.h>

/* Every way brink can end. X(symbol, code, name, meaning, state of the machine); help and man page
 * print it. */
#define EXIT_CODES(X)                                                                              \
	X(PASS, 0, "pass", "everything expected happened", "clean")                                \
	X(FAIL, 1, "fail", "steady state or recovery not met, or cut by its own limit", "clean")   \
	X(USAGE, 2, "usage", "wrong flag, a file that cannot be opened, output lost", "clean")     \
	X(INVALID, 3, "invalid", "the file does not parse or breaks the schema", "untouched")      \
	X(REFUSED, 4, "refused", "policy, lock, limit or a refused confirmation", "untouched")     \
	X(UNFIT, 5, "unfit", "steady state not met before the first fault", "clean")               \
	X(ABORTED, 6, "aborted", "a person, a signal or a lost part of brink stopped it", "clean") \
	X(UNKNOWN, 7, "unknown", "could not judge: too few samples", "clean")                      \
	X(UNABLE, 8, "unable", "missing capability, module or tool", "clean")                      \
	X(INTERNAL, 9, "internal", "a bug in brink; a revert was still done", "clean")             \
	X(NOT_CLEAN, 20, "not clean", "at least one undo is not confirmed", "maybe broken")        \
	X(SKIPPED, 77, "skipped", "--if-unable=skip and unable", "clean")

#define EXIT_ENUM(symbol, code, name, meaning, machine) EXIT_##symbol = (code),
enum exit_code { EXIT_CODES(EXIT_ENUM) };
#undef EXIT_ENUM

struct exit_info {
	int code;
	const char *name, *meaning, *machine;
};

/* All codes in rising order; *ret_n is their number. */
const struct exit_info *exit_list(size_t *ret_n);
/* The row of code, or NULL. */
const struct exit_info *exit_find(int code);
/* "pass", "not clean", ...; "unknown code" where there is no such row. */
const char *exit_name(int code);

#endif
