/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one look at an RBD image at one site says, and what two such looks mean.
 * Plain values and pure functions: no Ceph in here, so that every judgement can
 * be tested without one.
 *
 * Facts about librbd in this and the other files of rbd_*: tried on Ceph 16.2
 * through librbd; docs/backend-ceph-rbd.md says what was seen.
 */
#ifndef UVRFS_RBD_VIEW_H
#define UVRFS_RBD_VIEW_H

#include "act.h"
#include "error.h"
#include "observation.h"
#include "spec.h"

#define RBD_UUID_MAX 40
#define RBD_SNAPS_MAX 16
#define RBD_NOBODY "<orphan>"		/* it has stepped down */

/* As rbd_snap_mirror_state_t, in its order. */
enum rbd_snap_state {
	RBD_SNAP_PRIMARY,
	RBD_SNAP_PRIMARY_DEMOTED,
	RBD_SNAP_NON_PRIMARY,
	RBD_SNAP_NON_PRIMARY_DEMOTED,
};

/* A mirror snapshot. */
struct rbd_snap {
	uint64_t id;
	enum rbd_snap_state state;
	bool complete;			/* of a copy: all of it is here */
	char from[RBD_UUID_MAX];	/* of a copy: the mirror uuid of the site
					   that it is from, and */
	uint64_t from_id;		/* the id that it has there */
	uint64_t copied;		/* objects, while it is not complete */
	int64_t time;			/* ms: when it was made here */
};

/* As rbd_mirror_image_status_state_t, in its order. */
enum rbd_mirror_state {
	RBD_MIRROR_UNKNOWN,
	RBD_MIRROR_ERROR,
	RBD_MIRROR_SYNCING,
	RBD_MIRROR_STARTING,
	RBD_MIRROR_REPLAYING,
	RBD_MIRROR_STOPPING,
	RBD_MIRROR_STOPPED,
};

/* What this site's rbd-mirror has published; up to 30 s old. */
struct rbd_record {
	bool known;
	bool up;
	enum rbd_mirror_state state;
	char text[64];			/* its words, up to the JSON */
	int64_t updated;		/* ms */
	int64_t data_time;		/* ms: of the newest whole snapshot, 0 */
};

/* One look. */
struct rbd_view {
	int64_t at;			/* ms; 0: none, or in vain */
	enum reach reach;
	char why[SIDE_TEXT_MAX];
	bool alive;			/* it is silent, and not dead: others
					   there answer */
	bool failed;			/* by itself: nothing is wrong with the
					   site, and `why` is the look's */
	bool pool_mirrors;		/* mirroring is enabled on the pool */
	char uuid[RBD_UUID_MAX];	/* of the pool, as mirror snapshots
					   elsewhere name it */
	bool exists;
	bool mirrored;
	enum mirroring mode;
	bool primary;			/* as the mirroring's own record says */
	bool no_writes;			/* the image's NON_PRIMARY feature, which
					   is what refuses writes; snapshot mode
					   only */
	int64_t created;		/* ms: when this image was made */
	uint64_t objects;
	struct rbd_snap snaps[RBD_SNAPS_MAX];	/* oldest first */
	unsigned snap_count;
	bool owner_known;		/* journal mode: whose it is, by the */
	char owner[RBD_UUID_MAX];	/* journal: "" this site's, RBD_NOBODY,
					   or the mirror uuid of another */
	char held_by[SIDE_TEXT_MAX];	/* journal mode: it is primary, and this
					   rbd-mirror has its exclusive lock, so
					   that nobody can write; "": none */
	enum tri in_use;
	char in_use_by[SIDE_TEXT_MAX];
	bool busy;			/* a call of ours runs there still */
	struct rbd_record record;	/* of the site's own rbd-mirror */
	int64_t peer_record;		/* ms: when the other site's rbd-mirror
					   last wrote here; 0: never */
	int64_t data_time;		/* ms: of the newest copy, remembered; */
	bool diverged;			/* and whether it has what the source of
					   then lacked */
};

/*
 * Writes what @here and @peer mean into both sides of @o, `at` and peer_alive
 * aside.  May remember the time of a copy's data in the views.
 */
void rbd_judge(struct rbd_view *here, struct rbd_view *peer,
	       struct observation *o);

/*
 * Reads an answer of the OSD class `journal` to tag_list: cls::journal::Tag,
 * whose data begin with the owner's mirror uuid (librbd/journal/Types.h).  Sets
 * the number and the owner of the newest.  Returns how many there were or
 * -EBADMSG.
 */
int rbd_tags_decode(const char *answer, size_t len, uint64_t *last,
		    char owner[static RBD_UUID_MAX]);

/* The newest mirror snapshot, or NULL. */
const struct rbd_snap *rbd_last_snap(const struct rbd_view *v);

/* Both looks agree, and nothing is on its way: no need to look often. */
bool rbd_is_settled(const struct rbd_view *a, const struct rbd_view *b);

/* What an act comes to, given two fresh looks. */
enum rbd_deed {
	RBD_DEED_NONE,			/* it has been made already */
	RBD_DEED_ENABLE,
	RBD_DEED_DEMOTE,
	RBD_DEED_PROMOTE,
	RBD_DEED_FORCE_PROMOTE,
	RBD_DEED_TAKE_LOCK,			/* from an rbd-mirror that hangs */
	RBD_DEED_RESYNC,
};

/*
 * Decides about @act at the side seen as @at, the other one being seen as
 * @other.  @overrides: enum override, what force was given for.  Returns 0 and
 * the deed, or a negative errno and a sentence; the sites' names are for that.
 */
int rbd_decide(enum act act, const struct rbd_view *at,
	       const struct rbd_view *other, unsigned overrides,
	       const char *at_name, const char *other_name,
	       enum rbd_deed *deed, struct error *err);

#endif
