/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inode numbers.  A number is arithmetic on what the inode is, so the daemon
 * keeps no table of inodes, forgets nothing and a restarted one answers for the
 * numbers that the kernel still holds:
 *
 *   62      57 56                                   8 7        0
 *   |  kind   |  id of what it belongs to            |  row    |
 *
 * The id is that of the replication or namespace (the core never gives one out
 * twice: the kernel keeps a removed directory dead under its number for as long
 * as anyone stands in it), the index of a backend, or a hash of the name of a
 * cluster or of a place in by-source.  The row is a file's row in its table,
 * counted from 1, or a word or state.  The root is 1, as FUSE wants it.
 */
#ifndef UVRFS_INODE_H
#define UVRFS_INODE_H

#include <stdbool.h>
#include <stdint.h>

enum kind {
	KIND_NONE,
	KIND_ROOT,
	KIND_NAMESPACE,
	KIND_REPLICATION,
	KIND_ATTRIBUTE,		/* a file of a replication */
	KIND_PLAN,
	KIND_PLAN_WORD,
	KIND_DAEMON,		/* .uvrfs */
	KIND_DAEMON_FILE,
	KIND_BACKENDS,
	KIND_BACKEND,
	KIND_BACKEND_FILE,
	KIND_CLUSTERS,
	KIND_CLUSTER,
	KIND_CLUSTER_FILE,
	KIND_BY_STATE,
	KIND_STATE,
	KIND_BY_SOURCE,
	KIND_PLACE,		/* a directory in by-source */
	KIND_LINK,		/* the symlink to a replication in any view */
	KIND_SCRATCH,		/* its id is its own */
	KIND_SCRATCH_DIR,
	KIND_COUNT
};

struct inode {
	enum kind kind;
	uint64_t id;
	unsigned row;
};

/* The number of @node and back; a number of no kind gives KIND_NONE. */
uint64_t inode_number(struct inode node);
struct inode inode_parse(uint64_t number);

/* The directory of the replication with @id. */
static inline struct inode inode_replication(uint64_t id)
{
	return (struct inode){.kind = KIND_REPLICATION, .id = id};
}

/* An id for @name, never 0.  The same in every run of the daemon. */
uint64_t inode_hash(const char *name);

#endif
