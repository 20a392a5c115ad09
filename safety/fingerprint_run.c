/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "safety/fingerprint.h"

#define MARK_LEN 6

struct fingerprint *fingerprint_map(struct err *e)
{
	void *p = mmap(NULL, sizeof(struct fingerprint), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		err_sys(e, "no memory for a fingerprint");
		return NULL;
	}
	return p;
}

int fingerprint_take_in(struct fingerprint *fp, const struct netns_ref *ref, struct err *e)
{
	AUTO(auto_close) int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	AUTO(auto_close) int fd = -1;
	const char *name = strrchr(ref->path, '/');
	int rc = netns_is_own(ref, e);

	if (rc != 0) /* needs no right to enter it */
		return rc < 0 ? rc : fingerprint_take(fp, name ? name + 1 : "netns", e);
	if (home < 0)
		return err_sys(e, "cannot open '/proc/self/ns/net'");
	rc = netns_open(ref, &fd, e);
	if (rc == -ENOENT) /* gone, and all of it with it */
		return 0;
	if (rc < 0)
		return rc;
	if (setns(fd, CLONE_NEWNET) < 0)
		return err_sys(e, "cannot enter the network namespace '%s'", ref->path);
	rc = fingerprint_take(fp, name ? name + 1 : "netns", e);
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return rc;
}

bool fingerprint_is_of(const char *run_id, const char *name)
{
	char mark[MARK_LEN + 1];
	size_t len = strlen(run_id);

	if (len < MARK_LEN)
		return true;
	for (size_t i = 0; i <= MARK_LEN; i++)
		mark[i] = (char)tolower((unsigned char)run_id[len - MARK_LEN + i]);
	return strstr(name, mark) != NULL;
}
