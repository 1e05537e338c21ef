/* SPDX-License-Identifier: Apache-2.0 */
/* All faults of a text in one error. */
#include "faults.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Kept free for "; and 4294967295 more". */
#define TAIL_ROOM 32

void faults_init(struct faults *f, struct error *err)
{
	*f = (struct faults){.err = err};
}

/*
 * Copies @s with control bytes as \xNN as far as @size allows, never cutting
 * within a character; returns the length.
 */
static size_t escape(const char *s, char *out, size_t size)
{
	size_t n = 0, step;

	for (; *s; s += step) {
		unsigned char c = (unsigned char)*s;
		char hex[8] = "";

		for (step = 1; (s[step] & 0xc0) == 0x80; step++)
			;
		if (c < 0x20 || c == 0x7f)
			snprintf(hex, sizeof hex, "\\x%02x", c);
		if (n + (*hex ? 4 : step) + 4 > size) {
			n += (size_t)snprintf(out + n, size - n, "...");
			break;
		}
		memcpy(out + n, *hex ? hex : s, *hex ? 4 : step);
		n += *hex ? 4 : step;
	}
	out[n] = '\0';
	return n;
}

const char *fault_quote(const char *value, char out[static QUOTE_MAX])
{
	size_t n;

	out[0] = '\'';
	n = escape(value, out + 1, QUOTE_MAX - 2);
	out[n + 1] = '\'';
	out[n + 2] = '\0';
	return out;
}

/* Writes the path's keys, outermost first; returns the length. */
static size_t write_path(const struct path *at, char *out, size_t size)
{
	char key[QUOTE_MAX];
	size_t n = 0;

	if (at->up)
		n = write_path(at->up, out, size);
	if (at->key) {
		escape(at->key, key, sizeof key);
		n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "." : "",
				      key);
	} else if (at->up) {
		n += (size_t)snprintf(out + n, size - n, "[%zu]", at->index);
	}
	return n < size ? n : size - 1;
}

void faults_add(struct faults *f, const struct path *at, const char *fmt, ...)
{
	char text[768], where[256] = "";
	size_t n, room = sizeof f->err->msg - TAIL_ROOM - f->len;
	va_list ap;

	f->count++;
	if (!write_path(at, where, sizeof where))
		snprintf(where, sizeof where, "document");
	n = (size_t)snprintf(text, sizeof text, "%s%s", f->len ? "; " : "",
			     where);
	if (at->line)
		n += (size_t)snprintf(text + n, sizeof text - n, " (line %u)",
				      at->line);
	n += (size_t)snprintf(text + n, sizeof text - n, ": ");
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof text - n, fmt, ap);
	va_end(ap);

	n = strlen(text);
	/* Once one is left out all later ones are, so that they stay in order. */
	if (f->unsaid || n >= room) {
		f->unsaid++;
		return;
	}
	memcpy(f->err->msg + f->len, text, n + 1);
	f->len += n;
}

int faults_result(struct faults *f)
{
	if (!f->count)
		return 0;
	if (f->unsaid)
		snprintf(f->err->msg + f->len, sizeof f->err->msg - f->len,
			 "; and %u more", f->unsaid);
	f->err->code = EINVAL;
	return -EINVAL;
}
