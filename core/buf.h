/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a limit given at its birth.  The first failure
 * sticks: later additions do nothing, and the caller looks once at the end.
 */
#ifndef UVRFS_BUF_H
#define UVRFS_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;	/* NUL-terminated when not NULL; owned by the buffer */
	size_t len;	/* without the NUL */
	size_t cap;
	size_t max;	/* len never exceeds this */
	int failed;	/* 0, or a positive errno: ENOMEM or EFBIG */
};

/* Makes @b an empty buffer of at most @max bytes; allocates nothing. */
void buf_init(struct buf *b, size_t max);

/* Frees what @b holds; @b is as after buf_init. */
void buf_finish(struct buf *b);

/* Empties @b and forgets its failure; keeps its memory. */
void buf_reset(struct buf *b);

/* Append @n bytes, a string, one byte, formatted text. */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/*
 * Appends @s with control characters (C0, DEL, C1), backslash and what is no
 * UTF-8 as \xNN, so that a foreign message stays one line of text and can do
 * nothing to a terminal.
 */
void buf_escape(struct buf *b, const char *s);

/* And the ASCII characters that are in @also. */
void buf_escape_also(struct buf *b, const char *s, const char *also);

/* The text so far, never NULL. */
const char *buf_str(const struct buf *b);

/* Writes all of it to @fd, where it blocks; 0, or a negative errno. */
int buf_write(const struct buf *b, int fd);

/* Hands the bytes over to the caller, who frees them; @b is empty again. */
char *buf_steal(struct buf *b);

#define auto_buf __attribute__((cleanup(buf_finish))) struct buf

#endif
