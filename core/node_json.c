/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for a YAML reader. */
#include "node_json.h"

#include <stdint.h>
#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The character that starts at @s, in valid UTF-8, and its length. */
static uint32_t utf8_code(const char *s, size_t *len)
{
	unsigned char lead = (unsigned char)*s;
	uint32_t code;
	size_t i;

	*len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	code = *len == 1 ? lead : lead & (0xffu >> (*len + 1));
	for (i = 1; i < *len; i++)
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	return code;
}

/* What libyaml refuses or takes for a line break. */
static bool needs_escape(uint32_t code)
{
	return (code >= 0x7f && code < 0xa0) || code == 0x2028 ||
	       code == 0x2029 || code == 0xfeff || code == 0xfffe ||
	       code == 0xffff;
}

/* Reads \uXXXX at @s; false when there is none. */
static bool read_unicode(const char *s, const char *end, uint32_t *code)
{
	static const char digits[] = "00112233445566778899aAbBcCdDeEfF";
	const char *digit;
	int i;

	if (end - s < 6 || s[0] != '\\' || s[1] != 'u')
		return false;
	*code = 0;
	for (i = 2; i < 6; i++) {
		digit = memchr(digits, s[i], sizeof digits - 1);
		if (!digit)
			return false;
		*code = *code << 4 | (uint32_t)(digit - digits) / 2;
	}
	return true;
}

/* Each of the copy functions returns how much it read, 0 for no such token. */

static size_t copy_escape(const char *s, const char *end, struct buf *out)
{
	uint32_t code, low;

	if (end - s >= 2 && s[1] && strchr("\"\\/bfnrt", s[1])) {
		buf_add(out, s, 2);
		return 2;
	}
	if (!read_unicode(s, end, &code))
		return 0;
	if (code < 0xd800 || code > 0xdfff) {
		buf_add(out, s, 6);
		return 6;
	}
	if (code > 0xdbff || !read_unicode(s + 6, end, &low) || low < 0xdc00 ||
	    low > 0xdfff)
		return 0;
	buf_printf(out, "\\U%08x",
		   0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
	return 12;
}

static size_t copy_character(const char *s, const char *end, struct buf *out)
{
	uint32_t code;
	size_t n;

	if (*s == '\\')
		return copy_escape(s, end, out);
	code = utf8_code(s, &n);
	if (code < 0x20)
		return 0;
	if (needs_escape(code))
		buf_printf(out, "\\u%04x", code);
	else
		buf_add(out, s, n);
	return n;
}

static size_t copy_string(const char *s, const char *end, struct buf *out)
{
	const char *p;
	size_t n;

	buf_putc(out, '"');
	for (p = s + 1; p < end && *p != '"'; p += n) {
		n = copy_character(p, end, out);
		if (!n)
			return 0;
	}
	buf_putc(out, '"');
	return p < end ? (size_t)(p + 1 - s) : 0;
}

static const char *skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static size_t number_length(const char *s, const char *end)
{
	const char *p = s, *q;

	if (*p == '-')
		p++;
	q = skip_digits(p, end);
	if (q == p)
		return 0;
	if (q < end && *q == '.')
		q = skip_digits(q + 1, end);
	if (q < end && (*q == 'e' || *q == 'E')) {
		q++;
		if (q < end && (*q == '+' || *q == '-'))
			q++;
		q = skip_digits(q, end);
	}
	return (size_t)(q - s);
}

static size_t copy_token(const char *s, const char *end, struct buf *out)
{
	static const char *const words[] = {"{", "}",	 "[",	  "]",
					    ",", "true", "false", "null"};
	size_t i, n = 0;

	if (*s == '"')
		return copy_string(s, end, out);
	for (i = 0; i < sizeof words / sizeof *words; i++)
		if ((size_t)(end - s) >= strlen(words[i]) &&
		    memcmp(s, words[i], strlen(words[i])) == 0)
			n = strlen(words[i]);
	if (!n)
		n = number_length(s, end);
	buf_add(out, s, n);
	return n;
}

bool node_json_to_yaml(const char *text, size_t len, struct buf *out)
{
	const char *p = text, *end = text + len, *q;
	bool first = true;
	size_t n;

	for (; p < end; p += n, first = false) {
		for (q = p; q < end && is_space(*q); q++)
			;
		if (first && (q == end || *q != '{'))
			return false;
		/* YAML wants a key and its colon on one line. */
		if (q < end && *q == ':')
			buf_putc(out, ':');
		for (; p < q; p++)
			buf_putc(out, *p == '\t' ? ' ' : *p);
		if (p == end)
			break;
		n = *p == ':' ? 1 : copy_token(p, end, out);
		if (!n)
			return false;
	}
	return !first;
}
