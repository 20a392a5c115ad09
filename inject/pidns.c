/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/pidns.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int pidns_own(struct pidns_ref *ret, struct err *e)
{
	struct stat st;
	char self[16];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	if (n < 0)
		return err_sys(e, "cannot read '/proc/self'");
	self[n] = '\0';
	if (strtol(self, NULL, 10) != getpid())
		return err_set(e, EXDEV,
			       "'/proc' is that of another PID namespace: mount this one's there "
			       "(unshare --mount-proc)");
	*ret = (struct pidns_ref){ 0 };
	if (stat("/proc/self/ns/pid", &st) == 0)
		*ret = (struct pidns_ref){ st.st_dev, st.st_ino };
	else if (errno != ENOENT)
		return err_sys(e, "cannot read '/proc/self/ns/pid'");
	return 0;
}

bool pidns_is_own(const struct pidns_ref *p)
{
	struct pidns_ref own;
	struct err ignored;

	return pidns_own(&own, &ignored) == 0 && own.dev == p->dev && own.ino == p->ino;
}
