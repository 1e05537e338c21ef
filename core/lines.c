/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded text of whole lines, and the one line format. */
#include "lines.h"

#include "buf.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void lines_init(struct lines *l, size_t max)
{
	*l = (struct lines){.max = max};
}

void lines_finish(struct lines *l)
{
	free(l->data);
	*l = (struct lines){.max = l->max};
}

static uint64_t count_lines(const char *data, size_t len)
{
	const char *end = data + len;
	uint64_t count = 0;

	for (; data < end && (data = memchr(data, '\n', (size_t)(end - data)));
	     data++)
		count++;
	return count;
}

/* Drops the older half, up to the start of a line. */
static void halve(struct lines *l)
{
	char *cut = memchr(l->data + l->len / 2, '\n', l->len - l->len / 2);
	size_t gone = cut ? (size_t)(cut + 1 - l->data) : l->len;

	l->gone.line += count_lines(l->data, gone);
	l->gone.byte += gone;
	memmove(l->data, l->data + gone, l->len - gone);
	l->len -= gone;
}

void lines_add(struct lines *l, const char *line)
{
	size_t n = strlen(line) + 1, cap;
	char *data;

	if (n > l->max)
		return;
	while (l->len + n > l->max)
		halve(l);
	if (l->len + n > l->cap) {
		cap = l->cap ? l->cap * 2 : 256;
		while (cap < l->len + n)
			cap *= 2;
		data = realloc(l->data, cap);
		if (!data)
			return;
		l->data = data;
		l->cap = cap;
	}
	memcpy(l->data + l->len, line, n - 1);
	l->data[l->len + n - 1] = '\n';
	l->len += n;
}

/* The length of the whole lines at @data that fit, or of the first. */
static size_t fit(const char *data, size_t len, size_t size)
{
	const char *end;

	if (len <= size)
		return len;
	end = memrchr(data, '\n', size);
	if (!end)
		end = memchr(data, '\n', len);
	return (size_t)(end + 1 - data);
}

const char *lines_next(const struct lines *l, struct line_cursor *at,
		       size_t size, size_t *len, uint64_t *lost)
{
	const char *data;

	*len = 0;
	*lost = 0;
	if (at->byte < l->gone.byte) {
		*lost = l->gone.line - at->line;
		*at = l->gone;
		return NULL;
	}
	if (at->byte == l->gone.byte + l->len)
		return NULL;
	data = l->data + (at->byte - l->gone.byte);
	*len = fit(data, l->len - (size_t)(data - l->data), size);
	at->byte += *len;
	at->line += count_lines(data, *len);
	return data;
}

void line_who(struct buf *out, const struct who *who)
{
	const char *command = who->command ? who->command : "";

	/* Whoever takes his name away is not us. */
	if (!*command && !who->pid) {
		buf_puts(out, "uvrfs");
		return;
	}
	buf_printf(out, "uid=%u,pid=%d,comm=", who->uid, who->pid);
	/* One word: a blank would shift the fields of the line. */
	buf_escape_also(out, *command ? command : "?", " :");
}

void line_format(struct buf *out, int64_t when, const char *namespace,
		 const char *name, const struct who *who, const char *event,
		 const char *fmt, ...)
{
	char stamp[TIME_TEXT_MAX];
	auto_buf text;
	va_list ap;

	buf_init(&text, 16 * 1024);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);

	buf_printf(out, "%s %s%s%s ", time_text(when, stamp),
		   namespace ? namespace : "-", name ? "/" : "",
		   name ? name : "");
	line_who(out, who);
	buf_printf(out, " %s: ", event);
	buf_escape(out, buf_str(&text));
	if (text.failed == ENOMEM)	/* too long is cut */
		out->failed = ENOMEM;
}
