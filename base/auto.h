/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_AUTO_H
#define BRINK_AUTO_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* AUTO(fn) on a local variable: fn(&variable) runs when it leaves scope. One per line, with its
 * initialiser. */
#define AUTO(fn)               __attribute__((cleanup(fn)))
#define PRINTF_FMT(fmt, first) __attribute__((format(printf, fmt, first)))
#define ARRAY_LEN(a)           (sizeof(a) / sizeof((a)[0]))

/* Closes *fd unless it is negative. Keeps errno. */
static inline void auto_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

/* Frees *(void **)p. Keeps errno. */
static inline void auto_free(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

/* Hands a descriptor over: returns it and leaves -1 behind. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
