/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a status, as tables. */
#include "status_fields.h"

#include "text.h"

#include <string.h>

/* 9999-12-31T23:59:59.999Z: no later time has a text that reads back. */
#define TIME_MAX INT64_C(253402300799999)

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct field of_status[] = {
	{"id", FIELD_U64, offsetof(struct status, id), true},
	{"site", FIELD_TEXT, offsetof(struct status, site)},
	{"holdsPVC", FIELD_BOOL, offsetof(struct status, holds_pvc)},
	{"created", FIELD_TIME, offsetof(struct status, created)},
	{"updated", FIELD_TIME, offsetof(struct status, updated)},
	{"specChanged", FIELD_TIME, offsetof(struct status, spec_changed)},
	{"hold", FIELD_TEXT, offsetof(struct status, hold)},
	{"refused", FIELD_TEXT, offsetof(struct status, refused)},
	{"refusedReason", FIELD_TEXT, offsetof(struct status, refused_reason)},
	{"failed", FIELD_BOOL, offsetof(struct status, failed)},
	{"failure", FIELD_TEXT, offsetof(struct status, failure)},
	{"failureAt", FIELD_TIME, offsetof(struct status, failure_at)},
	{"dataTime", FIELD_TIME, offsetof(struct status, data_time)},
	{"lastSerial", FIELD_U64, offsetof(struct status, last_serial)},
	{"attempts", FIELD_UINT, offsetof(struct status, attempts)},
};

static const struct field of_request[] = {
	{"id", FIELD_U64, offsetof(struct request, id)},
	{"word", FIELD_WORD, offsetof(struct request, word)},
	{"from", FIELD_STATE, offsetof(struct request, from)},
	{"force", FIELD_BOOL, offsetof(struct request, force)},
	{"overrides", FIELD_UINT, offsetof(struct request, overrides)},
	{"failover", FIELD_FAILOVER, offsetof(struct request, failover)},
	{"askedPeer", FIELD_BOOL, offsetof(struct request, asked_peer)},
	{"outcome", FIELD_OUTCOME, offsetof(struct request, outcome)},
	{"accepted", FIELD_TIME, offsetof(struct request, accepted)},
	{"deadline", FIELD_TIME, offsetof(struct request, deadline)},
	{"finished", FIELD_TIME, offsetof(struct request, finished)},
	{"uid", FIELD_UINT, offsetof(struct request, who.uid)},
	{"pid", FIELD_INT, offsetof(struct request, who.pid)},
	{"command", FIELD_TEXT, offsetof(struct request, who.command)},
};

static const struct field of_intent[] = {
	{"act", FIELD_ACT, offsetof(struct intent, act)},
	{"request", FIELD_U64, offsetof(struct intent, request)},
	{"serial", FIELD_U64, offsetof(struct intent, serial)},
	{"at", FIELD_TIME, offsetof(struct intent, at)},
};

static const struct field of_transition[] = {
	{"request", FIELD_U64, offsetof(struct transition, request), true},
	{"from", FIELD_STATE, offsetof(struct transition, from)},
	{"word", FIELD_WORD, offsetof(struct transition, word)},
	{"force", FIELD_BOOL, offsetof(struct transition, force)},
	{"failover", FIELD_FAILOVER, offsetof(struct transition, failover)},
	{"outcome", FIELD_OUTCOME, offsetof(struct transition, outcome)},
	{"at", FIELD_TIME, offsetof(struct transition, at)},
	{"finished", FIELD_TIME, offsetof(struct transition, finished)},
	{"uid", FIELD_UINT, offsetof(struct transition, who.uid)},
	{"pid", FIELD_INT, offsetof(struct transition, who.pid)},
	{"command", FIELD_TEXT, offsetof(struct transition, who.command)},
	{"call", FIELD_U64, offsetof(struct transition, who.call)},
	{"note", FIELD_TEXT, offsetof(struct transition, note)},
};

/* All of metav1.Condition but the type, which is the index. */
static const struct field of_condition[] = {
	{"status", FIELD_CONDITION_STATUS, offsetof(struct condition, status),
	 true},
	{"reason", FIELD_TEXT, offsetof(struct condition, reason)},
	{"message", FIELD_TEXT, offsetof(struct condition, message)},
	{"lastTransitionTime", FIELD_TIME, offsetof(struct condition, since)},
	{"observedGeneration", FIELD_COUNTER,
	 offsetof(struct condition, generation)},
};

const struct field_table status_fields = {of_status, COUNT(of_status)};
const struct field_table request_fields = {of_request, COUNT(of_request)};
const struct field_table intent_fields = {of_intent, COUNT(of_intent)};
const struct field_table transition_fields = {of_transition,
					      COUNT(of_transition)};
const struct field_table condition_fields = {of_condition,
					     COUNT(of_condition)};

const struct field *field_find(const struct field_table *t, const char *key)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (strcmp(t->rows[i].key, key) == 0)
			return &t->rows[i];
	return NULL;
}

/* Every enum here is as wide as an int and has no negative value. */
static int number_of_word(const void *at)
{
	int value;

	memcpy(&value, at, sizeof value);
	return value;
}

int64_t field_number(const struct field *f, const void *base)
{
	const void *at = (const char *)base + f->offset;
	int64_t value;

	switch ((int)f->kind) {
	case FIELD_TEXT:
		return 0;
	case FIELD_U64:
		return (int64_t)*(const uint64_t *)at;
	case FIELD_UINT:
		return *(const unsigned *)at;
	case FIELD_BOOL:
		return *(const bool *)at;
	case FIELD_TIME:
		value = *(const int64_t *)at;
		return value < TIME_MAX ? value : TIME_MAX;
	case FIELD_COUNTER:
		return *(const int64_t *)at;
	default:
		return number_of_word(at);
	}
}

const char *field_text(const struct field *f, const void *base)
{
	return *(const char *const *)(const void *)((const char *)base +
						    f->offset);
}

bool field_is_unset(const struct field *f, const void *base)
{
	if (f->kind == FIELD_TEXT)
		return !field_text(f, base);
	return field_number(f, base) == 0;
}

const char *field_word(const struct field *f, const void *base)
{
	int value = number_of_word((const char *)base + f->offset);

	switch ((int)f->kind) {
	case FIELD_ACT:
		return act_text((enum act)value);
	case FIELD_FAILOVER:
		return failover_text((enum failover)value);
	case FIELD_OUTCOME:
		return outcome_text((enum outcome)value);
	case FIELD_CONDITION_STATUS:
		return condition_status_text((enum condition_status)value);
	default:
		return word_text((enum word)value);
	}
}

int field_word_parse(enum field_kind kind, const char *text)
{
	int value;

	switch ((int)kind) {
	case FIELD_ACT:
		return act_parse(text);
	case FIELD_FAILOVER:
		return failover_parse(text);
	case FIELD_OUTCOME:
		return outcome_parse(text);
	case FIELD_CONDITION_STATUS:
		return condition_status_parse(text);
	default:
		value = (int)word_parse(text);
		if (value == WORD_NONE ||
		    (kind == FIELD_STATE && value >= STATE_COUNT))
			return -1;
		return value;
	}
}

const char *field_clean(const char *text, struct buf *clean)
{
	if (text_is_utf8(text, strlen(text)))
		return text;
	for (; *text; text++)
		if ((unsigned char)*text < 0x80)
			buf_putc(clean, *text);
		else
			buf_printf(clean, "\\x%02x", (unsigned char)*text);
	return buf_str(clean);
}
