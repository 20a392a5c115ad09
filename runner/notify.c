/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/notify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"

#define BEATS 4 /* so many in the time after which a silent service counts as hanging */

/* A path, or '@' for a name that starts with a zero byte: unix(7). */
static bool find_socket(const char *path, struct notify *n)
{
	size_t len = strlen(path);

	if (len < 2 || len >= sizeof(n->to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return false;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, path, len);
	if (path[0] == '@')
		n->to.sun_path[0] = '\0';
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return true;
}

void notify_begin(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET"), *pid = getenv("WATCHDOG_PID"),
		   *usec = getenv("WATCHDOG_USEC");
	long long limit = usec ? atoll(usec) : 0;

	*n = (struct notify){ .fd = -1 };
	if (!path || !pid || atoll(pid) != getpid() || limit <= 0 || limit > INT64_MAX / 1000 ||
	    !find_socket(path, n))
		return;
	n->every_ns = limit * 1000 / BEATS;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void notify_say(struct notify *n, const char *text)
{
	if (n->fd >= 0)
		sendto(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
		       (const struct sockaddr *)&n->to, n->to_len);
}

void notify_beat(struct notify *n)
{
	int64_t now = clock_mono_ns();

	if (n->fd < 0 || now < n->next_ns)
		return;
	n->next_ns = now + n->every_ns;
	notify_say(n, "WATCHDOG=1");
}

void notify_end(struct notify *n)
{
	auto_close(&n->fd);
	n->fd = -1;
}
