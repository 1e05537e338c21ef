/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads that run jobs (core/job.h): one for the store, one for the
 * audit, eight for the backends.  Jobs go out by a queue per lane and come back by one list, which
 * the event loop drains when workers_fd is readable.
 *
 * Worker threads never touch the mount: a thread of the daemon that waits for
 * its own FUSE request can't be killed, and hangs the mount for ever.
 */
#ifndef UVRFS_WORKERS_H
#define UVRFS_WORKERS_H

#include "error.h"
#include "job.h"

struct workers;

/* Starts the threads, with every signal blocked.  NULL with a sentence. */
struct workers *workers_new(struct error *err);

/* The interface that core knows. */
struct jobs *workers_jobs(struct workers *w);

/* Readable when jobs have come back. */
int workers_fd(const struct workers *w);

/* Calls `done` of all jobs that have come back by now.  Loop thread. */
void workers_finish_jobs(struct workers *w);

/*
 * Blocks until every job that was submitted, and every one that these submit
 * when they are done, has come back and is done.  Loop thread.
 */
void workers_drain(struct workers *w);

/* Joins the threads.  After workers_drain.  Takes NULL. */
void workers_free(struct workers *w);

#endif
