/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_OPENERS_H
#define BRINK_OPENERS_H

/*
 * Kills every stopped process of this executable, other than this one, that has the file of fd
 * open, and waits for its death, bounded. A lock that such a process holds would never come free,
 * and its number may stand in no record; the open file cannot lie. Returns how many died.
 */
unsigned openers_end_stopped(int fd);

#endif
