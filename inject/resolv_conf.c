/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/resolv_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/auto.h"

#define SERVERS    3 /* MAXNS of resolv.h: nobody asks a fourth one */
#define LINE_BYTES 512
#define NAMED      "/run/netns/" /* where ip-netns(8) puts them */

static int find_file(const char *netns, char ret[PATH_MAX], struct err *e)
{
	snprintf(ret, PATH_MAX, "/etc/resolv.conf");
	if (!netns)
		return 0;
	if (strncmp(netns, "pid:", 4) == 0 && netns[4] &&
	    !netns[4 + strspn(netns + 4, "0123456789")]) {
		snprintf(ret, PATH_MAX, "/proc/%s/root", netns + 4);
		return 0;
	}
	if (strncmp(netns, NAMED, strlen(NAMED)) == 0)
		netns += strlen(NAMED);
	if (strchr(netns, '/'))
		return err_set(e, EINVAL,
			       "which name servers are asked in '%s' is not known: say 'to'",
			       netns);
	snprintf(ret, PATH_MAX, "/etc/netns/%s/resolv.conf", netns);
	if (access(ret, F_OK) < 0) /* ip-netns(8): then the one of all */
		snprintf(ret, PATH_MAX, "/etc/resolv.conf");
	return 0;
}

/*
 * As the process sees it: a link in its tree that begins with '/' leads to a place in its tree, and
 * a pipe that somebody put there keeps nobody waiting. openat2(2), kernel 5.6.
 */
static FILE *open_below(const char *root)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	AUTO(auto_close) int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	FILE *f = NULL;
	struct stat st;
	int fd;

	if (top < 0)
		return NULL;
	fd = (int)syscall(SYS_openat2, top, "etc/resolv.conf", &how, sizeof(how));
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		f = fdopen(fd, "r");
	else
		errno = EINVAL;
	if (!f)
		close(fd);
	return f;
}

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* "nameserver fe80::1%eth0": which link it is on is for 'dev' to say. */
static int add_server(const char *line, struct arena *mem, struct strings *ret, struct err *e)
{
	char address[64];

	if (sscanf(line, "nameserver %63[^% \t\n]", address) != 1 || ret->n == SERVERS)
		return 0;
	ret->at[ret->n] = arena_strndup(mem, address, strlen(address));
	if (!ret->at[ret->n])
		return err_set(e, ENOMEM, "no memory for the name servers");
	ret->n++;
	return 0;
}

int resolv_conf_servers(const char *netns, struct arena *mem, struct strings *ret, struct err *e)
{
	AUTO(close_file) FILE *f = NULL;
	char path[PATH_MAX], line[LINE_BYTES];
	int rc = find_file(netns, path, e);

	*ret = (struct strings){ .at = arena_zalloc(mem, SERVERS * sizeof(*ret->at)) };
	if (rc < 0)
		return rc;
	if (!ret->at)
		return err_set(e, ENOMEM, "no memory for the name servers");
	f = netns && strncmp(netns, "pid:", 4) == 0 ? open_below(path) : fopen(path, "re");
	if (!f)
		return err_sys(e, "cannot read '%s', say 'to'", path);
	while (rc == 0 && fgets(line, sizeof(line), f))
		rc = add_server(line, mem, ret, e);
	if (rc == 0 && ret->n == 0)
		return err_set(e, ENOENT, "'%s' names no name server: say 'to'", path);
	return rc;
}
