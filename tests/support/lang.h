/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_SUPPORT_LANG_H
#define BRINK_TESTS_SUPPORT_LANG_H

#include <stdbool.h>

#include "scenarios/experiment.h"

/* A YAML text written to t.yaml in a folder of its own, loaded with the fake faults. */
struct lang {
	char dir[64];
	int home; /* the folder to go back to */
	struct load_options o;
	struct experiment x;
	bool loaded;
	int r; /* what experiment_load returned */
	struct diags d;
	struct err e;
	char *said; /* what diags_print printed */
};

/* Group or test fixture: *state is a struct lang, the current folder is its own. */
int lang_setup(void **state);
int lang_teardown(void **state);
/* Loads n bytes, or a whole string. What an earlier call loaded is freed. Returns l->r. */
int lang_load_bytes(struct lang *l, const char *text, size_t n);
int lang_load(struct lang *l, const char *text);
/* Loads whatever stands at this path. */
int lang_load_path(struct lang *l, const char *path);
/* Writes n bytes to a file of the folder. */
void lang_write(const char *path, const char *text, size_t n);
/* Is this mistake among them: code at line:col? */
bool lang_has(const struct lang *l, enum msg_code code, unsigned line, unsigned col);

#endif
