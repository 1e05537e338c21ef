/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that are secret: read from files, from and to base64, and cleared
 * before their memory is given back.  All of them are strings: what holds a NUL
 * is refused where it comes in, so that their end is known where they go.
 */
#ifndef UVRFS_KUBECONFIG_TEXT_H
#define UVRFS_KUBECONFIG_TEXT_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

/* Clears and frees @s; takes NULL. */
void secret_free(char *s);

/* Frees @s at the variable's end of scope. */
void secret_free_cleanup(char **s);
#define auto_secret __attribute__((cleanup(secret_free_cleanup))) char *

/*
 * Reads the file at @path, of at most @max bytes, into *@out, which is the
 * caller's, for secret_free().  Fails with EFBIG, with EINVAL for a NUL, and as
 * open(2) and read(2) do; the sentence names the file.  A worker: it blocks.
 */
int secret_read_file(const char *path, size_t max, char **out,
		     struct error *err);

/*
 * The text that @text is the base64 of (RFC 4648, padded; line ends between are
 * passed over, as Go does that wrote it).  The caller's, for secret_free().
 * Returns -EINVAL when it is none or holds a NUL, or -ENOMEM.  Pure.
 */
int base64_decode(const char *text, char **out);

/* @text in base64, the caller's, for secret_free(); NULL: out of memory. */
char *base64_encode(const char *text);

/*
 * Whether @s can stand in a header of HTTP as a bearer token: some bytes, all
 * of which are visible ASCII.
 */
bool secret_is_token(const char *s);

#endif
