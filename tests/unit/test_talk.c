/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=eventfd_write -Wl,--wrap=clock_mono_ns */
#include "runner/talk.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "tests/support/test.h"

#define WAIT_NS (20 * NS_PER_S)

static atomic_bool loses_wakes, hurries;
static atomic_llong ahead_ns;

int __real_eventfd_write(int fd, eventfd_t n);
int __wrap_eventfd_write(int fd, eventfd_t n);
int64_t __real_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void);

int __wrap_eventfd_write(int fd, eventfd_t n)
{
	return loses_wakes ? 0 : __real_eventfd_write(fd, n);
}

/* hurries: each look at the clock takes ten seconds. */
int64_t __wrap_clock_mono_ns(void)
{
	if (hurries)
		ahead_ns += 10 * NS_PER_S;
	return __real_clock_mono_ns() + ahead_ns;
}

static int kept_out; /* the real standard output */

/* Standard output is a pipe from here on; returns the end to read from. */
static int pipe_out(void)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fflush(stdout);
	kept_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(kept_out >= 0);
	assert_int_equal(dup2(p[1], STDOUT_FILENO), STDOUT_FILENO);
	close(p[1]);
	return p[0];
}

static void unpipe(void)
{
	dup2(kept_out, STDOUT_FILENO);
	close(kept_out);
}

static void a_lost_wake_up_delays_a_line_and_the_end_and_no_more(void **state)
{
	struct err e = { 0 };
	struct talk *t = talk_new(&e);
	char text[16] = "";
	int in = pipe_out(), lost;
	bool said;

	(void)state;
	assert_non_null(t);
	loses_wakes = true;
	talk_line(t, STDOUT_FILENO, TALK_RESULT, "said");
	said = io_wait(in, POLLIN, clock_mono_ns() + WAIT_NS) > 0 &&
	       read(in, text, sizeof(text) - 1) > 0;
	lost = talk_free(t);
	loses_wakes = false;
	unpipe();
	close(in);
	assert_true(said);
	assert_string_equal(text, "said\n");
	assert_int_equal(lost, 0);
}

/* What is told while a run goes on waits for no reader, or the run's heart stops with it. */
static void a_reader_that_stalls_keeps_nobody_waiting_and_the_loss_is_told(void **state)
{
	char line[1000], text[4096];
	struct err e = { 0 };
	struct talk *t = talk_new(&e);
	int in = pipe_out(), lost;
	unsigned put = 0, got = 0;
	int64_t began = clock_mono_ns(), took;
	ssize_t n;

	(void)state;
	assert_non_null(t);
	memset(line, '\n', sizeof(line));
	while (put < 5000 && talk_text(t, STDOUT_FILENO, TALK_RESULT, line, sizeof(line)))
		put++;
	took = clock_mono_ns() - began;
	/* with somebody who reads, what was not dropped comes whole */
	while (got < put * sizeof(line) && io_wait(in, POLLIN, clock_mono_ns() + WAIT_NS) > 0 &&
	       (n = read(in, text, sizeof(text))) > 0)
		got += (unsigned)n;
	lost = talk_free(t);
	unpipe();
	close(in);
	assert_in_range(put, 1000, 4999);
	assert_true(took < 15 * NS_PER_S); /* half of what it waits at the end */
	assert_int_equal(got, put * sizeof(line));
	assert_int_equal(lost, ENOBUFS);
}

/* Also when what hangs is the very last: nothing is behind it in the ring. */
static void a_write_that_never_ends_does_not_keep_the_end(void **state)
{
	static char line[200 * 1024]; /* more than a pipe takes */
	static struct talk *t;        /* its thread keeps it; in sight of who looks for leaks */
	struct err e = { 0 };
	int in = pipe_out(), lost;

	(void)state;
	t = talk_new(&e);
	assert_non_null(t);
	memset(line, 'x', sizeof(line));
	assert_true(talk_text(t, STDOUT_FILENO, TALK_RESULT, line, sizeof(line)));
	assert_true(io_wait(in, POLLIN, clock_mono_ns() + WAIT_NS) > 0);
	hurries = true;
	lost = talk_free(t);
	hurries = false;
	close(in); /* ends that write, before its rest goes elsewhere */
	unpipe();
	assert_int_equal(lost, ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_wake_up_delays_a_line_and_the_end_and_no_more),
		cmocka_unit_test(a_reader_that_stalls_keeps_nobody_waiting_and_the_loss_is_told),
		cmocka_unit_test(a_write_that_never_ends_does_not_keep_the_end),
	};

	signal(SIGPIPE, SIG_IGN); /* the last one's reader goes while it writes */
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
