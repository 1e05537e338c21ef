/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one side is, by what both say: each triple of Completed, Degraded and
 * Resyncing, with the other side and without, stale or not.
 */
#ifndef UVRFS_CEPH_ROWS_H
#define UVRFS_CEPH_ROWS_H

#include "ceph_views.h"

#define T1 "2026-11-28T01:00:00Z"
#define T2 "2026-11-28T02:00:00Z"
#define T3 "2026-11-28T03:00:00Z"
#define PROOF "7/u"

#define NONE {0}
#define SECONDARY(marks) {.asked = "secondary", .cdr = marks}
#define STEPPED(marks, note) \
	{.asked = "secondary", .cdr = marks, .stepped = note}
#define STEPS_DOWN(note) \
	{.asked = "secondary", .state = "Primary", .cdr = "TFF", .lag = 1, \
	 .replicating = "T", .stepped = note}
#define CAN_NOT_FOLLOW \
	{.asked = "secondary", .cdr = "FTF", .reason = "FailedToResync"}
#define PRIMARY(says) {.asked = "primary", .cdr = "TFF", .replicating = says, \
		       .synced = T1}

enum {
	BUSY = 1, FOLLOWING = 2, COMPLETE = 4, CAUGHT_UP = 8, DIVERGED = 16,
	CAN_VERIFY = 32, PROMOTES = 64, DEMOTES = 128,
};

/* One side, by what it says and by what the other does. */
struct row {
	struct vr at, other;
	bool silent;			/* the other */
	enum role claim, fact;
	unsigned is, is_not;
};

static const struct row replicas[] = {
	/* Just stepped down: nothing proves it, nothing has crossed. */
	{SECONDARY("TTF"), PRIMARY("T"), false, ROLE_REPLICA, ROLE_UNKNOWN, 0,
	 BUSY | FOLLOWING | CAUGHT_UP},
	{SECONDARY("TTF"), SECONDARY("TTF"), false, ROLE_REPLICA, ROLE_UNKNOWN,
	 0, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TTF"), SECONDARY("TFF"), false, ROLE_REPLICA, ROLE_UNKNOWN,
	 CAUGHT_UP, BUSY | DIVERGED},
	{SECONDARY("TTF"), NONE, false, ROLE_REPLICA, ROLE_UNKNOWN, 0,
	 BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TTF"), NONE, true, ROLE_REPLICA, ROLE_UNKNOWN, 0,
	 BUSY | CAUGHT_UP | DIVERGED},
	/* Replays from a live primary. */
	{SECONDARY("TTT"), PRIMARY("T"), false, ROLE_REPLICA, ROLE_REPLICA,
	 FOLLOWING | COMPLETE, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TTT"), PRIMARY("U"), false, ROLE_REPLICA, ROLE_REPLICA,
	 FOLLOWING | COMPLETE, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TTT"), SECONDARY("TTT"), false, ROLE_REPLICA, ROLE_REPLICA,
	 FOLLOWING | COMPLETE, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TTT"), SECONDARY("TTF"), false, ROLE_REPLICA, ROLE_REPLICA,
	 COMPLETE, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TTT"), SECONDARY("TFF"), false, ROLE_REPLICA, ROLE_REPLICA,
	 COMPLETE | CAUGHT_UP, BUSY | DIVERGED},
	{SECONDARY("TTT"), NONE, true, ROLE_REPLICA, ROLE_REPLICA, COMPLETE,
	 BUSY | CAUGHT_UP | DIVERGED},
	/* It was the source, and neither has been asked for anything since;
	   whether its last copy has crossed, or fails to, is the same to it. */
	{STEPPED("TTT", "7 beside 7/u"), SECONDARY("TTT"), false, ROLE_REPLICA,
	 ROLE_REPLICA, CAUGHT_UP, BUSY | DIVERGED},
	{STEPPED("TTF", "7 beside 7/u"), SECONDARY("TTF"), false, ROLE_REPLICA,
	 ROLE_UNKNOWN, CAUGHT_UP, BUSY | DIVERGED},
	{STEPPED("TTT", "7 beside 7/u"), CAN_NOT_FOLLOW, false, ROLE_REPLICA,
	 ROLE_REPLICA, CAUGHT_UP, BUSY | DIVERGED},
	{{.asked = "secondary", .cdr = "FTF", .reason = "FailedToResync",
	  .stepped = "7 beside 7/u"},
	 SECONDARY("TTT"), false, ROLE_REPLICA, ROLE_UNKNOWN, CAUGHT_UP,
	 BUSY | DIVERGED},
	{SECONDARY("TTT"), STEPPED("TTT", "7 beside 7/u"), false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	/* That of another time, or nobody stood by. */
	{STEPPED("TTT", "6 beside 7/u"), SECONDARY("TTT"), false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{STEPPED("TTT", "7 beside 6/u"), SECONDARY("TTT"), false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{STEPPED("TTT", "7 beside 7/v"), SECONDARY("TTT"), false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{STEPPED("TTT", "7"), SECONDARY("TTT"), false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP | DEMOTES},
	{STEPPED("TTT", "7 beside 7/u"), NONE, true, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{STEPPED("TTT", "7 beside 7/u"), NONE, false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{STEPPED("TTT", "7 beside 7/u"), PRIMARY("T"), false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{STEPPED("TTT", "7 beside 7/u"),
	 {.asked = "secondary", .cdr = "TTT", .lag = 1}, false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{STEPPED("TTT", "7 beside 7/u"),
	 {.asked = "primary", .state = "Secondary", .cdr = "FTF",
	  .reason = "FailedToPromote"},
	 false, ROLE_REPLICA, ROLE_REPLICA, 0, CAUGHT_UP},
	{{.asked = "secondary", .cdr = "TTT", .lag = 1,
	  .stepped = "7 beside 7/u"},
	 SECONDARY("TTT"), false, ROLE_REPLICA, ROLE_UNKNOWN, BUSY, CAUGHT_UP},
	{{.asked = "secondary", .cdr = "FTF", .reason = "FailedToDemote",
	  .state = "Primary", .stepped = "7 beside 7/u"},
	 SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_UNKNOWN, DEMOTES,
	 BUSY | CAUGHT_UP},
	/* All has crossed: true as long as nobody has been promoted since. */
	{SECONDARY("TFF"), SECONDARY("TFF"), false, ROLE_REPLICA, ROLE_REPLICA,
	 COMPLETE | CAUGHT_UP, BUSY | DIVERGED},
	{SECONDARY("TFF"), SECONDARY("TTT"), false, ROLE_REPLICA, ROLE_REPLICA,
	 COMPLETE, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TFF"), SECONDARY("TTF"), false, ROLE_REPLICA, ROLE_REPLICA,
	 COMPLETE, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TFF"), PRIMARY("T"), false, ROLE_REPLICA, ROLE_REPLICA,
	 COMPLETE | FOLLOWING, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TFF"), PRIMARY("F"), false, ROLE_REPLICA, ROLE_UNKNOWN,
	 COMPLETE, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TFF"), PRIMARY(NULL), false, ROLE_REPLICA, ROLE_UNKNOWN,
	 COMPLETE, BUSY | CAUGHT_UP | DIVERGED},
	{SECONDARY("TFF"), NONE, false, ROLE_REPLICA, ROLE_UNKNOWN, 0,
	 BUSY | CAUGHT_UP | DIVERGED},
	/* The source is lost: what it said last is what there is. */
	{SECONDARY("TFF"), NONE, true, ROLE_REPLICA, ROLE_REPLICA, COMPLETE,
	 BUSY | CAUGHT_UP | DIVERGED},
	/* What the other has been told since is not what it did. */
	{SECONDARY("TFF"),
	 {.asked = "primary", .state = "Secondary", .cdr = "TFF", .lag = 1,
	  .stale = "Completed Degraded Resyncing"},
	 false, ROLE_REPLICA, ROLE_UNKNOWN, 0, CAUGHT_UP},
	{SECONDARY("TTT"),
	 {.asked = "resync", .cdr = "TFF"}, false, ROLE_REPLICA, ROLE_REPLICA,
	 0, CAUGHT_UP},
	/* A step down or a resync that failed. */
	{{.asked = "secondary", .cdr = "FTF", .reason = "FailedToDemote"},
	 PRIMARY("T"), false, ROLE_REPLICA, ROLE_UNKNOWN, 0, BUSY | CAUGHT_UP},
	{{.asked = "secondary", .cdr = "FTF", .reason = "FailedToDemote",
	  .state = "Primary"},
	 SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_UNKNOWN, 0,
	 BUSY | CAUGHT_UP},
	{{.asked = "secondary", .cdr = "FTF", .reason = "FailedToDemote"},
	 NONE, true, ROLE_REPLICA, ROLE_UNKNOWN, 0, BUSY | CAUGHT_UP},
};

static const struct row sources[] = {
	/* The mirror reports. */
	{PRIMARY("T"), SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_SOURCE, 0,
	 BUSY | CAN_VERIFY | CAUGHT_UP},
	{PRIMARY("T"), SECONDARY("TTF"), false, ROLE_SOURCE, ROLE_SOURCE, 0,
	 BUSY | CAN_VERIFY},
	{PRIMARY("T"), NONE, false, ROLE_SOURCE, ROLE_SOURCE, 0,
	 BUSY | CAN_VERIFY},
	{PRIMARY("T"), NONE, true, ROLE_SOURCE, ROLE_SOURCE, 0,
	 BUSY | CAN_VERIFY},
	/* It does not; the other copies from something that lives, or not. */
	{PRIMARY("U"), SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_SOURCE, 0,
	 BUSY | CAN_VERIFY},
	{PRIMARY(NULL), SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_SOURCE, 0,
	 BUSY | CAN_VERIFY},
	{PRIMARY(NULL), SECONDARY("TTF"), false, ROLE_SOURCE, ROLE_UNKNOWN,
	 CAN_VERIFY, BUSY},
	{PRIMARY(NULL), SECONDARY("TFF"), false, ROLE_SOURCE, ROLE_UNKNOWN,
	 CAN_VERIFY, BUSY},
	{PRIMARY("U"), NONE, true, ROLE_SOURCE, ROLE_UNKNOWN, CAN_VERIFY,
	 BUSY},
	{PRIMARY("F"), NONE, true, ROLE_SOURCE, ROLE_UNKNOWN, CAN_VERIFY,
	 BUSY},
	{PRIMARY(NULL), NONE, false, ROLE_SOURCE, ROLE_UNKNOWN, CAN_VERIFY,
	 BUSY},
	{PRIMARY(NULL),
	 {.asked = "secondary", .cdr = "TTT", .lag = 1}, false, ROLE_SOURCE,
	 ROLE_UNKNOWN, 0, 0},
	{PRIMARY(NULL), {.asked = "secondary", .cdr = "TTT",
			 .stale = "Resyncing"},
	 false, ROLE_SOURCE, ROLE_UNKNOWN, 0, 0},
	/* A snapshot was taken. */
	{{.asked = "primary", .cdr = "TFF", .proof = PROOF}, NONE, true,
	 ROLE_SOURCE, ROLE_SOURCE, 0, BUSY | CAN_VERIFY},
	{{.asked = "primary", .cdr = "TFF", .replicating = "F",
	  .proof = PROOF},
	 NONE, true, ROLE_SOURCE, ROLE_SOURCE, 0, BUSY | CAN_VERIFY},
	{{.asked = "primary", .cdr = "TFF", .proof = PROOF},
	 SECONDARY("TFF"), false, ROLE_SOURCE, ROLE_SOURCE, 0, BUSY},
	/* ... of another spec, or of another object. */
	{{.asked = "primary", .cdr = "TFF", .proof = "6/u"}, NONE, true,
	 ROLE_SOURCE, ROLE_UNKNOWN, CAN_VERIFY, BUSY},
	{{.asked = "primary", .cdr = "TFF", .proof = "7/v"}, NONE, true,
	 ROLE_SOURCE, ROLE_UNKNOWN, CAN_VERIFY, BUSY},
	/* Demoted behind its back: nothing is copied, and somebody waits. */
	{{.asked = "primary", .cdr = "TFF", .replicating = "F",
	  .proof = PROOF},
	 SECONDARY("TFF"), false, ROLE_SOURCE, ROLE_UNKNOWN, 0, BUSY},
	{{.asked = "primary", .cdr = "TFF", .replicating = "F",
	  .proof = PROOF},
	 SECONDARY("TTF"), false, ROLE_SOURCE, ROLE_UNKNOWN, 0, BUSY},
	/* Both. */
	{PRIMARY("T"), PRIMARY("F"), false, ROLE_SOURCE, ROLE_SOURCE, 0,
	 CAUGHT_UP},
	{PRIMARY("F"), PRIMARY("T"), false, ROLE_SOURCE, ROLE_UNKNOWN, 0,
	 CAUGHT_UP},
};

#define STALE(marks, conditions) \
	{.asked = "secondary", .cdr = marks, .stale = conditions}

static const struct row others[] = {
	/* Told, not done: no failure. */
	{{.asked = "primary", .state = "Secondary", .cdr = "TTT", .lag = 1,
	  .stale = "Completed Degraded Resyncing"},
	 PRIMARY("T"), false, ROLE_REPLICA, ROLE_UNKNOWN, BUSY | PROMOTES,
	 CAUGHT_UP},
	{{.asked = "primary", .state = "Secondary", .cdr = "TTT", .lag = 1,
	  .stale = "Completed Degraded Resyncing"},
	 NONE, true, ROLE_REPLICA, ROLE_UNKNOWN, BUSY | PROMOTES, CAUGHT_UP},
	{{.asked = "secondary", .state = "Primary", .cdr = "TFF", .lag = 1,
	  .replicating = "T", .stale = "Completed Degraded Replicating"},
	 SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_UNKNOWN, BUSY,
	 CAUGHT_UP | PROMOTES | DEMOTES},
	/* uvrfs has told it, and that can be taken back; or another has, or to
	   end two sources, or for one that may be promoted any moment. */
	{STEPS_DOWN("7"), SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_UNKNOWN,
	 BUSY | DEMOTES, 0},
	{STEPS_DOWN("7 beside 7/u"), CAN_NOT_FOLLOW, false, ROLE_SOURCE,
	 ROLE_UNKNOWN, BUSY | DEMOTES, 0},
	{STEPS_DOWN("7"), NONE, true, ROLE_SOURCE, ROLE_UNKNOWN, BUSY | DEMOTES,
	 0},
	{STEPS_DOWN("6"), SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_UNKNOWN,
	 BUSY, DEMOTES},
	{STEPS_DOWN("7"), PRIMARY("T"), false, ROLE_SOURCE, ROLE_UNKNOWN, BUSY,
	 DEMOTES},
	{STEPS_DOWN("7"),
	 {.asked = "primary", .state = "Secondary", .cdr = "TTT", .lag = 1},
	 false, ROLE_SOURCE, ROLE_UNKNOWN, BUSY, DEMOTES},
	{STEPS_DOWN("7"), {.asked = "secondary", .cdr = "TTT", .lag = 1},
	 false, ROLE_SOURCE, ROLE_UNKNOWN, BUSY, DEMOTES},
	/* Only the spec's generation was looked at, or only the status's. */
	{STALE("TTT", "Completed"), PRIMARY("T"), false, ROLE_REPLICA,
	 ROLE_UNKNOWN, BUSY, 0},
	{{.asked = "secondary", .cdr = "TTT", .lag = 1}, PRIMARY("T"), false,
	 ROLE_REPLICA, ROLE_UNKNOWN, BUSY, 0},
	{{.asked = "primary", .cdr = "TFF", .replicating = "T", .lag = 1},
	 SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_UNKNOWN, BUSY, PROMOTES},
	/* Each condition counts for its own. */
	{STALE("TTT", "Degraded"), PRIMARY("T"), false, ROLE_REPLICA,
	 ROLE_UNKNOWN, 0, CAUGHT_UP},
	{STALE("TTT", "Resyncing"), PRIMARY("T"), false, ROLE_REPLICA,
	 ROLE_UNKNOWN, 0, CAUGHT_UP | DIVERGED},
	{STALE("TFF", "Degraded"), SECONDARY("TFF"), false, ROLE_REPLICA,
	 ROLE_UNKNOWN, CAUGHT_UP, 0},
	{SECONDARY("TTT"), STALE("TFF", "Degraded"), false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{SECONDARY("TTT"), STALE("TFF", "Resyncing"), false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{SECONDARY("TTT"), STALE("TFF", "Completed"), false, ROLE_REPLICA,
	 ROLE_REPLICA, 0, CAUGHT_UP},
	{{.asked = "primary", .cdr = "TFF", .replicating = "T",
	  .stale = "Replicating"},
	 NONE, true, ROLE_SOURCE, ROLE_UNKNOWN, CAN_VERIFY, BUSY},
	{SECONDARY("TFF"), {.asked = "primary", .cdr = "TFF",
			    .replicating = "T", .stale = "Replicating"},
	 false, ROLE_REPLICA, ROLE_UNKNOWN, 0, CAUGHT_UP},
	/* Unknown, or not said at all. */
	{SECONDARY("UTT"), PRIMARY("T"), false, ROLE_REPLICA, ROLE_UNKNOWN,
	 BUSY, 0},
	{SECONDARY("---"), PRIMARY("T"), false, ROLE_REPLICA, ROLE_UNKNOWN,
	 BUSY, 0},
	{SECONDARY("TUU"), PRIMARY("T"), false, ROLE_REPLICA, ROLE_UNKNOWN, 0,
	 BUSY | DIVERGED},
	{{.asked = "primary", .state = "Unknown", .cdr = "UFF"}, NONE, true,
	 ROLE_UNKNOWN, ROLE_UNKNOWN, BUSY, COMPLETE | CAUGHT_UP | PROMOTES},
	{{.asked = "primary", .state = "Unknown", .cdr = "TFF",
	  .replicating = "T"},
	 SECONDARY("TTT"), false, ROLE_UNKNOWN, ROLE_UNKNOWN, BUSY, COMPLETE},
	/* Spec and status disagree, though all is of this generation. */
	{{.asked = "primary", .state = "Secondary", .cdr = "TTT"},
	 PRIMARY("T"), false, ROLE_REPLICA, ROLE_UNKNOWN, BUSY, CAUGHT_UP},
	{{.asked = "secondary", .state = "Primary", .cdr = "TFF",
	  .replicating = "T"},
	 SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_UNKNOWN, BUSY, 0},
	/* Failed; the copy is what it was. */
	{{.asked = "primary", .state = "Secondary", .cdr = "FTF",
	  .reason = "FailedToPromote"},
	 SECONDARY("TFF"), false, ROLE_REPLICA, ROLE_REPLICA,
	 COMPLETE | CAUGHT_UP, BUSY},
	{{.asked = "primary", .state = "Secondary", .cdr = "FTF",
	  .reason = "FailedToPromote"},
	 SECONDARY("TTF"), false, ROLE_REPLICA, ROLE_UNKNOWN,
	 COMPLETE | PROMOTES, BUSY | CAUGHT_UP},
	{{.asked = "primary", .state = "Secondary", .cdr = "FTF",
	  .reason = "FailedToPromote", .stale = "Completed"},
	 SECONDARY("TFF"), false, ROLE_REPLICA, ROLE_UNKNOWN, BUSY, 0},
	{{.asked = "primary", .state = "Unknown", .cdr = "FTF",
	  .reason = "FailedToPromote"},
	 SECONDARY("TFF"), false, ROLE_UNKNOWN, ROLE_UNKNOWN, 0,
	 BUSY | COMPLETE},
	{{.asked = "secondary", .cdr = "TTT", .invalid = true}, PRIMARY("T"),
	 false, ROLE_REPLICA, ROLE_UNKNOWN, 0, BUSY},
	{{.asked = "primary", .cdr = "TFF", .replicating = "T",
	  .invalid = true},
	 SECONDARY("TTT"), false, ROLE_SOURCE, ROLE_UNKNOWN, 0, BUSY},
	/* Nothing there. */
	{NONE, PRIMARY("T"), false, ROLE_ABSENT, ROLE_ABSENT, 0,
	 BUSY | COMPLETE | FOLLOWING | CAUGHT_UP},
	{NONE, SECONDARY("TFF"), false, ROLE_ABSENT, ROLE_ABSENT, 0,
	 BUSY | COMPLETE | FOLLOWING | CAUGHT_UP},
};

#endif
