/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of Kubernetes API servers, over libcurl and jansson.
 *
 * A struct kube is one cluster with one credential; it may be used by several
 * threads, each over a struct kube_conn of its own, which keeps its connection.
 * Whatever a server or a proxy answers costs a deadline and a sentence.
 *
 * Facts of the protocol: the API conventions and the API concepts pages of the
 * Kubernetes documentation, and client-go's rest package.
 */
#ifndef UVRFS_KUBE_H
#define UVRFS_KUBE_H

#include "error.h"
#include "kubeconfig.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kube;
struct kube_conn;

/*
 * @access outlives it.  NULL with ENOMEM.  Does not connect.
 */
struct kube *kube_new(const struct kube_access *access, struct error *err);

/* After the connections.  Takes NULL. */
void kube_free(struct kube *k);

/* Any thread: cuts every call short; these and later ones are -ESHUTDOWN. */
void kube_stop(struct kube *k);

const char *kube_server(const struct kube *k);

/* NULL with ENOMEM.  Does not connect. */
struct kube_conn *kube_conn_new(struct kube *k, struct error *err);
void kube_conn_free(struct kube_conn *c);	/* takes NULL */

#define KUBE_MERGE_PATCH "application/merge-patch+json"

/* Who writes, as metadata.managedFields names it. */
#define KUBE_FIELD_MANAGER "uvrfs"

struct kube_request {
	const char *method;	/* GET, POST, PATCH, DELETE */
	const char *path;	/* with its query; from / on */
	const char *type;	/* of the body; NULL: application/json */
	const json_t *body;	/* NULL: none */
	int timeout_ms;		/* of the whole, tries and waits included */
	bool is_kind;		/* which the server need not have: -ENOENT */
};

/*
 * worker: makes one request and reads the whole answer, which is *@reply, the
 * caller's (@reply may be NULL).  Waits and tries again when the server says
 * when (Retry-After), at most ten times; asks for another credential once, after
 * 401.  Errors, each with a sentence that names the server:
 *
 *   -ENOENT        404, by the API server: there is no such object
 *   -ECANCELED     409: it is at another version than the one named
 *   -EEXIST        409: it exists already
 *   -ESTALE        410: the version or the page is too old
 *   -EACCES        401, 403, and a certificate that is refused by either side
 *   -EINVAL        400, 405, 413, 415, 422
 *   -EAGAIN        429, 5xx: not now; 404 by whoever is in front of it
 *   -EHOSTUNREACH  no connection, or it broke
 *   -ETIMEDOUT     no whole answer in time
 *   -EPROTO        an answer that is no JSON object, or too long; or something
 *                  is in the way of asking: a name that is not resolved, a
 *                  proxy, TLS that is answered with an alert or not at all
 *   -ESHUTDOWN     after kube_stop
 *
 * After the last three of these before -ESHUTDOWN the server may have done what
 * it was asked.
 */
int kube_call(struct kube_conn *c, const struct kube_request *q,
	      json_t **reply, struct error *err);

/* True for those errors. */
bool kube_may_have_happened(int rc);

/*
 * worker: a watch.  Its `line` is given each line as JSON (borrowed), and ends it by
 * a number other than 0, which is returned.  0 when the server ends it; else the
 * errors of kube_call.  What is left of a line at the end is forgotten.
 */
struct kube_watcher {
	/* The server has agreed; and every second from then on. */
	void (*alive)(struct kube_watcher *w);
	int (*line)(struct kube_watcher *w, json_t *event);
};
int kube_watch(struct kube_conn *c, const char *path, int timeout_ms,
	       struct kube_watcher *w, struct error *err);

/* Waits, for at most @ms or until kube_stop.  False: stopped. */
bool kube_pause(struct kube_conn *c, int ms);
bool kube_is_stopped(const struct kube *k);

/* A random number below @n, for what must not come together. */
unsigned kube_random(unsigned n);

#endif
