/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the audit's files, and the line that each begins with. */
#include "audit_begin.h"

#include "lines.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_LEN (sizeof "2026-01-31T12:00:00Z" - 1)
#define BEGIN_MAX 128

const char *audit_name(unsigned age, char out[static AUDIT_NAME_MAX])
{
	if (age)
		snprintf(out, AUDIT_NAME_MAX, AUDIT_FILE ".%u", age);
	else
		snprintf(out, AUDIT_NAME_MAX, AUDIT_FILE);
	return out;
}

void audit_begin_format(const struct audit_begin *begin, int64_t now,
			struct buf *out)
{
	line_format(out, now, NULL, NULL, &(struct who){0}, "begun",
		    "file %" PRIu64 ", after %" PRIu64 " lines", begin->number,
		    begin->lines);
}

/* What follows @words at @p, or NULL. */
static const char *skip(const char *p, const char *words)
{
	size_t len = strlen(words);

	return p && strncmp(p, words, len) == 0 ? p + len : NULL;
}

static const char *take_number(const char *p, uint64_t *out)
{
	char *end;

	if (!p || !isdigit((unsigned char)*p))
		return NULL;
	errno = 0;
	*out = strtoull(p, &end, 10);
	return errno ? NULL : end;
}

/* Nobody else's line can be one: the namespace of a write has a name. */
bool audit_begin_parse(const char *line, size_t len, struct audit_begin *out)
{
	struct audit_begin begin;
	char text[BEGIN_MAX];
	const char *p;

	if (len < TIME_LEN || len >= sizeof text)
		return false;
	memcpy(text, line, len);
	text[len] = '\0';
	p = take_number(skip(text + TIME_LEN, " - uvrfs begun: file "),
			&begin.number);
	p = take_number(skip(p, ", after "), &begin.lines);
	p = skip(p, " lines");
	if (!p || p != text + len)
		return false;
	*out = begin;
	return true;
}
