/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One act on a bond, between what was seen and what is written.
 */
#ifndef UVRFS_SIM_ACT_H
#define UVRFS_SIM_ACT_H

#include "sim_model.h"

enum mode_change { MODE_KEEP, MODE_READ_ONLY, MODE_WRITABLE };

struct deed {
	struct sim *sim;
	struct bond *bond;
	const struct target *target;
	struct error *err;
	enum act act;
	uint64_t serial;
	int at;				/* the end whose cluster is called */
	bool linked;			/* its array reaches the other's */
	bool in_use;			/* the called end is, and it matters */
	bool lie;			/* claims only, the volumes stay */
	struct glance sight;		/* as seen; then as it is to be */

	/* Decided: */
	bool effect;			/* something changes */
	bool save_other;		/* the other end's record too */
	bool create;			/* volumes that are missing */
	bool remove;			/* both records */
	enum mode_change mode[2];
};

/*
 * Decides what d->act does to d->sight as it was seen.  Touches nothing but
 * @d; an act that has been made already succeeds without effect.
 */
int deed_decide(struct deed *d);

/* sim_deed.c: writes what was decided.  With the bond's disk lock held. */
int deed_commit(struct deed *d);

/* The same act was made at the called end. */
bool deed_is_done(const struct deed *d);

/* What was killed before it was listed in the journal is.  With the bond's disk
   lock held. */
int deed_list_late(struct sim *sim, struct bond *p, struct glance *s,
		   struct error *err);

#endif
