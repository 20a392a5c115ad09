/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/change/proc_state.h"
#include "inject/target.h"
#include "safety/control.h"
#include "safety/keeper.h"
#include "safety/lock.h"
#include "safety/modules.h"
#include "safety/own_scope.h"
#include "safety/sandbox.h"

#define ARM_NS   (30 * NS_PER_S)
#define SPARE_NS (10 * NS_PER_S)
/* Holders that arm at the same time. The kernel changes devices one after the other (RTNL): each of
 * many would wait for all of them, without a beat, and longer than its own lease. */
#define ARM_ABREAST 4
/* after, for and recovery of 366 days each: a damaged number, not a long run */
#define RUN_MAX_NS (1100 * INT64_C(86400) * NS_PER_S)

static bool plain_name(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	return n > 0 && n < size && !strchr(s, '/') && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static int make_dir(int at, const char *name, mode_t mode, bool exclusive, struct err *e)
{
	struct stat st;
	int fd;

	if (mkdirat(at, name, mode) < 0 && (exclusive || errno != EEXIST))
		return err_sys(e, "cannot create the directory '%s'", name);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, "cannot open the directory '%s'", name);
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022)) {
		close(fd);
		return err_set(e, EPERM, "the directory '%s' can be written by others: not used",
			       name);
	}
	return fd;
}

/* "web.service": the innermost unit in a path of /proc/PID/cgroup, for `brink revert --unit`. */
static void find_unit(pid_t pid, char *ret, size_t size)
{
	char path[32], text[4096];
	const char *part = text;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (io_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return;
	while (*part) {
		size_t n = strcspn(part, "/\n");

		if (n < size && ((n > 8 && memcmp(part + n - 8, ".service", 8) == 0) ||
				 (n > 6 && memcmp(part + n - 6, ".scope", 6) == 0)))
			snprintf(ret, size, "%.*s", (int)n, part);
		part += n + (part[n] != '\0');
	}
}

static int create_journal(struct keeper *k, struct err *e)
{
	struct journal_head head = { .version = JOURNAL_VERSION, .state = HEAD_OPEN };
	uint64_t start = 0;
	int rc = journal_boot_id(head.boot_id, e);

	if (rc < 0)
		return rc;
	snprintf(head.run_id, sizeof(head.run_id), "%s", k->begin.run_id);
	snprintf(head.name, sizeof(head.name), "%s", k->begin.name);
	snprintf(head.started, sizeof(head.started), "%s", k->begin.started);
	head.starter_uid = k->begin.starter_uid;
	head.runner = k->runner;
	find_unit(k->runner.pid, head.unit, sizeof(head.unit));
	rc = proc_start_ticks(getpid(), &start, e);
	if (rc < 0)
		return rc;
	head.keeper = (struct change_proc){ .pid = getpid(), .start_ticks = start };
	head.deadline_boot_ns = k->deadline_boot_ns;
	return journal_create(k->run_dir, &head, &k->journal, e);
}

/* Without it the run is as safe as with it; it can only be ended by its own terminal. */
static void listen_for_halt(struct keeper *k)
{
	char words[ERR_LINE * 2];
	struct err e;

	k->control_gid = k->begin.control_gid;
	k->control = control_listen(k->run_dir, &e);
	if (k->control < 0) {
		k->control = -1;
		keeper_say(k, KMSG_NOTE, "brink halt will not reach this run: %s",
			   err_format(&e, words, sizeof(words)));
	}
}

/* Between making the lock and locking it a `brink revert` may have taken it, and the record with
 * it.
 */
static bool still_ours(const struct keeper *k)
{
	struct stat mine, named;

	return fstat(k->lock_file, &mine) == 0 && mine.st_size == 0 &&
	       fstatat(k->run_dir, JOURNAL_LOCK, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

int keeper_begin(struct keeper *k, const struct kmsg_begin *b, struct err *e)
{
	int rc;

	if (!plain_name(b->run_id, sizeof(b->run_id)) || b->state_dir[0] != '/' ||
	    !memchr(b->state_dir, 0, sizeof(b->state_dir)) ||
	    !memchr(b->name, 0, sizeof(b->name)) || !memchr(b->started, 0, sizeof(b->started)) ||
	    !memchr(b->brink, 0, sizeof(b->brink)) || b->duration_ns <= 0 ||
	    b->duration_ns > RUN_MAX_NS || b->max_faults > PROTO_FAULTS || b->fault_max_ns < 0 ||
	    b->lock_timeout_ns < 0 || b->lock_timeout_ns > RUN_MAX_NS)
		return err_set(e, EINVAL, "the keeper was given a broken start message");
	k->fault = calloc(b->max_faults + 1, sizeof(*k->fault));
	if (!k->fault)
		return err_set(e, ENOMEM, "no memory for the faults");
	k->begin = *b;
	k->deadline_boot_ns = clock_boot_ns() + b->duration_ns; /* again from the guard on */
	k->state_dir = make_dir(AT_FDCWD, b->state_dir, 0755, false, e);
	if (k->state_dir < 0)
		return k->state_dir;
	k->run_dir = make_dir(k->state_dir, b->run_id, 0755, true, e);
	if (k->run_dir < 0)
		return k->run_dir;
	/* the journal first: a lock without a readable journal is a lost record, never a beginning
	 */
	rc = create_journal(k, e);
	if (rc < 0)
		return rc;
	k->lock_file = openat(k->run_dir, JOURNAL_LOCK,
			      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->lock_file < 0 || flock(k->lock_file, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, "cannot lock the run's directory");
	if (!still_ours(k))
		return err_set(e, ECANCELED, "another command took the run back as it began");
	listen_for_halt(k);
	return 0;
}

int keeper_fault(struct keeper *k, const struct kmsg_fault *f, struct err *e)
{
	if (k->n_faults == PROTO_FAULTS || k->n_faults == k->begin.max_faults)
		return err_set(e, E2BIG, "more than %u faults in one run", k->n_faults);
	if (f->for_ns < 0 || f->for_ns > RUN_MAX_NS ||
	    (k->begin.fault_max_ns && f->for_ns > k->begin.fault_max_ns) ||
	    !memchr(f->label, 0, sizeof(f->label)))
		return err_set(e, EPERM, "the fault would last longer than the policy allows");
	k->fault[k->n_faults++] =
		(struct keeper_fault){ .info = *f, .first = k->n_changes, .pidfd = -1, .sock = -1 };
	return 0;
}

/* Room for one more lock. */
static int grow_locks(struct keeper *k, struct err *e)
{
	struct keeper_lock *more;

	if (k->n_locks % KEEPER_LOCKS_STEP)
		return 0;
	more = reallocarray(k->lock, k->n_locks + KEEPER_LOCKS_STEP, sizeof(*more));
	if (!more)
		return err_set(e, ENOMEM, "no memory for the locks");
	k->lock = more;
	return 0;
}

/* Whoever asks the run to end is heard while it waits; who may not asks in vain, and it waits on.
 */
static int await_lock(struct keeper *k, const char *key, struct err *e)
{
	char dir[PROTO_DIR + 8];
	int64_t deadline =
		k->begin.lock_timeout_ns ? clock_mono_ns() + k->begin.lock_timeout_ns : 0;

	snprintf(dir, sizeof(dir), "%s/locks", k->begin.state_dir);
	for (;;) {
		int fd = lock_take(dir, key, k->begin.run_id, deadline,
				   (int[LOCK_STOPS]){ k->sock, k->control }, e);

		/* nothing comes from the runner before the answer but its end */
		if (fd != -ECANCELED || io_wait(k->sock, POLLIN, 0) != 0)
			return fd;
		keeper_serve_caller(k);
		if (k->lifting_all)
			return err_set(e, ECANCELED, "%s", k->journal.head.why);
	}
}

static int take_lock(struct keeper *k, const struct change_spec *s, struct err *e)
{
	const struct change_ops *ops = change_ops_of(s->kind);
	char key[sizeof(k->lock->key)];
	struct text t = text_on(key, sizeof(key));
	int fd;

	if (ops->resource(s, &t) < 0 || !t.len)
		return 0;
	for (unsigned i = 0; i < k->n_locks; i++) {
		if (strcmp(k->lock[i].key, key) == 0)
			return 0; /* ours already: another fault of this run uses it too */
	}
	fd = grow_locks(k, e);
	if (fd < 0)
		return fd;
	fd = await_lock(k, key, e);
	if (fd == -EBUSY) {
		char words[ERR_LINE];
		struct text what = text_on(words, sizeof(words));

		change_resource_words(s, &what);
		err_ctx(e, "%s is in use", words);
	}
	if (fd < 0)
		return fd;
	k->lock[k->n_locks].fd = fd;
	snprintf(k->lock[k->n_locks++].key, sizeof(key), "%s", key);
	return 0;
}

static int remember_netns(struct keeper *k, const struct netns_ref *ref, struct err *e)
{
	for (unsigned i = 0; i < k->n_netns; i++) {
		if (k->netns[i].cookie == ref->cookie)
			return 0;
	}
	if (k->n_netns == KEEPER_NETNS)
		return err_set(e, E2BIG, "more than %d network namespaces in one run",
			       KEEPER_NETNS);
	k->netns[k->n_netns++] = *ref;
	return 0;
}

int keeper_add(struct keeper *k, const struct change_spec *s, struct err *e)
{
	const struct netns_ref *ref;
	struct keeper_fault *f;
	int64_t drain_ns;
	int rc;

	if (!k->n_faults || k->n_changes == JOURNAL_SLOTS)
		return err_set(e, EINVAL, "a change at the wrong time, or one too many");
	f = &k->fault[k->n_faults - 1];
	if (s->fault != k->n_faults - 1 || f->n == PLAN_CHANGES)
		return err_set(e, EINVAL, "a change of the wrong fault");
	rc = change_spec_check(s, k->pooled, e);
	if (rc < 0)
		return rc;
	ref = change_netns(s);
	rc = ref ? remember_netns(k, ref, e) : 0;
	rc = rc < 0 ? rc : take_lock(k, s, e);
	if (rc < 0)
		return rc;
	k->spec[k->n_changes] = malloc(sizeof(*s));
	if (!k->spec[k->n_changes])
		return err_set(e, ENOMEM, "no memory for a change");
	*k->spec[k->n_changes++] = *s;
	rights_add_keeper(&k->rights, s);
	rights_add_holder(&k->holders, s);
	drain_ns = change_drain_ns(s);
	f->drain_ns = drain_ns > f->drain_ns ? drain_ns : f->drain_ns;
	f->n++;
	return 0;
}

static int fault_of_change(const struct keeper *k, unsigned i)
{
	return k->spec[i]->fault;
}

static int prepare_all(struct keeper *k, struct err *e)
{
	for (unsigned i = 0; i < k->n_changes; i++) {
		struct change c = { .ops = change_ops_of(k->spec[i]->kind), .spec = k->spec[i] };
		struct undo u = { .kind = k->spec[i]->kind, .fault = k->spec[i]->fault };
		unsigned slot;
		int rc;

		struct text key = text_on(u.resource, sizeof(u.resource));

		snprintf(u.run_id, sizeof(u.run_id), "%s", k->begin.run_id);
		snprintf(u.label, sizeof(u.label), "%s",
			 k->fault[fault_of_change(k, i)].info.label);
		c.ops->resource(c.spec, &key);
		rc = c.ops->prepare(&c, &u, e);
		if (rc == 0)
			rc = journal_add(&k->journal, &u,
					 c.ops->class == CLASS_GUARDED ? SLOT_PLANNED : SLOT_INTENT,
					 &slot, e);
		if (rc < 0)
			return err_ctx(e, "fault '%s'", k->fault[fault_of_change(k, i)].info.label);
	}
	return 0;
}

/*
 * Out of the unit that the runner is part of, before the spare and the holders are born: what ends
 * that unit as a whole does not end who takes back. Without it the run is as safe as its timer.
 */
static void leave_unit(struct keeper *k)
{
	char words[ERR_LINE * 2];
	struct err e;
	int rc = own_scope_enter(NULL, k->begin.run_id, &e);

	if (rc < 0 && k->journal.head.deadman_unit[0]) /* else: no systemd, and the user knows */
		keeper_say(k, KMSG_NOTE, "what kills the unit '%s' kills the keeper too: %s",
			   k->journal.head.unit, err_format(&e, words, sizeof(words)));
}

int keeper_guard(struct keeper *k, struct err *e)
{
	int rc;

	/* nothing is in force, and other programs take their time */
	pulse_rest(&k->pulse->keeper, KEEPER_REST_NS);
	k->deadline_boot_ns = clock_boot_ns() + k->begin.duration_ns;
	k->journal.head.deadline_boot_ns = k->deadline_boot_ns;
	rc = modules_load(k->spec, k->n_changes, e);
	if (rc == 0) /* read with the rights that it will be compared with */
		rc = sandbox_effect(k->rights.caps, e);
	if (rc == 0)
		rc = keeper_baseline(k, e);
	if (rc == 0)
		rc = sandbox_effect(UINT64_MAX, e);
	if (rc == 0)
		rc = prepare_all(k, e);
	if (rc == 0)
		rc = keeper_deadman(k, e);
	if (rc == 0)
		leave_unit(k);
	if (rc == 0 && k->journal.head.deadman_unit[0])
		rc = disarmer_start(k->run_dir, &k->disarmer, e);
	if (rc == 0) /* modules are loaded; holders want their part, and to give up the rest */
		rc = sandbox_keep_permitted(k->rights.caps | k->holders.caps | CAP_BIT(SETPCAP), e);
	if (rc == 0)
		k->guarded = true;
	return rc;
}

/* It beats when it has all that it needs: nothing is changed before that. */
static int await_spare(struct keeper *k, struct err *e)
{
	int64_t deadline = clock_mono_ns() + SPARE_NS;

	while (!k->pulse->spare) {
		pulse_beat(&k->pulse->keeper);
		int rc = io_wait(k->spare_pidfd, POLLIN, clock_mono_ns() + NS_PER_MS);

		if (rc > 0)
			return err_set(e, ESRCH, "the spare keeper died before it was ready");
		if (rc < 0) /* it would fail again at once, at our priority */
			short_nap();
		if (clock_mono_ns() > deadline)
			return err_set(e, ETIMEDOUT, "the spare keeper does not get ready");
	}
	return 0;
}

static int start_spare(struct keeper *k, struct err *e)
{
	pid_t pid = fork();
	int rc;

	if (pid < 0)
		return err_sys(e, "cannot start the spare keeper");
	if (pid == 0)
		spare_main(k, k->self_pidfd);
	k->spare = pid;
	k->spare_pidfd = pidfd_open(pid, 0);
	if (k->spare_pidfd < 0)
		return err_sys(e, "cannot watch the spare keeper");
	k->journal.head.spare.pid = pid;
	rc = proc_start_ticks(pid, &k->journal.head.spare.start_ticks, e);
	if (rc == 0)
		rc = journal_put_head(&k->journal, e);
	return rc < 0 ? rc : await_spare(k, e);
}

static int fill_job(struct keeper *k, unsigned index, struct holder_job *job, struct err *e)
{
	const struct keeper_fault *f = &k->fault[index];

	*job = (struct holder_job){ .fault = index,
				    .n = f->n,
				    .netns_fd = -1,
				    .pool_fd = k->pool_fd,
				    .runner_pidfd = k->runner_pidfd,
				    .keeper_pidfd = k->self_pidfd,
				    .pulse = k->pulse,
				    .lease_ms = 60000 };
	for (unsigned i = 0; i < f->n; i++) {
		const struct change_spec *s = k->spec[f->first + i];
		const struct netns_ref *ref = change_netns(s);

		job->change[i] = (struct change){ .ops = change_ops_of(s->kind),
						  .spec = s,
						  .undo = &k->journal.slot[f->first + i].undo,
						  .shield = &k->shield };
		rights_add_holder(&job->rights, s);
		if (s->lease_ms < job->lease_ms)
			job->lease_ms = s->lease_ms;
		if (ref && job->netns_fd < 0) {
			int rc = netns_is_own(ref, e); /* entering takes CAP_SYS_ADMIN */

			rc = rc == 0 ? netns_open(ref, &job->netns_fd, e) : rc;
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* The journal knows the holder before the holder does anything. */
static int note_holder(struct keeper *k, const struct keeper_fault *f, struct err *e)
{
	struct change_proc who = { .pid = f->pid };
	int rc = proc_start_ticks(f->pid, &who.start_ticks, e);

	for (unsigned i = f->first; i < f->first + f->n && rc == 0; i++) {
		k->journal.slot[i].holder = who;
		rc = journal_put(&k->journal, i, e);
	}
	return rc;
}

static int start_holder(struct keeper *k, unsigned index, struct err *e)
{
	struct keeper_fault *f = &k->fault[index];
	struct holder_job job;
	struct hmsg m = { .type = HMSG_ARM };
	int pair[2] = { -1, -1 };
	int rc = fill_job(k, index, &job, e);

	if (rc == 0)
		rc = proto_pair(pair, e);
	if (rc < 0)
		goto out;
	job.sock = pair[1];
	f->pid = fork();
	if (f->pid == 0)
		holder_main(&job);
	close(pair[1]);
	f->sock = pair[0];
	if (f->pid < 0) {
		f->pid = 0;
		rc = err_sys(e, "cannot start a holder");
		goto out;
	}
	f->pidfd = pidfd_open(f->pid, 0);
	rc = f->pidfd < 0 ? err_sys(e, "cannot watch a holder") : note_holder(k, f, e);
	if (rc == 0) {
		f->state = FAULT_ARMING;
		f->since_ns = clock_mono_ns();
		rc = proto_send(f->sock, &m, sizeof(m), false);
		if (rc < 0)
			err_set(e, -rc, "cannot speak to a holder");
	}
out:
	auto_close(&job.netns_fd);
	return rc;
}

/* The run is being ended, or will be because one cannot be armed: no more of them are started. */
static bool arming_failed(const struct keeper *k)
{
	if (k->lifting_all)
		return true;
	for (unsigned i = 0; i < k->n_faults; i++) {
		if (k->fault[i].arm_code < 0 || k->fault[i].state > FAULT_ARMED)
			return true;
	}
	return false;
}

static unsigned count_arming(const struct keeper *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->n_faults; i++)
		n += k->fault[i].state == FAULT_ARMING;
	return n;
}

/* Until no more than `most` are at it. */
static int await_arming(struct keeper *k, unsigned most, int64_t deadline, struct err *e)
{
	while (count_arming(k) > most) {
		keeper_listen(k, clock_mono_ns() + PULSE_BEAT_NS / 2);
		if (clock_mono_ns() > deadline)
			return err_set(e, ETIMEDOUT, "arming takes longer than %d s",
				       (int)(ARM_NS / NS_PER_S));
	}
	return 0;
}

/* Everybody is born: from here on nothing needs a program, a process or a new file. */
static int confine(struct keeper *k, struct err *e)
{
	int rc = sandbox_keep_permitted(k->rights.caps, e);

	return rc < 0 ? rc : sandbox_allow(SANDBOX_KEEPER, k->rights.calls, k->rights.n, e);
}

int keeper_arm(struct keeper *k, struct err *e)
{
	struct err ignored;
	int64_t deadline = clock_mono_ns() + ARM_NS;
	int rc;

	k->stage = STAGE_ARMING;
	pulse_beat(&k->pulse->keeper);
	rc = start_spare(k, e);
	for (unsigned i = 0; i < k->n_faults && rc == 0 && !arming_failed(k); i++) {
		rc = start_holder(k, i, e);
		if (rc < 0)
			err_ctx(e, "fault '%s'", k->fault[i].info.label);
		pulse_beat(&k->pulse->keeper);
		if (rc == 0)
			rc = await_arming(k, ARM_ABREAST - 1, deadline, e);
	}
	if (rc == 0)
		rc = confine(k, e);
	else
		confine(k, &ignored); /* the lifting needs no more */
	if (rc == 0)
		rc = await_arming(k, 0, deadline, e);
	for (unsigned i = 0; i < k->n_faults && rc == 0; i++) {
		struct keeper_fault *f = &k->fault[i];

		/* it can never be fired, and the runner has no ear for that yet */
		if (f->arm_code == 0 && f->state != FAULT_ARMED && !k->lifting_all)
			f->arm_code = err_set(&f->arm_err, ESRCH, "it was lost while others armed");
		if (f->arm_code < 0) {
			*e = f->arm_err;
			rc = err_ctx(e, "fault '%s'", f->info.label);
		}
	}
	return rc;
}
