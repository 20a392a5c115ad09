/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/pool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int pool_seal(const struct net_prefix *at, uint32_t n, struct err *e)
{
	AUTO(auto_close) int fd = memfd_create("brink-addresses", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return err_sys(e, "cannot make room for the addresses");
	rc = io_write_full(fd, at, n * sizeof(*at));
	if (rc < 0)
		return err_set(e, -rc, "cannot make room for the addresses");
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_sys(e, "cannot seal the addresses");
	return take_fd(&fd);
}

int pool_open(int fd, struct address_pool *ret, struct err *e)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	void *at;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size <= 0 ||
	    st.st_size % (off_t)sizeof(struct net_prefix) ||
	    st.st_size / (off_t)sizeof(struct net_prefix) > POOL_MAX)
		return err_set(e, EBADMSG, "the addresses of the run are not as brink seals them");
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_sys(e, "cannot map the addresses");
	*ret = (struct address_pool){ (uint32_t)((size_t)st.st_size / sizeof(struct net_prefix)),
				      at };
	for (uint32_t i = 0; i < ret->n; i++) {
		if (!net_prefix_ok(&ret->at[i])) {
			pool_close(ret);
			return err_set(e, EBADMSG, "address %u of the run is none", i);
		}
	}
	return 0;
}

void pool_close(struct address_pool *p)
{
	if (p->n)
		munmap((void *)(uintptr_t)p->at, p->n * sizeof(*p->at));
	*p = (struct address_pool){ 0 };
}
