/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of nodes from JSON that a library has read already: it has no lines. */
#include "node.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for any number as text. */
#define NUMBER_MAX 40

static const char *scalar_text(const json_t *value, char room[NUMBER_MAX])
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(room, NUMBER_MAX, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
	else if (json_is_real(value))
		snprintf(room, NUMBER_MAX, "%.17g", json_real_value(value));
	else
		snprintf(room, NUMBER_MAX, "%s",
			 json_is_null(value)   ? "null"
			 : json_is_true(value) ? "true"
					       : "false");
	return room;
}

/* The node with its key and text behind it, in one block, as node_read's. */
static struct node *make(const json_t *value, const char *key)
{
	size_t key_size = key ? strlen(key) + 1 : 0, text_size = 0;
	char room[NUMBER_MAX];
	const char *text = NULL;
	struct node *node;
	char *end;

	if (!json_is_object(value) && !json_is_array(value)) {
		text = scalar_text(value, room);
		text_size = strlen(text) + 1;
	}
	node = calloc(1, sizeof *node + key_size + text_size);
	if (!node)
		return NULL;
	node->kind = json_is_object(value)  ? NODE_MAPPING
		     : json_is_array(value) ? NODE_SEQUENCE
					    : NODE_SCALAR;
	node->quoted = json_is_string(value);
	end = (char *)(node + 1);
	if (key)
		node->key = memcpy(end, key, key_size);
	if (text)
		node->text = memcpy(end + key_size, text, text_size);
	return node;
}

static int fill(struct node *node, const json_t *value, unsigned depth,
		struct error *err);

static int add(struct node ***end, const json_t *value, const char *key,
	       unsigned depth, struct error *err)
{
	struct node *child = make(value, key);

	if (!child)
		return fail(err, ENOMEM, "out of memory");
	**end = child;
	*end = &child->next;
	return fill(child, value, depth + 1, err);
}

static int fill(struct node *node, const json_t *value, unsigned depth,
		struct error *err)
{
	struct node **end = &node->children;
	json_t *item;
	const char *key;
	size_t i;
	int rc = 0;

	if (depth >= NODE_DEPTH_MAX)
		return fail(err, EINVAL, "nested deeper than %d",
			    NODE_DEPTH_MAX);
	if (json_is_array(value)) {
		json_array_foreach(value, i, item) {
			rc = add(&end, item, NULL, depth, err);
			if (rc < 0)
				break;
		}
		return rc;
	}
	json_object_foreach((json_t *)value, key, item) {
		rc = add(&end, item, key, depth, err);
		if (rc < 0)
			break;
	}
	return rc;
}

struct node *node_from_json(const json_t *value, struct error *err)
{
	struct node *root = make(value, NULL);

	if (!root) {
		fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (fill(root, value, 0, err) < 0) {
		node_free(root);
		return NULL;
	}
	return root;
}
