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

struct faults;

#define NODE_DEPTH_MAX 32

enum node_kind { NODE_SCALAR, NODE_MAPPING, NODE_SEQUENCE };

/* What of YAML we refuse at this node; from NODE_ALIAS on it has no value. */
enum node_fault {
	NODE_FINE,
	NODE_ANCHOR,
	NODE_TAG,
	NODE_ALIAS,
	NODE_MERGE,
	NODE_REPEATED,		/* its key stood in this mapping before */
};

struct node {
	enum node_kind kind;
	unsigned line;			/* counted from 1 */
	char *key;			/* in a mapping: its key, else NULL */
	unsigned key_line;
	char *text;			/* of a scalar, NUL-terminated */
	bool quoted;			/* a scalar that was quoted or a block:
					   a string, whatever it looks like */
	enum node_fault fault;
	unsigned first_line;		/* NODE_REPEATED: where it was first */
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

/*
 * The same tree of JSON that jansson has read, without lines (they are 0).
 * NULL with ENOMEM, or EINVAL when it is nested too deep.  Pure.
 */
struct json_t;
struct node *node_from_json(const struct json_t *value, struct error *err);

/*
 * The two halves of node_parse, for a reader that has more faults to name:
 * node_read leaves what enum node_fault lists in the tree, and node_check adds
 * it to @f, each with path and line.
 */
struct node *node_read(const char *text, size_t len, struct error *err);
void node_check(const struct node *root, struct faults *f);

/* The child of mapping @node under @key, or NULL; @node may be NULL. */
struct node *node_get(const struct node *node, const char *key);

/* What a plain scalar is to the readers of Kubernetes (YAML 1.1 booleans). */
enum scalar {
	SCALAR_STRING,
	SCALAR_NULL,
	SCALAR_BOOLEAN,
	SCALAR_INTEGER,
	SCALAR_NUMBER,
};
enum scalar scalar_kind(const char *plain);

/*
 * What a plain scalar is in YAML's core schema: true for a string, that is
 * quoted, or not one of null, a boolean or a number.
 */
bool node_is_string(const struct node *node);
bool node_is_null(const struct node *node);
bool node_is_integer(const struct node *node);

/* "a string", "an integer", "null", "a mapping": for sentences. */
const char *node_type_text(const struct node *node);

void node_free_cleanup(struct node **node);
#define auto_node __attribute__((cleanup(node_free_cleanup))) struct node *

#endif
