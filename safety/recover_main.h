/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_RECOVER_MAIN_H
#define BRINK_RECOVER_MAIN_H

/*
 * "brink-keeper recover SOCKET STATE_DIR WAIT_MS FLAGS RUN...": takes back what dead runs left
 * behind, from their journals alone. Only this executable does that, so `brink revert` starts it
 * and prints what it says over the socket: for each run KMSG_NOTE and KMSG_LEFT, then one
 * KMSG_CLEAN. Nobody has to listen: what was begun is brought to its end. Killed in the middle it
 * can be started again; two at once wait for each other.
 *
 * KMSG_REVERTED: the run is clean, value = changes taken back now. Its directory is removed when
 * KMSG_DONE has answered that the history says so; else it stays, for the next command to find.
 * KMSG_CLEAN: code 0 = clean, value = changes taken back now; -EALREADY =
 * the run is alive; -EBUSY = something is not confirmed; any other -errno = nothing could be done,
 * u.err says why.
 */
enum recover_flags {
	RECOVER_ACCEPT_CONFLICT =
		1, /* what others changed meanwhile stays as it is and counts as taken back */
};

/* argv[0] is "recover". Returns the exit code: 0, 20 when any run is not clean, 4 when one is
 * alive. */
int recover_main(int argc, char **argv);

#endif
