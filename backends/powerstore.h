/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dell's replication groups: what one says, and what may be asked of it.
 * Private to powerstore*.c.
 *
 * A group has two stories: what became of the last action, which Dell's sidecar
 * tells and which may be a lie, since the driver takes most errors of the array
 * for successes; and what the array was seen to be at the last poll.  Facts of
 * both: the sources of csm-replication 7a573dd0 and csi-powerstore 8db0ba6a.
 */
#ifndef UVRFS_POWERSTORE_H
#define UVRFS_POWERSTORE_H

#include "csi_product.h"

enum {RG_KIND = CSI_COMMON};	/* DellCSIReplicationGroup */
enum {RG_PART};			/* where views have it */

/* The annotation with which an act says what had ended before it. */
#define RG_BEFORE "uvrfs/before"
#define RG_NOTHING "none"

/* And with this one which action that was. */
#define RG_ASKED "uvrfs/action"

/* A poll comes every 60 s, or every second time when it is late; three that
   are missed are too many. */
#define RG_OLD_MS 180000

enum rg_link {
	RG_LINK_UNKNOWN,		/* also: a word that is none of these */
	RG_LINK_SYNCHRONIZED,
	RG_LINK_SYNC_IN_PROGRESS,
	RG_LINK_SUSPENDED,
	RG_LINK_FAILEDOVER,
	RG_LINK_INVALID,
	RG_LINK_EMPTY,			/* the array was not asked */
};

enum rg_action {
	RG_NO_ACTION,
	RG_FAILOVER_REMOTE,
	RG_UNPLANNED_FAILOVER_LOCAL,
	RG_REPROTECT_LOCAL,
	RG_RESUME,
	RG_SUSPEND,
	RG_SYNC,
	RG_OTHER_ACTION,		/* of other arrays */
};

struct rg {
	const json_t *object;		/* NULL: none, or its side is silent */
	int64_t now;
	/* The array, by the last poll. */
	enum rg_link link;
	bool is_source;
	int64_t polled;			/* ms; 0: never */
	bool fresh;			/* the poll is not too old */
	bool known;			/* role and link are */
	/* The action that is under way, else the one that ended last. */
	enum rg_action action;
	char action_name[64];
	bool under_way;
	bool failing;			/* ... its last try failed; it is tried
					   again */
	bool untaken;			/* ... as uvrfs has asked, and nobody
					   has begun: it can be taken back */
	bool stuck;			/* ... as an annotation says, and nobody
					   does anything about it */
	bool succeeded;			/* it ended; so says the sidecar */
	int64_t ended;			/* ms; 0: it has not, or there was none */
	char finish[64];		/* the same as text, RG_NOTHING for none */
	char failure[200];		/* why it failed, for good or so far */
};

/* ---- powerstore_group.c ---- */

/* Reads the group of @v; its strings are those of the view's objects. */
void rg_read(const struct csi_view *v, struct rg *g);

const char *rg_name(const struct rg *g);
const char *rg_link_word(const struct rg *g);
const char *rg_action_word(enum rg_action action);

/* Both are of one session of the arrays, or one is not there. */
bool rg_is_pair(const struct rg *g, const struct rg *other);

/* The array is as that action would make it. */
bool rg_is_done(const struct rg *g, enum rg_action action);

/*
 * That action waits to be carried out on @g and can be taken back: unless it is
 * to end two sources, which is better than that.
 */
bool rg_is_revocable(const struct rg *g, const struct rg *other,
		     enum rg_action action);

/* For people: what takes back that which is `untaken'. */
const char *rg_way_back(const struct rg *g);

/* Something has ended, here or there, that no poll of this array has seen. */
bool rg_awaits_poll(const struct rg *g, const struct rg *other);

/* Data moves, or all has: by the word of the last poll. */
bool rg_is_linked(const struct rg *g);

/*
 * The last action was a failover and is said to have succeeded, but the array
 * may be at it still: SYNC_IN_PROGRESS is said of that, too.
 */
bool rg_may_go_on(const struct rg *g);

/*
 * The last action is said to have succeeded, and a later poll says that nothing
 * has come of it.
 */
bool rg_is_contradicted(const struct rg *g);

/* It has been a source, and the array has taken that away. */
bool rg_was_source(const struct rg *g);

/* It was source last, until a failover that copied everything first. */
bool rg_stepped_down(const struct rg *g);

/* It has become the source by a failover that copied nothing. */
bool rg_took_over(const struct rg *g);

/* ---- powerstore_judge.c ---- */
void powerstore_judge(const struct csi_view *here, const struct csi_view *peer,
		      struct observation *o);

/* ---- powerstore_ask.c: worker ---- */

/*
 * Whether @action may be asked of the group of @v, one of the call's two: 1,
 * or what the act comes to: 0 when it runs, or has run for this very act, else
 * -errno and why it may not.
 */
int rg_may_ask(struct csi_call *c, const struct csi_view *v,
	       enum rg_action action, struct error *err);
int rg_ask(struct csi_call *c, const struct csi_view *v, enum rg_action action,
	   struct error *err);

/* Takes back what is `untaken' there. */
int rg_take_back(struct csi_call *c, const struct csi_view *v,
		 struct error *err);

/* ---- powerstore_act.c ---- */
int powerstore_act(struct csi_call *c, struct error *err);
void powerstore_describe(const struct csi_view *at,
			 const struct csi_view *other, enum act act,
			 struct buf *out);

#endif
