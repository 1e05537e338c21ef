/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting a transition: the edge, the plan's verdict, and the record of it. */
#include "world_private.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool undecided(const struct request *req)
{
	return req->outcome == OUTCOME_PENDING;
}

/* The endpoints are exchanged, and the peer is seen not to follow. */
static bool is_undone(const struct replication *r)
{
	const struct side *peer;
	struct observation seen;

	sight_read(r->seen, &seen);
	peer = &seen.peer;
	return peer->reach == REACH_OK &&
	       (side_verified_role(peer) != ROLE_REPLICA || !peer->following ||
		!peer->complete || peer->diverged);
}

/*
 * The word that is asked for already: nothing to do, unless force is added to
 * what is not verified.
 */
static bool is_repetition(const struct replication *r, enum word word,
			  bool force)
{
	const struct request *req = &r->status->request;

	if (word == WORD_SWAP && replication_here(r) != &r->spec->source)
		return false;
	if (word == WORD_SWAP && replication_state(r) != STATE_SOURCE)
		return true;
	if (word == WORD_SWAP && !(req->word == WORD_SWAP && undecided(req)))
		return !is_undone(r);
	if (word != WORD_SWAP && (enum word)replication_state(r) != word)
		return false;
	/* What failed is tried again by its own word. */
	if (req->word == word && req->outcome == OUTCOME_FAILED)
		return false;
	return !force || req->word != word ||
	       req->outcome == OUTCOME_VERIFIED;
}

static int check_edge(const struct replication *r, enum word word,
		      struct error *err)
{
	enum state state = replication_state(r);
	char allowed[128];

	if ((enum word)state == word)
		return 0;		/* the same again, by force */
	if (word == WORD_SWAP && state == STATE_SOURCE)
		return undecided(&r->status->request) &&
				       r->status->request.word != WORD_SWAP
			       ? fail(err, EBUSY, "%s is not verified yet",
				      word_text(r->status->request.word))
			       : 0;
	if (word == WORD_SWAP)
		return fail(err, EPERM,
			    "endpoints can be exchanged only from source, not "
			    "from %s",
			    state_text(state));
	if (edge_for_user(state, word, r->spec->state))
		return 0;
	edge_list_allowed(state, r->spec->state, allowed, sizeof allowed);
	return fail(err, EPERM,
		    "%s is not allowed from %s; allowed: %s (this is not about "
		    "rights)",
		    word_text(word), state_text(state), allowed);
}

static int check_verdict(const struct plan *plan, struct error *err)
{
	const char *why = plan_why(plan);

	switch (plan->verdict) {
	case VERDICT_ALLOWED:
		return 0;
	case VERDICT_NEEDS_FORCE:
		return fail(err, EBUSY, "%s needs force: %s; '%s force' goes on "
					"all the same",
			    word_text(plan->word), why, word_text(plan->word));
	case VERDICT_NOT_NOW:
		return fail(err, EBUSY, "%s, not now: %s", word_text(plan->word),
			    why);
	case VERDICT_FORBIDDEN:
		break;
	}
	return fail(err, EPERM, "%s: %s", word_text(plan->word), why);
}

void request_note_history(struct status *s, const struct request *req,
			  enum outcome outcome, const char *note)
{
	size_t i;

	for (i = 0; i < s->history_count; i++)
		if (s->history[i].request == req->id) {
			s->history[i].outcome = outcome;
			s->history[i].finished = req->finished;
			if (note)
				s->history[i].note = note;
		}
}

struct transition *request_copy_history(const struct status *s)
{
	struct transition *t = calloc(s->history_count + 1, sizeof *t);

	if (t && s->history_count)
		memcpy(t, s->history, s->history_count * sizeof *t);
	return t;
}

static int64_t deadline(const struct world *w, const struct spec *spec)
{
	int64_t rto = spec->rto ? duration_parse(spec->rto) : 0, end;

	if (rto < w->config->min_deadline_ms)
		rto = w->config->min_deadline_ms;
	return __builtin_add_overflow(w->now, rto, &end) ? INT64_MAX : end;
}

/* Only what was asked of the peer and not resolved since is given back. */
static bool still_asked(const struct request *old)
{
	return old->asked_peer && (old->outcome != OUTCOME_VERIFIED ||
				   old->word == WORD_PROMOTING);
}

static void probe(struct world *w, const char *name)
{
	struct cluster *c = world_find_cluster(w, name);

	if (c)
		circuit_probe(c, w->now);
}

int request_accept(struct world *w, struct replication *r, struct edit *e,
		   const struct spec *spec, const struct plan *plan,
		   struct error *err)
{
	struct status draft = *r->status;
	struct request old = draft.request;
	enum state was = replication_state(r);
	const struct edge *edge = edge_find(was, plan->word);
	struct request *req = &draft.request;
	auto_free struct transition *history = request_copy_history(&draft);
	char audit[PLAN_TEXT_MAX], changes[PLAN_TEXT_MAX - 128];

	if (!history)
		return fail(err, ENOMEM, "out of memory");
	draft.history = history;
	if (undecided(&old)) {
		old.finished = w->now;
		request_note_history(&draft, &old, OUTCOME_REPLACED, NULL);
	}
	*req = (struct request){
		.id = old.id + 1,
		.word = plan->word,
		.from = plan->from,
		.force = plan->force,
		.overrides = plan->force ? plan->overrides : 0,
		.failover = plan->failover,
		.asked_peer = still_asked(&old),
		.outcome = OUTCOME_PENDING,
		.accepted = w->now,
		.deadline = deadline(w, spec),
		.who = e->who,
	};
	/* What was verified, or accepted by force, is complete with the word. */
	if (old.id && edge && edge->flags & EDGE_VERIFIED) {
		req->outcome = OUTCOME_VERIFIED;
		req->finished = w->now;
		req->deadline = 0;
	}
	history[draft.history_count++] = (struct transition){
		.request = req->id,
		.from = was,
		.word = req->word,
		.force = req->force,
		.failover = req->failover,
		.outcome = req->outcome,
		.at = w->now,
		.finished = req->finished,
		.who = e->who,
	};
	draft.failed = false;
	draft.failure = NULL;
	draft.refused = draft.refused_reason = NULL;
	draft.attempts = 0;
	r->work->retry_at = 0;
	probe(w, replication_here(r)->cluster);
	probe(w, replication_peer(r)->cluster);
	spec_changes(r->spec, spec, changes, sizeof changes);
	snprintf(audit, sizeof audit, "%s -> %s%s%s%s%s%s%s", state_text(was),
		 word_text(plan->word), plan->force ? " force" : "",
		 plan->failover ? ", " : "",
		 plan->failover ? failover_text(plan->failover) : "",
		 *plan->cost ? ", at a cost" : "", *changes ? "; " : "",
		 changes);
	return commit_start(w, r, spec, &draft, e, audit, err);
}

int request_word(struct world *w, struct replication *r, struct edit *e,
		 const struct spec *with, enum word word, bool force,
		 struct error *err)
{
	const struct request *req = &r->status->request;
	struct spec changed = spec_draft(with);
	auto_spec spec = NULL;
	struct plan plan;
	int rc;

	if (word == WORD_FAILED)
		return fail(err, EPERM, "failed is what the daemon says: it "
					"can't be written");
	if (is_repetition(r, word, force))
		return NOTHING_TO_DO;
	rc = check_edge(r, word, err);
	if (rc < 0)
		return rc;
	world_plan(w, r, word, force, &plan);
	/* A force that was given for all of this already adds nothing. */
	if (req->word == word && undecided(req) && req->force &&
	    !(plan.overrides & ~req->overrides))
		return NOTHING_TO_DO;
	rc = check_verdict(&plan, err);
	if (rc == -EBUSY)
		look_again(w, r);
	if (rc < 0)
		return rc;
	if (word != WORD_SWAP && changed.state != (enum state)word) {
		changed.state = (enum state)word;
		changed.written = NULL;	/* they say the old state */
	}
	spec = spec_new(&changed);
	if (!spec)
		return fail(err, ENOMEM, "out of memory");
	return request_accept(w, r, e, spec, &plan, err);
}

int replication_wait_result(const struct replication *r, uint64_t id)
{
	const struct request *req;

	if (!r->status || r->status->request.id == 0)
		return 0;
	req = &r->status->request;
	if (req->id != id)
		return -ECANCELED;
	if (req->outcome == OUTCOME_VERIFIED)
		return 0;
	return req->outcome == OUTCOME_FAILED ? -EIO : -EINPROGRESS;
}

/* What is not verified can be asked for again, and with force. */
static bool may_be_repeated(const struct replication *r, enum word word)
{
	const struct request *req = &r->status->request;

	return (enum word)replication_state(r) == word && req->word == word &&
	       (req->outcome == OUTCOME_PENDING ||
		req->outcome == OUTCOME_FAILED);
}

bool world_may_write(struct world *w, struct replication *r, enum word word)
{
	enum state state = replication_state(r);

	if (!r->spec)
		return false;
	if (word == WORD_REMOVE)
		return true;
	if (word == WORD_SWAP)
		return state == STATE_SOURCE;
	return edge_for_user(state, word, r->spec->state) ||
	       may_be_repeated(r, word);
}
