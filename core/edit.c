/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What users ask for: one function per kind of edit.  Each decides on the
 * version that is public and durable, and either refuses with a sentence, or
 * finds nothing to do, or sends the next version to the store.
 */
#include "world_private.h"

#include "manifest.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct edit *edit_new(enum edit_kind kind, const char *text, size_t len,
		      const struct who *who)
{
	struct edit *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->text = malloc(len + 1);
	if (!e->text) {
		free(e);
		return NULL;
	}
	if (len)
		memcpy(e->text, text, len);
	e->text[len] = '\0';
	e->len = len;
	e->kind = kind;
	snprintf(e->command, sizeof e->command, "%s", who->command);
	e->who = *who;
	e->who.command = e->command;
	return e;
}

void edit_free(struct edit *edit)
{
	if (!edit)
		return;
	free(edit->text);
	free(edit);
}

/* Small letters and blanks: words are made of nothing else. */
static bool read_words(const char *text, size_t len, char words[static 64])
{
	const char *p;

	if (!text_trim(text, len, words, 64) || !*words)
		return false;
	for (p = words; *p; p++)
		if (*p != ' ' && (*p < 'a' || *p > 'z'))
			return false;
	return true;
}

bool edit_is_words(const char *text, size_t len)
{
	char words[64];

	return read_words(text, len, words);
}

/* Reads `WORD` or `WORD force`; WORD_NONE when it is neither. */
static enum word parse_forced(const char *text, size_t len, bool *force)
{
	char words[64], first[32], second[32], rest[2];
	int n = 0;

	if (read_words(text, len, words))
		n = sscanf(words, "%31s %31s %1s", first, second, rest);
	*force = n == 2 && strcmp(second, "force") == 0;
	return n == 1 || *force ? word_parse(first) : WORD_NONE;
}

bool edit_is_forced(const char *text, size_t len)
{
	bool force;

	return parse_forced(text, len, &force) != WORD_NONE && force;
}

static int parse_words(const struct edit *e, enum word *word, bool *force,
		       struct error *err)
{
	char text[64];

	if (!text_trim(e->text, e->len, text, sizeof text))
		return fail(err, EINVAL, "that is no word: write one of source "
					 "replica promoting demoting syncing, "
					 "with ' force' after it to override");
	*word = parse_forced(e->text, e->len, force);
	if (*word == WORD_NONE)
		return fail(err, EINVAL,
			    "'%s' is not a word of ours: source replica "
			    "promoting demoting syncing, with ' force' after it "
			    "to override",
			    text);
	return 0;
}

static int edit_state(struct world *w, struct replication *r, struct edit *e,
		      struct error *err)
{
	enum word word;
	bool force;
	int rc = parse_words(e, &word, &force, err);

	if (rc < 0)
		return rc;
	if (word == WORD_SWAP || word == WORD_REMOVE)
		return fail(err, EINVAL, "'%s' is not a state: %s",
			    word_text(word),
			    word == WORD_SWAP ? "write it to endpoints"
					      : "use rmdir");
	return request_word(w, r, e, r->spec, word, force, err);
}

int check_spec_change(struct world *w, const struct replication *r,
		      const struct spec *spec, struct error *err)
{
	unsigned caps = r->backend ? r->backend->ops->capabilities : ~0U;

	if (spec->mode != r->spec->mode && !(caps & CAP_MODE_IN_PLACE))
		return fail(err, EPERM,
			    "backend %s can't change the mode of a "
			    "relationship in place, and it is never made anew",
			    r->backend->name);
	if ((spec->schedule != r->spec->schedule ||
	     strcmp(spec->rpo ? spec->rpo : "",
		    r->spec->rpo ? r->spec->rpo : "") != 0) &&
	    !(caps & CAP_SCHEDULE_IN_PLACE))
		return fail(err, EPERM,
			    "backend %s can't change the schedule in place",
			    r->backend->name);
	if (check_backend(w, r, spec, err) < 0)
		return -err->code;
	return spec_validate(spec, err);
}

int change_spec(struct world *w, struct replication *r, struct edit *e,
		const struct spec *spec, struct error *err)
{
	struct status draft = *r->status;
	char audit[PLAN_TEXT_MAX];

	draft.refused = draft.refused_reason = NULL;
	if (check_spec_change(w, r, spec, err) < 0)
		return -err->code;
	spec_changes(r->spec, spec, audit, sizeof audit);
	return commit_start(w, r, spec, &draft, e, audit, err);
}

static int edit_mode(struct world *w, struct replication *r, struct edit *e,
		     struct error *err)
{
	struct spec changed = spec_draft(r->spec);
	auto_spec spec = NULL;
	char text[32];

	changed.mode = text_trim(e->text, e->len, text, sizeof text)
			       ? mode_parse(text)
			       : MODE_NONE;
	if (changed.mode == MODE_NONE)
		return fail(err, EINVAL,
			    "mode is synchronous or asynchronous");
	if (changed.mode == r->spec->mode)
		return NOTHING_TO_DO;
	changed.written = NULL;
	spec = spec_new(&changed);
	if (!spec)
		return fail(err, ENOMEM, "out of memory");
	return change_spec(w, r, e, spec, err);
}

static int edit_schedule(struct world *w, struct replication *r,
			 struct edit *e, struct error *err)
{
	auto_spec spec =
		manifest_parse_schedule(e->text, e->len, r->spec, err);

	if (!spec)
		return -err->code;
	if (spec_equal(spec, r->spec))
		return NOTHING_TO_DO;
	return change_spec(w, r, e, spec, err);
}

/* `swap` means: this site becomes the source endpoint.  Idempotent. */
static int swap(struct world *w, struct replication *r, struct edit *e,
		bool force, struct error *err)
{
	struct spec changed = spec_draft(r->spec);
	auto_spec spec = NULL;

	if (replication_here(r) == &r->spec->source)
		return request_word(w, r, e, r->spec, WORD_SWAP, force, err);
	changed.source = r->spec->destination;
	changed.destination = r->spec->source;
	changed.written = NULL;
	spec = spec_new(&changed);
	if (!spec)
		return fail(err, ENOMEM, "out of memory");
	return request_word(w, r, e, spec, WORD_SWAP, force, err);
}

static int edit_endpoints(struct world *w, struct replication *r,
			  struct edit *e, struct error *err)
{
	auto_spec spec = NULL;
	struct target t;
	enum word word;
	bool force;

	if (edit_is_words(e->text, e->len)) {
		if (parse_words(e, &word, &force, err) < 0 || word != WORD_SWAP)
			return fail(err, EINVAL,
				    "write 'swap', 'swap force', or "
				    "sourceEndpoint and destinationEndpoint as "
				    "YAML");
		return swap(w, r, e, force, err);
	}
	spec = manifest_parse_endpoints(e->text, e->len, r->spec, err);
	if (!spec)
		return -err->code;
	if (spec_endpoints_equal(spec, r->spec))
		return NOTHING_TO_DO;
	spec_target(r->spec, r->status, &t);
	if (!spec_endpoints_exchanged(spec, r->spec) ||
	    replication_here(r) == &r->spec->source)
		return fail(err, EPERM,
			    "endpoints change only by being exchanged, so that "
			    "%s becomes the source: write swap",
			    t.here);
	return swap(w, r, e, false, err);
}

static int edit_hold(struct world *w, struct replication *r, struct edit *e,
		     struct error *err)
{
	struct status draft = *r->status;
	char text[256], old[300], new[300], audit[PLAN_TEXT_MAX];

	if (!text_trim(e->text, e->len, text, sizeof text) ||
	    !text_is_utf8(text, strlen(text)))
		return fail(err, EINVAL,
			    "a reason is UTF-8 text of at most 255 bytes");
	if (strcmp(text, draft.hold ? draft.hold : "") == 0)
		return NOTHING_TO_DO;
	snprintf(audit, sizeof audit, "%s: %s -> %s",
		 *text ? "held" : "no longer held",
		 text_quote(draft.hold, old, sizeof old),
		 text_quote(*text ? text : NULL, new, sizeof new));
	draft.hold = *text ? text : NULL;
	return commit_start(w, r, r->spec, &draft, e, audit, err);
}

int edit_remove(struct world *w, struct replication *r, struct edit *e,
		       struct error *err)
{
	struct plan plan;

	if (!r->spec && r->work->shared)
		return fail(err, EPERM, "nothing was accepted of it yet: it is "
					"deleted where it was made");
	if (!r->spec) {
		world_audit_line(w, r->ns->name, r->name, &e->who, "accepted",
				 "rmdir: a draft");
		e->done(e, 0);
		world_withdraw(w, r);
		return 0;
	}
	world_plan(w, r, WORD_REMOVE, false, &plan);
	if (plan.verdict != VERDICT_ALLOWED)
		return fail(err,
			    plan.verdict == VERDICT_FORBIDDEN ? EPERM : EBUSY,
			    "%s", plan_why(&plan));
	/* With something to do at the storage the removal is recorded now and
	   carried out like any request. */
	if (plan.step_count)
		return request_accept(w, r, e, r->spec, &plan, err);
	return commit_remove(w, r, e, "removed; the storage is kept", err);
}

static const struct {
	int (*apply)(struct world *w, struct replication *r, struct edit *e,
		     struct error *err);
	const char *name;		/* of the file, for people */
	bool is_line;			/* its text is a word, or a reason */
	bool in_draft;
	bool unadopted;			/* also while nothing was accepted */
} kinds[] = {
	[EDIT_STATE] = {edit_state, "state", true, false, false},
	[EDIT_ENDPOINTS] = {edit_endpoints, "endpoints", false, false, false},
	[EDIT_MODE] = {edit_mode, "mode", true, false, false},
	[EDIT_SCHEDULE] = {edit_schedule, "schedule", false, false, false},
	[EDIT_SPEC] = {edit_spec, "spec.yaml", false, true, false},
	[EDIT_HOLD] = {edit_hold, "hold", true, false, true},
	[EDIT_REMOVE] = {edit_remove, "rmdir", false, true, true},
	[EDIT_ASK] = {edit_ask, "spec", false, true, true},
};

int edit_apply(struct world *w, struct replication *r, struct edit *e,
	       struct error *err)
{
	if (r->status && status_has_call(r->status, e->who.call))
		return ACCEPTED_BEFORE;
	if (w->away && (r->spec || e->kind == EDIT_SPEC))
		return fail(err, EHOSTUNREACH, "%s", w->away_why);
	if (!r->spec && !kinds[e->kind].in_draft)
		return fail(err, ENOENT, "this is a draft: write spec.yaml");
	if (r->spec && r->status->request.word == WORD_REMOVE)
		return fail(err, ENOENT, "it has been removed");
	if (r->spec && r->status->hold && e->kind != EDIT_HOLD)
		return fail(err, EPERM,
			    "held: %s (this is not about rights; empty `hold` "
			    "to go on)",
			    r->status->hold);
	if (r->spec && !kinds[e->kind].unadopted &&
	    check_adopted(w, r, err) < 0)
		return -err->code;
	return kinds[e->kind].apply(w, r, e, err);
}

/* What was asked, for the audit: `state promoting'; a document is not told. */
static void audit_asked(struct world *w, struct replication *r,
			const struct edit *e, const char *event,
			const char *more)
{
	char text[300], quoted[300];
	bool shown = kinds[e->kind].is_line ||
		     (e->kind == EDIT_ENDPOINTS &&
		      edit_is_words(e->text, e->len));

	shown = shown && text_trim(e->text, e->len, text, sizeof text);
	world_audit_line(w, r->ns->name, r->name, &e->who, event, "%s%s%s%s",
			 kinds[e->kind].name, shown ? " " : "",
			 shown ? text_quote(text, quoted, sizeof quoted) : "",
			 more);
}

static void refuse(struct world *w, struct replication *r, struct edit *e,
		   const char *sentence)
{
	char text[ERROR_MSG_MAX + 16];

	w->counts.edits[EDIT_REFUSED]++;
	snprintf(text, sizeof text, "%s: %s", kinds[e->kind].name, sentence);
	replication_set_refusal(w, r, &e->who, text);
	world_note(w, r, &e->who, "refused", "%s", text);
	snprintf(text, sizeof text, ": %s", sentence);
	audit_asked(w, r, e, "refused", text);
}

void edit_find_gone(struct world *w, struct replication *r, struct edit *e)
{
	if (e->kind != EDIT_ASK) {
		w->counts.edits[EDIT_REFUSED]++;
		audit_asked(w, r, e, "refused", ": it has been removed");
	}
	e->done(e, -ENOENT);
}

/* There is nothing to do. */
static void accept_as_is(struct world *w, struct replication *r, struct edit *e,
			 bool before)
{
	w->counts.edits[EDIT_UNCHANGED]++;
	replication_clear_refusal(w, r);
	if (before)
		audit_asked(w, r, e, "accepted",
			    " before the daemon was started anew");
	else
		audit_asked(w, r, e, "unchanged", "");
	e->done(e, 0);
}

bool world_pump(struct world *w, struct replication *r)
{
	struct work *work = r->work;
	struct edit *e;
	struct error err;
	int rc;

	while (!work->committing && (e = work->first)) {
		bool leaves = e->kind == EDIT_REMOVE && !r->spec;

		work->first = e->next;
		if (!work->first)
			work->last = &work->first;
		e->next = NULL;
		rc = edit_apply(w, r, e, &err);
		if (leaves && rc == 0)
			return false;
		if (rc < 0) {
			if (e->kind != EDIT_ASK ||
			    ask_refuse(w, r, rc, err.msg))
				refuse(w, r, e, err.msg);
			e->done(e, rc);
		} else if (rc > 0) {
			accept_as_is(w, r, e, rc == ACCEPTED_BEFORE);
		}
	}
	return true;
}

void world_edit(struct world *w, struct replication *r, struct edit *edit)
{
	struct work *work = r->work;

	*work->last = edit;
	work->last = &edit->next;
	edit->next = NULL;
	/* It waits for the version before it. */
	if (work->committing)
		w->jobs->hurry(w->jobs, &work->commit->job);
	world_pump(w, r);
}
