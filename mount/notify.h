/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells whoever started the daemon that the mount is usable, or why it is not:
 * the foreground process over a pipe, systemd over its socket.
 */
#ifndef UVRFS_NOTIFY_H
#define UVRFS_NOTIFY_H

#include "error.h"

#include <stdbool.h>

struct notify {
	int pipe;	/* to the foreground process, -1: there is none */
};

/*
 * Forks.  In the child returns 0.  In the foreground process blocks until the
 * child has reported or died, and returns 1 when the mount is usable, else a
 * negative errno with the child's sentence.  Before any thread is started.
 */
int notify_fork(struct notify *n, struct error *err);

/*
 * The mount is usable: leaves the terminal, then reports.  Returns 1 when the
 * terminal was left, so that logging has to go elsewhere.
 */
int notify_ready(struct notify *n);

/* It will never be usable.  Returns 0 when nobody waits for the sentence. */
int notify_failed(struct notify *n, const char *sentence);

/*
 * Sends @text ("READY=1", "STOPPING=1") to the service manager, if there is
 * one.  Nobody is there to hear of a failure, so it is not reported.
 */
void notify_systemd(const char *text);

/* The same with a descriptor; false when there is no service manager. */
bool notify_descriptor(const char *text, int fd);

#endif
