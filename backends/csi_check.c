/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be so at the last moment, for every product. */
#include "csi_product.h"

#include "plan.h"

#include <errno.h>

/*
 * Who says that it is the source is made to step down first, also by force: it is
 * passed over only where somebody has said that it does not.
 */
static bool is_to_step_down(const struct csi_call *c)
{
	return c->other->reach == REACH_OK &&
	       c->seen.peer.claim == ROLE_SOURCE &&
	       !(c->order->overrides & OVERRIDE_STEP_DOWN);
}

int csi_check_lost(const struct csi_call *c, struct error *err)
{
	if (!is_to_step_down(c) && (c->order->overrides & OVERRIDE_PEER ||
				    observation_peer_is_away(&c->seen)))
		return 0;
	if (c->other->reach == REACH_OK)
		return fail(err, EBUSY, "%s answers and is, or may be, the "
			    "source: there would be two", c->other->cluster);
	return fail(err, EAGAIN, "%s: %s: whether it is the source can't be "
		    "told", c->other->cluster, c->other->why);
}
