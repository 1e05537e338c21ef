/* SPDX-License-Identifier: Apache-2.0 */
/* Times, durations, names and words; pure and free of the locale. */
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

void text_free(void *p)
{
	free(*(void **)p);
}

uint64_t text_hash_bytes(const char *s, size_t n)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; n; n--, s++)
		hash = (hash ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t text_hash(const char *s)
{
	return text_hash_bytes(s, strlen(s));
}

int text_make_uuid(char out[static UUID_SIZE])
{
	unsigned char b[16];

	if (getrandom(b, sizeof b, 0) != sizeof b)
		return -EIO;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(out, UUID_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

static const char *format_time(int64_t ms, bool millis, char *out)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	if (ms <= 0 || !gmtime_r(&t, &tm)) {
		strcpy(out, "never");
		return out;
	}
	n = strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	if (millis)
		n += (size_t)snprintf(out + n, TIME_TEXT_MAX - n, ".%03d",
				      (int)(ms % 1000));
	snprintf(out + n, TIME_TEXT_MAX - n, "Z");
	return out;
}

const char *time_text(int64_t ms, char out[static TIME_TEXT_MAX])
{
	return format_time(ms, false, out);
}

const char *time_text_ms(int64_t ms, char out[static TIME_TEXT_MAX])
{
	return format_time(ms, true, out);
}

int64_t time_parse(const char *text)
{
	char again[TIME_TEXT_MAX];
	struct tm tm = {0};
	int millis = 0, used = 0;
	const char *rest;
	int64_t ms;

	if (strcmp(text, "never") == 0)
		return 0;
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest)
		return -1;
	if (*rest == '.') {
		if (sscanf(rest, ".%3d%n", &millis, &used) != 1 || used != 4 ||
		    millis < 0)
			return -1;
		rest += used;
	}
	if (strcmp(rest, "Z") != 0)
		return -1;
	ms = (int64_t)timegm(&tm) * 1000 + millis;
	/* What strptime mends (the 30th of February) reads back otherwise. */
	if (ms < 0 || (ms && strcmp(format_time(ms, used, again), text) != 0))
		return -1;
	return ms;
}

int64_t duration_parse(const char *text)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	int64_t n = 0;
	const char *p = text;
	size_t i;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *p - '0', &n))
			n = INT64_MAX / 86400000;
	for (i = 0; i < sizeof units / sizeof *units; i++)
		if (*p == units[i].unit && p[1] == '\0')
			return __builtin_mul_overflow(n, units[i].ms, &n)
				       ? INT64_MAX
				       : n;
	return -1;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One label at @s up to @end. */
static bool is_label(const char *s, const char *end)
{
	if (s == end || end - s > 63 || !is_alnum(*s) || !is_alnum(end[-1]))
		return false;
	for (; s < end; s++)
		if (!is_alnum(*s) && *s != '-')
			return false;
	return true;
}

bool name_is_dns_label(const char *s)
{
	return is_label(s, s + strlen(s));
}

bool name_is_dns_subdomain(const char *s)
{
	const char *dot;

	if (strlen(s) > 253)
		return false;
	for (; (dot = strchr(s, '.')); s = dot + 1)
		if (!is_label(s, dot))
			return false;
	return name_is_dns_label(s);
}

size_t text_utf8_length(const char *text, size_t n)
{
	static const struct {
		unsigned char mask, lead;
		size_t len;
		uint32_t least;
	} forms[] = {{0x80, 0x00, 1, 1},
		     {0xe0, 0xc0, 2, 0x80},
		     {0xf0, 0xe0, 3, 0x800},
		     {0xf8, 0xf0, 4, 0x10000}};
	const unsigned char *s = (const unsigned char *)text;
	uint32_t code;
	size_t i, k;

	for (i = 0; i < 4; i++)
		if ((s[0] & forms[i].mask) == forms[i].lead)
			break;
	if (i == 4 || forms[i].len > n)
		return 0;
	code = s[0] & (unsigned char)~forms[i].mask;
	for (k = 1; k < forms[i].len; k++) {
		if ((s[k] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[k] & 0x3f);
	}
	if (code < forms[i].least || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return forms[i].len;
}

bool text_is_utf8(const char *s, size_t n)
{
	size_t step;

	for (; n; s += step, n -= step) {
		step = text_utf8_length(s, n);
		if (!step)
			return false;
	}
	return true;
}

char *text_clip(char *s)
{
	size_t n = strlen(s), tail = 0;

	while (tail < 3 && tail < n && (s[n - 1 - tail] & 0xc0) == 0x80)
		tail++;
	if (tail < n && (s[n - 1 - tail] & 0xc0) == 0xc0 &&
	    !text_utf8_length(s + n - 1 - tail, tail + 1))
		s[n - 1 - tail] = '\0';
	return s;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' ||
	       c == '\f';
}

static bool is_plain(const char *s)
{
	if (!*s || strcmp(s, "-") == 0)
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && (*s < 'A' || *s > 'Z') &&
		    !strchr("-_./:@+=", *s))
			return false;
	return true;
}

const char *text_quote(const char *s, char *out, size_t size)
{
	const size_t room = size - sizeof "'...";
	size_t len = 0, step;

	if (!s || (is_plain(s) && strlen(s) < size)) {
		snprintf(out, size, "%s", s ? s : "-");
		return out;
	}
	out[len++] = '\'';
	for (; *s; s += step, len += step) {
		step = text_utf8_length(s, strnlen(s, 4));
		step = step ? step : 1;
		if (len + step + (*s == '\'') > room)
			break;
		if (*s == '\'')
			out[len++] = '\'';
		memcpy(out + len, s, step);
	}
	snprintf(out + len, size - len, "%s", *s ? "'..." : "'");
	return out;
}

bool text_trim(const char *s, size_t n, char *out, size_t size)
{
	while (n && is_space(*s)) {
		s++;
		n--;
	}
	while (n && is_space(s[n - 1]))
		n--;
	if (n >= size || memchr(s, '\0', n))
		return false;
	memcpy(out, s, n);
	out[n] = '\0';
	return true;
}
