/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of a status as tables: what the YAML of the store and status.json
 * are both made from.  Private to status_*.c.
 */
#ifndef UVRFS_STATUS_FIELDS_H
#define UVRFS_STATUS_FIELDS_H

#include "buf.h"
#include "status.h"

enum field_kind {
	FIELD_TEXT,		/* const char * */
	FIELD_U64,		/* uint64_t, at most INT64_MAX */
	FIELD_UINT,		/* unsigned */
	FIELD_INT,		/* int, not negative */
	FIELD_BOOL,		/* bool */
	FIELD_TIME,		/* int64_t, milliseconds */
	FIELD_COUNTER,		/* int64_t */
	FIELD_STATE,		/* the rest are enums with words */
	FIELD_WORD,
	FIELD_ACT,
	FIELD_FAILOVER,
	FIELD_OUTCOME,
	FIELD_CONDITION_STATUS,
};

struct field {
	const char *key;
	enum field_kind kind;
	size_t offset;
	bool always;		/* written also when it is 0, false or NULL */
};

struct field_table {
	const struct field *rows;
	size_t count;
};

extern const struct field_table status_fields;
extern const struct field_table request_fields;
extern const struct field_table intent_fields;
extern const struct field_table transition_fields;
extern const struct field_table condition_fields;

/* The row under @key, or NULL. */
const struct field *field_find(const struct field_table *t, const char *key);

/* True when the field in the struct at @base is 0, false or NULL. */
bool field_is_unset(const struct field *f, const void *base);

/* A number's value, whatever its size; times stop at the year 9999. */
int64_t field_number(const struct field *f, const void *base);

/* The word of an enum's value; and back, -1 when @text is none of its words. */
const char *field_word(const struct field *f, const void *base);
int field_word_parse(enum field_kind kind, const char *text);

/* A text's value, NULL when there is none. */
const char *field_text(const struct field *f, const void *base);

/*
 * @text when it is UTF-8, else what @clean then holds: the same with its bytes
 * beyond ASCII as \xNN.  A task's name and a storage's message may be any
 * bytes, and a file that holds what is no UTF-8 could not be read again.
 */
const char *field_clean(const char *text, struct buf *clean);

#endif
