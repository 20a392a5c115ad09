/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fuse.h"

#include <signal.h>

#include "base/clock.h"

int fuse_new(timer_t *ret, struct err *e)
{
	struct sigevent how = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };

	return timer_create(CLOCK_MONOTONIC, &how, ret) < 0 ? err_sys(e, "cannot make a timer") : 0;
}

void fuse_set(timer_t fuse, int64_t ns)
{
	struct itimerspec t = { .it_value = { ns / NS_PER_S, ns % NS_PER_S } };

	timer_settime(fuse, 0, &t,
		      NULL); /* fails for a wrong fuse only; then the old setting burns on */
}
