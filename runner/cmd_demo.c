/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "runner/commands.h"
#include "runner/demo.h"
#include "runner/execute.h"
#include "runner/say.h"

#define RUN_NS  (150 * NS_PER_S) /* far more than limits.duration of the files plus any revert */
#define KILL_NS (15 * NS_PER_S)

struct demo {
	const struct options *o;
	struct options with_vars;
	struct strings vars;
	struct demo_world world;
	int signals; /* signalfd; those who wait look at it */
	sigset_t before;
	int stopped; /* the signal that ends the demo; 0 = none */
};

/* The two pairs of experiments: as designed, and for a kernel without netem. */
enum demo_run { RUN_SURVIVED, RUN_BROKEN, RUN_COUNT };

static const struct {
	const char *file, *says;
} shows[2][RUN_COUNT] = {
	{ { "demo-slow.brink.yaml",
	    "Packets to the backend take 150 ms more (net.delay). The gateway tries twice: that is enough." },
	  { "demo-very-slow.brink.yaml",
	    "Packets to the backend take 2 s more (net.delay). That is more than the gateway waits: a check has to "
	    "fail, and brink to stop." } },
	{ { "demo-lossy.brink.yaml",
	    "One in five packets to the backend is dropped (net.drop). TCP and the gateway try again: that is enough." },
	  { "demo-cut.brink.yaml",
	    "Every packet to the backend is dropped (net.drop). A check has to fail, and brink to stop." } },
};

static void tell(const struct demo *d, const char *fmt, ...) PRINTF_FMT(2, 3);

static void tell(const struct demo *d, const char *fmt, ...)
{
	bool color = options_color(d->o, STDERR_FILENO);
	char line[PATH_MAX + 200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (!d->o->quiet)
		fprintf(stderr, "%s%s%s\n", say_on(color, SAY_BOLD), line,
			say_off(color, SAY_BOLD));
}

/* Signals come through a descriptor; the demo passes them on to the run, which is in a group of its
 * own. */
static int take_signals(struct demo *d, struct err *e)
{
	static const int wanted[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		sigaddset(&set, wanted[i]);
	sigprocmask(SIG_BLOCK, &set, &d->before);
	signal(SIGPIPE, SIG_IGN);
	d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return d->signals < 0 ? err_sys(e, "cannot watch for signals") : 0;
}

static bool stopped(struct demo *d)
{
	struct signalfd_siginfo s;

	while (read(d->signals, &s, sizeof(s)) == sizeof(s))
		d->stopped = (int)s.ssi_signo;
	return d->stopped;
}

/* Exactly `brink run FILE --var gateway_ns=pid:N`, but that what it writes goes into our folder. */
static int run_here(const struct demo *d, const char *file)
{
	const struct options *o = &d->with_vars;
	struct run_outcome out;
	struct prepared p;
	struct err e = { 0 };
	int rc;

	if (prepare_begin(o, &p, &e) < 0) {
		say_error(o, &e);
		return EXIT_UNABLE;
	}
	snprintf(p.paths.state, sizeof(p.paths.state), "%.150s/state", d->world.base);
	snprintf(p.paths.runs, sizeof(p.paths.runs), "%.150s/runs", d->world.base);
	rc = prepare_load(o, file, &p);
	if (rc == EXIT_PASS)
		rc = prepare_plan(o, &p);
	if (rc == EXIT_PASS)
		rc = execute_run(o, &p, NULL, &out);
	prepare_done(&p);
	return rc;
}

/* A run gives up its capabilities for good: each has a process of its own. */
static void run_main(const struct demo *d, const char *file)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* without us it takes its fault back and ends */
	sigprocmask(SIG_SETMASK, &d->before, NULL);
	_exit(say_flush(run_here(d, file)));
}

/* Waits for the end of a run and passes signals on; the exit code. */
static int await_run(struct demo *d, pid_t pid, int pidfd)
{
	int64_t deadline = clock_mono_ns() + RUN_NS;
	bool late = false;
	int status = 0;

	for (;;) {
		struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN },
				       { .fd = d->signals, .events = POLLIN } };
		int n = poll(p, 2, 200);

		if (n > 0 && p[0].revents)
			break;
		if (n > 0 && stopped(d))
			kill(pid, d->stopped);
		if (clock_mono_ns() < deadline)
			continue;
		kill(pid, late ? SIGKILL : SIGTERM);
		late = true;
		deadline = clock_mono_ns() + KILL_NS;
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
}

static int run_file(struct demo *d, const char *name)
{
	AUTO(auto_close) int pidfd = -1;
	char file[PATH_MAX];
	struct err e = { 0 };
	pid_t pid;

	if (demo_find(name, BRINK_DATADIR "/examples/demo", file, &e) < 0) {
		say_error(d->o, &e);
		return EXIT_UNABLE;
	}
	tell(d, "   brink run %s", file);
	fflush(NULL); /* or the child prints it once more */
	pid = fork();
	if (pid == 0)
		run_main(d, file);
	pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	if (pidfd >= 0)
		return await_run(d, pid, pidfd);
	err_sys(&e, "cannot start a run");
	say_error(d->o, &e);
	if (pid > 0) {
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
	}
	return EXIT_UNABLE;
}

/* The files find the gateway's namespace by a variable; those of the user stay. */
static int set_vars(struct demo *d, char *own, size_t size, struct err *e)
{
	const struct strings *given = &d->o->vars;

	snprintf(own, size, "gateway_ns=pid:%d", d->world.part[DEMO_GATEWAY].pid);
	d->vars.at = calloc(given->n + 1, sizeof(*d->vars.at));
	if (!d->vars.at)
		return err_set(e, ENOMEM, "no memory for variables");
	for (size_t i = 0; i < given->n; i++)
		d->vars.at[i] = given->at[i];
	d->vars.at[given->n] = own;
	d->vars.n = given->n + 1;
	d->with_vars = *d->o;
	d->with_vars.vars = d->vars;
	return 0;
}

/* Modules that the kernel loads on demand stay: said, because nothing else does. */
static void tell_modules(const struct demo *d, const bool had[2])
{
	static const char *const dirs[] = { "/sys/module/ifb", "/sys/module/sch_netem" };
	bool ifb = !had[0] && access(dirs[0], F_OK) == 0,
	     netem = !had[1] && access(dirs[1], F_OK) == 0;

	if (ifb || netem)
		tell(d, "Kernel modules loaded for it, which stay: %s%s%s.", ifb ? "ifb" : "",
		     ifb && netem ? ", " : "", netem ? "sch_netem" : "");
}

/* Which pair of experiments this kernel can do: the index into shows. */
static int choose(struct demo *d)
{
	const bool had[2] = { access("/sys/module/ifb", F_OK) == 0,
			      access("/sys/module/sch_netem", F_OK) == 0 };
	char file[PATH_MAX];
	struct err e = { 0 };
	int rc = demo_find(shows[0][0].file, BRINK_DATADIR "/examples/demo", file, &e);

	if (rc == 0)
		rc = demo_try(&d->world, &d->with_vars, file, &e);
	tell_modules(d, had);
	if (rc == 0)
		return 0;
	tell(d, "No net.delay here, so net.drop takes its place: %s",
	     e.depth ? e.msg[e.depth - 1] : "");
	return 1;
}

static int ask(struct demo *d, const char *after)
{
	char answer[200];
	struct err e = { 0 };

	if (demo_ask(&d->world, "/orders", answer, sizeof(answer), &e) < 0) {
		say_error(d->o, &e);
		return EXIT_FAIL;
	}
	tell(d, "   GET /orders: %s%s", answer, after);
	return EXIT_PASS;
}

/* A run that did not end as designed: what the whole demo is then. */
static int not_as_designed(struct demo *d, int code)
{
	if (stopped(d)) {
		fprintf(stderr, "Stopped by %s.\n", units_signal_name(d->stopped));
		return code == EXIT_NOT_CLEAN ? code : EXIT_ABORTED;
	}
	fprintf(stderr, "brink: error: this run should have ended otherwise (exit code %d, %s)\n",
		code, exit_name(code));
	return code == EXIT_PASS ? EXIT_FAIL : code;
}

static int show(struct demo *d)
{
	static const int designed[RUN_COUNT] = { EXIT_PASS, EXIT_FAIL };
	int kind, rc = ask(d, "");

	if (rc != EXIT_PASS)
		return rc;
	kind = choose(d);
	for (int i = 0; i < RUN_COUNT; i++) {
		int code;

		if (stopped(d))
			return not_as_designed(d, EXIT_ABORTED);
		tell(d, "\n%d. %s", i + 1, shows[kind][i].says);
		code = run_file(d, shows[kind][i].file);
		if (code != designed[i] || stopped(d))
			return not_as_designed(d, code);
	}
	rc = ask(d, ": the shop is healthy again");
	if (rc == EXIT_PASS)
		tell(d,
		     "\nBoth runs ended as designed: the first passed, the second failed and left nothing behind.");
	return rc;
}

static int play(struct demo *d)
{
	char var[64];
	struct err e = { 0 };

	if (demo_find("shop", BRINK_LIBEXECDIR "/demo", d->world.shop, &e) < 0 ||
	    take_signals(d, &e) < 0 || demo_make_base(&d->world, &e) < 0) {
		say_error(d->o, &e);
		return EXIT_UNABLE;
	}
	if (demo_leave(&d->world.own_user, &e) < 0) {
		say_refused(d->o, &e);
		return EXIT_UNABLE;
	}
	if (demo_start(&d->world, &e) < 0 || set_vars(d, var, sizeof(var), &e) < 0) {
		say_error(d->o, &e);
		return EXIT_UNABLE;
	}
	tell(d,
	     "A gateway (%s) and its backend (%s), each in a network namespace of its own%s;\n"
	     "this machine's network is not touched.",
	     demo_address[DEMO_GATEWAY], demo_address[DEMO_BACKEND],
	     d->world.own_user ? " (in a user namespace, without root)" : "");
	return show(d);
}

int cmd_demo(const struct options *o)
{
	struct demo d = { .o = o, .signals = -1 };
	struct err e = { 0 };
	int rc = play(&d);

	if (demo_end(&d.world, &e) < 0) {
		say_error(o, &e);
		rc = rc == EXIT_PASS ? EXIT_INTERNAL : rc;
	}
	auto_close(&d.signals);
	free(d.vars.at);
	return rc;
}
