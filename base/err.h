/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_ERR_H
#define BRINK_ERR_H

#include "base/auto.h"

#define ERR_DEPTH 6
#define ERR_LINE  160

/* A place in a file. Lines and columns are 1-based; file == NULL means "no place". */
struct src_pos {
	const char *file;
	unsigned line, col;
};

/*
 * Why something failed. Plain data: it is copied over sockets (with pos cleared).
 * msg[0] is the root cause, msg[depth - 1] the outermost context.
 */
struct err {
	int code; /* positive errno, 0 = none */
	struct src_pos pos;
	unsigned depth;
	char msg[ERR_DEPTH][ERR_LINE];
};

/* Each sets or extends *e and returns -code, so that a caller can "return err_set(...)". */

/* The root cause. code is a positive errno. Text: lower case, no full stop, subject in quotes. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_FMT(3, 4);
/* The same with code = errno, and ": strerror" appended. Must be the first call after the failure.
 */
int err_sys(struct err *e, const char *fmt, ...) PRINTF_FMT(2, 3);
/* As err_sys; where it failed for want of a right (EPERM, EACCES) "(needs ...)" says which one, and
 * what helps without it. */
int err_right(struct err *e, const char *needs, const char *fmt, ...) PRINTF_FMT(3, 4);
/* Adds the position; the first one given stays. */
int err_at(struct err *e, struct src_pos pos);
/* Adds one noun of context: "fault 'slow-db'". */
int err_ctx(struct err *e, const char *fmt, ...) PRINTF_FMT(2, 3);

#ifdef __clang_analyzer__ /* what it cannot see across files: an error is never 0 */
#define err_set(e, code, ...) ((err_set)(e, code, __VA_ARGS__), -(code))
#define err_sys(...)          ((err_sys)(__VA_ARGS__), -EIO)
#define err_right(...)        ((err_right)(__VA_ARGS__), -EIO)
#define err_ctx(...)          ((err_ctx)(__VA_ARGS__), -EIO)
#endif

/* "file:line:col: outermost: ...: root" into buf, always terminated. Returns buf. */
char *err_format(const struct err *e, char *buf, size_t size);

#endif
