/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* The service manager's end of the socket. */
struct fixture {
	char dir[64], path[96];
	int fd;
	struct notify n;
};

static void set_env(struct fixture *f, const char *socket, int pid, const char *usec)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", pid);
	setenv("NOTIFY_SOCKET", socket, 1);
	setenv("WATCHDOG_PID", number, 1);
	setenv("WATCHDOG_USEC", usec, 1);
	notify_begin(&f->n);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	assert_non_null(f);
	*state = f;
	f->n.fd = -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/brink-notify-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/notify", f->dir);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", f->path);
	f->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(f->fd >= 0);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	notify_end(&f->n);
	close(f->fd);
	unlink(f->path);
	rmdir(f->dir);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	free(f);
	return 0;
}

static const char *heard(struct fixture *f)
{
	static char buf[64];
	ssize_t n = recv(f->fd, buf, sizeof(buf) - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void the_manager_hears_what_is_said(void **state)
{
	struct fixture *f = *state;

	set_env(f, f->path, getpid(), "10000000");
	notify_say(&f->n, "READY=1");
	assert_string_equal(heard(f), "READY=1");
	assert_string_equal(heard(f), "");
}

static void it_beats_four_times_in_the_given_time(void **state)
{
	struct fixture *f = *state;
	int64_t began = clock_mono_ns();

	set_env(f, f->path, getpid(), "10000000");
	notify_beat(&f->n);
	notify_beat(&f->n);
	assert_string_equal(heard(f), "WATCHDOG=1");
	assert_string_equal(heard(f), "");
	assert_true(f->n.next_ns >= began + NS_PER_S * 5 / 2);
	assert_true(f->n.next_ns <= clock_mono_ns() + NS_PER_S * 5 / 2);
	f->n.next_ns = 0;
	notify_beat(&f->n);
	assert_string_equal(heard(f), "WATCHDOG=1");
}

static void somebody_elses_service_is_not_called_ready(void **state)
{
	struct fixture *f = *state;

	set_env(f, f->path, getppid(), "10000000");
	notify_say(&f->n, "READY=1");
	notify_beat(&f->n);
	assert_string_equal(heard(f), "");
	unsetenv("WATCHDOG_PID");
	notify_begin(&f->n);
	notify_say(&f->n, "READY=1");
	assert_string_equal(heard(f), "");
}

static void an_odd_environment_is_silence(void **state)
{
	static const char *const sockets[] = { "", "@", "relative", "vsock:2:1234" };
	static const char *const times[] = { "", "0", "-5", "nonsense", "99999999999999999999" };
	struct fixture *f = *state;
	char path[200];

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		set_env(f, sockets[i], getpid(), "10000000");
		assert_int_equal(f->n.fd, -1);
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		set_env(f, f->path, getpid(), times[i]);
		assert_int_equal(f->n.fd, -1);
	}
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	set_env(f, path, getpid(), "10000000");
	assert_int_equal(f->n.fd, -1);
}

static void a_manager_that_does_not_read_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	set_env(f, f->path, getpid(), "10000000");
	for (int i = 0; i < 100000; i++)
		notify_say(&f->n, "READY=1"); /* would hang here */
	close(f->fd);
	f->fd = -1;
	notify_say(&f->n, "STOPPING=1");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_manager_hears_what_is_said),
		T(it_beats_four_times_in_the_given_time),
		T(somebody_elses_service_is_not_called_ready),
		T(an_odd_environment_is_silence),
		T(a_manager_that_does_not_read_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
