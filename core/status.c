/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statuses: made whole in one block of memory, never changed, counted; and the
 * words of their fields, as tables.
 */
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Strings that go behind the struct; the first pass, @at NULL, only counts. */
struct packer {
	char *at;
	size_t size;
};

static void pack(struct packer *p, const char **slot)
{
	size_t n;

	if (!*slot)
		return;
	n = strlen(*slot) + 1;
	p->size += n;
	if (!p->at)
		return;
	memcpy(p->at, *slot, n);
	*slot = p->at;
	p->at += n;
}

static void pack_all(struct packer *p, struct status *s)
{
	size_t i;

	pack(p, &s->uid);
	pack(p, &s->version);
	pack(p, &s->site);
	pack(p, &s->failure);
	pack(p, &s->hold);
	pack(p, &s->refused);
	pack(p, &s->refused_reason);
	pack(p, &s->request.who.command);
	for (i = 0; i < CONDITION_COUNT; i++) {
		pack(p, &s->conditions[i].reason);
		pack(p, &s->conditions[i].message);
	}
	for (i = 0; i < s->history_count; i++) {
		pack(p, &s->history[i].who.command);
		pack(p, &s->history[i].note);
	}
}

struct status *status_new(const struct status *from)
{
	struct transition history[HISTORY_MAX];
	struct packer count = {NULL, 0}, fill = {NULL, 0};
	struct status draft = *from;
	struct status *s;
	size_t drop = 0, bytes;

	if (draft.history_count > HISTORY_MAX)
		drop = draft.history_count - HISTORY_MAX;
	draft.history_count -= drop;
	bytes = draft.history_count * sizeof *history;
	if (bytes)
		memcpy(history, from->history + drop, bytes);
	draft.history = history;
	pack_all(&count, &draft);

	s = malloc(sizeof *s + bytes + count.size);
	if (!s)
		return NULL;
	*s = draft;
	s->refs = 1;
	s->history = NULL;
	fill.at = (char *)(s + 1);
	if (bytes) {
		s->history = (struct transition *)(s + 1);
		memcpy(s->history, history, bytes);
		fill.at += bytes;
	}
	pack_all(&fill, s);
	return s;
}

struct status *status_ref(const struct status *status)
{
	/* The count is the one thing in a status that changes. */
	struct status *s = (struct status *)status;

	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void status_unref(const struct status *status)
{
	struct status *s = (struct status *)status;

	if (s && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(s);
}

bool status_has_call(const struct status *status, uint64_t call)
{
	size_t i;

	for (i = 0; i < status->history_count; i++)
		if (call && status->history[i].who.call == call)
			return true;
	return false;
}

const char *status_version(const struct status *status,
			   char room[static STATUS_VERSION_MAX])
{
	if (status->version)
		return status->version;
	snprintf(room, STATUS_VERSION_MAX, "%" PRIu64,
		 status->resource_version);
	return room;
}

void status_unref_cleanup(struct status **status)
{
	status_unref(*status);
}

static const char *const condition_types[CONDITION_COUNT] = {
	[CONDITION_READY] = "Ready",
	[CONDITION_SYNCED] = "Synced",
	[CONDITION_PROGRESSING] = "Progressing",
	[CONDITION_DEGRADED] = "Degraded",
	[CONDITION_DRIFTED] = "Drifted",
};

static const char *const condition_statuses[] = {
	[CONDITION_FALSE] = "False",
	[CONDITION_TRUE] = "True",
	[CONDITION_UNKNOWN] = "Unknown",
};

static const char *const failovers[] = {
	[FAILOVER_NONE] = "none",
	[FAILOVER_PLANNED] = "planned",
	[FAILOVER_UNPLANNED] = "unplanned",
};

static const char *const outcomes[] = {
	[OUTCOME_NONE] = "none",
	[OUTCOME_PENDING] = "pending",
	[OUTCOME_VERIFIED] = "verified",
	[OUTCOME_FAILED] = "failed",
	[OUTCOME_REPLACED] = "replaced",
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static int find(const char *const *table, size_t count, const char *text)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(table[i], text) == 0)
			return (int)i;
	return -1;
}

const char *condition_type_text(enum condition_type type)
{
	return condition_types[type];
}

const char *condition_status_text(enum condition_status status)
{
	return condition_statuses[status];
}

const char *failover_text(enum failover failover)
{
	return failovers[failover];
}

const char *outcome_text(enum outcome outcome)
{
	return outcomes[outcome];
}

int condition_type_parse(const char *text)
{
	return find(condition_types, COUNT(condition_types), text);
}

int condition_status_parse(const char *text)
{
	return find(condition_statuses, COUNT(condition_statuses), text);
}

int failover_parse(const char *text)
{
	return find(failovers, COUNT(failovers), text);
}

int outcome_parse(const char *text)
{
	return find(outcomes, COUNT(outcomes), text);
}

bool status_conditions_equal(const struct status *a, const struct status *b)
{
	int i;

	for (i = 0; i < CONDITION_COUNT; i++) {
		const struct condition *x = &a->conditions[i];
		const struct condition *y = &b->conditions[i];

		if (x->status != y->status || x->generation != y->generation ||
		    strcmp(x->reason, y->reason) != 0 ||
		    strcmp(x->message, y->message) != 0)
			return false;
	}
	return true;
}
