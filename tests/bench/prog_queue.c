/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prog_queue NAMESPACE NUMBER WORD...: the holder's part of engine: user alone, for packets that
 * somebody else's rule sends to that queue. WORD: delay=10ms jitter=1ms distribution=normal loss=1%
 * rate=10mbit. Prints "ready"; ends when its standard input does.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/units.h"
#include "inject/change/netns.h"
#include "inject/net_netem.h"

#define PRIORITY 89 /* as a holder: safety/holder.c */

static int fail(const char *what, const struct err *e)
{
	char words[ERR_LINE * ERR_DEPTH];

	fprintf(stderr, "%s: %s\n", what, err_format(e, words, sizeof(words)));
	return 1;
}

static int find_word(const char *const *words, const char *word, struct err *e)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], word) == 0)
			return i;
	}
	return err_set(e, EINVAL, "none of the words it may be");
}

static int read_word(const char *word, struct netem_side_spec *ret, struct err *e)
{
	const char *value = strchr(word, '=');
	uint64_t rate = 0;
	int rc;

	if (!value++)
		return err_set(e, EINVAL, "no '='");
	if (strncmp(word, "delay=", 6) == 0)
		return units_duration(value, &ret->delay_ns, e);
	if (strncmp(word, "jitter=", 7) == 0)
		return units_duration(value, &ret->jitter_ns, e);
	if (strncmp(word, "loss=", 5) == 0)
		return units_percent(value, &ret->loss_ppm, e);
	if (strncmp(word, "rate=", 5) == 0) {
		rc = units_rate(value, &rate, e);
		ret->rate = (int64_t)rate;
		return rc;
	}
	if (strncmp(word, "distribution=", 13) != 0)
		return err_set(e, EINVAL, "not known here");
	rc = find_word(netem_dist_words, value, e);
	ret->dist = rc < 0 ? 0 : (uint8_t)rc;
	return rc < 0 ? rc : 0;
}

static int hold(struct change *c, struct err *e)
{
	struct pollfd p[3] = { { .fd = STDIN_FILENO } };
	int rc = 0;

	for (unsigned i = 0; i < c->n_watched; i++)
		p[i + 1] = (struct pollfd){ .fd = c->watched[i], .events = POLLIN };
	while (rc == 0 && !(p[0].revents & POLLHUP)) {
		if (poll(p, c->n_watched + 1, -1) < 0)
			return err_sys(e, "cannot wait");
		rc = c->ops->work(c, e);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct change_spec spec = { .kind = CHANGE_QUEUE, .lease_ms = 3000 };
	struct netem_side_spec *how = &spec.u.queue.how;
	struct change c = { .spec = &spec, .ops = change_ops_of(CHANGE_QUEUE) };
	struct sched_param param = { .sched_priority = PRIORITY };
	char path[80];
	uint32_t pps;
	struct err e = { 0 };
	int fd;

	if (argc < 4)
		return 2;
	snprintf(path, sizeof(path), "/run/netns/%s", argv[1]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
		perror(path);
		return 1;
	}
	snprintf(how->dev, sizeof(how->dev), "lo"); /* only for texts */
	if (netns_identify("", &how->netns, &e) < 0)
		return fail(path, &e);
	spec.u.queue.number = (uint32_t)atoi(argv[2]);
	for (int i = 3; i < argc; i++) {
		if (read_word(argv[i], how, &e) < 0)
			return fail(argv[i], &e);
	}
	how->limit = netem_limit(how, 0, 0, &pps);
	if (change_spec_check(&spec, 0, &e) < 0 || c.ops->arm(&c, &e) < 0)
		return fail("cannot hold packets", &e);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	sched_setscheduler(0, SCHED_FIFO, &param);
	puts("ready");
	fflush(stdout);
	return hold(&c, &e) < 0 ? fail("lost", &e) : 0;
}
