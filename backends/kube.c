/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters, connections, and requests with one answer. */
#include "kube_private.h"

#include "clock.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RETRIES_MAX 10

struct kube *kube_new(const struct kube_access *access, struct error *err)
{
	struct kube *k = calloc(1, sizeof *k);

	if (!k || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		free(k);
		fail(err, ENOMEM, "no memory for a client");
		return NULL;
	}
	pthread_mutex_init(&k->lock, NULL);
	k->access = access;
	k->credential = kube_credential_new(access);
	if (!k->credential) {
		fail(err, ENOMEM, "no memory for a client");
		kube_free(k);
		return NULL;
	}
	return k;
}

void kube_free(struct kube *k)
{
	if (!k)
		return;
	kube_credential_free(k->credential);
	pthread_mutex_destroy(&k->lock);
	free(k);
	curl_global_cleanup();
}

void kube_stop(struct kube *k)
{
	struct kube_conn *c;

	atomic_store(&k->stopped, true);
	pthread_mutex_lock(&k->lock);
	for (c = k->conns; c; c = c->next)
		curl_multi_wakeup(c->multi);
	pthread_mutex_unlock(&k->lock);
}

bool kube_is_stopped(const struct kube *k)
{
	return atomic_load(&k->stopped);
}

const char *kube_server(const struct kube *k)
{
	return k->access->server;
}

struct kube_conn *kube_conn_new(struct kube *k, struct error *err)
{
	struct kube_conn *c = calloc(1, sizeof *c);

	if (c) {
		c->kube = k;
		c->multi = curl_multi_init();
		c->easy = curl_easy_init();
	}
	if (!c || !c->multi || !c->easy) {
		if (c) {
			curl_multi_cleanup(c->multi);
			curl_easy_cleanup(c->easy);
		}
		free(c);
		fail(err, ENOMEM, "no memory for a connection");
		return NULL;
	}
	pthread_mutex_lock(&k->lock);
	c->next = k->conns;
	k->conns = c;
	pthread_mutex_unlock(&k->lock);
	return c;
}

void kube_conn_free(struct kube_conn *c)
{
	struct kube_conn **at;

	if (!c)
		return;
	pthread_mutex_lock(&c->kube->lock);
	for (at = &c->kube->conns; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	pthread_mutex_unlock(&c->kube->lock);
	curl_multi_cleanup(c->multi);
	curl_easy_cleanup(c->easy);
	free(c);
}

unsigned kube_random(unsigned n)
{
	unsigned value = 0;

	if (getrandom(&value, sizeof value, 0) != sizeof value)
		value = (unsigned)clock_monotonic();
	return n ? value % n : 0;
}

bool kube_pause(struct kube_conn *c, int ms)
{
	int64_t end = clock_monotonic() + ms, left;

	while (!kube_is_stopped(c->kube) &&
	       (left = end - clock_monotonic()) > 0)
		curl_multi_poll(c->multi, NULL, 0, (int)left, NULL);
	return !kube_is_stopped(c->kube);
}

bool kube_may_have_happened(int rc)
{
	return rc == -EHOSTUNREACH || rc == -ETIMEDOUT || rc == -EPROTO;
}

/*
 * The server asks to come back later.  Who watches has waits of its own, which
 * end when the server is seen to be well.
 */
static bool is_for_later(const struct kube_try *t)
{
	return t->retry_after >= 0 && (t->code == 429 || t->code >= 500) &&
	       !(t->take && t->retry_after > 1);
}

/*
 * -ETIMEDOUT instead of waiting beyond the deadline: whoever waits for us is
 * told now.
 */
static bool wait_for_server(struct kube_conn *c, const struct kube_try *t)
{
	/* Those who were sent away together don't come back together. */
	int64_t ms = t->retry_after * 1000 + kube_random(250);

	return ms < t->deadline - clock_monotonic() && kube_pause(c, (int)ms);
}

int kube_insist(struct kube_conn *c, struct kube_try *t, struct error *err)
{
	unsigned tries = 0;
	bool refreshed = false;
	int rc;

	for (;;) {
		rc = kube_try(c, t, err);
		if (rc)
			return rc;
		if (t->code >= 200 && t->code < 300)
			return 0;
		rc = kube_judge(t, err);
		if (t->code == 401 && !refreshed) {
			refreshed = t->refresh = true;
			continue;
		}
		t->refresh = false;
		if (!is_for_later(t) || ++tries > RETRIES_MAX ||
		    !wait_for_server(c, t))
			return rc;
	}
}

static int parse(const struct kube_try *t, json_t **reply, struct error *err)
{
	const char *server = t->conn->kube->access->server;
	json_error_t where;
	json_t *value;

	value = json_loadb(buf_str(&t->answer), t->answer.len, 0, &where);
	if (!json_is_object(value)) {
		json_decref(value);
		return fail(err, EPROTO, "%s answered %s with what is no JSON "
			    "object", server, t->request->method);
	}
	*reply = value;
	return 0;
}

int kube_call(struct kube_conn *c, const struct kube_request *q,
	      json_t **reply, struct error *err)
{
	struct kube_try t = {
		.request = q,
		.deadline = clock_monotonic() + q->timeout_ms,
	};
	auto_free char *body = NULL;
	json_t *value = NULL;
	int rc;

	if (q->body) {
		body = json_dumps(q->body, JSON_COMPACT);
		if (!body)
			return fail(err, ENOMEM, "no memory for a request");
	}
	t.body = body;
	buf_init(&t.answer, KUBE_ANSWER_MAX);
	rc = kube_insist(c, &t, err);
	if (rc == 0)
		rc = parse(&t, &value, err);
	buf_finish(&t.answer);
	if (rc == 0 && reply)
		*reply = value;
	else
		json_decref(value);
	return rc;
}
