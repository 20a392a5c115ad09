/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/events.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "runner/paths.h"

static void tell_once(struct events *ev, int i, const char *what)
{
	if (!ev->failed[i])
		talk_line(ev->talk, 2, TALK_RESULT, "warning: events are not kept in '%s': %s",
			  i ? ev->extra : ev->path, what);
	ev->failed[i] = true;
}

static void open_one(struct events *ev, int i)
{
	ev->fd[i] = open(i ? ev->extra : ev->path,
			 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	if (ev->fd[i] < 0)
		tell_once(ev, i, strerror(errno));
}

void events_open(struct events *ev, const char *runs_dir, const char *run_id, const char *extra,
		 bool to_stdout, struct talk *talk)
{
	char dir[400];
	struct err e;

	*ev = (struct events){
		.fd = { -1, -1 }, .to_stdout = to_stdout, .talk = talk, .extra = extra
	};
	snprintf(ev->run_id, sizeof(ev->run_id), "%s", run_id);
	snprintf(dir, sizeof(dir), "%s/%s", runs_dir, run_id);
	snprintf(ev->path, sizeof(ev->path), "%s/events.ndjson", dir);
	if (paths_make(dir, &e) < 0)
		tell_once(ev, 0, e.msg[0]);
	else
		open_one(ev, 0);
	if (extra)
		open_one(ev, 1);
}

static void write_line(struct events *ev, char *line, size_t n)
{
	line[n] = '\n'; /* over the terminator */
	for (int i = 0; i < 2; i++) {
		int rc = ev->fd[i] < 0 ? 0 : io_write_full(ev->fd[i], line, n + 1);

		if (rc < 0)
			tell_once(ev, i, strerror(-rc));
	}
	if (ev->to_stdout)
		talk_text(ev->talk, 1, TALK_RESULT, line, n + 1);
}

void events_add(struct events *ev, const char *name, json_t *own)
{
	char when[32];
	json_t *o = json_pack("{s:i, s:s, s:I, s:s, s:I, s:s}", "v", 1, "run", ev->run_id, "seq",
			      (json_int_t)ev->seq++, "t",
			      clock_iso(clock_wall_ns(), when, sizeof(when)), "mono_ns",
			      (json_int_t)clock_mono_ns(), "ev", name);
	bool whole = o && own && json_object_update(o, own) == 0;
	char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (line)
		write_line(ev, line, strlen(line));
	for (int i = 0; (!whole || !line) && i < 2; i++) {
		if (ev->fd[i] >= 0)
			tell_once(ev, i, "no memory for all of them");
	}
	free(line);
	json_decref(o);
	json_decref(own);
}

void events_close(struct events *ev)
{
	auto_close(&ev->fd[0]);
	auto_close(&ev->fd[1]);
}
