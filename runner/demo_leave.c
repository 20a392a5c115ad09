/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "runner/demo.h"
#include "safety/sandbox.h"

/* Settings that forbid namespaces when they have this value; a kernel that does not know one has no
 * such file. */
static const struct {
	const char *file, *key, *forbids, *allows;
} settings[] = {
	{ "kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "0", "1" },
	{ "user/max_user_namespaces", "user.max_user_namespaces", "0", "1000" },
	{ "user/max_net_namespaces", "user.max_net_namespaces", "0", "1000" },
	{ "kernel/apparmor_restrict_unprivileged_userns",
	  "kernel.apparmor_restrict_unprivileged_userns", "1", "0" },
};

int demo_forbidden(const char *proc_sys, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		char path[200], value[32];

		snprintf(path, sizeof(path), "%s/%s", proc_sys, settings[i].file);
		if (io_read_file(AT_FDCWD, path, value, sizeof(value)) < 0 ||
		    strcmp(value, settings[i].forbids) != 0)
			continue;
		err_set(e, EPERM, "sudo brink demo, or allow it: sudo sysctl %s=%s",
			settings[i].key, settings[i].allows);
		return err_ctx(e, "namespaces of one's own are forbidden here: %s is %s",
			       settings[i].key, value);
	}
	err_set(e, EPERM, "sudo brink demo; in a container: one that may make namespaces");
	return err_ctx(
		e,
		"namespaces of one's own are forbidden here, and by no sysctl: perhaps by the container");
}

static int write_proc(const char *path, const char *text)
{
	AUTO(auto_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : io_write_full(fd, text, strlen(text));
}

/* user_namespaces(7): one's own ids may be mapped by oneself, the group's only after setgroups(2)
 * is given up. */
static int leave_as_user(struct err *e)
{
	char uids[48], gids[48];

	snprintf(uids, sizeof(uids), "0 %u 1\n", geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1\n", getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ||
	    write_proc("/proc/self/setgroups", "deny") < 0 ||
	    write_proc("/proc/self/uid_map", uids) < 0 ||
	    write_proc("/proc/self/gid_map", gids) < 0)
		return demo_forbidden("/proc/sys", e);
	return 0;
}

int demo_leave(bool *ret_own_user, struct err *e)
{
	const uint64_t needed = UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_NET_ADMIN;
	uint64_t permitted = 0;
	int rc = sandbox_permitted(&permitted, e);

	if (rc < 0)
		return rc;
	if ((permitted & needed) == needed && unshare(CLONE_NEWNET) == 0) {
		*ret_own_user = false;
		return 0;
	}
	rc = leave_as_user(e);
	if (rc == 0)
		*ret_own_user = true;
	return rc;
}
