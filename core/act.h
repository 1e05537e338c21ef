/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acts that a reconcile can ask of a backend.  `here` is the site that
 * `state` speaks of, `peer` the other endpoint.
 */
#ifndef UVRFS_ACT_H
#define UVRFS_ACT_H

#include <stdbool.h>

enum act {
	ACT_NONE,
	ACT_CREATE,		/* set up a relationship where there is none */
	ACT_DEMOTE_PEER,	/* the peer steps down with a final sync */
	ACT_AWAIT_FINAL_COPY,	/* no call: wait until the final sync is here */
	ACT_PROMOTE,		/* make here writable; fails when data is lacking */
	ACT_FORCE_PROMOTE,	/* make here writable whatever the peer does */
	ACT_DEMOTE,		/* here steps down with a final sync */
	ACT_AWAIT_PEER_COPY,	/* no call: wait until the peer has it */
	ACT_RESYNC,		/* rebuild here from the peer; local writes go */
	ACT_AWAIT_RESYNC,	/* no call: wait until that copy is complete */
	ACT_PROMOTE_PEER,	/* give the source role back to the peer */
	ACT_RESYNC_PEER,	/* rebuild the peer from here; its writes go */
	ACT_AWAIT_PEER_RESYNC,	/* no call: wait until the peer follows */
	ACT_DELETE,		/* remove the relationship, keep both volumes */
	ACT_VERIFY,		/* a second look at here that needs a call */
	ACT_VERIFY_PEER,	/* the same at the peer */
	ACT_COUNT
};

/* The act's name, "none" for ACT_NONE; and back, -1 when it is none. */
const char *act_text(enum act act);
int act_parse(const char *text);

/* True for the acts that make no call. */
bool act_is_wait(enum act act);

/* True for the acts that only look. */
bool act_is_look(enum act act);

/* True for the acts whose call goes to the peer's cluster. */
bool act_is_at_peer(enum act act);

#endif
