/* SPDX-License-Identifier: Apache-2.0 */
/* link: -lseccomp */
/*
 * prog_old_kernel COMMAND [ARGUMENT...]: a kernel before 5.14, which has no cookies for network
 * namespaces (getsockopt, SO_NETNS_COOKIE).
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <unistd.h>

#define NETNS_COOKIE 71 /* asm-generic/socket.h */

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (argc < 2 || !filter ||
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOPROTOOPT), SCMP_SYS(getsockopt), 1,
			     SCMP_A2(SCMP_CMP_EQ, NETNS_COOKIE, 0)) < 0 ||
	    seccomp_load(filter) < 0)
		return 126;
	seccomp_release(filter);
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
