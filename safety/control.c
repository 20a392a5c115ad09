/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/control.h"

#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"

#define CALLER_NS  (200 * NS_PER_MS)
#define ANSWER_NS  (5 * NS_PER_S)
#define GROUPS_MAX 128

int control_listen(int run_dir, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, "cannot make the control socket");
	/* through the descriptor, so that no rename of a parent directory leads elsewhere */
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", run_dir, CONTROL_SOCKET);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 8) < 0)
		return err_sys(e, "cannot listen on the control socket");
	fchmodat(run_dir, CONTROL_SOCKET, 0666, 0); /* who may speak is decided by SO_PEERCRED */
	return take_fd(&fd);
}

uint32_t control_group(void)
{
	const struct group *g = getgrnam("brink");

	return g ? g->gr_gid : CONTROL_NOBODY;
}

static bool in_group(int fd, const struct ucred *who, uint32_t gid)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (gid == CONTROL_NOBODY)
		return false;
	if (who->gid == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

/* What an entitled caller says. True: halt. */
static bool hear(int fd, uid_t uid, struct text *ret_why)
{
	struct control_msg m;

	if (io_wait(fd, POLLIN, clock_mono_ns() + CALLER_NS) <= 0 ||
	    recv(fd, &m, sizeof(m), 0) != sizeof(m) || m.halt != 1)
		return false;
	m.why[sizeof(m.why) - 1] = '\0';
	text_add(ret_why, "halted by user %u", uid);
	if (m.why[0])
		text_add(ret_why, ": ");
	text_add_foreign(ret_why, m.why, strlen(m.why));
	return true;
}

int control_serve(int listener, uint32_t starter_uid, uint32_t gid, char *why, size_t size)
{
	AUTO(auto_close) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_answer a = { .code = 0 };
	struct text t = text_on(why, size);
	struct ucred who = { 0 };
	socklen_t len = sizeof(who);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return 0;
	if (who.uid != 0 && who.uid != starter_uid && !in_group(fd, &who, gid)) {
		a.code = -EPERM;
		snprintf(a.text, sizeof(a.text),
			 "user %u may not halt this run: root, its starter or group brink may",
			 who.uid);
	} else if (!hear(fd, who.uid, &t)) {
		return 0;
	}
	send(fd, &a, sizeof(a), MSG_NOSIGNAL);
	return a.code == 0;
}

int control_halt(const char *path, const char *why, struct control_answer *ret, struct err *e)
{
	AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct control_msg m = { .halt = 1 };
	ssize_t n;

	if (fd < 0)
		return err_sys(e, "cannot make a socket");
	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) >= (int)sizeof(a.sun_path))
		return err_set(e, ENAMETOOLONG, "the path '%s' is too long for a socket", path);
	snprintf(m.why, sizeof(m.why), "%s", why ? why : "");
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return errno == EAGAIN ? /* as many as may wait do already: they are heard */
			       err_set(e, ETIMEDOUT, "the run's keeper does not answer") :
			       err_sys(e, "cannot reach the run's keeper at '%s'", path);
	/* one who may not halt gets the answer unasked: EPIPE here is not the last word */
	if (send(fd, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m) && errno != EPIPE)
		return err_sys(e, "cannot speak to the run's keeper");
	if (io_wait(fd, POLLIN, clock_mono_ns() + ANSWER_NS) <= 0)
		return err_set(e, ETIMEDOUT, "the run's keeper does not answer");
	n = recv(fd, ret, sizeof(*ret), 0);
	if (n < 0 &&
	    errno == ECONNRESET) /* refused unheard: the error comes before the answer, once */
		n = recv(fd, ret, sizeof(*ret), 0);
	if (n != sizeof(*ret))
		return err_set(e, ECONNRESET, "the run ended before its keeper could answer");
	ret->text[sizeof(ret->text) - 1] = '\0';
	return 0;
}
