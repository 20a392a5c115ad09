/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/keeper_client.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/io.h"
#include "runner/paths.h"

#define END_NS (10 * NS_PER_S)

int own_executable(const char *name, char *ret, size_t size, struct err *e)
{
	char folder[PATH_MAX];
	int rc = paths_own_folder(folder, sizeof(folder), e);

	if (rc < 0)
		return rc;
	if (snprintf(ret, size, "%s/%s", folder, name) < (int)size && access(ret, X_OK) == 0)
		return 0;
	if (snprintf(ret, size, "%s/%s", BRINK_LIBEXECDIR, name) < (int)size &&
	    access(ret, X_OK) == 0)
		return 0;
	return err_set(e, ENOENT, "'%s' is neither beside brink nor in %s", name, BRINK_LIBEXECDIR);
}

/* In the child: these descriptors stay open across exec, all others have CLOEXEC. */
static void exec_keeper(const char *path, int sock, int pulse, int pool)
{
	char arg_sock[16], arg_pulse[16], arg_pool[16];
	char name[] = "brink-keeper";
	char *const argv[] = { name, arg_sock, arg_pulse, pool < 0 ? NULL : arg_pool, NULL };

	snprintf(arg_sock, sizeof(arg_sock), "%d", sock);
	snprintf(arg_pulse, sizeof(arg_pulse), "%d", pulse);
	fcntl(sock, F_SETFD, 0);
	fcntl(pulse, F_SETFD, 0);
	snprintf(arg_pool, sizeof(arg_pool), "%d", pool);
	if (pool >= 0)
		fcntl(pool, F_SETFD, 0);
	execv(path, argv);
	_exit(127);
}

int keeper_client_start(struct keeper_client *ret, int pool, struct err *e)
{
	struct keeper_client k = KEEPER_CLIENT_NONE;
	AUTO(auto_close) int pulse_fd = -1;
	AUTO(auto_close) int theirs = -1;
	char path[PATH_MAX];
	int pair[2];
	int rc = own_executable("brink-keeper", path, sizeof(path), e);

	if (rc < 0)
		return rc;
	k.pulse = pulse_new(&pulse_fd, e);
	if (!k.pulse)
		return -e->code;
	rc = proto_pair(pair, e);
	if (rc < 0)
		return rc;
	k.sock = pair[0];
	theirs = pair[1];
	k.pid = fork();
	if (k.pid < 0) {
		err_sys(e, "cannot start the keeper");
		close(k.sock);
		return -e->code;
	}
	if (k.pid == 0)
		exec_keeper(path, theirs, pulse_fd, pool);
	k.pidfd = pidfd_open(k.pid, 0);
	if (k.pidfd < 0) {
		err_sys(e, "cannot watch the keeper");
		keeper_client_done(&k);
		return -e->code;
	}
	*ret = k;
	return 0;
}

void keeper_client_flush(struct keeper_client *k)
{
	unsigned sent = 0;

	while (sent < k->n_unsent) {
		int rc = proto_send(k->sock, &k->unsent[sent], sizeof(k->unsent[0]), false);

		if (rc < 0 && rc != -EPIPE)
			break;
		sent++;
	}
	k->n_unsent -= sent;
	memmove(k->unsent, k->unsent + sent, k->n_unsent * sizeof(k->unsent[0]));
}

int keeper_client_send(struct keeper_client *k, const struct kmsg *m)
{
	if (k->n_unsent == KEEPER_CLIENT_UNSENT)
		keeper_client_flush(k);
	if (k->n_unsent == KEEPER_CLIENT_UNSENT)
		return -ENOBUFS;
	k->unsent[k->n_unsent++] = *m;
	keeper_client_flush(k);
	return 0;
}

/* One that ended while it started says why before it goes: its answer to no request. */
static int last_words(struct keeper_client *k, struct err *e)
{
	struct kmsg in;

	while (proto_recv(k->sock, &in, KMSG_ANSWER_SIZE) == 1) {
		if (in.type == KMSG_DONE && in.request == 0 && in.code < 0) {
			*e = in.u.err;
			break;
		}
	}
	return -e->code;
}

/* As proto_await(), and -ECANCELED as soon as stop_fd is readable. */
static int await_answer(struct keeper_client *k, struct kmsg *in, int64_t deadline_ns)
{
	struct pollfd p[] = { { .fd = k->sock, .events = POLLIN },
			      { .fd = k->stop_fd, .events = POLLIN } };

	for (unsigned times = 0; times < IO_INTERRUPTIONS;) {
		int64_t left = deadline_ns - clock_mono_ns();
		struct timespec t = { left / NS_PER_S, left % NS_PER_S };
		int rc = left > 0 ? io_poll(p, ARRAY_LEN(p), &t) : 0;

		if (rc == 0)
			return 0;
		if (rc < 0 && io_again(&times))
			continue;
		if (rc < 0)
			return -errno;
		if (p[1].revents)
			return -ECANCELED;
		rc = proto_recv(k->sock, in, KMSG_ANSWER_SIZE);
		if (rc != 0)
			return rc;
		times++;
	}
	return -EAGAIN;
}

int keeper_client_ask(struct keeper_client *k, struct kmsg *m, int64_t deadline_ns,
		      void (*other)(void *arg, const struct kmsg *m), void *arg, struct err *e)
{
	struct kmsg in = { 0 };
	int rc = proto_send(k->sock, m, sizeof(*m), true);

	if (rc < 0) {
		err_set(e, -rc, "the keeper is gone");
		return last_words(k, e);
	}
	for (;;) {
		rc = await_answer(k, &in, deadline_ns);
		if (rc == -ECANCELED)
			return err_set(e, ECANCELED, "stopped by a signal");
		if (rc == 0)
			return err_set(e, ETIMEDOUT, "the keeper does not answer");
		if (rc < 0)
			return err_set(e, -rc, "the keeper is gone");
		if (in.type == KMSG_DONE && (in.request == m->type || in.request == 0)) {
			if (in.code < 0)
				*e = in.u.err;
			return in.code;
		}
		if (other)
			other(arg, &in);
	}
}

void keeper_client_leave(struct keeper_client *k)
{
	auto_close(&k->sock);
	k->sock = -1;
}

void keeper_client_done(struct keeper_client *k)
{
	keeper_client_leave(k);
	if (k->pid > 0 && k->pidfd >= 0) {
		io_wait(k->pidfd, POLLIN, clock_mono_ns() + END_NS);
		waitpid(k->pid, NULL, WNOHANG);
	}
	auto_close(&k->pidfd);
	k->pidfd = -1;
	k->pid = -1;
}
