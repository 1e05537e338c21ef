/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that lists and watches, and when it tries again. */
#include "kube_reflect_private.h"

#include "clock.h"
#include "json_parts.h"
#include "thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_FIRST_MS 400
#define WAIT_MAX_MS 2000

/*
 * A watch that ends sooner, without an event, is a failure like another: only
 * one that lasts shows that the server is well.
 */
#define WATCH_SHORT_MS 1000

/* One that fails once, as each does when a server is restarted, is no news. */
#define FAILURES_TOLD 2

static void answered(struct kube_reflector *r)
{
	r->failures = 0;
	r->relists = false;
	if (!r->silent)
		return;
	r->silent = false;
	r->listener->reached(r->listener, 0, "");
}

static void failed(struct kube_reflector *r, const struct error *err)
{
	char *path = r->path;

	/* A kind that is not there is not behind. */
	if (err->code == ENOENT)
		atomic_store(&r->heard, 0);
	if (err->code == ENOENT && r->older) {
		r->path = r->older;
		r->older = path;
	}
	if (++r->failures < FAILURES_TOLD)
		return;
	r->silent = true;
	r->listener->reached(r->listener, -err->code, err->msg);
}

/* ---- one event ---- */

void reflect_seen(struct kube_reflector *r, const json_t *object, int64_t as_of)
{
	if (!reflect_remember(r, object))
		return;
	r->listener->seen(r->listener, object, as_of);
}

static void went(struct kube_reflector *r, const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");

	reflect_forget(r, object);
	r->listener->gone(r->listener, json_text_at(meta, "namespace"),
			  json_text_at(meta, "name"), json_text_at(meta, "uid"));
}

/* A Status instead of an object: the watch can't go on. */
static int take_error(struct kube_reflector *r, const json_t *status)
{
	json_int_t code = json_integer_value(json_object_get(status, "code"));

	return fail(r->err, code == 410 ? ESTALE : EAGAIN,
		    "%s ended a watch: %lld %s", kube_server(r->kube),
		    (long long)code, json_text_at(status, "message"));
}

void reflect_version(struct kube_reflector *r, const json_t *object)
{
	const char *version = json_text_at(json_object_get(object, "metadata"),
				      "resourceVersion");

	if (*version && strlen(version) < sizeof r->version)
		snprintf(r->version, sizeof r->version, "%s", version);
}

/* All that a list would have had has come. */
static bool ends_the_list(const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");

	return strcmp(json_text_at(json_object_get(meta, "annotations"),
			      "k8s.io/initial-events-end"),
		      "true") == 0;
}

void reflect_heard(struct kube_reflector *r)
{
	atomic_store(&r->heard, clock_monotonic());
}

static int take_event(struct kube_watcher *w, json_t *event)
{
	struct kube_reflector *r = (struct kube_reflector *)w;
	const char *type = json_text_at(event, "type");
	const json_t *object = json_object_get(event, "object");

	if (strcmp(type, "ERROR") == 0)
		return take_error(r, object);
	if (!json_is_object(object))
		return fail(r->err, EPROTO, "%s: an event without an object",
			    kube_server(r->kube));
	if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
		reflect_seen(r, object, r->listing);
	else if (strcmp(type, "DELETED") == 0)
		went(r, object);
	else if (strcmp(type, "BOOKMARK") != 0)
		return 0;
	answered(r);
	reflect_heard(r);
	if (r->listing && strcmp(type, "BOOKMARK") == 0 &&
	    ends_the_list(object))
		reflect_listed(r);
	/* Those of a list that comes as events are in no order. */
	if (!r->listing)
		reflect_version(r, object);
	return 0;
}

static void alive(struct kube_watcher *w)
{
	struct kube_reflector *r = (struct kube_reflector *)w;
	int64_t now = clock_monotonic();

	if (!r->began)
		r->began = now;
	else if (now - r->began >= WATCH_SHORT_MS)
		answered(r);
}

/* ---- the thread ---- */

int reflect_watch(struct kube_reflector *r, const char *more,
		  struct error *err)
{
	unsigned seconds = 300 + kube_random(300);
	char path[1024];

	snprintf(path, sizeof path,
		 "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u%s",
		 r->path, seconds, more);
	r->err = err;
	r->began = 0;
	return kube_watch(r->conn, path, (int)(seconds + 15) * 1000,
			  &r->watcher, err);
}

/* Goes on where the list or the last watch ended. */
static int go_on(struct kube_reflector *r, struct error *err)
{
	char more[160];

	snprintf(more, sizeof more, "&resourceVersion=%s", r->version);
	return reflect_watch(r, more, err);
}

/*
 * A watch that ends by itself has lasted, or the server does not mean it.  The
 * first list that is due since is no failure either.
 */
static bool is_fine(struct kube_reflector *r, int rc, struct error *err)
{
	bool lasted = r->began &&
		      clock_monotonic() - r->began >= WATCH_SHORT_MS;

	if (lasted)
		answered(r);
	if (rc == -ESTALE && !r->relists) {
		r->relists = true;
		return true;
	}
	if (rc == 0 && !lasted && r->failures)
		fail(err, EAGAIN, "%s ends watches at once",
		     kube_server(r->kube));
	if (rc == 0 && !r->failures) {
		r->failures = !lasted;
		return true;
	}
	return false;
}

/* Grows, and is never twice the same. */
static int wait_ms(unsigned failures)
{
	int ms = WAIT_FIRST_MS;

	while (--failures && ms < WAIT_MAX_MS)
		ms *= 2;
	if (ms > WAIT_MAX_MS)
		ms = WAIT_MAX_MS;
	return ms + (int)kube_random((unsigned)ms);
}

static void *run(void *ctx)
{
	struct kube_reflector *r = ctx;
	struct error err;
	bool lists;
	int rc;

	while (!kube_is_stopped(r->kube)) {
		lists = !*r->version;
		r->began = 0;
		rc = lists ? reflect_list(r, &err) : go_on(r, &err);
		if (rc == -ESHUTDOWN)
			break;
		/* A kind that is not there begins anew when it comes. */
		if (rc == -ESTALE || rc == -ENOENT)
			*r->version = '\0';
		if ((lists && rc == 0) || is_fine(r, rc, &err))
			continue;
		failed(r, &err);
		atomic_store(&r->hurry, false);
		reflect_pause(r, wait_ms(r->failures));
	}
	return NULL;
}

void reflect_pause(struct kube_reflector *r, int ms)
{
	int64_t end = clock_monotonic() + ms;

	while (clock_monotonic() < end && !atomic_load(&r->hurry) &&
	       kube_pause(r->conn, 200))
		;
}

void kube_reflector_tell(const struct kube_reflector *r, const char *cluster,
			 struct watch_visitor *v)
{
	int64_t heard = r ? atomic_load(&r->heard) : 0;

	if (heard)
		v->watch(v, cluster, r->kind, clock_monotonic() - heard);
}

void kube_reflector_hurry(struct kube_reflector *r)
{
	atomic_store(&r->hurry, true);
}

struct kube_reflector *kube_reflect(struct kube *k, const char *path,
				    const char *older, struct kube_listener *l,
				    struct error *err)
{
	struct kube_reflector *r = calloc(1, sizeof *r);
	int rc;

	if (r) {
		r->path = strdup(path);
		r->older = older ? strdup(older) : NULL;
		r->kind = r->path ? strrchr(r->path, '/') + 1 : NULL;
	}
	if (!r || !r->path || (older && !r->older)) {
		if (r) {
			free(r->path);
			free(r->older);
		}
		free(r);
		fail(err, ENOMEM, "no memory for a watch");
		return NULL;
	}
	r->watcher = (struct kube_watcher){.alive = alive, .line = take_event};
	r->kube = k;
	r->listener = l;
	r->conn = kube_conn_new(k, err);
	if (!r->conn) {
		kube_reflector_free(r);
		return NULL;
	}
	rc = thread_start(&r->thread, run, r);
	if (rc) {
		fail(err, rc, "no thread for a watch");
		kube_reflector_free(r);
		return NULL;
	}
	r->running = true;
	return r;
}

void kube_reflector_free(struct kube_reflector *r)
{
	if (!r)
		return;
	if (r->running)
		pthread_join(r->thread, NULL);
	kube_conn_free(r->conn);
	reflect_forget_all(r);
	free(r->path);
	free(r->older);
	free(r);
}
