/* SPDX-License-Identifier: Apache-2.0 */
/* The plans of a failover: promote, complete. */
/*
 * The order of safety: never two writable copies knowingly; a volume in use is
 * not pulled away; done means verified; nothing destroyed that is not said.
 *
 * A `checks` function looks at the world as it is when somebody asks; a `steps`
 * function is run again after every act, so it starts from what is seen, never
 * from what was done.
 */
#include "plan_private.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

/* What an unplanned failover loses, stated by time: it does not tick. */
static void state_cost(struct planning *p)
{
	char when[TIME_TEXT_MAX];
	int64_t t = p->here->data_time ? p->here->data_time
				       : p->in->status->data_time;

	if (t)
		snprintf(p->out->cost, sizeof p->out->cost,
			 "writes made at %s after %s are not here and are lost"
			 "%s",
			 p->in->peer, time_text(t, when),
			 p->asked_peer ? "; it was asked to step down before "
					 "and may still do so, which makes it "
					 "read-only and loses nothing more"
				       : "");
	else
		snprintf(p->out->cost, sizeof p->out->cost,
			 "writes made at %s since the last copy are lost; when "
			 "that was is unknown",
			 p->in->peer);
}

/* ---- promoting: fail over ---- */

/* A copy that nobody has verified is, before the source steps down for it. */
static bool is_looked_at_first(const struct planning *p)
{
	return p->here_role == ROLE_REPLICA && lacks_look(p->here) &&
	       p->peer_role == ROLE_SOURCE;
}

static void check_copy(struct planning *p)
{
	if (p->here_role == ROLE_SOURCE) {
		plan_pass(p, "copy", "%s is writable already", p->in->here);
	} else if (p->here_role == ROLE_ABSENT) {
		plan_object(p, VERDICT_NOT_NOW, "copy",
			    "there is no volume at %s", p->in->here);
	} else if (!p->here->complete) {
		plan_object(p, VERDICT_NOT_NOW, "copy",
			    "the copy at %s is not complete yet: see progress",
			    p->in->here);
	} else if (p->here->diverged) {
		plan_need(p, OVERRIDE_DATA, "copy",
			  "the copy at %s has writes of its own", p->in->here);
	} else if (is_looked_at_first(p) && !is_stuck(p)) {
		plan_pass(p, "copy",
			  "%s says that its copy is complete, which is verified "
			  "first",
			  p->in->here);
	} else if (p->here_role == ROLE_REPLICA &&
		   p->here->fact == ROLE_UNKNOWN) {
		plan_need(p, OVERRIDE_COPY, "copy",
			  "%s says that its copy is complete, and there is no "
			  "second fact: look yourself",
			  p->in->here);
	} else {
		plan_pass(p, "copy", "complete and consistent");
	}
}

/* A failover has been waiting for the final copy, and is asked for again. */
static bool final_copy_is_late(const struct planning *p)
{
	return p->again && !p->here->caught_up &&
	       p->here_role == ROLE_REPLICA;
}

/* An action that runs for longer is not waited for, if somebody says so. */
#define PATIENCE_MS 60000

/* It has failed, says what is not so, or does not come to an end. */
static bool shows_that_it_stays(const struct planning *p)
{
	int64_t pending = p->in->now - p->in->status->request.accepted;

	return (is_stuck(p) && !is_looked_at_first(p)) ||
	       (p->peer->claim == ROLE_REPLICA &&
		p->peer->fact == ROLE_SOURCE) ||
	       (p->peer->busy && pending >= PATIENCE_MS);
}

/*
 * It answers, and what it was asked for this failover does not come about: its
 * storage is lost, say, and its API server is not.  While it is in use, force is
 * for that first.
 */
static bool asked_in_vain(const struct planning *p)
{
	const struct request *req = &p->in->status->request;

	return p->again && p->asked_peer && req->word == WORD_PROMOTING &&
	       req->outcome == OUTCOME_PENDING && shows_that_it_stays(p) &&
	       (p->peer->in_use == TRI_NO || req->overrides & OVERRIDE_IN_USE);
}

static void check_answering_peer(struct planning *p)
{
	const char *peer = p->in->peer;

	if (lacks_second_fact(p, p->peer))
		plan_need(p, OVERRIDE_PEER, "peer",
			  "a second look at %s is not to be had: whether it "
			  "steps down could not be verified",
			  peer);
	if (p->peer_role == ROLE_REPLICA && final_copy_is_late(p)) {
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s has stepped down, and its final copy has not "
			  "arrived: it would be done without",
			  peer);
		return;
	}
	if (p->peer_role == ROLE_REPLICA) {
		plan_pass(p, "peer", "%s has stepped down already", peer);
		p->failover = FAILOVER_PLANNED;
		return;
	}
	if (asked_in_vain(p)) {
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s was asked to step down, and has not: it would be "
			  "done without, and there may be two writable sides",
			  peer);
		p->overrides |= OVERRIDE_STEP_DOWN;
	} else if (p->peer_role != ROLE_SOURCE) {
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s answers, but its role can't be told (it says %s, "
			  "its volume is %s)",
			  peer, role_text(p->peer->claim),
			  role_text(p->peer->fact));
	} else if (p->here_role == ROLE_SOURCE) {
		plan_need(p, OVERRIDE_PEER, "peer",
			  "both %s and %s are writable: this would keep %s",
			  peer, p->in->here, p->in->here);
	} else if (!(p->in->capabilities & CAP_STEP_DOWN_PEER)) {
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s is the source and can't be made to step down "
			  "from here",
			  peer);
	} else if (!p->here->following) {
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s is the source, and the copy at %s does not "
			  "follow it: no final sync is possible",
			  peer, p->in->here);
	} else {
		plan_pass(p, "peer",
			  "%s answers and is the source: it steps down first",
			  peer);
		p->failover = FAILOVER_PLANNED;
	}
	check_not_in_use(p, p->peer, peer);
}

static void check_silent_peer(struct planning *p)
{
	const char *why = *p->peer->why ? p->peer->why : "no reason given";

	if (p->peer->reach == REACH_UNKNOWN)
		plan_object(p, VERDICT_NOT_NOW, "peer",
			    "%s has not answered yet%s%s: try again in a moment",
			    p->in->peer, *p->peer->why ? ": " : "",
			    p->peer->why);
	else if (p->peer->reach != REACH_SILENT)
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s %s (%s): it may be the source still",
			  p->in->peer, side_silence(p->peer), why);
	else if (p->in->seen->peer_alive)
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s gives no answer (%s), but the storage shows that "
			  "it is alive",
			  p->in->peer, why);
	else if (p->in->policy->unreachable_needs_force)
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s gives no answer, and the policy demands force "
			  "for an unplanned failover",
			  p->in->peer);
	else
		plan_pass(p, "peer", "%s gives no answer (%s): unplanned",
			  p->in->peer, why);
}

static void promote_checks(struct planning *p)
{
	p->failover = FAILOVER_UNPLANNED;
	if (!check_here(p))
		return;
	check_copy(p);
	if (p->peer->reach == REACH_OK)
		check_answering_peer(p);
	else
		check_silent_peer(p);
}

/* Whether it is needed shows when here has become the source. */
static void announce_verify(struct planning *p)
{
	if (p->in->capabilities & CAP_VERIFY)
		plan_step(p, ACT_VERIFY);
}

/* False: it can't be gone on without a look at the copy here, which is not to be
   had now. */
static bool look_first(struct planning *p)
{
	if (p->overrides & OVERRIDE_COPY || !lacks_second_fact(p, p->here))
		return true;
	if (!lacks_look(p->here)) {
		plan_doubt(p, p->here, REASON_UNVERIFIED,
			   "%s says that its copy is complete, and there is no "
			   "second fact: 'promoting force' goes on all the same",
			   p->in->here);
		return false;
	}
	plan_step(p, ACT_VERIFY);
	return true;
}

static void promote_planned(struct planning *p)
{
	if (p->peer->reach != REACH_OK) {
		plan_wait(p, peer_reason(p->peer),
			  "%s %s: waiting for it; write 'promoting force' to go "
			  "on without it, or replica to roll back",
			  p->in->peer, side_silence(p->peer));
		return;
	}
	if (p->peer_role == ROLE_SOURCE || peer_is_half_demoted(p)) {
		if (wait_for_use(p, p->peer, p->in->peer))
			return;
		if (!has_begun(p, ACT_DEMOTE_PEER) && !look_first(p))
			return;
		plan_step(p, ACT_DEMOTE_PEER);
	} else if (p->peer_role != ROLE_REPLICA) {
		plan_doubt(p, p->peer, REASON_PEER_UNVERIFIED,
			   "%s says that it is %s, but its volume is %s: not "
			   "believed; 'promoting force' goes on without it",
			   p->in->peer, role_text(p->peer->claim),
			   role_text(p->peer->fact));
		return;
	} else if (lacks_second_fact(p, p->peer) && p->here->caught_up &&
		   !(p->overrides & OVERRIDE_PEER)) {
		plan_wait(p, REASON_PEER_UNVERIFIED,
			  "%s says that it has stepped down, and a second look "
			  "at it is not to be had: look yourself, then write "
			  "'promoting force', or replica to roll back",
			  p->in->peer);
		return;
	}
	if (!p->here->caught_up)
		plan_step(p, ACT_AWAIT_FINAL_COPY);
	plan_step(p, ACT_PROMOTE);
	announce_verify(p);
}

/* The peer is as silent as it was when this was accepted, or has stepped
   down.  Anything else needs a force that was given for it. */
static bool peer_stays_away(const struct planning *p)
{
	return p->overrides & OVERRIDE_PEER ||
	       observation_peer_is_away(p->in->seen);
}

static void promote_unplanned(struct planning *p)
{
	state_cost(p);
	if (!peer_stays_away(p)) {
		plan_wait(p, REASON_PEER_RETURNED,
			  "%s is there again, or alive: write replica and then "
			  "promoting for a planned failover, or 'promoting "
			  "force'",
			  p->in->peer);
		return;
	}
	/* Even by force there are no two writable sides knowingly, where the
	   peer can be made to step down. */
	if (peer_may_be_writable(p) &&
	    p->in->capabilities & CAP_STEP_DOWN_PEER) {
		if (wait_for_use(p, p->peer, p->in->peer))
			return;
		if (p->overrides & OVERRIDE_STEP_DOWN)
			snprintf(p->out->cost, sizeof p->out->cost,
				 "%s was asked to step down, and has not: both "
				 "sides may be written to",
				 p->in->peer);
		else if (p->peer->claim == ROLE_SOURCE)
			plan_step(p, ACT_DEMOTE_PEER);
		else
			snprintf(p->out->cost, sizeof p->out->cost,
				 "%s says that it has stepped down and its "
				 "volume is writable: both sides may be written "
				 "to",
				 p->in->peer);
	}
	if (is_looked_at_first(p) && !(p->overrides & OVERRIDE_COPY))
		plan_step(p, ACT_VERIFY);
	plan_step(p, ACT_FORCE_PROMOTE);
	announce_verify(p);
}

static void promote_steps(struct planning *p)
{
	if (wait_for_site(p))
		return;
	if (p->here->claim == ROLE_SOURCE)
		await_writable(p);
	else if (p->failover == FAILOVER_PLANNED)
		promote_planned(p);
	else
		promote_unplanned(p);
}

const struct word_plan plan_promote = {promote_checks, promote_steps};

/* ---- source after promoting, replica after demoting or syncing ---- */

static void complete_checks(struct planning *p)
{
	const struct request *req = &p->in->status->request;
	enum role meant = role_meant(p->out->word);

	if (p->here->reach == REACH_OK && p->here->claim != meant)
		plan_object(p, VERDICT_NOT_NOW, "verified",
			    "%s is %s: not %s yet", p->in->here,
			    role_text(p->here->claim), role_text(meant));
	else if (req->outcome == OUTCOME_VERIFIED)
		plan_pass(p, "verified", "%s was verified", word_text(req->word));
	else if (p->here->reach == REACH_OK && p->here->fact == ROLE_UNKNOWN)
		plan_need(p, OVERRIDE_UNVERIFIED, "verified",
			  "%s says that it is %s, but there is no second fact: "
			  "look yourself",
			  p->in->here, role_text(meant));
	else
		plan_object(p, VERDICT_NOT_NOW, "verified",
			    "%s is not verified yet: `sync state` waits for it",
			    word_text(req->word));
}

/* Accepting the word completes it: there is nothing left to do. */
static void complete_steps(struct planning *p)
{
	p->out->done = true;
}

const struct word_plan plan_complete = {complete_checks, complete_steps};
