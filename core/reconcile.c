/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round: observe, plan, act, observe, verify.  A round looks at what is
 * known, does at most one thing about it, and is run again when that is done or
 * anything changes.  A replication whose request is decided is never acted on:
 * a steady state writes nothing to storage.
 */
#include "world_private.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes down how the request ended.  Returns 0 when a version is on its way. */
static int finish(struct world *w, struct replication *r, enum outcome outcome,
		  const char *why)
{
	struct status draft = *r->status;
	struct request *req = &draft.request;
	struct spec changed = spec_draft(r->spec);
	auto_free struct transition *history =
		calloc(draft.history_count + 1, sizeof *history);
	auto_spec spec = spec_ref(r->spec);
	struct error err;

	if (!history)
		return -ENOMEM;
	if (draft.history_count)
		memcpy(history, draft.history,
		       draft.history_count * sizeof *history);
	draft.history = history;
	req->outcome = outcome;
	req->finished = w->now;
	request_note_history(&draft, req, outcome, why);
	draft.intent.act = ACT_NONE;
	draft.attempts = 0;
	draft.failure = why;
	draft.failure_at = why ? w->now : 0;
	if (outcome == OUTCOME_FAILED)
		draft.failed = edge_find(r->spec->state, WORD_FAILED) != NULL;
	if (outcome == OUTCOME_VERIFIED && req->word == WORD_SYNCING) {
		changed.state = STATE_REPLICA;
		changed.written = NULL;
		spec_unref(spec);
		spec = spec_new(&changed);
		if (!spec)
			return -ENOMEM;
	}
	r->work->result.present = false;
	if (commit_start(w, r, spec, &draft, NULL, "", &err) < 0)
		return -err.code;
	world_note(w, r, &(struct who){0}, outcome_text(outcome), "%s%s%s",
		   word_text(req->word), why ? ": " : "", why ? why : "");
	return 0;
}

/*
 * Ends the request.  One that is to be removed leaves the store, also when its
 * relationship could not be deleted: keeping storage is the safe side.
 */
static int conclude(struct world *w, struct replication *r,
		    enum outcome outcome, const char *why)
{
	struct error err;

	if (r->status->request.word != WORD_REMOVE)
		return finish(w, r, outcome, why);
	world_audit_line(w, r->ns->name, r->name, &(struct who){0}, "removed",
			 "%s%s", why ? "the relationship is kept: " : "",
			 why ? why : "with its relationship");
	return commit_remove(w, r, NULL, &err);
}

static int64_t backoff(const struct world *w, unsigned attempts,
		       uint64_t salt)
{
	int64_t ms = w->config->retry_first_ms;

	while (--attempts && ms < w->config->retry_max_ms)
		ms *= 2;
	if (ms > w->config->retry_max_ms)
		ms = w->config->retry_max_ms;
	/* Up to a tenth more, so that many don't come back together. */
	return ms + (int64_t)((salt * 2654435761U) % (uint64_t)(ms / 10 + 1));
}

static void plan_now(struct world *w, struct replication *r, struct plan *plan)
{
	struct plan_input in;

	plan_input_for(w, r, r->spec, r->status, &in);
	plan_progress(&in, plan);
}

/* Takes what came of an act into the record.  True: a version is on its way. */
static bool take_result(struct world *w, struct replication *r)
{
	struct act_result result = r->work->result;
	struct status draft = *r->status;
	bool ours = result.request == draft.request.id &&
		    draft.request.outcome == OUTCOME_PENDING;
	struct error err;
	struct plan plan;

	if (!result.present)
		return false;
	r->work->result.present = false;
	if (ours && result.rc < 0 && backend_error_is_final(result.rc))
		return conclude(w, r, OUTCOME_FAILED, result.sentence) == 0;
	draft.intent.act = ACT_NONE;
	plan_now(w, r, &plan);
	/* The storage took it and nothing came of it: that is a failure too,
	   or a storage that lies would be asked for ever without a pause. */
	if (result.rc == 0 && plan.step_count && plan.steps[0] == result.act) {
		result.rc = -EAGAIN;
		snprintf(result.sentence, sizeof result.sentence,
			 "%s was taken by the storage, and nothing changed",
			 act_text(result.act));
	}
	if (!ours || result.rc == 0) {
		draft.attempts = 0;
		if (ours) {
			draft.failure = NULL;
			draft.failure_at = 0;
		}
	} else {
		draft.attempts++;
		draft.failure = result.sentence;
		draft.failure_at = w->now;
		r->work->retry_at = w->now + backoff(w, draft.attempts,
						     r->id + draft.attempts);
	}
	return commit_start(w, r, r->spec, &draft, NULL, "", &err) == 0;
}

/* Keeps the intent before the act.  True: a version is on its way. */
static bool record_intent(struct world *w, struct replication *r, enum act act)
{
	struct status draft = *r->status;
	struct error err;

	draft.intent = (struct intent){
		.act = act,
		.request = draft.request.id,
		.serial = ++draft.last_serial,
		.at = w->now,
	};
	if (act == ACT_DEMOTE_PEER && draft.request.word == WORD_PROMOTING)
		draft.request.asked_peer = true;
	return commit_start(w, r, r->spec, &draft, NULL, "", &err) == 0;
}

/* A swap waits for an absent peer as long as it takes: nothing is at stake. */
static bool deadline_counts(const struct replication *r)
{
	const struct request *req = &r->status->request;

	return req->deadline &&
	       !(req->word == WORD_SWAP && r->seen.peer.reach != REACH_OK);
}

static void give_up(struct world *w, struct replication *r,
		    const struct plan *plan)
{
	char why[512];

	snprintf(why, sizeof why, "the deadline passed; last: %s",
		 r->status->failure   ? r->status->failure
		 : plan->waits_for    ? plan->waits_text
		 : plan->step_count   ? act_text(plan->steps[0])
				      : "not verified");
	conclude(w, r, OUTCOME_FAILED, why);
}

/* Does the next thing about a request that is not decided. */
static void step(struct world *w, struct replication *r,
		 const struct plan *plan)
{
	const struct status *s = r->status;
	struct work *work = r->work;
	enum act act = plan->step_count ? plan->steps[0] : ACT_NONE;
	struct cluster *c;
	struct target t;
	/* What was seen before the last act may have run proves nothing. */
	bool fresh = r->seen.at >= work->trust_after;

	if (fresh && plan->done) {
		conclude(w, r, OUTCOME_VERIFIED, NULL);
		return;
	}
	if (deadline_counts(r) && w->now >= s->request.deadline) {
		give_up(w, r, plan);
		return;
	}
	if (w->now < work->retry_at)
		return;
	if (!fresh) {
		work->retry_at = w->now + w->config->retry_first_ms;
		act_begin(w, r, ACT_NONE);
		return;
	}
	if (act == ACT_NONE || act_is_wait(act))
		return;
	replication_target(r, &t);
	c = world_find_cluster(w, act_is_at_peer(act) ? t.peer : t.here);
	if (!c)
		return;
	if (!circuit_allows(c, w->now)) {
		work->retry_at = c->open_until > w->now
					 ? c->open_until
					 : w->now + w->config->retry_first_ms;
		return;
	}
	if (s->intent.act == act && s->intent.request == s->request.id)
		act_begin(w, r, act);
	else
		record_intent(w, r, act);
}

/* When this replication wants to be looked at again, by itself. */
static int64_t next_look(const struct world *w, const struct replication *r)
{
	const struct request *req = &r->status->request;
	const struct side *here = &r->seen.here;
	int64_t due = INT64_MAX, rpo = 0, old = 0;

	if (req->outcome == OUTCOME_PENDING) {
		if (deadline_counts(r))
			due = req->deadline;
		if (r->work->retry_at > w->now && r->work->retry_at < due)
			due = r->work->retry_at;
	}
	if (r->spec->rpo && here->data_time && here->reach == REACH_OK)
		rpo = duration_parse(r->spec->rpo);
	if (rpo > 0 && !__builtin_add_overflow(here->data_time, rpo + 1, &old) &&
	    old > w->now && old < due)
		due = old;
	/* A due time in the past would come round for ever. */
	return due > w->now ? due : w->now + w->config->retry_first_ms;
}

void reconcile(struct world *w, struct replication *r)
{
	struct work *work = r->work;
	struct status draft;
	struct plan plan;

	if (!r->spec || work->gone)
		return;
	if (w->now < work->store_retry_at) {
		timer_arm(&w->timers, &work->timer, work->store_retry_at);
		return;
	}
	if (!work->committing && !take_result(w, r) && !work->acting &&
	    r->status->request.outcome == OUTCOME_PENDING) {
		plan_now(w, r, &plan);
		step(w, r, &plan);
	}
	if (!work->committing) {
		draft = *r->status;
		/* The last known age of the copy outlives a lost source. */
		if (r->seen.here.data_time > draft.data_time)
			draft.data_time = r->seen.here.data_time;
		commit_derived(w, r, &draft);
	}
	/* What is in flight brings us back here when it ends. */
	timer_arm(&w->timers, &work->timer,
		  work->committing || work->acting ? INT64_MAX
						   : next_look(w, r));
}

static void note_reach(struct world *w, const char *name,
		       const struct side *side)
{
	struct cluster *c = world_find_cluster(w, name);

	if (!c || (c->reach == side->reach && strcmp(c->why, side->why) == 0))
		return;
	if (c->reach != side->reach)
		c->since = w->now;
	c->reach = side->reach;
	memcpy(c->why, side->why, sizeof c->why);
}

void world_observe(struct world *w, struct replication *r,
		   const struct observation *seen)
{
	struct replication before = *r;
	struct target t;

	if (seen->at < r->seen.at)
		return;		/* an older look that took longer */
	r->seen = *seen;
	replication_target(r, &t);
	note_reach(w, t.here, &seen->here);
	note_reach(w, t.peer, &seen->peer);
	if (!observation_equal(&before.seen, seen))
		world_change(w, r, &before, FACET_SEEN);
	reconcile(w, r);
}
