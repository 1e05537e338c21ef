/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which images of a cluster answer?  Placement groups may be inactive, each for
 * itself, and whoever looks at an image in one waits for seconds.  So images are
 * asked at once, each for a small object of its own, rbd_id.NAME.
 */
#include "rbd_model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ASKED_MAX 256

struct question {
	struct rbd_end *end;
	uint64_t look;
	rados_ioctx_t io;
	rados_completion_t completion;
	uint64_t size;
	time_t time;
	bool silent;
};

/* In pools that the client knows: to ask for one takes seconds, too. */
static unsigned pick(struct rbd_site *s, struct rbd_conn *c,
		     struct question list[static ASKED_MAX])
{
	struct rbd_pair *p;
	unsigned n = 0;

	pthread_mutex_lock(&s->rbd->lock);
	for (p = s->rbd->pairs; p && n < ASKED_MAX; p = p->next) {
		struct rbd_end *e = rbd_end_at(p, s);

		if (!p->tracked || !e || !look_has_pool(c, p))
			continue;
		list[n++] = (struct question){.end = e, .look = ++e->looks};
	}
	pthread_mutex_unlock(&s->rbd->lock);
	return n;
}

static bool pose(struct rbd_conn *c, struct question *q)
{
	const struct rbd_pair *p = q->end->pair;
	char name[BACKEND_KEY_MAX];

	if (look_pool(c, p, &q->io) < 0)
		return false;
	snprintf(name, sizeof name, "rbd_id.%s", p->image);
	if (rados_aio_create_completion2(NULL, NULL, &q->completion) < 0)
		goto no_completion;
	if (rados_aio_stat(q->io, name, q->completion, &q->size, &q->time) == 0)
		return true;
	rados_aio_release(q->completion);
no_completion:
	rados_ioctx_destroy(q->io);
	return false;
}

static int answer(struct question *q)
{
	int rc;

	rados_aio_wait_for_complete(q->completion);
	rc = rados_aio_get_return_value(q->completion);
	rados_aio_release(q->completion);
	rados_ioctx_destroy(q->io);
	return rc;
}

/* With the lock held: as a second look in vain. */
static void flag(const struct question *q)
{
	static const struct rbd_view silent = {
		.reach = REACH_SILENT,
		.why = "the image gives no answer",
		.alive = true,
		.failed = true,
	};

	if (q->look <= q->end->kept)
		return;
	q->end->kept = q->look;
	q->end->view.failed = true;
	watch_keep(q->end, &silent);
	q->end->pair->anew = true;
}

static bool ask_all(struct rbd_site *s, struct rbd_conn *c)
{
	struct question list[ASKED_MAX];
	unsigned n = pick(s, c, list), posed = 0, i;
	bool heard = false;

	for (i = 0; i < n; i++)
		if (pose(c, &list[i]))
			list[posed++] = list[i];
	for (i = 0; i < posed; i++) {
		list[i].silent = site_is_silence(
			site_note(s, answer(&list[i])));
		heard = heard || !list[i].silent;
	}
	pthread_mutex_lock(&s->rbd->lock);
	/* The silence of all is that of the site. */
	for (i = 0; heard && i < posed; i++)
		if (list[i].silent)
			flag(&list[i]);
	pthread_mutex_unlock(&s->rbd->lock);
	return heard;
}

bool probe_images(struct rbd_site *s)
{
	bool heard;
	int rc;
	struct rbd_conn *c = site_conn(s, &rc);

	if (!c)
		return false;
	heard = ask_all(s, c);
	conn_unref(c);
	return heard;
}
