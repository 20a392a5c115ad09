/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer -Wl,--wrap=open,--wrap=openat,--wrap=fopen,--wrap=stat,--wrap=readlink */
/* link: -Wl,--wrap=realpath,--wrap=getpid,--wrap=readlinkat,--wrap=fstatat */
/* fuzz: -max_len=8192 -dict=tests/fuzz/proc.dict */
/*
 * /proc of a machine that does not exist: the texts of its files one behind the other, a byte 1E
 * between them, in the order of `files`. Two processes have these files, 1 and 7; brink is 7. Every
 * reader of /proc goes over it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inject/cgroup.h"
#include "inject/change/freeze.h"
#include "inject/change/proc_state.h"
#include "inject/proc_fs.h"
#include "inject/target.h"
#include "inject/target_fields.h"
#include "safety/probe/proc_up.h"
#include "safety/session.h"
#include "tests/fuzz/fuzz.h"

#define BETWEEN 0x1e
#define OWN_PID 7

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, mode_t mode);
int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, mode_t mode);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
int __real_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);
int __real_fstatat(int dir, const char *path, struct stat *st, int flags);
int __wrap_fstatat(int dir, const char *path, struct stat *st, int flags);
ssize_t __real_readlink(const char *path, char *buf, size_t n);
ssize_t __wrap_readlink(const char *path, char *buf, size_t n);
ssize_t __real_readlinkat(int dir, const char *path, char *buf, size_t n);
ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t n);
char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);
pid_t __real_getpid(void);
pid_t __wrap_getpid(void);

enum file {
	STAT,
	STATUS,
	CGROUP,
	COMM,
	TCP,
	TCP6,
	MOUNTINFO,
	STAT_1, /* of process 1; its other files are those of 7 */
	KNOB,
	EVENTS,
	PROCS,
	PID_FILE,
	EXE,    /* where a link leads: the next ones are no files */
	SOCKET, /* "socket:[1234]" */
	FILES
};

static const char *const files[FILES] = {
	[STAT] = "7/stat",
	[STATUS] = "7/status",
	[CGROUP] = "7/cgroup",
	[COMM] = "7/comm",
	[TCP] = "7/net/tcp",
	[TCP6] = "7/net/tcp6",
	[MOUNTINFO] = "self/mountinfo",
	[STAT_1] = "1/stat",
	[KNOB] = "group/cgroup.freeze",
	[EVENTS] = "group/cgroup.events",
	[PROCS] = "group/cgroup.procs",
	[PID_FILE] = "pid_file",
};

static bool inside; /* libFuzzer's own calls are left alone */
static char root[80];
static char links[2][256];

/* Below /proc? Then the path of ours. */
static const char *ours(const char *path, char *buf, size_t size)
{
	if (!inside || strncmp(path, "/proc", 5) != 0 || (path[5] && path[5] != '/') ||
	    strncmp(path, "/proc/self/fd", 13) == 0)
		return path;
	snprintf(buf, size, "%s%s", root, path + 5);
	return buf;
}

int __wrap_open(const char *path, int flags, mode_t mode)
{
	char buf[400];

	return __real_open(ours(path, buf, sizeof(buf)), flags, mode);
}

int __wrap_openat(int dir, const char *path, int flags, mode_t mode)
{
	char buf[400];

	return __real_openat(dir, ours(path, buf, sizeof(buf)), flags, mode);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	char buf[400];

	return __real_fopen(ours(path, buf, sizeof(buf)), mode);
}

int __wrap_stat(const char *path, struct stat *st)
{
	char buf[400];

	return __real_stat(ours(path, buf, sizeof(buf)), st);
}

int __wrap_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	char buf[400];

	return __real_fstatat(dir, ours(path, buf, sizeof(buf)), st, flags);
}

/* What a link says is the input's, as far as it fits. */
static ssize_t link_text(unsigned which, char *buf, size_t n)
{
	size_t len = strlen(links[which]);

	len = len < n ? len : n;
	memcpy(buf, links[which], len);
	return (ssize_t)len;
}

ssize_t __wrap_readlink(const char *path, char *buf, size_t n)
{
	char own[400];

	if (inside && strstr(path, "/ns/net"))
		return link_text(1, buf, n);
	return __real_readlink(ours(path, own, sizeof(own)), buf, n);
}

ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t n)
{
	if (inside && strcmp(path, "exe") == 0)
		return link_text(0, buf, n);
	if (inside)
		return link_text(1, buf, n); /* descriptors, namespaces */
	return __real_readlinkat(dir, path, buf, n);
}

char *__wrap_realpath(const char *path, char *resolved)
{
	if (!inside)
		return __real_realpath(path, resolved);
	errno = ENOENT;
	return NULL;
}

pid_t __wrap_getpid(void)
{
	return inside ? OWN_PID : __real_getpid();
}

static void make_tree(void)
{
	static const char *const dirs[] = { "7", "7/net",    "7/fd", "7/task", "7/ns",
					    "1", "7/task/7", "self", "group",  "group/sub" };
	static const char *const symlinks[][2] = { { "../7/net", "1/net" },
						   { "../7/fd", "1/fd" },
						   { "../7/task", "1/task" },
						   { "../7/status", "1/status" },
						   { "../7/cgroup", "1/cgroup" },
						   { "../7/comm", "1/comm" },
						   { "../../status", "7/task/7/status" } };
	int fd;

	snprintf(root, sizeof(root), "%s/proc", fuzz_dir());
	FUZZ_MUST(mkdir(root, 0755) == 0);
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		FUZZ_MUST(mkdirat(fd, dirs[i], 0755) == 0);
	for (size_t i = 0; i < ARRAY_LEN(symlinks); i++)
		FUZZ_MUST(symlinkat(symlinks[i][0], fd, symlinks[i][1]) == 0);
	fuzz_write(fd, "7/fd/3", "", 0);
	fuzz_write(fd, "7/ns/net", "", 0);
	close(fd);
}

static void parse(const char *stat, const char *cgroup, char *tcp)
{
	struct proc_stat s;
	char *save = NULL;

	if (proc_stat_parse(stat, &s) == 0) {
		FUZZ_MUST(s.pid > 0 && memchr(s.comm, '\0', sizeof(s.comm)));
		proc_is_dead(&s);
	}
	FUZZ_MUST(proc_cgroup_within(cgroup, "/") ==
		  proc_cgroup_within(cgroup, "")); /* the root has all that have a path */
	proc_cgroup_within(cgroup, "/a/b");
	for (char *line = strtok_r(tcp, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct session_row row;

		if (session_parse_row(line, &row))
			FUZZ_MUST(row.flow.family == 4 || row.flow.family == 6);
	}
}

static void resolve(const char *pid_file)
{
	const struct proc_select select[] = {
		{ .pid = OWN_PID },
		{ .name = "server" },
		{ .exe = "/usr/sbin/server" },
		{ .cgroup = "/a/b" },
		{ .user = "0" },
		{ .pid_file = pid_file },
		{ .pid = OWN_PID, .exe = "/usr/sbin/server" },
	};
	struct shield shield = { 0 };
	struct targets t = { .shield = &shield };
	struct proc_id id[8];

	for (size_t i = 0; i < ARRAY_LEN(select); i++) {
		struct err e = { 0 };
		int n = proc_resolve(&select[i], NULL, &t, id, ARRAY_LEN(id), &e);

		FUZZ_MUST(n > 0 ? n <= 2 : n < 0 && e.code == -n);
		for (int k = 0; k < n; k++)
			FUZZ_MUST(id[k].pid > 1); /* PID 1 is never a target */
		if (n < 0)
			fuzz_error_must_be_safe(&e);
	}
}

static void probe(int proc_fd, const char *pid_file)
{
	struct probe_process p[] = { { .uid = -1, .name = "server" },
				     { .uid = -1, .exe = "/usr/sbin/server" },
				     { .uid = 0, .cgroup = "/a" },
				     { .uid = -1, .pid = OWN_PID, .start_ticks = 5 },
				     { .uid = -1 } };

	snprintf(p[4].pid_file, sizeof(p[4].pid_file), "%s", pid_file);
	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		struct probe_sample s = { 0 };

		proc_up_probe(&p[i], proc_fd, &s);
		FUZZ_MUST(s.verdict <= PROBE_NO_DATA && s.text[0]);
		fuzz_must_be_safe(s.text, strlen(s.text));
		FUZZ_MUST(s.verdict != PROBE_OK || (s.has_value && s.value >= 1));
	}
}

static void session(void)
{
	static const char *const paths[] = { "/run/brink" };
	struct shield *s = malloc(sizeof(*s));
	char words[1024];
	struct text note = text_on(words, sizeof(words));
	struct shield_flows flows = { 0 };
	struct err e = { 0 };
	int r;

	FUZZ_MUST(s);
	r = session_find(s, &flows, paths, 1, &note, &e);
	FUZZ_MUST(r == 0 || e.code == -r);
	if (r == 0) {
		const char *why = NULL;

		FUZZ_MUST(s->n_procs > 0 && s->n_procs <= SHIELD_PROCS);
		FUZZ_MUST(flows.n <= flows.size && s->n_paths == 1);
		for (uint32_t i = 0; i < s->n_procs; i++)
			FUZZ_MUST(shield_has_proc(s, s->proc[i].pid, s->proc[i].start_ticks, &why));
	}
	shield_flows_done(&flows);
	free(s);
}

static void change_readers(const char *stat)
{
	struct proc_threads t;
	struct proc_stat own;
	char path[300], name[80];
	struct shield shield = { 0 };
	struct freeze_check k = { .shield = &shield };
	bool asked, frozen;
	struct err e = { 0 };
	int dir;

	if (proc_stat_parse(stat, &own) == 0) {
		struct change_proc p = { .pid = OWN_PID, .start_ticks = own.start_ticks };

		if (proc_threads_read(&p, &t) == 0)
			FUZZ_MUST(t.n == 1 && t.one == OWN_PID && t.stopped + t.trapped <= 1);
		p.start_ticks++;
		FUZZ_MUST(proc_threads_read(&p, &t) < 0); /* another process of that number */
	}
	proc_is_brink(OWN_PID);
	proc_name(OWN_PID, name, sizeof(name));
	fuzz_must_be_safe(name, strlen(name));
	if (cgroup2_path("/a/b", path, sizeof(path)) == 0)
		FUZZ_MUST(strlen(path) >= 4 && strcmp(path + strlen(path) - 4, "/a/b") == 0);
	snprintf(path, sizeof(path), "%s/group", root);
	dir = __real_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (freeze_read(dir, &asked, &frozen) == 0)
		freeze_check(&k, dir, &e);
	close(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = { data, size };
	char *text[FILES], path[120];
	int fd;

	if (!root[0])
		make_tree();
	fd = __real_open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < FILES; i++) {
		struct feed one = feed_until(&f, BETWEEN);

		text[i] = feed_string(&one);
		if (files[i])
			fuzz_write(fd, files[i], one.at, one.left);
	}
	snprintf(links[0], sizeof(links[0]), "%s", text[EXE]);
	snprintf(links[1], sizeof(links[1]), "%s", text[SOCKET]);
	snprintf(path, sizeof(path), "%s/pid_file", root);
	inside = true;
	parse(text[STAT], text[CGROUP], text[TCP]);
	resolve(path);
	probe(fd, path);
	session();
	change_readers(text[STAT]);
	inside = false;
	for (unsigned i = 0; i < FILES; i++)
		free(text[i]);
	close(fd);
	return FUZZ_KEEP;
}
