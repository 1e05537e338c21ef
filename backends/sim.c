/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated backend: its table of operations, its birth and its end.  What
 * it models is told in docs/backend-sim.md.
 */
#include "sim.h"

#include "sim_model.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sim_start(struct backend *b, struct sink *sink, struct error *err)
{
	struct sim *sim = sim_of(b);

	sim->sink = sink;
	return engine_start(sim, err);
}

static void sim_stop(struct backend *b)
{
	struct sim *sim = sim_of(b);

	if (sim->started)
		engine_stop(sim);
}

static void sim_free(struct backend *b)
{
	struct sim *sim = sim_of(b);

	sim_stop(b);
	sim_free_model(sim);
	pthread_cond_destroy(&sim->changed);
	pthread_mutex_destroy(&sim->lock);
	pthread_mutex_destroy(&sim->faults_lock);
	if (sim->share >= 0)
		close(sim->share);
	if (sim->root >= 0)
		close(sim->root);
	free(sim->dir);
	free(sim->name);
	free(sim);
}

static int sim_track(struct backend *b, const struct target *t,
		     struct error *err)
{
	int64_t rpo = t->spec->rpo ? duration_parse(t->spec->rpo) : 0;
	struct sim *sim = sim_of(b);
	struct bond *p = sim_bond(sim, t);

	if (!p)
		return fail(err, ENOMEM, "no memory for a simulated volume");
	pthread_mutex_lock(&sim->lock);
	p->tracked = true;
	p->here = t->here_is_destination ? 1 : 0;
	p->mode = t->spec->mode;
	p->schedule = t->spec->schedule;
	p->rpo = rpo > 0 ? rpo : 0;
	bond_tell_anew(sim, p);
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static void sim_untrack(struct backend *b, const char *key)
{
	struct sim *sim = sim_of(b);
	struct bond *p;

	pthread_mutex_lock(&sim->lock);
	p = sim_bond_by_key(sim, key);
	if (p) {
		p->tracked = false;
		bond_mark(sim, p);
	}
	pthread_mutex_unlock(&sim->lock);
}

/* The native line of each act: verb, and what the other cluster has to do with
   it. */
static const struct {
	const char *verb;
	const char *other;		/* NULL: nothing */
} lines[ACT_COUNT] = {
	[ACT_CREATE] = {"create", "with"},
	[ACT_DEMOTE_PEER] = {"demote", "final sync to"},
	[ACT_PROMOTE] = {"promote", "refused while data is lacking from"},
	[ACT_FORCE_PROMOTE] = {"promote --force", "without asking"},
	[ACT_DEMOTE] = {"demote", "final sync to"},
	[ACT_RESYNC] = {"resync", "all of it from"},
	[ACT_PROMOTE_PEER] = {"promote", "followed by"},
	[ACT_RESYNC_PEER] = {"resync", "all of it from"},
	[ACT_DELETE] = {"delete relationship of", "both volumes stay, also at"},
};

static void sim_describe(struct backend *b, const struct target *t,
			 enum act act, struct buf *out)
{
	bool at_peer = act_is_at_peer(act);
	bool handle = t->here_is_destination != at_peer;
	const struct spec *s = t->spec;

	(void)b;
	if (!lines[act].verb)
		return;
	buf_printf(out, "sim %s: %s %s/%s (%s %s)\n",
		   at_peer ? t->peer : t->here, lines[act].verb,
		   handle ? s->volume_namespace : s->pvc_namespace,
		   handle ? s->volume_handle : s->pvc_name, lines[act].other,
		   at_peer ? t->here : t->peer);
}

static const struct backend_ops ops = {
	.type = "sim",
	.capabilities = CAP_STEP_DOWN_PEER | CAP_SECOND_FACT | CAP_GIVE_BACK |
			CAP_LAG | CAP_PROGRESS | CAP_MODE_IN_PLACE |
			CAP_SCHEDULE_IN_PLACE | CAP_DELETE,
	.start = sim_start,
	.stop = sim_stop,
	.free = sim_free,
	.key = sim_key,
	.track = sim_track,
	.untrack = sim_untrack,
	.describe = sim_describe,
	.act = sim_act,
	.observe = sim_observe,
};

/* mkdir -p */
static int make_dirs(char *path)
{
	char *slash;

	for (slash = strchr(path + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST) {
			*slash = '/';
			return -errno;
		}
		*slash = '/';
	}
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

static void init_locks(struct sim *sim)
{
	pthread_mutex_init(&sim->lock, NULL);
	pthread_mutex_init(&sim->faults_lock, NULL);
	clock_cond_init(&sim->changed);
}

struct backend *sim_new(const char *name, const char *dir, struct error *err)
{
	struct sim *sim = calloc(1, sizeof *sim);
	int rc;

	if (!sim) {
		fail(err, ENOMEM, "no memory for the simulation");
		return NULL;
	}
	init_locks(sim);
	sim->root = sim->share = -1;
	sim->is_array = true;
	sim->name = strdup(name);
	sim->dir = strdup(dir);
	sim->backend = (struct backend){&ops, sim->name};
	rc = sim->name && sim->dir ? make_dirs(sim->dir) : -ENOMEM;
	if (!rc) {
		sim->root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = sim->root < 0 ? -errno : 0;
	}
	if (!rc)
		return &sim->backend;
	fail(err, -rc, "can't use %s: %s", dir, strerrordesc_np(-rc));
	sim_free(&sim->backend);
	return NULL;
}
