/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer tests/fakes/fake_crc32c.c */
/* link: -Wl,--wrap=change_ops_of,--wrap=clock_mono_ns,--wrap=clock_nanosleep */
/* link: -Wl,--wrap=proc_open,--wrap=proc_stat_of,--wrap=pidfd_send_signal,--wrap=io_wait */
/* link: -Wl,--wrap=mlockall,--wrap=setsid,--wrap=sigprocmask,--wrap=deadman_here */
/* link: -Wl,--wrap=disarmer_start,--wrap=disarmer_ask,--wrap=disarmer_end,--wrap=sandbox_allow */
/* link: -Wl,--wrap=sandbox_keep_permitted */
/* link: -Wl,--wrap=pidns_is_own,--wrap=pidns_has_ended */
/* link: -Wl,--wrap=journal_boot_id,--wrap=proto_send,--wrap=proto_await */
/* link: -Wl,--wrap=open,--wrap=fdatasync */
/* fuzz: -max_len=40000 -len_control=10 */
/*
 * A run's directory as somebody left it, and `brink revert` over it. First byte: flags; then eight
 * bytes that say how well things go, the last one also whether anybody listens; then the journal:
 * raw, or as blocks (index, generation, length, payload) that are given a right checksum. The
 * changes are those of a small machine in memory: "clean" may only be said when all of it is as
 * before, an unknown slot is never clean, and nothing is touched that does not bear brink's mark.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/exit.h"
#include "inject/target.h"
#include "safety/control.h"
#include "safety/deadman.h"
#include "safety/disarmer.h"
#include "safety/journal.h"
#include "safety/proto.h"
#include "safety/recover_main.h"
#include "tests/fuzz/fuzz.h"

#define RUN   "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define MAGIC 0x6e6a6b62u /* as in safety/journal.c */
#define BOOT  "11111111-2222-3333-4444-555555555555"

enum flag {
	RAW = 1,
	LOCK = 2,
	LOCK_CLEAN = 4,
	OTHER_BOOT = 8,
	ACCEPT = 16,
	CONTROL = 32,
	NO_BOOT = 64,
	ELSEWHERE = 128
};

const struct change_ops *__wrap_change_ops_of(unsigned kind);
int64_t __wrap_clock_mono_ns(void);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *ret_left);
int __wrap_proc_open(const struct proc_id *id, struct err *e);
int __wrap_proc_stat_of(int32_t pid, void *ret);
int __wrap_pidfd_send_signal(int fd, int sig, void *info, unsigned flags);
int __wrap_io_wait(int fd, short events, int64_t deadline_ns);
int __wrap_mlockall(int flags);
pid_t __wrap_setsid(void);
int __wrap_sigprocmask(int how, const void *set, void *old);
int __wrap_deadman_here(struct err *e);
int __wrap_disarmer_start(int run_dir, struct disarmer *ret, struct err *e);
int __wrap_disarmer_ask(const struct disarmer *d, const char *run_id, struct err *e);
void __wrap_disarmer_end(struct disarmer *d);
int __wrap_sandbox_keep_permitted(uint64_t caps, struct err *e);
int __wrap_sandbox_allow(int kind, const void *more, size_t n, struct err *e);
bool __wrap_pidns_is_own(const struct pidns_ref *p);
int __wrap_pidns_has_ended(const struct pidns_ref *there, int32_t pid, uint64_t start_ticks);
int __wrap_journal_boot_id(char ret[40], struct err *e);
int __wrap_proto_send(int fd, const void *msg, size_t size, bool wait);
int __wrap_proto_await(int fd, void *ret_msg, size_t size, int64_t deadline_ns);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_fdatasync(int fd);

struct thing {
	uint32_t crc; /* of the record, which tells things apart */
	bool there, felt;
};

static struct {
	bool on;
	uint8_t flags, script[8];
	unsigned at; /* in the script */
	int64_t now_ns;
	unsigned n;
	struct thing thing[JOURNAL_SLOTS];
	unsigned undone, left, cleans;
	int ended;    /* the last answer of pidns_has_ended() */
	int32_t code; /* of KMSG_CLEAN */
} machine;

static uint8_t next(void)
{
	return machine.script[machine.at++ % sizeof(machine.script)];
}

static bool is_deaf(void)
{
	return machine.script[sizeof(machine.script) - 1] & 128;
}

static struct thing *thing_of(const struct undo *u)
{
	uint32_t crc = crc32c(u, sizeof(*u));

	for (unsigned i = 0; i < machine.n; i++) {
		if (machine.thing[i].crc == crc)
			return &machine.thing[i];
	}
	FUZZ_MUST(machine.n < JOURNAL_SLOTS);
	machine.thing[machine.n] = (struct thing){ .crc = crc, .there = true, .felt = true };
	return &machine.thing[machine.n++];
}

static bool marked(const char *s, size_t size)
{
	return memchr(s, '\0', size) && strncmp(s, "brink", 5) == 0;
}

static bool elsewhere(void)
{
	return (machine.flags & ELSEWHERE) &&
	       (!(machine.flags & OTHER_BOOT) || (machine.flags & NO_BOOT));
}

/* What undo gets must be brink's, and never a process of another PID namespace that may be alive,
 * whatever the journal says. */
static void must_be_ours(const struct undo *u)
{
	FUZZ_MUST(memchr(u->run_id, '\0', sizeof(u->run_id)));
	FUZZ_MUST(memchr(u->by_hand, '\0', sizeof(u->by_hand)));
	FUZZ_MUST(memchr(u->netns.path, '\0', sizeof(u->netns.path)));
	if (u->kind == CHANGE_NETEM_SIDE)
		FUZZ_MUST(marked(u->u.netem.ifb, sizeof(u->u.netem.ifb)));
	if (u->kind == CHANGE_NFT_GATE)
		FUZZ_MUST(marked(u->u.gate.table, sizeof(u->u.gate.table)));
	if (u->kind == CHANGE_FILL)
		FUZZ_MUST(memchr(u->u.fill.path, '\0', sizeof(u->u.fill.path)) &&
			  !strchr(u->run_id, '/'));
	if (u->kind == CHANGE_PAUSE || u->kind == CHANGE_STOP)
		FUZZ_MUST(u->u.pause.proc.pid > 1 && (!elsewhere() || machine.ended > 0));
	if (u->kind == CHANGE_FREEZE)
		FUZZ_MUST(memchr(u->u.freeze.cgroup, '\0', sizeof(u->u.freeze.cgroup)));
}

static int undo(const struct undo *u, struct err *e)
{
	struct thing *t = thing_of(u);
	uint8_t v = next() & 7;

	must_be_ours(u);
	machine.undone++;
	if (v == 1)
		return err_set(e, EIO, "the undo fails");
	if (v == 2)
		return err_set(e, EEXIST, "it is somebody else's now");
	if (v == 3)
		return 0; /* it says so, and nothing has happened */
	t->there = t->felt = false;
	return 0;
}

static int look(const struct undo *u, bool there, struct text *ret_left, struct err *e)
{
	uint8_t v = next() & 7;

	must_be_ours(u);
	if (v == 1)
		return err_set(e, EACCES, "it cannot be read");
	if (!there)
		return 0;
	if (v == 2)
		return err_set(e, EEXIST, "it is somebody else's now");
	text_add(ret_left, "it is there");
	return 1;
}

static int ended(const struct undo *u, struct text *ret_left, struct err *e)
{
	return look(u, thing_of(u)->felt, ret_left, e);
}

static int gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	return look(u, thing_of(u)->there, ret_left, e);
}

const struct change_ops *__wrap_change_ops_of(unsigned kind)
{
	static const struct change_ops usual = {
		.kind = "usual", .class = CLASS_GUARDED, .undo = undo, .ended = ended, .gone = gone
	};
	static const struct change_ops lasting = { .kind = "lasting",
						   .class = CLASS_PERSISTENT,
						   .undo = undo,
						   .ended = ended,
						   .gone = gone };

	if (!kind || kind >= CHANGE_KIND_COUNT)
		return NULL;
	return kind == CHANGE_FILL ? &lasting : &usual;
}

int64_t __wrap_clock_mono_ns(void)
{
	return machine.now_ns += NS_PER_US;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *ret_left)
{
	(void)clock;
	(void)flags;
	(void)ret_left;
	/* a retry every half a second of the machine's time is as good as one every 10 ms */
	machine.now_ns += 50 * (t->tv_sec * NS_PER_S + t->tv_nsec);
	return 0;
}

int __wrap_proc_open(const struct proc_id *id, struct err *e)
{
	uint8_t v = next() & 7;

	if (v == 1)
		return err_set(e, EMFILE, "cannot open process %d", id->pid);
	if (v > 4)
		return err_set(e, ESRCH, "process %d is gone", id->pid);
	return dup(STDERR_FILENO);
}

int __wrap_proc_stat_of(int32_t pid, void *ret)
{
	(void)pid;
	(void)ret;
	return -ESRCH; /* nobody who has the lock is asked for: it is free */
}

int __wrap_pidfd_send_signal(int fd, int sig, void *info, unsigned flags)
{
	(void)fd;
	(void)sig;
	(void)info;
	(void)flags;
	errno = EPERM;
	return (next() & 7) == 1 ? -1 : 0;
}

int __wrap_io_wait(int fd, short events, int64_t deadline_ns)
{
	(void)fd;
	(void)deadline_ns;
	return (next() & 7) == 1 ? 0 : events;
}

int __wrap_mlockall(int flags)
{
	(void)flags;
	return 0;
}

pid_t __wrap_setsid(void)
{
	return 1;
}

int __wrap_sigprocmask(int how, const void *set, void *old)
{
	(void)how;
	(void)set;
	(void)old;
	return 0;
}

int __wrap_deadman_here(struct err *e)
{
	(void)e;
	return 0;
}

int __wrap_disarmer_start(int run_dir, struct disarmer *ret, struct err *e)
{
	(void)run_dir;
	(void)ret;
	(void)e;
	return 0;
}

int __wrap_disarmer_ask(const struct disarmer *d, const char *run_id, struct err *e)
{
	(void)d;
	FUZZ_MUST(strcmp(run_id, RUN) == 0); /* never what the journal calls itself */
	return (next() & 7) == 1 ? err_set(e, EIO, "it does not go") : 0;
}

void __wrap_disarmer_end(struct disarmer *d)
{
	(void)d;
}

/* What this process may do is libFuzzer's business. */
int __wrap_sandbox_keep_permitted(uint64_t caps, struct err *e)
{
	(void)caps;
	(void)e;
	return 0;
}

int __wrap_sandbox_allow(int kind, const void *more, size_t n, struct err *e)
{
	(void)kind;
	(void)more;
	(void)n;
	(void)e;
	return 0;
}

bool __wrap_pidns_is_own(const struct pidns_ref *p)
{
	(void)p;
	return !(machine.flags & ELSEWHERE);
}

int __wrap_pidns_has_ended(const struct pidns_ref *there, int32_t pid, uint64_t start_ticks)
{
	static const int answers[] = { 1, 0, -EXDEV, -EACCES };

	(void)there;
	(void)start_ticks;
	FUZZ_MUST((machine.flags & ELSEWHERE) && pid > 0);
	machine.ended = answers[next() & 3];
	return machine.ended;
}

int __wrap_journal_boot_id(char ret[40], struct err *e)
{
	if (machine.flags & NO_BOOT)
		return err_set(e, EIO, "no boot id");
	snprintf(ret, 40, "%s", machine.flags & OTHER_BOOT ? "another boot" : BOOT);
	return 0;
}

int __wrap_proto_send(int fd, const void *msg, size_t size, bool wait)
{
	struct kmsg *m = malloc(size);

	(void)fd;
	FUZZ_MUST(m && size == sizeof(*m) && !wait); /* the undo never waits for a listener */
	memcpy(m, msg, size);
	if (m->type == KMSG_LEFT) {
		FUZZ_MUST(memchr(m->u.left.what, '\0', sizeof(m->u.left.what)));
		FUZZ_MUST(memchr(m->u.left.by_hand, '\0', sizeof(m->u.left.by_hand)));
		machine.left++;
	} else if (m->type == KMSG_CLEAN) {
		machine.cleans++;
		machine.code = m->code;
	} else if (m->type != KMSG_REVERTED) {
		FUZZ_MUST(m->type == KMSG_NOTE && memchr(m->u.text, '\0', sizeof(m->u.text)));
	}
	free(m);
	return is_deaf() ? -EPIPE : 0;
}

int __wrap_proto_await(int fd, void *ret_msg, size_t size, int64_t deadline_ns)
{
	(void)fd;
	(void)size;
	(void)deadline_ns;
	((struct kmsg *)ret_msg)->type = KMSG_DONE;
	return is_deaf() ? -EPIPE : 1;
}

int __wrap_open(const char *path, int flags, mode_t mode)
{
	if (machine.on && strstr(path, "oom_score_adj")) {
		errno = EACCES;
		return -1;
	}
	return __real_open(path, flags, mode);
}

int __wrap_fdatasync(int fd)
{
	(void)fd;
	return 0;
}

/* A block with all that it needs to be believed. */
static void put_block(int fd, uint32_t index, uint8_t gen, const struct feed *payload)
{
	struct {
		uint32_t magic, crc;
		uint64_t gen;
		uint32_t index, size;
		unsigned char payload[JOURNAL_BLOCK - 24];
	} b;
	size_t size = index ? sizeof(struct journal_slot) : sizeof(struct journal_head);

	_Static_assert(sizeof(b) == JOURNAL_BLOCK, "as safety/journal.c has it");
	memset(&b, 0, sizeof(b));
	b.magic = MAGIC;
	b.gen = gen;
	b.index = index;
	b.size = (uint32_t)size;
	memcpy(b.payload, payload->at, payload->left < size ? payload->left : size);
	b.crc = crc32c(&b.gen, sizeof(b) - 8);
	FUZZ_MUST(pwrite(fd, &b, sizeof(b), ((off_t)index * 2 + (gen & 1)) * JOURNAL_BLOCK) ==
		  (ssize_t)sizeof(b));
}

static void write_journal(int dir, struct feed *f)
{
	int fd = openat(dir, JOURNAL_FILE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_MUST(fd >= 0);
	if (machine.flags & RAW) {
		FUZZ_MUST(write(fd, f->at, f->left) == (ssize_t)f->left);
	} else {
		while (f->left) {
			uint32_t index = feed_u8(f);
			uint8_t gen = feed_u8(f);
			struct feed payload = feed_piece(f);

			put_block(fd, index, gen ? gen : 1, &payload);
		}
	}
	close(fd);
}

/* Before: what must be said at the end, from the journal as brink itself reads it. */
struct expected {
	bool readable, was_clean;
	enum journal_trace trace;
	struct journal j;
};

static bool all_is_back(const struct expected *x)
{
	bool this_boot = !(machine.flags & OTHER_BOOT) || (machine.flags & NO_BOOT);

	for (unsigned i = 0; i < x->j.head.n_slots; i++) {
		const struct journal_slot *s = &x->j.slot[i];
		const struct thing *t;

		if (s->state == SLOT_RESTORED || s->state == SLOT_PLANNED)
			continue;
		if (!this_boot && (s->state == SLOT_UNKNOWN || s->undo.kind != CHANGE_FILL))
			continue;
		if (s->state == SLOT_UNKNOWN || !__wrap_change_ops_of(s->undo.kind))
			return false;
		t = thing_of(&s->undo);
		if (t->there || t->felt)
			return false;
	}
	return true;
}

static void judge(struct expected *x, int rc, bool exists)
{
	struct journal *j = &x->j;

	FUZZ_MUST(machine.cleans == 1);
	FUZZ_MUST((rc == EXIT_PASS) == (machine.code == 0));
	FUZZ_MUST(machine.code <= 0);
	FUZZ_MUST(exists == (machine.code < 0 || is_deaf()));
	if (!x->readable) {
		FUZZ_MUST(machine.undone == 0);
		FUZZ_MUST((machine.code == 0) == (x->trace != JOURNAL_LOST));
		return;
	}
	if (x->was_clean) {
		FUZZ_MUST(machine.undone == 0 && machine.code == 0);
		return;
	}
	if (strcmp(j->head.boot_id, BOOT) != 0 && !(machine.flags & (OTHER_BOOT | NO_BOOT)))
		return; /* it calls itself another boot's: its kernel state is none */
	if (machine.code == 0 && !(machine.flags & ACCEPT))
		FUZZ_MUST(all_is_back(x));
	FUZZ_MUST(machine.code == 0 || machine.left > 0);
}

static void reset_dir(int dir)
{
	unlinkat(dir, RUN "/" JOURNAL_FILE, 0);
	unlinkat(dir, RUN "/" JOURNAL_LOCK, 0);
	unlinkat(dir, RUN "/" CONTROL_SOCKET, 0);
	mkdirat(dir, RUN, 0755);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char recover[] = "recover", sock[] = "-1", wait[] = "0", run[] = RUN;
	char flags[8];
	static char path[80];
	struct feed f = { data, size };
	struct expected x = { 0 };
	struct err e = { 0 };
	int dir, run_dir, rc;

	memset(&machine, 0, offsetof(typeof(machine), thing));
	machine.undone = machine.left = machine.cleans = 0;
	machine.code = 1;
	machine.ended = 0;
	machine.flags = feed_u8(&f);
	feed_bytes(&f, machine.script, sizeof(machine.script));
	snprintf(path, sizeof(path), "%s", fuzz_dir());
	dir = __real_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	reset_dir(dir);
	run_dir = openat(dir, RUN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_MUST(run_dir >= 0);
	write_journal(run_dir, &f);
	if (machine.flags & (LOCK | LOCK_CLEAN))
		fuzz_write(run_dir, JOURNAL_LOCK, "clean", machine.flags & LOCK_CLEAN ? 5 : 0);
	if (machine.flags & CONTROL)
		fuzz_write(run_dir, CONTROL_SOCKET, "", 0);
	x.readable = journal_open(run_dir, false, &x.j, &e) == 0;
	FUZZ_MUST(x.readable || e.code > 0);
	x.was_clean = x.readable && x.j.head.state == HEAD_CLEAN;
	x.trace = journal_trace(run_dir);
	snprintf(flags, sizeof(flags), "%d", machine.flags & ACCEPT ? RECOVER_ACCEPT_CONFLICT : 0);
	machine.on = true;
	rc = recover_main(6, (char *[]){ recover, sock, path, wait, flags, run, NULL });
	machine.on = false;
	judge(&x, rc, faccessat(dir, RUN, F_OK, 0) == 0);
	if (x.readable)
		journal_done(&x.j);
	close(run_dir);
	close(dir);
	return FUZZ_KEEP;
}
