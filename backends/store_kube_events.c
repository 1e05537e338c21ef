/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events, for `kubectl describe` and `kubectl get events`.  They go out by a
 * thread of their own, since nothing may wait for them; when too many wait, or
 * the server can't be reached, they are lost: what is true is in the status.
 */
#include "store_kube_private.h"

#include "clock.h"
#include "thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENTS_MAX 256
#define EVENT_MS 5000

/* The API's own limit. */
#define MESSAGE_MAX 1024

struct item {
	char namespace[64];
	char name[254];
	char uid[64];
	bool warning;
	char reason[64];
	char message[MESSAGE_MAX];
	time_t at;
};

struct events {
	struct kube_conn *conn;
	const char *identity;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct item *ring[EVENTS_MAX];
	unsigned first, count;
	bool stopping;
};

static json_t *event_json(const struct events *e, const struct item *it)
{
	char name[330], stamp[32];
	struct tm tm;

	gmtime_r(&it->at, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(name, sizeof name, "%s.%08x%08x", it->name,
		 kube_random(0xffffffff), kube_random(0xffffffff));
	return json_pack(
		"{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:s, "
		"s:s, s:s, s:s, s:s, s:i, s:{s:s}, s:s, s:s}",
		"apiVersion", "v1", "kind", "Event", "metadata", "name", name,
		"namespace", it->namespace, "involvedObject", "apiVersion",
		OBJECT_API_VERSION, "kind", OBJECT_KIND, "namespace",
		it->namespace, "name", it->name, "uid", it->uid, "type",
		it->warning ? "Warning" : "Normal", "reason", it->reason,
		"message", it->message, "firstTimestamp", stamp,
		"lastTimestamp", stamp, "count", 1, "source", "component",
		"uvrfs", "reportingComponent", "uvrfs", "reportingInstance",
		e->identity);
}

static void post(struct events *e, const struct item *it)
{
	json_t *body = event_json(e, it);
	char path[200];
	struct kube_request q = {
		.method = "POST",
		.path = path,
		.body = body,
		.timeout_ms = EVENT_MS,
	};
	struct error err;

	snprintf(path, sizeof path, "/api/v1/namespaces/%s/events",
		 it->namespace);
	if (body)
		(void)kube_call(e->conn, &q, NULL, &err);
	json_decref(body);
}

static struct item *take(struct events *e)
{
	struct item *it = NULL;

	pthread_mutex_lock(&e->lock);
	while (!e->count && !e->stopping)
		pthread_cond_wait(&e->more, &e->lock);
	if (!e->stopping) {
		it = e->ring[e->first];
		e->first = (e->first + 1) % EVENTS_MAX;
		e->count--;
	}
	pthread_mutex_unlock(&e->lock);
	return it;
}

static void *run(void *ctx)
{
	struct events *e = ctx;
	struct item *it;

	while ((it = take(e))) {
		post(e, it);
		free(it);
	}
	return NULL;
}

void events_add(struct events *e, const struct store_event *event)
{
	struct item *it = e ? calloc(1, sizeof *it) : NULL;

	if (!it)
		return;
	snprintf(it->namespace, sizeof it->namespace, "%s", event->namespace);
	snprintf(it->name, sizeof it->name, "%s", event->name);
	snprintf(it->uid, sizeof it->uid, "%s", event->uid);
	snprintf(it->reason, sizeof it->reason, "%s", event->reason);
	snprintf(it->message, sizeof it->message, "%s", event->message);
	it->warning = event->warning;
	it->at = time(NULL);
	pthread_mutex_lock(&e->lock);
	if (e->count < EVENTS_MAX) {
		e->ring[(e->first + e->count++) % EVENTS_MAX] = it;
		it = NULL;
		pthread_cond_signal(&e->more);
	}
	pthread_mutex_unlock(&e->lock);
	free(it);
}

struct events *events_start(struct kube *k, const char *identity,
			    struct error *err)
{
	struct events *e = calloc(1, sizeof *e);
	int rc;

	if (!e) {
		fail(err, ENOMEM, "no memory for events");
		return NULL;
	}
	e->identity = identity;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->more, NULL);
	e->conn = kube_conn_new(k, err);
	if (!e->conn) {
		events_free(e);
		return NULL;
	}
	rc = thread_start(&e->thread, run, e);
	if (rc) {
		fail(err, rc, "no thread for events");
		events_free(e);
		return NULL;
	}
	e->running = true;
	return e;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	pthread_cond_signal(&e->more);
	pthread_mutex_unlock(&e->lock);
	if (e->running)
		pthread_join(e->thread, NULL);
	for (; e->count; e->count--) {
		free(e->ring[e->first]);
		e->first = (e->first + 1) % EVENTS_MAX;
	}
	kube_conn_free(e->conn);
	pthread_cond_destroy(&e->more);
	pthread_mutex_destroy(&e->lock);
	free(e);
}
