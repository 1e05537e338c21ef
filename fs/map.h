/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash from numbers to structs that begin with a struct map_link: open
 * handles by fh, notes by inode.  Owns only its slots.
 */
#ifndef UVRFS_MAP_H
#define UVRFS_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_link {
	uint64_t key;
	struct map_link *next;
};

struct map {
	struct map_link **slots;
	size_t size;		/* a power of two, 0 at first */
	size_t count;
};

void map_finish(struct map *m);

/* The link with @key, or NULL. */
struct map_link *map_find(const struct map *m, uint64_t key);

/* Adds @link, whose key is not there yet; 0 or -ENOMEM. */
int map_add(struct map *m, struct map_link *link);
void map_remove(struct map *m, struct map_link *link);

/*
 * The link after @link, in no order that means anything; NULL: the first, and
 * at the end.  Only @link itself may be removed between two calls, after its
 * successor was asked for.
 */
struct map_link *map_next(const struct map *m, const struct map_link *link);

#endif
