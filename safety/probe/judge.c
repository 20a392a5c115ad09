/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/probe/judge.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct text say_begin(struct probe_sample *s, enum probe_verdict v)
{
	s->verdict = v;
	return text_on(s->text, sizeof(s->text));
}

void say_end(struct text *t)
{
	static const char dots[] = "...";
	size_t at = t->size - sizeof(dots);

	if (!t->cut)
		return;
	while (at && ((unsigned char)t->buf[at] & 0xc0) == 0x80)
		at--;
	memcpy(t->buf + at, dots, sizeof(dots));
	t->len = at + sizeof(dots) - 1;
}

void say(struct probe_sample *s, enum probe_verdict v, const char *fmt, ...)
{
	char line[PROBE_TEXT * 2];
	struct text t = say_begin(s, v);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text_add(&t, "%s", line);
	say_end(&t);
}

void judge_timeout(const struct probe_spec *spec, struct probe_sample *s)
{
	struct text t = say_begin(s, PROBE_FAIL);

	text_add(&t, "timeout after ");
	units_add_duration(&t, spec->timeout_ns);
	say_end(&t);
}

/* A limit may be any number; above these it is shown as one. */
#define SECONDS_SHOWN 1e9
#define BYTES_SHOWN   1e18

/* "< 500ms" */
static void add_compare(struct text *t, const struct compare *c)
{
	static const char *const ops[] = {
		[COMPARE_LT] = "<",  [COMPARE_LE] = "<=", [COMPARE_GT] = ">",
		[COMPARE_GE] = ">=", [COMPARE_EQ] = "==", [COMPARE_NE] = "!=",
	};

	text_add(t, "%s ", ops[c->op]);
	if (c->unit == UNIT_TIME && c->value >= 0 && c->value < SECONDS_SHOWN)
		units_add_duration(t, llround(c->value * (double)NS_PER_S));
	else if (c->unit == UNIT_BYTES && c->value >= 0 && c->value < BYTES_SHOWN)
		units_add_size(t, (uint64_t)c->value);
	else
		text_add(t, "%.12g%s", c->value, c->unit == UNIT_PERCENT ? "%" : "");
}

/* "4.1 ms", "620 ms": enough digits to compare with a limit, no more than one reads. */
static void add_took(struct text *t, int64_t ns)
{
	double ms = (double)ns / (double)NS_PER_MS;

	text_add(t, ms < 10 ? "%.1f ms" : "%.0f ms", ms);
}

void judge_latency(const struct probe_spec *spec, struct probe_sample *s)
{
	struct text t;

	if (s->verdict != PROBE_OK)
		return;
	s->value = (double)s->took_ns / (double)NS_PER_S;
	s->has_value = 1;
	if (!spec->is.given || compare_holds(&spec->is, s->value))
		return;
	t = say_begin(s, PROBE_FAIL);
	text_add(&t, "took ");
	add_took(&t, s->took_ns);
	text_add(&t, ", limit ");
	add_compare(&t, &spec->is);
	say_end(&t);
}

/* "200", "2xx", "200-204" */
static void add_range(struct text *t, const struct status_range *r)
{
	if (r->lo == r->hi)
		text_add(t, "%u", r->lo);
	else if (r->lo % 100 == 0 && r->hi == r->lo + 99)
		text_add(t, "%uxx", r->lo / 100u);
	else
		text_add(t, "%u-%u", r->lo, r->hi);
}

bool judge_status(const struct probe_http *h, unsigned status, struct probe_sample *s)
{
	uint32_t n =
		h->n_ranges < ARRAY_LEN(h->range) ? h->n_ranges : (uint32_t)ARRAY_LEN(h->range);
	struct text t;

	for (uint32_t i = 0; i < n; i++) {
		if (status >= h->range[i].lo && status <= h->range[i].hi) {
			say(s, PROBE_OK, "status %u", status);
			return true;
		}
	}
	t = say_begin(s, PROBE_FAIL);
	text_add(&t, "status %u, expected ", status);
	for (uint32_t i = 0; i < n; i++) {
		text_add(&t, "%s", i ? ", " : "");
		add_range(&t, &h->range[i]);
	}
	say_end(&t);
	return false;
}

bool judge_banner(const struct probe_tcp *p, const char *got, size_t n, struct probe_sample *s)
{
	size_t len = strlen(p->banner), have = n < len ? n : len;
	struct text t;

	if (memcmp(p->banner, got, have) == 0) {
		if (have < len)
			return false;
		say(s, PROBE_OK, "connected, banner as expected");
		return true;
	}
	t = say_begin(s, PROBE_FAIL);
	text_add(&t, "banner is '");
	text_add_foreign(&t, got, n < 48 ? n : 48);
	text_add(&t, "', expected '");
	text_add_foreign(&t, p->banner, len);
	text_add(&t, "'");
	say_end(&t);
	return true;
}

/* The last line that is not empty, without its newline. */
static const char *last_line(const char *s, size_t n, size_t *ret_len)
{
	size_t from;

	while (n && (s[n - 1] == '\n' || s[n - 1] == '\r' || s[n - 1] == ' '))
		n--;
	for (from = n; from && s[from - 1] != '\n';)
		from--;
	*ret_len = n - from;
	return s + from;
}

static void add_last_line(struct text *t, const struct command_result *r)
{
	size_t len = 0;
	const char *line = r->err_len ? last_line(r->err, r->err_len, &len) : NULL;

	if (!len)
		return;
	text_add(t, ": ");
	text_add_foreign(t, line, len);
}

static void cannot_run(const struct probe_spec *spec, const struct command_result *r,
		       struct probe_sample *s)
{
	struct text t = say_begin(s, PROBE_NO_DATA);

	text_add(&t, "cannot run '");
	text_add_foreign(&t, spec->command.argv, strlen(spec->command.argv));
	if (r->exec_error) {
		text_add(&t, "': %s", strerror(r->exec_error));
	} else {
		text_add(&t, "': exit code %d", r->code);
		add_last_line(&t, r);
	}
	say_end(&t);
}

static void judge_printed(const struct probe_spec *spec, const struct command_result *r,
			  struct probe_sample *s)
{
	struct text t;

	s->has_value = judge_number(r->out, r->out_len, &spec->is, &s->value);
	if (!spec->is.given) {
		say(s, PROBE_OK, "exit code %d", r->code);
		return;
	}
	if (!s->has_value) {
		say(s, PROBE_NO_DATA, "printed no number");
		return;
	}
	t = say_begin(s, compare_holds(&spec->is, s->value) ? PROBE_OK : PROBE_FAIL);
	text_add(&t, "printed %.12g", s->value);
	if (s->verdict == PROBE_FAIL) {
		text_add(&t, ", limit ");
		add_compare(&t, &spec->is);
	}
	say_end(&t);
}

void judge_command(const struct probe_spec *spec, const struct command_result *r,
		   struct probe_sample *s)
{
	bool expected = !r->signal && r->code == spec->command.exit_code;
	struct text t;

	s->status = r->code;
	if (r->exec_error || (!r->signal && !expected && (r->code == 126 || r->code == 127))) {
		cannot_run(spec, r, s);
		return;
	}
	if (expected) {
		judge_printed(spec, r, s);
		return;
	}
	t = say_begin(s, PROBE_FAIL);
	if (r->signal)
		text_add(&t, "killed by %s", units_signal_name(r->signal));
	else
		text_add(&t, "exit code %d, expected %lld", r->code,
			 (long long)spec->command.exit_code);
	add_last_line(&t, r);
	say_end(&t);
}

static size_t digits(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && isdigit((unsigned char)s[i]))
		i++;
	return i;
}

/* Length of the decimal number at s, 0 if there is none: no hex, no inf, no nan, as strtod would
 * take. */
static size_t number_len(const char *s, size_t n)
{
	size_t at = n && (*s == '-' || *s == '+'), whole = digits(s + at, n - at), part = 0, exp;

	at += whole;
	if (at + 1 < n && s[at] == '.') {
		part = digits(s + at + 1, n - at - 1);
		at += part ? part + 1 : 0;
	}
	if (!whole && !part)
		return 0;
	if (at < n && (s[at] == 'e' || s[at] == 'E')) {
		exp = at + 1;
		exp += exp < n && (s[exp] == '-' || s[exp] == '+');
		if (digits(s + exp, n - exp))
			at = exp + digits(s + exp, n - exp);
	}
	return at;
}

/* "320ms": a number and a unit that there is, as one word. */
static bool with_unit(const char *s, size_t n, struct compare *ret)
{
	struct err e = { 0 };
	char word[80];

	if (n > sizeof(word) - 4)
		return false;
	snprintf(word, sizeof(word), "== %.*s", (int)n, s);
	return units_compare(word, ret, &e) == 0 && !ret->failing;
}

/* Where the word at s ends. */
static size_t word_len(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && !isspace((unsigned char)s[i]))
		i++;
	return i;
}

bool judge_number(const char *out, size_t n, const struct compare *is, double *ret)
{
	struct compare c = { 0 };
	size_t len, all;
	char word[64];

	for (; n && isspace((unsigned char)*out); n--)
		out++;
	all = word_len(out, n);
	len = number_len(out, all);
	if (!len || len >= sizeof(word))
		return false;
	if (len < all && !with_unit(out, all, &c))
		return false; /* "0x10", "1.2.3" and "5xx" are names */
	memcpy(word, out, len);
	word[len] = '\0';
	*ret = strtod(word, NULL);
	if (len < all && is->given && c.unit == is->unit)
		*ret = c.value;
	return isfinite(*ret);
}

void match_init(struct match *m, const char *want)
{
	*m = (struct match){ .want = want, .len = strlen(want) };
	for (size_t i = 1, k = 0; i < m->len && i < ARRAY_LEN(m->back); i++) {
		while (k && want[i] != want[k])
			k = m->back[k - 1];
		k += want[i] == want[k];
		m->back[i] = (uint16_t)k;
	}
	match_restart(m);
}

void match_restart(struct match *m)
{
	m->at = 0;
	m->found = m->len == 0;
}

void match_feed(struct match *m, const char *piece, size_t n)
{
	for (size_t i = 0; i < n && !m->found; i++) {
		while (m->at && piece[i] != m->want[m->at])
			m->at = m->back[m->at - 1];
		m->at += piece[i] == m->want[m->at];
		m->found = m->at == m->len;
	}
}
