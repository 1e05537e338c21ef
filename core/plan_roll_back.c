/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of replica after promoting: back to what was before the failover. */
#include "plan_private.h"

#include <stdio.h>

static bool here_may_be_writable(const struct planning *p)
{
	return p->here->claim == ROLE_SOURCE || p->here->fact == ROLE_SOURCE;
}

static void roll_back_checks(struct planning *p)
{
	enum act running = p->in->status->intent.act;

	if (p->in->acting &&
	    (running == ACT_PROMOTE || running == ACT_FORCE_PROMOTE)) {
		plan_object(p, VERDICT_NOT_NOW, "promotion",
			    "the promotion of %s is being carried out",
			    p->in->here);
		return;
	}
	if (!check_here(p))
		return;
	check_second_fact(p);
	if (here_may_be_writable(p) && !peer_is_verified_source(p)) {
		plan_object(p, VERDICT_NOT_NOW, "writes",
			    "%s is writable already and %s is not a verified "
			    "source: write source, then demoting to fail back",
			    p->in->here, p->in->peer);
		return;
	}
	if (here_may_be_writable(p)) {
		check_not_in_use(p, p->here, p->in->here);
		plan_need(p, OVERRIDE_DATA, "writes",
			  "%s is writable already: what was written to it is "
			  "lost",
			  p->in->here);
		return;
	}
	if (p->here->promotes)
		plan_pass(p, "promotion", "%s is not asked for it any more",
			  p->in->here);
	/* It may be done by now, and not told of. */
	if (p->here->promotes && p->here->busy)
		check_not_in_use(p, p->here, p->in->here);
	/* One that may begin any moment is awaited. */
	if (p->peer->demotes && !p->peer->busy)
		plan_pass(p, "peer", "%s was asked to step down and has not "
			  "begun: that is taken back first", p->in->peer);
	else if (!p->asked_peer)
		plan_pass(p, "peer", "%s was not asked to step down",
			  p->in->peer);
	else if (peer_is_verified_source(p))
		plan_pass(p, "peer", "%s is the source still", p->in->peer);
	else if (!(p->in->capabilities & CAP_GIVE_BACK) && p->peer->busy)
		plan_object(p, VERDICT_NOT_NOW, "peer",
			    "an action runs at %s: whether it has stepped down "
			    "shows when that has ended", p->in->peer);
	else if (!(p->in->capabilities & CAP_GIVE_BACK) &&
		 p->peer->claim != ROLE_REPLICA)
		plan_object(p, VERDICT_NOT_NOW, "peer",
			    "whether %s has stepped down can't be told yet%s%s",
			    p->in->peer, *p->peer->native ? ": " : "",
			    p->peer->native);
	else if (!(p->in->capabilities & CAP_GIVE_BACK))
		plan_object(p, VERDICT_FORBIDDEN, "peer",
			    "%s was made to step down, and this backend can't "
			    "give the role back: promote it by hand there, "
			    "then write promoting or replica",
			    p->in->peer);
	else
		plan_pass(p, "peer", "%s gets the source role back first",
			  p->in->peer);
}

/* Gives up what was written here, once the peer is known to be the source. */
static void roll_back_writable(struct planning *p)
{
	if (!peer_is_verified_source(p) || !(p->overrides & OVERRIDE_DATA)) {
		plan_wait(p, REASON_NEEDS_FORCE,
			  "%s is writable already: when %s is the source, write "
			  "'replica force' to give up what was written here",
			  p->in->here, p->in->peer);
		return;
	}
	snprintf(p->out->cost, sizeof p->out->cost,
		 "everything written to %s since it was promoted is lost",
		 p->in->here);
	plan_rebuild(p);
}

/* The peer first: a window without a source beats one with two. */
static void give_back(struct planning *p)
{
	if (p->peer->reach != REACH_OK)
		plan_wait(p, peer_reason(p->peer),
			  "%s %s: the source role is given back when it "
			  "answers",
			  p->in->peer, side_silence(p->peer));
	else if (p->peer->claim == ROLE_SOURCE)
		plan_doubt(p, p->peer, REASON_PEER_UNVERIFIED,
			   "%s says that it is the source, but its volume is "
			   "%s: not believed",
			   p->in->peer, role_text(p->peer->fact));
	else
		plan_step(p, ACT_PROMOTE_PEER);
}

static void roll_back_steps(struct planning *p)
{
	bool given_up = p->overrides & OVERRIDE_DATA;

	if (wait_for_site(p))
		return;
	if (here_may_be_writable(p)) {
		roll_back_writable(p);
	} else if (p->here->promotes) {
		/* It would be done, or tried again, behind our back. */
		plan_step(p, ACT_DEMOTE);
	} else if (p->peer->demotes) {
		plan_step(p, ACT_PROMOTE_PEER);
	} else if (p->asked_peer && !peer_is_source(p)) {
		give_back(p);
	} else if (given_up && (p->here->diverged || !p->here->following)) {
		/* What was written here was given up: follow again. */
		if (!peer_is_verified_source(p)) {
			plan_doubt(p, p->peer, REASON_PEER_UNVERIFIED,
				   "%s is not a verified source: nothing is "
				   "rebuilt until it is",
				   p->in->peer);
			return;
		}
		plan_step(p, ACT_RESYNC);
		plan_step(p, ACT_AWAIT_RESYNC);
	} else if (given_up && !p->here->complete) {
		plan_step(p, ACT_AWAIT_RESYNC);
	} else if (is_fact(p, ROLE_REPLICA)) {
		p->out->done = true;
	} else if (!verify_here(p)) {
		plan_doubt(p, p->here, REASON_UNVERIFIED,
			   "%s says that it is a replica, and its volume is %s",
			   p->in->here, role_text(p->here->fact));
	}
}

const struct word_plan plan_roll_back = {roll_back_checks, roll_back_steps};
