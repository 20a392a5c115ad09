/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_BENCH_H
#define BRINK_TESTS_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/clock.h"

#define BENCH_SKIP 77 /* exit status: cannot be measured here; the reason goes to stderr */

/* Times in nanoseconds, one by one. */
struct series {
	int64_t *at;
	size_t n, room;
};

void series_add(struct series *s, int64_t ns);
void series_done(struct series *s);
/* Sorts. 0.5 = the median, 1 = the largest; 0 of an empty series. */
int64_t series_quantile(struct series *s, double q);

/*
 * One line of the table on stdout, fields separated by tabs; tests/bench/run puts them in order and
 * in columns. peer or ours may be NULL when their text is given instead. ratio 0 = none.
 */
struct row {
	unsigned order; /* of the lines */
	const char *what, *peer_name;
	struct series *peer, *ours;
	const char *ours_text;
	double ratio;
	const char *aim;
	bool met;
};

void row_print(const struct row *r);

/* Ends the program with a message. */
void bench_die(const char *fmt, ...) PRINTF_FMT(1, 2) __attribute__((noreturn));
/* How often: the value of that environment variable, or dflt. */
unsigned bench_count(const char *env, unsigned dflt);
/* $BUILD/name */
const char *bench_program(const char *name, char *buf, size_t size);
/* A command of a shell, for what is not measured. */
void bench_shell(const char *fmt, ...) PRINTF_FMT(1, 2);
/* A whole process, from posix_spawn(3) to its end, found by PATH, its output thrown away. Must exit
 * with 0. */
int64_t bench_spawn(const char *const *argv);
/*
 * An own network namespace with lo up, and an own mount namespace in which /run/brink and
 * /var/lib/brink are empty: nothing of the machine's network and records is touched. Without the
 * right to it: ends with BENCH_SKIP.
 */
void bench_world(void);

#endif
