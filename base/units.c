/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

#define DURATION_MAX (INT64_C(366) * 24 * 3600 * NS_PER_S)
#define DIGITS_MAX   18 /* fit in 63 bits */

struct unit {
	const char *name;
	uint64_t factor;
};

/* Foreign text in an error line: escaped, and cut where a line would be flooded. */
static const char *shown(const char *s, char *buf, size_t size)
{
	struct text t = text_on(buf, size);
	size_t n = strlen(s);
	bool cut = n > 40;

	text_add_foreign(&t, s, cut ? 40 : n);
	if (cut)
		text_add(&t, "...");
	return buf;
}

/* "root" is the right form, the outermost line is what is wrong: the order in which err prints
 * them. */
static int wrong(struct err *e, const char *text, const char *what, const char *right)
{
	char buf[200];

	err_set(e, EINVAL, "%s", right);
	return err_ctx(e, "'%.80s' is not %s", shown(text, buf, sizeof(buf)), what);
}

/* A decimal number: whole part and a fraction in units of 10^-9. -1: none at *s, or too many
 * digits. */
static int number(const char **s, uint64_t *ret_whole, uint64_t *ret_nano)
{
	const char *p = *s;
	uint64_t whole = 0, nano = 0;
	unsigned digits = 0, places = 0;

	for (; *p >= '0' && *p <= '9'; p++, digits++) {
		if (digits == DIGITS_MAX)
			return -1;
		whole = whole * 10 + (uint64_t)(*p - '0');
	}
	if (!digits)
		return -1;
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9'; p++, places++) {
			if (places == 9)
				return -1;
			nano = nano * 10 + (uint64_t)(*p - '0');
		}
		if (!places)
			return -1;
		for (; places < 9; places++)
			nano *= 10;
	}
	*s = p;
	*ret_whole = whole;
	*ret_nano = nano;
	return 0;
}

/* whole.nano * factor, rounded to the nearest; -1 when it does not fit 63 bits. */
static int scale(uint64_t whole, uint64_t nano, uint64_t factor, uint64_t *ret)
{
	unsigned __int128 v = (unsigned __int128)whole * factor +
			      ((unsigned __int128)nano * factor + 500000000u) / 1000000000u;

	if (v > INT64_MAX)
		return -1;
	*ret = (uint64_t)v;
	return 0;
}

/* The unit at s, the longest name first; NULL if none. */
static const struct unit *unit_at(const char *s, const struct unit *units)
{
	const struct unit *best = NULL;

	for (const struct unit *u = units; u->name; u++) {
		if (strncmp(s, u->name, strlen(u->name)) == 0 &&
		    (!best || strlen(u->name) > strlen(best->name)))
			best = u;
	}
	return best;
}

static const struct unit duration_units[] = {
	{ "ns", 1 },
	{ "us", (uint64_t)NS_PER_US },
	{ "ms", (uint64_t)NS_PER_MS },
	{ "s", (uint64_t)NS_PER_S },
	{ "m", UINT64_C(60) * NS_PER_S },
	{ "h", UINT64_C(3600) * NS_PER_S },
	{ "d", UINT64_C(86400) * NS_PER_S },
	{ NULL, 0 },
};

static int duration_parts(const char *s, uint64_t *ret)
{
	uint64_t sum = 0;

	if (!*s)
		return -1;
	while (*s) {
		uint64_t whole, nano, part;
		const struct unit *u;

		if (number(&s, &whole, &nano) < 0)
			return -1;
		u = unit_at(s, duration_units);
		if (!u || scale(whole, nano, u->factor, &part) < 0 || part > (uint64_t)DURATION_MAX)
			return -1;
		s += strlen(u->name);
		sum += part;
		if (sum > (uint64_t)DURATION_MAX)
			return -1;
	}
	*ret = sum;
	return 0;
}

int units_duration(const char *text, int64_t *ret_ns, struct err *e)
{
	uint64_t ns;

	if (duration_parts(text, &ns) < 0)
		return wrong(e, text, "a duration",
			     "write a number with a unit: 500ms, 10s, 2m, 1h30m");
	*ret_ns = (int64_t)ns;
	return 0;
}

static const struct unit size_units[] = {
	{ "B", 1 },
	{ "KiB", 1ull << 10 },
	{ "MiB", 1ull << 20 },
	{ "GiB", 1ull << 30 },
	{ "TiB", 1ull << 40 },
	{ "kB", 1000 },
	{ "KB", 1000 },
	{ "MB", 1000000 },
	{ "GB", 1000000000 },
	{ "TB", 1000000000000 },
	{ NULL, 0 },
};

int units_size(const char *text, uint64_t *ret_bytes, struct err *e)
{
	const char *s = text;
	uint64_t whole, nano, bytes;
	const struct unit *u = NULL;

	if (number(&s, &whole, &nano) == 0)
		u = unit_at(s, size_units);
	if (!u || s[strlen(u->name)] || scale(whole, nano, u->factor, &bytes) < 0)
		return wrong(e, text, "a size", "write a number with a unit: 512KiB, 64MiB, 1GiB");
	*ret_bytes = bytes;
	return 0;
}

/* In bits a second. */
static const struct unit rate_units[] = {
	{ "bit", 1 },
	{ "kbit", 1000 },
	{ "mbit", 1000000 },
	{ "gbit", 1000000000 },
	{ "tbit", 1000000000000 },
	{ "Mbit", 1000000 },
	{ "Gbit", 1000000000 },
	{ "Tbit", 1000000000000 },
	{ "B/s", 8 },
	{ "KiB/s", 8ull << 10 },
	{ "MiB/s", 8ull << 20 },
	{ "GiB/s", 8ull << 30 },
	{ "kB/s", 8000 },
	{ "KB/s", 8000 },
	{ "MB/s", 8000000 },
	{ "GB/s", 8000000000 },
	{ NULL, 0 },
};

int units_rate(const char *text, uint64_t *ret_bytes, struct err *e)
{
	const char *s = text;
	uint64_t whole, nano, bits;
	const struct unit *u = NULL;

	if (number(&s, &whole, &nano) == 0)
		u = unit_at(s, rate_units);
	if (!u || s[strlen(u->name)] || scale(whole, nano, u->factor, &bits) < 0)
		return wrong(e, text, "a rate",
			     "write a number with a unit: 100kbit, 10mbit, 1gbit, 2MB/s");
	*ret_bytes = bits / 8 + (bits % 8 >= 4);
	return 0;
}

int units_percent(const char *text, uint32_t *ret_ppm, struct err *e)
{
	const char *s = text;
	uint64_t whole, nano, ppm;

	if (number(&s, &whole, &nano) < 0 || strcmp(s, "%") != 0 ||
	    scale(whole, nano, 10000, &ppm) < 0 || ppm > 1000000)
		return wrong(e, text, "a percentage", "write 0% to 100%: 30%, 0.5%");
	*ret_ppm = (uint32_t)ppm;
	return 0;
}

int units_int(const char *text, int64_t *ret, struct err *e)
{
	bool minus = text[0] == '-';
	const char *s = text + minus;
	int64_t n = 0;
	unsigned digits = 0;

	for (; *s >= '0' && *s <= '9' && digits < DIGITS_MAX; s++, digits++)
		n = n * 10 + (*s - '0');
	if (!digits || *s)
		return wrong(e, text, "a whole number",
			     "write digits only, without a unit: 3, 250");
	*ret = minus ? -n : n;
	return 0;
}

int units_signal(const char *text, int *ret, struct err *e)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	struct err unused;
	int64_t n = 0;

	if (units_int(text, &n, &unused) == 0 && n >= 1 && n <= SIGRTMAX) {
		*ret = (int)n;
		return 0;
	}
	for (int sig = 1; sig < NSIG; sig++) {
		const char *abbrev = sigabbrev_np(sig);

		if (abbrev && strcasecmp(abbrev, name) == 0) {
			*ret = sig;
			return 0;
		}
	}
	return wrong(e, text, "a signal", "write a name or a number: KILL, TERM, HUP, 9");
}

static const struct {
	const char *text;
	enum compare_op op;
} compare_ops[] = {
	/* two characters first */
	{ "<=", COMPARE_LE }, { ">=", COMPARE_GE }, { "==", COMPARE_EQ },
	{ "!=", COMPARE_NE }, { "<", COMPARE_LT },  { ">", COMPARE_GT },
};

static const char *compare_op_at(const char *s, enum compare_op *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(compare_ops); i++) {
		size_t n = strlen(compare_ops[i].text);

		if (strncmp(s, compare_ops[i].text, n) == 0) {
			*ret = compare_ops[i].op;
			return s + n;
		}
	}
	return NULL;
}

/* The unit behind the number, and the factor to seconds or bytes. */
static int compare_unit_at(const char *s, struct compare *c)
{
	const struct unit *u;

	if (!*s || strcmp(s, "%") == 0) {
		c->unit = *s ? UNIT_PERCENT : UNIT_NONE;
		return 0;
	}
	u = unit_at(s, duration_units);
	if (u && !s[strlen(u->name)]) {
		c->unit = UNIT_TIME;
		c->value = c->value * (double)u->factor / (double)NS_PER_S;
		return 0;
	}
	u = unit_at(s, size_units);
	if (!u || s[strlen(u->name)])
		return -1;
	c->unit = UNIT_BYTES;
	c->value *= (double)u->factor;
	return 0;
}

static int compare_parts(const char *s, struct compare *c)
{
	uint64_t whole, nano;
	bool minus;

	s = compare_op_at(s, &c->op);
	if (!s)
		return -1;
	s += strspn(s, " ");
	minus = *s == '-';
	s += minus;
	if (number(&s, &whole, &nano) < 0)
		return -1;
	c->value = (double)whole + (double)nano / 1e9;
	if (minus)
		c->value = -c->value;
	return compare_unit_at(s, c);
}

int units_compare(const char *text, struct compare *ret, struct err *e)
{
	struct compare c = { .given = true };

	if (strcmp(text, "failing") == 0)
		c.failing = true;
	else if (compare_parts(text, &c) < 0)
		return wrong(
			e, text, "a comparison",
			"write < <= > >= == or != and a number: \"< 500ms\", \"<= 1%\", \"== 0\"; or failing");
	*ret = c;
	return 0;
}

bool compare_holds(const struct compare *c, double value)
{
	if (isnan(value))
		return false;
	switch (c->op) {
	case COMPARE_LT:
		return value < c->value;
	case COMPARE_LE:
		return value <= c->value;
	case COMPARE_GT:
		return value > c->value;
	case COMPARE_GE:
		return value >= c->value;
	/* what both sides read from decimal text is the same double, or it is not the same number
	 */
	case COMPARE_EQ:
		return !(value < c->value) && !(value > c->value);
	case COMPARE_NE:
		return value < c->value || value > c->value;
	}
	return false;
}

/* n / unit with at most `places` decimals, no zeros at the end: 1500, 1000 -> "1.5". */
static void add_decimal(struct text *t, uint64_t n, uint64_t unit, unsigned places)
{
	uint64_t rest = n % unit;
	char digits[20];
	unsigned len = 0;

	text_add(t, "%llu", (unsigned long long)(n / unit));
	while (rest && len < places) {
		rest *= 10;
		digits[len++] = (char)('0' + rest / unit);
		rest %= unit;
	}
	while (len && digits[len - 1] == '0')
		len--;
	if (len)
		text_add(t, ".%.*s", (int)len, digits);
}

void units_add_duration(struct text *t, int64_t ns)
{
	static const struct unit small[] = { { "s", (uint64_t)NS_PER_S },
					     { "ms", (uint64_t)NS_PER_MS },
					     { "us", (uint64_t)NS_PER_US },
					     { "ns", 1 } };
	static const struct unit large[] = { { "d", 86400 }, { "h", 3600 }, { "m", 60 } };
	uint64_t left = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	bool any = false;
	size_t i = 0;

	if (ns < 0)
		text_add(t, "-");
	for (size_t k = 0; k < ARRAY_LEN(large); k++) {
		uint64_t unit = large[k].factor * (uint64_t)NS_PER_S;

		if (left >= unit) {
			text_add(t, "%llu%s", (unsigned long long)(left / unit), large[k].name);
			left %= unit;
			any = true;
		}
	}
	if (any && !left)
		return;
	while (i + 1 < ARRAY_LEN(small) && left < small[i].factor && left)
		i++;
	add_decimal(t, left, small[i].factor, 9);
	text_add(t, "%s", small[i].name);
}

void units_add_size(struct text *t, uint64_t bytes)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(names) && bytes >> (10 * (i + 1)))
		i++;
	add_decimal(t, bytes, 1ull << (10 * i), 2);
	text_add(t, "%s", names[i]);
}

void units_add_rate(struct text *t, uint64_t bytes)
{
	const struct unit *u = rate_units;

	while (strcmp(u->name, "tbit") != 0 && bytes >= u[1].factor / 8)
		u++;
	if (u == rate_units)
		add_decimal(t, bytes * 8, 1, 0);
	else
		add_decimal(t, bytes, u->factor / 8, 3);
	text_add(t, "%s", u->name);
}

void units_add_percent(struct text *t, uint32_t ppm)
{
	add_decimal(t, ppm, 10000, 4);
	text_add(t, "%%");
}

const char *units_signal_name(int sig)
{
	/* sigabbrev_np has no prefix, and static storage rules out building one */
	static const char *const names[] = {
		[SIGHUP] = "SIGHUP",       [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT",
		[SIGILL] = "SIGILL",       [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT",
		[SIGBUS] = "SIGBUS",       [SIGFPE] = "SIGFPE",   [SIGKILL] = "SIGKILL",
		[SIGUSR1] = "SIGUSR1",     [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
		[SIGPIPE] = "SIGPIPE",     [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",
		[SIGSTKFLT] = "SIGSTKFLT", [SIGCHLD] = "SIGCHLD", [SIGCONT] = "SIGCONT",
		[SIGSTOP] = "SIGSTOP",     [SIGTSTP] = "SIGTSTP", [SIGTTIN] = "SIGTTIN",
		[SIGTTOU] = "SIGTTOU",     [SIGURG] = "SIGURG",   [SIGXCPU] = "SIGXCPU",
		[SIGXFSZ] = "SIGXFSZ",     [SIGPROF] = "SIGPROF", [SIGVTALRM] = "SIGVTALRM",
		[SIGWINCH] = "SIGWINCH",   [SIGIO] = "SIGIO",     [SIGPWR] = "SIGPWR",
		[SIGSYS] = "SIGSYS",
	};
	/* the others are told apart by number: 32 to 64 */
	static const char others[][12] = {
#define N(n) "signal " #n
		N(32), N(33), N(34), N(35), N(36), N(37), N(38), N(39), N(40), N(41), N(42),
		N(43), N(44), N(45), N(46), N(47), N(48), N(49), N(50), N(51), N(52), N(53),
		N(54), N(55), N(56), N(57), N(58), N(59), N(60), N(61), N(62), N(63), N(64),
#undef N
	};

	if (sig > 0 && sig < (int)ARRAY_LEN(names) && names[sig])
		return names[sig];
	if (sig >= 32 && sig <= 64)
		return others[sig - 32];
	return "unknown signal";
}
