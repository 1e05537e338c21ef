/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration, uvrfs.yaml: what it says, checked, with the defaults
 * where it says nothing.  Every fault is named with key and line, as in
 * manifests:
 *
 *   failover.peerUnreachable (line 7): 'maybe' is neither allow nor force; ...
 */
#ifndef UVRFS_CONFIG_H
#define UVRFS_CONFIG_H

#include "buf.h"
#include "error.h"
#include "fs.h"
#include "world.h"

#define CONFIG_DEFAULT_PATH "/etc/uvrfs/uvrfs.yaml"
#define CONFIG_MAX (256 * 1024)

struct config_cluster {
	const char *name;
	const char *kubeconfig;		/* may be NULL */
	const char *context;		/* may be NULL */
	bool in_cluster;		/* the one that this process runs in */
	const char *ceph_conf;		/* NULL: no Ceph cluster */
	const char *ceph_user;		/* may be NULL */
	const char *ceph_keyring;	/* may be NULL */
};

struct config_backend {
	const char *name;
	const char *type;
	const char *path;		/* of a sim: where its sites are; NULL:
					   in the state directory */
};

struct config_timeouts {		/* ms */
	int act;
	int retry_first;
	int retry_max;
	int min_deadline;
};

/* The objects of a cluster as the store; without a cluster it is local. */
struct config_kube {
	const char *cluster;		/* of config.clusters, NULL: none */
	const char *namespace;		/* of the lease, may be NULL */
	const char *lease;		/* its name */
	int lease_ms;
	bool lead;
};

struct config {
	struct node *tree;		/* owns the strings; NULL: defaults */
	const char *site;		/* "": each manifest's destination */
	const char *store_path;		/* of the local store, or NULL */
	struct config_kube kube;
	struct config_cluster *clusters;
	size_t cluster_count;
	struct config_backend *backends;	/* never none */
	size_t backend_count;
	struct select_rule *select;
	size_t select_count;
	bool unreachable_needs_force;
	struct access_rule *access;
	size_t access_count;
	struct config_timeouts timeouts;
};

/*
 * Reads the @len bytes at @text; an empty text gives the defaults.  @config is
 * the caller's, to be given to config_finish, only when 0 is returned.  Looks
 * up users and groups, so it may block.
 */
int config_parse(const char *text, size_t len, struct config *config,
		 struct error *err);

/*
 * The same for the file at @path.  With @optional a file that is not there
 * gives the defaults.
 */
int config_load(const char *path, bool optional, struct config *config,
		struct error *err);

void config_finish(struct config *config);

/* The cluster of that name, or NULL. */
const struct config_cluster *config_find_cluster(const struct config *config,
						 const char *name);

/* Appends what works and is unwise, a sentence a line. */
void config_list_warnings(const struct config *config, struct buf *out);

/*
 * Appends the keys that differ between the two and can't change while the
 * daemon runs, separated by ", ".
 */
void config_list_fixed_changes(const struct config *before,
			       const struct config *now, struct buf *out);

#endif
