/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount's descriptor, kept by whoever starts the daemon again when it dies:
 * systemd's descriptor store (FileDescriptorStoreMax= of systemd.service(5)), or
 * what speaks its protocol.  While somebody has it, the mount is not dead; who
 * asks something of it waits for the next daemon.
 */
#ifndef UVRFS_KEEP_H
#define UVRFS_KEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct keep {
	int fd;			/* -1: none was kept for us */
	int memory;		/* what fs_options.polled is in, or -1 */
	dev_t device;		/* of its mount */
	uint64_t mount_id;	/* fs_mount_id */
	bool kept;		/* what we were mounted with is */
};

/*
 * What was kept by a former daemon, as sd_listen_fds(3) tells; the caller owns
 * the descriptor, and those that are not ours are closed.  Once, and before
 * there are children.
 */
void keep_take(struct keep *k);

/* What was kept is of no use: closes it. */
void keep_drop(struct keep *k);

/* For fs_options.polled: what was kept, or else new. */
uint64_t *keep_memory(struct keep *k);

/* Hands @fd over, of the mount that @k tells of; nothing without a keeper. */
void keep_give(struct keep *k, int fd);

/* It is to be closed: the mount ends with us. */
void keep_end(struct keep *k);

#endif
