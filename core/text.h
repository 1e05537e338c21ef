/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small pieces of text that every file of the tree shares: times, durations,
 * names and words.  Pure; nothing depends on the locale or the time zone.
 */
#ifndef UVRFS_TEXT_H
#define UVRFS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_MAX 32
#define UUID_SIZE 37

/* Frees the memory at the variable's end of scope. */
void text_free(void *p);
#define auto_free __attribute__((cleanup(text_free)))

/*
 * Writes @ms (milliseconds since the epoch) as RFC 3339 UTC with a Z, to the
 * second, into @out and returns @out; 0 gives "never".
 */
const char *time_text(int64_t ms, char out[static TIME_TEXT_MAX]);

/* The same with milliseconds, for what must come back exactly. */
const char *time_text_ms(int64_t ms, char out[static TIME_TEXT_MAX]);

/* Reads either form back; 0 for "never"; -1 when it is no such time. */
int64_t time_parse(const char *text);

/*
 * Reads a duration of the API, ^[0-9]+(s|m|h|d)$, as milliseconds.  Returns -1
 * when it is none.  Saturates at INT64_MAX instead of overflowing.
 */
int64_t duration_parse(const char *text);

/* 64-bit FNV-1a: two texts meet by a chance of 2^-64. */
uint64_t text_hash(const char *s);
uint64_t text_hash_bytes(const char *s, size_t n);

/* A random UUID, version 4 of RFC 9562; -EIO without random numbers. */
int text_make_uuid(char out[static UUID_SIZE]);

/* A DNS-1123 subdomain of at most 253 bytes (names) or label of 63. */
bool name_is_dns_subdomain(const char *s);
bool name_is_dns_label(const char *s);

/* How many bytes the character at @s has, of @n; 0 when it is no UTF-8. */
size_t text_utf8_length(const char *s, size_t n);

/* True when the @n bytes at @s are valid UTF-8 without a NUL. */
bool text_is_utf8(const char *s, size_t n);

/* Drops the start of a character at the end of @s, which was cut there.  @s. */
char *text_clip(char *s);

/*
 * A value among others in a line, into @out of @size (at least 8) bytes; @out.
 * As it is when it is one plain word, else 'so', with '' for a quote in it; `-'
 * for NULL; what is cut ends with `...' behind its quote.
 */
const char *text_quote(const char *s, char *out, size_t size);

/*
 * Copies the @n bytes at @s without leading and trailing white space into @out,
 * a NUL after them.  Returns false when they don't fit or hold a NUL.
 */
bool text_trim(const char *s, size_t n, char *out, size_t size);

#endif
