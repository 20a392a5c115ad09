/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/pulse.h"

#include <sys/mman.h>

struct pulse *pulse_map(int fd, struct err *e)
{
	void *p = mmap(NULL, sizeof(struct pulse), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		err_sys(e, "cannot map the heartbeats");
		return NULL;
	}
	return p;
}

struct pulse *pulse_new(int *ret_fd, struct err *e)
{
	AUTO(auto_close) int fd = memfd_create("brink-pulse", MFD_CLOEXEC);
	struct pulse *p;

	if (fd < 0 || ftruncate(fd, sizeof(struct pulse)) < 0) {
		err_sys(e, "cannot make the heartbeats");
		return NULL;
	}
	p = pulse_map(fd, e);
	if (p)
		*ret_fd = take_fd(&fd);
	return p;
}
