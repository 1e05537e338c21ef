/* SPDX-License-Identifier: Apache-2.0 */
/* Where the daemon keeps its state on this machine. */
#ifndef UVRFS_STATE_DIR_H
#define UVRFS_STATE_DIR_H

#include "error.h"
#include "text.h"

/*
 * @given (by option, else configuration), else $STATE_DIRECTORY, else the
 * place that fits who we are.  Made when absent.  Returns its absolute path,
 * malloc'ed, or NULL with a sentence.
 */
char *state_dir_open(const char *given, struct error *err);

/*
 * What tells the store at @dir from others: DIR/store-id, made when absent.  The
 * number of the directory would not do, since overlayfs gives it another one
 * whenever it has forgotten it (Documentation/filesystems/overlayfs.rst).
 */
int state_dir_identify(const char *dir, char id[static UUID_SIZE],
		       struct error *err);

/* Writes our process id to DIR/uvrfs.pid; for those who want to end us. */
int state_dir_write_pid(const char *dir, struct error *err);
void state_dir_remove_pid(const char *dir);

#endif
