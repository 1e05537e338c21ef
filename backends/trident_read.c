/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading TridentMirrorRelationships.  Trident writes a status only when its
 * `state' differs from the one that is there, so a state that reads the same
 * after a change of spec may be its answer or not.  What it read, and since
 * when, is noted with every change; until that differs nothing is answered.
 */
#include "trident.h"

#include "json_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Trident that comes to what it has said already says nothing: after this it is
   believed. */
#define SETTLE_MS (2 * 60 * 1000)
/* Its controller looks again after 1000 s at the latest, */
#define AGAIN_MS (17 * 60 * 1000)
/* and takes no longer than this, all in all. */
#define STUCK_MS (20 * 60 * 1000)

/* ---- words ---- */

static bool is_one_of(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static bool is_mirror(const char *state)
{
	return is_one_of(state, "established", "reestablished");
}

static bool is_copying(const char *state)
{
	return is_one_of(state, "establishing", "reestablishing");
}

static bool is_promoted(const char *state)
{
	return strcmp(state, "promoted") == 0;
}

static bool is_terminal(const char *state)
{
	return is_one_of(state, "failed", "invalid");
}

/* ---- notes: texts without blanks, a blank between them ---- */

/* A foreign text as such a word; "-" when it is empty or can't be one. */
static const char *word_of(const char *text, char out[static TRIDENT_WORD_MAX])
{
	size_t len = strcspn(text, " \t\r\n");

	if (!len || text[len] || len >= TRIDENT_WORD_MAX)
		text = "-";
	snprintf(out, TRIDENT_WORD_MAX, "%s", text);
	return out;
}

static void undash(char *word)
{
	if (strcmp(word, "-") == 0)
		*word = '\0';
}

static const char *const pasts[] = {
	[TMR_WAS_UNKNOWN] = "-",
	[TMR_WAS_MIRROR] = "mirror",
	[TMR_WAS_SOURCE] = "source",
};

/* It is of this very object. */
static bool is_of_object(const char *mark, const json_t *object)
{
	const char *slash = strchr(mark, '/');

	return slash && strcmp(slash + 1, csi_meta(object, "uid")) == 0;
}

static bool is_current(const char *mark, const json_t *object)
{
	char now[CSI_MARK_MAX];

	return strcmp(mark, csi_mark(object, now)) == 0;
}

static void read_written(const json_t *object, struct tmr_written *w)
{
	char mark[CSI_MARK_MAX], time[TIME_TEXT_MAX], past[8];

	/* Earlier releases wrote the uid alone. */
	if (sscanf(csi_annotation(object, TRIDENT_WRITTEN),
		   "%79s %31s %31s %39s %39s %7s", mark, time, w->request,
		   w->state, w->since, past) != 6 ||
	    (strcmp(mark, csi_meta(object, "uid")) != 0 &&
	     !is_of_object(mark, object)))
		return;
	w->last = is_current(mark, object);
	w->at = time_parse(time);
	w->known = w->at > 0;
	if (strcmp(past, pasts[TMR_WAS_MIRROR]) == 0)
		w->past = TMR_WAS_MIRROR;
	else if (strcmp(past, pasts[TMR_WAS_SOURCE]) == 0)
		w->past = TMR_WAS_SOURCE;
}

static void read_stepped(const json_t *object, struct tmr_stepped *s)
{
	char mark[CSI_MARK_MAX], time[TIME_TEXT_MAX];

	if (sscanf(csi_annotation(object, TRIDENT_STEPPED),
		   "%79s %31s %31s %253s", mark, time, s->label,
		   s->handle) != 4 || !is_of_object(mark, object))
		return;
	s->valid = is_current(mark, object);
	s->at = time_parse(time);
	undash(s->handle);
}

static void read_copied(const json_t *object, struct tmr_copied *c)
{
	char mark[CSI_MARK_MAX], time[TIME_TEXT_MAX];

	if (sscanf(csi_annotation(object, TRIDENT_COPIED), "%79s %31s %253s",
		   mark, time, c->handle) != 3 || !is_of_object(mark, object)) {
		*c->handle = '\0';
		return;
	}
	c->at = time_parse(time);
	if (c->at < 0)
		c->at = 0;
	c->valid = is_current(mark, object);
	c->before = strtoll(mark, NULL, 10) + 1 == csi_generation(object);
	undash(c->handle);
}

/* The mark that it has once its spec is changed. */
static const char *next_mark(const json_t *object, char out[static CSI_MARK_MAX])
{
	snprintf(out, CSI_MARK_MAX, "%" PRId64 "/%.50s",
		 csi_generation(object) + 1, csi_meta(object, "uid"));
	return out;
}

const char *tmr_note_written(const struct csi_call *c, const struct tmr *t,
			     char out[static TRIDENT_NOTE_MAX])
{
	char state[TRIDENT_WORD_MAX], since[TRIDENT_WORD_MAX];
	char mark[CSI_MARK_MAX], time[TIME_TEXT_MAX];

	snprintf(out, TRIDENT_NOTE_MAX, "%s %s %016" PRIx64 " %s %s %s",
		 next_mark(t->object, mark), time_text_ms(c->at->now, time),
		 c->order->request, word_of(t->says, state),
		 word_of(t->since_text, since), pasts[t->past]);
	return out;
}

static const char *put_stepped(const char *mark, int64_t at,
			       const struct tmr_stepped *s,
			       char out[static TRIDENT_NOTE_MAX])
{
	char time[TIME_TEXT_MAX];

	/* It is compared with when the volume was last seen in use. */
	snprintf(out, TRIDENT_NOTE_MAX, "%s %s %s %s", mark,
		 time_text_ms(at, time), s->label, *s->handle ? s->handle : "-");
	return out;
}

static const char *put_copied(const char *mark, int64_t at, const char *handle,
			      char out[static TRIDENT_NOTE_MAX])
{
	char time[TIME_TEXT_MAX];

	snprintf(out, TRIDENT_NOTE_MAX, "%s %s %s", mark, time_text(at, time),
		 *handle ? handle : "-");
	return out;
}

const char *tmr_note_stepped(const struct csi_view *v, const struct tmr *t,
			     const struct tmr_stepped *s,
			     char out[static TRIDENT_NOTE_MAX])
{
	char mark[CSI_MARK_MAX];

	return put_stepped(csi_mark(t->object, mark), v->now, s, out);
}

const char *tmr_note_still_stepped(const struct tmr *t,
				   char out[static TRIDENT_NOTE_MAX])
{
	char mark[CSI_MARK_MAX];

	if (!t->stepped.valid)
		return NULL;
	return put_stepped(next_mark(t->object, mark), t->stepped.at,
			   &t->stepped, out);
}

const char *tmr_note_copied(const struct tmr *t, int64_t at, const char *handle,
			    char out[static TRIDENT_NOTE_MAX])
{
	char mark[CSI_MARK_MAX];

	return put_copied(csi_mark(t->object, mark), at, handle, out);
}

/*
 * To be established again is refused by a volume that was made writable, so
 * where it succeeds nothing has come in between.
 */
const char *tmr_note_kept(const struct tmr *t,
			  char out[static TRIDENT_NOTE_MAX])
{
	char mark[CSI_MARK_MAX];

	if (t->phase != TMR_FAILED || !is_promoted(t->asked) ||
	    t->written.past != TMR_WAS_MIRROR || !t->copied.before)
		return NULL;
	return put_copied(next_mark(t->object, mark), t->copied.at,
			  t->copied.handle, out);
}

/* ---- the relationship ---- */

/* Since its spec was last changed by us nothing was told. */
static bool is_unanswered(const struct tmr *t)
{
	char state[TRIDENT_WORD_MAX], since[TRIDENT_WORD_MAX];

	return t->written.known &&
	       strcmp(word_of(t->says, state), t->written.state) == 0 &&
	       strcmp(word_of(t->since_text, since), t->written.since) == 0;
}

/*
 * How long it has had time to answer: -1 when that can't be told.  When others
 * have asked it nobody knows, but how long it stands so for all that was seen.
 */
static int64_t waited(const struct csi_view *v, const struct tmr *t)
{
	int64_t claim = csi_age(v, v->claim), ms = -1;

	if (!t->written.known && !*t->since_text)
		ms = csi_age(v, t->object);
	else if (t->written.last || t->written.at > v->stands_since)
		ms = v->now - t->written.at;
	else if (v->stands_since)
		ms = v->now - v->stands_since;
	return ms < claim ? ms : claim;
}

static bool has_reached(const struct tmr *t)
{
	return is_mirror(t->asked) ? is_mirror(t->says)
				   : is_promoted(t->says);
}

/*
 * How long what it said before is no answer.  A failure of before ends what may
 * be under way still, so it has all its time; but for a mirror that is to be what
 * it is, of which nothing is lost.
 */
static int64_t patience(const struct tmr *t)
{
	if (has_reached(t))
		return SETTLE_MS;
	if (is_terminal(t->says))
		return strcmp(t->asked, "established") == 0 ? SETTLE_MS
							    : AGAIN_MS;
	return STUCK_MS;
}

static enum tmr_phase phase_of(const struct csi_view *v, const struct tmr *t)
{
	int64_t ms = waited(v, t);

	if (!t->object)
		return TMR_NONE;
	if (v->part[TRIDENT_PART_SECOND].object ||
	    csi_is_going(t->object))
		return TMR_UNCLEAR;
	if (is_unanswered(t) && ms < patience(t))
		return TMR_PENDING;
	if (is_terminal(t->says))
		return TMR_FAILED;
	if (is_mirror(t->asked) && is_copying(t->says))
		return TMR_COPYING;
	if (has_reached(t))
		return is_mirror(t->asked) ? TMR_FOLLOWS : TMR_SOURCE;
	return ms < STUCK_MS ? TMR_PENDING : TMR_STUCK;
}

static enum tmr_past past_of(const struct tmr *t)
{
	if (is_mirror(t->says))
		return TMR_WAS_MIRROR;
	if (is_promoted(t->says))
		return TMR_WAS_SOURCE;
	if (t->written.known)
		return t->written.past;
	/* Nobody promotes what is no mirror, and a promotion that fails leaves
	   it as it was: so it is presumed. */
	return is_promoted(t->asked) && *t->remote ? TMR_WAS_MIRROR
						   : TMR_WAS_UNKNOWN;
}

static const json_t *told_by(const json_t *object)
{
	return json_array_get(json_object_get(csi_status(object), "conditions"),
			      0);
}

uint64_t tmr_stand(const json_t *object)
{
	const json_t *told = told_by(object);
	char mark[CSI_MARK_MAX], text[256];

	snprintf(text, sizeof text, "%s %.80s %.80s", csi_mark(object, mark),
		 json_text_at(told, "state"),
		 json_text_at(told, "lastTransitionTime"));
	return text_hash(text);
}

void tmr_read(const struct csi_view *v, struct tmr *t)
{
	const json_t *o = v->part[TRIDENT_PART_TMR].object, *told = told_by(o);

	*t = (struct tmr){.object = o};
	t->mapping = json_array_get(json_object_get(json_object_get(o, "spec"),
						    "volumeMappings"), 0);
	t->name = csi_meta(o, "name");
	t->asked = csi_spec(o, "state");
	t->says = json_text_at(told, "state");
	t->message = json_text_at(told, "message");
	t->handle = json_text_at(told, "localVolumeHandle");
	t->remote = json_text_at(t->mapping, "remoteVolumeHandle");
	t->since_text = json_text_at(told, "lastTransitionTime");
	t->since = csi_time(told, "lastTransitionTime");
	read_written(o, &t->written);
	read_stepped(o, &t->stepped);
	read_copied(o, &t->copied);
	t->phase = phase_of(v, t);
	t->past = past_of(t);
}

bool tmr_has_failed_before(const struct tmr *t)
{
	return t->phase == TMR_PENDING && is_terminal(t->says);
}

bool tmr_has_stepped_down(const struct tmr *t)
{
	return t->phase == TMR_SOURCE && t->stepped.valid;
}

bool tmr_may_be_promoted(const struct tmr *t)
{
	return (t->phase == TMR_PENDING || t->phase == TMR_STUCK ||
		t->phase == TMR_FAILED) &&
	       is_promoted(t->asked) && t->past == TMR_WAS_MIRROR;
}

/* ---- what we made ---- */

const char *trident_final_handle(const struct csi_view *v)
{
	const struct csi_part *p = &v->part[TRIDENT_PART_FINAL];

	return p->kind == TRIDENT_TSI
		       ? json_text_at(csi_status(p->object), "snapshotHandle")
		       : "";
}

enum trident_stage trident_final(const struct csi_view *v,
				 char why[static NATIVE_MAX])
{
	static const enum trident_stage stages[] = {
		[CSI_SNAP_NONE] = STAGE_NONE,
		[CSI_SNAP_RUNS] = STAGE_RUNS,
		[CSI_SNAP_FAILED] = STAGE_FAILED,
		[CSI_SNAP_READY] = STAGE_READY,
	};
	const struct csi_part *p = &v->part[TRIDENT_PART_FINAL];

	if (p->kind != TRIDENT_TSI)
		return stages[csi_snap_read(v, p->object, why)];
	if (*trident_final_handle(v))
		return STAGE_DONE;
	snprintf(why, NATIVE_MAX, "Trident does not tell its handle");
	return csi_age(v, p->object) < CSI_PATIENCE_MS ? STAGE_RUNS
						       : STAGE_FAILED;
}

enum trident_stage trident_update(const struct csi_view *v,
				  char why[static NATIVE_MAX])
{
	const json_t *o = v->part[TRIDENT_PART_MADE].object;
	const json_t *status = csi_status(o);
	const char *state = json_text_at(status, "state");

	snprintf(why, NATIVE_MAX, "%s", json_text_at(status, "message"));
	if (!o)
		return STAGE_NONE;
	if (strcmp(state, "Succeeded") == 0)
		return STAGE_DONE;
	if (strcmp(state, "Failed") == 0)
		return STAGE_FAILED;
	return csi_age(v, o) < CSI_PATIENCE_MS ? STAGE_RUNS : STAGE_LATE;
}

/*
 * The data is of the moment in which the transfer began, not in which it ended:
 * of a snapshot of before, nobody but who took it knows.
 */
int64_t trident_update_time(const struct tmr *t, const json_t *update)
{
	const json_t *status = csi_status(update);
	const char *from = json_text_at(status, "remoteVolumeHandle");
	int64_t ended = csi_time(status, "completionTime");

	if (t->phase != TMR_FOLLOWS || !t->since || ended < t->since ||
	    strcmp(json_text_at(status, "state"), "Succeeded") != 0 ||
	    (*from && strcmp(from, t->remote) != 0))
		return 0;
	return csi_time(json_object_get(update, "metadata"),
			"creationTimestamp");
}
