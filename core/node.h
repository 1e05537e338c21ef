/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML or JSON text as a tree that knows its lines: what manifests, the
 * configuration and the store's files are read through.  libyaml reads YAML;
 * JSON is YAML here, so one reader serves both.
 */
#ifndef UVRFS_NODE_H
#define UVRFS_NODE_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

#define NODE_DEPTH_MAX 32

enum node_kind { NODE_SCALAR, NODE_MAPPING, NODE_SEQUENCE };

struct node {
	enum node_kind kind;
	unsigned line;			/* counted from 1 */
	char *key;			/* in a mapping: its key, else NULL */
	unsigned key_line;
	char *text;			/* of a scalar, NUL-terminated */
	bool quoted;			/* a scalar that was quoted or a block:
					   a string, whatever it looks like */
	struct node *children;		/* first child, in order */
	struct node *next;		/* sibling */
};

/*
 * Reads the one document in the @len bytes at @text.  Refuses with EINVAL what
 * manifest_parse lists (duplicate keys, anchors, aliases, tags, depth, NULs,
 * UTF-8, several documents, keys that are no plain scalars).  The tree is the
 * caller's, to be freed with node_free.  Pure.
 */
struct node *node_parse(const char *text, size_t len, struct error *err);
void node_free(struct node *node);	/* takes NULL */

/* The child of mapping @node under @key, or NULL. */
struct node *node_get(const struct node *node, const char *key);

/*
 * What a plain scalar is in YAML's core schema: true for a string, that is
 * quoted, or not one of null, a boolean or a number.
 */
bool node_is_string(const struct node *node);

void node_free_cleanup(struct node **node);
#define auto_node __attribute__((cleanup(node_free_cleanup))) struct node *

#endif
