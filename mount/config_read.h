/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a tree of nodes into structs by tables of keys, and gathers the faults.
 * Private to mount/config*.c.
 */
#ifndef UVRFS_CONFIG_READ_H
#define UVRFS_CONFIG_READ_H

#include "faults.h"
#include "node.h"

struct reader {
	struct faults faults;
	const struct path *at;	/* what is being read */
	bool no_memory;
};

struct key;

/* Reads @node into what lies at @into, or notes a fault. */
typedef void key_read(struct reader *rd, const struct key *key,
		      const struct node *node, void *into);

struct key {
	const char *name;
	key_read *read;
	size_t offset;		/* of the value in its struct */
	bool required;
	bool live;		/* can change while the daemon runs */
	const struct key *keys;	/* of a mapping, or of a list's items; ends
				   with a row that has no name */
	size_t item_size;	/* of a list: `offset` is that of its array, */
	size_t count_offset;	/* this one that of their number */
	void (*init)(void *item);	/* may be NULL: zeroes */
};

/* Notes a sentence about what is being read. */
#define reader_fault(rd, ...) faults_add(&(rd)->faults, (rd)->at, __VA_ARGS__)

/* Reads the mapping @node by @keys into the struct at @base. */
void reader_mapping(struct reader *rd, const struct key *keys,
		    const struct node *node, void *base);

/* The first of the items that were read of the list or mapping at @key, or NULL
   when none were: the array has as many. */
const struct node *reader_items(const struct node *root, const char *key,
				enum node_kind kind);

/* What a key may hold.  Strings stay the tree's. */
key_read read_mapping;	/* a struct, the keys of which are key->keys */
key_read read_list;	/* an array of structs */
key_read read_named;	/* the same, from a mapping of names to structs; an
			   item starts with its name, a const char * */
key_read read_string;	/* const char *, not empty */
key_read read_namespace; /* const char *: a namespace's name */
key_read read_place;	/* the same, or .uvrfs */
key_read read_bool;	/* bool */
key_read read_path;	/* const char *, absolute */
key_read read_ms;	/* int: a duration */
key_read read_mode;	/* mode_t, octal */
key_read read_user;	/* uid_t: a name or a number */
key_read read_group;	/* gid_t */

#endif
