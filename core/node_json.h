/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON for a YAML reader: almost all JSON is YAML, and this mends the rest
 * without moving a line.
 */
#ifndef UVRFS_NODE_JSON_H
#define UVRFS_NODE_JSON_H

#include "buf.h"

/*
 * Appends the JSON object at @text, valid UTF-8, so that libyaml reads it as
 * JSON means it: tabs become blanks, a colon moves to its key, surrogate pairs
 * become one character, and characters that YAML takes for line breaks or
 * refuses become escapes.  Every token stays on its line.  Only tokens are
 * looked at here; libyaml judges how they follow each other.
 *
 * Returns false, with anything in @out, when there is a token that JSON does
 * not have: then the text is YAML, or nothing.
 */
bool node_json_to_yaml(const char *text, size_t len, struct buf *out);

#endif
