/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/proc_state.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/proc_fs.h"
#include "inject/target.h"

#define NAP_NS (300 * NS_PER_US)

/* 0 with the name, which is empty when the process has gone; or -errno. */
static int read_comm(int32_t pid, char *ret, size_t size)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	n = io_read_file(AT_FDCWD, path, ret, size);
	if (n >= 0)
		return 0;
	ret[0] = '\0';
	return n == -ENOENT || n == -ESRCH ? 0 : (int)n;
}

int proc_is_holder(int32_t pid)
{
	char comm[64];
	int rc = read_comm(pid, comm, sizeof(comm));

	return rc < 0 ? rc : strcmp(comm, HOLDER_COMM) == 0;
}

int proc_thread_read(int task_dir, int32_t tid, char *ret_state, int32_t *ret_tracer)
{
	char path[32], buf[512]; /* both lines stand before the first one of unbounded length */
	const char *state, *tracer;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/status", tid);
	fd = openat(task_dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = io_read_full(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return n ? (int)n : -ESRCH;
	buf[n] = '\0';
	state = strstr(buf, "\nState:\t");
	tracer = strstr(buf, "\nTracerPid:\t");
	if (!state || !tracer)
		return -EBADMSG;
	*ret_state = state[strlen("\nState:\t")];
	*ret_tracer = (int32_t)strtol(tracer + strlen("\nTracerPid:\t"), NULL, 10);
	return 0;
}

struct thread_walk {
	int task_dir;
	int32_t holder, other; /* the last tracer found to be one, and not to be one */
	struct proc_threads t;
};

/* What cannot be read is not "nobody of ours". */
static int count_tracer(struct thread_walk *w, int32_t tracer, char state)
{
	int rc = tracer && tracer != w->holder && tracer != w->other ? proc_is_holder(tracer) : 0;

	if (rc < 0 || !tracer)
		return rc;
	if (rc)
		w->holder = tracer;
	else if (tracer != w->holder)
		w->other = tracer;
	if (tracer != w->holder) {
		w->t.tracer = tracer;
		return 0;
	}
	w->t.held++;
	w->t.held_trapped += state == 't';
	return 0;
}

static int count_thread(void *arg, int32_t tid)
{
	struct thread_walk *w = arg;
	int32_t tracer = 0;
	char state = 'X';
	int r = proc_thread_read(w->task_dir, tid, &state, &tracer);

	if (r == -ESRCH)
		return 0;
	if (r)
		return r;
	if (state == 'Z' || state == 'X' || state == 'x')
		return 0;
	if (!w->t.n++)
		w->t.one = tid;
	w->t.stopped += state == 'T';
	w->t.trapped += state == 't';
	return count_tracer(w, tracer, state);
}

int proc_threads_read(const struct change_proc *p, struct proc_threads *ret)
{
	AUTO(auto_close) int dir = -1;
	AUTO(auto_close) int task = -1;
	struct thread_walk w = { 0 };
	struct proc_stat stat;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/proc/%d", p->pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	r = proc_stat_read(dir, "stat", &stat);
	if (r)
		return r;
	if (stat.start_ticks != p->start_ticks || proc_is_dead(&stat))
		return -ESRCH;
	task = openat(dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (task < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	w.task_dir = task;
	r = proc_each(task, count_thread, &w);
	if (r)
		return r == -ENOENT ? -ESRCH : r;
	*ret = w.t;
	return w.t.n ? 0 : -ESRCH;
}

int proc_stop_pending(int32_t pid)
{
	AUTO(auto_close) int fd = -1;
	char path[32], pending[32];
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	rc = proc_find_line(fd, "\nShdPnd:\t", pending, sizeof(pending));
	if (rc < 0) /* a process that ended has no such line */
		return rc == -ENOENT ? -ESRCH : rc;
	return (strtoull(pending, NULL, 16) >> (SIGSTOP - 1) & 1) != 0;
}

bool proc_is_brink(int32_t pid)
{
	static const char *const names[] = { "brink",        "brink-keeper",   HOLDER_COMM,
					     "brink-spare",  "brink-prober",   "brink-launcher",
					     "brink-warden", "brink-disarmer", "brink-resolver" };

	char comm[64];

	if (read_comm(pid, comm, sizeof(comm)) < 0)
		return true; /* better one too few hit */
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(comm, names[i]) == 0)
			return true;
	}
	return false;
}

int change_proc_open(const struct change_proc *p, struct err *e)
{
	const struct proc_id id = { .pid = p->pid, .start_ticks = p->start_ticks };

	return proc_open(&id, e);
}

void change_proc_key(const struct change_proc *p, struct text *ret)
{
	text_add(ret, "proc-%d-%llu", p->pid, (unsigned long long)p->start_ticks);
}

void shell_quote(struct text *t, const char *s)
{
	text_add(t, "'");
	for (; *s; s++) {
		if (*s == '\'')
			text_add(t, "'\\''");
		else
			text_add(t, "%c", *s);
	}
	text_add(t, "'");
}

void short_nap(void)
{
	const struct timespec t = { 0, NAP_NS };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}
