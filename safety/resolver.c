/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/resolver.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/fuse.h"
#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/endpoint.h"
#include "inject/route.h"

/* For one that is stopped, or whose look-up never comes back: see FUSE_NS in launcher.c. A round of
 * resolv.conf(5) with three servers and six search domains takes three minutes. */
#define FUSE_NS (600 * NS_PER_S)

/* Beyond what the runner can use: the planned ones, and those that may join. */
#define KNOWN (ENDPOINT_PREFIXES + GATE_JOINS)

struct name {
	bool failed;
	unsigned n;
	struct net_prefix known[KNOWN];
	/* of this round, for others of the same name */
	int rc;
	struct endpoint answer;
	struct err err;
};

/* The runner has no right to end a process of another user, and getaddrinfo(3) cannot be
 * interrupted otherwise. */
static void on_socket(int sig)
{
	struct pollfd p = { .fd = PROBE_FD };
	int kept = errno;

	(void)sig;
	if (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP))
		_exit(0);
	errno = kept;
}

/* SIGIO when the other end is closed: unix_release_sock() in net/unix/af_unix.c. */
static int end_with_socket(struct err *e)
{
	struct sigaction act = { .sa_handler = on_socket, .sa_flags = SA_RESTART };
	int flags = fcntl(PROBE_FD, F_GETFL);

	if (sigaction(SIGIO, &act, NULL) < 0 || fcntl(PROBE_FD, F_SETOWN, getpid()) < 0 ||
	    flags < 0 || fcntl(PROBE_FD, F_SETFL, flags | O_ASYNC) < 0)
		return err_sys(e, "cannot watch the runner's socket");
	return 0;
}

/* Routes are asked for in the faults' namespaces, which only root can enter. */
static int open_routes(void *arg, struct err *e)
{
	const struct resolver_job *job = arg;

	for (unsigned i = 0; i < job->n; i++) {
		struct nlsock *ignored;
		int rc = job->at[i].netns ?
				 netns_sock(job->at[i].netns, NETLINK_ROUTE, &ignored, e) :
				 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int send_name(const struct probe_name *n)
{
	struct probe_msg m = { .type = PROBE_MSG_NAME, .name = *n };

	return probe_msg_send(PROBE_FD, &m, true);
}

static int say_failed(unsigned i, struct name *n)
{
	struct probe_name m = { .name = i };
	char words[ERR_LINE * ERR_DEPTH];

	if (n->failed)
		return 0;
	n->failed = true;
	snprintf(m.text, sizeof(m.text), "%.159s", err_format(&n->err, words, sizeof(words)));
	return send_name(&m);
}

static bool is_known(const struct name *n, const struct net_prefix *p)
{
	for (unsigned i = 0; i < n->n; i++) {
		if (memcmp(&n->known[i], p, sizeof(*p)) == 0)
			return true;
	}
	return n->n == KNOWN;
}

static int say_new(const struct resolver_item *item, unsigned i, struct name *n)
{
	int rc = 0;

	n->failed = false;
	for (unsigned k = 0; k < n->answer.n_prefixes && rc == 0; k++) {
		struct probe_name m = { .name = i, .found = 1, .at = n->answer.prefix[k] };
		struct err no_route;

		if (is_known(n, &m.at))
			continue;
		n->known[n->n++] = m.at;
		if (item->netns)
			route_device(item->netns, &m.at, m.dev, &no_route);
		rc = send_name(&m);
	}
	return rc;
}

/* Each name once in a round. */
static void look_up(const struct resolver_job *job, struct name *names, unsigned i)
{
	struct name *n = &names[i];

	for (unsigned k = 0; k < i; k++) {
		if (strcmp(job->at[k].name, job->at[i].name) != 0)
			continue;
		n->rc = names[k].rc;
		n->answer = names[k].answer;
		n->err = names[k].err;
		return;
	}
	n->err = (struct err){ 0 };
	n->rc = endpoint_look_up(job->at[i].name, &n->answer, &n->err);
}

static int one_round(const struct resolver_job *job, struct name *names, timer_t fuse)
{
	int rc = 0;

	for (unsigned i = 0; i < job->n && rc == 0; i++) {
		fuse_set(fuse, FUSE_NS);
		look_up(job, names, i);
		rc = names[i].rc < 0 ? say_failed(i, &names[i]) :
				       say_new(&job->at[i], i, &names[i]);
	}
	fuse_set(fuse, FUSE_NS);
	return rc;
}

/* Until nobody listens any more. */
static int look_up_for_ever(const struct resolver_job *job, timer_t fuse, struct err *e)
{
	struct probe_msg ready = { .type = PROBE_MSG_READY };
	AUTO(auto_free) struct name *names = calloc(job->n, sizeof(*names));
	int rc;

	if (!names)
		return err_set(e, ENOMEM, "no memory for the names");
	rc = probe_msg_send(PROBE_FD, &ready, true);
	while (rc == 0) {
		rc = one_round(job, names, fuse);
		/* nobody speaks to it: what comes is the end */
		if (rc == 0)
			rc = io_wait(PROBE_FD, POLLIN, clock_mono_ns() + RESOLVER_NS);
	}
	return 0;
}

/* In the child that probe_child_start made. */
static int resolver_main(void *arg, struct err *e)
{
	timer_t fuse;
	int rc;

	prctl(PR_SET_NAME, "brink-resolver");
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	rc = end_with_socket(e);
	if (rc == 0)
		rc = fuse_new(&fuse, e);
	if (rc == 0)
		rc = sandbox_allow(SANDBOX_PROBER, NULL, 0, e);
	if (rc == 0)
		rc = look_up_for_ever(arg, fuse, e);
	if (rc < 0)
		return rc;
	_exit(0); /* nothing to flush; name services have code of their own at exit */
}

int resolver_start(const struct resolver_job *job, const struct probe_user *u, struct prober *ret,
		   struct err *e)
{
	struct probe_child c = { .name = "resolver",
				 .open = open_routes,
				 .body = resolver_main,
				 .arg = (void *)(uintptr_t)job,
				 .netns_fd = -1,
				 .own_session = true,
				 .user = u,
				 .keep_fd = -1 };

	return probe_child_start(&c, ret, e);
}
