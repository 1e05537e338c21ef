/* SPDX-License-Identifier: Apache-2.0 */
/* Observations that are kept. */
#include "sight.h"

#include <stdlib.h>
#include <string.h>

/* Of a side what is no text. */
struct packed_side {
	int64_t data_time;
	unsigned char reach, claim, fact, in_use;
	signed char progress;
	bool busy : 1, complete : 1, following : 1, caught_up : 1, diverged : 1,
		has_last_copy : 1, promotes : 1, demotes : 1, can_verify : 1;
};

struct sight {
	int64_t at;
	struct packed_side here, peer;
	unsigned refs;
	bool holds_pvc, peer_alive;
	/* Both sides' native, in_use_by and why, then group and strangers, a
	   NUL after each. */
	char texts[];
};

#define TEXTS 8

static void list_texts(const struct observation *o, const char *out[TEXTS])
{
	const char *const texts[TEXTS] = {
		o->here.native, o->here.in_use_by, o->here.why,
		o->peer.native, o->peer.in_use_by, o->peer.why,
		o->group,	o->strangers,
	};

	memcpy(out, texts, sizeof texts);
}

static struct packed_side pack_side(const struct side *s)
{
	return (struct packed_side){
		.data_time = s->data_time,
		.reach = (unsigned char)s->reach,
		.claim = (unsigned char)s->claim,
		.fact = (unsigned char)s->fact,
		.in_use = (unsigned char)s->in_use,
		.progress = (signed char)s->progress,
		.busy = s->busy,
		.complete = s->complete,
		.following = s->following,
		.caught_up = s->caught_up,
		.diverged = s->diverged,
		.has_last_copy = s->has_last_copy,
		.promotes = s->promotes,
		.demotes = s->demotes,
		.can_verify = s->can_verify,
	};
}

struct sight *sight_new(const struct observation *o)
{
	const char *texts[TEXTS];
	size_t size = 0, len, i;
	struct sight *s;
	char *at;

	list_texts(o, texts);
	for (i = 0; i < TEXTS; i++)
		size += strlen(texts[i]) + 1;
	s = malloc(sizeof *s + size);
	if (!s)
		return NULL;
	s->refs = 1;
	s->at = o->at;
	s->here = pack_side(&o->here);
	s->peer = pack_side(&o->peer);
	s->holds_pvc = o->holds_pvc;
	s->peer_alive = o->peer_alive;
	at = s->texts;
	for (i = 0; i < TEXTS; i++) {
		len = strlen(texts[i]) + 1;
		memcpy(at, texts[i], len);
		at += len;
	}
	return s;
}

struct sight *sight_ref(struct sight *s)
{
	if (s)
		s->refs++;
	return s;
}

void sight_unref(struct sight *s)
{
	if (s && --s->refs == 0)
		free(s);
}

void sight_set(struct sight **to, struct sight *s)
{
	struct sight *old = *to;

	*to = sight_ref(s);
	sight_unref(old);
}

static void unpack_side(const struct packed_side *p, struct side *s)
{
	s->reach = p->reach;
	s->claim = p->claim;
	s->fact = p->fact;
	s->in_use = p->in_use;
	s->busy = p->busy;
	s->complete = p->complete;
	s->following = p->following;
	s->caught_up = p->caught_up;
	s->diverged = p->diverged;
	s->has_last_copy = p->has_last_copy;
	s->promotes = p->promotes;
	s->demotes = p->demotes;
	s->can_verify = p->can_verify;
	s->progress = p->progress;
	s->data_time = p->data_time;
}

void sight_read(const struct sight *s, struct observation *o)
{
	const char *from[TEXTS];
	const char *at;
	size_t len, i;

	if (!s) {
		*o = (struct observation){.at = 0};
		return;
	}
	o->at = s->at;
	o->holds_pvc = s->holds_pvc;
	o->peer_alive = s->peer_alive;
	unpack_side(&s->here, &o->here);
	unpack_side(&s->peer, &o->peer);
	list_texts(o, from);
	at = s->texts;
	for (i = 0; i < TEXTS; i++) {
		len = strlen(at) + 1;
		memcpy((char *)from[i], at, len);
		at += len;
	}
}

struct sight *sight_seen_from(struct sight *s, bool other_side, bool holds_pvc)
{
	struct observation o;

	if (!s || (!other_side && s->holds_pvc == holds_pvc))
		return sight_ref(s);
	sight_read(s, &o);
	if (other_side)
		observation_turn(&o);
	o.holds_pvc = holds_pvc;
	return sight_new(&o);
}

bool sight_holds_pvc(const struct sight *s)
{
	return s && s->holds_pvc;
}

int64_t sight_at(const struct sight *s)
{
	return s ? s->at : 0;
}
