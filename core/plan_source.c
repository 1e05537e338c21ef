/* SPDX-License-Identifier: Apache-2.0 */
/* The plans of a source: step down, take that back, reverse the direction. */
#include "plan_private.h"

#include <stdio.h>
#include <string.h>

/* ---- demoting: final sync, then read-only ---- */

static bool peer_follows(const struct planning *p)
{
	return p->peer_role == ROLE_REPLICA && p->peer->following &&
	       p->peer->complete && !p->peer->diverged;
}

/* Somebody has promoted the peer, and this site holds a whole copy of what is
   there: there is nothing left to do. */
static bool is_succeeded(const struct planning *p)
{
	return p->here_role == ROLE_REPLICA && p->here->complete &&
	       !p->here->diverged && peer_is_verified_source(p);
}

static void check_follower(struct planning *p)
{
	if (lacks_look(p->peer) && !is_stuck(p))
		plan_pass(p, "peer", "%s says that it follows this site, which "
			  "is verified first",
			  p->in->peer);
	else if (lacks_second_fact(p, p->peer))
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s says that it follows this site, and there is no "
			  "second fact (%s): it may never have the data",
			  p->in->peer, p->peer->native);
	else
		plan_pass(p, "peer", "%s follows this site", p->in->peer);
}

static void demote_checks(struct planning *p)
{
	if (!check_here(p))
		return;
	if (p->here_role == ROLE_ABSENT)
		plan_object(p, VERDICT_NOT_NOW, "volume",
			    "there is no volume at %s", p->in->here);
	check_not_in_use(p, p->here, p->in->here);
	if (is_succeeded(p))
		plan_pass(p, "peer", "%s is the source, and %s has stepped down",
			  p->in->peer, p->in->here);
	else if (peer_follows(p))
		check_follower(p);
	else if (p->peer->reach != REACH_OK)
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s %s: nobody would have the data", p->in->peer,
			  side_silence(p->peer));
	else if (peer_is_source(p))
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s is writable too: the writes made here would "
			  "reach nobody",
			  p->in->peer);
	else
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s is not a complete replica that follows this "
			  "site: write swap to endpoints first",
			  p->in->peer);
}

/* By force and without a peer that follows there is no final sync to await. */
static bool final_sync_expected(const struct planning *p)
{
	return !(p->overrides & OVERRIDE_PEER) || peer_follows(p);
}

/* False: it can't be gone on without a look at it, which is not to be had now. */
static bool look_at_follower(struct planning *p)
{
	if (p->overrides & OVERRIDE_PEER || has_begun(p, ACT_DEMOTE) ||
	    !lacks_second_fact(p, p->peer))
		return true;
	if (lacks_look(p->peer)) {
		plan_step(p, ACT_VERIFY_PEER);
		return true;
	}
	plan_doubt(p, p->peer, REASON_PEER_UNVERIFIED,
		   "%s says that it follows this site, and there is no second "
		   "fact: 'demoting force' goes on all the same",
		   p->in->peer);
	return false;
}

/* Still the source: what has changed since it was asked counts again. */
static void step_down(struct planning *p)
{
	if (wait_for_use(p, p->here, p->in->here))
		return;
	if (!peer_follows(p) && !(p->overrides & OVERRIDE_PEER)) {
		plan_wait(p,
			  p->peer->reach == REACH_OK
				  ? REASON_PEER_NOT_FOLLOWING
				  : peer_reason(p->peer),
			  "%s does not follow this site (it %s): nobody would "
			  "have the data; 'demoting force' goes on without it",
			  p->in->peer, side_silence(p->peer));
		return;
	}
	if (!look_at_follower(p))
		return;
	plan_step(p, ACT_DEMOTE);
	if (final_sync_expected(p))
		plan_step(p, ACT_AWAIT_PEER_COPY);
	else
		snprintf(p->out->cost, sizeof p->out->cost,
			 "writes that are only at %s reach nobody until it is "
			 "promoted again",
			 p->in->here);
}

static void demote_steps(struct planning *p)
{
	if (wait_for_site(p))
		return;
	if (p->here->claim == ROLE_SOURCE)
		step_down(p);
	else if (!is_fact(p, ROLE_REPLICA) && verify_here(p))
		return;
	else if (!is_fact(p, ROLE_REPLICA))
		plan_doubt(p, p->here, REASON_UNVERIFIED,
			   "%s says that it has stepped down, but its volume is "
			   "%s: not believed",
			   p->in->here, role_text(p->here->fact));
	else if (!final_sync_expected(p) || p->peer->caught_up ||
		 is_succeeded(p))
		p->out->done = true;
	else if (p->peer->reach != REACH_OK)
		plan_wait(p, peer_reason(p->peer),
			  "%s %s: whether it has the final sync can't be told",
			  p->in->peer, side_silence(p->peer));
	else
		plan_step(p, ACT_AWAIT_PEER_COPY);
}

const struct word_plan plan_demote = {demote_checks, demote_steps};

/* ---- source after demoting: take back ---- */

static void take_back_checks(struct planning *p)
{
	if (!check_here(p))
		return;
	check_second_fact(p);
	if (p->here->claim == ROLE_SOURCE)
		plan_pass(p, "role", "%s has not stepped down", p->in->here);
	else if (p->peer->reach != REACH_OK)
		plan_need(p, OVERRIDE_PEER, "peer",
			  "%s %s: whether it was promoted can't be told",
			  p->in->peer, side_silence(p->peer));
	else if (p->peer_role == ROLE_REPLICA)
		plan_pass(p, "peer", "%s was not promoted: nothing is lost",
			  p->in->peer);
	else
		plan_object(p, VERDICT_NOT_NOW, "peer",
			    "%s is, or may be, the source now (it says %s, its "
			    "volume is %s): write replica, then syncing",
			    p->in->peer, role_text(p->peer->claim),
			    role_text(p->peer->fact));
}

static void take_back_steps(struct planning *p)
{
	if (wait_for_site(p))
		return;
	/* Nobody has begun, and it would be done behind our back. */
	if (p->here->demotes)
		plan_step(p, ACT_PROMOTE);
	else if (p->here->claim == ROLE_SOURCE)
		await_writable(p);
	else if (p->peer_role == ROLE_REPLICA)
		plan_step(p, ACT_PROMOTE);
	else if (p->peer->reach == REACH_OK)
		plan_wait(p, REASON_PEER_IS_SOURCE,
			  "%s is, or may be, the source now (it says %s, its "
			  "volume is %s)",
			  p->in->peer, role_text(p->peer->claim),
			  role_text(p->peer->fact));
	else if (p->overrides & OVERRIDE_PEER)
		plan_step(p, ACT_FORCE_PROMOTE);
	else
		plan_wait(p, peer_reason(p->peer),
			  "%s %s: whether it was promoted can't be told; write "
			  "'source force' to go on",
			  p->in->peer, side_silence(p->peer));
}

const struct word_plan plan_take_back = {take_back_checks, take_back_steps};

/* ---- swap: replicate in the reverse direction ---- */

static void swap_checks(struct planning *p)
{
	const char *peer = p->in->peer;

	if (!check_here(p))
		return;
	/* After a split brain nobody has looked twice. */
	if (p->here->claim == ROLE_SOURCE && lacks_look(p->here))
		plan_pass(p, "role", "%s says that it is the source, which is "
			  "verified first", p->in->here);
	else if (side_verified_role(p->here) != ROLE_SOURCE)
		plan_object(p, VERDICT_NOT_NOW, "role",
			    "%s is not verified as the source", p->in->here);
	if (p->peer->reach != REACH_OK) {
		plan_pass(p, "peer",
			  "%s %s: the reversal is pending until it answers, "
			  "and nothing there is destroyed unread",
			  peer, side_silence(p->peer));
	} else if (peer_may_be_writable(p)) {
		plan_need(p, OVERRIDE_DATA, "peer",
			  "%s is writable too%s: what was written there since "
			  "the failover is destroyed",
			  peer,
			  p->peer->diverged ? " and has writes of its own" : "");
		check_not_in_use(p, p->peer, peer);
	} else if (p->peer_role != ROLE_REPLICA) {
		plan_object(p, VERDICT_NOT_NOW, "peer",
			    "the role of %s can't be told", peer);
	} else if (p->peer->diverged) {
		plan_need(p, OVERRIDE_DATA, "peer",
			  "%s has writes that are not here: they are destroyed",
			  peer);
	} else {
		plan_pass(p, "peer", "%s has nothing that is not here", peer);
	}
}

/* Makes a peer that answers follow this site. */
static void turn_peer(struct planning *p)
{
	const char *peer = p->in->peer;
	bool loses = peer_may_be_writable(p) || p->peer->diverged;

	if (loses && !(p->overrides & OVERRIDE_DATA)) {
		plan_wait(p, REASON_NEEDS_FORCE,
			  "%s has, or may have, writes that are not here: look "
			  "at it, then write 'swap force' to endpoints",
			  peer);
		return;
	}
	if (loses)
		snprintf(p->out->cost, sizeof p->out->cost,
			 "writes at %s that are not at %s are destroyed", peer,
			 p->in->here);
	bool steps_down = p->peer_role == ROLE_SOURCE ||
			  peer_is_half_demoted(p);

	if (steps_down) {
		if (wait_for_use(p, p->peer, peer))
			return;
		plan_step(p, ACT_DEMOTE_PEER);
	} else if (p->peer_role != ROLE_REPLICA) {
		plan_doubt(p, p->peer, REASON_PEER_UNVERIFIED,
			   "%s says %s, its volume is %s", peer,
			   role_text(p->peer->claim),
			   role_text(p->peer->fact));
		return;
	}
	if (steps_down || !p->peer->following || p->peer->diverged)
		plan_step(p, ACT_RESYNC_PEER);
	if (p->out->step_count || !p->peer->complete)
		plan_step(p, ACT_AWAIT_PEER_RESYNC);
	else if (p->peer->fact == ROLE_REPLICA)
		p->out->done = true;
	else if (lacks_look(p->peer))
		plan_step(p, ACT_VERIFY_PEER);
	else
		plan_doubt(p, p->peer, REASON_UNVERIFIED,
			   "%s says that it follows, and there is no second "
			   "fact",
			   peer);
}

static void swap_steps(struct planning *p)
{
	if (wait_for_site(p))
		return;
	if (p->here->claim == ROLE_SOURCE && verify_here(p))
		return;
	if (side_verified_role(p->here) != ROLE_SOURCE)
		plan_doubt(p, p->here, REASON_SOURCE_UNVERIFIED,
			   "%s is not verified as the source any more",
			   p->in->here);
	else if (p->peer->reach != REACH_OK)
		plan_wait(p, peer_reason(p->peer),
			  "%s %s: it is made to follow when it answers",
			  p->in->peer, side_silence(p->peer));
	else
		turn_peer(p);
}

const struct word_plan plan_swap = {swap_checks, swap_steps};
