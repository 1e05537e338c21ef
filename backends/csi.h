/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backends that drive a product through its Kubernetes objects: ceph,
 * trident, powerstore.  docs/backend-ceph.md and its neighbours say what each
 * does and how it is verified.
 */
#ifndef UVRFS_CSI_H
#define UVRFS_CSI_H

#include "backend.h"
#include "kubeconfig.h"

#include <stddef.h>

/* How the API server of one cluster is reached. */
struct csi_access {
	const char *cluster;		/* the name that manifests use; copied */
	struct kube_access access;	/* taken over, also on failure */
};

/* True when there is a product of that name. */
bool csi_is_type(const char *type);
/* Their names, NULL at the end. */
const char *csi_type(size_t index);

/*
 * A backend named @name for the product @type and these clusters.  One that has
 * not answered for @silent_ms is called silent.  Connects to nothing yet.  NULL
 * with a sentence on failure.
 */
struct backend *csi_new(const char *type, const char *name,
			struct csi_access *sites, size_t count, int silent_ms,
			struct error *err);

#endif
