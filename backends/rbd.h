/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend ceph-rbd: RBD mirroring driven through librbd, without
 * Kubernetes.  docs/backend-ceph-rbd.md says what is done and verified how.
 */
#ifndef UVRFS_RBD_H
#define UVRFS_RBD_H

#include "backend.h"

/* How one cluster is reached.  Strings are copied; NULL: as Ceph's default. */
struct rbd_access {
	const char *cluster;		/* the name that manifests use */
	const char *conf;		/* path of its ceph.conf */
	const char *user;		/* without `client.` */
	const char *keyring;		/* a path */
};

/* Was this uvrfs built with librbd? */
bool rbd_is_built(void);

/*
 * A backend named @name for these clusters.  One that has not answered for
 * @silent_ms is called silent.  Connects to nothing yet.  NULL with a sentence
 * on failure; when built without librbd that is always so.
 */
struct backend *rbd_new(const char *name, const struct rbd_access *access,
			size_t count, int silent_ms, struct error *err);

#endif
