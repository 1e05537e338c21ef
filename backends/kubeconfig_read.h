/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a kubeconfig: their keys and what is refused in them.  Keys that
 * are not known here are passed over, since kubeconfigs hold those of others.
 */
#ifndef UVRFS_KUBECONFIG_READ_H
#define UVRFS_KUBECONFIG_READ_H

#include "kubeconfig.h"

#include "node.h"

/* The part that is being read, for sentences and relative paths. */
struct kubeconfig_place {
	const char *file;
	const char *dir;	/* of @file, absolute */
	const char *kind;	/* "user" */
	const char *name;
	struct error *err;
};

/* Fails with EINVAL and the sentence, after the place; it returns that. */
int kubeconfig_refuse(const struct kubeconfig_place *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The text of @map's @key as a copy that is the caller's, for secret_free();
 * NULL when it is absent, null or empty.
 */
int kubeconfig_read_text(const struct kubeconfig_place *at,
			 const struct node *map, const char *key, char **out);

/*
 * Fill in @out what is a cluster's or a user's, of the mapping @node, and check
 * it.  What a failure leaves in @out is still for kube_access_finish().  Pure.
 */
int kubeconfig_read_cluster(const struct kubeconfig_place *at,
			    const struct node *node, struct kube_access *out);
int kubeconfig_read_user(const struct kubeconfig_place *at,
			 const struct node *node, struct kube_access *out);

/* An exec mapping (kubeconfig_exec.c), as those above. */
int kubeconfig_read_exec(const struct kubeconfig_place *at,
			 const struct node *node, struct kube_exec **out);

/* A table of keys that are single values. */
enum kubeconfig_value {
	KUBECONFIG_TEXT,
	KUBECONFIG_PATH,	/* made absolute */
	KUBECONFIG_DATA,	/* base64 */
	KUBECONFIG_FLAG,
};

struct kubeconfig_key {
	const char *key;	/* NULL at the end */
	enum kubeconfig_value value;
	size_t offset;		/* of a char * or bool in the struct @base */
};

int kubeconfig_read_keys(const struct kubeconfig_place *at,
			 const struct node *map,
			 const struct kubeconfig_key *keys, void *base);

#endif
