/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a tree of nodes by tables of keys; what a key may hold. */
#include "config_read.h"

#include "text.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct key *find_key(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

/* That a key is unknown is only half of the answer. */
static void fault_unknown(struct reader *rd, const struct key *keys)
{
	char known[256] = "";
	size_t len = 0;

	for (; keys->name && len < sizeof known; keys++)
		len += (size_t)snprintf(known + len, sizeof known - len,
					"%s%s", len ? ", " : "", keys->name);
	reader_fault(rd, "unknown key; known here: %s", known);
}

static void read_child(struct reader *rd, const struct key *keys,
		       const struct node *child, void *base)
{
	const struct key *key = find_key(keys, child->key);
	struct path at = {
		.up = rd->at, .key = child->key, .line = child->key_line};

	rd->at = &at;
	if (key)
		key->read(rd, key, child, (char *)base + key->offset);
	else
		fault_unknown(rd, keys);
	rd->at = at.up;
}

void reader_mapping(struct reader *rd, const struct key *keys,
		    const struct node *node, void *base)
{
	const struct node *child;

	if (node->kind != NODE_MAPPING) {
		reader_fault(rd, "must be a mapping, not %s",
			     node_type_text(node));
		return;
	}
	for (child = node->children; child; child = child->next)
		if (child->fault < NODE_ALIAS)	/* the others are faults */
			read_child(rd, keys, child, base);
	for (; keys->name; keys++)
		if (keys->required && !node_get(node, keys->name))
			reader_fault(rd, "%s is missing", keys->name);
}

void read_mapping(struct reader *rd, const struct key *key,
		  const struct node *node, void *into)
{
	reader_mapping(rd, key->keys, node, into);
}

/* Makes an array for the children of @node; NULL when there are none. */
static char *make_items(struct reader *rd, const struct key *key,
			const struct node *node, void *into)
{
	const struct node *child;
	size_t count = 0;
	void *items;

	for (child = node->children; child; child = child->next)
		count++;
	if (!count)
		return NULL;
	items = calloc(count, key->item_size);
	if (!items) {
		rd->no_memory = true;
		return NULL;
	}
	memcpy(into, &items, sizeof items);
	memcpy((char *)into - key->offset + key->count_offset, &count,
	       sizeof count);
	return items;
}

static void read_item(struct reader *rd, const struct key *key,
		      const struct node *node, void *item)
{
	if (key->init)
		key->init(item);
	if (node->key)
		memcpy(item, &node->key, sizeof node->key);
	if (node->fault < NODE_ALIAS)
		reader_mapping(rd, key->keys, node, item);
}

static void read_items(struct reader *rd, const struct key *key,
		       const struct node *node, void *into)
{
	char *item = make_items(rd, key, node, into);
	const struct node *child = node->children;
	struct path at = {.up = rd->at};

	for (; item && child; at.index++, child = child->next) {
		at.key = child->key;
		at.line = child->key ? child->key_line : child->line;
		rd->at = &at;
		read_item(rd, key, child, item);
		item += key->item_size;
	}
	rd->at = at.up;
}

void read_list(struct reader *rd, const struct key *key,
	       const struct node *node, void *into)
{
	if (node->kind == NODE_SEQUENCE)
		read_items(rd, key, node, into);
	else
		reader_fault(rd, "must be a list, not %s",
			     node_type_text(node));
}

void read_named(struct reader *rd, const struct key *key,
		const struct node *node, void *into)
{
	if (node->kind == NODE_MAPPING)
		read_items(rd, key, node, into);
	else
		reader_fault(rd, "must be a mapping, not %s",
			     node_type_text(node));
}

const struct node *reader_items(const struct node *root, const char *key,
				enum node_kind kind)
{
	const struct node *node = node_get(root, key);

	if (!node || node->kind != kind || node->fault >= NODE_ALIAS)
		return NULL;
	return node->children;
}

/* The text of a scalar, or NULL and a fault. */
static const char *scalar(struct reader *rd, const struct node *node)
{
	if (node->kind == NODE_SCALAR)
		return node->text;
	reader_fault(rd, "must be one value, not %s", node_type_text(node));
	return NULL;
}

/* "'VALUE' is WRONG". */
static void fault_value(struct reader *rd, const char *value, const char *wrong)
{
	char quoted[QUOTE_MAX];

	reader_fault(rd, "%s %s", fault_quote(value, quoted), wrong);
}

void read_string(struct reader *rd, const struct key *key,
		 const struct node *node, void *into)
{
	if (node->kind != NODE_SCALAR || !node_is_string(node))
		reader_fault(rd, "must be a string, not %s",
			     node_type_text(node));
	else if (!*node->text)
		reader_fault(rd, "must not be empty");
	else
		*(const char **)into = node->text;
}

void read_namespace(struct reader *rd, const struct key *key,
		    const struct node *node, void *into)
{
	const char *name = NULL;
	char quoted[QUOTE_MAX];

	read_string(rd, key, node, &name);
	if (name && !name_is_dns_label(name))
		reader_fault(rd, "%s is no name of 1 to 63 of a-z, 0-9 and -",
			     fault_quote(name, quoted));
	else if (name)
		*(const char **)into = name;
}

void read_place(struct reader *rd, const struct key *key,
		const struct node *node, void *into)
{
	if (node->kind == NODE_SCALAR && strcmp(node->text, ".uvrfs") == 0)
		*(const char **)into = node->text;
	else
		read_namespace(rd, key, node, into);
}

void read_bool(struct reader *rd, const struct key *key,
	       const struct node *node, void *into)
{
	const char *text = node->kind == NODE_SCALAR && !node->quoted
				   ? node->text
				   : "";

	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		reader_fault(rd, "must be true or false, not %s",
			     node_type_text(node));
	else
		*(bool *)into = *text == 't';
}

void read_path(struct reader *rd, const struct key *key,
	       const struct node *node, void *into)
{
	const char *path = NULL;

	read_string(rd, key, node, &path);
	if (path && *path != '/')
		fault_value(rd, path, "is not an absolute path");
	else if (path)
		*(const char **)into = path;
}

/* The number that is all of @text in @base, -1 when it is none or too big. */
static long long parse_number(const char *text, int base)
{
	long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoll(text, &end, base);
	/* UINT_MAX is no user: to chown(2) it means "leave it". */
	return *end || errno || value >= UINT_MAX ? -1 : value;
}

/* 250ms, or a duration of the API: 30s, 15m. */
static int64_t parse_ms(const char *text)
{
	size_t len = strlen(text);
	char digits[12];

	if (len < 3 || strcmp(text + len - 2, "ms") != 0)
		return duration_parse(text);
	if (len - 2 >= sizeof digits)
		return -1;
	memcpy(digits, text, len - 2);
	digits[len - 2] = '\0';
	return parse_number(digits, 10);
}

void read_ms(struct reader *rd, const struct key *key, const struct node *node,
	     void *into)
{
	const char *text = scalar(rd, node);
	int64_t ms = text ? parse_ms(text) : 0;

	if (text && ms <= 0)
		fault_value(rd, text, "is not a duration such as 30s, 15m, 1h "
				      "or 250ms");
	else if (text && ms > INT_MAX)
		fault_value(rd, text, "is more than 24 days");
	else if (text)
		*(int *)into = (int)ms;
}

void read_mode(struct reader *rd, const struct key *key,
	       const struct node *node, void *into)
{
	const char *text = scalar(rd, node);
	long long mode = text ? parse_number(text, 8) : 0;

	if (text && (mode < 0 || mode > 0777))
		fault_value(rd, text, "is not an octal mode such as 0750");
	else if (text)
		*(mode_t *)into = (mode_t)mode;
}

void read_user(struct reader *rd, const struct key *key,
	       const struct node *node, void *into)
{
	const char *text = scalar(rd, node);
	long long number = text ? parse_number(text, 10) : 0;
	struct passwd entry, *found = NULL;
	char room[16384];

	if (!text)
		return;
	if (number >= 0)
		*(uid_t *)into = (uid_t)number;
	else if (getpwnam_r(text, &entry, room, sizeof room, &found) == 0 &&
		 found)
		*(uid_t *)into = found->pw_uid;
	else
		fault_value(rd, text, "is no user of this machine");
}

void read_group(struct reader *rd, const struct key *key,
		const struct node *node, void *into)
{
	const char *text = scalar(rd, node);
	long long number = text ? parse_number(text, 10) : 0;
	struct group entry, *found = NULL;
	char room[65536];	/* a group has its members in it */

	if (!text)
		return;
	if (number >= 0)
		*(gid_t *)into = (gid_t)number;
	else if (getgrnam_r(text, &entry, room, sizeof room, &found) == 0 &&
		 found)
		*(gid_t *)into = found->gr_gid;
	else
		fault_value(rd, text, "is no group of this machine");
}
