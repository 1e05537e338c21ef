/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster: a watch for each kind of object, and a thread that asks whether the
 * API server answers.  A call without an answer is no verdict, only silence that
 * lasts is; an error that a server answers with is no silence.
 */
#include "csi_model.h"

#include "json_parts.h"
#include "thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_MS 5000
#define RETRY_MS 1000

unsigned csi_kind_count(const struct csi *csi)
{
	unsigned n = 0;

	while (csi->product->kinds[n].plural)
		n++;
	return CSI_COMMON + n;
}

const struct csi_kind *csi_kind_of(const struct csi *csi, int kind)
{
	return kind < CSI_COMMON ? &csi_common_kinds[kind]
				 : &csi->product->kinds[kind - CSI_COMMON];
}

/* A thread and a connection each: not for what nobody looks at. */
static bool is_watched(const struct csi *csi, int kind)
{
	if (kind == CSI_SNAPSHOT || kind == CSI_SNAPSHOT_CLASS)
		return csi->product->capabilities & CAP_VERIFY;
	return !csi_kind_of(csi, kind)->unwatched;
}

/* ---- how it stands ---- */

static bool is_silence(int rc)
{
	return rc == -EHOSTUNREACH || rc == -ETIMEDOUT;
}

static void stamp(struct csi_view *v, enum reach reach, const char *why)
{
	v->reach = reach;
	snprintf(v->why, sizeof v->why, "%s", why);
}

void csi_note_trouble(struct csi_trouble *t, int rc, const char *why)
{
	if (rc == 0)
		t->since = 0;
	else if (!t->since)
		t->since = clock_monotonic();
	t->rc = rc;
	snprintf(t->why, sizeof t->why, "%s", why);
}

enum reach csi_trouble_reach(const struct csi *csi,
			     const struct csi_trouble *t)
{
	bool lasts = t->since &&
		     clock_monotonic() - t->since >= csi->silent_ms;

	if (t->rc == 0)
		return REACH_OK;
	return t->rc == -EACCES || lasts ? REACH_REFUSED : REACH_UNKNOWN;
}

/* What the server says of one kind; REACH_OK when it can be done without. */
static enum reach kind_reach(const struct csi_site *s, int at)
{
	const struct csi_watch *w = &s->watches[at];

	if (csi_kind_of(s->csi, at)->optional ||
	    (w->listed && w->trouble.rc == 0))
		return REACH_OK;
	if (w->trouble.rc == -ENOENT)
		return REACH_UNCONFIGURED;
	return w->trouble.rc ? csi_trouble_reach(s->csi, &w->trouble)
			     : REACH_UNKNOWN;
}

static void stamp_kind(const struct csi_site *s, int at, enum reach reach,
		       struct csi_view *v)
{
	const struct csi_trouble *t = &s->watches[at].trouble;
	const struct csi_kind *kind = csi_kind_of(s->csi, at);

	v->reach = reach;
	if (reach == REACH_UNCONFIGURED)
		snprintf(v->why, sizeof v->why, "%s is not installed there: it "
			 "has no %s", s->csi->product->installed_as,
			 kind->plural);
	else if (t->rc)
		snprintf(v->why, sizeof v->why, "%s", t->why);
	else
		snprintf(v->why, sizeof v->why, "its %s were not listed yet",
			 kind->plural);
}

bool csi_outweighs(enum reach reach, enum reach known)
{
	if (known == REACH_UNKNOWN)
		return reach != REACH_OK && reach != REACH_UNKNOWN;
	return known == REACH_OK && reach != REACH_OK;
}

static void stamp_trouble(const struct csi_site *s, struct csi_view *v)
{
	enum reach reach = csi_trouble_reach(s->csi, &s->trouble);
	int i, at = -1, n = (int)csi_kind_count(s->csi);

	for (i = 0; i < n; i++) {
		enum reach of = kind_reach(s, i);

		if (!csi_outweighs(of, reach))
			continue;
		reach = of;
		at = i;
	}
	if (at >= 0)
		stamp_kind(s, at, reach, v);
	else
		stamp(v, reach, s->trouble.why);
}

void csi_site_stamp(const struct csi_site *s, struct csi_view *v)
{
	int64_t silence = s->silent_since ? clock_monotonic() - s->silent_since
					  : 0;

	if (!s->kube)
		stamp(v, REACH_UNCONFIGURED,
		      "the configuration has no kubeconfig for it");
	else if (s->silent_since && silence >= s->csi->silent_ms)
		stamp(v, REACH_SILENT, s->trouble.why);
	else if (!s->asked)
		stamp(v, REACH_UNKNOWN, "it was not asked yet");
	else
		stamp_trouble(s, v);
}

/* ---- what watches tell ---- */

/* With the lock held: whatever becomes of the question whether it answers. */
static void is_heard(struct csi_site *s)
{
	if (s->silent_since)
		s->silent_since = clock_monotonic();
}

static void seen(struct kube_listener *l, const json_t *object, int64_t as_of)
{
	struct csi_watch *w = (struct csi_watch *)l;
	struct csi *csi = w->site->csi;

	pthread_mutex_lock(&csi->lock);
	is_heard(w->site);
	csi_put(w->site, w->kind, object, false);
	pthread_mutex_unlock(&csi->lock);
}

static void gone(struct kube_listener *l, const char *namespace,
		 const char *name, const char *uid)
{
	struct csi_watch *w = (struct csi_watch *)l;
	struct csi *csi = w->site->csi;
	char key[320];

	snprintf(key, sizeof key, "%s/%s", namespace, name);
	pthread_mutex_lock(&csi->lock);
	is_heard(w->site);
	csi_drop(w->site, w->kind, key, uid);
	pthread_mutex_unlock(&csi->lock);
}

/* With the lock held: everything at this site looks different now. */
static void mark_site(struct csi_site *s)
{
	struct csi_pair *p;

	for (p = s->csi->pairs; p; p = p->next)
		if (p->tracked && (p->site[0] == s || p->site[1] == s))
			csi_bring_up(p);
}

static void listed(struct kube_listener *l)
{
	struct csi_watch *w = (struct csi_watch *)l;
	struct csi *csi = w->site->csi;

	pthread_mutex_lock(&csi->lock);
	is_heard(w->site);
	w->listed = true;
	csi_note_trouble(&w->trouble, 0, "");
	mark_site(w->site);
	pthread_mutex_unlock(&csi->lock);
}

static void reached(struct kube_listener *l, int rc, const char *why)
{
	struct csi_watch *w = (struct csi_watch *)l;
	struct csi *csi = w->site->csi;

	pthread_mutex_lock(&csi->lock);
	if (w->trouble.rc != rc)
		mark_site(w->site);
	csi_note_trouble(&w->trouble, rc, why);
	/* The definition is gone, and with it all there were. */
	if (rc == -ENOENT) {
		csi_drop_kind(w->site, w->kind);
		w->listed = false;
	}
	pthread_mutex_unlock(&csi->lock);
}

/* ---- does it answer? ---- */

static void note(struct csi_site *s, int rc, const json_t *version,
		 const struct error *err)
{
	struct csi_view v = {0};
	bool news = !s->asked || s->trouble.rc != rc;
	int64_t since = s->trouble.since;

	s->asked = true;
	csi_note_trouble(&s->trouble, rc, rc < 0 ? err->msg : "");
	if (!is_silence(rc)) {
		s->silent_since = 0;
	} else {
		/* It is no error, and makes none of before well. */
		s->trouble.since = since;
		if (!s->silent_since)
			s->silent_since = clock_monotonic();
	}
	if (rc == 0)
		snprintf(s->version, sizeof s->version, "%s",
			 json_text_at(version, "gitVersion"));
	csi_site_stamp(s, &v);
	/* Watches change its reach, too, and tell that themselves. */
	if (news || v.reach != s->told || s->csi->product->ages)
		mark_site(s);
	s->told = v.reach;
}

/* False: it is to end. */
static bool probe(struct csi_site *s, struct kube_conn *c)
{
	struct csi *csi = s->csi;
	int period = csi->silent_ms / 4;
	const struct kube_request q = {
		.method = "GET",
		.path = "/version",
		.timeout_ms = period < PROBE_MS ? period : PROBE_MS,
	};
	json_t *version = NULL;
	bool was_silent, on;
	struct error err;
	unsigned i;
	int rc = kube_call(c, &q, &version, &err);

	if (rc == -ESHUTDOWN)
		return false;
	pthread_mutex_lock(&csi->lock);
	was_silent = s->silent_since;
	note(s, rc, version, &err);
	on = !csi->stopping;
	pthread_mutex_unlock(&csi->lock);
	json_decref(version);
	for (i = 0; was_silent && rc == 0 && i < csi_kind_count(csi); i++)
		if (s->watches[i].reflector)
			kube_reflector_hurry(s->watches[i].reflector);
	if (rc == 0)
		csi_look_at_ill(s);
	if (rc < 0 && period > RETRY_MS)
		period = RETRY_MS;
	return on && kube_pause(c, period < PROBE_MS ? period : PROBE_MS);
}

static void *probe_main(void *arg)
{
	struct csi_site *s = arg;
	struct error err;
	struct kube_conn *c = kube_conn_new(s->kube, &err);

	while (c && probe(s, c))
		;
	kube_conn_free(c);
	return NULL;
}

/* ---- connections ---- */

struct kube_conn *csi_conn_take(struct csi_site *s, struct error *err)
{
	struct kube_conn *c = NULL;

	pthread_mutex_lock(&s->csi->lock);
	if (s->conn_count)
		c = s->conns[--s->conn_count];
	pthread_mutex_unlock(&s->csi->lock);
	return c ? c : kube_conn_new(s->kube, err);
}

void csi_conn_give(struct csi_site *s, struct kube_conn *c)
{
	pthread_mutex_lock(&s->csi->lock);
	if (s->conn_count < CSI_CONNS_MAX) {
		s->conns[s->conn_count++] = c;
		c = NULL;
	}
	pthread_mutex_unlock(&s->csi->lock);
	kube_conn_free(c);
}

/* ---- beginning and end ---- */

static int start_watch(struct csi_site *s, int kind, struct error *err)
{
	const struct csi_kind *k = csi_kind_of(s->csi, kind);
	struct csi_watch *w = &s->watches[kind];
	char path[256], older[256];

	*w = (struct csi_watch){
		.listener = {
			.seen = seen,
			.gone = gone,
			.listed = listed,
			.reached = reached,
		},
		.site = s,
		.kind = kind,
	};
	snprintf(path, sizeof path, "%s/%s", k->api, k->plural);
	snprintf(older, sizeof older, "%s/%s", k->older ? k->older : "",
		 k->plural);
	w->reflector = kube_reflect(s->kube, path, k->older ? older : NULL,
				    &w->listener, err);
	return w->reflector ? 0 : -err->code;
}

int csi_site_start(struct csi_site *s, struct error *err)
{
	unsigned i;
	int rc;

	if (!s->access.server)
		return 0;
	s->kube = kube_new(&s->access, err);
	if (!s->kube)
		return -err->code;
	for (i = 0; i < csi_kind_count(s->csi); i++)
		if (is_watched(s->csi, (int)i) &&
		    start_watch(s, (int)i, err) < 0)
			return -err->code;
	rc = thread_start(&s->prober, probe_main, s);
	s->has_prober = rc == 0;
	return rc ? fail(err, rc, "no thread for %s", s->name) : 0;
}

void csi_site_stop(struct csi_site *s)
{
	unsigned i;

	if (!s->kube)
		return;
	kube_stop(s->kube);
	if (s->has_prober)
		pthread_join(s->prober, NULL);
	s->has_prober = false;
	for (i = 0; i < CSI_KINDS_MAX; i++) {
		kube_reflector_free(s->watches[i].reflector);
		s->watches[i].reflector = NULL;
	}
}

void csi_site_free(struct csi_site *s)
{
	csi_cache_free(s);
	while (s->conn_count)
		kube_conn_free(s->conns[--s->conn_count]);
	kube_free(s->kube);
	kube_access_finish(&s->access);
	free(s->name);
	free(s);
}
