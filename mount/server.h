/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon put together: store, workers, backends, world, tree, in this
 * order, and taken apart in the opposite one.
 */
#ifndef UVRFS_SERVER_H
#define UVRFS_SERVER_H

#include "config.h"
#include "keep.h"
#include "log.h"
#include "metrics_file.h"
#include "nudger.h"
#include "options.h"
#include "workers.h"

struct server {
	const struct options *options;	/* given, with the four below */
	struct config config;
	char *config_path;
	char *mountpoint;	/* NULL: a controller */
	char *state_dir;
	struct keep keep;	/* with a mount of a former daemon, or none */
	uint64_t store_id;	/* what tells this store from others */

	/* As it runs; SIGHUP changes world_config and nothing else. */
	struct log log;
	struct world_config world_config;
	struct store *store;
	struct workers *workers;
	struct backend **backends;	/* config.backend_count, some NULL */
	struct world *world;
	struct fs *fs;			/* NULL: a controller */
	struct nudger nudger;
	bool nudger_has_rights;	/* that we have given up */
	bool leaves;		/* the mount stays, for the next daemon */

	/* A controller has no `log` to read: its lines go to the log.  Nor has it
	   `.uvrfs/metrics`. */
	struct world_listener listener;
	struct line_cursor told;
	struct metrics_file metrics;
};

/*
 * Opens all of it and mounts.  On failure server_stop is due nevertheless.
 * Starts threads: not before a fork.
 */
int server_start(struct server *s, struct error *err);

/* Fills store_id: with where the store is, which site's and on which server. */
int server_identify(struct server *s, struct error *err);

/* Serves until told to stop; a negative errno is logged already. */
int server_run(struct server *s, struct error *err);

/* server_backends.c: the backend that @b describes, or NULL. */
struct backend *server_make_backend(struct server *s,
				    const struct config_backend *b,
				    struct error *err);

/* How the configuration says to reach that cluster's API server. */
struct kube_access;
int server_open_access(const struct config *config, const char *cluster,
		       struct kube_access *out, struct error *err);

/* Whether the files that @cluster names can be used; asks nobody else. */
int server_check_cluster(const struct config *config,
			 const struct config_cluster *cluster,
			 struct error *err);

/*
 * Unmounts, or leaves the mount to the next daemon; lets what the store was given
 * end, and frees.
 */
void server_stop(struct server *s);

#endif
