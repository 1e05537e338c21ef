/* SPDX-License-Identifier: Apache-2.0 */
/* What this process may do, and who may look into it. */
#ifndef UVRFS_RIGHTS_H
#define UVRFS_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Nobody but root can trace this process or read its memory, and none of it
 * gets into a core dump: there are secrets in it.
 */
void rights_hide_memory(void);

/*
 * Gives up, for good, the capabilities that are not in @keep, a bit for each by
 * its number; true when there were such.  Of the calling thread: before others
 * are started.
 */
bool rights_keep(uint64_t keep);

#endif
