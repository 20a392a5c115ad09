/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer */
/* fuzz: -max_len=12288 -dict=tests/fuzz/probe.dict */
/*
 * What probes bring home. First byte: 0 to 3 = a service or a command answers (then a check, then
 * its answer); else what a prober or a launcher that was taken over could send to the runner, as
 * packets behind their lengths.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "safety/probe/judge.h"
#include "safety/probe/prober.h"
#include "tests/fuzz/fuzz.h"

#define BETWEEN 0x1e

static void must_be_good(const struct probe_sample *s)
{
	FUZZ_MUST(s->verdict <= PROBE_NO_DATA && s->has_value <= 1);
	FUZZ_MUST(memchr(s->text, '\0', sizeof(s->text)));
	fuzz_must_be_safe(s->text, strlen(s->text));
	FUZZ_MUST(!strchr(s->text, '\n'));
	FUZZ_MUST(!s->has_value || isfinite(s->value));
}

static void copy(char *to, size_t size, const struct feed *f)
{
	size_t n = f->left < size - 1 ? f->left : size - 1;

	memset(to, 0, size);
	if (n)
		memcpy(to, f->at, n);
}

/* A comparison as the language lets it through. */
static void compare(struct compare *c, const struct feed *text)
{
	char *s = feed_string(text);
	struct err e = { 0 };

	if (units_compare(s, c, &e) < 0 || c->failing)
		*c = (struct compare){ 0 };
	free(s);
}

static void command(struct feed *f)
{
	struct probe_spec *spec = calloc(1, sizeof(*spec));
	struct probe_sample s = { 0 };
	struct command_result r = { .code = feed_u8(f), .signal = feed_u8(f) & 0x7f };
	struct feed is = feed_until(f, BETWEEN), name = feed_until(f, BETWEEN);
	struct feed err = feed_until(f, BETWEEN);
	char *out = malloc(f->left ? f->left : 1), *said = malloc(err.left ? err.left : 1);

	FUZZ_MUST(spec && out && said);
	if (f->left)
		memcpy(out, f->at, f->left);
	if (err.left)
		memcpy(said, err.at, err.left);
	r.signal = r.signal > 64 ? 0 : r.signal;
	r.exec_error = r.code == 250 ? ENOENT : 0;
	r.out = out;
	r.out_len = f->left;
	r.err = said;
	r.err_len = err.left;
	spec->source = CHECK_COMMAND;
	spec->timeout_ns = feed_u32(f);
	copy(spec->command.argv, sizeof(spec->command.argv), &name);
	compare(&spec->is, &is);
	judge_command(spec, &r, &s);
	must_be_good(&s);
	FUZZ_MUST(s.verdict != PROBE_OK || (!r.signal && !r.exec_error && r.code == 0));
	judge_timeout(spec, &s);
	must_be_good(&s);
	free(spec);
	free(out);
	free(said);
}

static void http(struct feed *f)
{
	struct probe_spec *spec = calloc(1, sizeof(*spec));
	struct probe_sample s = { .took_ns = (int64_t)feed_u32(f) << 4 };
	unsigned status = feed_u16(f);
	struct feed is = feed_until(f, BETWEEN);
	bool good;

	FUZZ_MUST(spec);
	spec->http.n_ranges = feed_u8(f);
	feed_bytes(f, spec->http.range, sizeof(spec->http.range));
	compare(&spec->is, &is);
	good = judge_status(&spec->http, status, &s);
	must_be_good(&s);
	FUZZ_MUST(good == (s.verdict == PROBE_OK));
	judge_latency(spec, &s);
	must_be_good(&s);
	free(spec);
}

static void tcp(struct feed *f)
{
	struct probe_tcp *spec = calloc(1, sizeof(*spec));
	struct feed want = feed_until(f, BETWEEN);
	struct probe_sample s = { 0 };

	FUZZ_MUST(spec);
	copy(spec->banner, sizeof(spec->banner), &want);
	if (judge_banner(spec, (const char *)f->at, f->left, &s)) {
		must_be_good(&s);
		FUZZ_MUST((s.verdict == PROBE_OK) ==
			  (f->left >= strlen(spec->banner) &&
			   memcmp(spec->banner, f->at, strlen(spec->banner)) == 0));
	}
	free(spec);
}

/* A text in a stream, in pieces of any size: the same as in the whole. */
static void contains(struct feed *f)
{
	struct feed want = feed_until(f, BETWEEN);
	struct match *m = malloc(sizeof(*m));
	char text[512];
	size_t step = 1 + feed_u8(f);
	bool there;

	FUZZ_MUST(m);
	copy(text, sizeof(text), &want);
	match_init(m, text);
	for (size_t at = 0; at < f->left; at += step)
		match_feed(m, (const char *)f->at + at, f->left - at < step ? f->left - at : step);
	there = !text[0] || (f->left && memmem(f->at, f->left, text, strlen(text)));
	FUZZ_MUST(m->found == there);
	free(m);
}

static void must_end(const struct probe_msg *m)
{
	char words[ERR_DEPTH * ERR_LINE + 64];

	switch (m->type) {
	case PROBE_MSG_SAMPLE:
		FUZZ_MUST(memchr(m->sample.text, '\0', PROBE_TEXT));
		fuzz_must_be_safe(m->sample.text, strlen(m->sample.text));
		break;
	case PROBE_MSG_EXITED:
		FUZZ_MUST(memchr(m->exited.text, '\0', PROBE_TEXT));
		fuzz_must_be_safe(m->exited.text, strlen(m->exited.text));
		break;
	case PROBE_MSG_NAME:
		FUZZ_MUST(memchr(m->name.text, '\0', PROBE_TEXT));
		FUZZ_MUST(memchr(m->name.dev, '\0', IFNAMSIZ));
		fuzz_must_be_safe(m->name.text, strlen(m->name.text));
		fuzz_must_be_safe(m->name.dev, strlen(m->name.dev));
		break;
	case PROBE_MSG_ERROR:
		FUZZ_MUST(!m->err.pos.file && m->err.depth <= ERR_DEPTH);
		FUZZ_MUST(m->err.code > 0);
		err_format(&m->err, words, sizeof(words));
		fuzz_must_be_safe(words, strlen(words));
		break;
	default:
		FUZZ_MUST(m->type == PROBE_MSG_READY);
	}
}

static void packets(struct feed *f)
{
	struct probe_msg *m = malloc(sizeof(*m));
	struct prober p = PROBER_NONE;
	int fd[2];

	FUZZ_MUST(m && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == 0);
	p.fd = fd[0];
	for (unsigned i = 0; f->left && i < 64; i++) {
		struct feed one = feed_piece(f);
		uint32_t type = feed_u8(f);
		size_t n = probe_msg_size(type);
		struct err e = { 0 };
		int r;

		/* its type and size fit most of the time: others are turned away at once */
		memset(m, 0, sizeof(*m));
		memcpy(m, one.at, one.left < sizeof(*m) ? one.left : sizeof(*m));
		m->type = n ? type : m->type;
		n = n ? n : one.left;
		if (!n || n > sizeof(*m) || send(fd[1], m, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			continue;
		r = prober_take(&p, m, &e);
		FUZZ_MUST(r == 1 || (r < 0 && e.code == -r));
		if (r == 1)
			must_end(m);
	}
	close(fd[0]);
	close(fd[1]);
	free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = { data, size };

	switch (feed_u8(&f)) {
	case 0:
		command(&f);
		break;
	case 1:
		http(&f);
		break;
	case 2:
		tcp(&f);
		break;
	case 3:
		contains(&f);
		break;
	default:
		packets(&f);
	}
	return FUZZ_KEEP;
}
