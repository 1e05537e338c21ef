/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the world stands on, faked: a queue of jobs that are run in place, a
 * store in memory, and a storage of two switches that can fail and lie.
 */
#ifndef UVRFS_FAKE_STORAGE_H
#define UVRFS_FAKE_STORAGE_H

#include <check.h>
#undef fail		/* ours is the one of error.h */

#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

struct fake {
	struct jobs jobs;
	struct job *first, **last;
	const struct job *hurried;	/* the last */
	struct store store;
	uint64_t next_id;
	int save_rc;			/* what the next saves answer */
	int remove_rc;
	int audit_rc;
	char audit[1024];		/* its last line */
	unsigned audited;
	unsigned saves, removes;
	struct backend backend;
	struct sink *sink;		/* where the backend's watch tells */
	struct backend_ops ops;
	struct observation truth;
	int act_rc;			/* what the next acts answer */
	bool outlasts;			/* they give up and go on */
	struct outlast outlast;
	bool lie;			/* take acts, change only claims */
	bool no_final;			/* the final copy never arrives */
	bool dead;			/* the daemon was killed: what it still
					   had in hand comes to nothing */
	unsigned acts;
	enum act did[64];
	uint64_t serials[64];
	unsigned overrides;		/* of the last */
	struct world *world;
	struct world_config config;
	struct spec *kept;		/* what a new daemon loads, or NULL */
	struct status *kept_status;
	unsigned answers;
	int64_t now;
};

static struct fake *f;

/* ---- jobs ---- */

static void submit(struct jobs *jobs, struct job *job)
{
	job->next = NULL;
	*f->last = job;
	f->last = &job->next;
}

/* All are done in their order. */
static void hurry(struct jobs *jobs, struct job *job)
{
	f->hurried = job;
}

static void finish_job(struct job *job)
{
	if (job->run)
		job->run(job);
	job->done(job);
}

/* Out of its turn: the first of the backend's, or the first of the others; NULL:
   there is none.  What is done on the loop has no thread to wait for. */
UNUSED static struct job *take_job(bool backend)
{
	struct job **at = &f->first, *job;

	while (*at && ((*at)->run && (*at)->lane == LANE_BACKEND) != backend)
		at = &(*at)->next;
	job = *at;
	if (!job)
		return NULL;
	*at = job->next;
	if (!*at)
		f->last = at;
	return job;
}

static bool run_one(void)
{
	struct job *job = f->first;

	if (!job)
		return false;
	f->first = job->next;
	if (!f->first)
		f->last = &f->first;
	finish_job(job);
	return true;
}

static void run_all(void)
{
	while (run_one())
		;
}

static void advance(int64_t ms)
{
	f->now += ms;
	world_tick(f->world, f->now);
	run_all();
}

/* ---- store ---- */

static int load(struct store *s, struct store_visitor *v, struct error *err)
{
	int rc;

	if (!f->kept)
		return 0;
	rc = v->found_namespace(v, "database", 1);
	return rc < 0 ? rc
		      : v->found(v, "database", "db", f->kept, f->kept_status);
}

static uint64_t new_id(struct store *s, struct error *err)
{
	return ++f->next_id;
}

static int save(struct store *s, struct store_write *write, struct error *err)
{
	ck_assert_uint_eq(write->status->resource_version,
			  write->expected + 1);
	if (f->dead || f->save_rc)
		return fail(err, f->dead ? EIO : -f->save_rc,
			    "the disk says no");
	f->saves++;
	return 0;
}

static int remove_one(struct store *s, const char *namespace, const char *name,
		      const struct status *status, struct error *err)
{
	if (f->dead || f->remove_rc)
		return fail(err, f->dead ? EIO : -f->remove_rc,
			    "the disk says no");
	f->removes++;
	return 0;
}

static int mkdir_one(struct store *s, const char *namespace, uint64_t id,
		     struct error *err)
{
	return 0;
}

static int rmdir_one(struct store *s, const char *namespace, struct error *err)
{
	return 0;
}

static int audit(struct store *s, const char *line, struct error *err)
{
	if (f->audit_rc)
		return fail(err, -f->audit_rc, "no room for it");
	snprintf(f->audit, sizeof f->audit, "%s", line);
	f->audited++;
	return 0;
}

static const struct store_ops store_ops = {
	.type = "fake",
	.load = load,
	.new_id = new_id,
	.save = save,
	.remove = remove_one,
	.mkdir = mkdir_one,
	.rmdir = rmdir_one,
	.audit = audit,
};

/* ---- storage ---- */

static void key(struct backend *b, const struct target *t,
		char out[static BACKEND_KEY_MAX])
{
	snprintf(out, BACKEND_KEY_MAX, "%s", t->spec->volume_handle);
}

static int start(struct backend *b, struct sink *sink, struct error *err)
{
	f->sink = sink;
	return 0;
}

static int track(struct backend *b, const struct target *t, struct error *err)
{
	return 0;
}

static void untrack(struct backend *b, const char *k)
{
}

static void describe(struct backend *b, const struct target *t, enum act act,
		     struct buf *out)
{
	buf_printf(out, "fake %s\n", act_text(act));
}

static void set_role(struct side *side, enum role role)
{
	side->claim = role;
	if (!f->lie)
		side->fact = role;
}

static int act(struct backend *b, const struct target *t,
	       const struct order *order, struct error *err)
{
	struct side *here = &f->truth.here, *peer = &f->truth.peer;

	if (f->dead)
		return fail(err, EIO, "nobody is there to ask");
	ck_assert_uint_lt(f->acts, 64);
	f->serials[f->acts] = order->serial;
	f->overrides = order->overrides;
	f->did[f->acts++] = order->act;
	if (f->outlasts && order->outlast) {
		order->outlast->taken = true;
		f->outlast = *order->outlast;
	}
	if (f->act_rc)
		return fail(err, -f->act_rc, "the array says no");
	switch ((int)order->act) {
	case ACT_DEMOTE_PEER:
		set_role(peer, ROLE_REPLICA);
		here->caught_up = !f->no_final;
		break;
	case ACT_PROMOTE:
	case ACT_FORCE_PROMOTE:
		set_role(here, ROLE_SOURCE);
		here->following = false;
		break;
	case ACT_PROMOTE_PEER:
		set_role(peer, ROLE_SOURCE);
		break;
	case ACT_DEMOTE:
		set_role(here, ROLE_REPLICA);
		peer->caught_up = !f->no_final;
		break;
	case ACT_RESYNC_PEER:
		set_role(peer, ROLE_REPLICA);
		peer->following = peer->complete = true;
		peer->diverged = false;
		break;
	case ACT_RESYNC:
		set_role(here, ROLE_REPLICA);
		here->following = here->complete = true;
		here->diverged = false;
		break;
	case ACT_CREATE:
		set_role(here, ROLE_REPLICA);
		set_role(peer, ROLE_SOURCE);
		here->complete = here->following = true;
		break;
	case ACT_DELETE:
		set_role(here, ROLE_ABSENT);
		set_role(peer, ROLE_ABSENT);
		break;
	case ACT_VERIFY:
		here->fact = f->lie ? ROLE_UNKNOWN : here->claim;
		here->can_verify = false;
		break;
	case ACT_VERIFY_PEER:
		peer->fact = f->lie ? ROLE_UNKNOWN : peer->claim;
		peer->can_verify = false;
		break;
	default:
		ck_abort_msg("act %s is no call", act_text(order->act));
	}
	return 0;
}

static int observe(struct backend *b, const struct target *t, int timeout_ms,
		   struct observation *o, struct error *err)
{
	if (f->dead)
		return fail(err, EIO, "nobody is there to ask");
	*o = f->truth;
	o->at = f->now;
	o->holds_pvc = !t->here_is_destination;
	return 0;
}

#endif
