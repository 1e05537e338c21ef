/* SPDX-License-Identifier: Apache-2.0 */
/* What the words' plans share: phrases, roles and checks. */
#include "plan_private.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

/* What is said of a side that is so, and the reason that it is: of this site, or
   of the peer. */
static const struct {
	const char *phrase;
	enum reason site, peer;
} silences[] = {
	[REACH_UNKNOWN] = {"has not answered yet", REASON_NOT_OBSERVED,
			   REASON_PEER_NOT_OBSERVED},
	[REACH_OK] = {"answers", REASON_UNVERIFIED, REASON_PEER_UNVERIFIED},
	[REACH_SILENT] = {"gives no answer", REASON_SITE_UNREACHABLE,
			  REASON_PEER_UNREACHABLE},
	[REACH_REFUSED] = {"refuses us", REASON_SITE_REFUSED,
			   REASON_PEER_REFUSED},
	[REACH_UNCONFIGURED] = {"is not configured here",
				REASON_SITE_UNCONFIGURED,
				REASON_PEER_UNCONFIGURED},
};

const char *side_silence(const struct side *side)
{
	return silences[side->reach].phrase;
}

enum reason site_reason(const struct side *side)
{
	return silences[side->reach].site;
}

enum reason peer_reason(const struct side *side)
{
	return silences[side->reach].peer;
}

bool peer_is_source(const struct planning *p)
{
	return p->peer_role == ROLE_SOURCE;
}

bool peer_is_verified_source(const struct planning *p)
{
	return side_verified_role(p->peer) == ROLE_SOURCE;
}

/* It answers, and one of its two looks says writable. */
bool peer_may_be_writable(const struct planning *p)
{
	return p->peer->reach == REACH_OK && (p->peer->claim == ROLE_SOURCE ||
					      p->peer->fact == ROLE_SOURCE);
}

/* Asked to step down for this request, it has done so in part: it has not
   answered, and not both of its looks have changed. */
bool peer_is_half_demoted(const struct planning *p)
{
	return has_begun(p, ACT_DEMOTE_PEER) && p->peer_role == ROLE_UNKNOWN &&
	       peer_may_be_writable(p);
}

/* The site that `state` speaks of must answer, and agree with itself. */
bool check_here(struct planning *p)
{
	const char *name = p->in->here;

	if (!p->in->has_backend) {
		plan_object(p, VERDICT_NOT_NOW, "backend",
			    "no backend serves this replication: see `backend`");
		return false;
	}
	if (p->here->reach != REACH_OK) {
		plan_object(p, VERDICT_NOT_NOW, "this site", "%s %s%s%s", name,
			    side_silence(p->here), *p->here->why ? ": " : "",
			    p->here->why);
		return false;
	}
	if (p->here_role == ROLE_UNKNOWN) {
		plan_need(p, OVERRIDE_COPY, "this site",
			    "%s says that it is %s, but its volume is %s%s%s",
			    name, role_text(p->here->claim),
			    role_text(p->here->fact),
			    *p->here->native ? ": " : "", p->here->native);
		return true;
	}
	plan_pass(p, "this site", "%s answers: %s", name,
		  role_text(p->here_role));
	return true;
}

void check_not_in_use(struct planning *p, const struct side *side,
		      const char *cluster)
{
	if (side->in_use == TRI_YES)
		plan_need(p, OVERRIDE_IN_USE, "in use",
			  "the volume at %s is in use%s%s: stop that first",
			  cluster, *side->in_use_by ? " by " : "",
			  side->in_use_by);
	else if (side->in_use == TRI_UNKNOWN)
		plan_need(p, OVERRIDE_IN_USE, "in use",
			  "whether the volume at %s is in use can't be told",
			  cluster);
	else
		plan_pass(p, "in use", "the volume at %s is not in use",
			  cluster);
}

/* The role at this site that the word stands for. */
enum role role_meant(enum word word)
{
	return word == WORD_SOURCE || word == WORD_PROMOTING ? ROLE_SOURCE
							     : ROLE_REPLICA;
}

/*
 * Asking again, by force, for a word whose result can't be verified accepts
 * what the object says.
 */
void check_second_fact(struct planning *p)
{
	if (p->again && p->here->reach == REACH_OK &&
	    p->here->fact == ROLE_UNKNOWN)
		plan_need(p, OVERRIDE_UNVERIFIED, "second fact",
			  "%s says that it is %s, and there is no second fact: "
			  "look yourself",
			  p->in->here, role_text(p->here->claim));
}

bool is_fact(const struct planning *p, enum role role)
{
	return p->here->fact == role || (p->here->fact == ROLE_UNKNOWN &&
					 p->overrides & OVERRIDE_UNVERIFIED);
}

bool wait_for_site(struct planning *p)
{
	if (p->here->reach == REACH_OK)
		return false;
	plan_wait(p, site_reason(p->here), "%s %s%s%s", p->in->here,
		  side_silence(p->here), *p->here->why ? ": " : "",
		  p->here->why);
	return true;
}

/* A volume in use is not pulled away, however long ago it was asked for. */
bool wait_for_use(struct planning *p, const struct side *side,
		  const char *cluster)
{
	if (side->in_use == TRI_NO || p->overrides & OVERRIDE_IN_USE)
		return false;
	if (side->in_use == TRI_YES)
		plan_wait(p, REASON_IN_USE,
			  "the volume at %s is in use%s%s: stop that, or write "
			  "'%s force'",
			  cluster, *side->in_use_by ? " by " : "",
			  side->in_use_by, word_text(p->out->word));
	else
		plan_wait(p, REASON_IN_USE,
			  "whether the volume at %s is in use can't be told: "
			  "'%s force' goes on all the same",
			  cluster, word_text(p->out->word));
	return true;
}

bool plan_rebuild(struct planning *p)
{
	if (p->here->claim == ROLE_SOURCE) {
		if (wait_for_use(p, p->here, p->in->here))
			return false;
		plan_step(p, ACT_DEMOTE);
	}
	plan_step(p, ACT_RESYNC);
	plan_step(p, ACT_AWAIT_RESYNC);
	return true;
}

bool lacks_second_fact(const struct planning *p, const struct side *side)
{
	return side->fact == ROLE_UNKNOWN &&
	       p->in->capabilities & CAP_SECOND_FACT;
}

bool has_begun(const struct planning *p, enum act act)
{
	const struct status *s = p->in->status;

	return s->intent.act == act && s->intent.request == s->request.id;
}

bool is_stuck(const struct planning *p)
{
	return p->again && p->in->status->attempts > 0;
}

bool lacks_look(const struct side *side)
{
	return side->fact == ROLE_UNKNOWN && side->can_verify;
}

bool verify_here(struct planning *p)
{
	if (!lacks_look(p->here))
		return false;
	plan_step(p, ACT_VERIFY);
	return true;
}

static void list_unasked(const struct planning *p, char out[static 200])
{
	*out = '\0';
	if (p->in->list_unasked)
		p->in->list_unasked(p->in->unasked_ctx, p->out->word, out, 200);
}

/* What one act moves; who asks says so, or it waits for the others. */
void check_group(struct planning *p)
{
	const struct observation *seen = p->in->seen;
	char unasked[200];

	if (!*seen->group)
		return;
	list_unasked(p, unasked);
	if (*seen->strangers)
		plan_need(p, OVERRIDE_GROUP, "group",
			  "%s moves as a whole, and no replication is for %s",
			  seen->group, seen->strangers);
	if (*unasked && p->force)
		p->overrides |= OVERRIDE_GROUP;
	if (*unasked)
		plan_pass(p, "group",
			  "%s moves as a whole: it %s %s", seen->group,
			  p->force ? "takes along"
				   : "waits until the same is asked of",
			  unasked);
	else if (!*seen->strangers)
		plan_pass(p, "group", "the same is asked of all of %s",
			  seen->group);
}

void wait_for_group(struct planning *p)
{
	const struct observation *seen = p->in->seen;
	char unasked[200];

	if (!*seen->group || p->overrides & OVERRIDE_GROUP)
		return;
	list_unasked(p, unasked);
	if (*seen->strangers)
		plan_wait(p, REASON_GROUP_INCOMPLETE,
			  "%s moves as a whole, and no replication is for %s: "
			  "make one, or write '%s force'",
			  seen->group, seen->strangers, word_text(p->out->word));
	else if (*unasked)
		plan_wait(p, REASON_GROUP_INCOMPLETE,
			  "%s moves as a whole: write %s to %s too, or '%s "
			  "force'",
			  seen->group, word_text(p->out->word), unasked,
			  word_text(p->out->word));
}

/* Here has been made writable, as far as the object says. */
void await_writable(struct planning *p)
{
	if (is_fact(p, ROLE_SOURCE))
		p->out->done = true;
	else if (verify_here(p))
		return;
	else if (p->here->fact == ROLE_UNKNOWN)
		plan_doubt(p, p->here, REASON_UNVERIFIED,
			   "%s says that it is the source, and there is no "
			   "second fact: look yourself, then write 'source "
			   "force'",
			   p->in->here);
	else
		plan_doubt(p, p->here, REASON_UNVERIFIED,
			   "%s says that it is the source, but its volume is "
			   "not writable: not believed",
			   p->in->here);
}
