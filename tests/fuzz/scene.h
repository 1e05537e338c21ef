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

static void scene_begin(void)
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
		if (r->spec)
			world_observe(f->world, r, &o);
}

/* Does what the line says when it is one of these; else false. */
static bool scene_do(struct line *line)
{
	static const int64_t spans[] = {1, 1000, 30000, 900000, 86400000};

	switch (line->text[0]) {
	case 'S':
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

static void scene_end(void)
{
	f->save_rc = f->remove_rc = f->act_rc = 0;
	teardown();
}

#endif
