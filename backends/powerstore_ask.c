/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking for an action.  It is an order and no wish: written twice it may be
 * carried out twice.  So it goes out under the version of the group that was
 * looked at, signed, and again only when a poll of the array that is newer than
 * its end shows that nothing has come of it.
 */
#include "powerstore.h"

#include "json_parts.h"

#include <errno.h>
#include <string.h>

/* An action that somebody wants of the group @g. */
struct asking {
	struct csi_call *c;
	const struct csi_view *v;
	enum rg_action action;
	struct rg g, other;
	struct error *err;
};

/* It runs, or so it says; 0 when it is the one that is wanted. */
static int while_under_way(struct asking *k)
{
	const struct rg *g = &k->g;

	if (g->stuck)
		return fail(k->err, EAGAIN,
			    "%s: the annotation Action of %s says that %s has "
			    "not ended, and it does not run; the sidecar would "
			    "run it instead of the next one: take that "
			    "annotation away",
			    k->v->cluster, rg_name(g), g->action_name);
	if (g->action != k->action)
		return fail(k->err, EBUSY, "%s: %s is under way in %s",
			    k->v->cluster, g->action_name, rg_name(g));
	if (g->failing)
		return fail(k->err, EAGAIN, "%s: %s of %s is tried again: %s",
			    k->v->cluster, g->action_name, rg_name(g), g->failure);
	if (!g->fresh)
		return fail(k->err, EAGAIN,
			    "%s: %s was asked of %s, and nobody does anything "
			    "about it: does Dell's sidecar run?%s%s",
			    k->v->cluster, g->action_name, rg_name(g),
			    g->untaken ? " When it does it carries that out, "
					 "unless that is taken back by "
				       : "",
			    g->untaken ? rg_way_back(g) : "");
	return 0;
}

static int not_believed(struct asking *k)
{
	const struct rg *g = &k->g;
	char when[TIME_TEXT_MAX];

	return fail(k->err, EAGAIN,
		    "%s: %s says that %s succeeded, and the array's poll of %s "
		    "still says %s, %s: not believed",
		    k->v->cluster, rg_name(g), g->action_name,
		    time_text(g->polled, when),
		    g->is_source ? "source" : "replica", rg_link_word(g));
}

/* It was asked for this request, is not there any more, and nothing has ended
   since. */
static bool was_dropped(const struct asking *k, bool own)
{
	const json_t *o = k->g.object;
	bool same = csi_is_of_request(k->c, o) &&
		    strcmp(csi_annotation(o, RG_ASKED),
			   rg_action_word(k->action)) == 0;

	return (own || same) &&
	       strcmp(k->g.finish, csi_annotation(o, RG_BEFORE)) == 0;
}

/*
 * What is said to be done can't be seen, as there is no good poll: to do it once
 * more might be for a side that is the source by now.
 */
static bool is_blind(const struct asking *k)
{
	const struct rg *g = &k->g;

	return !g->known && g->ended && g->action == k->action &&
	       csi_is_of_request(k->c, g->object);
}

static int check_ready(struct asking *k)
{
	const struct rg *g = &k->g;
	const char *state = json_text_at(csi_status(g->object), "state");

	if (csi_is_going(g->object))
		return fail(k->err, EINVAL, "%s: %s is being deleted",
			    k->v->cluster, rg_name(g));
	if (strcmp(state, "Invalid") == 0)
		return fail(k->err, EINVAL,
			    "%s: %s is Invalid: it has no protectionGroupId",
			    k->v->cluster, rg_name(g));
	if (!*state)
		return fail(k->err, EAGAIN, "%s: %s is new: it has no state yet",
			    k->v->cluster, rg_name(g));
	return 0;
}

/* The action is of this request, and has failed for good since. */
static bool has_failed(const struct asking *k, bool own)
{
	const struct rg *g = &k->g;

	return (own || csi_is_of_request(k->c, g->object)) &&
	       g->action == k->action && *g->failure &&
	       strcmp(g->finish, csi_annotation(g->object, RG_BEFORE)) != 0;
}

static int decide(struct asking *k)
{
	const struct rg *g = &k->g;
	bool own = csi_is_of_act(k->c, g->object);
	int rc = check_ready(k);

	if (rc)
		return rc;
	if (g->under_way)
		return while_under_way(k);
	if (has_failed(k, own))
		return fail(k->err, EINVAL, "%s: %s of %s failed: %s",
			    k->v->cluster, g->action_name, rg_name(g),
			    g->failure);
	if (was_dropped(k, own))
		return fail(k->err, EOPNOTSUPP,
			    "%s: %s of %s was dropped and not carried out; the "
			    "driver may not support it: see the events of the "
			    "group",
			    k->v->cluster, rg_action_word(k->action), rg_name(g));
	/* Or somebody else's took its place before it was seen. */
	if (own && g->action == k->action)
		return 0;
	if (is_blind(k))
		return fail(k->err, EAGAIN,
			    "%s: %s of %s has ended, and no poll tells what has "
			    "come of it (link %s)",
			    k->v->cluster, g->action_name, rg_name(g),
			    rg_link_word(g));
	if (rg_awaits_poll(g, &k->other))
		return fail(k->err, EAGAIN,
			    "%s: the array has not been polled for %s since "
			    "something was done",
			    k->v->cluster, rg_name(g));
	if (rg_may_go_on(g))
		return fail(k->err, EAGAIN,
			    "%s: %s says that %s succeeded, and the array that "
			    "it is the %s, %s: it may still be at it",
			    k->v->cluster, rg_name(g), g->action_name,
			    g->is_source ? "source" : "replica",
			    rg_link_word(g));
	if (rg_is_contradicted(g) && g->action == k->action &&
	    !csi_was_told(k->c))
		return not_believed(k);
	return 1;
}

int rg_may_ask(struct csi_call *c, const struct csi_view *v,
	       enum rg_action action, struct error *err)
{
	struct asking k = {.c = c, .v = v, .action = action, .err = err};

	rg_read(v, &k.g);
	rg_read(v == c->at ? c->other : c->at, &k.other);
	return decide(&k);
}

int rg_ask(struct csi_call *c, const struct csi_view *v, enum rg_action action,
	   struct error *err)
{
	struct rg g;
	json_t *body;

	rg_read(v, &g);
	body = json_pack("{s:{s:s}, s:{s:{s:s, s:s}}}", "spec", "action",
			 rg_action_word(action), "metadata", "annotations",
			 RG_BEFORE, g.finish, RG_ASKED,
			 rg_action_word(action));
	if (!body)
		return fail(err, ENOMEM, "no memory for %s",
			    rg_action_word(action));
	return csi_patch(c, v, RG_PART, body, err);
}

/*
 * The sidecar begins with an action by a write of its own, the annotation
 * Action, under the version that it has read.  Of that and of this one write
 * one comes first, and the other is refused: it is taken back, or begun.
 */
int rg_take_back(struct csi_call *c, const struct csi_view *v,
		 struct error *err)
{
	json_t *body = json_pack("{s:{s:s}, s:{s:{s:n, s:n}}}", "spec", "action",
				 "", "metadata", "annotations", RG_BEFORE,
				 RG_ASKED);

	if (!body)
		return fail(err, ENOMEM, "no memory to take an action back");
	return csi_patch(c, v, RG_PART, body, err);
}
