/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a tree: children, types, and what of YAML is refused in it. */
#include "node.h"

#include "faults.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void node_free(struct node *node)
{
	struct node *next;

	/* Recurses at most NODE_DEPTH_MAX times. */
	for (; node; node = next) {
		next = node->next;
		node_free(node->children);
		free(node);
	}
}

void node_free_cleanup(struct node **node)
{
	node_free(*node);
}

struct node *node_get(const struct node *node, const char *key)
{
	struct node *child;

	if (!node || node->kind != NODE_MAPPING)
		return NULL;
	for (child = node->children; child; child = child->next)
		if (strcmp(child->key, key) == 0)
			return child;
	return NULL;
}

static bool is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(text, *list) == 0)
			return true;
	return false;
}

/* Past the digits of @set at @p, underscores among them; NULL without one. */
static const char *skip_digits(const char *p, const char *set)
{
	bool any = false;

	for (; *p && (*p == '_' || strchr(set, *p)); p++)
		if (*p != '_')
			any = true;
	return any ? p : NULL;
}

static bool is_prefixed_integer(const char *p)
{
	static const struct {
		const char *prefix, *digits;
	} bases[] = {{"0x", "0123456789abcdefABCDEF"},
		     {"0o", "01234567"},
		     {"0b", "01"}};
	size_t i;

	for (i = 0; i < sizeof bases / sizeof *bases; i++) {
		if (strncasecmp(p, bases[i].prefix, 2) != 0)
			continue;
		p = skip_digits(p + 2, bases[i].digits);
		return p && !*p;
	}
	return false;
}

/* [0-9]+ is an integer; \.[0-9]+ and [0-9]+\.[0-9]* with an exponent, too. */
static enum scalar number_kind(const char *p)
{
	static const char digits[] = "0123456789";
	enum scalar kind = SCALAR_INTEGER;
	const char *rest = skip_digits(p, digits);

	if (rest)
		p = rest;
	if (*p == '.') {
		kind = SCALAR_NUMBER;
		if (!rest && !skip_digits(p + 1, digits))
			return SCALAR_STRING;
		p++;
		if (skip_digits(p, digits))
			p = skip_digits(p, digits);
	} else if (!rest) {
		return SCALAR_STRING;
	}
	if (*p == 'e' || *p == 'E') {
		kind = SCALAR_NUMBER;
		p++;
		if (*p == '+' || *p == '-')
			p++;
		p = skip_digits(p, digits);
	}
	return p && !*p ? kind : SCALAR_STRING;
}

enum scalar scalar_kind(const char *plain)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL",
					    NULL};
	static const char *const booleans[] = {
		"y",	"Y",	"yes",	 "Yes",	  "YES",   "true", "True",
		"TRUE", "on",	"On",	 "ON",	  "n",	   "N",	   "no",
		"No",	"NO",	"false", "False", "FALSE", "off",  "Off",
		"OFF",	NULL};
	static const char *const numbers[] = {
		".nan",	 ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF", "+.inf",
		"+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", NULL};
	const char *p = plain;

	if (is_one_of(plain, nulls))
		return SCALAR_NULL;
	if (is_one_of(plain, booleans))
		return SCALAR_BOOLEAN;
	if (is_one_of(plain, numbers))
		return SCALAR_NUMBER;
	if (*p == '+' || *p == '-')
		p++;
	if (*p == '_')
		return SCALAR_STRING;
	return is_prefixed_integer(p) ? SCALAR_INTEGER : number_kind(p);
}

static enum scalar kind_of(const struct node *node)
{
	return node->quoted ? SCALAR_STRING : scalar_kind(node->text);
}

bool node_is_string(const struct node *node)
{
	return node->kind == NODE_SCALAR && kind_of(node) == SCALAR_STRING;
}

bool node_is_null(const struct node *node)
{
	return node->kind == NODE_SCALAR && kind_of(node) == SCALAR_NULL;
}

bool node_is_integer(const struct node *node)
{
	return node->kind == NODE_SCALAR && kind_of(node) == SCALAR_INTEGER;
}

const char *node_type_text(const struct node *node)
{
	static const char *const scalars[] = {
		[SCALAR_STRING] = "a string",	[SCALAR_NULL] = "null",
		[SCALAR_BOOLEAN] = "a boolean", [SCALAR_INTEGER] = "an integer",
		[SCALAR_NUMBER] = "a number",
	};

	if (node->kind == NODE_MAPPING)
		return "a mapping";
	if (node->kind == NODE_SEQUENCE)
		return "a list";
	return scalars[kind_of(node)];
}

static void check_node(const struct node *node, struct faults *f,
		       const struct path *at)
{
	static const char *const sentences[] = {
		[NODE_ANCHOR] = "anchors are not allowed",
		[NODE_TAG] = "tags are not allowed",
		[NODE_ALIAS] = "aliases are not allowed",
		[NODE_MERGE] = "merge keys are not allowed",
	};
	const struct node *child;
	struct path here = {.up = at};

	if (node->fault == NODE_REPEATED)
		faults_add(f, at, "duplicate key, first on line %u",
			   node->first_line);
	else if (node->fault)
		faults_add(f, at, "%s", sentences[node->fault]);
	for (child = node->children; child; child = child->next) {
		here.key = child->key;
		here.line = child->key ? child->key_line : child->line;
		check_node(child, f, &here);
		here.index++;
	}
}

void node_check(const struct node *root, struct faults *f)
{
	struct path at = {.line = root->line};

	check_node(root, f, &at);
}
