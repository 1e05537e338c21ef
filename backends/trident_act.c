/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written for each act.  Trident promotes whatever it is told to, asks
 * no other side, and never tries again by itself what failed: so what must not
 * be is refused here, and what is to be tried again gets a spec that differs.
 */
#include "trident.h"

#include "json_parts.h"
#include "plan.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PROMOTED "promoted"
#define ESTABLISHED "established"
#define REESTABLISHED "reestablished"

static unsigned overrides(const struct trident_deed *d)
{
	return d->call->order->overrides;
}

static const char *here(const struct trident_deed *d)
{
	return d->call->at->cluster;
}

static const char *there(const struct trident_deed *d)
{
	return d->call->other->cluster;
}

static bool answers(const struct trident_deed *d)
{
	return d->call->other->reach == REACH_OK;
}

/* Whatever is to be done, it can't be done as things are. */
static int not_now(struct trident_deed *d)
{
	return fail(d->err, EAGAIN, "%s: %s", here(d),
		    d->call->seen.here.native);
}

/* ---- what is asked for ---- */

static bool asks_for(const struct tmr *t, const char *state)
{
	return strcmp(t->asked, state) == 0;
}

/* The mapping as it is but for these; it is replaced whole. */
static json_t *mapping_of(const struct tmr *t, const char *remote,
			  const char *snapshot)
{
	json_t *mapping = json_deep_copy(t->mapping);

	if (mapping && remote)
		json_object_set_new(mapping, "remoteVolumeHandle",
				    json_string(remote));
	/* Goes with `promoted' alone. */
	json_object_del(mapping, "promotedSnapshotHandle");
	if (mapping && snapshot)
		json_object_set_new(mapping, "promotedSnapshotHandle",
				    json_string(snapshot));
	return mapping;
}

/*
 * What is asked for already is no news to Trident, whatever became of it.  To it
 * an empty handle is none; to the API server it is another spec.
 */
static void make_news(const struct tmr *t, const char *state, json_t *mapping)
{
	static const char key[] = "promotedSnapshotHandle";

	if (!asks_for(t, state) || !json_equal(mapping, t->mapping))
		return;
	if (json_object_get(mapping, key))
		json_object_del(mapping, key);
	else
		json_object_set_new(mapping, key, json_string(""));
}

int trident_ask(struct trident_deed *d, const char *state, const char *remote,
		const char *snapshot)
{
	json_t *mapping = mapping_of(&d->at, remote, snapshot), *notes;
	bool again = strcmp(state, ESTABLISHED) == 0;
	char note[TRIDENT_NOTE_MAX];

	make_news(&d->at, state, mapping);
	notes = json_pack("{s:s, s:n, s:n}", TRIDENT_WRITTEN,
			  tmr_note_written(d->call, &d->at, note),
			  TRIDENT_STEPPED, TRIDENT_FAILURE);
	if (strcmp(state, REESTABLISHED) == 0 &&
	    tmr_note_still_stepped(&d->at, note))
		json_object_set_new(notes, TRIDENT_STEPPED, json_string(note));
	if (again && tmr_note_kept(&d->at, note))
		json_object_set_new(notes, TRIDENT_COPIED, json_string(note));
	if (d->failure) {
		snprintf(note, sizeof note, "%016" PRIx64 " %.400s",
			 d->call->order->request, d->failure);
		json_object_set_new(notes, TRIDENT_FAILURE,
				    json_string(text_clip(note)));
	}
	return csi_patch(d->call, d->call->at, TRIDENT_PART_TMR,
			 json_pack("{s:{s:o}, s:{s:s, s:[o]}}", "metadata",
				   "annotations", notes, "spec", "state", state,
				   "volumeMappings", mapping),
			 d->err);
}

/* What is asked for now was asked for by this very request. */
static bool asked_by_us(const struct trident_deed *d)
{
	char request[TRIDENT_REQUEST_MAX];

	snprintf(request, sizeof request, "%016" PRIx64,
		 d->call->order->request);
	return d->at.written.known &&
	       strcmp(d->at.written.request, request) == 0;
}

/* What Trident said when a promotion for this request failed, or NULL. */
static const char *own_failure(const struct trident_deed *d)
{
	const char *note = csi_annotation(d->at.object, TRIDENT_FAILURE);
	char request[TRIDENT_REQUEST_MAX];
	size_t len;

	len = (size_t)snprintf(request, sizeof request, "%016" PRIx64 " ",
			       d->call->order->request);
	return strncmp(note, request, len) == 0 ? note + len : NULL;
}

static int say_failed(struct trident_deed *d, const char *what)
{
	return fail(d->err, EINVAL, "%s: Trident: %.440s", here(d),
		    *what ? what : "failed, and does not say why: see the events "
				   "of the TridentMirrorRelationship");
}

/*
 * It failed for this request: so does the request.  What can't be promoted is no
 * longer asked to be, before: Trident that starts anew would try again by itself.
 * To be established does no harm: that is what a mirror is already, and anything
 * else refuses it.
 */
static int failed(struct trident_deed *d)
{
	if (!asks_for(&d->at, PROMOTED))
		return say_failed(d, d->at.message);
	d->failure = d->at.message;
	return trident_ask(d, ESTABLISHED, NULL, NULL);
}

/* ---- promoting ---- */

/* The other side is no source by any look, nor about to be one. */
static int check_other(struct trident_deed *d)
{
	const struct side *peer = &d->call->seen.peer;

	if (!answers(d))
		return fail(d->err, EHOSTUNREACH, "%s gives no answer: whether it "
			    "is the source can't be told", there(d));
	if (peer->claim == ROLE_SOURCE || peer->fact == ROLE_SOURCE)
		return fail(d->err, EBUSY, "%s is, or may be, the source: there "
			    "would be two (%s)", there(d), peer->native);
	if (peer->claim == ROLE_UNKNOWN || peer->busy)
		return fail(d->err, EBUSY, "%s: what it is can't be told (%s)",
			    there(d), peer->native);
	return 0;
}

/* It has stepped down, and nothing has been asked of it since: it is writable,
   and from now on that counts again. */
static int take_back(struct trident_deed *d)
{
	return trident_note(d, true, json_pack("{s:n}", TRIDENT_STEPPED));
}

/*
 * The other side was not promoted when it was asked to be, and is asked still: once
 * the role is taken back here there would be two.
 */
static bool may_be_promoted_yet(const struct trident_deed *d)
{
	return tmr_may_be_promoted(&d->other) ||
	       (d->other.phase == TMR_FAILED && asks_for(&d->other, PROMOTED));
}

static int cancel_other(struct trident_deed *d)
{
	struct csi_call turned = *d->call;
	struct trident_deed there = *d;

	turned.at = d->call->other;
	turned.other = d->call->at;
	there.call = &turned;
	there.at = d->other;
	return trident_ask(&there, ESTABLISHED, NULL, NULL);
}

/*
 * A side that steps down for this request had nobody after that; of one that
 * did so for another, days ago maybe, nobody can tell: so its last data is
 * fetched once more.
 */
static int final_handle(struct trident_deed *d, const char **handle)
{
	const struct tmr_stepped *s = &d->other.stepped;
	char label[TRIDENT_REQUEST_MAX];

	*handle = d->call->seen.here.caught_up ? s->handle : "";
	trident_label(d->call, d->call->other, label);
	if (**handle && strcmp(s->label, label) == 0)
		return 1;
	return trident_pass_over(d, trident_final_copy(d, true, handle));
}

static int promote_mirror(struct trident_deed *d)
{
	struct tmr_stepped s = {.valid = true};
	char note[TRIDENT_NOTE_MAX];
	const char *handle;
	int rc;

	if (d->call->seen.peer.fact != ROLE_REPLICA &&
	    !(overrides(d) & OVERRIDE_PEER))
		return fail(d->err, EBUSY, "%s: whether it is in use can't be "
			    "told", there(d));
	if (!tmr_has_stepped_down(&d->other))
		return fail(d->err, EAGAIN, "%s has not stepped down: its last "
			    "data is not known to be at %s", there(d), here(d));
	rc = final_handle(d, &handle);
	if (rc <= 0)
		return rc;
	if (!*handle)
		return fail(d->err, EAGAIN, "%s: the final copy from %s is not "
			    "here", here(d), there(d));
	if (strcmp(handle, d->other.stepped.handle) != 0) {
		trident_label(d->call, d->call->other, s.label);
		snprintf(s.handle, sizeof s.handle, "%s", handle);
		rc = trident_note(d, false,
				  json_pack("{s:s}", TRIDENT_STEPPED,
					    tmr_note_stepped(d->call->other,
							     &d->other, &s,
							     note)));
	}
	return rc < 0 ? rc : trident_ask(d, PROMOTED, NULL, handle);
}

static int promote(struct trident_deed *d)
{
	int rc;

	if (asks_for(&d->at, PROMOTED) && d->at.phase == TMR_PENDING)
		return 0;
	if (d->at.phase == TMR_SOURCE && !d->at.stepped.valid)
		return 0;
	if (own_failure(d) && d->at.phase != TMR_PENDING)
		return say_failed(d, own_failure(d));
	/* One that is being promoted now is not held up: somebody wants that. */
	if (d->at.phase == TMR_SOURCE && d->other.phase != TMR_PENDING &&
	    may_be_promoted_yet(d))
		return cancel_other(d);
	rc = check_other(d);
	if (rc < 0)
		return rc;
	if (d->at.phase == TMR_SOURCE)
		return take_back(d);
	/* Without a mirror nothing comes here: first that, and then the rest. */
	if (d->at.phase == TMR_FAILED)
		return asked_by_us(d) ? failed(d)
				      : trident_ask(d, ESTABLISHED, NULL, NULL);
	return d->at.phase == TMR_FOLLOWS ? promote_mirror(d) : not_now(d);
}

/* A side that answers, and can't be told, is not waited for. */
static int take_back_by_force(struct trident_deed *d)
{
	int rc = 1;

	d->lacking = true;
	if (may_be_promoted_yet(d))
		rc = trident_pass_over(d, cancel_other(d));
	return rc <= 0 ? rc : take_back(d);
}

static int force_promote(struct trident_deed *d)
{
	const struct tmr *at = &d->at;
	int rc;

	if ((asks_for(at, PROMOTED) && at->phase == TMR_PENDING) ||
	    (at->phase == TMR_SOURCE && !at->stepped.valid))
		return 0;
	if (own_failure(d) && at->phase != TMR_PENDING)
		return say_failed(d, own_failure(d));
	rc = csi_check_lost(d->call, d->err);
	if (rc)
		return rc;
	if (at->phase == TMR_SOURCE)
		return take_back_by_force(d);
	if (at->phase == TMR_UNCLEAR || at->phase == TMR_PENDING ||
	    (at->phase == TMR_STUCK && asks_for(at, PROMOTED)))
		return not_now(d);
	if (!d->call->seen.here.complete)
		return fail(d->err, EINVAL, "%s holds no whole copy that could be "
			    "promoted (%s)", here(d),
			    d->call->seen.here.native);
	if (at->phase == TMR_FAILED && asked_by_us(d) && asks_for(at, PROMOTED))
		return failed(d);
	return trident_ask(d, PROMOTED, NULL, NULL);
}

/* ---- following ---- */

static int check_remote(struct trident_deed *d)
{
	const char *from = d->other.handle;

	if (!*from)
		return fail(d->err, EAGAIN, "%s: Trident does not tell the handle "
			    "of its volume yet", there(d));
	/* The API server takes it, and Trident says `failed' for ever after. */
	if (*d->at.remote && strcmp(d->at.remote, from) != 0)
		return fail(d->err, EOPNOTSUPP, "%s: TridentMirrorRelationship %s "
			    "is one with %.80s and can't be turned to %.80s: "
			    "delete it, and make one that can", here(d),
			    d->at.name, d->at.remote, from);
	return 0;
}

static int resync(struct trident_deed *d)
{
	const struct side *at = &d->call->seen.here;
	int rc;

	if (side_verified_role(&d->call->seen.peer) != ROLE_SOURCE)
		return fail(d->err, EAGAIN, "%s is not verified as the source: "
			    "there is nothing to rebuild from", there(d));
	if ((at->following && !at->diverged) ||
	    (d->at.phase == TMR_PENDING && asks_for(&d->at, REESTABLISHED)))
		return 0;
	if (at->claim == ROLE_SOURCE)
		return fail(d->err, EAGAIN, "%s has not stepped down", here(d));
	if (d->at.phase == TMR_PENDING || d->at.phase == TMR_UNCLEAR ||
	    (d->at.phase == TMR_STUCK && asks_for(&d->at, REESTABLISHED)))
		return not_now(d);
	if (at->in_use != TRI_NO && !(overrides(d) & OVERRIDE_IN_USE))
		return fail(d->err, EBUSY, "%s: the volume is in use%s%s", here(d),
			    *at->in_use_by ? " by " : "", at->in_use_by);
	rc = check_remote(d);
	if (rc < 0)
		return rc;
	if (at->diverged && !(overrides(d) & OVERRIDE_DATA))
		return fail(d->err, EBUSY, "%s has, or may have, writes that %s "
			    "lacks", here(d), there(d));
	if (d->at.phase == TMR_FAILED && asked_by_us(d) &&
	    asks_for(&d->at, REESTABLISHED))
		return failed(d);
	return trident_ask(d, REESTABLISHED, d->other.handle, NULL);
}

/* ---- all of them ---- */

int trident_act(struct csi_call *c, struct error *err)
{
	static int (*const table[ACT_COUNT])(struct trident_deed *) = {
		[ACT_CREATE] = trident_create,
		[ACT_DEMOTE_PEER] = trident_step_down,
		[ACT_PROMOTE] = promote,
		[ACT_FORCE_PROMOTE] = force_promote,
		[ACT_DEMOTE] = trident_step_down,
		[ACT_RESYNC] = resync,
		[ACT_PROMOTE_PEER] = promote,
		[ACT_RESYNC_PEER] = resync,
		[ACT_VERIFY] = trident_verify,
		[ACT_VERIFY_PEER] = trident_verify,
	};
	struct trident_deed d = {.call = c, .err = err};
	static const struct csi_view nothing;
	enum act act = c->order->act;

	if (act == ACT_DELETE)
		return fail(err, EOPNOTSUPP, "deleting a TridentMirrorRelationship "
			    "ends the mirror and makes both volumes writable: do "
			    "that by hand, at the mirror first: kubectl delete "
			    "tridentmirrorrelationship");
	if (!table[act])
		return fail(err, EINVAL, "%s is nothing to be done",
			    act_text(act));
	tmr_read(c->at, &d.at);
	tmr_read(answers(&d) ? c->other : &nothing, &d.other);
	d.told = csi_was_told(c);
	if (act != ACT_CREATE && !d.at.object)
		return fail(err, ENOENT, "%s has no TridentMirrorRelationship for "
			    "%s/%s", c->at->cluster, c->at->namespace,
			    c->at->claim_name);
	return table[act](&d);
}
