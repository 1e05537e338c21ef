/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes block-style YAML into a buf, two spaces a level: what a person reads
 * and edits.  Strings are quoted only where a YAML reader would take them for
 * something else; text with newlines becomes a literal block where it can.
 * Strings are UTF-8.  Whatever is written reads back the same.
 */
#ifndef UVRFS_EMIT_H
#define UVRFS_EMIT_H

#include "buf.h"

#include <stdint.h>

/* `key:` and then, one level deeper, what follows; depth is in levels. */
void emit_map(struct buf *out, int depth, const char *key);

/* `key: {}`, a mapping with nothing in it. */
void emit_empty(struct buf *out, int depth, const char *key);

/* `key: value`, the value a string.  Nothing at all when @value is NULL. */
void emit_str(struct buf *out, int depth, const char *key, const char *value);

/* The same for @len bytes that may hold newlines. */
void emit_text(struct buf *out, int depth, const char *key, const char *value,
	       size_t len);

/* `key: 7` and `key: true`, not quoted. */
void emit_int(struct buf *out, int depth, const char *key, int64_t value);
void emit_bool(struct buf *out, int depth, const char *key, int value);

#endif
