/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes that a shared store gave no answer to.  The watch may have told already
 * that it has one; else whoever made it is told that nobody knows, and when the
 * store turns out to have it, that is said where it was said to have failed.
 */
#include "world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unheard {
	char writer[OBJECT_WRITER_MAX];
	char audit[sizeof((struct commit *)NULL)->audit];
	char command[64];
	struct who who;
};

void shared_find_kept(struct commit *c)
{
	struct shared_part *part = c->r->work->shared;
	const struct object *later = part ? part->later : NULL;

	if (c->rc == 0 || !later || !*c->unheard ||
	    strcmp(later->writer, c->unheard) != 0)
		return;
	c->rc = 0;
	c->kept = part->later;
	part->later = NULL;
}

void shared_note_unheard(struct replication *r, const struct commit *c)
{
	struct shared_part *part = r->work->shared;
	struct unheard *u;

	if (!part || !*c->unheard)
		return;
	u = calloc(1, sizeof *u);
	if (!u)
		return;
	snprintf(u->writer, sizeof u->writer, "%s", c->unheard);
	snprintf(u->audit, sizeof u->audit, "%s", c->audit);
	snprintf(u->command, sizeof u->command, "%s", c->edit->who.command);
	u->who = c->edit->who;
	u->who.command = u->command;
	free(part->unheard);
	part->unheard = u;
}

void shared_hear(struct world *w, struct replication *r, const struct object *o)
{
	struct shared_part *part = r->work->shared;
	struct unheard *u = part->unheard;

	if (!u || strcmp(o->writer, u->writer) != 0)
		return;
	part->unheard = NULL;
	world_audit_line(w, r->ns->name, r->name, &u->who, "accepted",
			 "%s; the store has it, though it gave no answer",
			 u->audit);
	if (u->who.call && r->refusal.who.call == u->who.call)
		replication_clear_refusal(w, r);
	free(u);
}
