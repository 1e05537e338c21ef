/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world over the faked storage of the unit tests, which a script changes and
 * breaks; and what is never done to a storage, whatever was asked for.
 */
#ifndef UVRFS_FUZZ_SCENE_H
#define UVRFS_FUZZ_SCENE_H

#include "fuzz.h"

#include "fake_world.h"
#include "text.h"

/* The files that are written to, by the first letter of a script's line. */
static const struct {
	char letter;
	enum edit_kind kind;
} files[] = {
	{'s', EDIT_STATE},    {'e', EDIT_ENDPOINTS}, {'m', EDIT_MODE},
	{'c', EDIT_SCHEDULE}, {'y', EDIT_SPEC},	     {'h', EDIT_HOLD},
	{'r', EDIT_REMOVE},
};
#define FILE_COUNT (sizeof files / sizeof *files)

/* ---- what must hold ---- */

/* A state becomes another as the table of edges has it. */
static void check_change(struct world_listener *l, struct replication *r,
			 const struct replication *before, unsigned facets)
{
	const struct request *req, *old;
	const struct edge *edge;
	enum state from, to;

	if (!r->spec || !before->spec)
		return;
	req = &r->status->request;
	old = &before->status->request;
	from = replication_state(before);
	to = replication_state(r);
	if (req->id == old->id) {
		edge = edge_find(from, (enum word)to);
		ck_assert(from == to || (edge && edge->flags & EDGE_BACKEND));
		return;
	}
	ck_assert_uint_eq(req->id, old->id + 1);
	ck_assert_int_eq(r->status->failed, false);
	if (req->word == WORD_SWAP)
		ck_assert_int_eq(from, STATE_SOURCE);
	if (req->word == WORD_SWAP || req->word == WORD_REMOVE || from == to)
		return;
	ck_assert_int_eq(to, (int)req->word);
	edge = edge_for_user(from, req->word, before->spec->state);
	ck_assert_ptr_nonnull(edge);
	if (edge->flags & EDGE_VERIFIED)
		ck_assert(old->outcome == OUTCOME_VERIFIED || req->force);
}

static void ignore(struct world_listener *l, struct replication *r)
{
}

static void ignore_line(struct world_listener *l)
{
}

static struct world_listener scene_listener = {
	.changed = check_change,
	.appeared = ignore,
	.vanishing = ignore,
	.logged = ignore_line,
};

/* Whose act it is: the last that was intended and stored. */
static struct replication *actor(const struct order *order)
{
	struct replication *r = NULL;

	while ((r = world_next(f->world, r ? r->id : 0)))
		if (r->status && order->serial == text_hash(r->status->uid) +
							  r->status->last_serial)
			return r;
	return NULL;
}

static bool is_source(const struct side *s)
{
	return s->reach == REACH_OK && side_verified_role(s) == ROLE_SOURCE;
}

/* What nobody has forced. */
static void check_act(const struct order *order)
{
	const struct side *here = &f->truth.here, *peer = &f->truth.peer;
	const struct replication *r = actor(order);

	ck_assert_msg(r, "%s is nobody's", act_text(order->act));
	ck_assert_int_eq(r->status->intent.act, order->act);
	/* Unless it has been replaced meanwhile. */
	if (r->status->intent.request == r->status->request.id)
		ck_assert_int_eq(r->status->request.outcome, OUTCOME_PENDING);
	if (order->act == ACT_PROMOTE || order->act == ACT_FORCE_PROMOTE)
		ck_assert(!is_source(peer) || order->overrides);
	if (order->act == ACT_PROMOTE_PEER)
		ck_assert(!is_source(here) || order->overrides);
	if (order->act == ACT_RESYNC) {
		ck_assert(is_source(peer));
		ck_assert(!here->diverged || order->overrides);
	}
	if (order->act == ACT_RESYNC_PEER) {
		ck_assert(is_source(here));
		ck_assert(!peer->diverged || order->overrides);
	}
}

static int checked_act(struct backend *b, const struct target *t,
		       const struct order *order, struct error *err)
{
	if (!f->dead)
		check_act(order);
	f->acts = 0;
	return act(b, t, order, err);
}

/* ---- steps of a script ---- */

UNUSED static void scene_begin(void)
{
	setup();
	f->ops.act = checked_act;
}

/*
 * Three letters a change: the side, what of it, and to what.  A longer text
 * changes more, and the world is told of all at once.
 */
static void scene_change(const char *text)
{
	struct side *s;
	unsigned n;

	for (; text[0] && text[1] && text[2]; text += 3) {
		s = text[0] == 'p' ? &f->truth.peer : &f->truth.here;
		n = (unsigned char)text[2] - (unsigned)'a';
		switch (text[1]) {
		case 'r': s->reach = (enum reach)(n % 5); break;
		case 'c': s->claim = (enum role)(n % 4); break;
		case 'f': s->fact = (enum role)(n % 4); break;
		case 'b': s->claim = s->fact = (enum role)(n % 4); break;
		case 'u': s->in_use = (enum tri)(n % 3); break;
		case 'a': s->busy = n & 1; break;
		case 'w': s->complete = n & 1; break;
		case 'o': s->following = n & 1; break;
		case 't': s->caught_up = n & 1; break;
		case 'd': s->diverged = n & 1; break;
		case 'l': s->has_last_copy = n & 1; break;
		case 'p': s->promotes = n & 1; break;
		case 'v': s->can_verify = n & 1; break;
		case 'g': s->progress = (int)(n % 102) - 1; break;
		case 'k': s->data_time = f->now - n * 1000; break;
		case 'n': f->truth.peer_alive = n & 1; break;
		default: break;
		}
	}
}

/* What fails from now on; a letter each, nothing for none. */
static void scene_break(const char *text)
{
	f->save_rc = strchr(text, 's') ? -ENOSPC : 0;
	f->remove_rc = strchr(text, 'r') ? -EIO : 0;
	f->act_rc = strchr(text, 'a')	? -EAGAIN
		    : strchr(text, 'h') ? -EHOSTUNREACH
		    : strchr(text, 'x') ? -EPERM
					: 0;
	f->lie = strchr(text, 'l');
	f->no_final = strchr(text, 'f');
}

/* The storage of all replications is one. */
static void scene_tell(void)
{
	struct observation o = f->truth;
	struct replication *r = NULL;

	o.at = ++f->now;
	world_tick(f->world, f->now);
	while ((r = world_next(f->world, r ? r->id : 0)))
		if (r->spec) {
			o.holds_pvc = r->status->holds_pvc;
			world_observe(f->world, r, &o);
		}
}

/* What changes between the decision and the call is for the backend to see,
   which looks once more; so nothing does here. */
static void finish_acts(void)
{
	struct job *job = f->first;

	while (job) {
		if (!job->run || job->lane != LANE_BACKEND) {
			job = job->next;
			continue;
		}
		run_one();
		job = f->first;
	}
}

/* Does what the line says when it is one of these; else false. */
static bool scene_do(struct line *line)
{
	static const int64_t spans[] = {1, 1000, 30000, 900000, 86400000};

	switch (line->text[0]) {
	case 'S':
		finish_acts();
		scene_change(line_rest(line, 1));
		scene_tell();
		return true;
	case 'F':
		scene_break(line_rest(line, 1));
		return true;
	case 'T':
		f->now += spans[line_pick(line, 1, 5)];
		world_tick(f->world, f->now);
		return true;
	case 'j':
		run_one();
		return true;
	case 'J':
		run_all();
		return true;
	default:
		return false;
	}
}

UNUSED static void scene_end(void)
{
	f->save_rc = f->remove_rc = f->act_rc = 0;
	teardown();
}

#endif
