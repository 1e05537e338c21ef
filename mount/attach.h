/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting for a daemon that may not: one that systemd has put into a sandbox,
 * whose own mounts nobody else would see.  The daemon opens /dev/fuse and waits
 * (--await-mount); a process of root's outside takes that descriptor and mounts
 * with it (--mount-for).
 */
#ifndef UVRFS_ATTACH_H
#define UVRFS_ATTACH_H

#include "error.h"

#include <stdbool.h>

/* Is it /dev/fuse, by its number? */
struct stat;
bool attach_is_device(const struct stat *st);

/* In the daemon: opens the device; a descriptor, or a negative errno. */
int attach_open_device(struct error *err);

/*
 * Blocks until @fd is mounted at @mountpoint, where the mount of a daemon that is
 * dead may be now.  SIGTERM then ends the process, although it is blocked:
 * nothing is served yet.
 */
int attach_await(int fd, const char *mountpoint, struct error *err);

/*
 * Outside: mounts at @mountpoint what the process @pid serves, and blocks until
 * that answers.  One that does not wait for it yet has half a minute to begin.
 */
int attach_mount(const char *pid, const char *mountpoint, struct error *err);

#endif
