/* SPDX-License-Identifier: Apache-2.0 */
/* The directory to mount on, and what a daemon that died has left there. */
#ifndef UVRFS_MOUNTPOINT_H
#define UVRFS_MOUNTPOINT_H

#include "error.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Makes sure that one can mount at @path: detaches the mounts of uvrfs whose
 * daemons are dead, refuses a live one and what is no directory.  Returns the
 * absolute path, malloc'ed, or NULL with a sentence.  Blocks.
 */
char *mountpoint_prepare(const char *path, struct error *err);

/* The absolute path of @path, whatever is mounted there; as above. */
char *mountpoint_resolve(const char *path, struct error *err);

/*
 * The absolute path when there is a mount of uvrfs at @path, and its device, else
 * NULL.  Asks nothing of the mount: who serves it may give no answers yet.
 */
char *mountpoint_find(const char *path, dev_t *device);

/*
 * Takes the mount at @path away and ends the connection behind it, whoever else
 * has its descriptor: all that is asked of it from now on fails.
 */
void mountpoint_end(const char *path);

/*
 * True when @path, which need not exist, is @mountpoint or below it: then the
 * daemon would ask itself for its own files and hang.  Both are absolute.
 */
bool mountpoint_covers(const char *mountpoint, const char *path);

/*
 * The device of the mount of uvrfs at @path, 0 when there is none or it can't
 * be told.  Asks the kernel and not the mount.
 */
dev_t mountpoint_device(const char *path);

/*
 * True when the mountinfo(5) @line is a mount of uvrfs at @path, false for
 * another mount there; *@here tells whether it is at @path at all.
 */
bool mountpoint_match(const char *line, const char *path, bool *here);

#endif
