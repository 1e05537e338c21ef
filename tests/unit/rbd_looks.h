/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at two images, made up as Ceph has been seen to show them. */
#ifndef UVRFS_RBD_LOOKS_H
#define UVRFS_RBD_LOOKS_H

#include "rbd_view.h"

#include <stdio.h>
#include <string.h>

static struct rbd_view a, b;

static inline struct rbd_view site(const char *uuid, bool primary)
{
	struct rbd_view v = {
		.at = 1, .reach = REACH_OK, .pool_mirrors = true,
		.exists = true, .mirrored = true,
		.mode = MIRRORING_SNAPSHOT, .primary = primary,
		.no_writes = !primary, .objects = 10, .in_use = TRI_NO,
	};

	snprintf(v.uuid, sizeof v.uuid, "%s", uuid);
	return v;
}

static inline struct rbd_snap *snap(struct rbd_view *v, uint64_t id,
				    enum rbd_snap_state state)
{
	struct rbd_snap *s = &v->snaps[v->snap_count++];

	*s = (struct rbd_snap){.id = id, .state = state, .complete = true,
			       .time = (int64_t)id * 1000};
	return s;
}

/* A copy of the other site's snapshot @from. */
static inline struct rbd_snap *copy(struct rbd_view *v, uint64_t id,
				    enum rbd_snap_state state,
				    const struct rbd_view *other, uint64_t from)
{
	struct rbd_snap *s = snap(v, id, state);

	strcpy(s->from, other->uuid);
	s->from_id = from;
	return s;
}

/* As it is most of the time: a is primary, b follows. */
static inline void pair(void)
{
	a = site("uuid-a", true);
	b = site("uuid-b", false);
	snap(&a, 5, RBD_SNAP_PRIMARY);
	copy(&b, 3, RBD_SNAP_NON_PRIMARY, &a, 5);
}

static inline void step_down_a(void)
{
	a.primary = false;
	a.no_writes = true;
	snap(&a, 6, RBD_SNAP_PRIMARY_DEMOTED);
}

/* ... and b has the final copy. */
static inline void hand_over(void)
{
	step_down_a();
	copy(&b, 4, RBD_SNAP_NON_PRIMARY_DEMOTED, &a, 6);
}

static inline void promote_b(void)
{
	b.primary = true;
	b.no_writes = false;
	snap(&b, 7, RBD_SNAP_PRIMARY);
}

#endif
