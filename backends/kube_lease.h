/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of several daemons leads, by a Lease of coordination.k8s.io/v1, as
 * client-go's leaderelection does it: whoever holds the lease renews it; others
 * take it over when it has not changed for its whole duration by their own
 * clock.  Times in the lease are for people and are never compared.
 *
 * One thread and one connection.  It is also what tells soonest that the API
 * server is away.
 */
#ifndef UVRFS_KUBE_LEASE_H
#define UVRFS_KUBE_LEASE_H

#include "fence.h"
#include "kube.h"

/* Called on the lease's thread. */
struct lease_listener {
	/* @holder: "" for nobody. */
	void (*led)(struct lease_listener *l, bool leads, const char *holder);
	/* Why the server gives no answer; "" when it does again. */
	void (*reached)(struct lease_listener *l, const char *why);
};

struct lease_config {
	const char *namespace;
	const char *name;
	const char *identity;	/* no other process has it */
	const char *site;	/* of all that share it; another is refused */
	int duration_ms;	/* whole seconds */
	bool candidate;		/* else it only looks who leads */
};

struct kube_lease;

/*
 * Begins, when it has looked at the lease: a server that gives no answer is asked
 * for 30 s.  @config's strings, @fence and @l outlive it.  NULL with a sentence.
 */
struct kube_lease *kube_lease_start(struct kube *k,
				    const struct lease_config *config,
				    struct fence *fence,
				    struct lease_listener *l,
				    struct error *err);

/* Gives the lead to others if nothing is under way.  Blocks for one call. */
void kube_lease_stop(struct kube_lease *l);

/* After that and kube_stop.  Takes NULL. */
void kube_lease_free(struct kube_lease *l);

#endif
