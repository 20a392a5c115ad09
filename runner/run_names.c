/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run_parts.h"

static void ask(struct run *r, unsigned number)
{
	struct name_join *j = &r->names.join[number];
	const struct name_item *item = &r->names.item[j->item];
	struct kmsg m = { .type = KMSG_JOIN, .fault = (uint16_t)item->fault, .value = number };

	m.u.join.list = item->plan->list;
	m.u.join.at = j->at;
	j->state = NAME_ASKED;
	run_order(r, &m);
}

void run_ask_joins(struct run *r, unsigned fault)
{
	for (unsigned i = 0; r->fault[fault].live && i < r->names.n_joins; i++) {
		const struct name_join *j = &r->names.join[i];

		if (j->state == NAME_WAITS && r->names.item[j->item].fault == fault)
			ask(r, i);
	}
}

/* With code < 0 also the keeper's own refusal. What ends is told otherwise. */
void run_heard_joined(struct run *r, const struct kmsg *m)
{
	struct name_join *j = m->value < r->names.n_joins ? &r->names.join[m->value] : NULL;
	char words[ERR_LINE * 3];

	if (!j || j->state != NAME_ASKED)
		return;
	j->state = NAME_SETTLED;
	if (m->code == -ECANCELED || names_again(&r->names, j->item))
		return;
	run_say_name(r, j->item, &j->at,
		     m->code < 0 ? err_format(&m->u.err, words, sizeof(words)) : NULL);
}

static void found(struct run *r, const struct probe_name *m)
{
	char words[ERR_LINE * 3];
	struct err e = { 0 };
	unsigned number = 0;
	int rc = names_found(&r->names, m, &number, &e);

	if (rc > 0)
		run_ask_joins(r, r->names.item[m->name].fault);
	if (rc < 0 && !names_again(&r->names, m->name))
		run_say_name(r, m->name, &m->at, err_format(&e, words, sizeof(words)));
}

/* Its end is no end of the run: what the names meant so far is hit as before. */
static void lost(struct run *r, const struct err *e)
{
	char words[ERR_LINE * 3], all[ERR_LINE * 4];
	struct text t = text_on(all, sizeof(all));

	text_add(&t, "host names are not looked up again: %s", err_format(e, words, sizeof(words)));
	run_say_note(r, "warn", all);
	auto_close(
		&r->resolver.fd); /* which ends it; waited for at the end, where no beat is due */
	r->resolver.fd = -1;
}

void run_hear_resolver(struct run *r)
{
	struct probe_msg m;
	struct err e = { 0 };
	int rc;

	while (r->resolver.fd >= 0 && (rc = prober_take(&r->resolver, &m, &e)) != 0) {
		if (rc == 1 && m.type == PROBE_MSG_NAME && m.name.name < r->names.n) {
			if (m.name.found)
				found(r, &m.name);
			else if (!names_again(&r->names, m.name.name)) /* once in a row */
				run_say_name(r, m.name.name, NULL, m.name.text);
		} else {
			if (rc == 1)
				err_set(&e, EBADMSG, "the resolver says what nobody asked for");
			lost(r, &e);
			return;
		}
	}
}
