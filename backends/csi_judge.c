/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that judges pairs of which something has changed, and tells. */
#include "csi_model.h"

void csi_bring_up(struct csi_pair *p)
{
	struct csi *csi = p->site[0]->csi;

	if (p->dirty || !p->tracked)
		return;
	p->dirty = true;
	p->next_dirty = NULL;
	*csi->dirty_end = p;
	csi->dirty_end = &p->next_dirty;
	pthread_cond_broadcast(&csi->wake);
}

static struct csi_pair *take_dirty(struct csi *csi)
{
	struct csi_pair *p = csi->dirty;

	if (!p)
		return NULL;
	csi->dirty = p->next_dirty;
	if (!csi->dirty)
		csi->dirty_end = &csi->dirty;
	p->dirty = false;
	return p;
}

/* A source that is lost can't tell it any more. */
static void remember(int64_t *known, const struct side *s)
{
	if (s->claim == ROLE_REPLICA && s->data_time > *known)
		*known = s->data_time;
}

static bool is_incomplete(const struct side *s)
{
	return s->claim == ROLE_REPLICA && !s->complete;
}

static void judge(struct csi *csi, struct csi_pair *p, struct observation *o)
{
	int64_t at = clock_stamp(&p->looked_at);
	struct csi_view v[2];
	int i;

	csi_begin_asking(p);
	for (i = 0; i < 2; i++) {
		csi_view_fill(p, i, &v[i]);
		csi_view_doubt(p, i, &v[i]);
	}
	csi_end_asking(p);
	csi_judge(csi, &v[p->here], &v[1 - p->here], o);
	o->at = at;
	o->holds_pvc = p->here == p->holder;
	remember(&p->known_time[p->here], &o->here);
	remember(&p->known_time[1 - p->here], &o->peer);
	if (o->here.reach == REACH_OK && o->peer.reach == REACH_OK) {
		p->was_incomplete[p->here] = is_incomplete(&o->here);
		p->was_incomplete[1 - p->here] = is_incomplete(&o->peer);
	}
	for (i = 0; i < 2; i++)
		csi_view_finish(&v[i]);
}

void *csi_judge_main(void *arg)
{
	struct csi *csi = arg;
	struct observation o, old;
	struct csi_pair *p;
	bool news;

	pthread_mutex_lock(&csi->lock);
	while (!csi->stopping) {
		p = take_dirty(csi);
		if (!p) {
			pthread_cond_wait(&csi->wake, &csi->lock);
			continue;
		}
		judge(csi, p, &o);
		sight_read(p->told, &old);
		news = p->tracked && (p->anew || !observation_equal(&o, &old));
		sight_unref(p->told);
		p->told = sight_new(&o);
		p->anew = false;
		pthread_mutex_unlock(&csi->lock);
		if (news)
			csi->sink->observed(csi->sink, p->key, &o);
		pthread_mutex_lock(&csi->lock);
	}
	pthread_mutex_unlock(&csi->lock);
	return NULL;
}
