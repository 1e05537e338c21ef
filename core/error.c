/* SPDX-License-Identifier: Apache-2.0 */
/* The one error type: an errno and a sentence on the caller's stack. */
#include "error.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fail(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	text_clip(err->msg);
	return -code;
}

int error_prefix(struct error *err, const char *fmt, ...)
{
	char front[256];
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(front, sizeof front, fmt, ap);
	va_end(ap);
	len = strlen(front);
	memmove(err->msg + len, err->msg, sizeof err->msg - len);
	memcpy(err->msg, front, len);
	err->msg[sizeof err->msg - 1] = '\0';
	text_clip(err->msg);
	return -err->code;
}
