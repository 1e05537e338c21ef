/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of a Kubernetes cluster: its UnifiedVolumeReplication objects.
 *
 * Several daemons share it.  Each shows every object and takes writes; the one
 * that holds the lease acts on storage and decides what others have patched.
 *
 * An accepted request is in `status`, written with the resourceVersion that it
 * was decided on.  Where a new spec goes with it, that is written first: if
 * nothing comes after it, it is what a patch by anybody would have been.
 */
#ifndef UVRFS_STORE_KUBE_H
#define UVRFS_STORE_KUBE_H

#include "kubeconfig.h"
#include "store.h"

#include <sys/types.h>

struct store_kube_config {
	struct kube_access access;	/* taken over, also on failure */
	const char *state_dir;		/* for the audit; outlives it */
	const char *site;		/* outlives it */
	const char *namespace;		/* of the lease; NULL: the access's, else
					   default */
	const char *lease;		/* its name */
	int lease_ms;			/* its duration */
	bool candidate;			/* may lead */
	int memory;			/* that is kept for who goes on with our
					   mount, the caller's; -1: none */
	off_t memory_used;		/* by others, at its beginning */
	bool goes_on;			/* with the mount of a former daemon */
};

/*
 * NULL with a sentence on failure.  Does not connect; `load` does, and fails
 * when there is no whole list within 30 s; or at once, when nothing answers or
 * there is no such resource, unless it goes on.
 */
struct store *store_kube_open(struct store_kube_config *config,
			      struct error *err);

/*
 * worker: installs the CustomResourceDefinition, or brings the one that is there
 * up to date, and waits until it is served.  @what says which it was.
 */
int kube_install_crd(const struct kube_access *access, const char **what,
		     struct error *err);

/* That definition, as YAML. */
const char *kube_crd(void);

#endif
