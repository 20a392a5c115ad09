/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_JOURNAL_H
#define BRINK_JOURNAL_H

#include <stdbool.h>

#include "inject/change/change.h"
#include "inject/pidns.h"

/*
 * The undo journal of one run: a head and one slot for each change, two 4 KiB copies each. A write
 * goes to the older copy, is flushed, read back and compared before it counts; a torn or failed one
 * hurts only its own slot. A slot with no valid copy is "unknown": such a run is never called
 * clean. Nothing in it is a pointer.
 */
#define JOURNAL_BLOCK   4096
#define JOURNAL_SLOTS   2048
#define JOURNAL_FILE    "journal"
#define JOURNAL_VERSION 3
/*
 * Beside it, mode 0600: held locked (flock(2)) by the keeper and, through the same open file, by
 * its spare. Free exactly when both are dead; whoever takes back afterwards holds it meanwhile.
 * Made after the journal has its head: where there is one, the run had begun. Empty until the run
 * is clean and its record about to be removed.
 */
#define JOURNAL_LOCK "lock"

enum slot_state {
	SLOT_INTENT = 1, /* the change may have been made */
	SLOT_ENDED,      /* of a guarded change: lifted by its holder and read back; what looks like
			  * it from here on is somebody else's */
	SLOT_RESTORED,   /* gone, read back */
	SLOT_PLANNED,    /* of a guarded change: nothing was ordered yet, so what stands there is
			  * somebody else's */
	SLOT_UNKNOWN = 99, /* never stored: no valid copy was found */
};

struct journal_slot {
	uint32_t state;
	int32_t last_errno; /* of the last failed undo */
	uint32_t attempts;
	uint32_t pad;
	struct change_proc holder; /* pid 0 = none yet */
	struct undo undo;
	char left[256]; /* what is still there, in words */
};

enum head_state {
	HEAD_OPEN = 1,
	HEAD_CLEAN, /* everything restored and read back, by whoever */
	HEAD_DIRTY, /* recovery ended and could not confirm everything */
};

struct journal_head {
	uint32_t version, state; /* version stands first in all of them */
	uint32_t n_slots, n_faults;
	char run_id[28];
	uint32_t starter_uid;
	char boot_id[40];
	char name[128];   /* of the experiment */
	char started[32]; /* wall time, for people */
	char why[160];    /* why it ended, when the runner could not say so itself */
	struct change_proc runner, keeper, spare; /* spare: pid 0 = not yet */
	int64_t deadline_boot_ns;
	char deadman_unit[64];  /* timer in PID 1, "" = none */
	char unit[96];          /* systemd unit that the runner belonged to, "" = none */
	struct pidns_ref pidns; /* of all processes in head and slots; journal_create() knows it */
};

struct journal {
	int fd;
	bool elsewhere; /* its processes are of another PID namespace: no number in it means anybody
			 * here */
	struct journal_head head;
	uint64_t head_gen;
	uint64_t gen[JOURNAL_SLOTS];
	unsigned room;             /* slots that fit into memory now */
	struct journal_slot *slot; /* grows by journal_add(), before the first change */
};

/* Makes the file (mode 0600, must not exist) in the directory and writes the head. */
int journal_create(int dirfd, const struct journal_head *head, struct journal *ret, struct err *e);
/*
 * Reads an existing one. -ENOENT: there is none; -EBADMSG: no valid head; -ENOTSUP: of another
 * version of brink. writable: for recovery; on a file system that became read-only the journal is
 * read all the same, and no put succeeds.
 */
int journal_open(int dirfd, bool writable, struct journal *ret, struct err *e);
/*
 * Reads the medium again, into the memory that j has, through the descriptor that it has: allocates
 * and opens nothing. A block without a readable copy stays as j knew it, but nothing counts as only
 * planned then. It does not matter whether the file still has a name.
 */
void journal_again(struct journal *j);
/* Adds a slot in that state, durable and read back. ret_index: its number. */
int journal_add(struct journal *j, const struct undo *u, enum slot_state state, unsigned *ret_index,
		struct err *e);
/* Writes slot i as it stands in j->slot[i]. Allocates nothing. */
int journal_put(struct journal *j, unsigned i, struct err *e);
/* Writes j->head. Allocates nothing. */
int journal_put_head(struct journal *j, struct err *e);
void journal_done(struct journal *j);
/*
 * Removes what a run keeps in its directory, and the directory. state_dir: where it stands. Only
 * for a run that is clean. 0 or -errno; -ENOTEMPTY: the record is gone, but the directory holds
 * files of somebody else.
 */
int journal_remove(int state_dir, int run_dir, const char *run_id);

/* A directory whose journal cannot be read: what is there to tell whether the run had begun? */
enum journal_trace {
	JOURNAL_LOST,  /* it may have changed anything */
	JOURNAL_NEVER, /* no lock: its keeper died before it had a journal, let alone a change */
	JOURNAL_ENDED, /* the lock says that it was clean; its removal was cut off */
};
enum journal_trace journal_trace(int run_dir);
/* Whoever holds the lock says so: the run is clean, what follows is the removal of its record. */
void journal_mark_ended(int lock);

/* /proc/sys/kernel/random/boot_id */
int journal_boot_id(char ret[40], struct err *e);
/*
 * Is it of an earlier boot than the one of that boot_id ("": nobody knows which it is)? Containers
 * may have a boot_id of their own (systemd-nspawn, LXC): one from another PID namespace that was
 * written since this machine started is of this boot, whatever it says.
 */
bool journal_of_earlier_boot(const struct journal *j, const char *boot_id);

#endif
