/* SPDX-License-Identifier: Apache-2.0 */
/* The plans of a source: step down, take that back, reverse the direction. */
#include "plan_private.h"

#include <stdio.h>
#include <string.h>

/* ---- demoting: final sync, then read-only ---- */

static void demote_checks(struct planning *p)
{
	if (!check_here(p))
		return;
	if (p->here_role == ROLE_ABSENT)
		plan_object(p, VERDICT_NOT_NOW, "volume",
			    "there is no volume at %s", p->in->here);
	check_not_in_use(p, p->here, p->in->here);
	if (peer_follows(p))
		plan_pass(p, "peer", "%s follows this site", p->in->peer);
	else if (p->peer->reach != REACH_OK)
		plan_object(p, VERDICT_NEEDS_FORCE, "peer",
			    "%s %s: nobody would have the data",
			    p->in->peer, side_silence(p->peer));
	else if (peer_is_source(p))
		plan_object(p, VERDICT_NEEDS_FORCE, "peer",
			    "%s is writable too: the writes made here would "
			    "reach nobody",
			    p->in->peer);
	else
		plan_object(p, VERDICT_NEEDS_FORCE, "peer",
			    "%s is not a complete replica that follows this "
			    "site: write swap to endpoints first",
			    p->in->peer);
}

/* By force and without a peer that follows there is no final sync to await. */
static bool final_sync_expected(const struct planning *p)
{
	return !p->force || peer_follows(p);
}

static void demote_steps(struct planning *p)
{
	if (p->here->reach != REACH_OK) {
		plan_wait(p, "SiteUnreachable", "%s %s", p->in->here,
			  side_silence(p->here));
		return;
	}
	if (p->here->busy) {
		plan_wait(p, "Busy", "an action runs at %s", p->in->here);
		return;
	}
	if (p->here->claim == ROLE_SOURCE) {
		plan_step(p, ACT_DEMOTE);
		if (final_sync_expected(p))
			plan_step(p, ACT_AWAIT_PEER_COPY);
		else
			snprintf(p->out->cost, sizeof p->out->cost,
				 "writes that are only at %s reach nobody "
				 "until it is promoted again",
				 p->in->here);
		return;
	}
	if (p->here->fact != ROLE_REPLICA) {
		plan_wait(p, "Unverified",
			  "%s says that it has stepped down, but its volume is "
			  "%s: not believed",
			  p->in->here, role_text(p->here->fact));
		return;
	}
	if (final_sync_expected(p) && !p->peer->caught_up) {
		if (p->peer->reach != REACH_OK)
			plan_wait(p, "PeerUnreachable",
				  "%s %s: whether it has the final sync can't "
				  "be told",
				  p->in->peer, side_silence(p->peer));
		else
			plan_step(p, ACT_AWAIT_PEER_COPY);
		return;
	}
	p->out->done = true;
}

const struct word_plan plan_demote = {demote_checks, demote_steps};

/* ---- source after demoting: take back ---- */

static void take_back_checks(struct planning *p)
{
	if (!check_here(p))
		return;
	if (p->here->claim == ROLE_SOURCE) {
		plan_pass(p, "role", "%s has not stepped down", p->in->here);
		return;
	}
	if (peer_is_source(p) || p->peer->claim == ROLE_SOURCE)
		plan_object(p, VERDICT_NOT_NOW, "peer",
			    "%s is the source now: write replica, then syncing",
			    p->in->peer);
	else if (p->peer->reach != REACH_OK)
		plan_object(p, VERDICT_NEEDS_FORCE, "peer",
			    "%s %s: whether it was promoted can't be told",
			    p->in->peer, side_silence(p->peer));
	else
		plan_pass(p, "peer", "%s was not promoted: nothing is lost",
			  p->in->peer);
}

static void take_back_steps(struct planning *p)
{
	if (p->here->reach != REACH_OK)
		plan_wait(p, "SiteUnreachable", "%s %s", p->in->here,
			  side_silence(p->here));
	else if (p->here->claim == ROLE_SOURCE)
		await_writable(p);
	else if (p->peer->claim == ROLE_SOURCE)
		plan_wait(p, "PeerIsSource",
			  "%s has become the source: write 'replica' once "
			  "failed, or promoting from there",
			  p->in->peer);
	else if (p->peer->reach == REACH_OK)
		plan_step(p, ACT_PROMOTE);
	else if (p->force)
		plan_step(p, ACT_FORCE_PROMOTE);
	else
		plan_wait(p, "PeerUnreachable",
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
	if (side_verified_role(p->here) != ROLE_SOURCE)
		plan_object(p, VERDICT_NOT_NOW, "role",
			    "%s is not verified as the source", p->in->here);
	if (p->peer->reach != REACH_OK) {
		plan_pass(p, "peer",
			  "%s %s: the reversal is pending until it answers",
			  peer, side_silence(p->peer));
		return;
	}
	if (p->peer_role == ROLE_SOURCE) {
		plan_object(p, VERDICT_NEEDS_FORCE, "peer",
			    "%s is writable too%s: what was written there "
			    "since the failover is destroyed",
			    peer, p->peer->diverged ? " and has writes of its "
						      "own"
						    : "");
		check_not_in_use(p, p->peer, peer);
	} else if (p->peer_role != ROLE_REPLICA) {
		plan_object(p, VERDICT_NOT_NOW, "peer",
			    "the role of %s can't be told", peer);
	} else if (p->peer->diverged) {
		plan_object(p, VERDICT_NEEDS_FORCE, "peer",
			    "%s has writes that are not here: they are "
			    "destroyed",
			    peer);
	} else {
		plan_pass(p, "peer", "%s has nothing that is not here", peer);
	}
}

static void swap_steps(struct planning *p)
{
	const char *peer = p->in->peer;

	if (p->here->reach != REACH_OK) {
		plan_wait(p, "SiteUnreachable", "%s %s", p->in->here,
			  side_silence(p->here));
	} else if (side_verified_role(p->here) != ROLE_SOURCE) {
		plan_wait(p, "SourceUnverified",
			  "%s is not verified as the source any more",
			  p->in->here);
	} else if (p->peer->reach != REACH_OK) {
		plan_wait(p, "PeerUnreachable",
			  "%s %s: it is made to follow when it answers", peer,
			  side_silence(p->peer));
	} else if ((p->peer_role == ROLE_SOURCE || p->peer->diverged) &&
		   !p->force) {
		plan_wait(p, "NeedsForce",
			  "%s has, or may have, writes that are not here: look "
			  "at it, then write 'swap force' to endpoints",
			  peer);
	} else if (p->peer->busy) {
		plan_wait(p, "Busy", "an action runs at %s", peer);
	} else if (p->peer_role == ROLE_SOURCE) {
		plan_step(p, ACT_DEMOTE_PEER);
		plan_step(p, ACT_RESYNC_PEER);
		plan_step(p, ACT_AWAIT_PEER_RESYNC);
	} else if (p->peer_role != ROLE_REPLICA) {
		plan_wait(p, "PeerUnverified",
			  "%s says %s, its volume is %s", peer,
			  role_text(p->peer->claim), role_text(p->peer->fact));
	} else if (!p->peer->following || p->peer->diverged) {
		plan_step(p, ACT_RESYNC_PEER);
		plan_step(p, ACT_AWAIT_PEER_RESYNC);
	} else if (!p->peer->complete) {
		plan_step(p, ACT_AWAIT_PEER_RESYNC);
	} else if (p->peer->fact == ROLE_REPLICA) {
		p->out->done = true;
	} else {
		plan_wait(p, "Unverified",
			  "%s says that it follows, and there is no second "
			  "fact",
			  peer);
	}
	if (p->out->step_count && p->force)
		snprintf(p->out->cost, sizeof p->out->cost,
			 "writes at %s that are not at %s are destroyed", peer,
			 p->in->here);
}

const struct word_plan plan_swap = {swap_checks, swap_steps};
