/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/config.h"

#include <stdio.h>

#include "scenarios/bind.h"

struct config {
	struct bound bound;
	int color;
	const char *events;
};

static const struct field_table config_fields = {
	.name = "config",
	.doc = "defaults for flags",
	.size = sizeof(struct config),
	.fields =
		(const struct field[]){
			{ "color", FIELD_ENUM, 0, offsetof(struct config, color),
			  .words = option_color_words, .dflt = "auto", .doc = "as --color" },
			{ "events", FIELD_STRING, 0, offsetof(struct config, events),
			  .doc = "as --events" },
			{ 0 },
		},
};

static int read_config(const char *path, struct config *c, struct arena *a, struct diags *d,
		       struct err *e)
{
	AUTO(arena_done) struct arena scratch = { 0 };
	struct vars vars = { .frozen = true };
	struct binder b = { .arena = a, .d = d, .vars = &vars, .file = path, .e = e };
	const struct node *root;
	int r = doc_read(path, d, e);

	if (!r)
		r = doc_parse(d, &scratch, &root, e);
	if (!r)
		r = bind_block(&b, root, &config_fields, c);
	return r;
}

int config_apply(struct options *o, struct err *e)
{
	AUTO(diags_done) struct diags d = { 0 };
	struct config c = { 0 };
	int r;

	if (!o->config)
		return 0;
	r = read_config(o->config, &c, &o->arena, &d, e);
	if (d.errors) {
		d.color = options_color(o, STDERR_FILENO);
		diags_print(&d, stderr);
		*e = (struct err){ 0 };
		return -EINVAL;
	}
	if (r)
		return -EINVAL;
	if (!options_given(o, "color"))
		o->color = c.color;
	if (!options_given(o, "events") && c.events)
		o->events = c.events;
	return 0;
}
