/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "tests/crash/stepper.h"

/*
 * These do not come back or give no number back: the kernel has no way to fail them, and a process
 * that went on behind them would be in a state that no kernel makes.
 */
static const struct {
	int nr;
	const char *why;
} spared[] = {
	{ SYS_exit, "never returns" },
	{ SYS_exit_group, "never returns" },
	{ SYS_rt_sigreturn, "its value is the interrupted call's register" },
	{ SYS_restart_syscall, "made by the kernel, not by the program" },
	{ SYS_brk, "says no by the old break, not by a number: brk(2)" },
	{ SYS_getpid, "cannot fail: getpid(2)" },
	{ SYS_getppid, "cannot fail: getppid(2)" },
	{ SYS_gettid, "cannot fail: gettid(2)" },
	{ SYS_getuid, "cannot fail: getuid(2)" },
	{ SYS_geteuid, "cannot fail: geteuid(2)" },
	{ SYS_getgid, "cannot fail: getgid(2)" },
	{ SYS_getegid, "cannot fail: getegid(2)" },
	{ SYS_umask, "cannot fail: umask(2)" },
	{ SYS_set_tid_address, "cannot fail: set_tid_address(2)" },
};

const char *step_call_spared(uint64_t nr)
{
	for (size_t i = 0; i < sizeof(spared) / sizeof(spared[0]); i++) {
		if ((uint64_t)spared[i].nr == nr)
			return spared[i].why;
	}
	return NULL;
}

bool step_call_reads(uint64_t nr, uint64_t flags)
{
	switch (nr) {
	case SYS_openat:
		return !(flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC));
	case SYS_read:
	case SYS_close:
	case SYS_getdents64:
	case SYS_newfstatat:
	case SYS_readlink:
	case SYS_readlinkat:
	case SYS_lseek:
		return true;
	default:
		return false;
	}
}

const char *step_call_name(uint64_t nr, char buf[24])
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);

	if (name)
		snprintf(buf, 24, "%s", name);
	else
		snprintf(buf, 24, "call-%u", (unsigned)nr);
	free(name);
	return buf;
}
