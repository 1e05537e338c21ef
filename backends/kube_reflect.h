/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All objects of one kind, kept up to date: a list, then a watch that goes on
 * where the list ended, and another list when the server has forgotten that
 * place.  One thread and one connection each.
 *
 * As client-go's reflector: resource versions are opaque; a page that is too old
 * begins the list anew; a watch that ends goes on from its last event or
 * bookmark; waits grow, with a random part.
 */
#ifndef UVRFS_KUBE_REFLECT_H
#define UVRFS_KUBE_REFLECT_H

#include "kube.h"
#include "watches.h"

struct kube_reflector;

/* Called on the reflector's thread. */
struct kube_listener {
	/* An object is there, or is another.  @as_of: it is from a list that
	   was asked for at this time (ms since the epoch), else 0.  Borrowed. */
	void (*seen)(struct kube_listener *l, const json_t *object,
		     int64_t as_of);
	void (*gone)(struct kube_listener *l, const char *namespace,
		     const char *name, const char *uid);
	/* Everything there is has been seen; again after each list. */
	void (*listed)(struct kube_listener *l);
	/* Why the server gives no news, an error of kube_call(); 0 and "" when
	   it does again. */
	void (*reached)(struct kube_listener *l, int rc, const char *why);
};

/*
 * Begins.  @path is that of the collection, as
 * /apis/replication.unified.io/v1alpha1/unifiedvolumereplications; @older is
 * tried in turn with it while the server knows neither (NULL: there is none).
 * NULL with a sentence when there is no thread or memory.
 */
struct kube_reflector *kube_reflect(struct kube *k, const char *path,
				    const char *older,
				    struct kube_listener *l,
				    struct error *err);

/* After kube_stop: ends the thread.  Takes NULL. */
void kube_reflector_free(struct kube_reflector *r);

/* Any thread: tells of it as a watch at @cluster.  Takes NULL. */
void kube_reflector_tell(const struct kube_reflector *r, const char *cluster,
			 struct watch_visitor *v);

/* Any thread: the server was seen to answer, so that no wait is needed. */
void kube_reflector_hurry(struct kube_reflector *r);

#endif
