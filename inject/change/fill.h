/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_FILL_H
#define BRINK_CHANGE_FILL_H

#include <sys/statvfs.h>

#include "inject/change/change.h"

/*
 * Bytes that stay free for ordinary users on the file system of an open directory whatever is asked
 * for: 64 MiB or 1 % of it where it shares its space with `/` or where brink keeps its state, 0
 * elsewhere. fill_space.c.
 */
uint64_t fill_reserve(int dir, const struct statvfs *fs, const struct shield *shield);
/* Do both lie on the same space: one file system, subvolumes of one btrfs, an overlay and what is
 * beneath it? What is not there: the nearest folder above. fill_space.c. */
bool fill_same_space(const char *path, const char *other);
/* The key of the space that is taken: one for all subvolumes of a btrfs. fill_space.c. */
void fill_key(const struct fill_spec *s, struct text *ret);

/* The name that a file has between its creation and its unlink where O_TMPFILE is not known; unique
 * to the run. */
void fill_spare_name(char *ret, size_t size, const struct undo *u);

/*
 * File position of the files of this run and fault, which nothing else uses: /proc/PID/fdinfo shows
 * it to whoever asks later whether they are still held. Below 2 GiB, which every file system
 * allows.
 */
int64_t fill_mark(const struct undo *u);

/* The ops that work from the record: fill_undo.c. */
int fill_undo(const struct undo *u, struct err *e);
int fill_ended(const struct undo *u, struct text *ret_left, struct err *e);
int fill_gone(const struct undo *u, struct text *ret_left, struct err *e);

#endif
