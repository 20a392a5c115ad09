/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/leftovers.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/exit.h"
#include "base/io.h"
#include "inject/cgroup.h"
#include "inject/proc_fs.h"
#include "runner/history.h"
#include "runner/say.h"

#define RUNS_MAX 4096
#define LOOKS    3

/* A stopped one takes nothing back: with its spare stopped or dead too it counts as dead, and
 * revert ends both. */
static bool works(const struct change_proc *p)
{
	struct proc_stat s;

	return p->pid > 0 && proc_stat_of(p->pid, &s) == 0 && s.start_ticks == p->start_ticks &&
	       !proc_is_dead(&s) && s.state != 'T' && s.state != 't';
}

/* Held by keeper and spare. Asked only where no number tells of them: whoever asks has it a moment.
 */
static bool is_locked(int dir)
{
	AUTO(auto_close)
	int lock = openat(dir, JOURNAL_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static enum run_life life_of(const struct left_run *r, int dir)
{
	const struct journal_head *h = &r->journal.head;

	if (r->journal.elsewhere ? is_locked(dir) :
				   !r->earlier_boot && (works(&h->keeper) || works(&h->spare)))
		return RUN_ALIVE;
	/* without a slot it was never allowed to change anything */
	return h->state == HEAD_CLEAN || (h->state == HEAD_OPEN && h->n_slots == 0) ? RUN_DONE :
										      RUN_LEFT;
}

/*
 * -ENOENT: it never had one, or its record is just being removed. A run that begins or ends while
 * this looks makes one look too few: then it looks again.
 */
static int open_journal(int dir, struct left_run *r)
{
	int rc = -ENOENT;

	for (unsigned look = 0; look < LOOKS; look++) {
		rc = journal_open(dir, false, &r->journal, &r->err);
		if (rc == 0)
			return 0;
		if (journal_trace(dir) != JOURNAL_LOST)
			return err_set(&r->err, ENOENT, "no record of a run is in '%s/%s'", r->dir,
				       r->id);
	}
	return rc == -ENOENT ? err_set(&r->err, EBADMSG, "its journal is missing") : rc;
}

/* Whether its processes live is asked after its journal was read. */
static int judge_run(int dir, const char *boot_id, struct left_run *r)
{
	int rc = open_journal(dir, r);

	if (rc < 0)
		return rc;
	r->earlier_boot = journal_of_earlier_boot(&r->journal, boot_id);
	r->journal.elsewhere = r->journal.elsewhere && !r->earlier_boot;
	r->life = life_of(r, dir);
	return 0;
}

static void read_run(int state_dir, const char *boot_id, struct left_run *r)
{
	AUTO(auto_close)
	int dir = openat(state_dir, r->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	r->life = RUN_BLIND;
	if (dir < 0 || fstat(dir, &st) < 0) {
		err_sys(&r->err, "cannot open the directory of run %s", r->id);
		return;
	}
	r->owner = st.st_uid;
	r->foreign = st.st_uid != geteuid();
	if (r->foreign) { /* nothing of somebody else's text is believed */
		err_set(&r->err, EACCES, "run %s belongs to user %u", r->id, st.st_uid);
		return;
	}
	if (st.st_mode & 022) { /* nor of somebody's who can write there */
		err_set(&r->err, EPERM, "others can write into '%s/%s'", r->dir, r->id);
		return;
	}
	if (judge_run(dir, boot_id, r) < 0)
		return;
	if (r->life == RUN_LEFT) { /* what it wrote last, before it ended, counts */
		journal_done(&r->journal);
		r->life = RUN_BLIND;
		if (judge_run(dir, boot_id, r) < 0)
			return;
	}
	if (r->life != RUN_ALIVE || r->journal.elsewhere)
		return;
	r->by_spare = !works(&r->journal.head.keeper);
	r->ending = r->by_spare || !works(&r->journal.head.runner);
}

static int add_run(struct left_runs *l, const char *dir, int state_dir, const char *id,
		   const char *boot_id, struct err *e)
{
	struct left_run *more, *r;

	if (l->n == RUNS_MAX)
		return err_set(e, E2BIG, "more than %d runs in '%s'", RUNS_MAX, dir);
	more = realloc(l->at, (l->n + 1) * sizeof(*more));
	if (!more)
		return err_set(e, ENOMEM, "no memory for the list of runs");
	l->at = more;
	r = &l->at[l->n++];
	*r = (struct left_run){ .journal = { .fd = -1 } };
	snprintf(r->id, sizeof(r->id), "%.26s", id);
	snprintf(r->dir, sizeof(r->dir), "%s", dir);
	read_run(state_dir, boot_id, r);
	return 0;
}

static int read_all(struct left_runs *l, const char *dir, DIR *list, struct err *e)
{
	char boot_id[40] = "";
	struct err ignored;
	struct dirent *d;
	int rc = 0;

	journal_boot_id(boot_id, &ignored);
	while (rc == 0 && (d = readdir(list))) {
		if (strlen(d->d_name) == ULID_LEN && ulid_is_suffix(d->d_name))
			rc = add_run(l, dir, dirfd(list), d->d_name, boot_id, e);
	}
	return rc;
}

static int find_in(struct left_runs *l, const char *dir, struct err *e)
{
	DIR *list = opendir(dir);
	int rc;

	if (!list)
		return errno == ENOENT ? 0 : err_sys(e, "cannot read '%s'", dir);
	rc = read_all(l, dir, list, e);
	closedir(list);
	return rc;
}

/*
 * In /tmp anybody may have made it: what a keeper would not have used is not believed, see
 * make_dir() in keeper_setup.c. One that two names lead to is read once.
 */
static int find_in_other(struct left_runs *l, const struct paths *p, unsigned other, struct err *e)
{
	AUTO(auto_close)
	int fd = open(p->other[other], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st, same;
	DIR *list;
	int rc;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES ?
			       0 :
			       err_sys(e, "cannot read '%s'", p->other[other]);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot read '%s'", p->other[other]);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return 0;
	for (unsigned i = 0; i <= other; i++) {
		const char *before = i ? p->other[i - 1] : p->state;

		if (stat(before, &same) == 0 && same.st_dev == st.st_dev &&
		    same.st_ino == st.st_ino)
			return 0;
	}
	list = fdopendir(take_fd(&fd));
	rc = list ? read_all(l, p->other[other], list, e) :
		    err_sys(e, "cannot read '%s'", p->other[other]);
	if (list)
		closedir(list);
	return rc;
}

/* An ULID begins with its time. */
static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct left_run *)a)->id, ((const struct left_run *)b)->id);
}

int leftovers_find(const struct paths *p, bool foreign, struct left_runs *ret, struct err *e)
{
	struct left_runs l = { 0 };
	int rc = find_in(&l, p->state, e);

	for (unsigned i = 0; i < p->n_others && rc == 0; i++)
		rc = find_in_other(&l, p, i, e);
	if (rc == 0 && foreign && strcmp(p->state, LEFT_ROOT) != 0)
		rc = find_in(&l, LEFT_ROOT, e);
	if (rc < 0) {
		leftovers_done(&l);
		return rc;
	}
	if (l.n)
		qsort(l.at, l.n, sizeof(*l.at), by_id);
	*ret = l;
	return 0;
}

void leftovers_done(struct left_runs *l)
{
	for (size_t i = 0; i < l->n; i++)
		journal_done(&l->at[i].journal);
	free(l->at);
	*l = (struct left_runs){ 0 };
}

static bool ends_with(const char *id, const char *end)
{
	size_t n = strlen(end), m = strlen(id);

	return n <= m && strcasecmp(id + m - n, end) == 0;
}

int leftovers_pick(const struct left_runs *l, const char *id, const struct left_run **ret,
		   struct err *e)
{
	const struct left_run *found = NULL;
	size_t n = 0;

	if (!ulid_is_suffix(id))
		return err_set(e, EINVAL, "'%.40s' is no run id", id);
	for (size_t i = 0; i < l->n; i++) {
		if (ends_with(l->at[i].id, id)) {
			found = &l->at[i];
			n++;
		}
	}
	if (n > 1)
		return err_set(e, EEXIST, "%zu runs end with '%s'", n, id);
	if (!found)
		return err_set(e, ENOENT, "there is no run '%s' on record", id);
	*ret = found;
	return 0;
}

static int lost(const struct paths *p, const char *id, struct err *e)
{
	err_set(e, ENODATA, "nothing is left of it? brink revert --accept-conflict %s", id);
	err_ctx(e, "look for brink_* in nft list tables and ip link, for devices that are down, "
		   "frozen cgroups and stopped processes; a reboot ends all of it");
	return err_ctx(e, "run %s has no record in %s, and its events do not say that it was clean",
		       id, p->state);
}

/* 1 = its events say that nothing of it is left, 0 = there was none. */
static int ask_events(const struct paths *p, const char *id, struct err *e)
{
	struct past_run run;

	if (history_find(p->runs, id, &run) < 0)
		return 0;
	return history_is_over(&run) ? 1 : lost(p, run.id, e);
}

/* A directory alone is none: its keeper dies before it makes one, or somebody has removed it. */
static bool has_record(const char *dir, const char *id)
{
	char path[PATHS_LEN + ULID_LEN + 2];
	AUTO(auto_close) int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, id);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? errno != ENOENT : journal_trace(fd) != JOURNAL_NEVER;
}

static bool is_without_record(const struct left_run *r)
{
	return r->life == RUN_BLIND && r->err.code == ENOENT && !has_record(r->dir, r->id);
}

bool leftovers_is_lost(const struct paths *p, const struct left_run *r)
{
	struct err ignored;

	return is_without_record(r) && ask_events(p, r->id, &ignored) < 0;
}

int leftovers_choose(const struct paths *p, const struct left_runs *l, const char *id,
		     const struct left_run **ret, struct err *e)
{
	struct err unread;
	int rc, past;

	*ret = NULL;
	rc = leftovers_pick(l, id, ret, e);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (*ret && !is_without_record(*ret))
		return 0;
	past = ask_events(p, *ret ? (*ret)->id : id, &unread);
	if (past < 0)
		*e = unread;
	return past < 0 || (past > 0 && !*ret) ? past : rc;
}

/* One that says that it is not clean is not asked again when its keeper was lost to it: that may
 * have cleaned up since without being heard. */
static bool told_its_end(const struct past_run *r)
{
	return r->ended && (r->keeper_lost || r->exit != EXIT_NOT_CLEAN);
}

/* Looked at again: it may have ended after its events were read. */
static bool is_lost(const struct paths *p, struct past_run *r)
{
	char boot_id[40] = "";
	struct err ignored;

	journal_boot_id(boot_id, &ignored);
	if (told_its_end(r) || strcmp(r->boot, boot_id) != 0 || history_is_over(r) ||
	    has_record(p->state, r->id))
		return false;
	for (unsigned i = 0; i < p->n_others; i++) {
		if (has_record(p->other[i], r->id))
			return false;
	}
	return history_read_run(p->runs, r->id, r) < 0 || !(told_its_end(r) || history_is_over(r));
}

int leftovers_say_lost(const struct paths *p)
{
	struct history h = { 0 };
	struct err e = { 0 };
	int rc = history_read(p->runs, &h, &e);
	int n = 0;

	if (rc < 0)
		say_warning(&e);
	for (size_t i = 0; i < h.n; i++) {
		if (!is_lost(p, &h.at[i]))
			continue;
		lost(p, h.at[i].id, &e);
		say_warning(&e);
		n++;
	}
	history_done(&h);
	return rc < 0 ? rc : n;
}

const char *leftovers_owner(const struct left_run *r, char *buf, size_t size)
{
	const struct passwd *pw = getpwuid(r->owner);

	if (pw)
		snprintf(buf, size, "%s", pw->pw_name);
	else
		snprintf(buf, size, "%u", r->owner);
	return buf;
}

/* cgroups(7): "0::/system.slice/web.service" in any line. cgroup.events tells of those above too.
 */
static bool in_frozen(const struct change_proc *p, char *ret, size_t size)
{
	char path[PATHS_LEN], text[4096], events[256];
	char *cgroup;

	if (!works(p))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", p->pid);
	if (io_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	cgroup = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!cgroup)
		return false;
	cgroup = strchr(cgroup, '/');
	if (!cgroup)
		return false;
	cgroup[strcspn(cgroup, "\n")] = '\0';
	if (cgroup2_path(cgroup, ret, size) < 0 ||
	    snprintf(path, sizeof(path), "%s/cgroup.events", ret) >= (int)sizeof(path))
		return false;
	return io_read_file(AT_FDCWD, path, events, sizeof(events)) > 0 &&
	       strstr(events, "frozen 1");
}

bool leftovers_frozen(const struct left_run *r, char *ret, size_t size)
{
	return r->life == RUN_ALIVE && (in_frozen(&r->journal.head.keeper, ret, size) ||
					in_frozen(&r->journal.head.spare, ret, size));
}

const char *leftovers_why(const struct left_run *r, char *buf, size_t size)
{
	struct text t = text_on(buf, size);

	text_add_foreign(&t, r->journal.head.why, strlen(r->journal.head.why));
	return buf;
}

/* Somebody else may be doing the same: whoever has the lock removes. */
static void remove_record(const struct left_run *r, const char *runs_dir)
{
	AUTO(auto_close) int state = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(auto_close)
	int dir = openat(state, r->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO(auto_close)
	int lock = openat(dir, JOURNAL_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return;
	history_add_recovery(runs_dir, r->id, 0, true); /* its runner could not say how it ended */
	journal_remove(state, dir, r->id);
}

static void warn_about(const struct left_run *r, const struct paths *p)
{
	char why[400];

	/* ENOENT: just being made, or it died before it had a journal, let alone a change */
	if (r->life == RUN_LEFT || (r->life == RUN_BLIND && !r->foreign &&
				    (r->err.code != ENOENT || leftovers_is_lost(p, r))))
		fprintf(stderr,
			"brink: warning: run %s died and is not clean. See: %sbrink revert %s\n",
			r->id, p->root ? "sudo " : "", r->id);
	if (r->life != RUN_DONE)
		return;
	leftovers_why(r, why, sizeof(why));
	fprintf(stderr, "brink: note: run %s ended by itself%s%s; everything was restored\n", r->id,
		why[0] ? ": " : "", why);
	remove_record(r, p->runs);
}

void leftovers_warn(void)
{
	struct left_runs l;
	struct paths p;
	struct err ignored;

	paths_find(&p);
	if (leftovers_find(&p, false, &l, &ignored) < 0)
		return;
	for (size_t i = 0; i < l.n; i++)
		warn_about(&l.at[i], &p);
	leftovers_done(&l);
}

/* Is one of the resources of this change still held by what the old run did? */
static bool holds(const struct left_run *r, const char *key)
{
	for (unsigned i = 0; i < r->journal.head.n_slots; i++) {
		const struct journal_slot *s = &r->journal.slot[i];

		if (s->state != SLOT_RESTORED && strcmp(s->undo.resource, key) == 0)
			return true;
	}
	return false;
}

static int check_change(const struct left_runs *l, const struct change_spec *s, struct err *e)
{
	const struct change_ops *ops = change_ops_of(s->kind);
	char key[96], words[ERR_LINE];
	struct text t = text_on(key, sizeof(key)), what = text_on(words, sizeof(words));

	if (!ops || !ops->resource || ops->resource(s, &t) < 0 || !t.len)
		return 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct left_run *r = &l->at[i];

		if (r->life != RUN_LEFT || r->earlier_boot || !holds(r, key))
			continue;
		change_resource_words(s, &what);
		err_set(e, EBUSY, "first: brink revert %s", r->id);
		return err_ctx(e, "run %s died and has not given back %s", r->id, words);
	}
	return 0;
}

int leftovers_check(const struct paths *p, const struct run_plan *plan, struct err *e)
{
	struct left_runs l;
	int rc = leftovers_find(p, false, &l, e);

	if (rc < 0)
		return rc;
	for (unsigned f = 0; f < plan->n_faults && rc == 0; f++) {
		for (unsigned c = 0; c < plan->fault[f].n_changes && rc == 0; c++)
			rc = check_change(&l, &plan->fault[f].change[c], e);
	}
	leftovers_done(&l);
	return rc;
}
