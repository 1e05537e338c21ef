/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns libyaml's events into a tree.  Text of strangers comes in here: the
 * depth is bounded, nothing is expanded, and no step is quadratic.
 */
#include "node.h"

#include "buf.h"
#include "faults.h"
#include "node_json.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct builder {
	yaml_parser_t parser;
	const char *text;
	struct error *err;
	struct node *root;
	struct node *stack[NODE_DEPTH_MAX];	/* the open collections */
	struct node *last[NODE_DEPTH_MAX];	/* their newest children */
	unsigned depth;
	bool has_key;				/* a key waits for its value */
	struct buf key;
	unsigned key_line;
	enum node_fault key_fault;
};

/* An event that begins a node, whatever its type. */
struct item {
	enum node_kind kind;
	const char *text;
	size_t len;
	bool quoted;
	unsigned line;
	enum node_fault fault;
};

static enum node_fault fault_of(const yaml_char_t *anchor,
				const yaml_char_t *tag)
{
	return anchor ? NODE_ANCHOR : tag ? NODE_TAG : NODE_FINE;
}

/* Fills @it; false when @e begins no node. */
static bool read_item(const yaml_event_t *e, struct item *it)
{
	*it = (struct item){.text = "",
			    .line = (unsigned)e->start_mark.line + 1};
	if (e->type == YAML_SCALAR_EVENT) {
		it->text = (const char *)e->data.scalar.value;
		it->len = e->data.scalar.length;
		it->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
		it->fault =
			fault_of(e->data.scalar.anchor, e->data.scalar.tag);
	} else if (e->type == YAML_ALIAS_EVENT) {
		it->text = (const char *)e->data.alias.anchor;
		it->len = strlen(it->text);
		it->fault = NODE_ALIAS;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		it->kind = NODE_MAPPING;
		it->fault = fault_of(e->data.mapping_start.anchor,
				     e->data.mapping_start.tag);
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		it->kind = NODE_SEQUENCE;
		it->fault = fault_of(e->data.sequence_start.anchor,
				     e->data.sequence_start.tag);
	} else {
		return false;
	}
	return true;
}

static bool is_empty(const struct node *node)
{
	return node->kind == NODE_SCALAR && !node->quoted && !*node->text &&
	       !node->fault;
}

static int take_key(struct builder *b, const struct item *it)
{
	if (it->kind != NODE_SCALAR)
		return fail(b->err, EINVAL,
			    "line %u: a key must be a word, not a collection",
			    it->line);
	buf_reset(&b->key);
	buf_add(&b->key, it->text, it->len);
	b->key_line = it->line;
	b->key_fault = it->fault;
	if (!it->quoted && strcmp(buf_str(&b->key), "<<") == 0)
		b->key_fault = NODE_MERGE;
	b->has_key = true;
	return 0;
}

/* The node with its key and text behind it, in one block. */
static struct node *new_node(struct builder *b, const struct item *it)
{
	size_t key_size = b->has_key ? b->key.len + 1 : 0;
	struct node *node = calloc(1, sizeof *node + key_size + it->len + 1);
	char *end;

	if (!node || b->key.failed) {
		free(node);
		fail(b->err, ENOMEM, "out of memory");
		return NULL;
	}
	node->kind = it->kind;
	node->line = it->line;
	node->quoted = it->quoted;
	node->fault = it->fault;
	end = (char *)(node + 1);
	if (it->kind == NODE_SCALAR)
		node->text = memcpy(end + key_size, it->text, it->len);
	if (b->has_key) {
		node->key = memcpy(end, buf_str(&b->key), b->key.len);
		node->key_line = b->key_line;
		if (b->key_fault > node->fault)
			node->fault = b->key_fault;
		b->has_key = false;
	}
	return node;
}

/* Links @node where it belongs; a document's top is not linked but kept. */
static int place_node(struct builder *b, struct node *node)
{
	struct node *top, *last;

	if (b->depth) {
		top = b->stack[b->depth - 1];
		last = b->last[b->depth - 1];
		*(last ? &last->next : &top->children) = node;
		b->last[b->depth - 1] = node;
		return 0;
	}
	/* An empty document, as after a closing `---`, is none. */
	if (b->root && is_empty(node)) {
		node_free(node);
		return 0;
	}
	if (b->root && !is_empty(b->root)) {
		unsigned line = node->line;

		node_free(node);
		return fail(b->err, EINVAL,
			    "line %u: a second document begins, only one is "
			    "allowed", line);
	}
	node_free(b->root);
	b->root = node;
	return 0;
}

static int add_item(struct builder *b, const struct item *it)
{
	bool in_mapping = b->depth && b->stack[b->depth - 1]->kind ==
					      NODE_MAPPING;
	struct node *node;
	int rc;

	if (memchr(it->text, '\0', it->len))
		return fail(b->err, EINVAL, "line %u: a NUL is not allowed",
			    it->line);
	if (in_mapping && !b->has_key)
		return take_key(b, it);
	if (it->kind != NODE_SCALAR && b->depth == NODE_DEPTH_MAX)
		return fail(b->err, EINVAL,
			    "line %u: nested deeper than %d levels", it->line,
			    NODE_DEPTH_MAX);
	node = new_node(b, it);
	if (!node)
		return -ENOMEM;
	rc = place_node(b, node);
	if (rc == 0 && it->kind != NODE_SCALAR) {
		b->last[b->depth] = NULL;
		b->stack[b->depth++] = node;
	}
	return rc;
}

static int syntax_error(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;
	unsigned line = 1;
	size_t i;

	if (p->error == YAML_MEMORY_ERROR)
		return fail(b->err, ENOMEM, "out of memory");
	if (p->error == YAML_READER_ERROR) {
		/* The reader knows the byte only, and runs ahead of marks. */
		for (i = 0; i < p->problem_offset; i++)
			line += b->text[i] == '\n';
		return fail(b->err, EINVAL, "line %u: %s", line, p->problem);
	}
	return fail(b->err, EINVAL, "line %zu, column %zu: %s%s%s%s",
		    p->problem_mark.line + 1, p->problem_mark.column + 1,
		    p->problem ? p->problem : "not YAML",
		    p->context ? " (" : "", p->context ? p->context : "",
		    p->context ? ")" : "");
}

static int build(struct builder *b)
{
	yaml_event_t event;
	struct item item;
	bool end;
	int rc = 0;

	do {
		if (!yaml_parser_parse(&b->parser, &event))
			return syntax_error(b);
		end = event.type == YAML_STREAM_END_EVENT;
		if (read_item(&event, &item))
			rc = add_item(b, &item);
		else if (event.type == YAML_MAPPING_END_EVENT ||
			 event.type == YAML_SEQUENCE_END_EVENT)
			b->depth--;
		yaml_event_delete(&event);
	} while (rc == 0 && !end);
	return rc;
}

/*
 * What libyaml would miss or say less clearly.  %TAG serves only tags, which
 * are refused anyway, and libyaml spends quadratic time on many.
 */
static int check_bytes(const char *text, size_t len, struct error *err)
{
	const char *p = text, *end = text + len, *stop;
	unsigned line = 1;

	for (; p < end; p = stop + 1, line++) {
		stop = memchr(p, '\n', (size_t)(end - p));
		if (!stop)
			stop = end;
		if (memchr(p, '\0', (size_t)(stop - p)))
			return fail(err, EINVAL, "line %u: a NUL is not allowed",
				    line);
		if (!text_is_utf8(p, (size_t)(stop - p)))
			return fail(err, EINVAL, "line %u: invalid UTF-8",
				    line);
		if (stop - p >= 4 && memcmp(p, "%TAG", 4) == 0)
			return fail(err, EINVAL,
				    "line %u: tags are not allowed", line);
	}
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a;
	const struct node *y = *(struct node *const *)b;

	int order = strcmp(x->key, y->key);

	return order ? order : (int)x->key_line - (int)y->key_line;
}

/* Marks the children of @node whose key another one had before. */
static int mark_repeated(struct node *node, struct error *err)
{
	auto_free struct node **list = NULL;
	struct node *child, *first;
	size_t n = 0, i;

	for (child = node->children; child; child = child->next)
		n++;
	if (n < 2)
		return 0;
	list = calloc(n, sizeof(*list));
	if (!list)
		return fail(err, ENOMEM, "out of memory");
	for (i = 0, child = node->children; child; child = child->next)
		list[i++] = child;
	qsort(list, n, sizeof(*list), compare_keys);
	for (i = 1, first = list[0]; i < n; i++) {
		if (strcmp(first->key, list[i]->key) != 0) {
			first = list[i];
			continue;
		}
		if (list[i]->fault < NODE_ALIAS)
			list[i]->fault = NODE_REPEATED;
		list[i]->first_line = first->key_line;
	}
	return 0;
}

/* Recurses at most NODE_DEPTH_MAX times. */
static int mark_all(struct node *node, struct error *err)
{
	struct node *child;
	int rc = 0;

	if (node->kind == NODE_MAPPING)
		rc = mark_repeated(node, err);
	for (child = node->children; child && rc == 0; child = child->next)
		rc = mark_all(child, err);
	return rc;
}

static struct node *read_yaml(const char *text, size_t len, struct error *err)
{
	struct builder b = {.text = text, .err = err};
	int rc;

	buf_init(&b.key, len + 1);
	if (!yaml_parser_initialize(&b.parser)) {
		fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text,
				     len);
	rc = build(&b);
	yaml_parser_delete(&b.parser);
	buf_finish(&b.key);
	if (rc == 0 && (!b.root || is_empty(b.root)))
		rc = fail(err, EINVAL, "the document is empty");
	if (rc == 0)
		rc = mark_all(b.root, err);
	if (rc == 0)
		return b.root;
	node_free(b.root);
	return NULL;
}

struct node *node_read(const char *text, size_t len, struct error *err)
{
	auto_buf json;

	/* Six bytes of escape for one byte is the most that can become. */
	buf_init(&json, len * 6 + 16);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	if (check_bytes(text, len, err) < 0)
		return NULL;
	if (!node_json_to_yaml(text, len, &json))
		return read_yaml(text, len, err);
	if (json.failed) {
		fail(err, json.failed, "out of memory");
		return NULL;
	}
	return read_yaml(buf_str(&json), json.len, err);
}

struct node *node_parse(const char *text, size_t len, struct error *err)
{
	struct node *root = node_read(text, len, err);
	struct faults f;

	if (!root)
		return NULL;
	faults_init(&f, err);
	node_check(root, &f);
	if (faults_result(&f) == 0)
		return root;
	node_free(root);
	return NULL;
}
