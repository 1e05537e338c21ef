/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a lease, taking it, keeping it. */
#include "kube_lease.h"

#include "clock.h"
#include "json_parts.h"
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SITE_KEY "uvrfs/site"
#define FIRST_LOOK_MS 30000
#define FIRST_CALL_MS 5000

struct kube_lease {
	struct kube *kube;
	struct kube_conn *conn;
	const struct lease_config *config;
	struct fence *fence;
	struct lease_listener *listener;
	char path[512];
	pthread_t thread;
	bool running;
	atomic_bool stopping;

	/* The thread's own. */
	char version[128];		/* resourceVersion, as last seen */
	char holder[128];
	bool is_there;
	int64_t changed;		/* fence_clock: when we saw it change */
	int64_t renewed;		/* when a renewal that was taken was sent */
	int duration_ms;		/* as its holder says */
	bool lapsed;			/* when it was last seen */
	json_int_t transitions;
	bool leads;
	bool told;
	char told_holder[128];
	int64_t silent_since;		/* 0: it answers */
	bool silent;
};

static int retry_ms(const struct kube_lease *l)
{
	return l->config->duration_ms * 2 / 15;
}

/* After so long without a renewal it stops acting; the rest is for its acts. */
static int renew_deadline_ms(const struct kube_lease *l)
{
	return l->config->duration_ms * 2 / 3;
}

static void tell(struct kube_lease *l)
{
	const char *holder = l->lapsed ? "" : l->holder;

	if (l->told == l->leads && strcmp(l->told_holder, holder) == 0)
		return;
	l->told = l->leads;
	snprintf(l->told_holder, sizeof l->told_holder, "%s", holder);
	l->listener->led(l->listener, l->leads, holder);
}

static void step_down(struct kube_lease *l)
{
	fence_close(l->fence);
	l->leads = false;
}

/* ---- what it says ---- */

/* Another site's daemons would act for the other side. */
static int check_site(const struct kube_lease *l, const json_t *lease,
		      struct error *err)
{
	const json_t *meta = json_object_get(lease, "metadata");
	const char *site = json_text_at(json_object_get(meta, "annotations"),
				   SITE_KEY);

	if (strcmp(site, l->config->site) == 0 || !*site)
		return 0;
	return fail(err, EPERM,
		    "the lease %s/%s is of site '%s', and this daemon's is "
		    "'%s': daemons of two sites can't share a store",
		    l->config->namespace, l->config->name, site,
		    l->config->site);
}

static int take_lease(struct kube_lease *l, const json_t *lease,
		      struct error *err)
{
	const json_t *spec = json_object_get(lease, "spec");
	const char *version = json_text_at(json_object_get(lease, "metadata"),
				      "resourceVersion");
	json_int_t seconds = json_integer_value(
		json_object_get(spec, "leaseDurationSeconds"));

	/* Whatever else answers with JSON must not be taken for consent. */
	if (strcmp(json_text_at(json_object_get(lease, "metadata"), "name"),
		   l->config->name) != 0 || !*version || !json_is_object(spec))
		return fail(err, EPROTO, "%s answered with what is no lease %s",
			    kube_server(l->kube), l->config->name);
	if (check_site(l, lease, err) < 0)
		return -err->code;
	if (!l->is_there || strcmp(version, l->version) != 0)
		l->changed = fence_clock();
	l->is_there = true;
	snprintf(l->version, sizeof l->version, "%s", version);
	snprintf(l->holder, sizeof l->holder, "%s",
		 json_text_at(spec, "holderIdentity"));
	l->duration_ms = seconds > 0 && seconds < 86400
				 ? (int)seconds * 1000
				 : l->config->duration_ms;
	l->lapsed = fence_clock() - l->changed >= l->duration_ms;
	l->transitions = json_integer_value(
		json_object_get(spec, "leaseTransitions"));
	return 0;
}

/* ---- calls ---- */

static int call(struct kube_lease *l, struct kube_request *q,
		struct error *err)
{
	json_t *lease = NULL;
	int rc;

	if (!q->timeout_ms)
		q->timeout_ms = retry_ms(l) * 2;
	rc = kube_call(l->conn, q, &lease, err);
	if (rc == 0)
		rc = take_lease(l, lease, err);
	json_decref(lease);
	return rc;
}

/* It was there until just now, for all that is known. */
static void note_absence(struct kube_lease *l)
{
	if (l->is_there)
		l->changed = fence_clock();
	l->is_there = false;
	*l->holder = *l->version = '\0';
}

/* Within @ms, or 0: as soon as a renewal. */
static int look_within(struct kube_lease *l, int ms, struct error *err)
{
	struct kube_request q = {
		.method = "GET",
		.path = l->path,
		.timeout_ms = ms,
	};
	int rc = call(l, &q, err);

	if (rc != -ENOENT)
		return rc;
	note_absence(l);
	return 0;
}

static int look(struct kube_lease *l, struct error *err)
{
	return look_within(l, 0, err);
}

/* MicroTime. */
static void stamp(char out[static 40])
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 40 - n, ".%06ldZ", now.tv_nsec / 1000);
}

/* What is said when it is held by us, anew or still. */
static json_t *claim(const struct kube_lease *l, bool anew)
{
	char now[40];
	json_t *spec;

	stamp(now);
	spec = json_pack("{s:s, s:i, s:s}", "holderIdentity",
			 l->config->identity, "leaseDurationSeconds",
			 l->config->duration_ms / 1000, "renewTime", now);
	if (anew && spec) {
		json_object_set_new(spec, "acquireTime", json_string(now));
		json_object_set_new(spec, "leaseTransitions",
				    json_integer(l->is_there
							 ? l->transitions + 1
							 : 0));
	}
	return spec;
}

static int write_lease(struct kube_lease *l, const char *method,
		       const char *path, json_t *body, struct error *err)
{
	struct kube_request q = {
		.method = method,
		.path = path,
		.type = strcmp(method, "PATCH") == 0 ? KUBE_MERGE_PATCH : NULL,
		.body = body,
	};
	char room[600];
	int rc;

	if (!body)
		return fail(err, ENOMEM, "no memory for a lease");
	snprintf(room, sizeof room, "%s?fieldManager=" KUBE_FIELD_MANAGER,
		 path);
	q.path = room;
	rc = call(l, &q, err);
	json_decref(body);
	return rc;
}

static int create(struct kube_lease *l, struct error *err)
{
	char path[512];
	char *slash;

	snprintf(path, sizeof path, "%s", l->path);
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	return write_lease(l, "POST", path,
		     json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:o}",
			       "apiVersion", "coordination.k8s.io/v1", "kind",
			       "Lease", "metadata", "name", l->config->name,
			       "namespace", l->config->namespace,
			       "annotations", SITE_KEY, l->config->site, "spec",
			       claim(l, true)),
		     err);
}

/* The version makes sure that nobody was first. */
static int patch(struct kube_lease *l, json_t *spec, struct error *err)
{
	return write_lease(l, "PATCH", l->path,
		     json_pack("{s:{s:s}, s:o}", "metadata", "resourceVersion",
			       l->version, "spec", spec),
		     err);
}

/* ---- one round ---- */

static bool is_ours(const struct kube_lease *l)
{
	return l->is_there && strcmp(l->holder, l->config->identity) == 0;
}

/*
 * Given back, or not changed for its time.  One that was deleted says nothing of
 * who held it: that one's time is waited for as well.
 */
static bool is_free(const struct kube_lease *l)
{
	return (l->is_there && !*l->holder) ||
	       fence_clock() - l->changed >= l->duration_ms;
}

/* @sent is from before the request: others count from later. */
static void renewed(struct kube_lease *l, int64_t sent)
{
	l->renewed = sent;
	l->leads = true;
	fence_extend(l->fence, sent + l->config->duration_ms);
}

static int renew(struct kube_lease *l, struct error *err)
{
	int64_t sent = fence_clock();
	int rc = patch(l, claim(l, false), err);

	/* An answer that was lost may have been ours: look. */
	if (rc == -ECANCELED) {
		rc = look(l, err);
		if (rc == 0 && !is_ours(l))
			step_down(l);
		return rc;
	}
	if (rc == -ENOENT) {
		note_absence(l);
		step_down(l);
		return 0;
	}
	if (rc == 0 && is_ours(l))
		renewed(l, sent);
	return rc;
}

static int stand(struct kube_lease *l, struct error *err)
{
	int rc = look(l, err);
	int64_t sent;

	if (rc < 0 || !l->config->candidate || (!is_free(l) && !is_ours(l)))
		return rc;
	sent = fence_clock();
	rc = l->is_there ? patch(l, claim(l, true), err) : create(l, err);
	if (rc == 0 && is_ours(l))
		renewed(l, sent);
	/* Another was first. */
	return rc == -ECANCELED || rc == -EEXIST ? look(l, err) : rc;
}

static void report(struct kube_lease *l, int rc, const struct error *err)
{
	int64_t now = fence_clock();

	if (rc == 0) {
		l->silent_since = 0;
		if (l->silent)
			l->listener->reached(l->listener, "");
		l->silent = false;
		return;
	}
	if (!l->silent_since)
		l->silent_since = now;
	/* One call that fails is no news. */
	if (now - l->silent_since < retry_ms(l) && rc != -EPERM)
		return;
	l->silent = true;
	l->listener->reached(l->listener, err->msg);
}

static void round_once(struct kube_lease *l)
{
	struct error err;
	int rc = l->leads ? renew(l, &err) : stand(l, &err);

	if (l->leads &&
	    fence_clock() - l->renewed >= renew_deadline_ms(l)) {
		step_down(l);
		*l->holder = '\0';
	}
	tell(l);
	report(l, rc, &err);
}

static void *run(void *ctx)
{
	struct kube_lease *l = ctx;
	int ms;

	while (!atomic_load(&l->stopping) && !kube_is_stopped(l->kube)) {
		round_once(l);
		ms = retry_ms(l);
		/* Candidates don't come together. */
		if (!l->leads)
			ms += (int)kube_random((unsigned)ms / 5 + 1);
		while (ms > 0 && !atomic_load(&l->stopping) &&
		       kube_pause(l->conn, ms < 100 ? ms : 100))
			ms -= 100;
	}
	return NULL;
}

/*
 * Whose site's it is has to be known before anything is written, and a server
 * that is slow for a moment is no reason to give up a mount.
 */
static int look_first(struct kube_lease *l, struct error *err)
{
	int64_t end = clock_monotonic() + FIRST_LOOK_MS;
	int rc;

	do
		rc = look_within(l, FIRST_CALL_MS, err);
	while ((rc == -ETIMEDOUT || rc == -EHOSTUNREACH || rc == -EPROTO ||
		rc == -EAGAIN) &&
	       clock_monotonic() < end && kube_pause(l->conn, retry_ms(l)));
	return rc;
}

struct kube_lease *kube_lease_start(struct kube *k,
				    const struct lease_config *config,
				    struct fence *fence,
				    struct lease_listener *listener,
				    struct error *err)
{
	struct kube_lease *l = calloc(1, sizeof *l);
	int rc;

	if (!l) {
		fail(err, ENOMEM, "no memory for a lease");
		return NULL;
	}
	l->kube = k;
	l->config = config;
	l->fence = fence;
	l->listener = listener;
	snprintf(l->path, sizeof l->path,
		 "/apis/coordination.k8s.io/v1/namespaces/%s/leases/%s",
		 config->namespace, config->name);
	l->conn = kube_conn_new(k, err);
	if (!l->conn || look_first(l, err) < 0) {
		kube_lease_free(l);
		return NULL;
	}
	rc = thread_start(&l->thread, run, l);
	if (rc) {
		fail(err, rc, "no thread for a lease");
		kube_lease_free(l);
		return NULL;
	}
	l->running = true;
	return l;
}

/* An act that is under way would go on under the next leader. */
static bool is_idle(struct fence *f)
{
	bool idle;

	pthread_mutex_lock(&f->lock);
	idle = f->acts == 0;
	pthread_mutex_unlock(&f->lock);
	return idle;
}

void kube_lease_stop(struct kube_lease *l)
{
	struct error err;

	if (!l)
		return;
	atomic_store(&l->stopping, true);
	if (l->running)
		pthread_join(l->thread, NULL);
	l->running = false;
	if (!l->leads)
		return;
	step_down(l);
	/* When that fails, they wait for the lease to end. */
	if (is_idle(l->fence))
		(void)patch(l,
			    json_pack("{s:s, s:i}", "holderIdentity", "",
				      "leaseDurationSeconds", 1),
			    &err);
}

void kube_lease_free(struct kube_lease *l)
{
	if (!l)
		return;
	kube_conn_free(l->conn);
	free(l);
}
