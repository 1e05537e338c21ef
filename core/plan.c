/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan's frame: reads the input, picks the word's row, and writes the
 * result down.  What each word checks and does is in plan_*.c.
 */
#include "plan_private.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum role role_of(const struct side *side)
{
	if (side->reach != REACH_OK)
		return ROLE_UNKNOWN;
	if (side->fact == ROLE_UNKNOWN)
		return side->claim;
	return side_verified_role(side);
}

static struct check *add_check(struct planning *p, const char *name)
{
	struct plan *plan = p->out;
	struct check *c;

	/* The last place is overwritten rather than a check lost in silence:
	   the verdict counts all of them. */
	if (plan->check_count == PLAN_CHECKS_MAX)
		plan->check_count--;
	c = &plan->checks[plan->check_count++];
	*c = (struct check){.name = name};
	return c;
}

static void object(struct planning *p, enum verdict verdict, const char *name,
		   const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static void object(struct planning *p, enum verdict verdict, const char *name,
		   const char *fmt, va_list ap)
{
	struct check *c = add_check(p, name);

	c->verdict = verdict;
	vsnprintf(c->text, sizeof c->text, fmt, ap);
	/* `force` overrides exactly what is marked so. */
	if (verdict == VERDICT_NEEDS_FORCE && p->force)
		return;
	if (verdict > p->out->verdict)
		p->out->verdict = verdict;
}

void plan_object(struct planning *p, enum verdict verdict, const char *name,
		 const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	object(p, verdict, name, fmt, ap);
	va_end(ap);
}

void plan_need(struct planning *p, enum override kind, const char *name,
	       const char *fmt, ...)
{
	va_list ap;

	p->overrides |= kind;
	va_start(ap, fmt);
	object(p, VERDICT_NEEDS_FORCE, name, fmt, ap);
	va_end(ap);
}

void plan_pass(struct planning *p, const char *name, const char *fmt, ...)
{
	struct check *c = add_check(p, name);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->text, sizeof c->text, fmt, ap);
	va_end(ap);
}

void plan_step(struct planning *p, enum act act)
{
	if (p->out->step_count < PLAN_STEPS_MAX)
		p->out->steps[p->out->step_count++] = act;
}

static void wait_for(struct planning *p, enum reason reason, const char *fmt,
		     va_list ap) __attribute__((format(printf, 3, 0)));

static void wait_for(struct planning *p, enum reason reason, const char *fmt,
		     va_list ap)
{
	p->out->waits_for = reason;
	vsnprintf(p->out->waits_text, sizeof p->out->waits_text, fmt, ap);
}

void plan_wait(struct planning *p, enum reason reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	wait_for(p, reason, fmt, ap);
	va_end(ap);
}

void plan_doubt(struct planning *p, const struct side *side, enum reason reason,
		const char *fmt, ...)
{
	char *text = p->out->waits_text;
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	wait_for(p, reason, fmt, ap);
	va_end(ap);
	len = strlen(text);
	if (*side->native)
		snprintf(text + len, sizeof p->out->waits_text - len, " (%s)",
			 side->native);
}

static void begin(struct planning *p, const struct plan_input *in,
		  struct plan *out)
{
	*out = (struct plan){0};
	*p = (struct planning){
		.in = in,
		.out = out,
		.here = &in->seen->here,
		.peer = &in->seen->peer,
		.here_role = role_of(&in->seen->here),
		.peer_role = role_of(&in->seen->peer),
		.state = in->status->failed ? STATE_FAILED : in->spec->state,
		.from = in->spec->state,
		.asked_peer = in->status->request.asked_peer,
	};
}

/* Which row serves @word for somebody who comes from @from. */
static const struct word_plan *row_for(enum state from, enum word word)
{
	static const struct {
		enum state from;
		enum word word;
		const struct word_plan *row;
	} rows[] = {
		{STATE_NONE, WORD_SOURCE, &plan_adopt},
		{STATE_NONE, WORD_REPLICA, &plan_adopt},
		{STATE_PROMOTING, WORD_SOURCE, &plan_complete},
		{STATE_PROMOTING, WORD_REPLICA, &plan_roll_back},
		{STATE_DEMOTING, WORD_REPLICA, &plan_complete},
		{STATE_DEMOTING, WORD_SOURCE, &plan_take_back},
		{STATE_SYNCING, WORD_REPLICA, &plan_complete},
		{STATE_COUNT, WORD_PROMOTING, &plan_promote},
		{STATE_COUNT, WORD_DEMOTING, &plan_demote},
		{STATE_COUNT, WORD_SYNCING, &plan_resync},
		{STATE_COUNT, WORD_SWAP, &plan_swap},
		{STATE_COUNT, WORD_REMOVE, &plan_remove},
	};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].word == word &&
		    (rows[i].from == from || rows[i].from == STATE_COUNT))
			return rows[i].row;
	return &plan_settle;
}

/*
 * From `failed`, a completion is a step back to what the storage says, unless
 * it undoes what the failed transition began.
 */
static const struct word_plan *row_for_request(struct planning *p,
					       enum word word)
{
	const struct word_plan *row = row_for(p->from, word);

	if (p->state == STATE_FAILED && row == &plan_complete) {
		p->from = STATE_FAILED;
		return &plan_settle;
	}
	return row;
}

/* Those that ask for nothing of the storage's roles concern one volume. */
static bool moves_group(const struct word_plan *row)
{
	return row != &plan_adopt && row != &plan_complete &&
	       row != &plan_settle && row != &plan_remove;
}

/* A transition that nobody here has begun: put into the store by hand. */
static bool is_half_way(const struct plan_input *in)
{
	enum state state = in->spec->state;

	return in->status->request.id == 0 && state != STATE_NONE &&
	       !edge_find(STATE_NONE, (enum word)state);
}

void plan_request(const struct plan_input *in, enum word word, bool force,
		  struct plan *out)
{
	const struct word_plan *row;
	struct planning p;

	begin(&p, in, out);
	out->word = word;
	out->force = force;
	p.force = force;
	if (in->status->request.id == 0)
		p.from = STATE_NONE;
	else if (p.state == (enum state)word) {
		p.from = in->status->request.from;
		p.again = true;
	}
	if (word != WORD_REMOVE && is_half_way(in))
		plan_object(&p, VERDICT_FORBIDDEN, "adopted",
			    "it was put into the store by hand in state %s, "
			    "and only source and replica can be adopted",
			    state_text(in->spec->state));
	row = row_for_request(&p, word);
	out->from = p.from;
	row->checks(&p);
	if (moves_group(row))
		check_group(&p);
	out->failover = p.failover;
	/* The steps are shown as they would be once force is given. */
	out->overrides = p.overrides;
	row->steps(&p);
}

/* An open circuit holds the next call up. */
static void wait_for_circuit(const struct plan_input *in, struct planning *p)
{
	bool at_peer = act_is_at_peer(p->out->steps[0]);
	int64_t until = at_peer ? in->peer_open_until : in->here_open_until;
	char when[TIME_TEXT_MAX];

	if (until <= in->now || act_is_wait(p->out->steps[0]))
		return;
	plan_wait(p, REASON_CIRCUIT_OPEN,
		  "%s failed too often: it is tried again at %s",
		  at_peer ? in->peer : in->here, time_text(until, when));
	p->out->look_at = until;
}

/*
 * One action at a time, also one whose answer we never got; but for one that is
 * not waited for any more, and one that nobody has begun and that is taken back.
 */
static const struct side *find_busy(const struct planning *p,
				    const struct word_plan *row)
{
	bool back = row == &plan_roll_back;

	/* What it would wait for is what it is to keep from happening. */
	if (back && p->here->promotes)
		return NULL;
	if (p->here->busy && !(row == &plan_take_back && p->here->demotes))
		return p->here;
	if (p->peer->busy && !(back && p->peer->demotes) &&
	    !(p->overrides & OVERRIDE_STEP_DOWN))
		return p->peer;
	return NULL;
}

void plan_progress(const struct plan_input *in, struct plan *out)
{
	const struct request *req = &in->status->request;
	const struct word_plan *row = row_for(req->from, req->word);
	const struct side *busy;
	struct planning p;

	begin(&p, in, out);
	out->word = req->word;
	out->force = req->force;
	out->failover = req->failover;
	p.force = req->force;
	p.overrides = req->overrides;
	p.failover = req->failover;
	p.from = req->from;
	if (!in->has_backend) {
		plan_wait(&p, REASON_NO_BACKEND,
			  "no backend serves this replication: see `backend`");
		return;
	}
	busy = find_busy(&p, row);
	if (busy)
		plan_wait(&p, REASON_BUSY, "an action runs at %s%s%s",
			  busy == p.here ? in->here : in->peer,
			  *busy->native ? ": " : "", busy->native);
	else
		row->steps(&p);
	if (out->step_count && !out->waits_for && moves_group(row) &&
	    !act_is_wait(out->steps[0]) && !act_is_look(out->steps[0]))
		wait_for_group(&p);
	if (out->step_count && !out->waits_for)
		wait_for_circuit(in, &p);
	if (out->waits_for)
		out->step_count = 0;
}

const char *plan_why(const struct plan *plan)
{
	unsigned i;

	for (i = 0; i < plan->check_count; i++)
		if (plan->checks[i].verdict == plan->verdict &&
		    plan->verdict != VERDICT_ALLOWED)
			return plan->checks[i].text;
	return "";
}

static void render_check(const struct check *c, struct buf *out)
{
	static const char *const marks[] = {
		[VERDICT_ALLOWED] = "ok",
		[VERDICT_NEEDS_FORCE] = "needs force",
		[VERDICT_NOT_NOW] = "not now",
		[VERDICT_FORBIDDEN] = "no",
	};

	buf_printf(out, "  %s: %s: ", c->name, marks[c->verdict]);
	buf_escape(out, c->text);
	buf_putc(out, '\n');
}

static void render_calls(const char *calls, struct buf *out)
{
	auto_buf line;
	size_t len;

	buf_init(&line, 4096);
	for (; *calls; calls += len + (calls[len] == '\n')) {
		len = strcspn(calls, "\n");
		buf_reset(&line);
		buf_add(&line, calls, len);
		buf_puts(out, "     ");
		buf_escape(out, buf_str(&line));
		buf_putc(out, '\n');
	}
}

static void render_steps(const struct plan *plan, struct backend *backend,
			 const struct target *target, struct buf *out)
{
	unsigned i;

	buf_puts(out, plan->step_count ? "calls, in this order:\n"
				       : "calls: none\n");
	for (i = 0; i < plan->step_count; i++) {
		auto_buf calls;

		buf_init(&calls, 4096);
		buf_printf(out, "  %u. %s\n", i + 1, act_text(plan->steps[i]));
		if (backend && !act_is_wait(plan->steps[i]))
			backend->ops->describe(backend, target, plan->steps[i],
					       &calls);
		render_calls(buf_str(&calls), out);
	}
}

void plan_render(const struct plan *plan, struct backend *backend,
		 const struct target *target, struct buf *out)
{
	unsigned i;

	if (plan->verdict == VERDICT_ALLOWED) {
		buf_puts(out, "allowed");
	} else {
		buf_puts(out, plan->verdict == VERDICT_NEEDS_FORCE
				      ? "needs force: "
				      : "not now: ");
		buf_escape(out, plan_why(plan));
	}
	buf_putc(out, '\n');
	if (plan->failover != FAILOVER_NONE)
		buf_printf(out, "failover: %s\n",
			   failover_text(plan->failover));
	buf_puts(out, "checks:\n");
	for (i = 0; i < plan->check_count; i++)
		render_check(&plan->checks[i], out);
	render_steps(plan, backend, target, out);
	buf_puts(out, "cost: ");
	buf_escape(out, *plan->cost ? plan->cost : "none");
	buf_putc(out, '\n');
}
