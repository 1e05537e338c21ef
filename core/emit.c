/* SPDX-License-Identifier: Apache-2.0 */
/* Writes block-style YAML. */
#include "emit.h"

#include "node.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* Characters of more than one byte that must not stand in YAML as they are. */
static const struct {
	const char *bytes;
	const char *escape;
} specials[] = {
	{"\xc2\xa0", "\\u00a0"},     /* looks like a blank, and is none */
	{"\xe2\x80\xa8", "\\u2028"}, /* YAML 1.1 takes these two for newlines */
	{"\xe2\x80\xa9", "\\u2029"},
	{"\xef\xbb\xbf", "\\ufeff"},
	{"\xef\xbf\xbe", "\\ufffe"},
	{"\xef\xbf\xbf", "\\uffff"},
};

/*
 * The escape of the character at @s and its length, or NULL when it may stand
 * as it is.  C1 controls are made into @room.
 */
static const char *special_at(const char *s, size_t len, size_t *step,
			      char room[static 8])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = (unsigned char)*s, d;
	size_t i;

	for (i = 0; i < sizeof specials / sizeof *specials; i++) {
		*step = strlen(specials[i].bytes);
		if (*step <= len && memcmp(s, specials[i].bytes, *step) == 0)
			return specials[i].escape;
	}
	*step = 1;
	if (c == 0xc2 && len > 1 && (unsigned char)s[1] < 0xa0) {
		d = (unsigned char)s[1];
		*step = 2;
	} else if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f) {
		d = c;
	} else {
		return NULL;
	}
	memcpy(room, "\\x", 2);
	room[2] = hex[d >> 4];
	room[3] = hex[d & 15];
	room[4] = '\0';
	return room;
}

static bool has_special(const char *s, size_t len)
{
	char room[8];
	size_t i, step;

	for (i = 0; i < len; i++)
		if (special_at(s + i, len - i, &step, room))
			return true;
	return false;
}

static void put_quoted(struct buf *out, const char *s, size_t len)
{
	char room[8];
	const char *escape;
	size_t i, step;

	buf_putc(out, '"');
	for (i = 0; i < len; i += step) {
		escape = special_at(s + i, len - i, &step, room);
		if (s[i] == '\n')
			escape = "\\n";
		else if (s[i] == '\t')
			escape = "\\t";
		if (escape) {
			buf_puts(out, escape);
			continue;
		}
		if (s[i] == '"' || s[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, s[i]);
	}
	buf_putc(out, '"');
}

/* Words and figures that some YAML reader takes for something else. */
static bool is_ambiguous(const char *s, size_t len)
{
	static const char *const words[] = {"y",  "n",	 "yes",	 "no",
					    "on", "off", "true", "false",
					    "null"};
	char text[256];
	size_t i;

	if (len >= sizeof text)
		return *s >= '0' && *s <= '9';
	memcpy(text, s, len);
	text[len] = '\0';
	for (i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	/* Numbers with colons, dates and times are types of YAML 1.1. */
	return scalar_kind(text) != SCALAR_STRING ||
	       (*s >= '0' && *s <= '9' &&
		strspn(text, "0123456789_:.+-,tTzZ ") == len);
}

/* True when the two bytes of @pair stand next to each other in @s. */
static bool has_pair(const char *s, size_t len, const char *pair)
{
	size_t i;

	for (i = 1; i < len; i++)
		if (s[i - 1] == pair[0] && s[i] == pair[1])
			return true;
	return false;
}

/* True when @s, of @len bytes, reads back as this string without quotes. */
static bool is_plain(const char *s, size_t len)
{
	char c = len ? *s : ' ', last = len ? s[len - 1] : ' ';
	bool good_start = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '/' || c == '_' ||
			  c == '(' || (c & 0x80);

	return good_start && last != ':' && last != ' ' &&
	       !memchr(s, '\t', len) && !memchr(s, '\n', len) &&
	       !has_pair(s, len, ": ") && !has_pair(s, len, " #") &&
	       !has_special(s, len) && !is_ambiguous(s, len);
}

static void put_scalar(struct buf *out, const char *s, size_t len)
{
	if (is_plain(s, len))
		buf_add(out, s, len);
	else
		put_quoted(out, s, len);
}

static void put_key(struct buf *out, int depth, const char *key)
{
	buf_printf(out, "%*s", depth * 2, "");
	put_scalar(out, key, strlen(key));
	buf_putc(out, ':');
}

void emit_map(struct buf *out, int depth, const char *key)
{
	put_key(out, depth, key);
	buf_putc(out, '\n');
}

void emit_empty(struct buf *out, int depth, const char *key)
{
	put_key(out, depth, key);
	buf_puts(out, " {}\n");
}

/* `|` with what it says about the text's start and its last newlines. */
static void put_block(struct buf *out, int depth, const char *s, size_t len)
{
	const char *end = s + len, *stop;
	bool closed = s[len - 1] == '\n';

	buf_puts(out, " |");
	if (*s == ' ' || *s == '\t' || *s == '\n')
		buf_putc(out, '2');
	if (!closed)
		buf_putc(out, '-');
	else if (len > 1 && s[len - 2] == '\n')
		buf_putc(out, '+');
	buf_putc(out, '\n');
	for (; s < end; s = stop + 1) {
		stop = memchr(s, '\n', (size_t)(end - s));
		if (!stop)
			stop = end;
		if (stop > s)
			buf_printf(out, "%*s", depth * 2 + 2, "");
		buf_add(out, s, (size_t)(stop - s));
		buf_putc(out, '\n');
	}
}

void emit_text(struct buf *out, int depth, const char *key, const char *value,
	       size_t len)
{
	size_t first = 0;

	while (first < len && value[first] == '\n')
		first++;
	put_key(out, depth, key);
	/* Newlines alone say nothing about an indentation. */
	if (memchr(value, '\n', len) && first < len &&
	    !has_special(value, len)) {
		put_block(out, depth, value, len);
		return;
	}
	buf_putc(out, ' ');
	put_scalar(out, value, len);
	buf_putc(out, '\n');
}

void emit_str(struct buf *out, int depth, const char *key, const char *value)
{
	if (value)
		emit_text(out, depth, key, value, strlen(value));
}

void emit_int(struct buf *out, int depth, const char *key, int64_t value)
{
	put_key(out, depth, key);
	buf_printf(out, " %" PRId64 "\n", value);
}

void emit_bool(struct buf *out, int depth, const char *key, int value)
{
	put_key(out, depth, key);
	buf_printf(out, " %s\n", value ? "true" : "false");
}
