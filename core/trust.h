/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a file may be believed, or holds a secret that is one. */
#ifndef UVRFS_TRUST_H
#define UVRFS_TRUST_H

#include "error.h"

#include <stdbool.h>

/*
 * Refuses (EACCES) the file at @path when others than root and we could change
 * it, or, if it holds a @secret, read it; only the group of a file of root's
 * may: that is how root gives it to a user without rights.  What can't be looked
 * at is for whoever opens it to complain of.  Blocks for the disk.
 */
int trust_file(const char *path, bool secret, struct error *err);

#endif
