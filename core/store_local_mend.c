/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person did to a file while the daemon was stopped, made good.  An edit
 * by hand may change what is wanted, but never starts a transition.
 */
#include "store_local_mend.h"

#include "reason.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint64_t loading_new_id(struct loading *l)
{
	struct error err;
	uint64_t id = ids_next(l->local, &err);

	if (!id)
		loading_complain(l, "%s", err.msg);
	else if (loading_claim_id(l, id) < 0)
		return 0;
	return id;
}

/*
 * A status as at birth, without any request.  Of @old, which may be NULL, only
 * what keeps somebody from harm: whose volume it is about, and the hold.
 */
static int start_anew(struct loading *l, struct file_content *c,
		      const struct status *old)
{
	char uid[UUID_SIZE];
	struct status draft = {
		.uid = uid,
		.created = l->now,
		.updated = l->now,
		.spec_changed = l->now,
		.generation = 1,
		.resource_version = 1,
	};
	struct status *made;
	int i, rc;

	for (i = 0; i < CONDITION_COUNT; i++)
		draft.conditions[i] = (struct condition){
			CONDITION_UNKNOWN,
			reason_text(REASON_NOT_OBSERVED), "", l->now, 1};
	if (old) {
		draft.site = old->site;
		draft.holds_pvc = old->holds_pvc;
		draft.hold = old->hold;
	}
	rc = text_make_uuid(uid);
	if (rc < 0)
		return rc;
	draft.id = loading_new_id(l);
	if (!draft.id)
		return -ENODATA;
	made = status_new(&draft);
	if (!made)
		return -ENOMEM;
	status_unref(c->status);
	c->status = made;
	return 0;
}

/* Every replication has an id that no other has.  1: it was given one. */
static int mend_id(struct loading *l, const struct place *p,
		   struct file_content *c)
{
	int rc = c->status ? loading_claim_id(l, c->status->id) : -EEXIST;
	const char *why;

	if (rc != -EEXIST)
		return rc;
	why = c->status ? "has the id of another, as a copy has"
			: "has no status of ours";
	rc = start_anew(l, c, c->status);
	loading_complain(l, "%s/%s %s: it %s", p->path, p->name, why,
			 rc < 0 ? "is left out, since it got no id"
				: "was taken over as a new replication");
	return rc < 0 ? rc : 1;
}

/* 1: the spec or the metadata was edited, so that this is a new version. */
static int mend_version(struct loading *l, const struct place *p,
			struct file_content *c)
{
	struct status draft = *c->status;
	char uid[UUID_SIZE];
	struct status *made;

	if (!c->edited && draft.uid && draft.created)
		return 0;
	if (c->edited) {
		loading_complain(l, "%s/%s was edited by hand: this is "
				    "generation %lld",
				 p->path, p->name,
				 (long long)draft.generation + 1);
		draft.generation++;
		draft.resource_version++;
		draft.spec_changed = l->now;
	}
	if (!draft.created)
		draft.created = l->now;
	if (!draft.uid && text_make_uuid(uid) < 0)
		return -EIO;
	if (!draft.uid)
		draft.uid = uid;
	draft.updated = l->now;
	made = status_new(&draft);
	if (!made)
		return -ENOMEM;
	status_unref(c->status);
	c->status = made;
	return 1;
}

int mend(struct loading *l, const struct place *p, const char *name,
	 struct file_content *c)
{
	struct error err;
	int given, changed;

	given = mend_id(l, p, c);
	if (given < 0)
		return given;
	changed = given ? 0 : mend_version(l, p, c);
	if (changed < 0)
		return changed;
	if (c->refused)
		loading_complain(l,
				 "%s/%s was edited by hand to the state '%s', "
				 "which was not taken over: it stays '%s'; "
				 "write the word to the file `state` instead",
				 p->path, p->name, state_text(c->refused),
				 state_text(c->spec->state));
	if (!given && !changed && !c->refused)
		return 0;
	/* Not written, it is mended in the same way at the next start. */
	if (file_write(p, l->namespace, name, c->spec, c->status, true, &err) <
	    0)
		loading_complain(l, "%s", err.msg);
	return 0;
}
