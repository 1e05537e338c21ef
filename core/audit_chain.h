/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain through the lines of an audit file: each ends with
 *
 *   ... sha256=HASH
 *
 * the hash of the HASH of the line before it, as text, and of what stands before
 * " sha256=" in this one.  So a line that was changed, removed, moved or put in
 * breaks it.  Who may write the file can make the rest of the chain anew: the
 * last hash has to be known elsewhere to notice that, or a cut at the end.  A cut
 * at the beginning shows by the line that each file begins with (audit_begin.h).
 */
#ifndef UVRFS_AUDIT_CHAIN_H
#define UVRFS_AUDIT_CHAIN_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

#define AUDIT_HASH_MAX 65	/* with its NUL; "" is that before the first */

/* The hash of a line of @len bytes behind the one with the hash @before. */
void audit_chain_hash(const char *before, const char *line, size_t len,
		      char out[static AUDIT_HASH_MAX]);

/* What comes between a line and its hash. */
#define AUDIT_HASH_MARK " sha256="

/*
 * How much of the @len bytes of @line comes before its hash, which goes to
 * @hash; without one all of it, and "".
 */
size_t audit_chain_split(const char *line, size_t len,
			 char hash[static AUDIT_HASH_MAX]);

/* Whether the chain begins with this line, which has its hash. */
bool audit_chain_begins(const char *line, size_t len);

/*
 * Follows the chain through the files of the state directory @dir, and appends
 * what there is to say of it; fails with the first line that does not follow, or
 * when there should be older files.  A daemon may be writing meanwhile.  Blocks
 * for the disk.
 */
struct buf;
int audit_chain_check(const char *dir, struct buf *out, struct error *err);

#endif
