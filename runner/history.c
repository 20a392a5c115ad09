/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/history.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "safety/journal.h"

/* The first and the last so many bytes of a file are read: samples stand between. */
#define PART     ((size_t)64 * 1024)
#define RUNS_MAX 100000

static int open_events(const char *runs_dir, const char *id, int flags)
{
	char path[512];

	if (snprintf(path, sizeof(path), "%s/%s/events.ndjson", runs_dir, id) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

static void copy_text(const json_t *o, const char *key, char *buf, size_t size)
{
	const json_t *v = json_object_get(o, key);
	struct text t = text_on(buf, size);

	if (json_is_string(v))
		text_add_foreign(&t, json_string_value(v), json_string_length(v));
}

static void take_event(struct past_run *r, const json_t *o)
{
	const char *ev = json_string_value(json_object_get(o, "ev"));
	const json_t *seq = json_object_get(o, "seq");

	if (json_is_integer(seq) && json_integer_value(seq) >= 0 &&
	    (uint64_t)json_integer_value(seq) > r->last_seq)
		r->last_seq = (uint64_t)json_integer_value(seq);
	if (!ev)
		return;
	if (strcmp(ev, "run.start") == 0) {
		copy_text(o, "name", r->name, sizeof(r->name));
		copy_text(o, "t", r->started, sizeof(r->started));
		copy_text(o, "boot", r->boot, sizeof(r->boot));
		r->faults = (unsigned)json_integer_value(json_object_get(o, "faults"));
	} else if (strcmp(ev, "run.guarded") == 0) {
		r->guarded = true;
	} else if (strcmp(ev, "fault.reverted") == 0) {
		r->reverted++; /* once for each: nothing fires a second time */
	} else if (strcmp(ev, "run.end") == 0) {
		r->ended = true;
		r->clean = json_is_true(json_object_get(o, "clean"));
		if (json_is_integer(json_object_get(o, "exit")))
			r->exit = (int)json_integer_value(json_object_get(o, "exit"));
		r->keeper_lost = json_is_true(json_object_get(o, "keeper_lost"));
		copy_text(o, "verdict", r->verdict, sizeof(r->verdict));
		copy_text(o, "why", r->why, sizeof(r->why));
	} else if (strcmp(ev, "run.recovered") == 0) {
		r->recovered = true;
		r->clean = json_is_true(json_object_get(o, "clean"));
	}
}

static void take_lines(struct past_run *r, const char *text, size_t n)
{
	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;
		json_t *o = json_loadb(text, len, 0, NULL);

		if (json_is_object(o))
			take_event(r, o);
		json_decref(o);
		text += len + (end != NULL);
		n -= len + (end != NULL);
	}
}

static int read_part(int fd, off_t at, struct past_run *r)
{
	char *buf = malloc(PART);
	ssize_t n = buf ? pread(fd, buf, PART, at) : -1;

	if (n > 0)
		take_lines(r, buf, (size_t)n);
	free(buf);
	return n < 0 ? -errno : 0;
}

int history_read_run(const char *runs_dir, const char *id, struct past_run *ret)
{
	struct past_run r = { .exit = -1 };
	AUTO(auto_close) int fd = open_events(runs_dir, id, O_RDONLY);
	struct stat st;
	int rc;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(r.id, sizeof(r.id), "%.26s", id);
	r.whole = st.st_size <= (off_t)PART;
	rc = read_part(fd, 0, &r);
	if (rc == 0 && st.st_size > (off_t)PART)
		rc = read_part(fd,
			       st.st_size > 2 * (off_t)PART ? st.st_size - (off_t)PART :
							      (off_t)PART,
			       &r);
	if (rc == 0)
		*ret = r;
	return rc;
}

static int add_run(struct history *h, const char *runs_dir, const char *id, struct err *e)
{
	struct past_run r, *more;

	if (h->n == RUNS_MAX || history_read_run(runs_dir, id, &r) < 0)
		return 0;
	more = realloc(h->at, (h->n + 1) * sizeof(*more));
	if (!more)
		return err_set(e, ENOMEM, "no memory for the list of runs");
	h->at = more;
	h->at[h->n++] = r;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct past_run *)a)->id, ((const struct past_run *)b)->id);
}

static bool is_run(const char *name)
{
	return strlen(name) == ULID_LEN && ulid_is_suffix(name);
}

int history_read(const char *runs_dir, struct history *ret, struct err *e)
{
	struct history h = { 0 };
	DIR *list = opendir(runs_dir);
	struct dirent *d;
	int rc = 0;

	if (!list && errno != ENOENT)
		return err_sys(e, "cannot read '%s'", runs_dir);
	while (list && rc == 0 && (d = readdir(list))) {
		if (is_run(d->d_name))
			rc = add_run(&h, runs_dir, d->d_name, e);
	}
	if (list)
		closedir(list);
	if (rc < 0) {
		history_done(&h);
		return rc;
	}
	if (h.n)
		qsort(h.at, h.n, sizeof(*h.at), by_id);
	*ret = h;
	return 0;
}

void history_done(struct history *h)
{
	free(h->at);
	*h = (struct history){ 0 };
}

int history_find(const char *runs_dir, const char *id, struct past_run *ret)
{
	DIR *list = opendir(runs_dir);
	struct past_run r = { .exit = -1 };
	size_t n = strlen(id);
	struct dirent *d;

	while (list && !r.id[0] && (d = readdir(list))) {
		if (is_run(d->d_name) && n <= ULID_LEN &&
		    strcasecmp(d->d_name + ULID_LEN - n, id) == 0)
			snprintf(r.id, sizeof(r.id), "%.26s", d->d_name);
	}
	if (list)
		closedir(list);
	if (!r.id[0])
		return -ENOENT;
	*ret = r;
	history_read_run(runs_dir, r.id, ret); /* what it cannot read it does not know */
	return 0;
}

bool history_cut_off(const struct past_run *r, const char *boot_id)
{
	return !r->clean && boot_id[0] && strcmp(r->boot, boot_id) != 0;
}

/* It, or its keeper, was killed where nothing of it was in force: whoever held its record then
 * removed it. */
static bool had_nothing(const struct past_run *r)
{
	if ((r->ended && !r->keeper_lost) || r->recovered || !r->boot[0])
		return false;
	return r->guarded ? r->faults && r->reverted >= r->faults : r->whole;
}

bool history_is_over(const struct past_run *r)
{
	char boot_id[40] = "";
	struct err e;

	journal_boot_id(boot_id, &e);
	return r->clean || had_nothing(r) || (r->boot[0] && history_cut_off(r, boot_id));
}

void history_add_recovery(const char *runs_dir, const char *id, unsigned restored, bool clean)
{
	AUTO(auto_close) int fd = open_events(runs_dir, id, O_WRONLY | O_APPEND);
	struct past_run r = { 0 };
	char line[400], when[32];
	int n;

	if (fd < 0 || history_read_run(runs_dir, id, &r) < 0)
		return;
	/* the first newline ends a line that a killed runner may have left half written; readers
	 * skip empty ones */
	n = snprintf(line, sizeof(line),
		     "\n{\"v\":1,\"run\":\"%s\",\"seq\":%llu,\"t\":\"%s\",\"mono_ns\":%lld,"
		     "\"ev\":\"run.recovered\",\"restored\":%u,\"clean\":%s}\n",
		     r.id, (unsigned long long)r.last_seq + 1,
		     clock_iso(clock_wall_ns(), when, sizeof(when)), (long long)clock_mono_ns(),
		     restored, clean ? "true" : "false");
	io_write_full(fd, line, (size_t)n); /* may fail without harm, as all events */
}
