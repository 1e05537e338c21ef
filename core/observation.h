/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend has seen of one relationship, both sides of it.  A plain
 * value: copied, never shared.  A claim is what the product's own object says;
 * a fact is what a second, independent look at the storage says.  The two are
 * kept apart because every product's claim has been seen to lie.
 */
#ifndef UVRFS_OBSERVATION_H
#define UVRFS_OBSERVATION_H

#include <stdbool.h>
#include <stdint.h>

enum reach {
	REACH_UNKNOWN,		/* not asked yet */
	REACH_OK,		/* answered */
	REACH_SILENT,		/* no answer: connect failed or timed out */
	REACH_REFUSED,		/* answered, but credentials or TLS refused */
	REACH_UNCONFIGURED,	/* nobody told us how to ask */
};

enum role {
	ROLE_UNKNOWN,		/* can't be told */
	ROLE_ABSENT,		/* there is no such volume or relationship */
	ROLE_SOURCE,		/* writable */
	ROLE_REPLICA,		/* not writable */
};

enum tri { TRI_UNKNOWN, TRI_NO, TRI_YES };

#define SIDE_TEXT_MAX 128
/* Fits what a driver says of a failure, the cause at its end, and before that
   what failed. */
#define NATIVE_MAX 480

struct side {
	enum reach reach;
	enum role claim;	/* what the object says */
	enum role fact;		/* what the second look says; ROLE_UNKNOWN when
				   the backend has none */
	enum tri in_use;	/* attached or open; TRI_UNKNOWN: can't tell */
	bool busy;		/* an action runs there */
	bool complete;		/* a replica that holds a whole, consistent copy
				   (the first copy is over) */
	bool following;		/* a replica that takes its data from the other */
	bool caught_up;		/* a replica that holds all that the other side
				   had when that one stepped down */
	bool diverged;		/* has writes that the other side lacks and that
				   following the other would destroy */
	bool has_last_copy;	/* would lose the last consistent copy when
				   rebuilt */
	bool promotes;		/* a replica that the storage still tries to
					   make the source, as it was once told */
	bool demotes;		/* it was told to step down, and the storage has
				   not begun: that can be taken back */
	bool can_verify;	/* ACT_VERIFY would bring a second fact, which
				   is not there */
	int progress;		/* percent of the running copy, -1: none */
	int64_t data_time;	/* ms: when a replica's data was current; 0 */
	char native[NATIVE_MAX];	/* the product's own words */
	char in_use_by[SIDE_TEXT_MAX];	/* who uses it, when in_use is yes */
	char why[SIDE_TEXT_MAX];	/* why reach is not OK, a phrase */
};

struct observation {
	int64_t at;		/* ms: when this was observed; 0: never */
	bool holds_pvc;		/* whose view it is: here has the manifest's PVC,
				   and the peer its volume handle; else the
				   other way round (target.here_is_destination) */
	struct side here;
	struct side peer;
	bool peer_alive;	/* the storage here shows the peer alive, even
				   if the peer gives us no answer */
	/* What the storage acts on, when that is more than this one volume: an
	   act moves all of its members. */
	char group[SIDE_TEXT_MAX];	/* "": this volume alone */
	char strangers[SIDE_TEXT_MAX];	/* members that no replication is for */
};

/* The words that users read. */
const char *reach_text(enum reach reach);
const char *role_text(enum role role);

/* The role that claim and fact agree on, else ROLE_UNKNOWN. */
enum role side_verified_role(const struct side *side);

/*
 * Nothing at the peer can be the source, for all that is known: it is lost, or it
 * says that it is a replica, and no second fact denies that.
 */
bool observation_peer_is_away(const struct observation *o);

/* Both sides are known to be writable, by claim or by fact. */
bool observation_is_split(const struct observation *o);

/* Makes it the view of the other side.  What only this one could tell (its
   group, and whether its peer is alive when that gives no answer) is dropped. */
void observation_turn(struct observation *o);

/* True when nothing that users can see differs, times of day apart. */
bool observation_equal(const struct observation *a,
		       const struct observation *b);

#endif
