/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching a cluster: a thread that goes round once a second.  A round lists
 * what rbd-mirror has published for whole pools, which costs the same however
 * many images there are but for a page each thousand, and looks at images
 * themselves where that has changed, where something is under way, and at a few
 * more in turn.
 */
#include "rbd_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 1000
#define LOOKS_IN_TURN 4		/* a round, of images where nothing is new */
#define LOOKING_MS 10000	/* before it is asked how the rest is */
#define ALIVE_MS 15000

/* ---- what is kept ---- */

void watch_keep(struct rbd_end *e, const struct rbd_view *v)
{
	struct rbd_view remembered = e->view;
	const struct rbd_snap *last;

	e->looked_at = clock_monotonic();
	e->due = false;
	if (v->at) {
		e->view = *v;
		if (remembered.created == v->created) {
			e->view.data_time = remembered.data_time;
			e->view.diverged = remembered.diverged;
		}
		last = rbd_last_snap(v);
		e->snapped_at = last ? last->time : 0;
	} else {
		/* Once more in the next round, which decides, then in its
		   turn. */
		e->due = v->failed ? !e->view.failed : e->view.at != 0;
		e->view.at = 0;
		e->view.failed = v->failed;
		e->view.reach = e->due && v->reach == REACH_SILENT
					? REACH_UNKNOWN
					: v->reach;
		e->view.alive = v->alive;
		memcpy(e->view.why, v->why, sizeof e->view.why);
	}
}

/* A call that outlasted its act is over some day. */
static void await_flight(struct rbd *rbd, struct rbd_end *e)
{
	bool over;

	if (pthread_mutex_trylock(&e->pair->calls))
		return;		/* an act is being made: it sees to it */
	flight_wait(e, 0, &over);
	pthread_mutex_unlock(&e->pair->calls);
	pthread_mutex_lock(&rbd->lock);
	e->busy = !over;
	pthread_mutex_unlock(&rbd->lock);
}

bool watch_end(struct rbd *rbd, struct rbd_pair *p, int i)
{
	struct rbd_end *e = &p->end[i];
	struct rbd_view v;
	uint64_t look;
	int rc;

	await_flight(rbd, e);
	pthread_mutex_lock(&rbd->lock);
	look = ++e->looks;
	pthread_mutex_unlock(&rbd->lock);
	rc = look_image(e->site, p, &v);
	pthread_mutex_lock(&rbd->lock);
	/* An older look that took longer may be of before an act. */
	if (look > e->kept) {
		e->kept = look;
		watch_keep(e, &v);
	}
	pthread_mutex_unlock(&rbd->lock);
	return !site_is_silence(rc);
}

void pair_judge(struct rbd_pair *p, int here, bool holds_pvc,
		struct observation *o)
{
	struct rbd_end *h = &p->end[here], *e = &p->end[1 - here];
	int i;

	for (i = 0; i < 2; i++) {
		struct rbd_site *s = p->end[i].site;
		struct rbd_view *v = &p->end[i].view;

		v->busy = p->end[i].busy;
		if (v->failed && s->trouble == REACH_OK && !site_is_silent(s))
			continue;
		site_stamp(s, v);
		v->failed = false;
		if (v->reach > REACH_OK) {
			/* Once it answers, only a new look counts. */
			v->at = 0;
			p->end[i].due = true;
		}
	}
	*o = (struct observation){.at = clock_stamp(&p->judged_at)};
	rbd_judge(&h->view, &e->view, o);
	o->holds_pvc = holds_pvc;
	/* The other site's rbd-mirror writes to ours when it does not answer
	   us: it is cut off from us, not dead. */
	o->peer_alive = (e->view.reach == REACH_SILENT && e->view.alive) ||
			(e->site->silent_since &&
			 h->view.peer_record >
				 e->site->silent_wall + ALIVE_MS);
}

static void publish(struct rbd *rbd, struct rbd_pair *p)
{
	struct observation o;
	bool news;

	pthread_mutex_lock(&rbd->lock);
	pair_judge(p, p->here, p->holds_pvc, &o);
	news = p->tracked && (p->anew || !observation_equal(&o, &p->told));
	if (news) {
		p->told = o;
		p->anew = false;
	}
	pthread_mutex_unlock(&rbd->lock);
	if (news)
		rbd->sink->observed(rbd->sink, p->key, &o);
}

/* ---- a round ---- */

static bool record_differs(const struct rbd_view *a, const struct rbd_view *b)
{
	return a->record.known != b->record.known ||
	       a->record.up != b->record.up ||
	       a->record.state != b->record.state ||
	       a->record.data_time != b->record.data_time ||
	       strcmp(a->record.text, b->record.text) != 0;
}

/* With the lock held. */
static void take_record(struct rbd_site *s, const char *path,
			const rbd_mirror_image_global_status_t *status)
{
	struct rbd_end *e = rbd_end_of_image(s->rbd, s, path);
	struct rbd_view v = {0};

	if (!e)
		return;
	look_records(status, &v);
	if (record_differs(&v, &e->view))
		e->due = true;
	e->view.record = v.record;
	e->view.peer_record = v.peer_record;
}

static void take_page(struct rbd_site *s, const struct rbd_pair *pool,
		      const rbd_mirror_image_global_status_t *list, size_t n)
{
	char path[BACKEND_KEY_MAX];
	size_t i;

	pthread_mutex_lock(&s->rbd->lock);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/%s/%s", pool->pool,
			 pool->namespace, list[i].name);
		take_record(s, path, &list[i]);
	}
	pthread_mutex_unlock(&s->rbd->lock);
}

static int list_pages(struct rbd_site *s, const struct rbd_pair *p,
		      rados_ioctx_t io, char **ids,
		      rbd_mirror_image_global_status_t *list)
{
	char start[128] = "";
	size_t n;
	int rc;

	do {
		n = PAGE;
		rc = rbd_mirror_image_global_status_list(io, start, PAGE, ids,
							 list, &n);
		if (rc < 0)
			return rc;
		take_page(s, p, list, n);
		if (n)
			snprintf(start, sizeof start, "%s", ids[n - 1]);
		rbd_mirror_image_global_status_list_cleanup(ids, list, n);
	} while (n == PAGE);
	return 0;
}

/* Lists the pool that @p is in. */
static int list_pool(struct rbd_site *s, struct rbd_conn *c,
		     const struct rbd_pair *p)
{
	rbd_mirror_image_global_status_t *list = calloc(PAGE, sizeof *list);
	char **ids = calloc(PAGE, sizeof *ids);
	rados_ioctx_t io;
	int rc = list && ids ? look_pool(c, p, &io) : -ENOMEM;

	if (rc == 0) {
		rc = list_pages(s, p, io, ids, list);
		rados_ioctx_destroy(io);
	}
	free(list);
	free(ids);
	return rc;
}

/* One pair for each pool of the site, from @after on. */
static struct rbd_pair *next_pool(struct rbd_site *s, struct rbd_pair *after)
{
	struct rbd_pair *p, *q;

	pthread_mutex_lock(&s->rbd->lock);
	for (p = after ? after->next : s->rbd->pairs; p; p = p->next) {
		if (!p->tracked || !rbd_end_at(p, s))
			continue;
		for (q = s->rbd->pairs; q != p; q = q->next)
			if (q->tracked && rbd_end_at(q, s) &&
			    strcmp(q->pool, p->pool) == 0 &&
			    strcmp(q->namespace, p->namespace) == 0)
				break;
		if (q == p)
			break;
	}
	pthread_mutex_unlock(&s->rbd->lock);
	return p;
}

/*
 * Goes on behind the pool that was the last, and ends with the first that gives
 * no answer: it may be the only one, and takes seconds.  False: none gives one.
 */
static bool list_pools(struct rbd_site *s, struct rbd_conn *c)
{
	struct rbd_pair *p = s->listed, *first = NULL;
	bool heard = false, around = false;
	int rc = 0;

	while (!site_is_silence(rc)) {
		p = next_pool(s, p);
		if (!p && around)
			break;
		around = around || !p;
		if (!p)
			continue;
		if (p == first)
			break;
		first = first ? first : p;
		s->listed = p;
		rc = list_pool(s, c, p);
		/* Of a pool that is not there the monitors know. */
		if (rc != -ENOENT)
			heard = !site_is_silence(site_note(s, rc)) || heard;
	}
	return heard || !site_is_silence(rc);
}

/* The image that has waited longest to be looked at, or NULL. */
static struct rbd_end *most_due(struct rbd_site *s, int64_t begun,
				unsigned *turns)
{
	struct rbd_end *e, *due = NULL, *oldest = NULL;
	struct rbd_pair *p;

	pthread_mutex_lock(&s->rbd->lock);
	for (p = s->rbd->pairs; p; p = p->next) {
		e = p->tracked ? rbd_end_at(p, s) : NULL;
		if (!e || e->looked_at >= begun)
			continue;
		if (e->due || (e->busy && !e->view.failed) || !e->looked_at ||
		    !rbd_is_settled(&p->end[0].view, &p->end[1].view)) {
			if (!due || e->looked_at < due->looked_at)
				due = e;
		} else if (!oldest || e->looked_at < oldest->looked_at) {
			oldest = e;
		}
	}
	if (!due && oldest && *turns) {
		(*turns)--;
		due = oldest;
	}
	if (s->rbd->stopping || !s->conn)
		due = NULL;
	pthread_mutex_unlock(&s->rbd->lock);
	return due;
}

/* It had no answer before either. */
static bool was_silent(struct rbd_end *e)
{
	bool failed;

	pthread_mutex_lock(&e->site->rbd->lock);
	failed = e->view.failed;
	pthread_mutex_unlock(&e->site->rbd->lock);
	return failed;
}

static void look_around(struct rbd_site *s)
{
	int64_t begun = clock_monotonic();
	unsigned turns = LOOKS_IN_TURN;
	struct rbd_end *e;
	bool known, on = true;

	while (on && clock_monotonic() - begun < LOOKING_MS &&
	       (e = most_due(s, begun, &turns))) {
		known = was_silent(e);
		on = watch_end(s->rbd, e->pair, e == &e->pair->end[1]);
		publish(s->rbd, e->pair);
		/* That took seconds: who else is silent is found out at once,
		   and one of these a round is looked at. */
		if (!on && !known)
			on = probe_images(s, e);
	}
}

/* Must @p be told of, whether it has been looked at or not? */
static bool is_news(struct rbd_site *s, struct rbd_pair *p, bool changed)
{
	bool news;

	pthread_mutex_lock(&s->rbd->lock);
	news = p->tracked && rbd_end_at(p, s) &&
	       (changed || p->anew || s->silent_since);
	pthread_mutex_unlock(&s->rbd->lock);
	return news;
}

/* All of the site's pairs, when the site itself is news or somebody waits. */
static void tell_pairs(struct rbd_site *s)
{
	struct rbd_view v = {.at = 1};
	struct rbd_pair *p;
	bool changed;

	pthread_mutex_lock(&s->rbd->lock);
	site_stamp(s, &v);
	changed = v.reach != s->told;
	s->told = v.reach;
	p = s->rbd->pairs;
	pthread_mutex_unlock(&s->rbd->lock);
	for (; p; p = p->next)
		if (is_news(s, p, changed))
			publish(s->rbd, p);
}

/* With the lock held: does anybody track an image at this site? */
static bool has_work(const struct rbd_site *s)
{
	struct rbd_pair *p;

	for (p = s->rbd->pairs; p; p = p->next)
		if (p->tracked && rbd_end_at(p, s))
			return true;
	return false;
}

bool watch_pause(struct rbd_site *s, int64_t ms)
{
	struct rbd *rbd = s->rbd;
	int64_t until = clock_monotonic() + ms;
	bool on;

	pthread_mutex_lock(&rbd->lock);
	if (has_work(s) && !rbd->stopping)
		clock_cond_wait(&rbd->wake, &rbd->lock, until);
	while (!has_work(s) && !rbd->stopping) {
		/* Nobody asks any more: silence would begin anew. */
		s->silent_since = 0;
		pthread_cond_wait(&rbd->wake, &rbd->lock);
	}
	on = !rbd->stopping;
	pthread_mutex_unlock(&rbd->lock);
	return on;
}

/* True: its OSDs answer, be it only some. */
static bool ask_site(struct rbd_site *s)
{
	int64_t asked = clock_monotonic();
	struct rbd_conn *c;
	bool heard;
	int rc;

	c = site_conn(s, &rc);
	if (!c)
		return false;
	heard = list_pools(s, c) || probe_images(s, NULL);
	conn_unref(c);
	if (heard)
		return true;
	site_note_silence(s, asked);
	site_doubt(s);
	return false;
}

void *watch_main(void *arg)
{
	struct rbd_site *s = arg;

	while (watch_pause(s, RBD_ROUND_MS)) {
		site_connect(s);
		if (ask_site(s))
			look_around(s);
		tell_pairs(s);
	}
	return NULL;
}
