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

/* Times further in the future than this are of a clock that was set back. */
#define CLOCK_SLACK_MS 5000

/* Writes down how the request ended.  Returns 0 when a version is on its way. */
static int finish(struct world *w, struct replication *r, enum outcome outcome,
		  const char *why)
{
	struct status draft = *r->status;
	struct request *req = &draft.request;
	struct spec changed = spec_draft(r->spec);
	auto_free struct transition *history = request_copy_history(&draft);
	auto_spec spec = spec_ref(r->spec);
	char text[PLAN_TEXT_MAX + 64];

	if (!history)
		return -ENOMEM;
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
	snprintf(text, sizeof text, "%s%s%s", word_text(req->word),
		 why ? ": " : "", why ? why : "");
	return commit_outcome(w, r, spec, &draft, outcome_text(outcome), text);
}

/*
 * Ends the request.  One that is to be removed leaves the store, also when its
 * relationship could not be deleted: keeping storage is the safe side.
 */
static int conclude(struct world *w, struct replication *r,
		    enum outcome outcome, const char *why)
{
	struct error err;
	char text[PLAN_TEXT_MAX + 64];

	if (r->status->request.word != WORD_REMOVE)
		return finish(w, r, outcome, why);
	snprintf(text, sizeof text, "%s%s",
		 why ? "the relationship is kept: " : "with its relationship",
		 why ? why : "");
	return commit_remove(w, r, NULL, text, &err);
}

/* By then a backend has told what it sees, or it is not going to. */
int64_t first_word_by(const struct world *w)
{
	return w->loaded_at + w->config->act_timeout_ms;
}

/* Just loaded: what was true when we stopped stands until somebody looked. */
static bool is_too_early(const struct world *w, const struct replication *r)
{
	return r->backend && sight_at(r->seen) == 0 && w->now < first_word_by(w);
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

/*
 * The storage took it and nothing came of it: that is a failure too, or one that
 * lies would be asked for ever without a pause.
 */
static void doubt(struct world *w, struct replication *r,
		  struct act_result *result)
{
	struct plan plan;

	plan_now(w, r, &plan);
	if (result->rc || !plan.step_count || plan.steps[0] != result->act)
		return;
	result->rc = -EAGAIN;
	snprintf(result->sentence, sizeof result->sentence,
		 "%s was taken by the storage, and nothing changed",
		 act_text(result->act));
}

#define ASKED_STILL "the storage is asked for the promotion still, and may carry " \
		    "it out: write replica"

/* What it would still be promoted for has ended by its deadline. */
static int end_promotion(struct world *w, struct replication *r,
			 const struct act_result *result)
{
	const char *last = r->status->failure;
	char why[PLAN_TEXT_MAX + 32];

	if (result->rc == 0)
		snprintf(why, sizeof why, "%.700s; the storage is not asked for "
			 "the promotion any more", last ? last : "");
	else
		snprintf(why, sizeof why, "%.480s; " ASKED_STILL " (%.300s)",
			 last ? last : "", result->sentence);
	return conclude(w, r, OUTCOME_FAILED, why);
}

/* Takes what came of an act, if there is something, into the record. */
static int take_result(struct world *w, struct replication *r)
{
	struct status draft = *r->status;
	struct act_result result;
	bool ours, answered;

	if (!r->work->result)
		return 0;
	result = *r->work->result;
	ours = result.request == draft.request.id &&
	       draft.request.outcome == OUTCOME_PENDING;
	answered = result.rc == 0 || backend_error_is_final(result.rc);
	if (ours && result.act == ACT_DEMOTE &&
	    draft.request.word == WORD_PROMOTING)
		return end_promotion(w, r, &result);
	if (ours && result.rc < 0 && answered)
		return conclude(w, r, OUTCOME_FAILED, result.sentence);
	/* An act without an answer may run still: it keeps its name, so that
	   asking again is the same act. */
	if (answered)
		draft.intent.act = ACT_NONE;
	if (ours)
		doubt(w, r, &result);
	if (ours && result.rc < 0) {
		draft.attempts++;
		draft.failure = result.sentence;
		draft.failure_at = w->now;
		r->work->retry_at = w->now + backoff(w, draft.attempts,
						     r->id + draft.attempts);
	} else if (ours) {
		draft.attempts = 0;
		draft.failure = NULL;
		draft.failure_at = 0;
	}
	return commit_outcome(w, r, r->spec, &draft, NULL, "");
}

/*
 * When the request is given up, 0: never.  A swap waits for an absent peer as
 * long as it takes, since nothing is at stake; its time runs from the peer's
 * return.
 */
static int64_t deadline_of(const struct replication *r)
{
	const struct request *req = &r->status->request;
	const struct shared_part *part = r->work->shared;
	int64_t again, end = req->deadline;
	struct observation seen;

	/* By the clock of whoever accepted it; its length counts. */
	if (part && end)
		end = part->request_at + (end - req->accepted);
	if (req->word != WORD_SWAP || !end)
		return end;
	sight_read(r->seen, &seen);
	if (seen.peer.reach != REACH_OK)
		return 0;
	again = r->work->peer_since + (req->deadline - req->accepted);
	return again > end ? again : end;
}

/* Asks the storage, as one call among the few that a cluster is given. */
static void look(struct world *w, struct replication *r)
{
	struct cluster *here, *peer;
	struct target t;

	r->work->look_at = w->now + w->config->retry_first_ms;
	replication_target(r, &t);
	here = world_find_cluster(w, t.here);
	peer = world_find_cluster(w, t.peer);
	if (here && peer && circuit_allows(here, w->now) &&
	    circuit_allows(peer, w->now))
		act_begin(w, r, ACT_NONE);
}

/*
 * What was seen last forbids something, and may be old: not every change at a
 * storage is told at once.
 */
void look_again(struct world *w, struct replication *r)
{
	struct work *work = r->work;
	struct observation seen;

	if (!r->backend || work->acting || work->committing ||
	    w->now < work->look_at)
		return;
	/* A side that gives no answer would hold up what is written next. */
	sight_read(r->seen, &seen);
	if (seen.here.reach == REACH_OK && seen.peer.reach == REACH_OK)
		look(w, r);
}

static int begin(struct world *w, struct replication *r, enum act act,
		 const char *why)
{
	bool is_ours = r->work->confirmed || !w->shared;
	struct cluster *c;
	struct target t;

	replication_target(r, &t);
	c = world_find_cluster(w, act_is_at_peer(act) ? t.peer : t.here);
	if (!c)
		return -ENOMEM;
	if (circuit_allows(c, w->now))
		return is_ours && act_is_intended(r, act)
			       ? act_begin(w, r, act)
			       : act_intend(w, r, act, why);
	r->work->retry_at = w->now + w->config->retry_first_ms;
	return 0;
}

static int give_up(struct world *w, struct replication *r,
		    const struct plan *plan)
{
	char why[PLAN_TEXT_MAX + 160];
	struct observation seen;

	snprintf(why, sizeof why, "the deadline passed; last: %s",
		 plan->waits_for    ? plan->waits_text
		 : r->status->failure ? r->status->failure
		 : plan->step_count ? act_text(plan->steps[0])
				    : "not verified");
	sight_read(r->seen, &seen);
	/* What has to be taken back is seen first; no answer soon is silence. */
	if (seen.here.reach == REACH_UNKNOWN && r->backend &&
	    w->now < deadline_of(r) + w->config->act_timeout_ms) {
		look_again(w, r);
		return 0;
	}
	/* Nothing more is to happen by itself, unless others want the same. */
	if (seen.here.promotes && r->status->request.word == WORD_PROMOTING) {
		if (!*seen.group)
			return begin(w, r, ACT_DEMOTE, why);
		snprintf(why + strlen(why), sizeof why - strlen(why),
			 "; " ASKED_STILL);
	}
	return conclude(w, r, OUTCOME_FAILED, why);
}

/* Does the next thing about a request that is not decided. */
static int step(struct world *w, struct replication *r,
		 const struct plan *plan)
{
	struct work *work = r->work;
	enum act act = plan->step_count ? plan->steps[0] : ACT_NONE;
	/* What was seen before the last act may have run proves nothing. */
	bool fresh = sight_at(r->seen) >= work->trust_after;
	int64_t deadline = deadline_of(r);

	if (!fresh && r->backend) {
		if (w->now >= work->look_at)
			look(w, r);
		return 0;
	}
	if (plan->done)
		return conclude(w, r, OUTCOME_VERIFIED, NULL);
	if (deadline && w->now >= deadline)
		return give_up(w, r, plan);
	if (plan->look_at > work->retry_at)
		work->retry_at = plan->look_at;
	if (act != ACT_NONE && !act_is_wait(act) && w->now >= work->retry_at)
		return begin(w, r, act, NULL);
	if (plan->waits_for)
		look_again(w, r);
	return 0;
}

/* When this replication wants to be looked at again, by itself. */
static int64_t next_look(const struct world *w, const struct replication *r)
{
	int64_t due = INT64_MAX, rpo = 0, old = 0;
	const struct side *here;
	struct observation seen;

	sight_read(r->seen, &seen);
	here = &seen.here;

	if (r->status->request.outcome == OUTCOME_PENDING) {
		if (deadline_of(r))
			due = deadline_of(r);
		if (r->work->retry_at > w->now && r->work->retry_at < due)
			due = r->work->retry_at;
		if (r->work->look_at > w->now && r->work->look_at < due)
			due = r->work->look_at;
	}
	if (r->spec->rpo && here->data_time && here->reach == REACH_OK)
		rpo = duration_parse(r->spec->rpo);
	if (rpo > 0 && !__builtin_add_overflow(here->data_time, rpo + 1, &old) &&
	    old > w->now && old < due)
		due = old;
	if (is_too_early(w, r) && first_word_by(w) < due)
		due = first_word_by(w);
	/* A due time in the past would come round for ever. */
	return due > w->now ? due : w->now + w->config->retry_first_ms;
}

/* Other daemons' clocks may be others. */
static void time_request(struct world *w, struct replication *r)
{
	struct shared_part *part = r->work->shared;

	if (!part || !r->status || part->request == r->status->request.id)
		return;
	part->request = r->status->request.id;
	part->request_at = w->now;
}

/* What can be done now.  -ENOMEM: it is still to be done. */
static int advance(struct world *w, struct replication *r)
{
	struct work *work = r->work;
	struct observation seen;
	struct status draft;
	struct plan plan;
	int rc = 0;

	if (!work->committing)
		rc = take_result(w, r);
	if (rc == 0 && !work->committing && !work->acting &&
	    r->status->request.outcome == OUTCOME_PENDING) {
		plan_now(w, r, &plan);
		rc = step(w, r, &plan);
	}
	if (rc < 0 || work->committing || is_too_early(w, r))
		return rc;
	draft = *r->status;
	sight_read(r->seen, &seen);
	/* The last known age of the copy outlives a lost source. */
	if (seen.here.data_time > draft.data_time)
		draft.data_time = seen.here.data_time;
	return commit_derived(w, r, &draft);
}

void reconcile(struct world *w, struct replication *r)
{
	struct work *work = r->work;

	if (work->gone || (!r->spec && !work->shared))
		return;
	time_request(w, r);
	if (!w->leads || w->away) {
		timer_arm(&w->timers, &work->timer, INT64_MAX);
		if (w->away)
			shared_show(w, r);
		return;
	}
	if (w->now < work->store_retry_at) {
		timer_arm(&w->timers, &work->timer, work->store_retry_at);
		return;
	}
	if (!work->committing && work->shared && ask(w, r) && work->gone)
		return;
	if (!r->spec) {
		timer_arm(&w->timers, &work->timer, ask_due(w, r));
		return;
	}
	if (advance(w, r) < 0) {
		work->store_retry_at = w->now + w->config->retry_first_ms;
		timer_arm(&w->timers, &work->timer, work->store_retry_at);
		return;
	}
	/* What is in flight brings us back here when it ends. */
	timer_arm(&w->timers, &work->timer,
		  work->committing	     ? INT64_MAX
		  : work->acting	     ? ask_due(w, r)
		  : ask_due(w, r) < next_look(w, r) ? ask_due(w, r)
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

void world_take_sight(struct world *w, struct replication *r,
		      struct sight *sight)
{
	int64_t last = sight_at(r->seen);
	struct replication before = *r;
	struct observation old, seen;
	struct target t;

	/* An older look that took longer, unless the clock was set back. */
	if (sight_at(sight) < last && last <= w->now + CLOCK_SLACK_MS)
		return;
	sight_read(r->seen, &old);
	sight_read(sight, &seen);
	/* It was told before the backend knew whom it serves, and is told anew. */
	if (seen.holds_pvc != r->status->holds_pvc)
		return;
	if (r->work->trust_after > w->now + CLOCK_SLACK_MS)
		r->work->trust_after = w->now;
	if (old.peer.reach != REACH_OK && seen.peer.reach == REACH_OK)
		r->work->peer_since = w->now;
	r->seen = sight_ref(sight);
	/* Whom it moves along must be known: it is as if nobody had looked. */
	if (group_update(w, r) < 0) {
		r->seen = before.seen;
		sight_unref(sight);
		sight_lost(w, r->backend);
		return;
	}
	replication_target(r, &t);
	note_reach(w, t.here, &seen.here);
	note_reach(w, t.peer, &seen.peer);
	if (!observation_equal(&old, &seen))
		world_change(w, r, &before, FACET_SEEN);
	sight_unref(before.seen);
	reconcile(w, r);
}

void world_observe(struct world *w, struct replication *r,
		   const struct observation *seen)
{
	struct sight *sight = sight_new(seen);

	if (sight)
		world_take_sight(w, r, sight);
	else
		sight_lost(w, r->backend);
	sight_unref(sight);
}
