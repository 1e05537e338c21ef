/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conditions, derived anew from what is known each time anything changes.
 * Messages hold no passing time, so a condition changes only when its cause
 * does; `since` moves only when the status flips, as metav1 demands.
 */
#include "plan_private.h"

#include "text.h"

#include <stdio.h>
#include <stdarg.h>
#include <string.h>

struct deriving {
	const struct plan_input *in;
	const struct plan *plan;
	struct condition *out;
	struct condition_text *text;
	enum role meant;		/* the role that `state` stands for */
};

static void put(struct deriving *d, enum condition_type type,
		enum condition_status status, enum reason reason,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void put(struct deriving *d, enum condition_type type,
		enum condition_status status, enum reason reason,
		const char *fmt, ...)
{
	const struct condition *old = &d->in->status->conditions[type];
	struct condition_text *text = &d->text[type];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text->message, sizeof text->message, fmt, ap);
	va_end(ap);
	text_clip(text->message);
	d->out[type] = (struct condition){
		.status = status,
		.reason = reason_text(reason),
		.message = text->message,
		.since = old->since && old->status == status ? old->since
							     : d->in->now,
		.generation = d->in->status->generation,
	};
}

/* A transition is under way. */
static void ready_pending(struct deriving *d)
{
	const struct plan *plan = d->plan;
	const char *word = word_text(d->in->status->request.word);
	enum condition_status status = CONDITION_FALSE;

	if (plan->waits_for) {
		if (d->in->seen->here.reach != REACH_OK ||
		    plan->waits_for == REASON_UNVERIFIED)
			status = CONDITION_UNKNOWN;
		put(d, CONDITION_READY, status, plan->waits_for, "%s: %s", word,
		    plan->waits_text);
	} else if (d->in->status->failure && plan->step_count &&
		   !act_is_wait(plan->steps[0])) {
		put(d, CONDITION_READY, status, REASON_RETRYING, "%s: %s%s",
		    word, d->in->status->failure,
		    plan->steps[0] == ACT_DEMOTE_PEER &&
				    plan->failover == FAILOVER_PLANNED &&
				    plan->word == WORD_PROMOTING
			    ? "; 'promoting force' goes on without it"
			    : "");
	} else {
		put(d, CONDITION_READY, status, REASON_IN_PROGRESS, "%s: %s",
		    word, plan->step_count ? act_text(plan->steps[0])
				     : "being verified");
	}
}

/* Nothing is under way: does the storage say what the state says? */
static void ready_steady(struct deriving *d)
{
	const struct side *here = &d->in->seen->here;
	const char *name = d->in->here;

	if (here->reach != REACH_OK)
		put(d, CONDITION_READY, CONDITION_UNKNOWN,
		    site_reason(here), "%s %s%s%s", name,
		    side_silence(here), *here->why ? ": " : "", here->why);
	else if (observation_is_split(d->in->seen))
		put(d, CONDITION_READY, CONDITION_FALSE, REASON_SPLIT_BRAIN,
		    "both %s and %s are writable", name, d->in->peer);
	else if (here->claim == ROLE_UNKNOWN)
		put(d, CONDITION_READY, CONDITION_UNKNOWN, REASON_ROLE_UNKNOWN,
		    "%s answers, and its role can't be told: %s", name,
		    here->native);
	else if (here->claim != d->meant)
		put(d, CONDITION_READY, CONDITION_FALSE, REASON_DRIFTED,
		    "the storage at %s says %s", name, role_text(here->claim));
	else if (here->fact == d->meant)
		put(d, CONDITION_READY, CONDITION_TRUE, REASON_VERIFIED,
		    "%s is verified as the %s", name, role_text(d->meant));
	else if (here->fact == ROLE_UNKNOWN)
		put(d, CONDITION_READY, CONDITION_UNKNOWN, REASON_UNVERIFIED,
		    "%s says %s, and there is no second fact%s%s", name,
		    role_text(here->claim), *here->native ? ": " : "",
		    here->native);
	else
		put(d, CONDITION_READY, CONDITION_FALSE, REASON_UNVERIFIED,
		    "%s says %s, but its volume is %s: not believed%s%s", name,
		    role_text(here->claim), role_text(here->fact),
		    *here->native ? ": " : "", here->native);
}

/* In a store it is text, which need not be ours. */
static enum reason refused_reason(const struct status *s)
{
	enum reason reason = reason_parse(s->refused_reason);

	return reason ? reason : REASON_INVALID_STATE_TRANSITION;
}

static void derive_ready(struct deriving *d)
{
	const struct status *s = d->in->status;

	if (d->in->store_silence)
		put(d, CONDITION_READY, CONDITION_UNKNOWN,
		    REASON_STORE_UNREACHABLE, "%s", d->in->store_silence);
	else if (s->refused)
		put(d, CONDITION_READY, CONDITION_FALSE, refused_reason(s), "%s",
		    s->refused);
	else if (!d->in->has_backend)
		put(d, CONDITION_READY, CONDITION_FALSE, REASON_NO_BACKEND,
		    "no backend serves this replication: see `backend`");
	else if (s->request.outcome == OUTCOME_FAILED)
		put(d, CONDITION_READY, CONDITION_FALSE, REASON_FAILED,
		    "%s failed: %s", word_text(s->request.word),
		    s->failure ? s->failure : "see `history`");
	else if (s->request.outcome == OUTCOME_PENDING)
		ready_pending(d);
	else
		ready_steady(d);
}

static void derive_synced(struct deriving *d)
{
	const struct side *here = &d->in->seen->here;

	if (d->in->store_silence)
		put(d, CONDITION_SYNCED, CONDITION_UNKNOWN,
		    REASON_STORE_UNREACHABLE, "%s", d->in->store_silence);
	else if (here->reach == REACH_OK && here->claim == ROLE_UNKNOWN)
		put(d, CONDITION_SYNCED, CONDITION_UNKNOWN, REASON_ROLE_UNKNOWN,
		    "the storage at %s answers, and does not tell its role: %s",
		    d->in->here, here->native);
	else if (here->reach == REACH_OK)
		put(d, CONDITION_SYNCED, CONDITION_TRUE, REASON_STATUS_UPDATED,
		    "the storage at %s answers", d->in->here);
	else
		put(d, CONDITION_SYNCED, CONDITION_UNKNOWN,
		    site_reason(here), "%s %s%s%s", d->in->here,
		    side_silence(here), *here->why ? ": " : "", here->why);
}

static void derive_progressing(struct deriving *d)
{
	const struct plan *plan = d->plan;

	if (d->in->status->request.outcome != OUTCOME_PENDING)
		put(d, CONDITION_PROGRESSING, CONDITION_FALSE, REASON_IDLE,
		    "%s", "");
	else
		put(d, CONDITION_PROGRESSING, CONDITION_TRUE,
		    plan->waits_for ? plan->waits_for : REASON_IN_PROGRESS, "%s",
		    plan->waits_for    ? plan->waits_text
		    : plan->step_count ? act_text(plan->steps[0])
				       : "being verified");
}

static void degraded(struct deriving *d, enum reason reason, const char *fmt,
		     ...) __attribute__((format(printf, 3, 4)));

static void degraded(struct deriving *d, enum reason reason, const char *fmt,
		     ...)
{
	char text[PLAN_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	put(d, CONDITION_DEGRADED, CONDITION_TRUE, reason, "%s", text);
}

/* A source that nobody follows, or a replica that follows nobody. */
static bool degraded_by_peer(struct deriving *d)
{
	const struct side *here = &d->in->seen->here;
	const struct side *peer = &d->in->seen->peer;
	const char *name = d->in->peer;

	if (peer->reach != REACH_OK)
		degraded(d, peer_reason(peer), "%s %s%s%s", name,
			 side_silence(peer), *peer->why ? ": " : "", peer->why);
	else if (d->meant == ROLE_SOURCE &&
		 (role_of(peer) != ROLE_REPLICA || !peer->following))
		degraded(d, REASON_UNPROTECTED,
			 "%s does not follow this site%s%s%s", name,
			 d->in->spec->state == STATE_SOURCE
				 ? ": write swap to endpoints"
				 : "",
			 *peer->native ? "; it says: " : "", peer->native);
	else if (d->meant == ROLE_SOURCE && !peer->complete)
		degraded(d, REASON_INITIAL_SYNC, "%s has no complete copy yet",
			 name);
	else if (d->meant == ROLE_REPLICA && role_of(peer) != ROLE_SOURCE)
		degraded(d, REASON_NO_SOURCE, "%s is not a source: it is %s",
			 name, role_text(role_of(peer)));
	else if (d->meant == ROLE_REPLICA && !here->following)
		degraded(d, REASON_NOT_FOLLOWING,
			 "the replica does not follow %s: resume that at the "
			 "storage, or 'syncing force' gives up this copy for a "
			 "new one%s%s",
			 name, *here->native ? "; it says: " : "",
			 here->native);
	else
		return false;
	return true;
}

/* There is nothing that could be said of this site's role. */
static bool is_untold(const struct deriving *d)
{
	const struct side *here = &d->in->seen->here;

	return !d->in->has_backend || here->reach != REACH_OK ||
	       (here->claim == ROLE_UNKNOWN && !observation_is_split(d->in->seen));
}

static enum reason untold_reason(const struct deriving *d)
{
	const struct side *here = &d->in->seen->here;

	if (!d->in->has_backend)
		return REASON_NO_BACKEND;
	return here->reach == REACH_OK ? REASON_ROLE_UNKNOWN
				       : site_reason(here);
}

static void derive_degraded(struct deriving *d)
{
	const struct side *here = &d->in->seen->here;
	int64_t rpo = d->in->spec->rpo ? duration_parse(d->in->spec->rpo) : -1;
	char when[TIME_TEXT_MAX];

	if (is_untold(d))
		put(d, CONDITION_DEGRADED, CONDITION_UNKNOWN, untold_reason(d),
		    "%s", "see Synced");
	else if (observation_is_split(d->in->seen))
		degraded(d, REASON_SPLIT_BRAIN,
			 "both %s and %s are writable: decide which one keeps "
			 "its data; there write 'swap force' to endpoints, or "
			 "at the other 'demoting force' to state, and once it "
			 "is a replica 'syncing force'",
			 d->in->here, d->in->peer);
	else if (d->meant == ROLE_REPLICA && here->diverged)
		degraded(d, REASON_DIVERGED,
			 "the replica has writes that %s lacks: save them, then "
			 "write 'syncing force'",
			 d->in->peer);
	else if (d->meant == ROLE_REPLICA && !here->complete)
		degraded(d, REASON_INITIAL_SYNC,
			 "no complete copy yet: see progress");
	else if (degraded_by_peer(d))
		return;
	/* Some products tell the time of a copy when they are asked for one,
	   and otherwise not. */
	else if (d->meant == ROLE_REPLICA && rpo > 0 && here->data_time &&
		 d->in->capabilities & CAP_LAG &&
		 d->in->now - here->data_time > rpo)
		degraded(d, REASON_LAG_OVER_RPO,
			 "the data is of %s, older than the rpo of %s",
			 time_text(here->data_time, when), d->in->spec->rpo);
	else
		put(d, CONDITION_DEGRADED, CONDITION_FALSE, REASON_HEALTHY,
		    "%s", "");
}

static void derive_drifted(struct deriving *d)
{
	const struct side *here = &d->in->seen->here;
	bool steady = d->in->status->request.outcome != OUTCOME_PENDING &&
		      !d->in->status->failed;

	if (is_untold(d))
		put(d, CONDITION_DRIFTED, CONDITION_UNKNOWN, untold_reason(d),
		    "%s", "see Synced");
	else if (steady && here->claim != d->meant)
		put(d, CONDITION_DRIFTED, CONDITION_TRUE, REASON_ROLE_DIFFERS,
		    "state says %s, the storage at %s says %s; nothing is "
		    "changed until somebody writes",
		    state_text(d->in->spec->state), d->in->here,
		    role_text(here->claim));
	else
		put(d, CONDITION_DRIFTED, CONDITION_FALSE, REASON_AS_REQUESTED,
		    "%s", "");
}

void conditions_derive(const struct plan_input *in, const struct plan *plan,
		       struct condition out[CONDITION_COUNT],
		       struct condition_text text[CONDITION_COUNT])
{
	struct deriving d = {
		.in = in,
		.plan = plan,
		.out = out,
		.text = text,
		.meant = role_meant((enum word)in->spec->state),
	};

	derive_ready(&d);
	derive_synced(&d);
	derive_progressing(&d);
	derive_degraded(&d);
	derive_drifted(&d);
}
