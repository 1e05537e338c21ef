/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cluster says of its volumes: each PersistentVolumeClaim's phase and
 * volume, and the node that has it attached (VolumeAttachment of
 * storage.k8s.io/v1).  Three watches; whatever may not be watched is told so.
 */
#ifndef UVRFS_KUBE_VOLUMES_H
#define UVRFS_KUBE_VOLUMES_H

#include "buf.h"
#include "kube.h"
#include "watches.h"

struct kube_volumes;

/* Told on a thread of ours that something about this claim is another. */
struct volumes_listener {
	void (*changed)(struct volumes_listener *l, const char *namespace,
			const char *pvc);
};

/* Begins.  NULL with a sentence. */
struct kube_volumes *kube_volumes_start(struct kube *k,
					struct volumes_listener *l,
					struct error *err);

/* Tells of the three.  Takes NULL. */
void kube_volumes_watches(const struct kube_volumes *v,
			  struct watch_visitor *visitor);

/* After kube_stop.  Takes NULL. */
void kube_volumes_free(struct kube_volumes *v);

/*
 * Any thread; never blocks for long: appends what is known of the claim as YAML
 * at @depth, under `pvc:`.
 */
void kube_volumes_describe(struct kube_volumes *v, const char *namespace,
			   const char *pvc, int depth, struct buf *out);

#endif
