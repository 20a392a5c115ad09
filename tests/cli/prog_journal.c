/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the record of a run that died, for tests of the commands that find it.
 *   prog_journal STATE_DIR RUN [key=value]...
 * boot=ID (default: this boot), state=open|clean|dirty, why=TEXT, unit=NAME, label=TEXT,
 * resource=KEY, and what the run made, each one slot: ifb=NAME, table=NAME (inet); netns=NAME
 * before them says where; stop=PID: that process was stopped; holder=PID: of the slots behind it.
 * slot=restored: the slots behind it were. version=N: of the journal; size=N cuts the file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "inject/change/netns.h"
#include "inject/target.h"
#include "safety/journal.h"

#define NFPROTO_INET_FAMILY 1
#define NO_SUCH_PID         4194000

static struct journal journal;
static struct undo undo;
static struct change_proc holder;
static enum slot_state slot_state = SLOT_INTENT;

static void check(int rc, const struct err *e)
{
	char buf[400];

	if (rc >= 0)
		return;
	fprintf(stderr, "prog_journal: %s\n", err_format(e, buf, sizeof(buf)));
	exit(2);
}

static struct change_proc proc_of(const char *pid)
{
	struct change_proc p = { .pid = atoi(pid) };
	struct err e = { 0 };

	check(proc_start_ticks(p.pid, &p.start_ticks, &e), &e);
	return p;
}

static void add_slot(const char *key, const char *value)
{
	struct err e = { 0 };
	unsigned slot;

	if (strcmp(key, "ifb") == 0) {
		undo.kind = CHANGE_NETEM_SIDE;
		snprintf(undo.u.netem.ifb, sizeof(undo.u.netem.ifb), "%s", value);
		snprintf(undo.by_hand, sizeof(undo.by_hand), "ip link delete %s", value);
	} else if (strcmp(key, "stop") == 0) {
		undo.kind = CHANGE_STOP;
		undo.u.pause.proc = proc_of(value);
		snprintf(undo.by_hand, sizeof(undo.by_hand), "kill -CONT %s", value);
	} else {
		undo.kind = CHANGE_NFT_GATE;
		undo.u.gate.family = NFPROTO_INET_FAMILY;
		snprintf(undo.u.gate.table, sizeof(undo.u.gate.table), "%s", value);
		snprintf(undo.by_hand, sizeof(undo.by_hand), "nft delete table inet %s", value);
	}
	check(journal_add(&journal, &undo, slot_state, &slot, &e), &e);
	journal.slot[slot].holder = holder;
	check(journal_put(&journal, slot, &e), &e);
}

static void take(struct journal_head *h, const char *key, const char *value, long *size)
{
	struct err e = { 0 };

	if (strcmp(key, "boot") == 0)
		snprintf(h->boot_id, sizeof(h->boot_id), "%s", value);
	else if (strcmp(key, "state") == 0)
		h->state = value[0] == 'c' ? HEAD_CLEAN : value[0] == 'd' ? HEAD_DIRTY : HEAD_OPEN;
	else if (strcmp(key, "why") == 0)
		snprintf(h->why, sizeof(h->why), "%s", value);
	else if (strcmp(key, "unit") == 0)
		snprintf(h->unit, sizeof(h->unit), "%s", value);
	else if (strcmp(key, "label") == 0)
		snprintf(undo.label, sizeof(undo.label), "%s", value);
	else if (strcmp(key, "resource") == 0)
		snprintf(undo.resource, sizeof(undo.resource), "%s", value);
	else if (strcmp(key, "netns") == 0)
		check(netns_identify(value, &undo.netns, &e), &e);
	else if (strcmp(key, "holder") == 0)
		holder = proc_of(value);
	else if (strcmp(key, "slot") == 0)
		slot_state = value[0] == 'r' ? SLOT_RESTORED : SLOT_INTENT;
	else if (strcmp(key, "version") == 0)
		h->version = (uint32_t)atol(value);
	else if (strcmp(key, "size") == 0)
		*size = atol(value);
	else
		add_slot(key, value);
}

int main(int argc, char **argv)
{
	struct journal_head head = { .version = JOURNAL_VERSION, .state = HEAD_OPEN };
	struct err e = { 0 };
	long size = -1;
	char dir[512];
	int fd;

	if (argc < 3)
		return 2;
	mkdir(argv[1], 0755);
	snprintf(dir, sizeof(dir), "%s/%s", argv[1], argv[2]);
	mkdir(dir, 0755);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(head.run_id, sizeof(head.run_id), "%s", argv[2]);
	snprintf(undo.run_id, sizeof(undo.run_id), "%s", argv[2]);
	snprintf(head.name, sizeof(head.name), "a test of old runs");
	snprintf(head.started, sizeof(head.started), "2026-11-20T13:02:11.004Z");
	head.keeper = (struct change_proc){ .pid = NO_SUCH_PID, .start_ticks = 1 };
	head.runner = head.keeper;
	check(journal_boot_id(head.boot_id, &e), &e);
	check(journal_create(fd, &head, &journal, &e), &e);
	for (int i = 3; i < argc; i++) {
		char *eq = strchr(argv[i], '=');

		if (!eq)
			return 2;
		*eq = '\0';
		take(&journal.head, argv[i], eq + 1, &size);
	}
	check(journal_put_head(&journal, &e), &e);
	return size >= 0 && ftruncate(journal.fd, size) < 0 ? 2 : 0;
}
