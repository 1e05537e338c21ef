/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two replication groups of a pair mean.  The claim is what the
 * group's own array says, by the last poll; the fact what the other one's says.
 * Where that gives no answer, a poll that is newer than the last action, and
 * does not contradict what was said of it.
 */
#include "powerstore.h"

#include "json_parts.h"

#include <stdio.h>
#include <string.h>

/* So long is a transfer after a reprotect taken for the rebuild itself. */
#define REBUILD_MS 3600000

static enum role role_if(bool is_source)
{
	return is_source ? ROLE_SOURCE : ROLE_REPLICA;
}

/*
 * One action at a time.  One that fails and is tried again, or that nobody does
 * anything about, is no reason to wait: the act that wants it says what is
 * wrong.
 */
static bool is_busy(const struct rg *g, const struct rg *other)
{
	if (g->under_way)
		return !g->failing && !g->stuck && g->fresh;
	return (rg_may_go_on(g) && g->fresh) || rg_awaits_poll(g, other);
}

/* What may change it any moment. */
static enum rg_action coming(const struct rg *g)
{
	return g->under_way || rg_may_go_on(g) ? g->action : RG_NO_ACTION;
}

/* An action that may be carried out any moment would take @role from @g. */
static bool is_threatened(const struct rg *g, const struct rg *other,
			  enum role role)
{
	enum rg_action mine = coming(g), theirs = coming(other);

	if (mine == RG_OTHER_ACTION || theirs == RG_OTHER_ACTION)
		return true;
	if (role == ROLE_SOURCE)
		return mine == RG_FAILOVER_REMOTE ||
		       theirs == RG_UNPLANNED_FAILOVER_LOCAL;
	return mine == RG_UNPLANNED_FAILOVER_LOCAL ||
	       theirs == RG_FAILOVER_REMOTE;
}

/*
 * Nobody else to ask.  A replica that is not SYNCHRONIZED just now may be
 * amidst its first copy, or may have been paused days ago: who promotes it has
 * to look himself.
 */
static enum role fact_alone(const struct rg *g, const struct rg *other)
{
	if (!g->known || rg_awaits_poll(g, other))
		return ROLE_UNKNOWN;
	if (rg_is_contradicted(g))
		return role_if(!g->is_source);
	if (!g->is_source && g->link != RG_LINK_SYNCHRONIZED &&
	    g->link != RG_LINK_FAILEDOVER)
		return ROLE_UNKNOWN;
	return role_if(g->is_source);
}

static enum role fact_of(const struct rg *g, const struct rg *other)
{
	enum role fact;

	if (!other->known)
		fact = fact_alone(g, other);
	/* Both say the same, and both have seen all that was done: it is so. */
	else if (g->known && g->is_source == other->is_source &&
		 !rg_awaits_poll(g, other) && !rg_awaits_poll(other, g))
		fact = role_if(g->is_source);
	else
		fact = role_if(!other->is_source);
	return is_threatened(g, other, fact) ? ROLE_UNKNOWN : fact;
}

static bool is_known_source(const struct rg *g)
{
	return g->known && g->is_source;
}

/* A pause may show on one side only. */
static bool is_following(const struct rg *g, const struct rg *other)
{
	return g->known && rg_is_linked(g) &&
	       (!other->known || (other->is_source && rg_is_linked(other)));
}

/*
 * There are no words for the first copy: the link is SYNC_IN_PROGRESS in each
 * transfer.  A group that was ever failed over has had a whole one.
 */
static bool is_complete(const struct rg *g, const struct rg *other)
{
	if (g->known && g->link == RG_LINK_SYNCHRONIZED)
		return true;
	/* The driver takes a failover for done where there was one: what is
	   here can't be promoted. */
	if (!g->polled || g->link == RG_LINK_FAILEDOVER ||
	    g->link == RG_LINK_EMPTY)
		return false;
	/* By force only: then there is no second fact. */
	if (!g->known || !other->known)
		return true;
	if (other->action == RG_REPROTECT_LOCAL && other->ended &&
	    other->now - other->ended < REBUILD_MS)
		return false;
	return rg_was_source(g) || rg_was_source(other);
}

/* After a failover: unless all was copied first, as the history shows. */
static bool is_diverged(const struct rg *g, const struct rg *other)
{
	return g->known && !g->is_source && g->link == RG_LINK_FAILEDOVER &&
	       (!rg_stepped_down(g) || rg_took_over(other));
}

static void judge_replica(const struct rg *g, const struct rg *other,
			  struct side *s)
{
	s->following = is_following(g, other);
	s->complete = is_complete(g, other);
	s->diverged = is_diverged(g, other);
	s->has_last_copy = !is_known_source(other) &&
			   (s->complete || g->link == RG_LINK_FAILEDOVER);
}

/* ---- for people ---- */

static void put_action(const struct rg *g, struct buf *out)
{
	if (g->stuck)
		buf_printf(out, "; Action %s is left uncompleted",
			   g->action_name);
	else if (g->failing)
		buf_printf(out, "; %s is tried again: %s", g->action_name,
			   g->failure);
	else if (g->untaken)
		buf_printf(out, "; %s is asked for and not begun: it is carried "
			   "out yet, unless it is taken back by %s",
			   g->action_name, rg_way_back(g));
	else if (g->under_way)
		buf_printf(out, "; %s is under way", g->action_name);
	else if (*g->failure)
		buf_printf(out, "; Action %s failed: %s", g->action_name,
			   g->failure);
	else if (g->succeeded)
		buf_printf(out, "; Action %s succeeded%s", g->action_name,
			   rg_may_go_on(g) ? ", and may go on at the array"
			   : g->fresh && !rg_is_done(g, g->action)
				   ? ", not believed"
				   : "");
}

static void put_native(const struct rg *g, const struct rg *other,
		       struct side *s)
{
	const json_t *status = csi_status(g->object);
	const char *error = json_text_at(json_object_get(status,
							 "replicationLinkState"),
					 "errorMessage");
	const char *state = json_text_at(status, "state");
	char when[TIME_TEXT_MAX];
	auto_buf text;

	buf_init(&text, 1024);
	if (!rg_is_pair(g, other))
		buf_printf(&text, "%.60s is not the counterpart of the group "
			   "there", rg_name(g));
	else if (*error)
		buf_printf(&text, "link %s: %.250s", rg_link_word(g), error);
	else if (!g->fresh)
		buf_printf(&text, "not polled since %s (%s then): does Dell's "
			   "sidecar run?",
			   time_text(g->polled, when), rg_link_word(g));
	else
		buf_printf(&text, "%s, link %s, %s",
			   g->is_source ? "source" : "replica",
			   rg_link_word(g), *state ? state : "new");
	put_action(g, &text);
	snprintf(s->native, sizeof s->native, "%s", buf_str(&text));
}

/* ---- both ---- */

static void judge_side(const struct csi_view *v, const struct rg *g,
		       const struct rg *other, struct side *s)
{
	if (v->reach != REACH_OK)
		return;
	if (!g->object) {
		s->claim = s->fact = ROLE_ABSENT;
		snprintf(s->native, sizeof s->native, "no replication group");
		return;
	}
	s->claim = g->known ? role_if(g->is_source) : ROLE_UNKNOWN;
	s->fact = fact_of(g, other);
	s->busy = is_busy(g, other);
	s->promotes = rg_is_revocable(g, other, RG_UNPLANNED_FAILOVER_LOCAL);
	s->demotes = rg_is_revocable(g, other, RG_FAILOVER_REMOTE);
	put_native(g, other, s);
	if (!g->is_source)
		judge_replica(g, other, s);
	/* A failover that copies first switches the roles itself. */
	else
		s->caught_up = g->known && other->known && !other->is_source &&
			       !is_diverged(other, g);
}

/* A transfer needs both arrays, whatever becomes of the other's cluster. */
static bool data_arrives(const struct rg *g)
{
	return g->known && !g->is_source &&
	       g->link == RG_LINK_SYNC_IN_PROGRESS &&
	       g->action != RG_UNPLANNED_FAILOVER_LOCAL;
}

void powerstore_judge(const struct csi_view *here, const struct csi_view *peer,
		      struct observation *o)
{
	struct rg h, p;

	rg_read(here, &h);
	rg_read(peer, &p);
	/* What one of them is says nothing about the other. */
	if (!rg_is_pair(&h, &p))
		h.known = p.known = false;
	judge_side(here, &h, &p, &o->here);
	judge_side(peer, &p, &h, &o->peer);
	o->peer_alive = peer->reach != REACH_OK && data_arrives(&h);
}
