/* SPDX-License-Identifier: Apache-2.0 */
/* The plans of a replica, of a new replication, and of one that goes. */
#include "plan_private.h"

#include <stdio.h>
#include <string.h>

/* ---- syncing: rebuild here from the source ---- */

static bool resync_is_needed(const struct planning *p)
{
	return p->here_role != ROLE_REPLICA || !p->here->following ||
	       p->here->diverged;
}

static bool has_own_writes(const struct planning *p)
{
	return p->here->diverged || p->here_role != ROLE_REPLICA;
}

static bool resync_destroys(const struct planning *p)
{
	return has_own_writes(p) || p->here->complete ||
	       p->here->has_last_copy;
}

/* What a failover has asked of the peer may still be done by it, or be done and
   not seen: nobody but the roll back gives it back the role then. */
static bool is_rolling_back(const struct planning *p)
{
	const struct request *req = &p->in->status->request;

	return p->asked_peer && req->word == WORD_REPLICA &&
	       req->outcome == OUTCOME_PENDING;
}

static void resync_checks(struct planning *p)
{
	if (!check_here(p))
		return;
	if (is_rolling_back(p))
		plan_object(p, VERDICT_NOT_NOW, "roll back",
			    "it is not verified yet that %s is the source again",
			    p->in->peer);
	if (peer_is_verified_source(p))
		plan_pass(p, "peer", "%s is verified as the source",
			  p->in->peer);
	else
		plan_object(p, VERDICT_NOT_NOW, "peer",
			    "%s is not verified as a source (it %s, role %s): "
			    "there is nothing to rebuild from",
			    p->in->peer, side_silence(p->peer),
			    role_text(p->peer_role));
	if (!resync_is_needed(p)) {
		plan_pass(p, "copy", "%s follows already: no rebuild",
			  p->in->here);
		return;
	}
	if (p->here_role == ROLE_SOURCE)
		check_not_in_use(p, p->here, p->in->here);
	if (has_own_writes(p))
		plan_need(p, OVERRIDE_DATA, "copy",
			  "%s has, or may have, writes that %s lacks: they are "
			  "destroyed",
			  p->in->here, p->in->peer);
	else if (resync_destroys(p))
		plan_need(p, OVERRIDE_DATA, "copy",
			  "the consistent copy at %s is destroyed by the "
			  "rebuild",
			  p->in->here);
	else
		plan_pass(p, "copy", "%s has no whole copy to lose",
			  p->in->here);
}

static void rebuild(struct planning *p)
{
	if (resync_destroys(p) && !(p->overrides & OVERRIDE_DATA)) {
		plan_wait(p, REASON_NEEDS_FORCE,
			  "the rebuild would destroy data at %s: write 'syncing "
			  "force'",
			  p->in->here);
		return;
	}
	if (!plan_rebuild(p))
		return;
	snprintf(p->out->cost, sizeof p->out->cost,
		 "what is at %s now is replaced by the data of %s", p->in->here,
		 p->in->peer);
}

static void resync_steps(struct planning *p)
{
	if (wait_for_site(p))
		return;
	if (!peer_is_verified_source(p))
		plan_wait(p, REASON_PEER_NOT_SOURCE,
			  "%s %s and is not verified as the source: nothing is "
			  "rebuilt until it is",
			  p->in->peer, side_silence(p->peer));
	else if (resync_is_needed(p))
		rebuild(p);
	else if (!p->here->complete)
		plan_step(p, ACT_AWAIT_RESYNC);
	else if (is_fact(p, ROLE_REPLICA))
		p->out->done = true;
	else if (!verify_here(p))
		plan_doubt(p, p->here, REASON_UNVERIFIED,
			   "%s says that it follows, and there is no second "
			   "fact: look yourself, then write 'replica force'",
			   p->in->here);
}

const struct word_plan plan_resync = {resync_checks, resync_steps};

/* ---- back from failed to what the storage says ---- */

static void settle_checks(struct planning *p)
{
	enum role meant = role_meant(p->out->word);

	if (!check_here(p))
		return;
	check_second_fact(p);
	if (p->here_role != meant)
		plan_object(p, VERDICT_NOT_NOW, "storage",
			    "the storage at %s says %s, not %s", p->in->here,
			    role_text(p->here_role), role_text(meant));
	else
		plan_pass(p, "storage", "%s is %s", p->in->here,
			  role_text(meant));
}

static void settle_steps(struct planning *p)
{
	enum role meant = role_meant(p->out->word);

	if (wait_for_site(p))
		return;
	if (p->here->claim == meant && is_fact(p, meant))
		p->out->done = true;
	else if (p->here->claim != meant || !verify_here(p))
		plan_doubt(p, p->here, REASON_UNVERIFIED,
			   "%s says %s, its volume is %s", p->in->here,
			   role_text(p->here->claim),
			   role_text(p->here->fact));
}

const struct word_plan plan_settle = {settle_checks, settle_steps};

/* ---- a new replication: adopt, or create where there is none ---- */

/* Made here as it is meant, it would be one of two sources. */
static bool would_be_second(const struct planning *p)
{
	return role_meant(p->out->word) == ROLE_SOURCE &&
	       peer_may_be_writable(p);
}

static void adopt_checks(struct planning *p)
{
	enum role meant = role_meant(p->out->word);

	check_second_fact(p);
	/* Nothing has been seen of it: the reconcile finds out. */
	if (p->here->reach != REACH_OK) {
		plan_pass(p, "storage", "%s %s", p->in->here,
			  side_silence(p->here));
		return;
	}
	if (p->here_role == meant)
		plan_pass(p, "storage", "%s is %s already", p->in->here,
			  role_text(meant));
	else if (p->here_role != ROLE_ABSENT)
		plan_object(p, VERDICT_FORBIDDEN, "storage",
			    "%s is %s, not %s, and making a replication never "
			    "changes a role: make it as %s, then write "
			    "promoting or demoting",
			    p->in->here, role_text(p->here_role),
			    role_text(meant), role_text(p->here_role));
	else if (p->in->here_is_source != (meant == ROLE_SOURCE))
		plan_object(p, VERDICT_FORBIDDEN, "endpoints",
			    "there is no relationship yet, and %s is the %s "
			    "endpoint: write %s",
			    p->in->here,
			    p->in->here_is_source ? "source"
						       : "destination",
			    p->in->here_is_source ? "source" : "replica");
	else if (would_be_second(p))
		plan_object(p, VERDICT_FORBIDDEN, "endpoints",
			    "there is no relationship at %s, and %s is, or may "
			    "be, the source: there would be two; write a "
			    "manifest that has %s as the source endpoint",
			    p->in->here, p->in->peer, p->in->peer);
	else
		plan_pass(p, "storage", "there is no relationship yet");
}

static void adopt_steps(struct planning *p)
{
	enum role meant = role_meant(p->out->word);

	if (wait_for_site(p))
		return;
	if (p->here->claim == meant && is_fact(p, meant))
		p->out->done = true;
	else if (p->here->claim == meant && verify_here(p))
		return;
	else if (p->here->claim != ROLE_ABSENT)
		plan_doubt(p, p->here,
			   p->here->claim == meant ? REASON_UNVERIFIED
			   : p->here->claim == ROLE_UNKNOWN
				   ? REASON_ROLE_UNKNOWN
				   : REASON_ROLE_CONFLICT,
			   "%s says %s, its volume is %s, and making a "
			   "replication never changes a role",
			   p->in->here, role_text(p->here->claim),
			   role_text(p->here->fact));
	else if (p->peer->reach != REACH_OK)
		plan_wait(p, peer_reason(p->peer),
			  "%s %s: whether a relationship exists can't be told",
			  p->in->peer, side_silence(p->peer));
	else if (p->in->here_is_source != (meant == ROLE_SOURCE))
		plan_wait(p, REASON_ROLE_CONFLICT,
			  "there is no relationship yet, and %s is not the "
			  "endpoint that could be %s",
			  p->in->here, role_text(meant));
	else if (would_be_second(p))
		plan_doubt(p, p->peer, REASON_ROLE_CONFLICT,
			   "there is no relationship at %s, and %s is, or may "
			   "be, the source: there would be two",
			   p->in->here, p->in->peer);
	else
		plan_step(p, ACT_CREATE);
}

const struct word_plan plan_adopt = {adopt_checks, adopt_steps};

/* ---- remove: rmdir ---- */

#define DELETION_POLICY "uvrfs/deletion-policy"

static bool deletes_relationship(const struct planning *p)
{
	const char *policy = spec_annotation(p->in->spec, DELETION_POLICY);

	return policy && strcmp(policy, "delete") == 0 && p->in->has_backend;
}

static void remove_checks(struct planning *p)
{
	const struct request *req = &p->in->status->request;

	/* One that can't be what its manifest says need not wait to fail. */
	if (req->outcome == OUTCOME_PENDING && req->from == STATE_NONE &&
	    p->in->status->last_serial == 0)
		plan_pass(p, "transition", "nothing has been begun");
	else if (req->outcome == OUTCOME_PENDING)
		plan_object(p, VERDICT_NOT_NOW, "transition",
			    "%s is under way: wait for it (`sync state`), or "
			    "roll it back",
			    word_text(req->word));
	else
		plan_pass(p, "transition", "none is under way");
	if (!deletes_relationship(p))
		plan_pass(p, "copies",
			  "both volumes and their replication are kept");
	else if (!(p->in->capabilities & CAP_DELETE))
		plan_object(p, VERDICT_FORBIDDEN, "copies",
			    "%s says delete, and here that would delete a copy, "
			    "too: take the annotation away",
			    DELETION_POLICY);
	else if (p->here->reach != REACH_OK || p->peer->reach != REACH_OK)
		plan_object(p, VERDICT_NOT_NOW, "copies",
			    "%s says delete, and not both sites answer: which "
			    "copies there are can't be told",
			    DELETION_POLICY);
	else
		plan_pass(p, "copies",
			  "the replication is deleted (%s), both volumes are "
			  "kept",
			  DELETION_POLICY);
}

static void remove_steps(struct planning *p)
{
	if (!deletes_relationship(p) || p->here->claim == ROLE_ABSENT) {
		p->out->done = true;
		return;
	}
	if (wait_for_site(p))
		return;
	if (p->peer->reach != REACH_OK)
		plan_wait(p, peer_reason(p->peer), "%s %s", p->in->peer,
			  side_silence(p->peer));
	else
		plan_step(p, ACT_DELETE);
}

const struct word_plan plan_remove = {remove_checks, remove_steps};
