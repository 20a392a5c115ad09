/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_UNITS_H
#define BRINK_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/* Each parser reads all of text or fails with EINVAL and a sentence that shows a right form. */

/* "500ms", "10s", "2m", "1h30m", "1.5s", "250us": 0 to 366 days, in ns. A bare number is refused.
 */
int units_duration(const char *text, int64_t *ret_ns, struct err *e);
/* "64MiB", "1GiB", "512KiB", "1.5GB", "100B": bytes. A bare number is refused. */
int units_size(const char *text, uint64_t *ret_bytes, struct err *e);
/*
 * "100kbit", "10mbit", "1.5gbit", "2MB/s": bytes a second, rounded to the nearest. The units of
 * tc(8) for bits; those of sizes with "/s" for bytes. A bare number is refused.
 */
int units_rate(const char *text, uint64_t *ret_bytes, struct err *e);
/* "30%", "0.5%": parts per million, 0 to 1,000,000. */
int units_percent(const char *text, uint32_t *ret_ppm, struct err *e);
/* A whole decimal number. */
int units_int(const char *text, int64_t *ret, struct err *e);
/* "KILL", "SIGKILL", "TERM", "9": a signal number. */
int units_signal(const char *text, int *ret, struct err *e);

enum compare_op { COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE, COMPARE_EQ, COMPARE_NE };
enum compare_unit { UNIT_NONE, UNIT_PERCENT, UNIT_TIME, UNIT_BYTES };

/* "< 500ms", "<= 1%", "== 0", or "failing" (a check's own state). */
struct compare {
	bool given, failing;
	enum compare_op op;
	enum compare_unit unit;
	double value; /* seconds, bytes, or the plain number */
};

int units_compare(const char *text, struct compare *ret, struct err *e);
/* Does value satisfy c? NaN satisfies nothing. */
bool compare_holds(const struct compare *c, double value);

/* The shortest form a person would write: "200ms", "1h30m", "1.5s". */
void units_add_duration(struct text *t, int64_t ns);
/* "1.5GiB", "512KiB", "100B". */
void units_add_size(struct text *t, uint64_t bytes);
/* "10mbit", "1.5gbit", of bytes a second. */
void units_add_rate(struct text *t, uint64_t bytes);
/* "30%", "0.5%". */
void units_add_percent(struct text *t, uint32_t ppm);
/* "SIGKILL"; "signal 77" where it has no name. Static storage. */
const char *units_signal_name(int sig);

#endif
