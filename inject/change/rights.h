/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_RIGHTS_H
#define BRINK_RIGHTS_H

#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/socket.h>

/* One line of an allow-list: a system call; with a mask only where that argument, under it, has
 * this value. Several lines of one call mean "any of these". */
struct call_rule {
	const char *call;
	unsigned arg;
	uint64_t mask, value;
};

/* What a kind of change needs beyond what every process of that sort may do anyway. */
struct rights {
	uint64_t caps;                 /* bit n = capability n */
	const struct call_rule *calls; /* up to one without a name; NULL = none */
};

#define CAP_BIT(name) (UINT64_C(1) << CAP_##name)

#define ANY_ARG    0, 0, 0 /* whatever its arguments are */
#define WHOLE_WORD UINT64_C(0xffffffff)

/* Looking at files: never opened for writing, nothing made. (O_TMPFILE asks for writing, too.) */
#define OPEN_BITS (O_ACCMODE | O_CREAT | O_TRUNC)
/* Nothing made and nothing cut short; with this mask and 0, what is there may be written to. */
#define OPEN_NEW (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
#define CALLS_OPEN_READ                          \
	{ "open", 1, OPEN_BITS, O_RDONLY },      \
	{                                        \
		"openat", 2, OPEN_BITS, O_RDONLY \
	}
#define CALLS_LOOK                                                                                \
	{ "stat", ANY_ARG }, { "stat64", ANY_ARG }, { "lstat", ANY_ARG }, { "lstat64", ANY_ARG }, \
		{ "fstat", ANY_ARG }, { "fstat64", ANY_ARG }, { "newfstatat", ANY_ARG },          \
		{ "fstatat64", ANY_ARG }, { "statx", ANY_ARG }, { "statfs", ANY_ARG },            \
		{ "statfs64", ANY_ARG }, { "fstatfs", ANY_ARG }, { "fstatfs64", ANY_ARG },        \
		{ "readlink", ANY_ARG }, { "readlinkat", ANY_ARG }, { "getdents64", ANY_ARG },    \
		{ "lseek", ANY_ARG }, { "_llseek", ANY_ARG },                                     \
	{                                                                                         \
		"pread64", ANY_ARG                                                                \
	}

/* Sockets of exactly this family; what follows is bound to them by it. */
#define CALLS_NETLINK                                                                             \
	{ "socket", 0, WHOLE_WORD, AF_NETLINK }, { "bind", ANY_ARG }, { "getsockname", ANY_ARG }, \
		{ "getsockopt", ANY_ARG }, { "setsockopt", ANY_ARG }, { "recvmsg", ANY_ARG },     \
	{                                                                                         \
		"sendmsg", ANY_ARG                                                                \
	}

#define CALLS_PIDFD                          \
	{ "pidfd_open", ANY_ARG },           \
	{                                    \
		"pidfd_send_signal", ANY_ARG \
	}

#endif
