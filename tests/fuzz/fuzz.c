/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share; and how an assertion of Check's ends here. */
#include "fuzz.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the place of Check's own, which tells a runner that is not there. */
void _ck_assert_failed(const char *file, int line, const char *expr,
		       const char *msg, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: %s", file, line, msg ? "" : expr);
	if (msg) {
		va_start(ap, msg);
		vfprintf(stderr, msg, ap);
		va_end(ap);
	}
	fprintf(stderr, "\n");
	abort();
}

void _mark_point(const char *file, int line)
{
}

bool line_next(struct line *line, const uint8_t **data, size_t *size)
{
	const uint8_t *end = memchr(*data, '\n', *size);
	size_t n = end ? (size_t)(end - *data) : *size;

	if (!*size)
		return false;
	line->len = n < sizeof line->text ? n : sizeof line->text - 1;
	memcpy(line->text, *data, line->len);
	line->text[line->len] = '\0';
	n += end != NULL;
	*data += n;
	*size -= n;
	return true;
}

unsigned line_pick(const struct line *line, size_t i, unsigned n)
{
	/* 'a' is the first, so that seeds can be read. */
	return i < line->len ? (uint8_t)(line->text[i] - 'a') % n : 0;
}

char *line_rest(struct line *line, size_t skip)
{
	return line->text + (skip < line->len ? skip : line->len);
}

void check_sentence(const char *text)
{
	ck_assert_str_ne(text, "");
	ck_assert_msg(text_is_utf8(text, strlen(text)), "no UTF-8: %s", text);
	ck_assert_msg(!strchr(text, '\n'), "several lines: %s", text);
}
