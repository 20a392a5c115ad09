/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROBE_JUDGE_H
#define BRINK_PROBE_JUDGE_H

#include "base/text.h"
#include "safety/probe/proto.h"

/* From what a probe saw to a sample. Pure. Text from outside goes through text_add_foreign, always.
 */

/* Sets the verdict; the sentence is then written to the text and ended with say_end. */
struct text say_begin(struct probe_sample *s, enum probe_verdict v);
/* Marks a cut with "..." and leaves no half character. */
void say_end(struct text *t);
/* Both, for a sentence without foreign text. */
void say(struct probe_sample *s, enum probe_verdict v, const char *fmt, ...) PRINTF_FMT(3, 4);

/* "timeout after 1s" */
void judge_timeout(const struct probe_spec *spec, struct probe_sample *s);
/* http and tcp: value = took; an OK becomes a FAIL when `is` does not hold: "took 620 ms, limit <
 * 500ms". */
void judge_latency(const struct probe_spec *spec, struct probe_sample *s);
/* Sets the verdict by the status alone; true when it is one of those expected. */
bool judge_status(const struct probe_http *h, unsigned status, struct probe_sample *s);
/* The first n bytes that a tcp service sent. Returns false while more bytes could still decide it.
 */
bool judge_banner(const struct probe_tcp *t, const char *got, size_t n, struct probe_sample *s);

/* How a command ended and what it printed. */
struct command_result {
	int32_t exec_error; /* errno of exec, 0 = it ran */
	int32_t code, signal;
	const char *out, *err; /* not terminated; err: its last bytes */
	size_t out_len, err_len;
};

void judge_command(const struct probe_spec *spec, const struct command_result *r,
		   struct probe_sample *s);
/*
 * The number that is the first word of what a command printed. A unit behind it ("320ms", "5MiB")
 * counts when `is` has one of its kind; without one the number is in seconds, bytes or plain.
 * Returns false when that word is none.
 */
bool judge_number(const char *out, size_t n, const struct compare *is, double *ret);

/* Finds a text in a stream of pieces, without keeping them (Knuth, Morris, Pratt). */
struct match {
	const char *want;
	size_t len, at;
	uint16_t back[512];
	bool found;
};

/* want stays the caller's and is shorter than 512 bytes; an empty one is found at once. */
void match_init(struct match *m, const char *want);
void match_restart(struct match *m);
void match_feed(struct match *m, const char *piece, size_t n);

#endif
