/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a tree by the tables of fields.  The tables bound the recursion: no
 * text makes it deeper than they are.
 */
#include "manifest_schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct draft *draft;
	struct faults *faults;
	int rc;
};

static const char *const shape_texts[] = {
	[SHAPE_STRING] = "a string",	[SHAPE_STRINGS] = "a mapping",
	[SHAPE_MAPPING] = "a mapping",	[SHAPE_LIST] = "a list",
	[SHAPE_INTEGER] = "an integer",
};

static bool has_shape(const struct node *node, enum shape shape)
{
	if (shape == SHAPE_STRING)
		return node_is_string(node);
	if (shape == SHAPE_INTEGER)
		return node_is_integer(node);
	if (shape == SHAPE_LIST)
		return node->kind == NODE_SEQUENCE;
	return node->kind == NODE_MAPPING;
}

static bool check_shape(struct faults *f, const struct path *at,
			const struct node *node, enum shape shape)
{
	char quoted[QUOTE_MAX], hint[QUOTE_MAX + 16] = "";

	if (has_shape(node, shape))
		return true;
	if (shape == SHAPE_STRING && node->kind == NODE_SCALAR &&
	    !node_is_null(node))
		snprintf(hint, sizeof hint, " (quote it: %s)",
			 fault_quote(node->text, quoted));
	faults_add(f, at, "must be %s, is %s%s", shape_texts[shape],
		   node_type_text(node), hint);
	return false;
}

static const struct field *find_field(const struct field *row, const char *key)
{
	for (; row->name; row++)
		if (strcmp(row->name, key) == 0)
			return row;
	return NULL;
}

static void add_unknown(struct faults *f, const struct path *at,
			const struct field *row)
{
	char known[400] = "";
	size_t n = 0;

	for (; row->name && n < sizeof known; row++)
		n += (size_t)snprintf(known + n, sizeof known - n, "%s%s",
				      n ? ", " : "", row->name);
	faults_add(f, at, "unknown field (known here: %s)",
		   n ? known : "none");
}

static void read_pairs(struct reader *r, const struct node *node,
		       const struct field *field, const struct path *at)
{
	struct pairs *pairs =
		(void *)((char *)r->draft + field->offset);
	struct path here = {.up = at};
	const struct node *child;
	size_t n = 0;

	for (child = node->children; child; child = child->next)
		n++;
	pairs->count = 0;
	pairs->list = calloc(n + 1, sizeof *pairs->list);
	if (!pairs->list) {
		r->rc = -ENOMEM;
		return;
	}
	for (child = node->children; child; child = child->next) {
		if (child->fault >= NODE_ALIAS)
			continue;
		here.key = child->key;
		here.line = child->key_line;
		check_qualified_name(r->faults, &here, child->key,
				     field->fold);
		if (!check_shape(r->faults, &here, child, SHAPE_STRING))
			continue;
		if (field->check)
			field->check(r->faults, &here, child->text);
		pairs->list[pairs->count++] =
			(struct pair){child->key, child->text};
	}
}

static void read_value(struct reader *r, const struct node *node,
		       const struct field *field, const struct path *at);

static void read_children(struct reader *r, const struct node *node,
			  const struct field *field, const struct path *at)
{
	struct path here = {.up = at};
	const struct field *row;
	const struct node *child;

	for (child = node->children; child; child = child->next) {
		if (child->fault >= NODE_ALIAS)
			continue;
		here.key = child->key;
		here.line = child->key_line;
		row = find_field(field->fields, child->key);
		if (row)
			read_value(r, child, row, &here);
		else
			add_unknown(r->faults, &here, field->fields);
	}
	for (row = field->fields; row->name; row++) {
		if (!row->required || node_get(node, row->name))
			continue;
		here.key = row->name;
		here.line = at->line;
		faults_add(r->faults, &here, "required, is missing");
	}
}

static void read_value(struct reader *r, const struct node *node,
		       const struct field *field, const struct path *at)
{
	/* Kubernetes drops a null before it looks at what is required. */
	if (node_is_null(node) && !field->required)
		return;
	if (!check_shape(r->faults, at, node, field->shape))
		return;
	r->draft->extensions |= field->extension;
	if (field->shape == SHAPE_STRINGS) {
		read_pairs(r, node, field, at);
	} else if (field->shape == SHAPE_STRING) {
		if (field->offset)
			*(const char **)(void *)((char *)r->draft +
						 field->offset) = node->text;
		if (field->check)
			field->check(r->faults, at, node->text);
	} else if (field->fields) {
		read_children(r, node, field, at);
	}
	if (field->whole)
		field->whole(r->faults, at, node, r->draft);
}

int manifest_read(const struct field *field, const struct node *node,
		  struct draft *d, struct faults *f)
{
	struct reader r = {.draft = d, .faults = f};
	struct path at = {.line = node->line};

	read_value(&r, node, field, &at);
	return r.rc;
}

static void recheck_pairs(const struct field *field, const struct draft *d,
			  struct faults *f, const struct path *at)
{
	const struct pairs *pairs =
		(const void *)((const char *)d + field->offset);
	struct path here = {.up = at};
	size_t i;

	for (i = 0; i < pairs->count; i++) {
		here.key = pairs->list[i].key;
		check_qualified_name(f, &here, here.key, field->fold);
		if (field->check)
			field->check(f, &here, pairs->list[i].value);
	}
}

static void recheck_string(const struct field *field, const struct draft *d,
			   struct faults *f, const struct path *at)
{
	const char *value = *(const char *const *)(const void *)
				    ((const char *)d + field->offset);

	if (!value && field->required)
		faults_add(f, at, "required, is missing");
	if (value && field->check)
		field->check(f, at, value);
}

static void recheck(const struct field *field, const struct draft *d,
		    struct faults *f, const struct path *at)
{
	struct path here = {.up = at};
	const struct field *row;

	if (field->shape == SHAPE_STRING && field->offset)
		recheck_string(field, d, f, at);
	if (field->shape == SHAPE_STRINGS)
		recheck_pairs(field, d, f, at);
	for (row = field->fields; row && row->name; row++) {
		here.key = row->name;
		recheck(row, d, f, &here);
	}
	if (field->whole)
		field->whole(f, at, NULL, d);
}

void manifest_recheck(const struct field *field, const struct draft *d,
		      struct faults *f)
{
	struct path at = {.line = 0};

	recheck(field, d, f, &at);
}
