/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/ulid.h"
#include "runner/effect.h"
#include "runner/run_parts.h"

#define DRAW_NS     (200 * NS_PER_MS)
#define BLOCK_LINES 12
#define BLOCK_BYTES 4096
#define WIDTH_MIN   40
#define WIDTH_MAX   160

void live_init(struct live *l, bool color)
{
	const char *term = getenv("TERM");

	*l = (struct live){ .on = isatty(STDERR_FILENO) && term && *term &&
				  strcmp(term, "dumb") != 0,
			    .color = color };
}

static unsigned width(void)
{
	struct winsize w = { 0 };

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < WIDTH_MIN)
		return 80;
	return w.ws_col > WIDTH_MAX ? WIDTH_MAX : w.ws_col;
}

/* Cursor up over the old block, erase to the end of the screen: ECMA-48 CUU and ED. */
static void erase(struct text *t, const struct live *l)
{
	if (l->lines)
		text_add(t, "\r\033[%uA\033[J", l->lines);
}

enum tint { PLAIN, GREEN, RED, YELLOW };

struct block {
	struct text t;
	unsigned lines, width;
	bool color;
};

/* "  word   the rest", cut to the width of the terminal so that no line wraps. */
static void add_line(struct block *b, enum tint tint, const char *word, const char *rest)
{
	static const char *const on[] = { "", "\033[32m", "\033[31m", "\033[33m" };
	int room = (int)b->width - 10;
	const char *end = rest;

	if (b->lines == BLOCK_LINES)
		return;
	for (; *end && room > 0; end++)
		room -= (*end & 0xc0) != 0x80; /* characters, not bytes */
	while ((*end & 0xc0) == 0x80)
		end++;
	text_add(&b->t, "  %s%-6s%s %.*s\n", b->color ? on[tint] : "", word,
		 b->color && tint ? "\033[0m" : "", (int)(end - rest), rest);
	b->lines++;
}

static void add_head(struct run *r, struct block *b)
{
	const struct run_plan *p = r->rq->plan;
	char name[200];
	struct text safe = text_on(name, sizeof(name));
	int64_t held = controller_hold_ns(r->ctl);
	int64_t s = held ? (clock_mono_ns() - held) / NS_PER_S : 0, all = p->longest_ns / NS_PER_S;

	text_add_foreign(&safe, r->rq->x->name, strlen(r->rq->x->name));
	text_add(&b->t, "%s  %-.*s  %02d:%02d of %02d:%02d\n", ulid_short(p->run_id),
		 (int)b->width - 30, name, (int)(s / 60), (int)(s % 60), (int)(all / 60),
		 (int)(all % 60));
	b->lines++;
}

/* What it has done so far stands first: a summary may be longer than the line. */
static void add_effect(const struct run *r, unsigned i, struct text *t)
{
	const struct change_ops *counter = effect_counter(&r->rq->plan->fault[i]);

	if (!counter || !r->fault[i].effect_known)
		return;
	effect_add(t, counter, &r->fault[i].effect);
	text_add(t, "  ");
}

static void add_fault(struct run *r, struct block *b, unsigned i)
{
	const struct planned_fault *f = &r->rq->plan->fault[i];
	struct ctl_fault_view v;
	char rest[300], left[32] = "";
	struct text t = text_on(rest, sizeof(rest)), l = text_on(left, sizeof(left));
	int64_t now = clock_mono_ns();

	controller_fault(r->ctl, i, &v);
	if (v.phase == CTL_ON && v.ends_ns > now && v.ends_ns != CTL_NEVER)
		text_add(&l, "%d s left", (int)((v.ends_ns - now + NS_PER_S - 1) / NS_PER_S));
	text_add(&t, "%-9s %-20s ", f->item->ops->name, f->item->id);
	add_effect(r, i, &t);
	text_add_foreign(&t, f->summary, strlen(f->summary));
	text_add(&t, "  %s", left);
	switch (v.phase) {
	case CTL_ON:
		add_line(b, YELLOW, "HELD", rest);
		break;
	case CTL_UNDOING:
		add_line(b, YELLOW, "ending", rest);
		break;
	case CTL_STUCK:
		add_line(b, RED, "STUCK", rest);
		break;
	case CTL_OFF:
		add_line(b, GREEN, "gone", rest);
		break;
	default:
		add_line(b, PLAIN, "waits", rest);
	}
}

/* Eight steps of height for the last samples, against the largest of them. */
static void add_spark(struct text *t, const struct check_memory *c)
{
	static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	float top = 0;

	for (unsigned i = 0; i < SPARK; i++)
		top = c->spark[i] > top ? c->spark[i] : top;
	for (unsigned i = 0; i < SPARK && top > 0; i++) {
		float v = c->spark[(c->spark_n + i) % SPARK];

		if (v > 0)
			text_add(t, "%s", bars[(unsigned)(v / top * 7)]);
	}
}

static void add_check(struct run *r, struct block *b, unsigned i)
{
	const struct check_memory *c = &r->check[i];
	struct ctl_check_view v;
	char rest[400];
	struct text t = text_on(rest, sizeof(rest));

	controller_check(r->ctl, i, &v);
	text_add(&t, "%-20s %-30.60s ", r->rq->x->checks[i].id, c->last_text);
	add_spark(&t, c);
	if (!v.last_ns)
		add_line(b, PLAIN, "...", rest);
	else if (v.fails)
		add_line(b, RED, "FAIL", rest);
	else
		add_line(b, GREEN, "ok", rest);
}

void live_draw(struct run *r, bool now)
{
	static const char *const phases[] = { [CTL_BEFORE] = "steady state before the start",
					      [CTL_ARM] = "building, without effect yet",
					      [CTL_GATE] = "steady state once more",
					      [CTL_HOLD] = NULL,
					      [CTL_LIFT] = "taking every fault back",
					      [CTL_RECOVER] =
						      "waiting for the steady state to come back",
					      [CTL_ENDING] = "reading the system back",
					      [CTL_DONE] = NULL };
	char bytes[BLOCK_BYTES];
	struct live *l = &r->live;
	struct block b = { .t = text_on(bytes, sizeof(bytes)),
			   .width = width(),
			   .color = l->color };
	int64_t at = clock_mono_ns();

	if (!l->on || r->rq->quiet || (!now && at - l->drawn_ns < DRAW_NS))
		return;
	erase(&b.t, l);
	add_head(r, &b);
	if (phases[r->phase])
		add_line(&b, PLAIN, "now", phases[r->phase]);
	for (unsigned i = 0; i < r->config.nfaults && b.lines < BLOCK_LINES - 4; i++)
		add_fault(r, &b, i);
	for (unsigned i = 0; i < r->config.nchecks && b.lines < BLOCK_LINES - 1; i++)
		add_check(r, &b, i);
	text_add(&b.t, "  Ctrl-C reverts and stops.  Another terminal: brink halt\n");
	b.lines++;
	if (!b.t.cut && talk_text(r->rq->talk, 2, TALK_PROGRESS, bytes, b.t.len))
		l->lines = b.lines;
	l->drawn_ns = at;
}

void live_log(struct run *r, enum talk_weight weight, const char *line)
{
	char bytes[1200];
	struct text t = text_on(bytes, sizeof(bytes));

	erase(&t, &r->live);
	text_add(&t, "%s\n", line);
	if (talk_text(r->rq->talk, 2, weight, bytes, t.len) && r->live.lines) {
		r->live.lines = 0;
		live_draw(r, true);
	}
}

void live_end(struct run *r)
{
	char bytes[32];
	struct text t = text_on(bytes, sizeof(bytes));

	erase(&t, &r->live);
	if (t.len)
		talk_text(r->rq->talk, 2, TALK_RESULT, bytes, t.len);
	r->live = (struct live){ 0 };
}
