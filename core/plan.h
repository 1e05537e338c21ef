/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: what would be done for a word, and whether it may be done now.  A
 * pure function of spec, status and observation.  plan/WORD shows its result,
 * a write is accepted by it, and the reconcile carries out its first step, so
 * the plan that is read is the plan that is carried out.
 */
#ifndef UVRFS_PLAN_H
#define UVRFS_PLAN_H

#include "backend.h"
#include "observation.h"
#include "reason.h"
#include "spec.h"
#include "status.h"

enum verdict {
	VERDICT_ALLOWED,
	VERDICT_NEEDS_FORCE,	/* EBUSY; `WORD force` would do it */
	VERDICT_NOT_NOW,	/* EBUSY; nobody can override it */
	VERDICT_FORBIDDEN,	/* EPERM */
};

/* Fits a sentence of ours with the text of a side in it. */
#define PLAN_TEXT_MAX 900

struct check {
	enum verdict verdict;	/* ALLOWED: it passed */
	const char *name;	/* a few words, static */
	char text[PLAN_TEXT_MAX];	/* what was seen, and what to do */
};

/*
 * What a force was given for: the kinds of checks that needed it when somebody
 * wrote it.  A step that meets another obstacle later waits.
 */
enum override {
	OVERRIDE_PEER = 1,		/* a peer that is, or may be, a source,
					   or that will not have the data */
	OVERRIDE_IN_USE = 2,
	OVERRIDE_DATA = 4,		/* writes or a copy are destroyed */
	OVERRIDE_COPY = 8,		/* what is here can't be verified */
	OVERRIDE_UNVERIFIED = 16,	/* the outcome can't be verified */
	OVERRIDE_GROUP = 32,		/* others are moved that nobody asked */
	OVERRIDE_STEP_DOWN = 64,	/* a peer that was asked to step down and
					   does not: with OVERRIDE_PEER */
};

#define PLAN_CHECKS_MAX 12
#define PLAN_STEPS_MAX 6

struct plan {
	enum word word;
	bool force;
	unsigned overrides;		/* enum override: what force is for */
	enum verdict verdict;		/* the worst of the checks */
	struct check checks[PLAN_CHECKS_MAX];
	unsigned check_count;
	enum act steps[PLAN_STEPS_MAX];	/* what is left to do, in order */
	unsigned step_count;
	enum state from;		/* what request.from is to say: decides
					   which plan goes on with it */
	enum failover failover;		/* for promoting: decided here */
	bool done;			/* nothing left, and verified */
	enum reason waits_for;		/* when the reconcile must wait and not
					   act, else REASON_NONE */
	char waits_text[PLAN_TEXT_MAX];	/* and the sentence: what to do */
	char cost[256];			/* what is lost, "" when nothing */
	int64_t look_at;		/* when a wait is over by itself, or 0 */
};

struct policy {
	bool unreachable_needs_force;	/* failover.peerUnreachable: force */
};

struct plan_input {
	struct observation room;	/* for what `seen' points to, if need be */
	const struct spec *spec;
	const struct status *status;
	const struct observation *seen;
	unsigned capabilities;		/* enum capability, of its backend */
	bool has_backend;
	const struct policy *policy;
	int64_t now;
	const char *here;		/* names of the two clusters, for the */
	const char *peer;		/* sentences */
	bool here_is_source;		/* here is the source endpoint */
	bool acting;			/* a call to the storage is under way */
	const char *store_silence;	/* why a shared store gives no answer,
					   NULL when it does */
	/* Members of the same group of which @word was not asked, into @out:
	   NAMESPACE/NAME, ... or "".  NULL: there are no others. */
	void (*list_unasked)(const void *ctx, enum word word, char *out,
			     size_t size);
	const void *unasked_ctx;
	int64_t here_open_until;	/* circuits: 0 when closed */
	int64_t peer_open_until;
};

/*
 * Plans a new request for @word: its checks and verdict, and the steps that
 * would follow.  The caller has made sure that an edge or endpoints word leads
 * there.
 */
void plan_request(const struct plan_input *in, enum word word, bool force,
		  struct plan *out);

/*
 * Plans what is left of the request that is current (status->request): the next
 * step, or a wait, or done.
 */
void plan_progress(const struct plan_input *in, struct plan *out);

/* The sentence of the check that decided the verdict; "" when allowed. */
const char *plan_why(const struct plan *plan);

/*
 * Appends plan/WORD as 1.1 of the contract says: the first line is `allowed`,
 * `needs force: WHY` or `not now: WHY`; then checks, calls in order, cost.
 */
void plan_render(const struct plan *plan, struct backend *backend,
		 const struct target *target, struct buf *out);

/*
 * Derives the conditions that a status with @plan (of plan_progress) and
 * observation has now; @out keeps `since` where a status did not flip.  The
 * strings are static or point into @text.
 */
struct condition_text {
	char message[PLAN_TEXT_MAX + 64];
};

void conditions_derive(const struct plan_input *in, const struct plan *plan,
		       struct condition out[CONDITION_COUNT],
		       struct condition_text text[CONDITION_COUNT]);

#endif
