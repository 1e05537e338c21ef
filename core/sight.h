/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An observation in as little memory as it takes, for those that are kept: of a
 * hundred thousand replications most have next to no text.  Immutable, and
 * counted; on the loop, but for sight_new(), which may be called on any thread.
 */
#ifndef UVRFS_SIGHT_H
#define UVRFS_SIGHT_H

#include "observation.h"

struct sight;

/* With one reference; NULL without memory. */
struct sight *sight_new(const struct observation *o);
struct sight *sight_ref(struct sight *s);
/* The last one frees.  Takes NULL. */
void sight_unref(struct sight *s);

/* Makes *@to one of @s, and gives back what it was.  Both may be NULL. */
void sight_set(struct sight **to, struct sight *s);

/* The observation; of NULL one in which nobody has looked. */
void sight_read(const struct sight *s, struct observation *o);

/* The same as its other side sees it (observation_turn()), if that is asked,
   under a manifest of which here has the PVC or not.  With a reference for the
   caller; NULL without memory, and of NULL. */
struct sight *sight_seen_from(struct sight *s, bool other_side, bool holds_pvc);

/* Its `at' and its `holds_pvc'. */
int64_t sight_at(const struct sight *s);
bool sight_holds_pvc(const struct sight *s);

#endif
