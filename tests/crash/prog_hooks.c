/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What build/hooked/brink is to do, and what it did (tests/fakes/hooks.h).
 *   prog_hooks set [fail=ROLE:K:once|ever] [undo_path] [misdeed=ROLE:malloc|mmap|open|exec]
 *                  [open=ROLE:ERRNO:END-OF-PATH] [netlink=ROLE:ERRNO] [stop=armed|fired]
 *   prog_hooks show           lines "NAME VALUE"
 *   prog_hooks sites STEP     which allocations of the role of "fail=" to let fail: the first one
 * of each place that asks for memory, and every STEP-th; then one too many
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fakes/hooks.h"

static const char *const roles[] = HOOK_ROLES, *const deeds[] = HOOK_DEEDS;

static void die(const char *what)
{
	fprintf(stderr, "prog_hooks: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint32_t index_in(const char *const *names, uint32_t n, const char *name)
{
	for (uint32_t i = 1; name && i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	errno = EINVAL;
	die(name ? name : "a word is missing");
	return 0;
}

static int errno_of(const char *name)
{
	for (int i = 1; name && i < 134; i++) {
		if (strerrorname_np(i) && strcmp(strerrorname_np(i), name) == 0)
			return i;
	}
	errno = EINVAL;
	die("no such errno");
	return 0;
}

static void take(struct hooks *h, char *arg)
{
	char *save = NULL, *key = strtok_r(arg, "=", &save), *role;

	if (strcmp(key, "undo_path") == 0) {
		h->undo_path = 1;
		return;
	}
	role = strtok_r(NULL, ":", &save);
	if (strcmp(key, "stop") == 0 && role) {
		h->stop_armed = strcmp(role, "armed") == 0;
		h->stop_fired = strcmp(role, "fired") == 0;
	} else if (strcmp(key, "fail") == 0) {
		char *k, *how;

		h->fail_role = index_in(roles, ROLE_COUNT, role);
		k = strtok_r(NULL, ":", &save);
		how = strtok_r(NULL, ":", &save);
		h->fail_at = k ? (uint32_t)strtoul(k, NULL, 10) : 0;
		h->fail_forever = how && strcmp(how, "ever") == 0;
	} else if (strcmp(key, "misdeed") == 0) {
		h->misdeed_role = index_in(roles, ROLE_COUNT, role);
		h->misdeed = index_in(deeds, DEED_COUNT, strtok_r(NULL, ":", &save));
	} else if (strcmp(key, "open") == 0) {
		h->open_role = index_in(roles, ROLE_COUNT, role);
		h->open_errno = errno_of(strtok_r(NULL, ":", &save));
		snprintf(h->open_end, sizeof(h->open_end), "%s", strtok_r(NULL, "", &save));
	} else if (strcmp(key, "netlink") == 0) {
		h->netlink_role = index_in(roles, ROLE_COUNT, role);
		h->netlink_errno = errno_of(strtok_r(NULL, ":", &save));
	} else {
		errno = EINVAL;
		die(key);
	}
}

static void show(const struct hooks *h)
{
	for (unsigned i = 1; i < ROLE_COUNT; i++)
		printf("allocs.%s %u\nwatched.%s %u\n", roles[i], h->allocs[i], roles[i],
		       h->watched[i]);
	printf("failed %u\nopened %u\nviolations %u\nrefused %u\nstopped %u\ncrashes %u\n",
	       h->failed, h->opened, h->violations, h->refused, h->stopped, h->crashes);
	printf("violation %s\ncrash %s\n", h->violation, h->crash);
}

static bool seen_before(const struct hooks *h, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		if (h->site[i] == h->site[n])
			return true;
	}
	return false;
}

static void sites(const struct hooks *h, uint32_t step)
{
	uint32_t n = h->allocs[h->fail_role];

	if (!step || n >= HOOK_SITES) {
		errno = E2BIG;
		die("sites");
	}
	for (uint32_t i = 1; i <= n; i++) {
		if (i % step == 0 || !seen_before(h, i))
			printf("%u\n", i);
	}
}

int main(int argc, char **argv)
{
	const char *path = HOOKS_FILE;
	int set = argc > 1 && strcmp(argv[1], "set") == 0;
	int fd =
		open(path, set ? O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDWR | O_CLOEXEC, 0666);
	struct hooks *h;

	/* the prober is another user */
	if (fd < 0 || (set && (fchmod(fd, 0666) < 0 || ftruncate(fd, sizeof(*h)) < 0)))
		die(path);
	h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (h == MAP_FAILED)
		die(path);
	for (int i = 2; set && i < argc; i++)
		take(h, argv[i]);
	if (set)
		h->magic = HOOKS_MAGIC;
	else if (argc > 2 && strcmp(argv[1], "sites") == 0)
		sites(h, (uint32_t)strtoul(argv[2], NULL, 10));
	else
		show(h);
	return 0;
}
