/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which images of a cluster answer?  Placement groups may be inactive, each for
 * itself, and whoever looks at an image in one waits for seconds.  So images are
 * asked at once, each for a small object of its own, rbd_id.NAME.
 */
#include "rbd_model.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ASKED_MAX 256

/* The second is its pool's, and a look begins with it. */
#define OBJECTS 2

struct question {
	struct rbd_end *end;
	uint64_t look;
	rados_ioctx_t io;
	struct {
		rados_completion_t completion;
		uint64_t size;
		time_t time;
	} object[OBJECTS];
	bool heard, silent;
};

/* From the last one on.  In pools that the client knows: to ask for one takes
   seconds, too. */
static unsigned pick(struct rbd_site *s, const char *pools,
		     struct question list[static ASKED_MAX])
{
	struct rbd_pair *p, *first;
	unsigned n = 0;

	pthread_mutex_lock(&s->rbd->lock);
	first = s->probed && s->probed->next ? s->probed->next : s->rbd->pairs;
	for (p = first; p && n < ASKED_MAX;) {
		struct rbd_end *e = rbd_end_at(p, s);

		if (p->tracked && e && look_is_among(pools, p->pool))
			list[n++] = (struct question){.end = e,
						      .look = ++e->looks};
		s->probed = p;
		p = p->next ? p->next : s->rbd->pairs;
		if (p == first)
			break;
	}
	pthread_mutex_unlock(&s->rbd->lock);
	return n;
}

static rados_completion_t ask_for(struct question *q, int i, const char *name)
{
	rados_completion_t c;

	if (rados_aio_create_completion2(NULL, NULL, &c) < 0)
		return NULL;
	if (rados_aio_stat(q->io, name, c, &q->object[i].size,
			   &q->object[i].time) == 0)
		return c;
	rados_aio_release(c);
	return NULL;
}

static bool pose(struct rbd_conn *c, struct question *q)
{
	const struct rbd_pair *p = q->end->pair;
	char name[BACKEND_KEY_MAX];

	if (look_known_pool(c, p, &q->io) < 0)
		return false;
	snprintf(name, sizeof name, "rbd_id.%s", p->image);
	q->object[0].completion = ask_for(q, 0, name);
	q->object[1].completion = ask_for(q, 1, "rbd_mirroring");
	return true;
}

/* What became of it: silence, when either object gives no answer. */
static int answer(struct rbd_site *s, struct question *q)
{
	int i, rc, silence = 0;

	for (i = 0; i < OBJECTS; i++) {
		if (!q->object[i].completion)
			continue;
		rados_aio_wait_for_complete(q->object[i].completion);
		rc = rados_aio_get_return_value(q->object[i].completion);
		rados_aio_release(q->object[i].completion);
		if (site_is_silence(site_note(s, rc)))
			silence = rc;
		else
			q->heard = true;
	}
	rados_ioctx_destroy(q->io);
	return silence;
}

/* With the lock held: as a second look in vain. */
static void flag(struct rbd_end *e, uint64_t look)
{
	static const struct rbd_view silent = {
		.reach = REACH_SILENT,
		.why = "the image gives no answer",
		.alive = true,
		.failed = true,
	};

	if (look <= e->kept)
		return;
	e->kept = look;
	e->view.failed = true;
	watch_keep(e, &silent);
	e->pair->anew = true;
}

static bool ask_all(struct rbd_site *s, struct rbd_conn *c,
		    struct rbd_end *suspect)
{
	struct question list[ASKED_MAX];
	auto_free char *pools = look_pools(c);
	unsigned n = pick(s, pools, list), posed = 0, i;
	bool heard = false;

	/* In its place: the completion is to write there. */
	for (i = 0; i < n; i++) {
		list[posed] = list[i];
		posed += pose(c, &list[posed]);
	}
	for (i = 0; i < posed; i++) {
		list[i].silent = answer(s, &list[i]);
		heard = heard || list[i].heard;
	}
	pthread_mutex_lock(&s->rbd->lock);
	/* The silence of all is that of the site. */
	for (i = 0; heard && i < posed; i++)
		if (list[i].silent || list[i].end == suspect)
			flag(list[i].end, list[i].look);
	pthread_mutex_unlock(&s->rbd->lock);
	return heard;
}

bool probe_images(struct rbd_site *s, struct rbd_end *suspect)
{
	bool heard;
	int rc;
	struct rbd_conn *c = site_conn(s, &rc);

	if (!c)
		return false;
	heard = ask_all(s, c, suspect);
	conn_unref(c);
	return heard;
}
