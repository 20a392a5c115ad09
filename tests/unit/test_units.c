/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/test.h"

static void durations_are_read_in_every_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{ "500ms", 500 * NS_PER_MS },
		{ "10s", 10 * NS_PER_S },
		{ "2m", 120 * NS_PER_S },
		{ "1h30m", 5400 * NS_PER_S },
		{ "1.5s", 1500 * NS_PER_MS },
		{ "250us", 250 * NS_PER_US },
		{ "7ns", 7 },
		{ "0s", 0 },
		{ "366d", 366 * 86400 * NS_PER_S },
		{ "0.000000001s", 1 },
		{ "1m1ms", 60 * NS_PER_S + NS_PER_MS },
	};
	struct err e;
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(units_duration(good[i].text, &ns, &e), 0);
		assert_int_equal(ns, good[i].ns);
	}
}

static void what_is_no_duration_is_refused_with_a_right_form(void **state)
{
	static const char *const bad[] = { "",
					   "10",
					   "ten seconds",
					   "10 s",
					   "s",
					   "-1s",
					   "1.s",
					   ".5s",
					   "1e3s",
					   "10sec",
					   "367d",
					   "1h30",
					   "99999999999999999999s",
					   "1s\n",
					   "+1s",
					   "1,5s",
					   "0x10s",
					   " 1s",
					   "1.0000000001s" };
	struct err e;
	char buf[400];
	int64_t ns = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(units_duration(bad[i], &ns, &e), -EINVAL);
		assert_non_null(strstr(err_format(&e, buf, sizeof(buf)), "500ms, 10s, 2m, 1h30m"));
	}
	assert_int_equal(ns, 42);
	units_duration("ten seconds", &ns, &e);
	assert_string_equal(
		err_format(&e, buf, sizeof(buf)),
		"'ten seconds' is not a duration: write a number with a unit: 500ms, 10s, 2m, 1h30m");
}

static void foreign_text_in_a_message_is_escaped_and_cut(void **state)
{
	char text[3000], buf[2000];
	struct err e;
	int64_t ns;

	(void)state;
	memset(text, '\x1b', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(units_duration(text, &ns, &e), -EINVAL);
	err_format(&e, buf, sizeof(buf));
	assert_null(strchr(buf, '\x1b'));
	assert_true(strlen(buf) < 400);
}

static void sizes_know_powers_of_two_and_of_ten(void **state)
{
	static const char *const bad[] = { "64",  "64M",  "1 GiB",       "-1B",
					   "1kb", "1e3B", "99999999TiB", "" };
	struct err e;
	uint64_t n;

	(void)state;
	assert_int_equal(units_size("64MiB", &n, &e), 0);
	assert_int_equal(n, 64u << 20);
	assert_int_equal(units_size("1.5GB", &n, &e), 0);
	assert_int_equal(n, 1500000000u);
	assert_int_equal(units_size("512KiB", &n, &e), 0);
	assert_int_equal(n, 512u << 10);
	assert_int_equal(units_size("100B", &n, &e), 0);
	assert_int_equal(n, 100);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(units_size(bad[i], &n, &e), -EINVAL);
}

static void rates_are_bits_or_bytes_a_second_and_never_bare(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "8bit", 1 },          { "1kbit", 125 },          { "1.5mbit", 187500 },
		{ "10Mbit", 1250000 },  { "1gbit", 125000000 },    { "100gbit", 12500000000 },
		{ "2MB/s", 2000000 },   { "1MiB/s", 1u << 20 },    { "125B/s", 125 },
		{ "1Gbit", 125000000 }, { "1tbit", 125000000000 }, { "12bit", 2 },
	};
	static const char *const bad[] = { "10",     "10m", "mbit",     "10 mbit", "10mbit ",
					   "-1mbit", "1MB", "10mbit/s", "" };
	uint64_t n;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(units_rate(good[i].text, &n, &e), 0);
		assert_int_equal(n, good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(units_rate(bad[i], &n, &e), -EINVAL);
}

static void percentages_need_their_sign_and_end_at_100(void **state)
{
	static const char *const bad[] = { "30", "101%", "100.0001%", "-1%",
					   "%",  "1%%",  "0.3",       "5 %" };
	struct err e;
	uint32_t ppm;

	(void)state;
	assert_int_equal(units_percent("30%", &ppm, &e), 0);
	assert_int_equal(ppm, 300000);
	assert_int_equal(units_percent("0.5%", &ppm, &e), 0);
	assert_int_equal(ppm, 5000);
	assert_int_equal(units_percent("100%", &ppm, &e), 0);
	assert_int_equal(ppm, 1000000);
	assert_int_equal(units_percent("0.0001%", &ppm, &e), 0);
	assert_int_equal(ppm, 1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(units_percent(bad[i], &ppm, &e), -EINVAL);
}

static void whole_numbers_take_no_unit_and_do_not_overflow(void **state)
{
	static const char *const bad[] = { "",     "-",  "1s", "1.0",
					   "0x10", "+1", " 1", "9999999999999999999" };
	struct err e;
	int64_t n;

	(void)state;
	assert_int_equal(units_int("-7", &n, &e), 0);
	assert_int_equal(n, -7);
	assert_int_equal(units_int("999999999999999999", &n, &e), 0);
	assert_int_equal(n, 999999999999999999);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(units_int(bad[i], &n, &e), -EINVAL);
}

static void signals_have_names_and_numbers(void **state)
{
	static const char *const bad[] = { "", "SIG", "KILLED", "0", "65", "-9", "9x" };
	struct err e;
	int sig;

	(void)state;
	assert_int_equal(units_signal("KILL", &sig, &e), 0);
	assert_int_equal(sig, SIGKILL);
	assert_int_equal(units_signal("SIGTERM", &sig, &e), 0);
	assert_int_equal(sig, SIGTERM);
	assert_int_equal(units_signal("hup", &sig, &e), 0);
	assert_int_equal(sig, SIGHUP);
	assert_int_equal(units_signal("9", &sig, &e), 0);
	assert_int_equal(sig, SIGKILL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(units_signal(bad[i], &sig, &e), -EINVAL);
	for (sig = 1; sig < 32; sig++)
		assert_true(strncmp(units_signal_name(sig), "SIG", 3) == 0);
	assert_string_equal(units_signal_name(SIGKILL), "SIGKILL");
	assert_string_equal(units_signal_name(34), "signal 34");
	assert_string_equal(units_signal_name(64), "signal 64");
	assert_string_equal(units_signal_name(-1), "unknown signal");
}

static void comparisons_read_operator_number_and_unit(void **state)
{
	struct compare c;
	struct err e;

	(void)state;
	assert_int_equal(units_compare("< 500ms", &c, &e), 0);
	assert_true(c.given && !c.failing && c.op == COMPARE_LT && c.unit == UNIT_TIME);
	assert_true(fabs(c.value - 0.5) < 1e-12);
	assert_int_equal(units_compare("<=1%", &c, &e), 0);
	assert_true(c.op == COMPARE_LE && c.unit == UNIT_PERCENT && fabs(c.value - 1) < 1e-12);
	assert_int_equal(units_compare("== -3.5", &c, &e), 0);
	assert_true(c.op == COMPARE_EQ && c.unit == UNIT_NONE && fabs(c.value + 3.5) < 1e-12);
	assert_int_equal(units_compare("> 2MiB", &c, &e), 0);
	assert_true(c.op == COMPARE_GT && c.unit == UNIT_BYTES && fabs(c.value - 2097152) < 1e-6);
	assert_int_equal(units_compare("!= 0", &c, &e), 0);
	assert_true(c.op == COMPARE_NE);
	assert_int_equal(units_compare("failing", &c, &e), 0);
	assert_true(c.given && c.failing);
}

static void what_is_no_comparison_is_refused(void **state)
{
	static const char *const bad[] = { "",       "500ms", "=< 3",    "= 3",     "<",    "< x",
					   "< 5 ms", "<> 3",  "< 1h30m", "Failing", "< 3 ", "~ 3" };
	struct compare c;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(units_compare(bad[i], &c, &e), -EINVAL);
}

static bool holds(const char *text, double value)
{
	struct compare c;
	struct err e;

	assert_int_equal(units_compare(text, &c, &e), 0);
	return compare_holds(&c, value);
}

static void comparisons_hold_as_they_are_written(void **state)
{
	static const char *const all[] = { "< 5", "<= 5", "> 5", ">= 5", "== 5", "!= 5" };

	(void)state;
	assert_true(holds("< 5", 4.9) && !holds("< 5", 5));
	assert_true(holds("<= 5", 5) && !holds("<= 5", 5.1));
	assert_true(holds("> 5", 5.1) && !holds("> 5", 5));
	assert_true(holds(">= 5", 5) && !holds(">= 5", 4.9));
	assert_true(holds("== 5", 5) && !holds("== 5", 5.5));
	assert_true(holds("!= 5", 4) && !holds("!= 5", 5));
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_false(holds(all[i], NAN));
}

static const char *duration(int64_t ns)
{
	static char buf[64];
	struct text t = text_on(buf, sizeof(buf));

	units_add_duration(&t, ns);
	return buf;
}

static const char *size(uint64_t n)
{
	static char buf[64];
	struct text t = text_on(buf, sizeof(buf));

	units_add_size(&t, n);
	return buf;
}

static const char *percent(uint32_t ppm)
{
	static char buf[64];
	struct text t = text_on(buf, sizeof(buf));

	units_add_percent(&t, ppm);
	return buf;
}

static const char *rate(uint64_t bytes)
{
	static char buf[40];
	struct text t = text_on(buf, sizeof(buf));

	units_add_rate(&t, bytes);
	return buf;
}

static void values_are_written_as_a_person_would(void **state)
{
	(void)state;
	assert_string_equal(duration(200 * NS_PER_MS), "200ms");
	assert_string_equal(duration(5400 * NS_PER_S), "1h30m");
	assert_string_equal(duration(1500 * NS_PER_MS), "1.5s");
	assert_string_equal(duration(0), "0s");
	assert_string_equal(duration(90 * NS_PER_S), "1m30s");
	assert_string_equal(duration(60 * NS_PER_S + 5 * NS_PER_MS), "1m5ms");
	assert_string_equal(duration(1), "1ns");
	assert_string_equal(duration(-NS_PER_S), "-1s");
	assert_string_equal(size(0), "0B");
	assert_string_equal(size(1536ull << 20), "1.5GiB");
	assert_string_equal(size(512 << 10), "512KiB");
	assert_string_equal(size(1023), "1023B");
	assert_string_equal(rate(1), "8bit");
	assert_string_equal(rate(125), "1kbit");
	assert_string_equal(rate(187500), "1.5mbit");
	assert_string_equal(rate(1250000), "10mbit");
	assert_string_equal(rate(12500000000), "100gbit");
	assert_string_equal(rate(125000000000000), "1000tbit");
	assert_string_equal(percent(300000), "30%");
	assert_string_equal(percent(5000), "0.5%");
	assert_string_equal(percent(1), "0.0001%");
}

static void written_durations_are_read_back_the_same(void **state)
{
	uint64_t random = 1;
	struct err e;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		int64_t ns, back;

		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		ns = (int64_t)(random >> (10 + i % 50));
		assert_int_equal(units_duration(duration(ns), &back, &e), 0);
		assert_int_equal(back, ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_read_in_every_unit),
		cmocka_unit_test(what_is_no_duration_is_refused_with_a_right_form),
		cmocka_unit_test(foreign_text_in_a_message_is_escaped_and_cut),
		cmocka_unit_test(sizes_know_powers_of_two_and_of_ten),
		cmocka_unit_test(rates_are_bits_or_bytes_a_second_and_never_bare),
		cmocka_unit_test(percentages_need_their_sign_and_end_at_100),
		cmocka_unit_test(whole_numbers_take_no_unit_and_do_not_overflow),
		cmocka_unit_test(signals_have_names_and_numbers),
		cmocka_unit_test(comparisons_read_operator_number_and_unit),
		cmocka_unit_test(what_is_no_comparison_is_refused),
		cmocka_unit_test(comparisons_hold_as_they_are_written),
		cmocka_unit_test(values_are_written_as_a_person_would),
		cmocka_unit_test(written_durations_are_read_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
