/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that makes inotify work.  The kernel raises no event for what
 * changes on the daemon's side of a mount; it does for what is done through it.
 * So for each file that has changed the nudger opens it for writing, sets its
 * modification time, and closes it: OPEN, MODIFY, CLOSE_WRITE, in the file and
 * in its directory.  Directories that others made or removed it makes or removes.
 * The tree knows it by its pid and changes nothing for it.
 *
 * It is a process and no thread: a thread that waits for its own process's
 * answer keeps it from dying.  It has no descriptor but one end of a socket,
 * so that nobody finds the mount busy for its sake, and no capabilities but
 * those to open any file and to set its time.  It dies with the daemon; when it
 * dies alone it is started again.
 */
#ifndef UVRFS_NUDGER_H
#define UVRFS_NUDGER_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct nudger {
	const char *mountpoint;		/* absolute; outlives the process */
	dev_t device;			/* of the mount; 0: not known yet */
	pid_t pid;			/* 0: there is none */
	int socket;			/* -1: it has ended */
	int64_t started;
	int64_t pause;			/* before it is started again */
	int64_t due;			/* when that is, else INT64_MAX */
};

/*
 * Starts the process; @now is in milliseconds, as below.  Any number of threads
 * may be running.
 */
int nudger_start(struct nudger *n, int64_t now, struct error *err);

/* What it does with a path: set a file's time, or make a directory, or remove
   one. */
#define NUDGER_TOUCH 't'
#define NUDGER_MKDIR 'm'
#define NUDGER_RMDIR 'r'

/*
 * Has @deed done with @path, below the mountpoint.  False: not now, it has
 * enough to do or has ended.  Does not block.
 */
bool nudger_send(struct nudger *n, char deed, const char *path);

/*
 * How many nudges are done since the last call, in the order in which they
 * were sent; -EPIPE when the process has ended: it will be due to be started
 * again, after a pause that grows from a second to a minute, unless it had run
 * for a minute.  Does not block.
 */
int nudger_receive(struct nudger *n, int64_t now);

/* Starts it again when that is due: 1; 0 when it is not. */
int nudger_tick(struct nudger *n, int64_t now, struct error *err);

/* Ends the process, once nothing is mounted any more: blocks until it has. */
void nudger_stop(struct nudger *n);

#endif
