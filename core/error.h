/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one error type.  It lives on the caller's stack, carries an errno and a
 * sentence for a person, and is never allocated.  Success leaves it alone.
 */
#ifndef UVRFS_ERROR_H
#define UVRFS_ERROR_H

#include <stddef.h>

/* Fits a refusal that names some twenty faults of a manifest. */
#define ERROR_MSG_MAX 4096

struct error {
	int code;		   /* a positive errno, 0 when unset */
	char msg[ERROR_MSG_MAX];   /* lower case, no full stop at the end */
};

/*
 * Records the errno @code and the formatted sentence in @err, replacing what
 * was there, and returns -@code, so that callers write `return fail(...)`.
 * Too long a sentence is cut.  @err must not be NULL.  Never blocks.
 */
int fail(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts the formatted words in front of the sentence; returns -err->code. */
int error_prefix(struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
