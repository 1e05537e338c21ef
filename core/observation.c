/* SPDX-License-Identifier: Apache-2.0 */
/* Reading observations: claims against facts, and what differs. */
#include "observation.h"

#include <string.h>

static const char *const reaches[] = {
	[REACH_UNKNOWN] = "unknown",	   [REACH_OK] = "ok",
	[REACH_SILENT] = "silent",	   [REACH_REFUSED] = "refused",
	[REACH_UNCONFIGURED] = "unconfigured",
};

static const char *const roles[] = {
	[ROLE_UNKNOWN] = "unknown",
	[ROLE_ABSENT] = "absent",
	[ROLE_SOURCE] = "source",
	[ROLE_REPLICA] = "replica",
};

const char *reach_text(enum reach reach)
{
	return reaches[reach];
}

const char *role_text(enum role role)
{
	return roles[role];
}

enum role side_verified_role(const struct side *side)
{
	if (side->reach != REACH_OK || side->claim != side->fact)
		return ROLE_UNKNOWN;
	return side->claim;
}

static bool may_be_writable(const struct side *side)
{
	return side->reach == REACH_OK &&
	       (side->claim == ROLE_SOURCE || side->fact == ROLE_SOURCE);
}

bool observation_is_split(const struct observation *o)
{
	return may_be_writable(&o->here) && may_be_writable(&o->peer);
}

static bool side_equal(const struct side *a, const struct side *b)
{
	return a->reach == b->reach && a->claim == b->claim &&
	       a->fact == b->fact && a->in_use == b->in_use &&
	       a->busy == b->busy && a->complete == b->complete &&
	       a->following == b->following && a->caught_up == b->caught_up &&
	       a->diverged == b->diverged &&
	       a->has_last_copy == b->has_last_copy &&
	       a->promotes == b->promotes && a->demotes == b->demotes &&
	       a->can_verify == b->can_verify &&
	       a->progress == b->progress && a->data_time == b->data_time &&
	       strcmp(a->native, b->native) == 0 &&
	       strcmp(a->in_use_by, b->in_use_by) == 0 &&
	       strcmp(a->why, b->why) == 0;
}

bool observation_peer_is_away(const struct observation *o)
{
	const struct side *peer = &o->peer;

	if (peer->reach == REACH_OK)
		return peer->claim == ROLE_REPLICA &&
		       (peer->fact == ROLE_REPLICA ||
			peer->fact == ROLE_UNKNOWN);
	return peer->reach == REACH_SILENT && !o->peer_alive;
}

void observation_turn(struct observation *o)
{
	struct side here = o->here;

	o->here = o->peer;
	o->peer = here;
	o->holds_pvc = !o->holds_pvc;
	/* Whether that one is alive nobody has looked. */
	o->peer_alive = o->peer.reach == REACH_SILENT;
	*o->group = *o->strangers = '\0';
}

bool observation_equal(const struct observation *a, const struct observation *b)
{
	return (a->at == 0) == (b->at == 0) && a->holds_pvc == b->holds_pvc &&
	       a->peer_alive == b->peer_alive &&
	       strcmp(a->group, b->group) == 0 &&
	       strcmp(a->strangers, b->strangers) == 0 &&
	       side_equal(&a->here, &b->here) && side_equal(&a->peer, &b->peer);
}
