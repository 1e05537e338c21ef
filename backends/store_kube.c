/* SPDX-License-Identifier: Apache-2.0 */
/* The store of a Kubernetes cluster: opened, loaded, watched, closed. */
#include "store_kube_private.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOAD_MS 30000

static struct store_kube *of_watch(struct kube_listener *l)
{
	void *k = (char *)l - offsetof(struct store_kube, watch_listener);

	return k;
}

static struct store_kube *of_lease(struct lease_listener *l)
{
	void *k = (char *)l - offsetof(struct store_kube, lease_listener);

	return k;
}

/* ---- what the watch tells ---- */

void store_kube_tell(struct store_kube *k, struct object *o)
{
	pthread_mutex_lock(&k->lock);
	if (k->sink)
		k->sink->changed(k->sink, o);
	else
		early_keep(k, o);
	pthread_mutex_unlock(&k->lock);
}

void store_kube_complain(struct store_kube *k, const char *sentence)
{
	pthread_mutex_lock(&k->lock);
	if (k->sink)
		k->sink->complain(k->sink, sentence);
	else
		early_complain(k, sentence);
	pthread_mutex_unlock(&k->lock);
}

static void seen(struct kube_listener *l, const json_t *value, int64_t as_of)
{
	struct store_kube *k = of_watch(l);
	struct error err;
	struct object *o = object_read(value, &err);

	if (!o) {
		error_prefix(&err, "an object of the store is left out: ");
		store_kube_complain(k, err.msg);
		return;
	}
	o->as_of = as_of;
	store_kube_tell(k, o);
}

static void gone(struct kube_listener *l, const char *namespace,
		 const char *name, const char *uid)
{
	struct store_kube *k = of_watch(l);

	pthread_mutex_lock(&k->lock);
	if (k->sink)
		k->sink->vanished(k->sink, namespace, name, uid);
	else
		early_keep_gone(k, namespace, name, uid);
	pthread_mutex_unlock(&k->lock);
}

static void listed(struct kube_listener *l)
{
	struct store_kube *k = of_watch(l);

	pthread_mutex_lock(&k->lock);
	k->is_listed = true;
	pthread_cond_broadcast(&k->listed);
	pthread_mutex_unlock(&k->lock);
}

/* The store is away when either gives no answer.  With the lock held. */
static void tell_reach(struct store_kube *k)
{
	const char *why = *k->watch_why ? k->watch_why : k->lease_why;

	if (!k->sink || strcmp(why, k->told_why) == 0 ||
	    (*why && *k->told_why))
		return;
	snprintf(k->told_why, sizeof k->told_why, "%s", why);
	k->sink->reached(k->sink, why);
}

static void reached(struct kube_listener *l, int rc, const char *why)
{
	struct store_kube *k = of_watch(l);

	pthread_mutex_lock(&k->lock);
	snprintf(k->watch_why, sizeof k->watch_why, "%s", why);
	tell_reach(k);
	pthread_mutex_unlock(&k->lock);
}

/* ---- what the lease tells ---- */

static void lease_reached(struct lease_listener *l, const char *why)
{
	struct store_kube *k = of_lease(l);

	pthread_mutex_lock(&k->lock);
	snprintf(k->lease_why, sizeof k->lease_why, "%s", why);
	tell_reach(k);
	pthread_mutex_unlock(&k->lock);
	if (!*why)
		kube_reflector_hurry(k->reflector);
}

static void led(struct lease_listener *l, bool leads, const char *holder)
{
	struct store_kube *k = of_lease(l);

	k->sink->led(k->sink, leads, holder);
}

/* ---- what volumes tell ---- */

static void volume_changed(struct volumes_listener *l, const char *namespace,
			   const char *pvc)
{
	void *at = (char *)l - offsetof(struct store_kube, volumes_listener);
	struct store_kube *k = at;

	k->sink->volume(k->sink, namespace, pvc);
}

/* ---- loading ---- */

static int await_list(struct store_kube *k, struct error *err)
{
	int64_t end = clock_monotonic() + LOAD_MS;
	int rc = 0;

	pthread_mutex_lock(&k->lock);
	while (!k->is_listed && rc == 0)
		rc = clock_cond_wait(&k->listed, &k->lock, end);
	if (!k->is_listed)
		fail(err, ETIMEDOUT, "%s gave no list of "
		     "unifiedvolumereplications within %d s: %s",
		     kube_server(k->kube), LOAD_MS / 1000,
		     *k->watch_why ? k->watch_why : "no answer");
	rc = k->is_listed ? 0 : -ETIMEDOUT;
	pthread_mutex_unlock(&k->lock);
	return rc;
}

static void take_audit_line(void *ctx, const char *line)
{
	struct store_visitor *v = ctx;

	v->audit_line(v, line);
}

/* A kind that is not there is told at once, not after a long wait. */
static int check_kind(struct store_kube *k, struct error *err)
{
	const struct kube_request q = {
		.method = "GET",
		.path = UVR_API,
		.timeout_ms = LOAD_MS,
		.is_kind = true,
	};
	int rc = kube_call(k->conn, &q, NULL, err);

	if (rc == -ENOENT)
		return fail(err, ENOENT,
			    "%s knows no UnifiedVolumeReplication: run uvrfs "
			    "install-crd",
			    kube_server(k->kube));
	/* Not to be allowed to look is not to be without it. */
	return rc == -EACCES ? 0 : rc;
}

static int load(struct store *s, struct store_visitor *v, struct error *err)
{
	struct store_kube *k = (struct store_kube *)s;
	/* Who goes on knows that it is there, and somebody waits at the mount:
	   a server that is being started again is worth a wait. */
	int rc = k->config.goes_on ? 0 : check_kind(k, err);

	if (rc == 0 && store_kube_load_namespaces(k, v) < 0)
		rc = fail(err, ENOMEM, "no memory for namespaces");
	if (rc < 0)
		return rc;
	k->reflector = kube_reflect(k->kube, UVR_PATH, NULL,
				    &k->watch_listener, err);
	if (!k->reflector || await_list(k, err) < 0)
		return -err->code;
	early_load(k, v);
	return audit_file_feed(&k->audit, take_audit_line, v, err);
}

static int start(struct store *s, struct store_sink *sink, struct error *err)
{
	struct store_kube *k = (struct store_kube *)s;

	pthread_mutex_lock(&k->lock);
	k->sink = sink;
	early_tell(k);
	pthread_mutex_unlock(&k->lock);
	if (k->missed)
		return fail(err, ENOMEM, "no memory for what is in the store");
	if (k->config.access.insecure)
		store_kube_complain(k, "the certificate of the API server is NOT "
			"verified (insecure-skip-tls-verify): whoever is in "
			"between can read and change everything");
	if (fence_init(&k->fence, err) < 0)
		return -err->code;
	k->has_fence = true;
	k->events = events_start(k->kube, k->identity, err);
	k->volumes = k->events ? kube_volumes_start(k->kube,
						    &k->volumes_listener, err) : NULL;
	k->lease = k->volumes ? kube_lease_start(k->kube, &k->lease_config,
						 &k->fence, &k->lease_listener,
						 err)
			      : NULL;
	return k->lease ? 0 : -err->code;
}

static void stop(struct store *s)
{
	struct store_kube *k = (struct store_kube *)s;

	kube_lease_stop(k->lease);
	kube_stop(k->kube);
	kube_reflector_free(k->reflector);
	k->reflector = NULL;
	kube_lease_free(k->lease);
	k->lease = NULL;
	events_free(k->events);
	k->events = NULL;
}

static void close_store(struct store *s)
{
	struct store_kube *k = (struct store_kube *)s;

	if (!k)
		return;
	if (k->kube)
		stop(s);
	/* Not earlier: what is still to be told is compared with it. */
	kube_volumes_free(k->volumes);
	early_finish(k);
	if (k->has_fence)
		fence_finish(&k->fence);
	kube_conn_free(k->conn);
	kube_free(k->kube);
	kube_ids_finish(&k->ids);
	audit_file_close(&k->audit);
	if (k->audit.dir >= 0)
		close(k->audit.dir);
	pthread_cond_destroy(&k->listed);
	pthread_mutex_destroy(&k->lock);
	kube_access_finish(&k->config.access);
	free(k);
}

/* ---- what the world asks ---- */

/*
 * A namespace here is a directory for objects; the cluster's own is not made.
 * Without it nothing could be stored, so that is told now.
 */
static int make_namespace(struct store *s, const char *namespace, uint64_t id,
			  struct error *err)
{
	struct store_kube *k = (struct store_kube *)s;
	struct kube_request q = {.method = "GET", .timeout_ms = WRITE_MS};
	char path[128];
	int rc;

	snprintf(path, sizeof path, "/api/v1/namespaces/%s", namespace);
	q.path = path;
	rc = kube_call(k->conn, &q, NULL, err);
	if (rc == -ENOENT)
		return fail(err, ENOENT,
			    "the cluster has no namespace %s: make it with "
			    "kubectl",
			    namespace);
	return rc == -EACCES ? 0 : writing_failed(rc, err);
}

static int remove_namespace(struct store *s, const char *namespace,
			    struct error *err)
{
	return 0;
}

static int audit(struct store *s, const char *line, struct error *err)
{
	return audit_file_append(&((struct store_kube *)s)->audit, line, err);
}

static void add_event(struct store *s, const struct store_event *event)
{
	events_add(((struct store_kube *)s)->events, event);
}

static int fence(struct store *s, int *left_ms, struct error *err)
{
	return fence_enter(&((struct store_kube *)s)->fence, left_ms, err);
}

static void unfence(struct store *s)
{
	fence_leave(&((struct store_kube *)s)->fence);
}

static void volume(struct store *s, const char *namespace, const char *pvc,
		   int depth, struct buf *out)
{
	kube_volumes_describe(((struct store_kube *)s)->volumes, namespace,
			      pvc, depth, out);
}

static void watches(struct store *s, struct watch_visitor *v)
{
	kube_reflector_tell(((struct store_kube *)s)->reflector, "", v);
	kube_volumes_watches(((struct store_kube *)s)->volumes, v);
}

static const struct store_ops ops = {
	.type = "kubernetes",
	.load = load,
	.new_id = store_kube_new_id,
	.last_id = store_kube_last_id,
	.save = store_kube_save,
	.remove = store_kube_remove,
	.mkdir = make_namespace,
	.rmdir = remove_namespace,
	.audit = audit,
	.close = close_store,
	.start = start,
	.stop = stop,
	.refuse = store_kube_refuse,
	.event = add_event,
	.fence = fence,
	.unfence = unfence,
	.volume = volume,
	.watches = watches,
	.known_id = store_kube_known_id,
	.note_id = store_kube_note_id,
	.note_gone = store_kube_note_gone,
	.note_told = store_kube_note_told,
	.lost_id = store_kube_lost_id,
};

/* ---- opening ---- */

static void make_identity(struct store_kube *k)
{
	char host[65] = "";

	gethostname(host, sizeof host - 1);
	snprintf(k->identity, sizeof k->identity, "%s_%d_%08x", host,
		 (int)getpid(), kube_random(0xffffffff));
}

static int open_audit(struct store_kube *k, struct error *err)
{
	k->audit.path = k->config.state_dir;
	k->audit.dir = open(k->config.state_dir,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->audit.dir < 0)
		return fail(err, errno, "opening %s: %m", k->config.state_dir);
	return audit_file_open(&k->audit, err);
}

static void configure_lease(struct store_kube *k)
{
	const struct store_kube_config *c = &k->config;

	k->lease_config = (struct lease_config){
		.namespace = c->namespace	  ? c->namespace
			     : c->access.namespace ? c->access.namespace
						   : "default",
		.name = c->lease,
		.identity = k->identity,
		.site = c->site,
		.duration_ms = c->lease_ms,
		.candidate = c->candidate,
	};
}

struct store *store_kube_open(struct store_kube_config *config,
			      struct error *err)
{
	struct store_kube *k = calloc(1, sizeof *k);

	if (!k) {
		kube_access_finish(&config->access);
		fail(err, ENOMEM, "no memory for a store");
		return NULL;
	}
	k->store.ops = &ops;
	k->config = *config;
	config->access = (struct kube_access){0};
	k->watch_listener = (struct kube_listener){
		.seen = seen,
		.gone = gone,
		.listed = listed,
		.reached = reached,
	};
	k->lease_listener = (struct lease_listener){
		.led = led,
		.reached = lease_reached,
	};
	k->volumes_listener = (struct volumes_listener){volume_changed};
	k->audit.fd = k->audit.dir = k->ids.fd = -1;
	/* Where no clock has been, for a mount that begins with us. */
	k->ids.last = (uint64_t)(clock_wall() / 1000) << 18;
	pthread_mutex_init(&k->lock, NULL);
	clock_cond_init(&k->listed);
	make_identity(k);
	configure_lease(k);
	k->kube = kube_new(&k->config.access, err);
	k->conn = k->kube ? kube_conn_new(k->kube, err) : NULL;
	if (!k->conn || open_audit(k, err) < 0 ||
	    kube_ids_open(&k->ids, k->config.memory, k->config.memory_used,
			  err) < 0) {
		close_store(&k->store);
		return NULL;
	}
	return &k->store;
}
