/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=change_ops_of,--wrap=clock_mono_ns,--wrap=clock_nanosleep */
/* link: -Wl,--wrap=pidns_has_ended */
/* Taking back from the journal alone: retries, deadlines, conflicts, what is written, what is said.
 * Time is virtual. */
#include "safety/recover.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "inject/target.h"
#include "tests/support/test.h"

const struct change_ops *__wrap_change_ops_of(unsigned kind);
int64_t __wrap_clock_mono_ns(void);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *ret_left);
int64_t __real_clock_mono_ns(void);
int __wrap_pidns_has_ended(const struct pidns_ref *there, int32_t pid, uint64_t start_ticks);

#define MARK "brink_"

/* What the three questions answer, call after call; the last answer stays. */
struct script {
	int at[4];
	unsigned calls;
};

static struct {
	bool real_time;
	int64_t now_ns;
	struct script undo, ended, gone, elsewhere;
	char order[64]; /* the tables' names in the order in which they were taken back */
} fake;

int64_t __wrap_clock_mono_ns(void)
{
	return fake.real_time ? __real_clock_mono_ns() : fake.now_ns;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
			   struct timespec *ret_left)
{
	(void)clock;
	(void)flags;
	(void)ret_left;
	fake.now_ns += t->tv_sec * NS_PER_S + t->tv_nsec;
	return 0;
}

static int play(struct script *s, const char *what, struct err *e)
{
	unsigned last = ARRAY_LEN(s->at) - 1;
	int rc = s->at[s->calls < last ? s->calls : last];

	s->calls++;
	return rc < 0 ? err_set(e, -rc, "%s fails", what) : rc;
}

int __wrap_pidns_has_ended(const struct pidns_ref *there, int32_t pid, uint64_t start_ticks)
{
	struct err ignored;

	assert_true(there->ino && pid > 0 && start_ticks);
	return play(&fake.elsewhere, "looking elsewhere", &ignored);
}

static int fake_undo(const struct undo *u, struct err *e)
{
	strncat(fake.order, u->u.gate.table + strlen(MARK),
		sizeof(fake.order) - strlen(fake.order) - 1);
	return play(&fake.undo, "undo", e);
}

static int fake_ended(const struct undo *u, struct text *ret_left, struct err *e)
{
	int rc = play(&fake.ended, "ended", e);

	if (rc > 0)
		text_add(ret_left, "the effect of %s is there", u->u.gate.table);
	return rc;
}

static int fake_gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	int rc = play(&fake.gone, "gone", e);

	if (rc > 0)
		text_add(ret_left, "%s is there", u->u.gate.table);
	return rc;
}

static int fake_continue(const struct undo *u, struct err *e)
{
	(void)u;
	return play(&fake.undo, "undo", e);
}

static const struct change_ops fake_ops = {
	.kind = "fake", .undo = fake_undo, .ended = fake_ended, .gone = fake_gone
};
static const struct change_ops stop = { .kind = "stop",
					.class = CLASS_GUARDED,
					.undo = fake_continue };

const struct change_ops *__wrap_change_ops_of(unsigned kind)
{
	return kind == CHANGE_NFT_GATE ? &fake_ops : kind == CHANGE_STOP ? &stop : NULL;
}

struct world {
	char path[64];
	int dir;
	struct journal j;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct journal_head head = { .version = JOURNAL_VERSION, .state = HEAD_OPEN };
	struct err e;

	memset(&fake, 0, sizeof(fake));
	fake.now_ns = 5 * NS_PER_S;
	if (!w)
		return -1;
	strcpy(w->path, "/tmp/brink-recover-XXXXXX");
	if (!mkdtemp(w->path))
		return -1;
	w->dir = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal_create(w->dir, &head, &w->j, &e) < 0)
		return -1;
	for (unsigned i = 0; i < 3; i++) {
		struct undo u = { .kind = CHANGE_NFT_GATE };
		unsigned at;

		snprintf(u.u.gate.table, sizeof(u.u.gate.table), MARK "%c", 'a' + (int)i);
		if (journal_add(&w->j, &u, SLOT_INTENT, &at, &e) < 0)
			return -1;
	}
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	journal_done(&w->j);
	unlinkat(w->dir, JOURNAL_FILE, 0);
	close(w->dir);
	rmdir(w->path);
	free(w);
	return 0;
}

/* The state of slot i as the next process would find it. */
static uint32_t stored(const struct world *w, unsigned i)
{
	struct journal back;
	uint32_t state;
	struct err e;

	assert_int_equal(journal_open(w->dir, false, &back, &e), 0);
	state = back.slot[i].state;
	journal_done(&back);
	return state;
}

static int64_t soon(void)
{
	return fake.now_ns + NS_PER_S;
}

static void what_is_taken_back_and_read_back_is_restored(void **state)
{
	struct world *w = *state;
	struct err e;

	assert_int_equal(recover_slot(&w->j, 1, soon(), &e), 0);
	assert_int_equal(w->j.slot[1].state, SLOT_RESTORED);
	assert_int_equal(stored(w, 1), SLOT_RESTORED);
	assert_int_equal(stored(w, 0), SLOT_INTENT);
	assert_string_equal(fake.order, "b");
	/* once is enough */
	assert_int_equal(recover_slot(&w->j, 1, soon(), &e), 0);
	assert_string_equal(fake.order, "b");
}

static void what_fails_for_a_while_is_tried_again(void **state)
{
	struct world *w = *state;
	struct err e;

	fake.undo.at[0] = -EBUSY;
	fake.ended.at[0] = 1;
	fake.gone.at[0] = -EIO;
	assert_int_equal(recover_slot(&w->j, 0, soon(), &e), 0);
	assert_int_equal(w->j.slot[0].attempts, 4);
	assert_int_equal(w->j.slot[0].last_errno, 0);
	assert_string_equal(w->j.slot[0].left, "");
}

static void what_never_works_ends_at_the_deadline_and_is_named(void **state)
{
	static const struct {
		int undo, ended, gone, rc;
		const char *left;
	} cases[] = {
		{ -EBUSY, 0, 0, -EBUSY, "undo fails" },
		{ 0, 1, 0, -EBUSY, "the effect of " MARK "a is there" },
		{ 0, -EIO, 0, -EIO, "ended fails" },
		{ 0, 0, 1, -EBUSY, MARK "a is there" },
		{ 0, 0, -EPERM, -EPERM, "gone fails" },
	};
	struct world *w = *state;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t deadline = soon();

		for (int k = 0; k < 4; k++) {
			fake.undo.at[k] = cases[i].undo;
			fake.ended.at[k] = cases[i].ended;
			fake.gone.at[k] = cases[i].gone;
		}
		assert_int_equal(recover_slot(&w->j, 0, deadline, &e), cases[i].rc);
		assert_true(fake.now_ns >= deadline && fake.now_ns < deadline + NS_PER_S / 10);
		assert_int_equal(w->j.slot[0].state, SLOT_INTENT);
		assert_int_equal(stored(w, 0), SLOT_INTENT);
		assert_int_equal(w->j.slot[0].last_errno, cases[i].rc);
		assert_string_equal(w->j.slot[0].left, cases[i].left);
	}
}

static void a_deadline_that_has_passed_still_means_one_attempt(void **state)
{
	struct world *w = *state;
	struct err e;

	assert_int_equal(recover_slot(&w->j, 0, 0, &e), 0);
	assert_int_equal(w->j.slot[0].attempts, 1);
}

static void what_belongs_to_others_now_is_asked_once_and_left(void **state)
{
	struct world *w = *state;
	struct err e;

	fake.undo.at[0] = -EEXIST;
	assert_int_equal(recover_slot(&w->j, 0, soon(), &e), -EEXIST);
	assert_int_equal(fake.undo.calls, 1);
	assert_int_equal(w->j.slot[0].state, SLOT_INTENT);
	fake.gone.at[0] = -EEXIST;
	assert_int_equal(recover_slot(&w->j, 0, soon(), &e), -EEXIST);
	assert_int_equal(fake.gone.calls, 1);
}

static void an_unreadable_slot_is_never_clean(void **state)
{
	struct world *w = *state;
	struct err e;

	w->j.slot[0].state = SLOT_UNKNOWN;
	assert_int_equal(recover_slot(&w->j, 0, soon(), &e), -EBADMSG);
	assert_true(strlen(w->j.slot[0].left) > 0);
	assert_int_equal(fake.undo.calls, 0);
	w->j.slot[1].undo.kind = 60000;
	assert_int_equal(recover_slot(&w->j, 1, fake.now_ns, &e), -EBADMSG);
	assert_int_equal(w->j.slot[1].state, SLOT_INTENT);
	assert_int_equal(recover_all(&w->j, NS_PER_MS), 2);
}

static void a_record_without_our_mark_is_never_obeyed(void **state)
{
	struct world *w = *state;
	struct undo *u = &w->j.slot[0].undo;
	struct err e;

	strcpy(u->u.gate.table, "filter");
	assert_int_equal(recover_slot(&w->j, 0, fake.now_ns, &e), -EBADMSG);
	assert_int_equal(fake.undo.calls, 0);
	assert_int_equal(w->j.slot[0].state, SLOT_INTENT);
	assert_true(strlen(w->j.slot[0].left) > 0);
	memset(u->u.gate.table, 'x', sizeof(u->u.gate.table));
	memcpy(u->u.gate.table, MARK, strlen(MARK));
	assert_int_equal(recover_slot(&w->j, 0, fake.now_ns, &e), -EBADMSG); /* without an end */
	strcpy(u->u.gate.table, MARK "a");
	assert_int_equal(recover_slot(&w->j, 0, fake.now_ns, &e), 0);
}

static void a_journal_that_cannot_be_written_stops_no_undo(void **state)
{
	struct world *w = *state;
	struct err e;
	int fd = w->j.fd;

	w->j.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(recover_slot(&w->j, 0, soon(), &e), 0);
	assert_int_equal(fake.undo.calls, 1);
	close(w->j.fd);
	w->j.fd = fd;
}

static void the_last_change_is_taken_back_first_and_all_are(void **state)
{
	struct world *w = *state;

	fake.undo.at[0] = -EPERM; /* for ever, for "c" */
	fake.undo.at[1] = 0;
	assert_int_equal(recover_all(&w->j, 0), 1);
	assert_string_equal(fake.order, "cba");
	assert_int_equal(w->j.slot[2].state, SLOT_INTENT);
	assert_int_equal(w->j.slot[1].state, SLOT_RESTORED);
	assert_int_equal(w->j.slot[0].state, SLOT_RESTORED);
	assert_int_equal(recover_all(&w->j, 0), 0);
	assert_string_equal(fake.order, "cbac");
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

static void holders_that_are_left_are_ended_and_nobody_else(void **state)
{
	struct world *w = *state;
	pid_t holder = sleeper(), stranger = sleeper();
	struct err e;
	int status;

	fake.real_time = true;
	w->j.slot[0].holder.pid = holder;
	assert_int_equal(proc_start_ticks(holder, &w->j.slot[0].holder.start_ticks, &e), 0);
	w->j.slot[1].holder = (struct change_proc){ .pid = stranger,
						    .start_ticks = 1 }; /* the PID was used again */
	assert_int_equal(recover_end_holders(&w->j, &e), 0);
	assert_int_equal(waitpid(holder, &status, WNOHANG), holder);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(waitpid(stranger, &status, WNOHANG), 0);
	assert_int_equal(recover_end_holders(&w->j, &e), 0); /* gone already */
	kill(stranger, SIGKILL);
	waitpid(stranger, &status, 0);
}

/* In uninterruptible sleep, as far as this side can tell: everything reads as gone, and is not. */
static void nothing_of_a_living_holder_is_called_restored(void **state)
{
	struct world *w = *state;
	struct change_proc *h = &w->j.slot[0].holder;
	struct err e;

	h->pid = getpid();
	assert_int_equal(proc_start_ticks(h->pid, &h->start_ticks, &e), 0);
	assert_int_equal(recover_slot(&w->j, 0, fake.now_ns, &e), -EBUSY);
	assert_int_equal(fake.undo.calls, 0);
	assert_int_equal(w->j.slot[0].state, SLOT_INTENT);
	assert_non_null(strstr(w->j.slot[0].left, "does not die"));
	h->start_ticks++; /* another process has the number */
	assert_int_equal(recover_slot(&w->j, 0, fake.now_ns, &e), 0);
}

/* Slot 0 of three as a run in another PID namespace left it, about a process. */
static struct journal_slot *from_elsewhere(struct world *w)
{
	struct undo u = { .kind = CHANGE_STOP, .u.pause.proc = { .pid = 12, .start_ticks = 3 } };

	strcpy(u.run_id, "RUN");
	w->j.elsewhere = true;
	w->j.slot[0].undo = u;
	return &w->j.slot[0];
}

static void a_process_of_another_pid_namespace_is_not_looked_up_here(void **state)
{
	struct world *w = *state;
	struct journal_slot *s = from_elsewhere(w);
	char words[512];
	struct text t = text_on(words, sizeof(words));
	struct err e;

	for (int k = 0; k < 4; k++)
		fake.elsewhere.at[k] = -EXDEV;
	recover_end_effects(&w->j, 0, 1);
	assert_int_equal(recover_slot(&w->j, 0, fake.now_ns, &e), -EXDEV);
	assert_int_equal(fake.undo.calls, 0);
	assert_int_equal(stored(w, 0), SLOT_INTENT);
	assert_non_null(strstr(s->left, "process 12 of PID namespace"));
	assert_non_null(strstr(s->left, "cannot be looked up"));
	recover_by_hand(s, &t);
	assert_non_null(strstr(words, "brink revert RUN # in its PID namespace"));
	assert_true(
		recover_is_acceptable(s)); /* who is to say that namespace has ended? A person */
}

static void it_is_restored_when_it_is_known_to_have_ended(void **state)
{
	struct world *w = *state;
	struct journal_slot *s = from_elsewhere(w);
	struct err e;

	assert_int_equal(recover_slot(&w->j, 0, fake.now_ns, &e), -EXDEV);
	assert_non_null(strstr(s->left, "process 12 of PID namespace"));
	assert_non_null(strstr(s->left, "lives"));
	assert_int_equal(fake.undo.calls, 0);
	fake.elsewhere = (struct script){ .at = { 0, 1, 1, 1 } }; /* a little later it has */
	assert_int_equal(recover_slot(&w->j, 0, soon(), &e), 0);
	assert_int_equal(stored(w, 0), SLOT_RESTORED);
	assert_string_equal(s->left, "");
}

/* About no process: taken back, and restored when its holder is known to have ended. */
static void a_holder_of_another_pid_namespace_keeps_its_slot_open(void **state)
{
	struct world *w = *state;
	struct err e;

	w->j.elsewhere = true;
	assert_int_equal(recover_slot(&w->j, 1, fake.now_ns, &e), 0); /* it had none yet */
	assert_int_equal(fake.elsewhere.calls, 0);
	w->j.slot[0].holder = (struct change_proc){ .pid = 13, .start_ticks = 3 };
	w->j.slot[2].holder = w->j.slot[0].holder;
	assert_int_equal(recover_slot(&w->j, 0, fake.now_ns, &e), -EXDEV);
	assert_string_equal(fake.order, "ba");
	assert_non_null(strstr(w->j.slot[0].left, "its holder 13 of PID namespace"));
	w->j.slot[2].state = SLOT_PLANNED;
	assert_int_equal(recover_slot(&w->j, 2, fake.now_ns, &e), -EXDEV);
	assert_string_equal(fake.order, "ba"); /* nothing was ordered: not ours */
	fake.elsewhere.at[3] = 1;
	assert_int_equal(recover_slot(&w->j, 0, soon(), &e), 0);
	/* what stands in the way of the undo itself is not hidden by it */
	w->j.slot[0].state = SLOT_INTENT;
	fake.elsewhere = (struct script){ 0 };
	for (int k = 0; k < 4; k++)
		fake.undo.at[k] = -EPERM;
	assert_int_equal(recover_slot(&w->j, 0, fake.now_ns, &e), -EPERM);
}

static void nobody_here_is_ended_for_having_the_number_of_a_holder_elsewhere(void **state)
{
	struct world *w = *state;
	pid_t stranger = sleeper();
	struct err e;
	int status;

	w->j.elsewhere = true;
	w->j.slot[0].holder.pid = stranger;
	assert_int_equal(proc_start_ticks(stranger, &w->j.slot[0].holder.start_ticks, &e), 0);
	assert_int_equal(recover_end_holders(&w->j, &e), 0);
	assert_int_equal(waitpid(stranger, &status, WNOHANG), 0);
	kill(stranger, SIGKILL);
	waitpid(stranger, &status, 0);
}

/* Its own undo was done and read back: what looks the same later is somebody else's. */
static void what_comes_again_after_its_end_is_not_taken_back(void **state)
{
	struct world *w = *state;
	struct err e;

	w->j.slot[0].state = SLOT_ENDED;
	assert_int_equal(recover_slot(&w->j, 0, soon(), &e), 0);
	w->j.slot[1].state = SLOT_ENDED;
	fake.ended = (struct script){ .at = { 1, 1, 1, 1 } };
	assert_int_equal(recover_slot(&w->j, 1, soon(), &e), -EEXIST);
	assert_int_equal(fake.ended.calls, 1); /* asking again changes nothing */
	assert_non_null(strstr(w->j.slot[1].left, "not by brink"));
	assert_true(recover_is_acceptable(&w->j.slot[1]));
	recover_end_effects(&w->j, 0, 2);
	assert_int_equal(fake.undo.calls, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_taken_back_and_read_back_is_restored),
		TEST(what_fails_for_a_while_is_tried_again),
		TEST(what_never_works_ends_at_the_deadline_and_is_named),
		TEST(a_deadline_that_has_passed_still_means_one_attempt),
		TEST(what_belongs_to_others_now_is_asked_once_and_left),
		TEST(what_comes_again_after_its_end_is_not_taken_back),
		TEST(an_unreadable_slot_is_never_clean),
		TEST(a_record_without_our_mark_is_never_obeyed),
		TEST(a_journal_that_cannot_be_written_stops_no_undo),
		TEST(the_last_change_is_taken_back_first_and_all_are),
		TEST(holders_that_are_left_are_ended_and_nobody_else),
		TEST(nothing_of_a_living_holder_is_called_restored),
		TEST(a_process_of_another_pid_namespace_is_not_looked_up_here),
		TEST(it_is_restored_when_it_is_known_to_have_ended),
		TEST(a_holder_of_another_pid_namespace_keeps_its_slot_open),
		TEST(nobody_here_is_ended_for_having_the_number_of_a_holder_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
