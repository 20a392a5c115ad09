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

#define CALLER_NS (200 * NS_PER_MS)
#define ANSWER_NS (5 * NS_PER_S)

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

static bool in_group_brink(const struct ucred *who)
{
	struct group *g = getgrnam("brink");

	return g && who->gid == g->gr_gid;
}

bool control_serve(int listener, uint32_t starter_uid, char *why, size_t size)
{
	AUTO(auto_close) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_answer a = { .code = -EPERM };
	struct text t = text_on(why, size);
	struct ucred who = { 0 };
	socklen_t len = sizeof(who);
	struct control_msg m;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return false;
	if (io_wait(fd, POLLIN, clock_mono_ns() + CALLER_NS) <= 0 || recv(fd, &m, sizeof(m), 0) != sizeof(m))
		return false;
	if (who.uid != 0 && who.uid != starter_uid && !in_group_brink(&who)) {
		snprintf(a.text, sizeof(a.text),
			 "user %u may not halt this run: root, its starter or group brink may", who.uid);
	} else if (m.halt == 1) {
		a.code = 0;
		m.why[sizeof(m.why) - 1] = '\0';
		text_add(&t, "halted by user %u", who.uid);
		if (m.why[0])
			text_add(&t, ": ");
		text_add_foreign(&t, m.why, strlen(m.why));
	}
	send(fd, &a, sizeof(a), MSG_NOSIGNAL);
	return a.code == 0;
}

int control_halt(const char *path, const char *why, struct control_answer *ret, struct err *e)
{
	AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct control_msg m = { .halt = 1 };

	if (fd < 0)
		return err_sys(e, "cannot make a socket");
	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) >= (int)sizeof(a.sun_path))
		return err_set(e, ENAMETOOLONG, "the path '%s' is too long for a socket", path);
	snprintf(m.why, sizeof(m.why), "%s", why ? why : "");
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(e, "cannot reach the run's keeper at '%s'", path);
	if (send(fd, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
		return err_sys(e, "cannot speak to the run's keeper");
	if (io_wait(fd, POLLIN, clock_mono_ns() + ANSWER_NS) <= 0 ||
	    recv(fd, ret, sizeof(*ret), 0) != sizeof(*ret))
		return err_set(e, ETIMEDOUT, "the run's keeper does not answer");
	ret->text[sizeof(ret->text) - 1] = '\0';
	return 0;
}
