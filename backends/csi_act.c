/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts and looks that are asked for: the objects as the API servers have them
 * now, not as a watch has told, and writes that count only if nobody else has
 * written since.
 */
#include "csi_model.h"

#include "json_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MS 10000
#define SERIAL "uvrfs/serial"
#define REQUEST "uvrfs/request"

struct csi_private {
	struct csi *csi;
	struct csi_pair *pair;
	struct csi_view view[2];	/* of the pair's ends */
	int64_t end;			/* monotonic ms */
};

static int left(int64_t end)
{
	int64_t ms = end - clock_monotonic();

	return ms < 1 ? 1 : ms < CALL_MS ? (int)ms : CALL_MS;
}

/* ---- calls ---- */

/* Of an object that has a name. */
static void path_of(const struct csi *csi, int kind, const json_t *object,
		    char out[static 600])
{
	const struct csi_kind *k = csi_kind_of(csi, kind);
	const char *version = json_text_at(object, "apiVersion");
	bool group = strchr(version, '/');
	size_t len;

	/* Of what an older API serves, that one's. */
	snprintf(out, 600, "%s%s", group ? "/apis/" : k->api,
		 group ? version : "");
	len = strlen(out);
	if (!k->cluster_wide)
		len += (size_t)snprintf(out + len, 600 - len, "/namespaces/%s",
					csi_meta(object, "namespace"));
	snprintf(out + len, 600 - len, "/%s/%s", k->plural,
		 csi_meta(object, "name"));
}

static int call(struct csi_site *s, struct kube_request *q, json_t **reply,
		struct error *err)
{
	struct kube_conn *c = csi_conn_take(s, err);
	int rc;

	if (!c)
		return -err->code;
	rc = kube_call(c, q, reply, err);
	csi_conn_give(s, c);
	return rc < 0 ? error_prefix(err, "%s: ", s->name) : 0;
}

static void keep(struct csi_site *s, int kind, const json_t *object)
{
	pthread_mutex_lock(&s->csi->lock);
	csi_put(s, kind, object, true);
	pthread_mutex_unlock(&s->csi->lock);
}

/* ---- looking anew ---- */

static int fetch(struct csi_site *s, const struct csi_part *part, int64_t end,
		 struct error *err)
{
	struct kube_request q = {.method = "GET", .timeout_ms = left(end)};
	json_t *reply = NULL;
	char path[600], key[320];
	int rc;

	path_of(s->csi, part->kind, part->object, path);
	q.path = path;
	rc = call(s, &q, &reply, err);
	if (rc == 0)
		keep(s, part->kind, reply);
	json_decref(reply);
	if (rc != -ENOENT)
		return rc;
	csi_key(part->object, key);
	pthread_mutex_lock(&s->csi->lock);
	csi_drop(s, part->kind, key, csi_meta(part->object, "uid"));
	pthread_mutex_unlock(&s->csi->lock);
	return 0;
}

/* Asks for what is known of one side.  1: one that gives no answer is not asked. */
static int fetch_all(struct csi_pair *p, int i, int64_t end, struct error *err)
{
	struct csi *csi = p->site[i]->csi;
	struct csi_view v;
	unsigned n;
	int rc;

	pthread_mutex_lock(&csi->lock);
	csi_view_fill(p, i, &v);
	pthread_mutex_unlock(&csi->lock);
	rc = v.reach != REACH_OK;
	for (n = 0; n < CSI_PARTS_MAX && rc == 0; n++)
		if (v.part[n].object)
			rc = fetch(p->site[i], &v.part[n], end, err);
	csi_view_release(csi, &v);
	return rc;
}

/* With the lock held: what became of fetch_all(). */
static void note_look(struct csi_pair *p, int i, int rc,
		      const struct error *err)
{
	if (rc <= 0)
		csi_note_trouble(&p->trouble[i], rc, rc < 0 ? err->msg : "");
}

/* A pair whose end *@i is ill there, behind @p. */
static struct csi_pair *next_ill(struct csi_site *s, struct csi_pair *p, int *i)
{
	for (p = p ? p->next : s->csi->pairs; p; p = p->next) {
		*i = p->site[1] == s;
		if (p->tracked && p->site[*i] == s && p->trouble[*i].rc)
			return p;
	}
	return NULL;
}

void csi_look_at_ill(struct csi_site *s)
{
	int64_t end = clock_monotonic() + CALL_MS;
	pthread_mutex_t *lock = &s->csi->lock;
	struct csi_pair *p = NULL;
	struct error err;
	int i, rc = 0;

	pthread_mutex_lock(lock);
	while ((p = next_ill(s, p, &i))) {
		/* Once one is ill still, the others are not asked. */
		if (rc == 0) {
			pthread_mutex_unlock(lock);
			rc = fetch_all(p, i, end, &err);
			pthread_mutex_lock(lock);
			note_look(p, i, rc, &err);
		}
		csi_bring_up(p);
	}
	pthread_mutex_unlock(lock);
}

/*
 * Both as they are once both have answered: a watch may have told meanwhile what
 * the one that was asked first did not know yet.  Returns when that was.
 */
static int64_t look_at_both(struct csi_pair *p, int64_t end,
			    struct csi_view v[static 2])
{
	struct csi *csi = p->site[0]->csi;
	struct error err[2];
	int i, rc[2];
	int64_t at;

	for (i = 0; i < 2; i++)
		rc[i] = fetch_all(p, i, end, &err[i]);
	pthread_mutex_lock(&csi->lock);
	at = clock_stamp(&p->looked_at);
	for (i = 0; i < 2; i++)
		note_look(p, i, rc[i], &err[i]);
	for (i = 0; i < 2; i++) {
		csi_view_fill(p, i, &v[i]);
		csi_view_doubt(p, i, &v[i]);
	}
	pthread_mutex_unlock(&csi->lock);
	return at;
}

/* Who was told @o last believes it until there is news. */
static void tell_anew(struct csi_pair *p, const struct observation *o)
{
	struct csi *csi = p->site[0]->csi;
	struct observation told;

	pthread_mutex_lock(&csi->lock);
	sight_read(p->told, &told);
	if (!observation_equal(o, &told)) {
		p->anew = true;
		csi_bring_up(p);
	}
	pthread_mutex_unlock(&csi->lock);
}

int csi_observe(struct backend *b, const struct target *t, int timeout_ms,
		struct observation *o, struct error *err)
{
	struct csi *csi = (struct csi *)b;
	struct csi_pair *p = csi_pair_of(csi, t);
	struct csi_view v[2];
	int here, i;
	int64_t at;

	if (!p)
		return fail(err, ENOMEM, "no memory for a pair of volumes");
	here = csi_end_of(p, t->here);
	at = look_at_both(p, clock_monotonic() + timeout_ms, v);
	csi_judge(csi, &v[here], &v[1 - here], o);
	o->at = at;
	o->holds_pvc = here == p->holder;
	tell_anew(p, o);
	for (i = 0; i < 2; i++)
		csi_view_release(csi, &v[i]);
	return 0;
}

/* ---- acts ---- */

static int act_on(struct csi_call *c, struct error *err)
{
	const struct csi_view *at = c->at;

	if (at->reach == REACH_REFUSED || at->reach == REACH_UNCONFIGURED)
		return fail(err, EACCES, "%s: %s", at->cluster, at->why);
	if (at->reach != REACH_OK)
		return fail(err, ETIMEDOUT, "%s: %s", at->cluster, at->why);
	return c->private->csi->product->act(c, err);
}

int csi_act(struct backend *b, const struct target *t, const struct order *o,
	    struct error *err)
{
	struct csi *csi = (struct csi *)b;
	struct csi_private private = {
		.csi = csi,
		.pair = csi_pair_of(csi, t),
		.end = clock_monotonic() + o->timeout_ms,
	};
	struct csi_call c = {.target = t, .order = o, .private = &private};
	struct error own;	/* an act may go on where one call failed */
	int at, rc, i;

	if (!private.pair)
		return fail(err, ENOMEM, "no memory for a pair of volumes");
	at = csi_end_of(private.pair,
			act_is_at_peer(o->act) ? t->peer : t->here);
	pthread_mutex_lock(&private.pair->calls);
	look_at_both(private.pair, private.end, private.view);
	c.at = &private.view[at];
	c.other = &private.view[1 - at];
	c.at_holder = private.pair->holder == at;
	csi_judge(csi, c.at, c.other, &c.seen);
	rc = act_on(&c, &own);
	if (rc)
		*err = own;
	pthread_mutex_unlock(&private.pair->calls);
	for (i = 0; i < 2; i++)
		csi_view_release(private.csi, &private.view[i]);
	return rc;
}

/* ---- writing ---- */

static struct csi_site *site_of(const struct csi_call *c,
				const struct csi_view *v)
{
	return c->private->pair->site[v - c->private->view];
}

static json_t *child(struct maker *m, json_t *map, const char *key)
{
	if (!json_object_get(map, key))
		maker_set(m, map, key, json_object());
	return json_object_get(map, key);
}

static void set_hex(struct maker *m, json_t *map, const char *key,
		    uint64_t number)
{
	char text[20];

	snprintf(text, sizeof text, "%016" PRIx64, number);
	maker_set(m, map, key, json_string(text));
}

/* Whose act it was.  Returns the metadata. */
static json_t *sign(const struct csi_call *c, struct maker *m, json_t *body)
{
	json_t *meta = child(m, body, "metadata");
	json_t *notes = child(m, meta, "annotations");

	set_hex(m, notes, SERIAL, c->order->serial);
	set_hex(m, notes, REQUEST, c->order->request);
	return meta;
}

/* Sends what was made to @path, as ours; what comes back is kept. */
static int send(struct csi_site *s, int kind, struct kube_request *q,
		struct error *err)
{
	json_t *reply = NULL;
	char path[640];
	int rc;

	snprintf(path, sizeof path, "%s?fieldManager=" KUBE_FIELD_MANAGER,
		 q->path);
	q->path = path;
	rc = call(s, q, &reply, err);
	if (rc == 0)
		keep(s, kind, reply);
	json_decref(reply);
	return rc;
}

static int written(int rc, struct error *err)
{
	if (rc != -ECANCELED && rc != -ENOENT)
		return rc;
	err->code = EAGAIN;
	return error_prefix(err, "somebody else changed it just now: ");
}

int csi_patch(struct csi_call *c, const struct csi_view *view, unsigned part,
	      json_t *body, struct error *err)
{
	struct csi_site *s = site_of(c, view);
	const struct csi_part *p = &view->part[part];
	struct maker m = {.failed = !body};
	struct kube_request q = {
		.method = "PATCH",
		.type = KUBE_MERGE_PATCH,
		.body = body,
		.timeout_ms = left(c->private->end),
	};
	char path[600];
	int rc;

	/* Without it whatever was written since would be lost. */
	maker_set(&m, sign(c, &m, body), "resourceVersion",
		  json_string(csi_meta(p->object, "resourceVersion")));
	path_of(s->csi, p->kind, p->object, path);
	q.path = path;
	rc = m.failed ? fail(err, ENOMEM, "no memory for a patch")
		      : written(send(s, p->kind, &q, err), err);
	json_decref(body);
	return rc;
}

int csi_create(struct csi_call *c, const struct csi_view *view, int kind,
	       json_t *body, struct error *err)
{
	struct csi_site *s = site_of(c, view);
	struct maker m = {.failed = !body};
	json_t *meta = sign(c, &m, body);
	struct kube_request q = {
		.method = "POST",
		.body = body,
		.timeout_ms = left(c->private->end),
	};
	char path[600];
	int rc;

	maker_set(&m, child(&m, meta, "labels"),
		  "app.kubernetes.io/managed-by", json_string("uvrfs"));
	if (!csi_kind_of(s->csi, kind)->cluster_wide)
		maker_set(&m, meta, "namespace", json_string(view->namespace));
	path_of(s->csi, kind, body, path);
	/* The collection's, without the name. */
	*strrchr(path, '/') = '\0';
	q.path = path;
	rc = m.failed ? fail(err, ENOMEM, "no memory for an object")
		      : send(s, kind, &q, err);
	json_decref(body);
	return rc;
}

int csi_delete(struct csi_call *c, const struct csi_view *view, int kind,
	       const json_t *object, struct error *err)
{
	struct csi_site *s = site_of(c, view);
	json_t *body = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1",
				 "kind", "DeleteOptions", "preconditions",
				 "uid", csi_meta(object, "uid"));
	struct kube_request q = {
		.method = "DELETE",
		.body = body,
		.timeout_ms = left(c->private->end),
	};
	char path[600];
	int rc;

	path_of(s->csi, kind, object, path);
	q.path = path;
	rc = call(s, &q, NULL, err);
	json_decref(body);
	return rc == -ENOENT || rc == -ECANCELED ? 0 : rc;
}

json_t *csi_list(struct csi_call *c, const struct csi_view *view, int kind,
		 struct error *err)
{
	struct csi_site *s = site_of(c, view);
	const struct csi_kind *k = csi_kind_of(s->csi, kind);
	struct kube_request q = {
		.method = "GET",
		.timeout_ms = left(c->private->end),
	};
	json_t *reply = NULL, *items;
	char path[600];

	snprintf(path, sizeof path, "%s/%s", k->api, k->plural);
	q.path = path;
	if (call(s, &q, &reply, err) < 0)
		return NULL;
	items = json_incref(json_object_get(reply, "items"));
	json_decref(reply);
	if (!json_is_array(items)) {
		json_decref(items);
		fail(err, EPROTO, "%s: a list without items", s->name);
		return NULL;
	}
	return items;
}

static bool carries(const json_t *object, const char *key, uint64_t number)
{
	char text[20];

	snprintf(text, sizeof text, "%016" PRIx64, number);
	return strcmp(csi_annotation(object, key), text) == 0;
}

bool csi_is_of_act(const struct csi_call *c, const json_t *object)
{
	return carries(object, SERIAL, c->order->serial);
}

bool csi_is_of_request(const struct csi_call *c, const json_t *object)
{
	return carries(object, REQUEST, c->order->request);
}

bool csi_was_told(struct csi_call *c)
{
	struct csi_pair *p = c->private->pair;
	bool told = p->doubted == c->order->serial;

	p->doubted = c->order->serial;
	return told;
}
