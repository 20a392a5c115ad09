/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/journal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/io.h"
#include "safety/control.h"

#define ROOM_STEP 8
#define ENDED     "clean"     /* in the lock */
#define MAGIC     0x6e6a6b62u /* "bkjn" */

/* One copy on the medium. crc covers everything from gen to the end of the payload. Little endian
 * hosts only write what they read themselves: a journal never leaves its machine. */
struct block {
	uint32_t magic, crc;
	uint64_t gen;
	uint32_t index, size;
	unsigned char payload[JOURNAL_BLOCK - 24];
};

_Static_assert(sizeof(struct block) == JOURNAL_BLOCK, "a copy is one block");
_Static_assert(sizeof(struct journal_slot) <= sizeof(((struct block *)0)->payload), "a slot fits");
_Static_assert(sizeof(struct journal_head) <= sizeof(((struct block *)0)->payload),
	       "the head fits");

static uint32_t block_crc(const struct block *b)
{
	return crc32c(&b->gen, JOURNAL_BLOCK - offsetof(struct block, gen));
}

static off_t block_at(uint32_t index, uint64_t gen)
{
	return ((off_t)index * 2 + (off_t)(gen & 1)) * JOURNAL_BLOCK;
}

static ssize_t pio(int fd, void *buf, off_t at, bool out)
{
	size_t done = 0;
	unsigned times = 0;

	while (done < JOURNAL_BLOCK) {
		char *p = (char *)buf + done;
		ssize_t n = out ? pwrite(fd, p, JOURNAL_BLOCK - done, at + (off_t)done) :
				  pread(fd, p, JOURNAL_BLOCK - done, at + (off_t)done);

		if (n < 0 && io_again(&times))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Index 0 is the head, slot i has index i + 1. Only after the read-back the new generation counts.
 */
static int put_block(int fd, uint32_t index, uint64_t *gen, const void *payload, size_t size,
		     struct err *e)
{
	struct block b, back;
	ssize_t n;

	memset(&b, 0, sizeof(b));
	b.magic = MAGIC;
	b.gen = *gen + 1;
	b.index = index;
	b.size = (uint32_t)size;
	memcpy(b.payload, payload, size);
	b.crc = block_crc(&b);
	n = pio(fd, &b, block_at(index, b.gen), true);
	if (n < 0)
		return err_set(e, (int)-n, "cannot write the journal: %s", strerror((int)-n));
	if (fdatasync(fd) < 0 &&
	    errno != EINVAL) /* EINVAL: a file system that has nothing to flush */
		return err_sys(e, "cannot flush the journal");
	n = pio(fd, &back, block_at(index, b.gen), false);
	if (n < 0)
		return err_set(e, (int)-n, "cannot read the journal back: %s", strerror((int)-n));
	if (n != JOURNAL_BLOCK || memcmp(&b, &back, sizeof(b)) != 0)
		return err_set(e, EIO, "the journal reads back differently from what was written");
	*gen = b.gen;
	return 0;
}

static bool is_copy(const struct block *b, uint32_t index, uint64_t copy)
{
	return b->magic == MAGIC && b->crc == block_crc(b) && b->index == index &&
	       (b->gen & 1) == copy;
}

/*
 * The newest valid copy that can be read; the older one only ever says that less was taken back
 * (mark_fired() in keeper_lift.c sees to that).
 * -ENOENT: there is none; any other error is an error, not an absence.
 */
static int get_block(int fd, uint32_t index, uint64_t *ret_gen, void *payload, size_t size,
		     struct err *e)
{
	uint64_t best = 0;
	int unread = 0;

	for (uint64_t copy = 0; copy < 2; copy++) {
		struct block b;
		ssize_t n = pio(fd, &b, block_at(index, copy), false);

		if (n < 0)
			unread = (int)-n;
		if (n != JOURNAL_BLOCK || !is_copy(&b, index, copy) || b.size != size ||
		    b.gen <= best)
			continue;
		best = b.gen;
		memcpy(payload, b.payload, size);
	}
	if (!best && unread)
		return err_set(e, unread, "cannot read the journal: %s", strerror(unread));
	if (!best)
		return err_set(e, ENOENT, "the journal has no valid copy of block %u", index);
	*ret_gen = best;
	return 0;
}

/* In steps, because the keeper's memory is locked: a run with two changes pays for few slots. */
static int make_room(struct journal *j, unsigned n, struct err *e)
{
	unsigned room = (n + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;
	struct journal_slot *more;

	if (n <= j->room)
		return 0;
	more = realloc(j->slot, room * sizeof(*more));
	if (!more)
		return err_set(e, ENOMEM, "no memory for the journal");
	memset(more + j->room, 0, (room - j->room) * sizeof(*more));
	j->slot = more;
	j->room = room;
	return 0;
}

int journal_create(int dirfd, const struct journal_head *head, struct journal *ret, struct err *e)
{
	struct journal j = { .fd = -1, .head = *head };
	int rc;

	j.fd = openat(dirfd, JOURNAL_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	if (j.fd < 0)
		rc = err_sys(e, "cannot create the journal");
	else
		rc = pidns_own(&j.head.pidns, e);
	if (rc == 0)
		rc = put_block(j.fd, 0, &j.head_gen, &j.head, sizeof(j.head), e);
	if (rc < 0) {
		journal_done(&j);
		return rc;
	}
	*ret = j;
	return 0;
}

/* Text from a damaged or foreign file must at least end. */
static void terminate(struct journal_slot *s)
{
	s->undo.run_id[sizeof(s->undo.run_id) - 1] = '\0';
	s->undo.label[sizeof(s->undo.label) - 1] = '\0';
	s->undo.resource[sizeof(s->undo.resource) - 1] = '\0';
	s->undo.netns.path[sizeof(s->undo.netns.path) - 1] = '\0';
	s->undo.by_hand[sizeof(s->undo.by_hand) - 1] = '\0';
	s->left[sizeof(s->left) - 1] = '\0';
}

/*
 * A slot that cannot be read is unknown and hurts no other one. Slots behind the head's count are
 * taken too: the copy of the head that counted them may be the damaged one, and to undo a change
 * that was never made does nothing.
 */
static int read_slots(struct journal *j, struct err *e)
{
	for (unsigned i = 0; i < JOURNAL_SLOTS; i++) {
		struct journal_slot s = { 0 };
		struct err why;
		int rc = get_block(j->fd, i + 1, &j->gen[i], &s, sizeof(s), &why);

		if (rc < 0 && i >= j->head.n_slots)
			break;
		if (rc < 0)
			s = (struct journal_slot){ .state = SLOT_UNKNOWN };
		rc = make_room(j, i + 1, e);
		if (rc < 0)
			return rc;
		terminate(&s);
		j->slot[i] = s;
		if (i >= j->head.n_slots)
			j->head.n_slots = i + 1;
	}
	return 0;
}

/* O_NONBLOCK: somebody may have put a FIFO or a device there. */
static int open_regular(int dirfd, int flags, struct err *e)
{
	const int safe = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	int fd = openat(dirfd, JOURNAL_FILE, flags | safe);
	struct stat st;

	if (fd < 0 && errno == EROFS) /* what is written in it can be taken back all the same */
		fd = openat(dirfd, JOURNAL_FILE, O_RDONLY | safe);
	if (fd < 0)
		return err_sys(e, "cannot open the journal");
	if (fstat(fd, &st) < 0)
		err_sys(e, "cannot look at the journal");
	else if (!S_ISREG(st.st_mode))
		err_set(e, EBADMSG, "the journal is no regular file");
	else
		return fd;
	close(fd);
	return -e->code;
}

static void terminate_head(struct journal_head *h)
{
	h->run_id[sizeof(h->run_id) - 1] = '\0';
	h->boot_id[sizeof(h->boot_id) - 1] = '\0';
	h->name[sizeof(h->name) - 1] = '\0';
	h->started[sizeof(h->started) - 1] = '\0';
	h->why[sizeof(h->why) - 1] = '\0';
	h->deadman_unit[sizeof(h->deadman_unit) - 1] = '\0';
	h->unit[sizeof(h->unit) - 1] = '\0';
}

/* That of a head of another size, 0 where there is none: a record that is as good as ever must not
 * be taken for a broken one. */
static uint32_t foreign_version(int fd)
{
	uint32_t version = 0;

	for (uint64_t copy = 0; copy < 2; copy++) {
		struct block b;

		if (pio(fd, &b, block_at(0, copy), false) == JOURNAL_BLOCK &&
		    is_copy(&b, 0, copy) && b.size != sizeof(struct journal_head))
			memcpy(&version, b.payload, sizeof(version));
	}
	return version;
}

static int wrong_version(uint32_t version, struct err *e)
{
	return err_set(e, ENOTSUP, "the journal is of version %u, this brink reads %d", version,
		       JOURNAL_VERSION);
}

int journal_open(int dirfd, bool writable, struct journal *ret, struct err *e)
{
	struct journal j = { .fd = open_regular(dirfd, writable ? O_RDWR : O_RDONLY, e) };
	uint32_t foreign;
	int rc;

	if (j.fd < 0)
		return j.fd;
	rc = get_block(j.fd, 0, &j.head_gen, &j.head, sizeof(j.head), e);
	foreign = rc == -ENOENT ? foreign_version(j.fd) : 0;
	if (foreign)
		rc = wrong_version(foreign, e);
	else if (rc == -ENOENT)
		rc = err_set(e, EBADMSG, "the journal has no valid head");
	if (rc == 0 && j.head.version != JOURNAL_VERSION)
		rc = wrong_version(j.head.version, e);
	if (rc == 0 && j.head.n_slots > JOURNAL_SLOTS)
		rc = err_set(e, EBADMSG, "the journal has a broken head");
	if (rc == 0)
		rc = read_slots(&j, e);
	if (rc < 0) {
		journal_done(&j);
		return rc;
	}
	terminate_head(&j.head);
	j.elsewhere = !pidns_is_own(&j.head.pidns);
	*ret = j;
	return 0;
}

void journal_again(struct journal *j)
{
	struct journal_head head = { 0 };
	unsigned n = j->head.n_slots;
	struct err ignored;

	if (get_block(j->fd, 0, &j->head_gen, &head, sizeof(head), &ignored) == 0 &&
	    head.version == JOURNAL_VERSION) {
		terminate_head(&head);
		j->head = head;
		j->head.n_slots = n; /* none is added once a change may have been made */
	}
	for (unsigned i = 0; i < n; i++) {
		struct journal_slot s = { 0 };

		if (get_block(j->fd, i + 1, &j->gen[i], &s, sizeof(s), &ignored) < 0) {
			if (j->slot[i].state == SLOT_PLANNED) /* as far as we know, once */
				j->slot[i].state = SLOT_INTENT;
			continue;
		}
		terminate(&s);
		j->slot[i] = s;
	}
}

int journal_put(struct journal *j, unsigned i, struct err *e)
{
	return put_block(j->fd, i + 1, &j->gen[i], &j->slot[i], sizeof(j->slot[i]), e);
}

int journal_put_head(struct journal *j, struct err *e)
{
	return put_block(j->fd, 0, &j->head_gen, &j->head, sizeof(j->head), e);
}

int journal_add(struct journal *j, const struct undo *u, enum slot_state state, unsigned *ret_index,
		struct err *e)
{
	unsigned i = j->head.n_slots;
	int rc;

	if (i == JOURNAL_SLOTS)
		return err_set(e, E2BIG, "more than %d changes in one run", JOURNAL_SLOTS);
	rc = make_room(j, i + 1, e);
	if (rc < 0)
		return rc;
	j->slot[i] = (struct journal_slot){ .state = state, .undo = *u };
	rc = journal_put(j, i, e);
	if (rc < 0)
		return rc;
	j->head.n_slots++; /* after the slot: a head never counts one that is not there */
	rc = journal_put_head(j, e);
	if (rc < 0) {
		j->head.n_slots--;
		return rc;
	}
	*ret_index = i;
	return 0;
}

void journal_done(struct journal *j)
{
	auto_close(&j->fd);
	free(j->slot);
	*j = (struct journal){ .fd = -1 };
}

void journal_mark_ended(int lock)
{
	io_write_full(lock, ENDED, sizeof(ENDED) - 1);
}

int journal_remove(int state_dir, int run_dir, const char *run_id)
{
	static const char *const files[] = { CONTROL_SOCKET, JOURNAL_FILE, JOURNAL_LOCK };
	AUTO(auto_close)
	int lock = openat(run_dir, JOURNAL_LOCK, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (lock >= 0) /* cut off behind the journal, nobody could tell this from a lost one */
		journal_mark_ended(lock);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (unlinkat(run_dir, files[i], 0) < 0 && errno != ENOENT)
			return -errno;
	}
	if (unlinkat(state_dir, run_id, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == EEXIST ? -ENOTEMPTY : -errno;
}

enum journal_trace journal_trace(int run_dir)
{
	char text[sizeof(ENDED) + 1];
	struct stat st;
	int fd;

	if (fstatat(run_dir, JOURNAL_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		/* its head was being written: larger, or anything else, is not the keeper's doing
		 */
		if (!S_ISREG(st.st_mode) || st.st_size > (off_t)2 * JOURNAL_BLOCK)
			return JOURNAL_LOST;
	} else if (errno != ENOENT) {
		return JOURNAL_LOST;
	}
	if (fstatat(run_dir, CONTROL_SOCKET, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return JOURNAL_LOST;
	fd = openat(run_dir, JOURNAL_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? JOURNAL_NEVER : JOURNAL_LOST;
	close(fd);
	if (io_read_file(run_dir, JOURNAL_LOCK, text, sizeof(text)) == sizeof(ENDED) - 1 &&
	    strcmp(text, ENDED) == 0)
		return JOURNAL_ENDED;
	return JOURNAL_LOST;
}

int journal_boot_id(char ret[40], struct err *e)
{
	ssize_t n = io_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret, 40);

	return n > 0 ? 0 : err_set(e, n ? (int)-n : EIO, "cannot read the boot id");
}

static bool written_since_the_start(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ||
	       st.st_mtim.tv_sec > (clock_wall_ns() - clock_boot_ns()) / NS_PER_S;
}

bool journal_of_earlier_boot(const struct journal *j, const char *boot_id)
{
	return boot_id[0] && strcmp(boot_id, j->head.boot_id) != 0 &&
	       !(j->elsewhere && written_since_the_start(j->fd));
}
