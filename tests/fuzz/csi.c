/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two API servers may tell the backends that are driven by objects, and
 * what these make of it and do.  An input is a script; its first line says the
 * product by its first letter.  The others, the second letter being the cluster
 * and the third the kind of an object:
 *
 *   + a k JSON    it is, or has become, this          E -  calls fail so from now on
 *   - a k JSON    it is gone                          V a  does it answer?
 *   R a k         why there is no news of this kind   O    look anew
 *   A act forced  an act
 *
 * There is no network, no thread, and no time but what passes here.
 */
#include "fuzz.h"

#include "csi_model.h"
#include "json_parts.h"
#include "kube_private.h"
#include "merge_patch.h"
#include "plan.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t __wrap_clock_monotonic(void);
int64_t __wrap_clock_wall(void);
struct kube_conn *__wrap_kube_conn_new(struct kube *kube, struct error *err);
void __wrap_kube_conn_free(struct kube_conn *c);
bool __wrap_kube_pause(struct kube_conn *c, int ms);
int __wrap_kube_call(struct kube_conn *c, const struct kube_request *q,
		     json_t **reply, struct error *err);
int __wrap_thread_start(pthread_t *thread, void *(*run)(void *), void *ctx);
int __wrap_pthread_join(pthread_t thread, void **value);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);

static struct {
	struct csi *csi;
	struct sink sink;
	struct csi_site *site[2];
	void *(*probe[2])(void *);
	json_t *objects[2];		/* by kind and name, as the servers have them */
	int rc;				/* what calls answer */
	int64_t now;
	unsigned versions, writes;
} t;

static const int codes[] = {
	0,	       -ETIMEDOUT, -EACCES, -ENOENT,  -ECANCELED,
	-EHOSTUNREACH, -EAGAIN,	   -EINVAL, -EPROTO, -EEXIST,
};

/* ---- in the place of what blocks ---- */

int64_t __wrap_clock_monotonic(void)
{
	return t.now;
}

int64_t __wrap_clock_wall(void)
{
	return 1795824000000 + t.now;
}

struct kube_conn *__wrap_kube_conn_new(struct kube *kube, struct error *err)
{
	struct kube_conn *c = calloc(1, sizeof *c);

	c->kube = kube;
	return c;
}

void __wrap_kube_conn_free(struct kube_conn *c)
{
	free(c);
}

bool __wrap_kube_pause(struct kube_conn *c, int ms)
{
	return false;
}

int __wrap_thread_start(pthread_t *thread, void *(*run)(void *), void *ctx)
{
	if (ctx == t.site[0] || ctx == t.site[1])
		t.probe[ctx == t.site[1]] = run;
	return 0;
}

int __wrap_pthread_join(pthread_t thread, void **value)
{
	return 0;
}

/* The judge has nothing to do: its thread ends here. */
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	t.csi->stopping = true;
	return 0;
}

/* ---- the servers ---- */

static void key_of(const char *plural, const char *name, char out[static 600])
{
	snprintf(out, 600, "%.200s/%.300s", plural, name);
}

/* .../PLURAL/NAME, without its query. */
static void key_of_path(const char *path, char out[static 600])
{
	char text[700], *slash;

	snprintf(text, sizeof text, "%.*s", (int)strcspn(path, "?"), path);
	slash = strrchr(text, '/');
	while (slash > text && *--slash != '/')
		;
	snprintf(out, 600, "%.599s", slash + 1);
}

static void renew(json_t *object)
{
	json_t *meta = json_object_get(object, "metadata");
	char text[16];

	snprintf(text, sizeof text, "%u", ++t.versions);
	json_object_set_new(meta, "resourceVersion", json_string(text));
}

static int patch(json_t *object, const json_t *body, struct error *err)
{
	json_t *copy = json_deep_copy(body);
	int rc = 0;

	if (strcmp(csi_meta(object, "resourceVersion"),
		   csi_meta(body, "resourceVersion")) != 0) {
		rc = fail(err, ECANCELED, "another version");
	} else {
		merge_patch(object, copy);
		renew(object);
	}
	json_decref(copy);
	return rc;
}

static int create(json_t *objects, const struct kube_request *q,
		  struct error *err)
{
	const char *name = csi_meta(q->body, "name");
	char plural[600], key[600];

	ck_assert_str_ne(name, "");
	snprintf(plural, sizeof plural, "%.*s", (int)strcspn(q->path, "?"),
		 q->path);
	key_of(strrchr(plural, '/') + 1, name, key);
	if (json_object_get(objects, key))
		return fail(err, EEXIST, "there is one");
	json_object_set_new(objects, key, json_deep_copy(q->body));
	renew(json_object_get(objects, key));
	return 0;
}

static json_t *list(json_t *objects)
{
	json_t *items = json_array(), *object;
	const char *key;

	json_object_foreach(objects, key, object)
		json_array_append(items, object);
	return json_pack("{s:o}", "items", items);
}

static int answer(json_t *objects, const struct kube_request *q, json_t **reply,
		  struct error *err)
{
	json_t *object;
	char key[600];
	int rc = 0;

	key_of_path(q->path, key);
	object = json_object_get(objects, key);
	if (strcmp(q->method, "POST") == 0) {
		rc = create(objects, q, err);
		*reply = rc ? NULL : json_deep_copy(q->body);
		return rc;
	}
	if (!object && strcmp(q->method, "GET") == 0 && !strstr(key, "/ns"))
		*reply = list(objects);
	if (*reply)
		return 0;
	if (!object)
		return fail(err, ENOENT, "there is none");
	if (strcmp(q->method, "PATCH") == 0)
		rc = patch(object, q->body, err);
	if (strcmp(q->method, "DELETE") == 0)
		json_object_del(objects, key);
	else if (rc == 0)
		*reply = json_deep_copy(object);
	return rc;
}

int __wrap_kube_call(struct kube_conn *c, const struct kube_request *q,
		     json_t **reply, struct error *err)
{
	int i = strcmp(kube_server(c->kube), "http://b") == 0, rc;
	json_t *said = NULL;

	t.now += 10;
	if (strcmp(q->method, "GET") != 0)
		t.writes++;
	if (t.rc)
		return fail(err, -t.rc, "the call fails");
	if (strcmp(q->path, "/version") == 0)
		said = json_pack("{s:s}", "gitVersion", "v1.30.0");
	rc = said ? 0 : answer(t.objects[i], q, &said, err);
	if (rc == 0 && reply)
		*reply = said;
	else
		json_decref(said);
	return rc;
}

/* ---- what is made of it ---- */

static void check_side(const struct side *s)
{
	ck_assert_int_ge(s->progress, -1);
	ck_assert_int_le(s->progress, 100);
	ck_assert_int_ge(s->data_time, 0);
	ck_assert(text_is_utf8(s->native, strlen(s->native)));
	ck_assert(text_is_utf8(s->in_use_by, strlen(s->in_use_by)));
	ck_assert(text_is_utf8(s->why, strlen(s->why)));
	if (s->reach == REACH_OK)
		return;
	ck_assert_str_ne(s->why, "");
	ck_assert_int_eq(s->claim, ROLE_UNKNOWN);
	ck_assert_int_eq(s->in_use, TRI_UNKNOWN);
	ck_assert(!s->busy && !s->can_verify);
}

static void check_observation(const struct observation *o)
{
	check_side(&o->here);
	check_side(&o->peer);
	ck_assert(text_is_utf8(o->group, strlen(o->group)));
	ck_assert(text_is_utf8(o->strangers, strlen(o->strangers)));
}

static void observed(struct sink *sink, const char *key,
		     const struct observation *o)
{
	check_observation(o);
}

static void judge(void)
{
	csi_judge_main(t.csi);
	t.csi->stopping = false;
}

/* ---- the script ---- */

static const struct spec spec = {
	.source = {"a", "east", "fast"},
	.destination = {"b", "west", "fast"},
	.pvc_name = "db",
	.pvc_namespace = "ns",
	.volume_handle = "vol-b",
	.volume_namespace = "ns",
	.state = STATE_REPLICA,
	.mode = MODE_ASYNCHRONOUS,
	.schedule = SCHEDULE_INTERVAL,
	.rpo = "5m",
};
static const struct target target = {
	.spec = &spec, .here = "b", .peer = "a", .here_is_destination = true};

static void look(struct observation *o)
{
	struct error err;

	ck_assert_int_eq(csi_observe(&t.csi->backend, &target, 1000, o, &err),
			 0);
	check_observation(o);
}

/* What makes two sources, when nobody has forced it. */
static void act(struct line *line)
{
	struct order order = {
		.act = (enum act)(1 + line_pick(line, 1, ACT_COUNT - 1)),
		.overrides = line_pick(line, 2, 2) ? ~0U : 0,
		.timeout_ms = 1000,
		.serial = 1 + t.writes,
		.request = 7,
	};
	struct error err = {0};
	struct observation o;
	int rc;

	if (act_is_wait(order.act))
		return;
	look(&o);
	t.writes = 0;
	rc = csi_act(&t.csi->backend, &target, &order, &err);
	/* What it quotes is escaped where it is shown. */
	ck_assert_int_eq(rc < 0, *err.msg != '\0');
	if ((order.act == ACT_PROMOTE || order.act == ACT_FORCE_PROMOTE) &&
	    !order.overrides && side_verified_role(&o.peer) == ROLE_SOURCE)
		ck_assert_uint_eq(t.writes, 0);
}

/* Under the kind and name that a path has. */
static void serve(struct csi_watch *w, json_t *object, bool is)
{
	json_t *objects = t.objects[w->site == t.site[1]];
	char key[600];

	key_of(csi_kind_of(t.csi, w->kind)->plural, csi_meta(object, "name"),
	       key);
	if (is)
		json_object_set_new(objects, key, json_deep_copy(object));
	else
		json_object_del(objects, key);
}

static void tell(struct line *line, struct csi_watch *w)
{
	const char *text = line_rest(line, 3);
	json_t *object = json_loads(text, 0, NULL);

	if (*csi_meta(object, "name") && line->text[0] == '+') {
		serve(w, object, true);
		w->listener.seen(&w->listener, object, 0);
	} else if (*csi_meta(object, "name")) {
		serve(w, object, false);
		w->listener.gone(&w->listener, csi_meta(object, "namespace"),
				 csi_meta(object, "name"),
				 csi_meta(object, "uid"));
	}
	json_decref(object);
}

static void step(struct line *line)
{
	unsigned i = line_pick(line, 1, 2);
	struct csi_watch *w =
		&t.site[i]->watches[line_pick(line, 2, csi_kind_count(t.csi))];
	struct observation o;
	int rc;

	t.now += 1000;
	switch (line->text[0]) {
	case '+':
	case '-':
		if (w->site)
			tell(line, w);
		break;
	case 'R':
		rc = codes[line_pick(line, 3, 10)];
		if (w->site)
			w->listener.reached(&w->listener, rc, rc ? "why" : "");
		break;
	case 'E':
		t.rc = codes[line_pick(line, 1, 10)];
		break;
	case 'V':
		t.now += 30000;
		t.probe[i](t.site[i]);
		break;
	case 'A':
		act(line);
		break;
	default:
		look(&o);
	}
	judge();
}

/* ---- the beginning and the end ---- */

static void begin(const char *type)
{
	struct csi_access sites[2] = {{.cluster = "a"}, {.cluster = "b"}};
	struct error err;
	unsigned i, n;

	memset(&t, 0, sizeof t);
	t.sink.observed = observed;
	sites[0].access.server = strdup("http://a");
	sites[1].access.server = strdup("http://b");
	t.csi = (struct csi *)csi_new(type, "csi", sites, 2, 30000, &err);
	ck_assert_ptr_nonnull(t.csi);
	t.site[0] = t.csi->sites;
	t.site[1] = t.csi->sites->next;
	if (strcmp(t.site[0]->name, "b") == 0) {
		t.site[0] = t.site[1];
		t.site[1] = t.csi->sites;
	}
	ck_assert_int_eq(t.csi->ops.start(&t.csi->backend, &t.sink, &err), 0);
	ck_assert_int_eq(t.csi->ops.track(&t.csi->backend, &target, &err), 0);
	for (i = 0; i < 2; i++) {
		t.objects[i] = json_object();
		t.probe[i](t.site[i]);
		for (n = 0; n < csi_kind_count(t.csi); n++)
			if (t.site[i]->watches[n].site)
				t.site[i]->watches[n].listener.listed(
					&t.site[i]->watches[n].listener);
	}
	judge();
}

static void end(void)
{
	t.csi->ops.stop(&t.csi->backend);
	json_decref(t.objects[0]);
	json_decref(t.objects[1]);
	t.csi->ops.free(&t.csi->backend);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line line;
	int steps = 0;

	if (!line_next(&line, &data, &size))
		return 0;
	begin(line.text[0] == 't'   ? "trident"
	      : line.text[0] == 'p' ? "powerstore"
				    : "ceph");
	while (steps++ < 60 && line_next(&line, &data, &size))
		step(&line);
	end();
	return 0;
}
