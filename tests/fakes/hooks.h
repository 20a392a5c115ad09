/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_HOOKS_H
#define BRINK_TESTS_HOOKS_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * What a test and the processes of a hooked brink (hooks.c) share: one page, mapped from this file
 * by each of them before main(), because environments are scrubbed and seccomp filters come later.
 * Without the file nothing is hooked. tests/crash/prog_hooks writes and reads it.
 */
#define HOOKS_FILE  "/run/t/hooks"
#define HOOKS_MAGIC 0x686f6f6bu

enum hook_role {
	ROLE_NONE,
	ROLE_RUNNER,
	ROLE_LAUNCHER, /* from the runner's fork on, until it has another name */
	ROLE_WARDEN,
	ROLE_PROBER,
	ROLE_KEEPER,
	ROLE_SPARE,
	ROLE_HOLDER,
	ROLE_RECOVER, /* brink-keeper recover: `brink revert` */
	ROLE_COUNT
};
#define HOOK_ROLES                                                                             \
	{                                                                                      \
		"none", "runner", "launcher", "warden", "prober", "keeper", "spare", "holder", \
			"recover"                                                              \
	}

enum hook_misdeed { DEED_NONE, DEED_MALLOC, DEED_MMAP, DEED_OPEN, DEED_EXEC, DEED_COUNT };
#define HOOK_DEEDS                                       \
	{                                                \
		"none", "malloc", "mmap", "open", "exec" \
	}

#define HOOK_SITES 16384

struct hooks {
	uint32_t magic;
	/* allocation number fail_at (1, 2, ...) of that role gives NULL, and all later ones too */
	uint32_t fail_role, fail_at, fail_forever;
	_Atomic uint32_t allocs[ROLE_COUNT];
	_Atomic uint32_t failed;
	uintptr_t site[HOOK_SITES]; /* of fail_role: who asked, by the number of the allocation */
	/* on the undo path: allocation, exec and opening a file on a disk end the process */
	uint32_t undo_path;
	uint32_t misdeed, misdeed_role; /* what that role does there, to see that it is noticed */
	_Atomic uint32_t watched[ROLE_COUNT]; /* how often a process of it came to its undo path */
	_Atomic uint32_t opened;              /* files opened there, all of them on no disk */
	_Atomic uint32_t violations;
	char violation[120]; /* the first one */
	/* an open() of a path that ends so fails, in that role */
	uint32_t open_role;
	int32_t open_errno;
	char open_end[32];
	/* answers on netlink sockets are errors, in that role */
	uint32_t netlink_role;
	int32_t netlink_errno;
	_Atomic uint32_t refused; /* of both */
	/* the holder stops itself when a change has just been made, before anybody is told */
	uint32_t stop_armed, stop_fired;
	_Atomic uint32_t stopped;
	_Atomic uint32_t crashes; /* SIGSEGV, SIGABRT, ... of any hooked process */
	char crash[240];
};

#endif
