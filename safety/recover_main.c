/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/recover_main.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/exit.h"
#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/proc_fs.h"
#include "inject/target.h"
#include "safety/deadman.h"
#include "safety/disarmer.h"
#include "safety/fingerprint.h"
#include "safety/openers.h"
#include "safety/proto.h"
#include "safety/recover.h"
#include "safety/rights.h"
#include "safety/sandbox.h"

#define STEP_NS (20 * NS_PER_MS)
#define OTHERS_NS \
	(30 * NS_PER_S) /* another revert, or a spare at work: both are bounded themselves */
#define DEATH_NS (5 * NS_PER_S)
#define HEARD_NS (5 * NS_PER_S)
#define HUNG_NS  (2 * NS_PER_S) /* a second is what the spare gives its keeper: see pulse.h */

struct recovery {
	int sock, state_dir, run_dir, lock;
	const char *state, *run_id;
	unsigned flags;
	int64_t wait_ns;
	struct journal j;
	struct disarmer *disarmer;
	unsigned restored; /* changes taken back by this process */
	bool dirty;
};

static void say(struct recovery *r, struct kmsg *m)
{
	/* nobody listens any more, or a terminal is stalled: the work goes on, the exit code tells
	 */
	proto_send(r->sock, m, sizeof(*m), false);
}

static void note(struct recovery *r, const char *text)
{
	struct kmsg m = { .type = KMSG_NOTE };

	snprintf(m.u.text, sizeof(m.u.text), "%s", text);
	say(r, &m);
}

static void pause_step(void)
{
	struct timespec t = { 0, STEP_NS };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

enum life { DEAD, STOPPED, AT_WORK };

static enum life life_of(const struct change_proc *p)
{
	struct proc_stat s;

	if (p->pid <= 0 || proc_stat_of(p->pid, &s) < 0 || s.start_ticks != p->start_ticks ||
	    proc_is_dead(&s))
		return DEAD;
	return s.state == 'T' || s.state == 't' ? STOPPED : AT_WORK;
}

/* A stopped process that went on later would work on a journal that is not its own any more. */
static void kill_stopped(const struct change_proc *p)
{
	const struct proc_id id = { .pid = p->pid, .start_ticks = p->start_ticks };
	struct err ignored;
	AUTO(auto_close) int fd = -1;

	if (life_of(p) != STOPPED)
		return;
	fd = proc_open(&id, &ignored);
	if (fd >= 0 && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0)
		io_wait(fd, POLLIN, clock_mono_ns() + DEATH_NS);
}

static bool is_this_boot(const struct journal *j)
{
	struct err ignored;
	char now[40] = "";

	journal_boot_id(now, &ignored);
	return !journal_of_earlier_boot(j, now);
}

/*
 * Who has the lock? True: somebody who is at work on it and is worth waiting for (a spare, another
 * revert), or nobody any more. False: a keeper that does its job.
 */
static bool worth_waiting(struct recovery *r)
{
	struct journal j;
	struct err ignored;
	enum life keeper, spare;

	if (journal_open(r->run_dir, false, &j, &ignored) < 0) {
		openers_end_stopped(r->lock); /* it was removing the record, or just making it */
		return true;
	}
	if (j.elsewhere &&
	    is_this_boot(&j)) { /* nobody can say from here who does not do his job */
		journal_done(&j);
		return false;
	}
	keeper = life_of(&j.head.keeper);
	spare = life_of(&j.head.spare);
	if (keeper != AT_WORK && spare != AT_WORK) {
		kill_stopped(&j.head.runner);
		kill_stopped(&j.head.spare);
	}
	kill_stopped(&j.head.keeper);
	/* also whom the journal does not name: a spare or holder that was just born, another revert
	 */
	if (keeper != AT_WORK)
		openers_end_stopped(r->lock);
	journal_done(&j);
	return keeper != AT_WORK;
}

/*
 * Without a lock and without a head the run never began. A keeper that is just making both does not
 * get its lock any more: it gives up.
 */
static int open_lock(int run_dir)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(run_dir, JOURNAL_LOCK, flags);
	struct journal j;
	struct err ignored;
	bool never;

	if (fd < 0 && errno == EROFS) /* flock(2) asks for no right to write */
		return openat(run_dir, JOURNAL_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	never = journal_open(run_dir, false, &j, &ignored) < 0;
	if (!never)
		journal_done(&j);
	never = never && journal_trace(run_dir) == JOURNAL_NEVER;
	fd = openat(run_dir, JOURNAL_LOCK, flags | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return errno == EEXIST ? openat(run_dir, JOURNAL_LOCK, flags) : fd;
	if (never)
		journal_mark_ended(fd);
	return fd;
}

static int lock_run(struct recovery *r, struct err *e)
{
	int64_t began = clock_mono_ns();

	r->lock = open_lock(r->run_dir);
	if (r->lock < 0 && errno == ENOENT)
		return -ENOENT; /* the directory is being removed */
	if (r->lock < 0)
		return err_sys(e, "cannot open the lock of run %s", r->run_id);
	while (flock(r->lock, LOCK_EX | LOCK_NB) < 0) {
		int64_t waited = clock_mono_ns() - began;
		bool late = waited > r->wait_ns;

		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "cannot lock run %s", r->run_id);
		/* who is stopped will not be done, however long it may take: such a one is ended */
		if ((late || waited > HUNG_NS) && !worth_waiting(r) && late)
			return err_set(e, EALREADY, "run %s is alive", r->run_id);
		if (waited > r->wait_ns + OTHERS_NS)
			return err_set(e, EBUSY, "somebody else works on run %s", r->run_id);
		pause_step();
	}
	return 0;
}

static int open_run(struct recovery *r, struct err *e)
{
	struct stat st;

	r->run_dir =
		openat(r->state_dir, r->run_id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (r->run_dir < 0 && errno == ENOENT)
		return -ENOENT; /* somebody else was faster */
	if (r->run_dir < 0 || fstat(r->run_dir, &st) < 0)
		return err_sys(e, "cannot open the directory of run %s", r->run_id);
	if (st.st_uid != geteuid())
		return err_set(e, EPERM, "the directory of run %s belongs to user %u", r->run_id,
			       st.st_uid);
	if (st.st_mode & 022)
		return err_set(e, EPERM, "others can write into the directory of run %s",
			       r->run_id);
	return lock_run(r, e);
}

static void add_search(const struct recovery *r, struct text *t)
{
	text_add(t,
		 "look for brink_* in nft list tables and ip link, for frozen cgroups and stopped "
		 "processes; then: rm -r %s/%s",
		 r->state, r->run_id);
}

/* Is it only this brink, now, that cannot read a record which may be as good as ever? */
static bool may_be_read_later(int code)
{
	return code == ENOTSUP || code == ENOMEM || code == EMFILE || code == ENFILE ||
	       code == EINTR || code == EAGAIN || code == EACCES || code == EPERM || code == EIO;
}

/* Nobody can say what it changed. Only of a record that is lost a person has to look. */
static int tell_unread(struct recovery *r, struct err *e)
{
	struct kmsg m = { .type = KMSG_LEFT };
	struct text by_hand = text_on(m.u.left.by_hand, sizeof(m.u.left.by_hand));
	bool later = may_be_read_later(e->code);
	char words[ERR_LINE * 2];

	snprintf(m.u.left.what, sizeof(m.u.left.what), "whatever run %s changed: %.200s", r->run_id,
		 err_format(e, words, sizeof(words)));
	if (e->code == ENOTSUP)
		text_add(&by_hand, "brink revert %s, of the brink that made it", r->run_id);
	else if (!later)
		add_search(r, &by_hand);
	say(r, &m);
	return later ? err_ctx(e, "the record of run %s cannot be read", r->run_id) :
		       err_ctx(e, "nobody can say what run %s changed", r->run_id);
}

static void tell_left(struct recovery *r, const struct journal_slot *s)
{
	struct kmsg m = { .type = KMSG_LEFT, .fault = s->undo.fault };
	struct text by_hand = text_on(m.u.left.by_hand, sizeof(m.u.left.by_hand));

	snprintf(m.u.left.what, sizeof(m.u.left.what), "%.63s%s%.180s", s->undo.label,
		 s->undo.label[0] ? ": " : "", s->left);
	if (s->state == SLOT_UNKNOWN)
		add_search(r, &by_hand);
	else
		recover_by_hand(s, &by_hand);
	say(r, &m);
}

/* The caller says that it is fine as it is. */
static bool give_up(struct recovery *r, unsigned i)
{
	struct journal_slot *s = &r->j.slot[i];
	char text[400];
	struct err ignored;

	if (!(r->flags & RECOVER_ACCEPT_CONFLICT) || !recover_is_acceptable(s))
		return false;
	snprintf(text, sizeof(text), "%s: left as it is: %s", s->undo.label, s->left);
	note(r, text);
	s->state = SLOT_RESTORED;
	journal_put(&r->j, i, &ignored);
	return true;
}

/* Kernel state died with its boot; what survives one has a record of its own elsewhere. */
static bool died_with_its_boot(const struct journal_slot *s)
{
	const struct change_ops *ops = change_ops_of(s->undo.kind);

	return s->state == SLOT_UNKNOWN || !ops || ops->class != CLASS_PERSISTENT;
}

/*
 * All was taken back by a keeper that could not prove the whole: "clean" needs a look all the same.
 * Of processes of another PID namespace its own look has to do.
 */
static void look_at_restored(struct recovery *r)
{
	for (unsigned i = 0; i < r->j.head.n_slots; i++) {
		struct journal_slot *s = &r->j.slot[i];
		const struct change_ops *ops = change_ops_of(s->undo.kind);
		char words[sizeof(s->left)] = "";
		struct text left = text_on(words, sizeof(words));
		struct err e;
		int rc;

		if (!ops || !ops->gone || (r->j.elsewhere && change_proc_of(&s->undo)))
			continue;
		rc = ops->gone(&s->undo, &left, &e);
		if (rc == 0)
			continue;
		snprintf(s->left, sizeof(s->left), "%s", words[0] ? words : e.msg[0]);
		s->last_errno = rc < 0 ? rc : -EEXIST; /* it is somebody's: ours was gone */
		if (give_up(r, i))
			continue;
		r->dirty = true;
		tell_left(r, s);
	}
}

/* One that no record of a change tells of. */
static void tell_marked(struct recovery *r, const char *what)
{
	struct kmsg m = { .type = KMSG_LEFT, .fault = UINT16_MAX };
	char text[400];

	if (r->flags & RECOVER_ACCEPT_CONFLICT) {
		snprintf(text, sizeof(text), "left as it is: %.300s", what);
		note(r, text);
		return;
	}
	r->dirty = true;
	snprintf(m.u.left.what, sizeof(m.u.left.what), "%.250s", what);
	snprintf(m.u.left.by_hand, sizeof(m.u.left.by_hand),
		 "brink revert --accept-conflict %s # leaves it as it is", r->run_id);
	say(r, &m);
}

static bool is_first_of_netns(const struct journal *j, unsigned at)
{
	uint64_t cookie = j->slot[at].undo.netns.cookie;

	for (unsigned i = 0; i < at && cookie; i++) {
		if (j->slot[i].undo.netns.cookie == cookie)
			return false;
	}
	return cookie != 0;
}

/* What the keeper's comparison met may be an object of the run's that none of its changes tells of.
 */
static void look_for_marked(struct recovery *r)
{
	char words[ERR_LINE * 2], text[ERR_LINE * 3];
	struct err e;
	struct fingerprint *fp = fingerprint_map(&e);

	for (unsigned i = 0; fp && i < r->j.head.n_slots; i++) {
		const struct undo *u = &r->j.slot[i].undo;

		if (!is_first_of_netns(&r->j, i))
			continue;
		fp->n = 0;
		if (fingerprint_take_in(fp, &u->netns, &e) < 0) {
			snprintf(text, sizeof(text),
				 "the network namespace of '%s' cannot be looked at: %s", u->label,
				 err_format(&e, words, sizeof(words)));
			tell_marked(r, text);
		}
		for (uint32_t k = 0; k < fp->n; k++) {
			if (fp->entry[k].ours && fingerprint_is_of(r->run_id, fp->entry[k].name))
				tell_marked(r, fp->entry[k].name);
		}
	}
	if (!fp)
		tell_marked(r, err_format(&e, words, sizeof(words)));
}

static bool all_restored(const struct journal *j)
{
	for (unsigned i = 0; i < j->head.n_slots; i++) {
		if (j->slot[i].state != SLOT_RESTORED)
			return false;
	}
	return true;
}

static void take_back(struct recovery *r)
{
	bool this_boot = is_this_boot(&r->j);
	char words[ERR_LINE * 2];
	struct err e;

	r->j.elsewhere = r->j.elsewhere && this_boot; /* of an earlier one nobody lives anywhere */
	if (this_boot)
		recover_ready(&r->j, &e); /* what could not be opened is tried again by its undo */
	if (this_boot && recover_end_holders(&r->j, &e) < 0)
		note(r, err_format(&e, words, sizeof(words)));
	if (this_boot)
		recover_end_effects(&r->j, 0, r->j.head.n_slots);
	if (this_boot && r->j.head.state == HEAD_DIRTY && all_restored(&r->j)) {
		look_at_restored(r);
		look_for_marked(r);
	}
	for (unsigned i = r->j.head.n_slots; i-- > 0;) {
		struct journal_slot *s = &r->j.slot[i];
		int rc;

		if (s->state == SLOT_RESTORED || (!this_boot && died_with_its_boot(s)))
			continue;
		rc = recover_slot(&r->j, i, clock_mono_ns() + RECOVER_SLOT_NS, &e);
		if (rc == 0) {
			r->restored++;
		} else if (!give_up(r, i)) {
			r->dirty = true;
			tell_left(r, s);
		}
	}
}

static void finish(struct recovery *r)
{
	struct journal_head *h = &r->j.head;
	char words[ERR_LINE * 2], text[ERR_LINE * 3];
	struct err e;

	h->state = r->dirty ? HEAD_DIRTY : HEAD_CLEAN;
	journal_put_head(&r->j, &e); /* an undo that was read back is done, whether or not this can
					be written */
	if (r->dirty || !h->deadman_unit[0] || !is_this_boot(&r->j))
		return;
	if (disarmer_ask(r->disarmer, r->run_id, &e) < 0) {
		snprintf(text, sizeof(text), "the dead-man timer stays: %s",
			 err_format(&e, words, sizeof(words)));
		note(r, text);
	}
}

/* Does the one who writes the history know that the run is clean? Its record is the only other
 * trace of it. */
static bool is_noted(struct recovery *r)
{
	struct kmsg m = { .type = KMSG_REVERTED, .value = r->restored };

	say(r, &m);
	return proto_await(r->sock, &m, KMSG_ANSWER_SIZE, clock_mono_ns() + HEARD_NS) == 1 &&
	       m.type == KMSG_DONE;
}

static int recover_run(struct recovery *r, struct err *e)
{
	int rc = open_run(r, e);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	rc = journal_open(r->run_dir, true, &r->j, e);
	if (rc == 0) {
		if (r->j.head.state != HEAD_CLEAN) {
			take_back(r);
			finish(r);
		}
	} else if (journal_trace(r->run_dir) == JOURNAL_LOST) {
		return tell_unread(r, e);
	}
	if (r->dirty)
		return err_set(e, EBUSY, "not everything could be confirmed");
	if (!is_noted(r))
		return 0; /* the record says clean, and stays for the next command */
	rc = journal_remove(r->state_dir, r->run_dir, r->run_id);
	if (rc == -ENOTEMPTY) {
		note(r, "its directory stays: somebody else's files are in it");
		rc = 0;
	}
	return rc < 0 ? err_set(e, -rc, "cannot remove the directory of run %s: %s", r->run_id,
				strerror(-rc)) :
			0;
}

static int one_run(struct recovery r)
{
	struct kmsg m = { .type = KMSG_CLEAN };
	int64_t began = clock_mono_ns();

	m.code = recover_run(&r, &m.u.err);
	m.value = r.restored;
	m.took_ns = clock_mono_ns() - began;
	say(&r, &m);
	journal_done(&r.j);
	netns_forget();
	auto_close(&r.lock);
	auto_close(&r.run_dir);
	if (m.code == -EALREADY)
		return EXIT_REFUSED;
	return m.code < 0 ? EXIT_NOT_CLEAN : EXIT_PASS;
}

/* Nothing that a terminal or a full memory does ends it in the middle. */
static void harden(void)
{
	AUTO(auto_close) int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	if (oom >= 0)
		io_write_full(oom, "-1000", 5);
	if (rights_memory() == 0) /* CAP_IPC_LOCK goes */
		mlockall(MCL_CURRENT | MCL_FUTURE);
}

/* All that a record can name may have to be taken back: every kind's rights, no program, no
 * process.
 */
static int confine(struct disarmer *d, struct err *e)
{
	struct rights_sum all = RIGHTS_KEEPER;
	int rc = deadman_here(e) == 0 ? disarmer_start(-1, d, e) : 0;

	rights_add_all(&all);
	if (rc == 0)
		rc = sandbox_keep_permitted(all.caps, e);
	return rc < 0 ? rc : sandbox_allow(SANDBOX_RECOVERY, all.calls, all.n, e);
}

static void tell_trouble(struct recovery *r, const struct err *e)
{
	char words[ERR_LINE * 2];

	note(r, err_format(e, words, sizeof(words)));
}

int recover_main(int argc, char **argv)
{
	struct disarmer disarmer = DISARMER_NONE;
	struct recovery r = {
		.state_dir = -1, .run_dir = -1, .lock = -1, .j = { .fd = -1 }, .disarmer = &disarmer
	};
	int worst = EXIT_PASS;
	struct err e;

	if (argc < 6)
		return EXIT_USAGE;
	r.sock = atoi(argv[1]);
	r.state = argv[2];
	r.wait_ns = atoll(argv[3]) * NS_PER_MS;
	r.flags = (unsigned)atoi(argv[4]);
	harden();
	if (confine(&disarmer, &e) < 0) {
		tell_trouble(&r, &e);
		return EXIT_NOT_CLEAN;
	}
	r.state_dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (r.state_dir < 0 && errno == ENOENT)
		return EXIT_PASS; /* and every run with it */
	for (int i = 5; i < argc; i++) {
		int code;

		r.run_id = argv[i];
		code = one_run(r);
		if (code > worst)
			worst = code;
	}
	auto_close(&r.state_dir);
	disarmer_end(&disarmer);
	return worst;
}
