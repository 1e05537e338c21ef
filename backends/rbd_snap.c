/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirror snapshots by the schedule, at whichever side is primary, so that no
 * ceph-mgr is needed.  One is taken when the newest is older than the period; if
 * somebody else took that, another daemon or a mgr, it is left to him to take the
 * next, too, for half a period more.
 */
#include "rbd_model.h"

/* Primary in one look and writable in the other, and the peer is not. */
static bool takes_snapshots(const struct rbd_end *e, const struct rbd_end *o)
{
	const struct rbd_view *v = &e->view;

	return v->at && v->reach == REACH_OK && v->mirrored && v->primary &&
	       !v->no_writes && v->mode == MIRRORING_SNAPSHOT &&
	       !(o->view.reach == REACH_OK && o->view.primary);
}

/* When the snapshot after @last is due. */
static int64_t due_after(const struct rbd_end *e, const struct rbd_snap *last,
			 int64_t taken_at)
{
	int64_t period = e->pair->period;

	if (last && last->id != e->snapped)
		period += period / 2;
	return taken_at + period;
}

/* The end whose snapshot is due, or NULL; *@next: when the next one is. */
static struct rbd_end *due_end(struct rbd_site *s, int64_t *next)
{
	int64_t now = clock_wall(), due;
	struct rbd_end *found = NULL, *e;
	struct rbd_pair *p;

	*next = now + RBD_ROUND_MS;
	pthread_mutex_lock(&s->rbd->lock);
	for (p = s->rbd->pairs; p && !found; p = p->next) {
		e = &p->end[p->end[0].site != s];
		if (!p->tracked || e->site != s ||
		    !takes_snapshots(e, &p->end[e == &p->end[0]]))
			continue;
		due = due_after(e, rbd_last_snap(&e->view), e->snapped_at);
		if (due <= now)
			found = e;
		else if (due < *next)
			*next = due;
	}
	if (found)
		found->snapped_at = now;	/* also when it fails */
	pthread_mutex_unlock(&s->rbd->lock);
	return found;
}

/* Is it due in truth, and still primary? */
static bool is_due(rbd_image_t image, const struct rbd_end *e)
{
	struct rbd_view v = {0};
	const struct rbd_snap *last;
	rbd_mirror_image_info_t info;
	bool primary;

	if (rbd_mirror_image_get_info(image, &info, sizeof info) < 0)
		return false;
	primary = info.primary;
	rbd_mirror_image_get_info_cleanup(&info);
	look_snaps(image, &v);
	last = rbd_last_snap(&v);
	return primary &&
	       (!last || due_after(e, last, last->time) <= clock_wall());
}

static void snapshot(struct rbd_site *s, struct rbd_end *e)
{
	struct rbd_hold hold;

	if (hold_image(s, e->pair, &hold) < 0)
		return;
	if (is_due(hold.image, e))
		site_note(s, rbd_mirror_image_create_snapshot(hold.image,
							      &e->snapped));
	release_image(&hold);
}

void *snap_main(void *arg)
{
	struct rbd_site *s = arg;
	int64_t next = 0, ms = 0;
	struct rbd_end *e;

	while (watch_pause(s, ms < 10 ? 10 : ms)) {
		e = due_end(s, &next);
		ms = e ? 0 : next - clock_wall();
		if (!e)
			continue;
		/* An act that is being made on it goes first. */
		if (pthread_mutex_trylock(&e->pair->calls))
			continue;
		if (!e->flight)
			snapshot(s, e);
		pthread_mutex_unlock(&e->pair->calls);
		pthread_mutex_lock(&s->rbd->lock);
		e->due = true;
		pthread_mutex_unlock(&s->rbd->lock);
	}
	return NULL;
}
