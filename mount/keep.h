/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount that outlives us: its descriptor, and some memory, are kept by whoever
 * starts the daemon again when it dies, which is systemd's descriptor store
 * (FileDescriptorStoreMax= of systemd.service(5)) or what speaks its protocol.
 * As long as somebody has the descriptor the mount is not dead; who asks
 * something of it waits for the next daemon.
 */
#ifndef UVRFS_KEEP_H
#define UVRFS_KEEP_H

#include "fs.h"

#include <stdbool.h>
#include <sys/types.h>

struct keep {
	int fd;				/* of the mount; -1: none was kept */
	int memory;
	struct keep_memory *shared;	/* what is in it; NULL: none */
	bool kept;			/* what is mounted now is */
};

/*
 * What was kept of a former daemon, as sd_listen_fds(3) tells; other descriptors
 * are closed.  Once, and before there are children.
 */
void keep_take(struct keep *k);

/* Its mount is that of @device, of a daemon with the same @store. */
bool keep_fits(const struct keep *k, dev_t device, uint64_t store);

/* What was kept is of no use: closes it. */
void keep_drop(struct keep *k);

/* For fs_options.kept: what was kept, or else new; NULL without memory. */
struct fs_kept *keep_memory(struct keep *k);

/* So much of it is ours; what is behind it is free. */
off_t keep_used(void);

/* Hands @fd and the memory over, where somebody takes them. */
void keep_give(struct keep *k, int fd, dev_t device, uint64_t store);

/* They are not to be kept any more. */
void keep_end(struct keep *k);

#endif
