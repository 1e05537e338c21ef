/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what status_emit wrote and a person may have edited since.  Strict: a
 * request or an intent that was lost for a slip would lose a transition.
 */
#include "status_codec.h"

#include "faults.h"
#include "reason.h"
#include "status_fields.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What is being read, and where its fault would be named. */
struct scan {
	struct status status;
	struct transition history[HISTORY_MAX];
	struct status_record record;
	const char *path;		/* of the mapping at hand */
	struct error *err;
};

/* A part of the status that is no plain field of it. */
struct part {
	const char *key;
	int (*read)(struct scan *s, const struct node *n);
	bool ours;			/* no other program has such a key */
	bool required;
};

static int refuse(struct scan *s, const struct node *n, const char *what)
{
	const struct path mapping = {.key = s->path};
	const struct path at = {
		.up = &mapping,
		.key = n->key ? n->key : "-",
		.line = n->line,
	};
	struct faults f;

	faults_init(&f, s->err);
	faults_add(&f, &at, "%s", what);
	return faults_result(&f);
}

static bool parse_number(const char *text, int64_t max, int64_t *out)
{
	char *end;
	intmax_t value;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoimax(text, &end, 10);
	if (*end || errno || value > max)
		return false;
	*out = value;
	return true;
}

static int read_number(struct scan *s, const struct node *n,
		       const struct field *f, void *at)
{
	int64_t max = INT64_MAX, value;

	if (f->kind == FIELD_UINT)
		max = UINT_MAX;
	else if (f->kind == FIELD_INT)
		max = INT_MAX;
	if (!parse_number(n->text, max, &value))
		return refuse(s, n, "not a number, or too great");
	if (f->kind == FIELD_UINT)
		*(unsigned *)at = (unsigned)value;
	else if (f->kind == FIELD_INT)
		*(int *)at = (int)value;
	else if (f->kind == FIELD_U64)
		*(uint64_t *)at = (uint64_t)value;
	else
		*(int64_t *)at = value;
	return 0;
}

static int read_word(struct scan *s, const struct node *n,
		     const struct field *f, void *at)
{
	int value = field_word_parse(f->kind, n->text);

	if (value < 0)
		return refuse(s, n, "not a word that is known here");
	memcpy(at, &value, sizeof value);
	return 0;
}

static int read_bool(struct scan *s, const struct node *n, bool *at)
{
	bool yes = strcmp(n->text, "true") == 0;

	if (!yes && strcmp(n->text, "false") != 0)
		return refuse(s, n, "neither true nor false");
	*at = yes;
	return 0;
}

static int read_time(struct scan *s, const struct node *n, int64_t *at)
{
	int64_t value = time_parse(n->text);

	if (value < 0)
		return refuse(s, n, "not a time such as 2026-01-31T12:00:00Z");
	*at = value;
	return 0;
}

static int read_field(struct scan *s, const struct node *n,
		      const struct field *f, void *base)
{
	void *at = (char *)base + f->offset;

	if (n->kind != NODE_SCALAR)
		return refuse(s, n, "not a single value");
	if (node_is_null(n))
		return 0;
	switch ((int)f->kind) {
	case FIELD_TEXT:
		*(const char **)at = n->text;
		return 0;
	case FIELD_BOOL:
		return read_bool(s, n, at);
	case FIELD_TIME:
		return read_time(s, n, at);
	case FIELD_U64:
	case FIELD_UINT:
	case FIELD_INT:
	case FIELD_COUNTER:
		return read_number(s, n, f, at);
	default:
		return read_word(s, n, f, at);
	}
}

/* Every child of mapping @n is a field of @t in the struct at @base. */
static int read_fields(struct scan *s, const struct node *n,
		       const struct field_table *t, void *base)
{
	const struct field *f;
	const struct node *c;
	int rc;

	if (node_is_null(n))
		return 0;
	if (n->kind != NODE_MAPPING)
		return refuse(s, n, "not a mapping");
	for (c = n->children; c; c = c->next) {
		f = field_find(t, c->key);
		if (!f)
			return refuse(s, c, "unknown field");
		rc = read_field(s, c, f, base);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_request(struct scan *s, const struct node *n)
{
	s->path = "status.request";
	return read_fields(s, n, &request_fields, &s->status.request);
}

static int read_intent(struct scan *s, const struct node *n)
{
	s->path = "status.intent";
	return read_fields(s, n, &intent_fields, &s->status.intent);
}

static int read_history(struct scan *s, const struct node *n)
{
	struct transition *t;
	const struct node *c;
	size_t count = 0;
	int rc;

	if (!node_is_null(n) && n->kind != NODE_SEQUENCE)
		return refuse(s, n, "not a sequence");
	s->path = "status.history";
	for (c = n->children; c; c = c->next)
		count++;
	for (c = n->children; c; c = c->next)
		if (count-- <= HISTORY_MAX) {
			t = &s->history[s->status.history_count++];
			rc = read_fields(s, c, &transition_fields, t);
			if (rc < 0)
				return rc;
		}
	return 0;
}

static int read_condition(struct scan *s, const struct node *n)
{
	const struct node *type = node_get(n, "type"), *c;
	const struct field *f;
	int i, rc;

	i = type && type->kind == NODE_SCALAR ? condition_type_parse(type->text)
					      : -1;
	if (i < 0)
		return 0;	/* another program's */
	for (c = n->children; c; c = c->next) {
		if (c == type)
			continue;
		f = field_find(&condition_fields, c->key);
		if (!f)
			return refuse(s, c, "unknown field");
		rc = read_field(s, c, f, &s->status.conditions[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_conditions(struct scan *s, const struct node *n)
{
	const struct node *c;
	int rc;

	if (!node_is_null(n) && n->kind != NODE_SEQUENCE)
		return refuse(s, n, "not a sequence");
	s->path = "status.conditions";
	for (c = n->children; c; c = c->next) {
		if (c->kind != NODE_MAPPING)
			return refuse(s, c, "not a mapping");
		rc = read_condition(s, c);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* It repeats the observedGeneration of Ready. */
static int read_nothing(struct scan *s, const struct node *n)
{
	return 0;
}

static int read_hex(struct scan *s, const struct node *n, uint64_t *out)
{
	if (n->kind != NODE_SCALAR || strlen(n->text) != 16 ||
	    strspn(n->text, "0123456789abcdef") != 16)
		return refuse(s, n, "not 16 hexadecimal digits");
	*out = strtoull(n->text, NULL, 16);
	return 0;
}

static int read_digest(struct scan *s, const struct node *n)
{
	return read_hex(s, n, &s->record.digest);
}

static int read_said(struct scan *s, const struct node *n)
{
	return read_hex(s, n, &s->record.said);
}

static int read_accepted(struct scan *s, const struct node *n)
{
	int state = -1;

	if (n->kind == NODE_SCALAR)
		state = field_word_parse(FIELD_STATE, n->text);
	if (state < 0)
		return refuse(s, n, "not a state");
	s->record.accepted = (enum state)state;
	return 0;
}

static int read_written(struct scan *s, const struct node *n)
{
	if (n->kind != NODE_SCALAR)
		return refuse(s, n, "not a single value");
	s->record.written = node_is_null(n) ? NULL : n->text;
	return 0;
}

static const struct part parts[] = {
	{"conditions", read_conditions},
	{"observedGeneration", read_nothing},
	{"specDigest", read_digest, true, true},
	{"acceptedState", read_accepted, true, true},
	{"request", read_request, true},
	{"intent", read_intent, true},
	{"history", read_history, true},
	{"writtenDigest", read_said, true},
	{"written", read_written, true},
};

#define PART_COUNT (sizeof parts / sizeof *parts)

static const struct part *part_find(const char *key)
{
	size_t i;

	for (i = 0; i < PART_COUNT; i++)
		if (strcmp(parts[i].key, key) == 0)
			return &parts[i];
	return NULL;
}

/* True when @status holds anything that only uvrfs writes. */
static bool is_ours(const struct node *status)
{
	const struct part *p;
	const struct node *c;

	if (!status || status->kind != NODE_MAPPING)
		return false;
	for (c = status->children; c; c = c->next) {
		p = part_find(c->key);
		if (p ? p->ours : !!field_find(&status_fields, c->key))
			return true;
	}
	return false;
}

static int read_status(struct scan *s, const struct node *n)
{
	const struct field *f;
	const struct part *p;
	const struct node *c;
	size_t i;
	int rc;

	for (c = n->children; c; c = c->next) {
		s->path = "status";
		p = part_find(c->key);
		f = field_find(&status_fields, c->key);
		if (!p && !f)
			return refuse(s, c, "unknown field");
		rc = p ? p->read(s, c) : read_field(s, c, f, &s->status);
		if (rc < 0)
			return rc;
	}
	for (i = 0; i < PART_COUNT; i++)
		if (parts[i].required && !node_get(n, parts[i].key))
			return fail(s->err, EINVAL,
				    "status (line %u): %s is missing", n->line,
				    parts[i].key);
	if (s->status.id == 0)
		return fail(s->err, EINVAL, "status (line %u): id is missing",
			    n->line);
	return 0;
}

/* A value of the metadata, NULL when it is absent or no plain value. */
static const char *meta_text(const struct node *manifest, const char *key)
{
	const struct node *meta = node_get(manifest, "metadata");
	const struct node *n = NULL;

	if (meta && meta->kind == NODE_MAPPING)
		n = node_get(meta, key);
	return n && n->kind == NODE_SCALAR && *n->text ? n->text : NULL;
}

static void read_metadata(struct scan *s, const struct node *manifest)
{
	const char *text = meta_text(manifest, "resourceVersion");
	int64_t n;

	s->status.uid = meta_text(manifest, "uid");
	s->status.resource_version = 1;
	if (text && parse_number(text, INT64_MAX, &n) && n > 0)
		s->status.resource_version = (uint64_t)n;
	text = meta_text(manifest, "generation");
	s->status.generation = 1;
	if (text && parse_number(text, INT64_MAX, &n) && n > 0)
		s->status.generation = n;
	/* To the second; the status has it exactly. */
	text = meta_text(manifest, "creationTimestamp");
	if (text && time_parse(text) > 0)
		s->status.created = time_parse(text);
}

int status_parse(const struct node *manifest, struct status_record *record,
		 struct error *err)
{
	const struct node *n = node_get(manifest, "status");
	struct scan s = {.err = err};
	int i, rc;

	if (!is_ours(n)) {
		*record = s.record;
		return 0;
	}
	s.status.history = s.history;
	for (i = 0; i < CONDITION_COUNT; i++)
		s.status.conditions[i] = (struct condition){
			CONDITION_UNKNOWN,
			reason_text(REASON_NOT_OBSERVED), "", 0, 0};
	read_metadata(&s, manifest);
	rc = read_status(&s, n);
	if (rc < 0)
		return rc;
	s.record.status = status_new(&s.status);
	if (!s.record.status)
		return fail(err, ENOMEM, "no memory for a status");
	*record = s.record;
	return 0;
}
