/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the Kubernetes client share.  Private to kube*.c. */
#ifndef UVRFS_KUBE_PRIVATE_H
#define UVRFS_KUBE_PRIVATE_H

#include "buf.h"
#include "kube.h"
#include "kube_credential.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

/* No answer is longer: a page of 250 objects of 100 KB each fits. */
#define KUBE_ANSWER_MAX ((size_t)32 * 1024 * 1024)

/* Nor a line of a watch: etcd keeps objects of at most 1.5 MiB. */
#define KUBE_LINE_MAX ((size_t)8 * 1024 * 1024)

#define KUBE_CONNECT_MS 5000

struct kube {
	const struct kube_access *access;
	struct kube_credential *credential;
	atomic_bool stopped;
	pthread_mutex_t lock;		/* protects conns */
	struct kube_conn *conns;
};

struct kube_conn {
	struct kube_conn *next;
	struct kube *kube;
	CURLM *multi;			/* keeps the connection */
	CURL *easy;
	char curl_error[CURL_ERROR_SIZE];
	uint64_t secret_version;	/* that the connection was made with */
	int port;			/* to which it was made, or tried */
};

/* One try: what goes out, what comes back. */
struct kube_try {
	const struct kube_request *request;
	const char *body;		/* text, or NULL */
	int64_t deadline;		/* monotonic ms */
	bool refresh;			/* of the credential */
	/* A 2xx answer has begun, and every second then; may be NULL. */
	void (*alive)(struct kube_try *t);
	bool began;
	/* Takes bytes of a 2xx answer; 0, or what ends the transfer. */
	int (*take)(struct kube_try *t, const char *data, size_t n);
	void *ctx;

	struct kube_conn *conn;
	struct buf answer;		/* of another, or of all without take */
	int taken;			/* what take said */
	long code;
	long retry_after;		/* seconds, -1: it does not say */
};

/* Sends it once and reads what comes.  0 when an answer is there. */
int kube_try(struct kube_conn *c, struct kube_try *t, struct error *err);

/* Turns an answer that is no success into an error. */
int kube_judge(const struct kube_try *t, struct error *err);

/*
 * Tries until there is an answer that is not `later'; 0 for a 2xx one.
 */
int kube_insist(struct kube_conn *c, struct kube_try *t, struct error *err);

#endif
