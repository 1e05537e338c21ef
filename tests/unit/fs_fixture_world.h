/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is under the tree in its tests: a real world, a store in memory, and a
 * backend that does as it is told.
 */
#ifndef UVRFS_FS_FIXTURE_WORLD_H
#define UVRFS_FS_FIXTURE_WORLD_H

#include "session.h"

#include <check.h>
#undef fail /* ours, not that of Check */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Around what the daemon does, in a test that has something fail there. */
#ifndef OURS
#define OURS(on)
#endif

#define NO_REPLY 1
#define REPLIES 64

struct reply {
	uint64_t unique;	/* 0: free */
	int error;		/* 0 or a negative errno */
	size_t len;
	char data[1 << 16];
};

struct kernel {
	struct store store;
	struct store *disk;		/* a real one in its place, or NULL */
	struct jobs jobs;
	struct job *first, **last;
	struct backend backend;
	struct sink *sink;
	struct observation seen;
	struct world_config config;
	struct select_rule rule;
	struct fs_options options;
	struct world *world;
	struct fs *fs;
	int socket;
	int pid;
	int uid;
	uint64_t unique;
	uint64_t next_id;
	int save_rc;		/* what the store answers */
	int act_rc;		/* what the backend answers */
	bool is_blind;		/* it tells nothing of what it serves */
	bool audit_is_slow;	/* it takes a turn, as the others do */
	unsigned invalidated;	/* notifications seen */
	unsigned polled;	/* and those to pollers */
	struct reply replies[REPLIES];
};

#define UNUSED __attribute__((unused))

static struct kernel *of_store(struct store *s)
{
	return (struct kernel *)s;
}

static int store_load(struct store *s, struct store_visitor *v,
		      struct error *err)
{
	return 0;
}

static uint64_t store_new_id(struct store *s, struct error *err)
{
	return ++of_store(s)->next_id;
}

static uint64_t store_last_id(const struct store *s)
{
	return ((const struct kernel *)s)->next_id;
}

static int store_rc(struct store *s, struct error *err)
{
	int rc = of_store(s)->save_rc;

	return rc ? fail(err, -rc, "the store is told to fail") : 0;
}

static int store_save(struct store *s, struct store_write *write,
		      struct error *err)
{
	return store_rc(s, err);
}

static int store_remove(struct store *s, const char *namespace,
			const char *name, const struct status *status,
			struct error *err)
{
	return store_rc(s, err);
}

static int store_mkdir(struct store *s, const char *namespace, uint64_t id,
		       struct error *err)
{
	return store_rc(s, err);
}

static int store_rmdir(struct store *s, const char *namespace,
		       struct error *err)
{
	return store_rc(s, err);
}

static int store_audit(struct store *s, const char *line, struct error *err)
{
	return 0;
}

static const struct store_ops store_table = {
	.type = "memory",
	.load = store_load,
	.new_id = store_new_id,
	.last_id = store_last_id,
	.save = store_save,
	.remove = store_remove,
	.mkdir = store_mkdir,
	.rmdir = store_rmdir,
	.audit = store_audit,
};

static struct kernel *of_jobs(struct jobs *j)
{
	return (struct kernel *)(void *)((char *)j -
					 offsetof(struct kernel, jobs));
}

static struct kernel *of_backend(struct backend *b)
{
	return (struct kernel *)(void *)((char *)b -
					 offsetof(struct kernel, backend));
}

static void submit(struct jobs *jobs, struct job *job)
{
	struct kernel *k = of_jobs(jobs);

	if (job->lane == LANE_AUDIT && !k->audit_is_slow) {
		job->run(job);
		job->done(job);
		return;
	}
	job->next = NULL;
	*k->last = job;
	k->last = &job->next;
}

/* All are done in their order. */
static void hurry(struct jobs *jobs, struct job *job)
{
}

static void run_nothing(struct job *job)
{
}

static void post(struct jobs *jobs, struct job *job)
{
	job->run = run_nothing;
	submit(jobs, job);
}

static int backend_start(struct backend *b, struct sink *sink,
			 struct error *err)
{
	of_backend(b)->sink = sink;
	return 0;
}

static void backend_stop(struct backend *b)
{
}

static void backend_key(struct backend *b, const struct target *t,
			char key[static BACKEND_KEY_MAX])
{
	snprintf(key, BACKEND_KEY_MAX, "%s", t->spec->pvc_name);
}

static int backend_track(struct backend *b, const struct target *t,
			 struct error *err)
{
	struct kernel *k = of_backend(b);

	if (k->is_blind)
		return 0;
	k->seen.at = world_now(k->world);
	k->sink->observed(k->sink, t->spec->pvc_name, &k->seen);
	return 0;
}

static void backend_untrack(struct backend *b, const char *key)
{
}

static void backend_describe(struct backend *b, const struct target *t,
			     enum act act, struct buf *out)
{
	buf_printf(out, "fake %s\n", act_text(act));
}

static void change_role(struct side *side, enum role role)
{
	side->claim = role;
	side->fact = role;
}

static int backend_act(struct backend *b, const struct target *t,
		       const struct order *order, struct error *err)
{
	struct kernel *k = of_backend(b);

	if (k->act_rc)
		return fail(err, -k->act_rc, "the array is told to fail");
	if (order->act == ACT_DEMOTE_PEER) {
		change_role(&k->seen.peer, ROLE_REPLICA);
		k->seen.here.caught_up = true;
	}
	if (order->act == ACT_PROMOTE)
		change_role(&k->seen.here, ROLE_SOURCE);
	if (order->act == ACT_RESYNC_PEER)
		k->seen.peer.following = k->seen.peer.complete = true;
	return 0;
}

static int backend_observe(struct backend *b, const struct target *t,
			   int timeout_ms, struct observation *o,
			   struct error *err)
{
	if (of_backend(b)->is_blind)
		return fail(err, EAGAIN, "the array tells nothing");
	of_backend(b)->seen.at = world_now(of_backend(b)->world);
	*o = of_backend(b)->seen;
	return 0;
}

static const struct backend_ops backend_table = {
	.type = "fake",
	.capabilities = CAP_STEP_DOWN_PEER | CAP_SECOND_FACT | CAP_GIVE_BACK |
			CAP_DELETE | CAP_MODE_IN_PLACE | CAP_SCHEDULE_IN_PLACE,
	.start = backend_start,
	.stop = backend_stop,
	.free = backend_stop,
	.key = backend_key,
	.track = backend_track,
	.untrack = backend_untrack,
	.describe = backend_describe,
	.act = backend_act,
	.observe = backend_observe,
};

/* Runs the jobs, and those that come of them. */
static UNUSED void settle(struct kernel *k)
{
	struct job *job;
	int64_t now = world_now(k->world) + 10;

	OURS(true);
	world_tick(k->world, now);
	while ((job = k->first)) {
		k->first = job->next;
		if (!k->first)
			k->last = &k->first;
		job->run(job);
		job->done(job);
		world_tick(k->world, ++now);
	}
	OURS(false);
}

#endif
