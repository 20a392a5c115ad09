/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer tests/fakes/fake_crc32c.c */
/* link: -Wl,--wrap=change_ops_of,--wrap=clock_mono_ns,--wrap=clock_boot_ns,--wrap=fork */
/* link: -Wl,--wrap=munmap */
/* link: -Wl,--wrap=pidfd_open,--wrap=pidfd_send_signal,--wrap=waitpid,--wrap=ppoll */
/* link: -Wl,--wrap=proto_pair,--wrap=proto_send,--wrap=proto_recv,--wrap=openat,--wrap=mkdirat */
/* link: -Wl,--wrap=lock_take,--wrap=control_listen,--wrap=control_serve,--wrap=fingerprint_take */
/* link: -Wl,--wrap=fingerprint_diff,--wrap=deadman_arm,--wrap=deadman_check */
/* link: -Wl,--wrap=netns_open,--wrap=setns,--wrap=modules_load,--wrap=proc_start_ticks */
/* link: -Wl,--wrap=journal_boot_id,--wrap=io_read_file,--wrap=sandbox_keep_caps,--wrap=fdatasync */
/* link: -Wl,--wrap=clock_nanosleep,--wrap=io_wait,--wrap=netns_is_own */
/* link: -Wl,--wrap=sandbox_allow,--wrap=sandbox_effect,--wrap=disarmer_start,--wrap=disarmer_ask */
/* link: -Wl,--wrap=disarmer_end,--wrap=own_scope_enter */
/* fuzz: -max_len=16384 */
/*
 * The keeper's whole life, with everything around it made of the input: what the runner asks for
 * (well formed or any bytes), what holders answer, who dies, stops beating or says halt, which
 * calls fail. Processes, sockets, clock and changes stand in memory. Each step is a byte, see enum
 * step. At the end of the input the runner dies; then the keeper must come to its end in bounded
 * time.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/fault.h"
#include "inject/target.h"
#include "safety/deadman.h"
#include "safety/keeper.h"
#include "safety/own_scope.h"
#include "tests/fuzz/fuzz.h"

#define RUN         "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define SOCK        1000 /* numbers that are no descriptors here */
#define RUNNER      1001
#define SPARE       1002
#define SELF        1003
#define CONTROL     1004
#define HOLDER_SOCK 2000
#define HOLDER_PID  3000
#define HOLDERS     64
#define SPARE_PID   99
#define IDLE_MAX    2000
#define END_NS      (300 * NS_PER_S) /* far above the sum of all that the keeper waits for */

/* High half of a step's byte; the low half is its argument. */
enum step {
	S_ASK,    /* a good request of this type */
	S_RAW,    /* a request of this type, the next piece as its payload */
	S_ANSWER, /* holder of this number: type, code */
	S_DIE,    /* that holder; 15 = the runner, 14 = the spare */
	S_TIME,   /* 50 ms, doubled so many times */
	S_TRAIT,  /* what goes wrong from now on, see enum trait; again = goes well */
	S_HALT,
	S_SIZE, /* a packet of a wrong size */
};

enum trait {
	T_MUTE_HOLDERS, /* no holder answers by itself */
	T_BAD_HOLDERS,  /* every one answers with an error */
	T_DEAF_RUNNER,
	T_STUCK_UNDO,
	T_BLIND,   /* nothing can be read back */
	T_NO_LOCK, /* from here on: calls of the set-up that fail */
	T_NO_NETNS,
	T_NO_DEADMAN,
	T_NO_PRINT,
	T_NO_FORK,
	T_LEFTOVER, /* the fingerprint shows one more thing of ours */
	T_SILENT_RUNNER,
	T_NO_MODULES,
	T_NO_CAPS,
	T_HUNG,       /* every other holder does nothing that it is told */
	T_UNKILLABLE, /* holders that nobody can kill */
};

enum life { UNBORN, ALIVE, DEAD, REAPED };

struct thing {
	bool there, felt;
};

struct holder {
	enum life life;
	bool armed_well, fired, told_to_go;
	unsigned fault; /* index */
	struct hmsg said;
	bool speaks;
};

static struct world {
	struct feed f;
	struct keeper k;
	struct pulse pulse;
	int64_t now_ns, over_ns;
	uint32_t traits;
	unsigned idle, n_holders, n_prepared;
	bool spare_born, spare_dead, runner_dead, over, any_trouble;
	bool halt;
	struct holder holder[HOLDERS];
	struct thing thing[JOURNAL_SLOTS];
	struct kmsg pending;
	bool has_pending, bad_size;
	unsigned cleans;
	int32_t clean_code;
	bool calm;                /* nothing ever went wrong */
	bool early[PROTO_FAULTS]; /* lifted by itself, before all are */
} w;

static struct feed cgroup_text;

static bool is_shot(unsigned kind)
{
	return kind == CHANGE_SIGNAL || kind == CHANGE_SOCK_RESET;
}

static bool is_guarded(unsigned kind)
{
	return kind == CHANGE_STOP || kind == CHANGE_FREEZE || kind == CHANGE_LINK;
}

const struct change_ops *__wrap_change_ops_of(unsigned kind);
int64_t __wrap_clock_mono_ns(void);
int64_t __wrap_clock_boot_ns(void);
pid_t __wrap_fork(void);
int __real_munmap(void *at, size_t n);
int __wrap_munmap(void *at, size_t n);
int __wrap_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_send_signal(int fd, int sig, void *info, unsigned flags);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
int __wrap_ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const void *mask);
int __wrap_io_wait(int fd, short events, int64_t deadline_ns);
int __wrap_proto_pair(int ret_fd[2], struct err *e);
int __wrap_proto_send(int fd, const void *msg, size_t size, bool wait);
int __wrap_proto_recv(int fd, void *ret_msg, size_t size);
int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, mode_t mode);
int __real_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_lock_take(const char *dir, const char *key, const char *owner_run, int64_t deadline_ns,
		     const int *stop_fd, struct err *e);
int __wrap_control_listen(int run_dir, struct err *e);
int __wrap_control_serve(int fd, uint32_t starter_uid, uint32_t gid, char *why, size_t size);
int __wrap_fingerprint_take(struct fingerprint *fp, const char *scope, struct err *e);
uint32_t __wrap_fingerprint_diff(const struct fingerprint *before, const struct fingerprint *after,
				 void (*fn)(void *arg, enum fp_change what,
					    const struct fp_entry *entry),
				 void *arg);
int __wrap_deadman_arm(const struct systemd_host *h, const char *run_id, unsigned seconds,
		       const char *brink, struct err *e);
int __wrap_deadman_check(const struct systemd_host *h, const char *run_id, struct err *e);
int __wrap_disarmer_start(int run_dir, struct disarmer *ret, struct err *e);
int __wrap_disarmer_ask(const struct disarmer *d, const char *run_id, struct err *e);
void __wrap_disarmer_end(struct disarmer *d);
int __wrap_sandbox_effect(uint64_t caps, struct err *e);
int __wrap_sandbox_allow(int kind, const struct call_rule *const *more, size_t n, struct err *e);
int __wrap_netns_is_own(const struct netns_ref *ref, struct err *e);
int __wrap_own_scope_enter(const struct systemd_host *h, const char *run_id, struct err *e);
int __wrap_netns_open(const struct netns_ref *ref, int *ret_fd, struct err *e);
int __wrap_setns(int fd, int type);
int __wrap_modules_load(struct change_spec *const *specs, unsigned n, struct err *e);
int __wrap_proc_start_ticks(pid_t pid, uint64_t *ret, struct err *e);
int __wrap_journal_boot_id(char ret[40], struct err *e);
ssize_t __wrap_io_read_file(int dirfd, const char *path, char *buf, size_t size);
int __wrap_sandbox_keep_caps(uint64_t caps, struct err *e);
int __wrap_fdatasync(int fd);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *ret_left);

static bool has(enum trait t)
{
	return w.traits & (UINT32_C(1) << t);
}

/* ---- time ---- */

int64_t __wrap_clock_mono_ns(void)
{
	return w.now_ns += NS_PER_US / 10;
}

int64_t __wrap_clock_boot_ns(void)
{
	return w.now_ns;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *ret_left)
{
	(void)clock;
	(void)flags;
	(void)ret_left;
	w.now_ns += t->tv_sec * NS_PER_S + t->tv_nsec;
	return 0;
}

/* ---- changes ---- */

static struct thing *thing_of(const struct undo *u)
{
	size_t i = (size_t)((const char *)u - (const char *)w.k.journal.slot) /
		   sizeof(struct journal_slot);

	FUZZ_MUST(w.k.guarded && i < w.k.journal.head.n_slots);
	FUZZ_MUST(&w.k.journal.slot[i].undo == u);
	return &w.thing[i];
}

static int prepare(struct change *c, struct undo *ret, struct err *e)
{
	struct err ignored;

	FUZZ_MUST(change_spec_check(c->spec, 0, &ignored) == 0); /* only what was checked */
	FUZZ_MUST(!w.k.guarded && w.n_holders == 0);
	w.n_prepared++;
	ret->kind = c->spec->kind;
	snprintf(ret->by_hand, sizeof(ret->by_hand), "by hand");
	if (ret->kind == CHANGE_NETEM_SIDE)
		memcpy(ret->u.netem.ifb, c->spec->u.netem.ifb, sizeof(ret->u.netem.ifb));
	if (ret->kind == CHANGE_NFT_GATE)
		memcpy(ret->u.gate.table, c->spec->u.gate.table, sizeof(ret->u.gate.table));
	if (ret->kind == CHANGE_FILL || ret->kind == CHANGE_FREEZE)
		snprintf(ret->u.fill.path, sizeof(ret->u.fill.path), "/x");
	if (ret->kind == CHANGE_PAUSE || ret->kind == CHANGE_STOP)
		ret->u.pause.proc = c->spec->u.pause.proc;
	if (ret->kind == CHANGE_PORT)
		ret->u.port = c->spec->u.port.at;
	if (ret->kind == CHANGE_QUEUE)
		ret->u.queue.number = c->spec->u.queue.number;
	if (ret->kind == CHANGE_LINK) {
		memcpy(ret->u.link.dev, c->spec->u.link.dev, sizeof(ret->u.link.dev));
		ret->u.link.ifindex = 1;
	}
	return has(T_NO_MODULES) ? err_set(e, EIO, "it cannot be prepared") : 0;
}

/*
 * When all is lifted, no structure goes before every gate is closed, or given up. What was being
 * lifted before that goes its own way.
 */
static void must_not_be_first(unsigned fault)
{
	for (unsigned i = 0; w.k.lifting_all && !w.early[fault] && i < w.k.n_faults; i++)
		FUZZ_MUST(w.k.fault[i].state == FAULT_PLANNED || w.k.fault[i].state >= FAULT_ENDED);
}

static void remember_early(void)
{
	for (unsigned i = 0; !w.k.lifting_all && i < w.k.n_faults; i++)
		w.early[i] |= w.k.fault[i].state >= FAULT_QUIETING;
}

static int undo(const struct undo *u, struct err *e)
{
	struct thing *t = thing_of(u);
	const struct keeper_fault *f = &w.k.fault[u->fault];

	FUZZ_MUST(u->fault < w.k.n_faults && !f->pid); /* its holder is gone */
	must_not_be_first(u->fault);
	for (unsigned i = 0; w.k.lifting_all && w.calm && i < w.k.journal.head.n_slots; i++)
		FUZZ_MUST(!w.thing[i].felt);
	if (has(T_STUCK_UNDO))
		return err_set(e, EBUSY, "it does not go");
	*t = (struct thing){ false, false };
	return 0;
}

static int look(bool there, struct text *ret_left, struct err *e)
{
	if (has(T_BLIND))
		return err_set(e, EIO, "it cannot be read");
	if (there)
		text_add(ret_left, "it is there");
	return there;
}

static int ended(const struct undo *u, struct text *ret_left, struct err *e)
{
	return look(thing_of(u)->felt, ret_left, e);
}

static int gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	return look(thing_of(u)->there, ret_left, e);
}

static int resource(const struct change_spec *s, struct text *ret_key)
{
	text_add(ret_key, "res-%u", s->lease_ms % 40);
	return 0;
}

const struct change_ops *__wrap_change_ops_of(unsigned kind)
{
	static const struct change_ops ops[] = {
		{ "self", CLASS_SELF_ENDING, .prepare = prepare, .undo = undo, .ended = ended,
		  .gone = gone, .resource = resource },
		{ "guarded", CLASS_GUARDED, .prepare = prepare, .undo = undo, .ended = ended,
		  .gone = gone, .resource = resource },
		{ "shot", CLASS_ONE_SHOT, .prepare = prepare, .undo = undo, .ended = ended,
		  .gone = gone, .resource = resource },
	};

	if (!kind || kind >= CHANGE_KIND_COUNT)
		return NULL;
	return is_shot(kind) ? &ops[2] : is_guarded(kind) ? &ops[1] : &ops[0];
}

/* ---- processes ---- */

static void each_thing(const struct holder *h, void (*fn)(struct thing *t, unsigned slot))
{
	const struct keeper_fault *f = &w.k.fault[h->fault];

	for (unsigned i = f->first; i < f->first + f->n; i++)
		fn(&w.thing[i], i);
}

static void build(struct thing *t, unsigned slot)
{
	t->there = !is_shot(w.k.spec[slot]->kind);
}

static void feel(struct thing *t, unsigned slot)
{
	t->there = t->felt = !is_shot(w.k.spec[slot]->kind);
}

static void quiet(struct thing *t, unsigned slot)
{
	(void)slot;
	t->felt = false;
}

/* The kernel ends what its owner held; a guarded effect stays. */
static void orphan(struct thing *t, unsigned slot)
{
	const struct change_ops *ops = __wrap_change_ops_of(w.k.spec[slot]->kind);

	if (ops && ops->class == CLASS_SELF_ENDING)
		t->felt = false;
}

static void holder_dies(struct holder *h)
{
	if (h->life != ALIVE)
		return;
	h->life = DEAD;
	h->speaks = false;
	each_thing(h, orphan);
}

pid_t __wrap_fork(void)
{
	struct holder *h;
	unsigned fault = 0;

	FUZZ_MUST(w.k.guarded && w.n_prepared == w.k.n_changes);
	if (has(T_NO_FORK)) {
		errno = EAGAIN;
		return -1;
	}
	if (!w.spare_born) {
		w.spare_born = true;
		return SPARE_PID;
	}
	FUZZ_MUST(!w.spare_dead || w.any_trouble);
	while (fault < w.n_holders && w.holder[fault].life != UNBORN)
		fault++;
	FUZZ_MUST(fault == w.n_holders && fault < w.k.n_faults); /* one for each fault, once */
	h = &w.holder[w.n_holders++];
	*h = (struct holder){ .life = ALIVE, .fault = fault };
	return (pid_t)(HOLDER_PID + fault);
}

int __wrap_pidfd_open(pid_t pid, unsigned flags)
{
	(void)flags;
	return pid == SPARE_PID ? SPARE : pid;
}

static struct holder *holder_at(int fd, int base)
{
	return fd >= base && fd < base + (int)w.n_holders ? &w.holder[fd - base] : NULL;
}

int __wrap_pidfd_send_signal(int fd, int sig, void *info, unsigned flags)
{
	struct holder *h = holder_at(fd, HOLDER_PID);

	(void)info;
	(void)flags;
	FUZZ_MUST(sig == SIGKILL && (h || fd == RUNNER || fd == SPARE));
	if (h && !has(T_UNKILLABLE))
		holder_dies(h);
	w.runner_dead |= fd == RUNNER;
	w.spare_dead |= fd == SPARE;
	return 0;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	struct holder *h = holder_at(pid, HOLDER_PID);

	(void)status;
	(void)options;
	FUZZ_MUST(h || pid == SPARE_PID);
	if (h) {
		FUZZ_MUST(h->life == DEAD); /* never waits for one that lives */
		h->life = REAPED;
	}
	return pid;
}

static bool is_over(int fd)
{
	const struct holder *h = holder_at(fd, HOLDER_PID);

	return h ? h->life == DEAD : fd == RUNNER ? w.runner_dead : fd == SPARE && w.spare_dead;
}

int __wrap_io_wait(int fd, short events, int64_t deadline_ns)
{
	if (fd == SOCK)
		return has(T_DEAF_RUNNER) ? 0 : events;
	if (is_over(fd))
		return events;
	if (deadline_ns > w.now_ns)
		w.now_ns = deadline_ns;
	return 0;
}

/* ---- messages ---- */

int __wrap_proto_pair(int ret_fd[2], struct err *e)
{
	(void)e;
	ret_fd[0] = HOLDER_SOCK + (int)w.n_holders;
	ret_fd[1] = -1;
	return 0;
}

/* What an honest holder does and says. */
static void obey(struct holder *h, enum hmsg_type type)
{
	if (h->life != ALIVE || (has(T_HUNG) && (h->fault & 1)))
		return;
	h->said = (struct hmsg){ .type = type };
	if (has(T_BAD_HOLDERS))
		h->said.code = err_set(&h->said.err, EIO, "it fails");
	else if (type == HMSG_ARM)
		each_thing(h, build);
	else if (type == HMSG_FIRE)
		each_thing(h, feel);
	else if (type == HMSG_QUIET)
		each_thing(h, quiet);
	if (type == HMSG_ARM)
		h->armed_well = h->said.code == 0;
	h->speaks = !has(T_MUTE_HOLDERS);
}

static int send_to_holder(struct holder *h, const struct hmsg *m)
{
	const struct keeper_fault *f = &w.k.fault[h->fault];

	if (m->type == HMSG_FIRE) {
		FUZZ_MUST(!h->fired); /* a lease that is over is never taken again */
		FUZZ_MUST(!w.k.lifting_all && w.k.guarded);
		FUZZ_MUST(f->arm_code == 0); /* never what was not armed and read back */
		h->fired = true;
	}
	FUZZ_MUST(m->type >= HMSG_ARM && m->type <= HMSG_EFFECT);
	if (h->life != ALIVE)
		return -EPIPE;
	obey(h, (enum hmsg_type)m->type);
	return 0;
}

static void heard_by_runner(const struct kmsg *m)
{
	FUZZ_MUST(m->type >= KMSG_DONE && m->type <= KMSG_NOTE);
	if (m->type == KMSG_CLEAN) {
		w.cleans++;
		w.clean_code = m->code;
	}
	if (m->type == KMSG_LIVE && m->code == 0)
		FUZZ_MUST(m->fault < w.k.n_faults && w.holder[m->fault].fired);
	if (m->type == KMSG_NOTE || m->type == KMSG_HALT || m->type == KMSG_FOREIGN)
		FUZZ_MUST(memchr(m->u.text, '\0', sizeof(m->u.text)));
}

int __wrap_proto_send(int fd, const void *msg, size_t size, bool wait)
{
	struct holder *h = holder_at(fd, HOLDER_SOCK);

	FUZZ_MUST(!wait); /* the keeper waits for nobody */
	if (h) {
		FUZZ_MUST(size == sizeof(struct hmsg));
		return send_to_holder(h, msg);
	}
	if (fd < 0) /* of a holder that has closed its end and is not dead yet */
		return -EBADF;
	FUZZ_MUST(fd == SOCK && size == KMSG_ANSWER_SIZE);
	heard_by_runner(msg);
	if (w.runner_dead)
		return -EPIPE;
	return has(T_DEAF_RUNNER) ? -EAGAIN : 0;
}

int __wrap_proto_recv(int fd, void *ret_msg, size_t size)
{
	struct holder *h = holder_at(fd, HOLDER_SOCK);

	if (h) {
		FUZZ_MUST(size == sizeof(struct hmsg));
		if (!h->speaks)
			return h->life == ALIVE ? 0 : -EPIPE;
		h->speaks = false;
		memcpy(ret_msg, &h->said, size);
		return 1;
	}
	FUZZ_MUST(fd == SOCK && size == sizeof(struct kmsg));
	if (w.bad_size) {
		w.bad_size = false;
		return -EBADMSG;
	}
	if (!w.has_pending)
		return w.runner_dead ? -EPIPE : 0;
	w.has_pending = false;
	memcpy(ret_msg, &w.pending, size);
	return 1;
}

/* ---- what the runner asks ---- */

static void ask_begin(struct kmsg_begin *b)
{
	*b = (struct kmsg_begin){ .run_id = RUN,
				  .name = "a test",
				  .started = "now",
				  .state_dir = "/run/brink",
				  .brink = "/usr/bin/brink",
				  .duration_ns = 60 * NS_PER_S,
				  .max_faults = 1 + feed_u8(&w.f) % 16 };
	if (b->max_faults & 1)
		b->fault_max_ns = 30 * NS_PER_S;
}

static void ask_add(struct change_spec *s)
{
	feed_change(&w.f, s);
	s->fault = (uint16_t)(w.k.n_faults - 1);
}

static void ask_list(struct kmsg_list *l)
{
	uint8_t bits = feed_u8(&w.f);

	*l = (struct kmsg_list){ 0 };
	for (uint16_t i = 0; i < 8; i++) {
		if (bits & (1u << i))
			l->fault[l->n++] = i;
	}
}

static void ask(enum kmsg_type type)
{
	struct kmsg *m = &w.pending;

	memset(m, 0, sizeof(*m));
	m->type = (uint16_t)type;
	if (type == KMSG_BEGIN)
		ask_begin(&m->u.begin);
	else if (type == KMSG_ADD)
		ask_add(&m->u.spec);
	else if (type == KMSG_FIRE || type == KMSG_LIFT)
		ask_list(&m->u.list);
	else if (type == KMSG_EFFECT)
		m->fault = feed_u8(&w.f);
	else if (type == KMSG_FAULT)
		m->u.fault = (struct kmsg_fault){ .for_ns = feed_u8(&w.f) * NS_PER_S / 16,
						  .label = "fault" };
	w.has_pending = true;
}

static void ask_raw(uint16_t type)
{
	struct feed piece = feed_piece(&w.f);

	memset(&w.pending, 0, sizeof(w.pending));
	w.pending.type = type;
	w.pending.fault = feed_u8(&w.f);
	memcpy(&w.pending.u, piece.at,
	       piece.left < sizeof(w.pending.u) ? piece.left : sizeof(w.pending.u));
	w.has_pending = true;
}

static void answer(unsigned i)
{
	struct holder *h = i < w.n_holders ? &w.holder[i] : NULL;
	uint8_t type = feed_u8(&w.f), code = feed_u8(&w.f);

	w.calm = false; /* holders say what they like */
	if (!h || h->life != ALIVE)
		return;
	h->said = (struct hmsg){ .type = type % 8, .value = code };
	if (code & 1)
		h->said.code = err_set(&h->said.err, code & 2 ? EINPROGRESS : EIO, "a holder's");
	if (code & 4)
		h->said.err.depth = 77;
	h->speaks = true;
}

static void die(unsigned who)
{
	w.calm = false;
	if (who == 15)
		w.runner_dead = true;
	else if (who == 14)
		w.spare_dead = w.spare_born;
	else if (who < w.n_holders)
		holder_dies(&w.holder[who]);
}

/* One step of the input. */
static void go_on(void)
{
	uint8_t byte = feed_u8(&w.f), low = byte & 15;

	switch ((enum step)(byte >> 4)) {
	case S_ASK:
		ask((enum kmsg_type)low);
		break;
	case S_RAW:
		ask_raw(low);
		break;
	case S_ANSWER:
		answer(low);
		break;
	case S_DIE:
		die(low);
		break;
	case S_TIME:
		w.now_ns += (50 * NS_PER_MS) << (low & 7);
		break;
	case S_TRAIT:
		w.traits ^= UINT32_C(1) << low;
		w.any_trouble = true;
		w.calm = false;
		break;
	case S_HALT:
		w.halt = true;
		break;
	case S_SIZE:
		w.bad_size = true;
		break;
	}
}

static short is_ready(int fd)
{
	const struct holder *h = holder_at(fd, HOLDER_SOCK);

	if (h)
		return h->speaks || h->life != ALIVE ? POLLIN : 0;
	if (fd == SOCK)
		return w.has_pending || w.runner_dead ? POLLIN : 0;
	if (fd == CONTROL)
		return w.halt ? POLLIN : 0;
	return is_over(fd) ? POLLIN : 0;
}

/* A holder whose socket the keeper has closed leaves. */
static void leave(void)
{
	for (unsigned i = 0; i < w.n_holders; i++) {
		if (w.holder[i].life == ALIVE && w.k.fault[i].sock < 0 && w.k.fault[i].pid &&
		    !has(T_UNKILLABLE))
			holder_dies(&w.holder[i]);
	}
}

int __wrap_ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const void *mask)
{
	int found = 0;

	(void)mask;
	FUZZ_MUST(++w.idle < IDLE_MAX); /* it never spins */
	FUZZ_MUST(!w.over || w.now_ns < w.over_ns + END_NS);
	w.has_pending &= w.k.sock >= 0;
	if (w.f.left && !w.has_pending) {
		w.idle = 0;
		go_on();
	} else if (!w.f.left && !w.over) {
		/* the end of the input: what ails cannot ail for ever, and the runner is gone */
		w.over = true;
		w.over_ns = w.now_ns;
		w.runner_dead = true;
		w.traits &= UINT32_C(1) << T_STUCK_UNDO | UINT32_C(1) << T_BLIND |
			    UINT32_C(1) << T_MUTE_HOLDERS | UINT32_C(1) << T_BAD_HOLDERS;
	}
	leave();
	remember_early();
	if (!has(T_SILENT_RUNNER))
		w.pulse.runner = w.now_ns;
	if (w.spare_born)
		w.pulse.spare = w.now_ns;
	for (nfds_t i = 0; i < n; i++) {
		p[i].revents = p[i].fd >= 0 ? is_ready(p[i].fd) : 0;
		found += p[i].revents != 0;
	}
	if (!found) {
		w.now_ns += t->tv_sec * NS_PER_S + t->tv_nsec;
		w.idle = 0;
	}
	return found;
}

/* ---- the rest of the machine ---- */

/* No path of a message leads anywhere but into our folder. */
static const char *ours(const char *path, char *buf, size_t size)
{
	if (path[0] != '/')
		return path;
	snprintf(buf, size, "%s/state", fuzz_dir());
	return buf;
}

int __wrap_openat(int dir, const char *path, int flags, mode_t mode)
{
	char buf[100];

	return __real_openat(dir, ours(path, buf, sizeof(buf)), flags, mode);
}

int __wrap_mkdirat(int dir, const char *path, mode_t mode)
{
	char buf[100];

	return __real_mkdirat(dir, ours(path, buf, sizeof(buf)), mode);
}

static int fails(enum trait t, struct err *e)
{
	return has(t) ? err_set(e, EIO, "made to fail") : 0;
}

int __wrap_lock_take(const char *dir, const char *key, const char *owner_run, int64_t deadline_ns,
		     const int *stop_fd, struct err *e)
{
	(void)deadline_ns;
	(void)stop_fd;
	FUZZ_MUST(dir && key[0] && owner_run[0] && !w.k.guarded);
	return has(T_NO_LOCK) ? err_set(e, EBUSY, "somebody has it") : dup(STDERR_FILENO);
}

int __wrap_control_listen(int run_dir, struct err *e)
{
	FUZZ_MUST(run_dir >= 0);
	return has(T_NO_LOCK) ? err_set(e, EIO, "no") : CONTROL;
}

int __wrap_control_serve(int fd, uint32_t starter_uid, uint32_t gid, char *why, size_t size)
{
	(void)fd;
	(void)starter_uid;
	(void)gid;
	snprintf(why, size, "halted by a test");
	w.halt = false;
	w.calm = false;
	return true;
}

int __wrap_fingerprint_take(struct fingerprint *fp, const char *scope, struct err *e)
{
	FUZZ_MUST(scope && fp);
	return fails(T_NO_PRINT, e);
}

uint32_t __wrap_fingerprint_diff(const struct fingerprint *before, const struct fingerprint *after,
				 void (*fn)(void *arg, enum fp_change what,
					    const struct fp_entry *entry),
				 void *arg)
{
	const struct fp_entry ours_left = { .name = "link brink69g5fav", .ours = 1 };
	const struct fp_entry other = { .name = "route 10.0.0.0/8" };

	FUZZ_MUST(before && after);
	fn(arg, FP_CHANGED, &other);
	if (!has(T_LEFTOVER))
		return 1;
	fn(arg, FP_ADDED, &ours_left);
	return 2;
}

int __wrap_deadman_arm(const struct systemd_host *h, const char *run_id, unsigned seconds,
		       const char *brink, struct err *e)
{
	(void)h;
	FUZZ_MUST(run_id[0] && brink && seconds < 50 * 3600);
	return fails(T_NO_DEADMAN, e);
}

int __wrap_deadman_check(const struct systemd_host *h, const char *run_id, struct err *e)
{
	(void)h;
	(void)run_id;
	return fails(T_NO_DEADMAN, e);
}

int __wrap_disarmer_start(int run_dir, struct disarmer *ret, struct err *e)
{
	(void)run_dir;
	(void)ret;
	return fails(T_NO_DEADMAN, e);
}

int __wrap_disarmer_ask(const struct disarmer *d, const char *run_id, struct err *e)
{
	(void)d;
	(void)run_id;
	return fails(T_NO_DEADMAN, e);
}

void __wrap_disarmer_end(struct disarmer *d)
{
	(void)d;
}

int __wrap_sandbox_effect(uint64_t caps, struct err *e)
{
	(void)caps;
	return fails(T_NO_CAPS, e);
}

/* Everybody who may be started has been: else the keeper would be killed for it. */
int __wrap_sandbox_allow(int kind, const struct call_rule *const *more, size_t n, struct err *e)
{
	(void)kind;
	(void)more;
	(void)n;
	return fails(T_NO_CAPS, e);
}

int __wrap_netns_is_own(const struct netns_ref *ref, struct err *e)
{
	(void)ref;
	(void)e;
	return 0;
}

int __wrap_own_scope_enter(const struct systemd_host *h, const char *run_id, struct err *e)
{
	(void)h;
	FUZZ_MUST(run_id[0] && !w.spare_born && w.n_holders == 0); /* before any child */
	return fails(T_NO_DEADMAN, e);
}

int __wrap_netns_open(const struct netns_ref *ref, int *ret_fd, struct err *e)
{
	(void)ref;
	if (has(T_NO_NETNS))
		return err_set(e, ENOENT, "the network namespace is gone");
	*ret_fd = dup(STDERR_FILENO);
	return 0;
}

int __wrap_setns(int fd, int type)
{
	(void)fd;
	(void)type;
	return 0;
}

int __wrap_modules_load(struct change_spec *const *specs, unsigned n, struct err *e)
{
	for (unsigned i = 0; i < n; i++)
		FUZZ_MUST(specs[i]);
	return fails(T_NO_MODULES, e);
}

int __wrap_proc_start_ticks(pid_t pid, uint64_t *ret, struct err *e)
{
	(void)e;
	*ret = (uint64_t)pid * 3;
	return 0;
}

int __wrap_journal_boot_id(char ret[40], struct err *e)
{
	(void)e;
	snprintf(ret, 40, "a boot");
	return 0;
}

/* Only the runner's cgroup is read: the unit that it belongs to. */
ssize_t __wrap_io_read_file(int dirfd, const char *path, char *buf, size_t size)
{
	size_t n = cgroup_text.left < size - 1 ? cgroup_text.left : size - 1;

	FUZZ_MUST(dirfd == AT_FDCWD && strstr(path, "/cgroup"));
	memcpy(buf, cgroup_text.at, n);
	buf[n] = '\0';
	return (ssize_t)strlen(buf);
}

int __wrap_sandbox_keep_caps(uint64_t caps, struct err *e)
{
	(void)caps;
	return fails(T_NO_CAPS, e);
}

int __wrap_fdatasync(int fd)
{
	(void)fd;
	return 0;
}

/* ---- the whole ---- */

static void judge(int code)
{
	bool left = false;

	FUZZ_MUST(w.cleans == 1 || w.k.sock < 0);
	FUZZ_MUST((code == 0) == (w.k.outcome == 0));
	for (unsigned i = 0; i < w.k.journal.head.n_slots; i++)
		left |= w.thing[i].there || w.thing[i].felt;
	FUZZ_MUST(!left || code != 0); /* never clean while anything is there */
	for (unsigned i = 0; i < w.n_holders; i++)
		FUZZ_MUST(w.holder[i].life != ALIVE || w.any_trouble);
	if (w.calm)
		FUZZ_MUST(code == 0 && !left);
}

static bool is_within(const void *at, const struct fingerprint *f)
{
	return f && (uintptr_t)at >= (uintptr_t)f && (uintptr_t)at < (uintptr_t)(f + 1);
}

/* The keeper gives back what a fingerprint does not fill, and ends with the rest. Here it stays
 * whole until free_all(): a hole in it might be somebody else's by then. */
int __wrap_munmap(void *at, size_t n)
{
	return is_within(at, w.k.before) || is_within(at, w.k.after) ? 0 : __real_munmap(at, n);
}

static void free_all(void)
{
	for (unsigned i = 0; i < w.k.n_changes; i++)
		free(w.k.spec[i]);
	for (unsigned i = 0; i < w.k.n_locks; i++)
		close(w.k.lock[i].fd);
	if (w.k.before)
		__real_munmap(w.k.before, sizeof(*w.k.before));
	if (w.k.after)
		__real_munmap(w.k.after, sizeof(*w.k.after));
	free(w.k.spec);
	free(w.k.fault);
	free(w.k.lock);
	auto_close(&w.k.run_dir);
	auto_close(&w.k.state_dir);
	auto_close(&w.k.lock_file);
	journal_done(&w.k.journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct keeper none = KEEPER_NONE;
	char state[100];
	int code;

	snprintf(state, sizeof(state), "%s/state", fuzz_dir());
	memset(&w, 0, sizeof(w));
	w.f = (struct feed){ data, size };
	cgroup_text = feed_piece(&w.f);
	w.now_ns = NS_PER_S;
	w.calm = true;
	w.k = none;
	w.k.sock = SOCK;
	w.k.runner_pidfd = RUNNER;
	w.k.self_pidfd = SELF;
	w.k.runner.pid = 5;
	w.k.pulse = &w.pulse;
	w.k.spec = calloc(JOURNAL_SLOTS, sizeof(struct change_spec *));
	FUZZ_MUST(w.k.spec);
	code = keeper_live(&w.k);
	judge(code);
	free_all();
	fuzz_remove(state);
	return FUZZ_KEEP;
}
